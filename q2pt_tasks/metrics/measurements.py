"""Every figure of a split, for all locales together and for each."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from q2pt_tasks.metrics.curves import Curves, CurveSet, Wanted, count_curves
from q2pt_tasks.metrics.observed import Answers, Observed, observe
from q2pt_tasks.metrics.ranking import Ranking
from q2pt_tasks.metrics.recall_at_precision import Curve
from q2pt_tasks.metrics.scored import Bools, Floats, Scored
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
class Measured:
    """The figures of a split, and what they were computed from."""

    measurements: list[Measurement]
    observed: Observed
    curves: CurveSet
    counts: "Counts"
    min_support: int


@dataclass(frozen=True, eq=False)
class Counts:
    """Weights of predicted, correctly predicted and true pairs, and the number of true pairs: (L, T) or (T,) each."""

    predicted: Floats
    hits: Floats
    positives: Floats
    support: NDArray[np.int64]

    def of_locale(self, index: int) -> "Counts":
        return Counts(self.predicted[index], self.hits[index], self.positives[index], self.support[index])

    def pooled(self) -> "Counts":
        return Counts(self.predicted.sum(0), self.hits.sum(0), self.positives.sum(0), self.support.sum(0))

    def covered(self, min_support: int) -> Bools:
        """The types that macro figures average over."""
        return (self.support >= min_support) & (self.positives > 0)


@dataclass(frozen=True, eq=False)
class _Part:
    """What is measured at once: the queries of one locale, or all."""

    locale: str
    counts: Counts
    covered: Bools
    ranking: Ranking
    weight: Floats
    pairs: Curve
    by_type: list[Curve]
    precision: float

    def measurement(self, metric: str, value: float | None, n: int) -> Measurement:
        return Measurement(self.locale, metric, value, n)


def measure(blocks: Iterable[Scored], thresholds: Thresholds, precision: float, min_support: int) -> Measured:
    """All figures of a split, for locale "all" and for every locale of the blocks, weighted by their weights.

    The blocks are asked for twice, and must be the same both times; none needs to be in memory in between.

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
    | macro_average_precision | mean over types | types |
    | precision_at_1, recall_at_5, ndcg | mean over queries with a positive; see `ranking` | these queries |

    Macro figures cover the types with `min_support` positives or more among the queries measured; a locale without any
    such type has no macro figures. Counts (n and support) are of pairs, not weighted. The value is None where there is
    nothing to divide by: no positives for a recall, no prediction for a precision.
    """
    if min_support < 1:
        raise ValueError(f"min_support is 1 or more, found {min_support}")
    observed = observe(blocks, thresholds)
    counts = count(observed.answers)
    pooled, cells = counts.pooled().covered(min_support), counts.covered(min_support)
    wanted = Wanted(types=pooled, locales=np.ones(len(observed.answers.locales), dtype=np.bool_), cells=cells)
    curves = count_curves(observed.positives, blocks, wanted)
    parts = _parts(observed, counts, curves, precision, min_support)
    return Measured([found for part in parts for found in _figures(part)], observed, curves, counts, min_support)


def count(answers: Answers) -> Counts:
    """The answers counted per locale and type."""
    shape = (len(answers.locales), len(answers.types))
    cell = answers.locale[answers.query] * shape[1] + answers.type
    weight = answers.weight[answers.query]

    def summed(pairs: Bools) -> Floats:
        return np.bincount(cell[pairs], weight[pairs], shape[0] * shape[1]).reshape(shape).astype(np.float64)

    support = np.bincount(cell[answers.right], minlength=shape[0] * shape[1]).reshape(shape)
    hits = answers.predicted & answers.right
    return Counts(summed(answers.predicted), summed(hits), summed(answers.right), support.astype(np.int64))


def _parts(observed: Observed, counts: Counts, curves: CurveSet, precision: float, min_support: int) -> Iterator[_Part]:
    answers, ranking = observed.answers, observed.ranking
    pooled = counts.pooled()
    covered = pooled.covered(min_support)
    by_type = _chosen(curves.types, np.flatnonzero(covered))
    yield _Part(ALL_LOCALES, pooled, covered, ranking, answers.weight, curves.overall, by_type, precision)
    for index, locale in enumerate(answers.locales):
        own, mine = counts.of_locale(index), answers.locale == index
        covered = own.covered(min_support)
        by_type = _chosen(curves.cells, index * len(answers.types) + np.flatnonzero(covered))
        weight = answers.weight[mine]
        yield _Part(locale, own, covered, ranking.where(mine), weight, curves.locales[index], by_type, precision)


def _chosen(curves: Curves, parts: NDArray[np.intp]) -> list[Curve]:
    return [curves[int(part)] for part in parts]


def _figures(part: _Part) -> list[Measurement]:
    figures = [*_micro(part), *_coverage(part), *_ranking(part)]
    if part.locale == ALL_LOCALES or part.covered.any():
        figures += _macro(part)
    return figures


def _micro(part: _Part) -> list[Measurement]:
    counts, n = part.counts, int(part.counts.support.sum())
    hits = counts.hits.sum()
    pairs = part.pairs
    return [
        part.measurement("micro_recall", _ratio(hits, counts.positives.sum()), n),
        part.measurement("micro_precision", _ratio(hits, counts.predicted.sum()), n),
        part.measurement("micro_recall_curve", _defined(pairs.recall_at(part.precision)), n),
        part.measurement("micro_average_precision", _defined(pairs.average_precision()), n),
    ]


def _macro(part: _Part) -> list[Measurement]:
    counts, covered = part.counts, part.covered
    predicted = covered & (counts.predicted > 0)
    return [
        _mean(part, "macro_recall", counts.hits[covered] / counts.positives[covered]),
        _mean(part, "macro_precision", counts.hits[predicted] / counts.predicted[predicted]),
        _mean(part, "macro_recall_curve", np.array([own.recall_at(part.precision) for own in part.by_type])),
        _mean(part, "macro_average_precision", np.array([own.average_precision() for own in part.by_type])),
    ]


def _coverage(part: _Part) -> list[Measurement]:
    counts, covered = part.counts, part.covered
    types = int((counts.support > 0).sum())
    traffic = _ratio(counts.positives[covered].sum(), counts.positives.sum())
    return [
        part.measurement("type_coverage", _ratio(covered.sum(), types), types),
        part.measurement("traffic_coverage", traffic, int(counts.support.sum())),
    ]


def _ranking(part: _Part) -> list[Measurement]:
    figures = {
        "precision_at_1": part.ranking.precision_at_1,
        "recall_at_5": part.ranking.recall_at_5,
        "ndcg": part.ranking.ndcg,
    }
    found = []
    for metric, values in figures.items():
        defined = ~np.isnan(values)
        weight = part.weight[defined]
        found.append(part.measurement(metric, _ratio((weight * values[defined]).sum(), weight.sum()), len(weight)))
    return found


def _mean(part: _Part, metric: str, values: Floats) -> Measurement:
    return part.measurement(metric, float(values.mean()) if len(values) else None, len(values))


def _ratio(part: float, whole: float) -> float | None:
    return float(part / whole) if whole else None


def _defined(value: float) -> float | None:
    return None if math.isnan(value) else value
