"""Every headline figure of a split with its interval, and every difference between two models of the same queries."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.sparse import hstack

from q2pt_tasks.metrics.intervals import Interval, Resampling, Sample, interval, p_value, ratio, resampled_sums
from q2pt_tasks.metrics.measurements import ALL_LOCALES, Measured
from q2pt_tasks.metrics.observed import Observed
from q2pt_tasks.metrics.scored import Bools, Floats

# A locale, and a metric of `measure` at frozen thresholds.
Figure = tuple[str, str]


@dataclass(frozen=True, eq=False)
class Resampled:
    """Figures as they were seen, and their values in B resamples, (B,) each; NaN where not defined."""

    seen: Mapping[Figure, float]
    values: Mapping[Figure, Floats]

    def __or__(self, other: "Resampled") -> "Resampled":
        """The figures of both."""
        return Resampled({**self.seen, **other.seen}, {**self.values, **other.values})


@dataclass(frozen=True)
class Difference:
    """A figure of one model minus that of another, on the same queries; `p_value` is two-sided, not yet corrected."""

    value: float
    interval: Interval
    p_value: float


def resample(measured: Measured, sample: Sample, plan: Resampling) -> Resampled:
    """Micro and macro recall and precision and the rank figures of all locales and of each, in every resample.

    Macro figures average over the types that they cover in the split; a type without weight in a resample is left out
    of that one.

    Args:
        measured: the split, measured.
        sample: its queries; parts are its locales.
        plan: the same for every model that is to be compared.
    """
    values = {**_micro(measured.observed, sample, plan), **_macro(measured, sample, plan)}
    seen = {(one.locale, one.metric): one.value for one in measured.measurements}
    defined = {figure: value for figure in values if (value := seen.get(figure)) is not None}
    return Resampled(defined, {figure: values[figure] for figure in defined})


def figure_intervals(resampled: Resampled, level: float) -> dict[Figure, Interval]:
    """The interval of every figure that is defined."""
    found = {figure: interval(values, level) for figure, values in resampled.values.items()}
    return {figure: one for figure, one in found.items() if one is not None}


def differences(model: Resampled, other: Resampled, level: float) -> dict[Figure, Difference]:
    """Of every figure that both have, the model's minus the other's, paired resample by resample."""
    found = {}
    for figure, value in model.seen.items():
        if figure not in other.seen:
            continue
        paired = model.values[figure] - other.values[figure]
        own, chance = interval(paired, level), p_value(paired)
        if own is not None and chance is not None:
            found[figure] = Difference(value - other.seen[figure], own, chance)
    return found


def _micro(observed: Observed, sample: Sample, plan: Resampling) -> dict[Figure, Floats]:
    answers, ranking = observed.answers, observed.ranking
    ranked = ~np.isnan(ranking.ndcg)
    columns = {
        "hits": answers.per_query(answers.predicted & answers.right),
        "predicted": answers.per_query(answers.predicted),
        "positives": answers.per_query(answers.right),
        "precision_at_1": np.where(ranked, ranking.precision_at_1, 0),
        "recall_at_5": np.where(ranked, ranking.recall_at_5, 0),
        "ndcg": np.where(ranked, ranking.ndcg, 0),
        "ranked": ranked.astype(np.float64),
    }
    counts = np.column_stack(list(columns.values())) * answers.weight[:, None]
    sums = np.concatenate(list(resampled_sums(counts, sample, plan)))
    ratios = {
        "micro_recall": ("hits", "positives"),
        "micro_precision": ("hits", "predicted"),
        **{metric: (metric, "ranked") for metric in ("precision_at_1", "recall_at_5", "ndcg")},
    }
    place = {name: index for index, name in enumerate(columns)}
    found = {}
    for metric, (part, whole) in ratios.items():
        for locale, own in _by_locale(sums, answers.locales).items():
            found[locale, metric] = ratio(own[:, place[part]], own[:, place[whole]])
    return found


def _macro(measured: Measured, sample: Sample, plan: Resampling) -> dict[Figure, Floats]:
    answers, counts = measured.observed.answers, measured.counts
    covered = {ALL_LOCALES: counts.pooled().covered(measured.min_support)}
    covered |= {
        locale: counts.of_locale(index).covered(measured.min_support) for index, locale in enumerate(answers.locales)
    }
    kinds = (answers.predicted & answers.right, answers.right, answers.predicted)
    pairs = hstack([answers.per_type(kind) for kind in kinds], format="csr")
    found: dict[Figure, list[Floats]] = {}
    for sums in resampled_sums(pairs, sample, plan):
        for locale, own in _by_locale(sums, answers.locales).items():
            hits, right, predicted = np.split(own, 3, axis=1)
            found.setdefault((locale, "macro_recall"), []).append(_mean_ratio(hits, right, covered[locale]))
            found.setdefault((locale, "macro_precision"), []).append(_mean_ratio(hits, predicted, covered[locale]))
    return {figure: np.concatenate(values) for figure, values in found.items()}


def _by_locale(sums: Floats, locales: tuple[str, ...]) -> dict[str, Floats]:
    return {ALL_LOCALES: sums.sum(axis=1), **{locale: sums[:, index] for index, locale in enumerate(locales)}}


def _mean_ratio(part: Floats, whole: Floats, covered: Bools) -> Floats:
    """(b, T) to (b,): the mean over the covered types for which the ratio is defined."""
    known = whole[:, covered] != 0
    ratios = ratio(part[:, covered], whole[:, covered])
    return ratio(np.where(known, ratios, 0).sum(axis=1), known.sum(axis=1).astype(np.float64))
