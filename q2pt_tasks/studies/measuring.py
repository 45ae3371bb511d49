"""Figures of any scorer on a run's test set, at thresholds chosen on the run's validation set."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from q2pt_tasks.data.schema import Locales
from q2pt_tasks.layout import Layout
from q2pt_tasks.metrics.measurements import measure
from q2pt_tasks.metrics.scored import Scored
from q2pt_tasks.metrics.thresholds import PRECISION, Thresholds, choose_thresholds
from q2pt_tasks.model.scorers import CheckpointScorer, Scorer
from q2pt_tasks.model.truth import read_truth
from q2pt_tasks.model.variants import NON_UNIFIED
from q2pt_tasks.params import read_section
from q2pt_tasks.stages.evaluate import EvaluateParams
from q2pt_tasks.studies.study import Figures

RECALL, AVERAGE_PRECISION = "micro_recall", "micro_average_precision"
METRICS = (RECALL, "micro_precision", AVERAGE_PRECISION)


@dataclass(frozen=True)
class Examined:
    """A scorer's thresholds and its scores on test."""

    thresholds: Thresholds
    test: Scored
    min_support: int

    def figures(self) -> dict[str, dict[str, float | None]]:
        """Per locale, and for all of them together, the metrics of `METRICS`."""
        figures: dict[str, dict[str, float | None]] = {}
        for one in measure([self.test], self.thresholds, PRECISION, self.min_support).measurements:
            if one.metric in METRICS:
                figures.setdefault(one.locale, {})[one.metric] = one.value
        return figures


class Examination:
    """The queries of a run.

    Args:
        layout: where the run was made.
        locales: those that are asked about; all where None.
    """

    def __init__(self, layout: Layout, locales: Sequence[str] | None = None) -> None:
        asked = read_section(layout.params, "locales", Locales) if locales is None else locales
        self._layout = layout
        self._params = read_section(layout.params, "evaluate", EvaluateParams)
        self.truth = read_truth(layout, asked)

    def scorer(self, variant: str) -> CheckpointScorer:
        """The scorer of a trained variant."""
        unified = self._layout.unified_model(variant)
        folder_of = self._layout.non_unified_model if variant == NON_UNIFIED else lambda _: unified
        return CheckpointScorer(folder_of, self.truth.types)

    def examine(self, scorer: Scorer) -> Examined:
        validation = self.truth.scored("validation", scorer)
        thresholds = choose_thresholds([validation], PRECISION, self._params.min_positives)
        return Examined(thresholds, self.truth.scored("test", scorer), self._params.min_support)


def sold_types(layout: Layout) -> dict[str, set[str]]:
    """The product types in the catalog of each locale."""
    sold = json.loads(layout.assortment.read_text(encoding="utf-8"))
    return {locale: set(types) for locale, types in sold.items()}


def mean_at(results: Mapping[str, Figures], levels: Sequence[object], read: Callable[[Figures], float]) -> list[float]:
    """At each level the mean of what `read` finds in the runs of it, which say so under `level`."""
    return [mean([read(one) for one in results.values() if one["level"] == level]) for level in levels]


def mean(values: Sequence[float | None]) -> float:
    """Where a recall is not defined, nothing is found."""
    return sum(value or 0.0 for value in values) / len(values)
