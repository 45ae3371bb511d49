"""Batches of short queries without padding: several queries to a row, each seeing itself alone."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from q2pt_tasks.model.examples import Examples, Int64Array, Packed

# Tokens of a row: long enough that queries fill it, short enough that attention among its tokens costs nothing.
ROW_TOKENS = 32
# Queries that are looked through for identical ones, and packed together, where there is no batch.
STRETCH = 4096
_NOBODY = -1


@dataclass(frozen=True)
class PackedTokens:
    """The token ids of n queries in rows of one length, several queries to a row.

    Attributes:
        ids: (rows, length) token ids; 0 where no query is.
        positions: (rows, length) the place of each token in its query, from 0.
        owners: (rows, length) the index of the query that a token belongs to; -1 where no query is.
        first: (n,) where each query's first token stands among all rows * length.
        is_alone: whether there is one query, which fills its row.
    """

    ids: torch.Tensor
    positions: torch.Tensor
    owners: torch.Tensor
    first: torch.Tensor
    is_alone: bool = False

    def __len__(self) -> int:
        return len(self.first)

    def to(self, device: torch.device) -> "PackedTokens":
        ids, positions, owners, first = (
            part.to(device) for part in (self.ids, self.positions, self.owners, self.first)
        )
        return PackedTokens(ids, positions, owners, first, self.is_alone)


@dataclass(frozen=True)
class Piece:
    """Queries that are computed at once.

    Attributes:
        tokens: their inputs, no two of them alike.
        rows: (m,) which examples they are.
        inputs: (m,) per example the index of its input.
    """

    tokens: PackedTokens
    rows: Int64Array
    inputs: torch.Tensor


def packed_tokens(tokens: Packed) -> PackedTokens:
    """`tokens` as a network reads them."""
    length = _row_length(tokens.lengths)
    places = _places(tokens.lengths, length)
    return _lay_out(tokens, places, (int(places.max(initial=-1)) // max(length, 1) + 1, length))


def batch_size_for(rows: int, batch_size: int, min_steps: int) -> int:
    """`batch_size`, or less, so that an epoch over `rows` takes at least `min_steps` steps where rows allow it."""
    return max(1, min(batch_size, rows // min_steps))


def batches(rows: Int64Array, batch_size: int) -> Iterator[Int64Array]:
    """The rows in their order, `batch_size` at a time, the last batch shorter."""
    for start in range(0, len(rows), batch_size):
        yield rows[start : start + batch_size]


def pieces_of(tokens: Packed, rows: Int64Array, max_tokens: int, multiple_of: int = 1) -> Iterator[Piece]:
    """The examples `rows` in pieces of at most about `max_tokens` tokens, identical inputs once.

    There are `multiple_of` pieces, or two or three times as many, unless there is too little for that.

    All pieces have as near as can be the same number of rows: for matrices of another shape a library of kernels first
    makes another kernel.
    """
    inputs, input_of = _distinct(tokens.select(rows))
    length = _row_length(inputs.lengths)
    places = _places(inputs.lengths, length)
    row_of = places // max(length, 1)
    total = int(row_of.max(initial=-1)) + 1
    least = -(-total // max(1, max_tokens // max(length, 1)))
    for start, end in _spans(total, -(-least // multiple_of) * multiple_of):
        own = np.flatnonzero((start <= row_of) & (row_of < end))
        index = np.full(len(inputs), _NOBODY)
        index[own] = np.arange(len(own))
        asking = np.flatnonzero(index[input_of] != _NOBODY)
        packed = _lay_out(inputs.select(own), places[own] - start * length, (end - start, length))
        yield Piece(packed, rows[asking], torch.from_numpy(index[input_of[asking]]))


def stretches(count: int) -> Iterator[Int64Array]:
    """`count` examples in their order, as many at a time as are looked through for identical inputs."""
    for start in range(0, count, STRETCH):
        yield np.arange(start, min(start + STRETCH, count))


def shares_of(examples: Examples, rows: Int64Array, product_types: int) -> torch.Tensor:
    """Share of each query's clicks on each type of the label space, (n, product types); 0 where it is not meant."""
    shares = torch.zeros(len(rows), product_types)
    places = examples.labels.places(rows)
    queries = np.repeat(np.arange(len(rows)), examples.labels.lengths[rows])
    shares[queries, examples.labels.values[places]] = torch.from_numpy(examples.shares[places])
    return shares


def insert_locale_tokens(tokens: Packed, locale_token_ids: Int64Array) -> Packed:
    """Puts one token per query, shape (n,), right after the sequence's first token."""
    positions = tokens.offsets[:-1] + 1
    values = np.insert(tokens.values, positions, locale_token_ids)
    return Packed(values, tokens.offsets + np.arange(len(tokens) + 1))


def _distinct(tokens: Packed) -> tuple[Packed, Int64Array]:
    """The inputs that differ, and per query (n,) which of them it has."""
    index: dict[bytes, int] = {}
    input_of = np.array([index.setdefault(tokens.of(i).tobytes(), len(index)) for i in range(len(tokens))], np.int64)
    first_with = np.unique(input_of, return_index=True)[1]
    return tokens.select(first_with), input_of


def _row_length(lengths: Int64Array) -> int:
    """Room for the longest query; for few queries no more than they need."""
    return int(max(lengths.max(initial=0), min(ROW_TOKENS, lengths.sum())))


def _places(lengths: Int64Array, row_length: int) -> Int64Array:
    """Where each query's first token stands in rows of `row_length`, shape (n,).

    A row takes the longest queries that are left and fit, then what fits beside them: of rows that are long against
    the queries, next to nothing stays empty.
    """
    order = np.argsort(-lengths, kind="stable")
    sizes, counts = np.unique(lengths, return_counts=True)
    left = dict(zip(sizes[::-1].tolist(), counts[::-1].tolist(), strict=True))
    places: dict[int, list[Int64Array]] = {size: [] for size in left}
    row = 0
    while left:
        room = row_length
        for size in list(left):
            if count := min(left[size], room // size):
                places[size].append((row + 1) * row_length - room + size * np.arange(count))
                room -= count * size
                left[size] -= count
                if not left[size]:
                    del left[size]
        row += 1
    found = np.empty(len(lengths), np.int64)
    found[order] = np.concatenate([*(part for own in places.values() for part in own), np.zeros(0, np.int64)])
    return found


def _spans(total: int, count: int) -> Iterator[tuple[int, int]]:
    """`total` rows in `count` spans, which differ by one row at most; none of them empty."""
    ends = [total * (index + 1) // count for index in range(count)]
    yield from ((start, end) for start, end in zip([0, *ends], ends, strict=False) if start < end)


def _lay_out(tokens: Packed, places: Int64Array, shape: tuple[int, int]) -> PackedTokens:
    """The queries with their first tokens at `places`, (n,), of all places of `shape`, (rows, length)."""
    within = np.arange(len(tokens.values)) - np.repeat(tokens.offsets[:-1], tokens.lengths)
    place = np.repeat(places, tokens.lengths) + within
    ids, positions, owners = (np.full(shape[0] * shape[1], nothing) for nothing in (0, 0, _NOBODY))
    ids[place], positions[place] = tokens.values, within
    owners[place] = np.repeat(np.arange(len(tokens)), tokens.lengths)
    in_rows = [torch.from_numpy(part).view(shape) for part in (ids, positions, owners)]
    is_alone = len(tokens) == 1 and len(tokens.values) == len(ids)
    return PackedTokens(in_rows[0], in_rows[1], in_rows[2], torch.from_numpy(places), is_alone)
