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
    ]
)

Int64Array = npt.NDArray[np.int64]
# Scores, shape (queries, product types).
FloatMatrix = npt.NDArray[np.float32]


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
        lengths = self.lengths[rows]
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        positions = np.arange(offsets[-1]) + np.repeat(self.offsets[rows] - offsets[:-1], lengths)
        return Packed(self.values[positions], offsets)

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
        locales: per query the index of its locale in the model's list of locales, shape (n,).
    """

    tokens: Packed
    labels: Packed
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
    locale_index = pc.index_in(table["locale"], pa.array(locales, pa.string())).to_numpy(zero_copy_only=False)
    return Examples(
        tokens=Packed(token_lists.flatten().to_numpy().astype(np.int64), _offsets(token_lists)),
        labels=Packed(known.drop_null().to_numpy().astype(np.int64), ends.astype(np.int64)),
        locales=locale_index.astype(np.int64),
    )


def _offsets(lists: pa.ListArray) -> Int64Array:
    offsets = lists.offsets.to_numpy().astype(np.int64)
    return offsets - offsets[0] if len(offsets) else np.zeros(1, dtype=np.int64)
