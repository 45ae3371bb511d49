"""What shoppers meant, per split and locale, and any scorer's scores beside it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from q2pt_tasks.metrics.scored import Bools, Scored, concatenate
from q2pt_tasks.model.scorers import Scorer

FORWARD = "forward"


@dataclass(frozen=True)
class LabeledQueries:
    """Normalised queries and, for each, the product types that it means."""

    queries: Sequence[str]
    product_types: Sequence[Sequence[str]]


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

    def scored(self, split: str, scorer: Scorer) -> Scored:
        """The scorer's scores of a split, locale by locale."""
        return concatenate([self._scored_locale(split, index, scorer) for index in range(len(self.locales))])

    def _scored_locale(self, split: str, index: int, scorer: Scorer) -> Scored:
        locale = self.locales[index]
        table = self.tables[split][locale]
        # Test and validation weigh queries alike; the forward days count them as often as shoppers clicked on them.
        weights = table["clicks"].to_numpy() if split == FORWARD else np.ones(len(table))
        return Scored(
            types=self.types,
            locales=self.locales,
            locale=np.full(len(table), index),
            scores=scorer.scores(table["query"].to_pylist(), locale),
            targets=self._targets(table),
            weights=weights.astype(np.float64),
        )

    def _targets(self, table: pa.Table) -> Bools:
        targets = np.zeros((len(table), len(self.types)), dtype=bool)
        lists = table["product_types"].combine_chunks()
        rows = pc.list_parent_indices(lists).to_numpy(zero_copy_only=False)
        columns = pc.index_in(lists.flatten(), pa.array(self.types, pa.string())).to_numpy(zero_copy_only=False)
        targets[rows, columns.astype(np.int64)] = True
        return targets
