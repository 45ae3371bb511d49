"""Batches of short queries, end to end: nothing is padded."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from q2pt_tasks.model.examples import Examples, Int64Array, Packed


@dataclass(frozen=True)
class PackedTokens:
    """The token ids of n queries end to end, N in all.

    Attributes:
        ids: (N,) token ids.
        positions: (N,) the place of each token in its query, from 0.
        first: (n,) where each query's first token stands.
        runs: neighbouring queries of one length, as pairs of how many there are and how long each is.
    """

    ids: torch.Tensor
    positions: torch.Tensor
    first: torch.Tensor
    runs: tuple[tuple[int, int], ...]

    def __len__(self) -> int:
        return len(self.first)

    def to(self, device: torch.device) -> "PackedTokens":
        return PackedTokens(self.ids.to(device), self.positions.to(device), self.first.to(device), self.runs)


@dataclass(frozen=True)
class Batch:
    """Queries, and their targets (n, product types) of 0 and 1."""

    tokens: PackedTokens
    targets: torch.Tensor


def packed_tokens(tokens: Packed) -> PackedTokens:
    """`tokens` as a network reads them; fastest where queries of one length are neighbours."""
    first, lengths = tokens.offsets[:-1], tokens.lengths
    positions = np.arange(len(tokens.values)) - np.repeat(first, lengths)
    starts = np.flatnonzero(np.diff(lengths, prepend=-1))
    counts = np.diff(starts, append=len(lengths))
    runs = tuple(zip(counts.tolist(), lengths[starts].tolist(), strict=True))
    return PackedTokens(
        torch.from_numpy(tokens.values), torch.from_numpy(positions), torch.from_numpy(first.copy()), runs
    )


def batch_size_for(rows: int, batch_size: int, min_steps: int) -> int:
    """`batch_size`, or less, so that an epoch over `rows` takes at least `min_steps` steps where rows allow it."""
    return max(1, min(batch_size, rows // min_steps))


def shuffled_batches(rows: int, batch_size: int, generator: np.random.Generator) -> Iterator[Int64Array]:
    """Every row once, in random order, `batch_size` at a time, the last batch shorter."""
    order = generator.permutation(rows)
    for start in range(0, rows, batch_size):
        yield order[start : start + batch_size]


def micro_batches(rows: Int64Array, lengths: Int64Array, size: int) -> Iterator[Int64Array]:
    """`rows` in pieces of `size`, neighbours in length together: attention runs over queries of one length at once.

    Sorting inside a batch that is random itself biases nothing.
    """
    by_length = rows[np.argsort(lengths[rows], kind="stable")]
    for start in range(0, len(rows), size):
        yield by_length[start : start + size]


def targets_of(labels: Packed, rows: Int64Array, product_types: int) -> torch.Tensor:
    """Targets (n, product types): 1 where the query has the type, else 0."""
    targets = torch.zeros(len(rows), product_types)
    chosen = labels.select(rows)
    targets[np.repeat(np.arange(len(rows)), chosen.lengths), chosen.values] = 1.0
    return targets


def make_batch(examples: Examples, rows: Int64Array, product_types: int) -> Batch:
    return Batch(packed_tokens(examples.tokens.select(rows)), targets_of(examples.labels, rows, product_types))


def insert_locale_tokens(tokens: Packed, locale_token_ids: Int64Array) -> Packed:
    """Puts one token per query, shape (n,), right after the sequence's first token."""
    positions = tokens.offsets[:-1] + 1
    values = np.insert(tokens.values, positions, locale_token_ids)
    return Packed(values, tokens.offsets + np.arange(len(tokens) + 1))
