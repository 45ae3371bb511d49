"""Every figure of a split, for all locales together and for each."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from q2pt_tasks.metrics.recall_at_precision import curve
from q2pt_tasks.metrics.scored import Bools, Floats, Indices, Scored, row_steps
from q2pt_tasks.metrics.thresholds import Thresholds

ALL_LOCALES = "all"


@dataclass(frozen=True)
class Measurement:
    """One figure. `value` is None where it is not defined; what `n` counts: see `measure`."""

    locale: str
    metric: str
    value: float | None
    n: int


@dataclass(frozen=True, eq=False)
class _Counts:
    """Weights of predicted, correctly predicted and true pairs, and the number of true pairs: (L, T) or (T,) each."""

    predicted: Floats
    hits: Floats
    positives: Floats
    support: NDArray[np.int64]

    def of_locale(self, index: int) -> "_Counts":
        return _Counts(self.predicted[index], self.hits[index], self.positives[index], self.support[index])

    def pooled(self) -> "_Counts":
        return _Counts(self.predicted.sum(0), self.hits.sum(0), self.positives.sum(0), self.support.sum(0))


@dataclass(frozen=True, eq=False)
class _Part:
    """What is measured at once: the queries of one locale, or all."""

    locale: str
    scored: Scored
    counts: _Counts
    precision: float
    min_support: int

    @property
    def covered(self) -> Bools:
        """The types, (T,), that macro figures average over."""
        return (self.counts.support >= self.min_support) & (self.counts.positives > 0)

    def measurement(self, metric: str, value: float | None, n: int) -> Measurement:
        return Measurement(self.locale, metric, value, n)


def measure(scored: Scored, thresholds: Thresholds, precision: float, min_support: int) -> list[Measurement]:
    """All figures of a split, for locale "all" and for every locale of `scored`, weighted by its weights.

    | metric | value | n |
    |---|---|---|
    | micro_recall, micro_precision | over all pairs, at `thresholds` | positives |
    | macro_recall | mean over types of the recall at `thresholds` | types |
    | macro_precision | the same of the precision, without the types that are never predicted: they have none | types |
    | micro_recall_curve | the best recall of the split's own curve at `precision`, 0 where unreachable | positives |
    | macro_recall_curve | mean over types of the best recall of the type's own curve | types |
    | type_coverage | share of the types with a positive here that macro figures cover | types with a positive |
    | traffic_coverage | share of the positives' weight that macro figures cover | positives |
    | micro_average_precision | over all pairs | positives |

    Macro figures cover the types with `min_support` positives or more among the queries measured; a locale without any
    such type has no macro figures. Counts (n and support) are of pairs, not weighted. The value is None where there is
    nothing to divide by: no positives for a recall, no prediction for a precision.
    """
    if min_support < 1:
        raise ValueError(f"min_support is 1 or more, found {min_support}")
    return [found for part in _parts(scored, thresholds, precision, min_support) for found in _figures(part)]


def _parts(scored: Scored, thresholds: Thresholds, precision: float, min_support: int) -> Iterator[_Part]:
    counts = _count(scored, thresholds)
    yield _Part(ALL_LOCALES, scored, counts.pooled(), precision, min_support)
    for index, locale in enumerate(scored.locales):
        yield _Part(locale, scored.of_locale(locale), counts.of_locale(index), precision, min_support)


def _figures(part: _Part) -> list[Measurement]:
    figures = [*_micro(part), *_coverage(part)]
    if part.locale == ALL_LOCALES or part.covered.any():
        figures += _macro(part)
    return figures


def _micro(part: _Part) -> list[Measurement]:
    counts, n = part.counts, int(part.counts.support.sum())
    hits = counts.hits.sum()
    pairs = curve(part.scored.scores, part.scored.targets, part.scored.weights)
    return [
        part.measurement("micro_recall", _ratio(hits, counts.positives.sum()), n),
        part.measurement("micro_precision", _ratio(hits, counts.predicted.sum()), n),
        part.measurement("micro_recall_curve", _defined(pairs.operating_point(part.precision).recall), n),
        part.measurement("micro_average_precision", _defined(pairs.average_precision()), n),
    ]


def _macro(part: _Part) -> list[Measurement]:
    counts, covered = part.counts, part.covered
    predicted = covered & (counts.predicted > 0)
    return [
        _mean(part, "macro_recall", counts.hits[covered] / counts.positives[covered]),
        _mean(part, "macro_precision", counts.hits[predicted] / counts.predicted[predicted]),
        _mean(part, "macro_recall_curve", _best_recalls(part, np.flatnonzero(covered))),
    ]


def _coverage(part: _Part) -> list[Measurement]:
    counts, covered = part.counts, part.covered
    types = int((counts.support > 0).sum())
    traffic = _ratio(counts.positives[covered].sum(), counts.positives.sum())
    return [
        part.measurement("type_coverage", _ratio(covered.sum(), types), types),
        part.measurement("traffic_coverage", traffic, int(counts.support.sum())),
    ]


def _best_recalls(part: _Part, types: Indices) -> Floats:
    weights = part.scored.weights
    columns = part.scored.columns(types)
    recalls = [curve(scores, targets, weights).operating_point(part.precision).recall for scores, targets in columns]
    return np.array(recalls, dtype=np.float64)


def _count(scored: Scored, thresholds: Thresholds) -> _Counts:
    """Counts per locale and type, some rows at a time: only the pairs predicted or true are ever listed."""
    shape = (len(scored.locales), len(scored.types))
    table = np.array([thresholds.for_locale(locale, scored.types) for locale in scored.locales]).reshape(shape)
    predicted, hits, positives, support = (np.zeros(shape) for _ in range(4))
    for rows in row_steps(scored.scores.shape):
        locale, weights, truth = scored.locale[rows], scored.weights[rows], scored.targets[rows]
        chosen = scored.scores[rows] >= table[locale]
        predicted += _sum_cells(chosen, locale, weights, shape)
        hits += _sum_cells(chosen & truth, locale, weights, shape)
        positives += _sum_cells(truth, locale, weights, shape)
        support += _sum_cells(truth, locale, np.ones_like(weights), shape)
    return _Counts(predicted, hits, positives, support.astype(np.int64))


def _sum_cells(pairs: Bools, locale: Indices, weights: Floats, shape: tuple[int, int]) -> Floats:
    """The weights of the true `pairs`, summed per locale and type."""
    queries, types = np.nonzero(pairs)
    cells = locale[queries] * shape[1] + types
    return np.bincount(cells, weights[queries], shape[0] * shape[1]).reshape(shape).astype(np.float64)


def _mean(part: _Part, metric: str, values: Floats) -> Measurement:
    return part.measurement(metric, float(values.mean()) if len(values) else None, len(values))


def _ratio(part: float, whole: float) -> float | None:
    return float(part / whole) if whole else None


def _defined(value: float) -> float | None:
    return None if math.isnan(value) else value
