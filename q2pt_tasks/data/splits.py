"""Which side of the fence a query stands on: training, validation, test; and what the newest days are for.

A query's side depends on its normalised text alone. So it stays there as the log grows, and the same text in two
locales falls on the same side: else a unified model would be tested on what it was trained on.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from q2pt_tasks.data.labels import LABELS
from q2pt_tasks.data.queries import each_text, query_position, query_positions

# `seen`: the query's text is in the same locale's training rows.
SPLIT = LABELS.append(pa.field("seen", pa.bool_()))
HISTORY_SPLITS = ("train", "validation", "test")


class SplitLeakError(AssertionError):
    """A query stands on both sides of a split."""


@dataclass(frozen=True)
class SplitRules:
    """How queries are divided.

    Attributes:
        salt: names this division; another salt gives another one.
        validation: share of the queries for validation, 0 to 1.
        test: share of the queries for test, 0 to 1.
    """

    salt: str
    validation: float
    test: float

    def side(self, query: str) -> str:
        """`test`, `validation` or `train` for a normalised query."""
        return HISTORY_SPLITS[self.sides([query])[0]]

    def sides(self, queries: Iterable[str]) -> np.ndarray[tuple[int], np.dtype[np.int8]]:
        """The side of each normalised query, as its place in `HISTORY_SPLITS`."""
        positions = query_positions(queries, self.salt)
        below = [positions < self.test, positions < self.test + self.validation]
        test, validation, train = (np.int8(HISTORY_SPLITS.index(side)) for side in ("test", "validation", "train"))
        return np.select(below, [test, validation], train)


@dataclass(frozen=True)
class Sample:
    """How much of a locale's training and validation queries stays: a stable sample, and a larger one contains it.

    Attributes:
        share: of them, above 0 to 1.
        most: of what is left then, so many at most; None for all.
    """

    share: float = 1.0
    most: int | None = None


def divide(history: pa.Table, rules: SplitRules, sample: Sample) -> dict[str, pa.Table]:
    """One locale's labelled queries as `train`, `validation` and `test`.

    Of training and validation `sample` stays; the test set is never thinned.
    """
    queries = history["query"]
    sides = rules.sides(each_text(queries))
    is_on = {split: sides == place for place, split in enumerate(HISTORY_SPLITS)}
    kept = np.full(len(queries), True) if sample == Sample() else _kept(queries, is_on["test"], rules.salt, sample)
    return {
        split: with_seen(history.filter(pa.array(is_on[split] & kept)), seen=split == "train")
        for split in HISTORY_SPLITS
    }


def _kept(
    queries: pa.ChunkedArray, is_test: np.ndarray[tuple[int], np.dtype[np.bool_]], salt: str, sample: Sample
) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Which queries stay: those of the test set, and of the others what `sample` says."""
    positions = query_positions(each_text(queries), f"{salt}/keep")
    others = np.flatnonzero((positions < sample.share) & ~is_test)
    kept = is_test.copy()
    kept[others[np.argsort(positions[others], kind="stable")][: sample.most]] = True
    return kept


def flip_labels(train: pa.Table, share: float, salt: str) -> pa.Table:
    """One locale's training queries, of which a stable sample of `share` means another product type than it should.

    The wrong type is drawn evenly among those of the locale's other training queries.
    """
    if not share:
        return train
    types = sorted(set(pc.list_flatten(train["product_types"]).to_pylist()))
    return pa.Table.from_pylist([_flipped(row, share, salt, types) for row in train.to_pylist()], schema=train.schema)


def _flipped(row: dict[str, Any], share: float, salt: str, types: Sequence[str]) -> dict[str, Any]:
    others = [name for name in types if name not in row["product_types"]]
    if not others or query_position(row["query"], f"{salt}/flip") >= share:
        return row
    wrong = others[int(query_position(row["query"], f"{salt}/wrong") * len(others))]
    return {**row, "product_types": [wrong], "shares": [1.0]}


def with_seen(rows: pa.Table, *, seen: bool) -> pa.Table:
    return rows.append_column("seen", pa.repeat(pa.scalar(seen), len(rows))).cast(SPLIT)


def mark_seen(forward: pa.Table, train: pa.Table) -> pa.Table:
    """The newest days' labelled queries of a locale, each marked whether its text is among the training rows."""
    return forward.append_column("seen", pc.is_in(forward["query"], train["query"].combine_chunks())).cast(SPLIT)


def check_no_leak(splits: Mapping[str, Mapping[str, pa.Table]]) -> None:
    """Checks over all locales together that no query is in two of train, validation and test.

    Args:
        splits: per locale the tables of `divide`, of which the column `query` is enough.

    Raises:
        SplitLeakError: a query is in two of them.
    """
    queries = [(locale, split, tables[split]["query"]) for locale, tables in splits.items() for split in HISTORY_SPLITS]
    number = np.repeat(np.arange(len(queries), dtype=np.int32), [len(column) for *_, column in queries])
    texts = pa.chunked_array([chunk for *_, column in queries for chunk in column.chunks], pa.string())
    rows = pa.table({"query": texts, "split": (number % len(HISTORY_SPLITS)).astype(np.int8), "number": number})
    spans = rows.group_by("query").aggregate([("split", "min"), ("split", "max"), ("number", "max")])
    on_both_sides = spans.filter(pc.not_equal(spans["split_min"], spans["split_max"]))
    if len(on_both_sides):
        first = on_both_sides.slice(0, 1).to_pylist()[0]
        one, two = (HISTORY_SPLITS[first[name]] for name in ("split_min", "split_max"))
        locale = queries[first["number_max"]][0]
        raise SplitLeakError(f"{locale}: a query is in {one} and in {two}; its text is {first['query']!r}")


def label_space(counts: Iterable[Mapping[str, int]], min_train_queries: int) -> list[str]:
    """The product types, sorted, of at least `min_train_queries` training queries.

    Args:
        counts: per locale the training queries of each product type, as `data.census.LocaleCensus.labels`.
        min_train_queries: of all locales together.
    """
    totals: Counter[str] = Counter()
    for own in counts:
        totals.update(own)
    return sorted(name for name, count in totals.items() if count >= min_train_queries)
