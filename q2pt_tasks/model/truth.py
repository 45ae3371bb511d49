"""What shoppers meant, per split and locale, and any scorer's scores beside it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from q2pt_tasks.metrics.scored import Bools, Scored, concatenate
from q2pt_tasks.model.examples import FloatMatrix
from q2pt_tasks.model.scorers import Scorer

FORWARD = "forward"
JUDGEMENTS = "judgements"


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

    Args:
        tables: per split and locale a table of schema `data.splits.SPLIT`.
        locales: the locales, in the order of the indices in `Scored`.
    """

    def __init__(self, tables: Mapping[str, Mapping[str, pa.Table]], locales: Sequence[str]) -> None:
        self.tables = tables
        self.locales = tuple(locales)
        names = [pc.list_flatten(table["product_types"]) for split in tables.values() for table in split.values()]
        self.types = tuple(sorted({name for column in names for name in column.unique().to_pylist()}))

    @property
    def marked(self) -> tuple[str, ...]:
        """The splits that may hold training queries: the forward days, and human judgements where there are any."""
        return tuple(split for split in (FORWARD, JUDGEMENTS) if split in self.tables)

    def labeled(self, split: str) -> dict[str, LabeledQueries]:
        """The queries of a split with their product types, per locale."""
        return {
            locale: LabeledQueries(table["query"].to_pylist(), table["product_types"].to_pylist())
            for locale, table in self.tables[split].items()
        }

    def training_rows(self, locale: str) -> int:
        return len(self.tables["train"][locale])

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
