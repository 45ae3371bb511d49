"""Batches of short queries with little padding."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from q2pt_tasks.model.examples import Examples, Int64Array, Packed


@dataclass(frozen=True)
class Batch:
    """Padded token ids (n, length), their attention mask (n, length), and targets (n, product types) of 0 and 1."""

    token_ids: torch.Tensor
    attention_mask: torch.Tensor
    targets: torch.Tensor

    def __len__(self) -> int:
        return self.token_ids.shape[0]


def batch_size_for(rows: int, batch_size: int, min_steps: int) -> int:
    """`batch_size`, or less, so that an epoch over `rows` takes at least `min_steps` steps where rows allow it."""
    return max(1, min(batch_size, rows // min_steps))


def shuffled_batches(rows: int, batch_size: int, generator: np.random.Generator) -> Iterator[Int64Array]:
    """Every row once, in random order, `batch_size` at a time, the last batch shorter."""
    order = generator.permutation(rows)
    for start in range(0, rows, batch_size):
        yield order[start : start + batch_size]


def micro_batches(rows: Int64Array, lengths: Int64Array, size: int) -> Iterator[Int64Array]:
    """`rows` in pieces of `size`, neighbours in length together, so that each piece is padded to its own longest.

    Sorting inside a batch that is random itself saves the padding and biases nothing.
    """
    by_length = rows[np.argsort(lengths[rows], kind="stable")]
    for start in range(0, len(rows), size):
        yield by_length[start : start + size]


def pad(tokens: Packed, rows: Int64Array, pad_token: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Token ids (n, longest) of `rows` and their attention mask."""
    lengths = tokens.lengths[rows]
    mask = np.arange(lengths.max(initial=1)) < lengths[:, None]
    token_ids = np.full(mask.shape, pad_token, dtype=np.int64)
    token_ids[mask] = np.concatenate([tokens.of(row) for row in rows])
    return torch.from_numpy(token_ids), torch.from_numpy(mask)


def targets_of(labels: Packed, rows: Int64Array, product_types: int) -> torch.Tensor:
    """Targets (n, product types): 1 where the query has the type, else 0."""
    targets = torch.zeros(len(rows), product_types)
    lengths = labels.lengths[rows]
    columns = np.concatenate([labels.of(row) for row in rows])
    targets[np.repeat(np.arange(len(rows)), lengths), columns] = 1.0
    return targets


def make_batch(examples: Examples, rows: Int64Array, pad_token: int, product_types: int) -> Batch:
    token_ids, mask = pad(examples.tokens, rows, pad_token)
    return Batch(token_ids, mask, targets_of(examples.labels, rows, product_types))


def insert_locale_tokens(tokens: Packed, locale_token_ids: Int64Array) -> Packed:
    """Puts one token per query, shape (n,), right after the sequence's first token."""
    positions = tokens.offsets[:-1] + 1
    values = np.insert(tokens.values, positions, locale_token_ids)
    return Packed(values, tokens.offsets + np.arange(len(tokens) + 1))
