"""What shoppers meant, per split and locale, and any scorer's scores beside it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from q2pt_tasks.layout import SPLITS, Layout
from q2pt_tasks.metrics.scored import Bools, Scored, concatenate
from q2pt_tasks.model.examples import FloatMatrix
from q2pt_tasks.model.scorers import Scorer

FORWARD = "forward"
JUDGEMENTS = "judgements"

T = TypeVar("T")


class ByLocale(Mapping[str, T]):
    """Something of each locale, made whenever it is asked for: who goes from locale to locale holds one at a time."""

    def __init__(self, locales: Sequence[str], make: Callable[[str], T]) -> None:
        self._locales, self._make = locales, make

    def __getitem__(self, locale: str) -> T:
        if locale not in self._locales:
            raise KeyError(locale)
        return self._make(locale)

    def __iter__(self) -> Iterator[str]:
        return iter(self._locales)

    def __len__(self) -> int:
        return len(self._locales)


@dataclass(frozen=True)
class LabeledQueries:
    """Normalised queries and, for each, the product types that it means."""

    queries: Sequence[str]
    product_types: Sequence[Sequence[str]]


@dataclass(frozen=True, eq=False)
class Part:
    """Some queries of one locale of a split, before they are scored."""

    truth: "Truth"
    split: str
    locale: int
    table: pa.Table

    @property
    def shape(self) -> tuple[int, int]:
        """Of their scores."""
        return len(self.table), len(self.truth.types)

    def ask(self, scorer: Scorer) -> FloatMatrix:
        """The scorer's scores."""
        return scorer.scores(self.table["query"].to_pylist(), self.truth.locales[self.locale])

    def scored(self, scores: FloatMatrix) -> Scored:
        """The queries with these scores."""
        n = len(self.table)
        # Test and validation weigh queries alike; the forward days count them as often as shoppers clicked on them.
        weights = self.table["clicks"].to_numpy() if self.split == FORWARD else np.ones(n)
        return Scored(
            types=self.truth.types,
            locales=self.truth.locales,
            locale=np.full(n, self.locale),
            scores=scores,
            targets=self.truth.targets(self.table),
            weights=weights.astype(np.float64),
        )


class Truth:
    """The labelled queries of all splits and locales, and the product types that occur in any of them.

    Attributes:
        tables: per split and locale the labelled queries.
        locales: in the order of the indices in `Scored`.
        rows: per split and locale the number of labelled queries.
        types: the product types, sorted.

    Args:
        tables: per split and locale a table of schema `data.splits.SPLIT`; those of files are best left there, as
            `stored_splits` does.
        locales: the locales, in the order of the indices in `Scored`.
    """

    def __init__(self, tables: Mapping[str, Mapping[str, pa.Table]], locales: Sequence[str]) -> None:
        self.tables = tables
        self.locales = tuple(locales)
        self.rows: dict[str, dict[str, int]] = {}
        types: set[str] = set()
        for split, own in tables.items():
            self.rows[split] = {}
            for locale, table in own.items():
                self.rows[split][locale] = len(table)
                types.update(types_of(table))
        self.types = tuple(sorted(types))

    @property
    def marked(self) -> tuple[str, ...]:
        """The splits that may hold training queries: the forward days, and human judgements where there are any."""
        return tuple(split for split in (FORWARD, JUDGEMENTS) if split in self.tables)

    def labeled(self, split: str) -> Mapping[str, LabeledQueries]:
        """The queries of a split with their product types, per locale, made whenever a locale is asked for."""

        def make(locale: str) -> LabeledQueries:
            table = self.tables[split][locale]
            return LabeledQueries(table["query"].to_pylist(), table["product_types"].to_pylist())

        return ByLocale(tuple(self.tables[split]), make)

    def training_rows(self, locale: str) -> int:
        return self.rows["train"][locale]

    def seen(self, split: str) -> Bools:
        """(n,) whether each query of a split is among its locale's training queries, in the order of `scored`."""
        return np.concatenate([np.asarray(self.tables[split][locale]["seen"], dtype=bool) for locale in self.locales])

    def queries(self, split: str) -> list[str]:
        """The queries of a split, in the order of `scored`."""
        return [query for locale in self.locales for query in self.tables[split][locale]["query"].to_pylist()]

    def scored(self, split: str, scorer: Scorer) -> Scored:
        """The scorer's scores of a split, locale by locale, all in memory at once; see also `ScoreStream`."""
        return concatenate([part.scored(part.ask(scorer)) for part in self.parts(split, queries_at_once=1 << 62)])

    def parts(self, split: str, queries_at_once: int) -> Iterator["Part"]:
        """A split in parts of one locale each, one with no queries for a locale without any."""
        for index, locale in enumerate(self.locales):
            table = self.tables[split][locale]
            for start in range(0, max(1, len(table)), queries_at_once):
                yield Part(self, split, index, table.slice(start, queries_at_once))

    def targets(self, table: pa.Table) -> Bools:
        """(n, T) which types the queries of `table` mean."""
        targets = np.zeros((len(table), len(self.types)), dtype=bool)
        lists = table["product_types"].combine_chunks()
        rows = pc.list_parent_indices(lists).to_numpy(zero_copy_only=False)
        columns = pc.index_in(lists.flatten(), pa.array(self.types, pa.string())).to_numpy(zero_copy_only=False)
        targets[rows, columns.astype(np.int64)] = True
        return targets


def read_truth(layout: Layout, locales: Sequence[str]) -> Truth:
    """What stage `split` wrote of `locales`."""
    return Truth(stored_splits(layout, locales), locales)


def stored_splits(layout: Layout, locales: Sequence[str]) -> dict[str, Mapping[str, pa.Table]]:
    """Per split the tables of `locales`, each read from its file whenever it is asked for."""
    return {split: ByLocale(locales, partial(_read_split, layout, split)) for split in SPLITS}


def types_of(table: pa.Table) -> set[str]:
    """The product types of labelled queries."""
    return set(pc.list_flatten(table["product_types"]).unique().to_pylist())


def _read_split(layout: Layout, split: str, locale: str) -> pa.Table:
    return pq.ParquetFile(layout.split(locale, split)).read()
