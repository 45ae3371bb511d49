"""What a locale's training queries consist of: counts without any query's text, to compare one night with another."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from q2pt_tasks.data.queries import query_positions

# Words are counted in so many buckets: a checkpoint outlives the queries that it was trained on and must not hold them.
WORD_BUCKETS = 64
_SALT = "q2pt/words"


@dataclass(frozen=True)
class LocaleCensus:
    """One locale.

    Attributes:
        labels: product type -> training queries that mean it.
        words: occurrences of words by bucket, `WORD_BUCKETS` of them; a text without spaces is one word.
    """

    labels: Mapping[str, int]
    words: Sequence[int]


def take_census(train: pa.Table) -> LocaleCensus:
    """The census of training queries, a table of schema `data.splits.SPLIT`."""
    types, counts = pc.value_counts(pc.list_flatten(train["product_types"])).flatten()
    labels = dict(sorted(zip(types.to_pylist(), counts.to_pylist(), strict=True)))
    return LocaleCensus(labels, _count_words(train["query"]))


def _count_words(queries: pa.ChunkedArray) -> list[int]:
    words, counts = pc.value_counts(pc.list_flatten(pc.utf8_split_whitespace(queries))).flatten()
    buckets = (query_positions(words.to_pylist(), _SALT) * WORD_BUCKETS).astype(np.int64)
    totals = np.zeros(WORD_BUCKETS, np.int64)
    np.add.at(totals, buckets, counts.to_numpy(zero_copy_only=False))
    return [int(total) for total in totals]
