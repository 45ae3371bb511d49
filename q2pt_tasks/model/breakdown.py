"""What lies behind the figures over all: slices, the gap between stores, the worst types and the surest mistakes."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from q2pt_tasks.metrics.intervals import Resampling, Sample
from q2pt_tasks.metrics.measurements import ALL_LOCALES
from q2pt_tasks.metrics.mistakes import Mistake, TypeFigure, worst_types
from q2pt_tasks.metrics.observed import Answers
from q2pt_tasks.metrics.slice_intervals import LOCALE, Sliced, parity, slice_rows, slice_up
from q2pt_tasks.metrics.slices import Dimension, measure_slices
from q2pt_tasks.model.dimensions import query_dimensions, seen_dimension, support_dimension
from q2pt_tasks.model.truth import FORWARD, Truth

TEST = "test"
MOST_MISTAKES = 25
MOST_TYPES = 25


@dataclass(frozen=True)
class BreakdownRules:
    """How slices are measured.

    Attributes:
        plan: the resamples of the intervals, the same for every variant.
        min_type_positives: true pairs from which on a type may be among the worst.
        min_store_positives: true pairs from which on a store counts in the gap.
    """

    plan: Resampling
    min_type_positives: int
    min_store_positives: int


class Breakdown:
    """Collects, variant by variant, what is written when all of them are known.

    Args:
        truth: the labelled queries.
        samples: the queries of test, of the forward days and of human judgements, to resample.
        brands: those that the source knows.
        rules: how to measure.
    """

    def __init__(
        self, truth: Truth, samples: Mapping[str, Sample], brands: Sequence[str], rules: BreakdownRules
    ) -> None:
        self._truth, self._rules = truth, rules
        self.samples = samples
        test, forward, train = (truth.tables[split] for split in (TEST, FORWARD, "train"))
        stores = Dimension(LOCALE, truth.locales, of_queries=samples[TEST].part)
        self._parts = [support_dimension(truth.types, train), *query_dimensions(test, train, brands)]
        self._dimensions = {
            TEST: [_whole(samples[TEST]), stores, *self._parts],
            FORWARD: [_whole(samples[FORWARD]), seen_dimension(forward)],
        }
        self._queries = truth.queries(TEST)
        self._clicks = np.concatenate([table["clicks"].to_numpy() for table in test.values()]).astype(np.float64)
        self._sliced: dict[tuple[str, str], Sliced] = {}
        self._cells: list[dict[str, Any]] = []
        self._mistakes: dict[str, dict[str, Any]] = {}

    def add_test(self, variant: str, answers: Answers, surest: Sequence[Mistake]) -> None:
        """What a variant answered on test, and its surest mistakes there."""
        self._add(variant, TEST, answers)
        self._cells += self._cells_of(variant, answers)
        worst = worst_types(answers, self._clicks, self._rules.min_type_positives, MOST_TYPES)
        self._mistakes[variant] = {
            "types": [self._type_row(figure) for figure in worst],
            "mistakes": [{**asdict(mistake), **self._query(mistake.query)} for mistake in surest],
        }

    def add_forward(self, variant: str, answers: Answers) -> None:
        """What a variant answered on the forward days."""
        self._add(variant, FORWARD, answers)

    def slices(self, champion: str) -> dict[str, Any]:
        """Rows over all locales, cells of single locales, and the gap between stores by variant.

        Rows and gaps have intervals, and the change against `champion`, where it was added; cells have neither.
        """
        level, rows, gaps = self._rules.plan.level, [], {}
        for (variant, split), sliced in self._sliced.items():
            before = None if variant == champion else self._sliced.get((champion, split))
            rows += [{"variant": variant, "split": split, **asdict(row)} for row in slice_rows(sliced, before, level)]
            if split == TEST:
                gap = parity(sliced, before, self._rules.min_store_positives, level)
                gaps[variant] = None if gap is None else asdict(gap)
        return {"level": level, "rows": rows, "cells": self._cells, "parity": gaps}

    def mistakes(self) -> Mapping[str, Mapping[str, Any]]:
        """Per variant the worst types and the surest mistakes on test, with examples."""
        return self._mistakes

    def _add(self, variant: str, split: str, answers: Answers) -> None:
        self._sliced[variant, split] = slice_up(answers, self._dimensions[split], self.samples[split], self._rules.plan)

    def _cells_of(self, variant: str, answers: Answers) -> Iterator[dict[str, Any]]:
        for index, locale in enumerate(self._truth.locales):
            for figure in measure_slices(answers, self._parts, answers.locale == index):
                yield {"variant": variant, "locale": locale, **asdict(figure)}

    def _type_row(self, figure: TypeFigure) -> dict[str, Any]:
        return {**asdict(figure), "missed": [self._query(index) for index in figure.missed]}

    def _query(self, index: int) -> dict[str, str]:
        return {"query": self._queries[index], "locale": self._truth.locales[self.samples[TEST].part[index]]}


def _whole(sample: Sample) -> Dimension:
    """One slice with everything, for its interval."""
    return Dimension(ALL_LOCALES, (ALL_LOCALES,), of_queries=np.zeros(len(sample.part), dtype=np.intp))
