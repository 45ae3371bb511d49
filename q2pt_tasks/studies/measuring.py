"""Figures of any scorer on a run's test set, at thresholds chosen on the run's validation set."""

from collections.abc import Mapping

import pyarrow.parquet as pq

from q2pt_tasks.data.schema import Locales
from q2pt_tasks.layout import SPLITS, Layout
from q2pt_tasks.metrics.measurements import measure
from q2pt_tasks.metrics.thresholds import PRECISION, choose_thresholds
from q2pt_tasks.model.scorers import CheckpointScorer, Scorer
from q2pt_tasks.model.truth import Truth
from q2pt_tasks.model.variants import NON_UNIFIED
from q2pt_tasks.params import read_section
from q2pt_tasks.stages.evaluate import EvaluateParams

METRICS = ("micro_recall", "micro_precision", "micro_average_precision")


class Examination:
    """The queries of a run, and what is made of a scorer's answers to them."""

    def __init__(self, layout: Layout) -> None:
        locales = read_section(layout.params, "locales", Locales)
        tables = {
            split: {locale: pq.ParquetFile(layout.split(locale, split)).read() for locale in locales}
            for split in SPLITS
        }
        self._layout = layout
        self._params = read_section(layout.params, "evaluate", EvaluateParams)
        self.truth = Truth(tables, locales)

    def scorer(self, variant: str) -> CheckpointScorer:
        """The scorer of a trained variant."""
        unified = self._layout.unified_model(variant)
        folder_of = self._layout.non_unified_model if variant == NON_UNIFIED else lambda _: unified
        return CheckpointScorer(folder_of, self.truth.types)

    def figures(self, scorer: Scorer) -> dict[str, dict[str, float | None]]:
        """Per locale, and for all of them together, the metrics of `METRICS` on test."""
        thresholds = choose_thresholds(self.truth.scored("validation", scorer), PRECISION, self._params.min_positives)
        found = measure(self.truth.scored("test", scorer), thresholds, PRECISION, self._params.min_support)
        figures: dict[str, dict[str, float | None]] = {}
        for one in found:
            if one.metric in METRICS:
                figures.setdefault(one.locale, {})[one.metric] = one.value
        return figures


def mean(values: Mapping[str, float | None]) -> float:
    """The mean over locales; where nothing is defined, nothing is found."""
    return sum(value or 0.0 for value in values.values()) / len(values)
