"""Tokenised, labelled queries, packed: no padding before a batch needs it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

TOKENS = pa.schema(
    [
        ("locale", pa.string()),
        ("query", pa.string()),
        ("token_ids", pa.list_(pa.int32())),
        ("product_types", pa.list_(pa.string())),
        ("shares", pa.list_(pa.float64())),
    ]
)

Int64Array = npt.NDArray[np.int64]
# Scores, shape (queries, product types).
FloatMatrix = npt.NDArray[np.float32]
Shares = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Packed:
    """Lists of whole numbers of different length, end to end: list i is `values[offsets[i]:offsets[i + 1]]`."""

    values: Int64Array
    offsets: Int64Array

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths(self) -> Int64Array:
        return np.diff(self.offsets)

    def of(self, index: int) -> Int64Array:
        return self.values[self.offsets[index] : self.offsets[index + 1]]

    def select(self, rows: Int64Array) -> "Packed":
        """The lists of `rows`, in their order."""
        return Packed(self.values[self.places(rows)], np.concatenate([[0], np.cumsum(self.lengths[rows])]))

    def places(self, rows: Int64Array) -> Int64Array:
        """Where the values of the lists of `rows` stand among all `values`, list by list."""
        lengths = self.lengths[rows]
        starts = np.cumsum(lengths) - lengths
        places: Int64Array = np.arange(lengths.sum()) + np.repeat(self.offsets[rows] - starts, lengths)
        return places

    @classmethod
    def pack(cls, lists: Sequence[Sequence[int]]) -> "Packed":
        values = np.array([value for row in lists for value in row], dtype=np.int64)
        return cls(values, np.concatenate([[0], np.cumsum([len(row) for row in lists])]).astype(np.int64))


@dataclass(frozen=True)
class Examples:
    """Queries of one model's data.

    Attributes:
        tokens: token ids per query, with the sequence's first and last token.
        labels: indices into the model's label space per query; empty where it knows none of the query's types.
        shares: of each of `labels.values` its share of the query's clicks on types of the label space.
        locales: per query the index of its locale in the model's list of locales, shape (n,).
    """

    tokens: Packed
    labels: Packed
    shares: Shares
    locales: Int64Array

    def __len__(self) -> int:
        return len(self.tokens)


def examples_from_tokens(table: pa.Table, label_space: Sequence[str], locales: Sequence[str]) -> Examples:
    """Reads a table of schema `TOKENS` for a model that knows `label_space` and `locales`."""
    token_lists = table["token_ids"].combine_chunks()
    type_lists = table["product_types"].combine_chunks()
    known = pc.index_in(type_lists.flatten(), pa.array(label_space, pa.string()))
    is_known = known.is_valid().to_numpy(zero_copy_only=False)
    # Positions of the lists' ends among the known labels only.
    ends = np.concatenate([[0], np.cumsum(is_known)])[_offsets(type_lists)]
    labels = Packed(known.drop_null().to_numpy().astype(np.int64), ends.astype(np.int64))
    shares = table["shares"].combine_chunks().flatten().to_numpy()[is_known]
    locale_index = pc.index_in(table["locale"], pa.array(locales, pa.string())).to_numpy(zero_copy_only=False)
    return Examples(
        tokens=Packed(token_lists.flatten().to_numpy().astype(np.int64), _offsets(token_lists)),
        labels=labels,
        shares=_of_whole(shares, labels.lengths),
        locales=locale_index.astype(np.int64),
    )


def _of_whole(parts: npt.NDArray[np.float64], lengths: Int64Array) -> Shares:
    """Parts, list by list, as shares of their list's sum."""
    owners = np.repeat(np.arange(len(lengths)), lengths)
    return (parts / np.bincount(owners, parts)[owners]).astype(np.float32)


def _offsets(lists: pa.ListArray) -> Int64Array:
    offsets = lists.offsets.to_numpy().astype(np.int64)
    return offsets - offsets[0] if len(offsets) else np.zeros(1, dtype=np.int64)
