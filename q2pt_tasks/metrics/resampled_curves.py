"""Figures of whole curves in resamples: recall at a precision, its threshold chosen anew in each; average precision.

A resample weighs queries, and its curve is the weight of the pairs at or above each threshold: a product of what every
query has there and of its weights, for all resamples at once. A curve with more thresholds than can be kept for every
resample is thinned out to some of them, evenly spaced over its positives; all pairs are still counted. How far thinning
moves a figure is known from the unweighted sample, and every resample is moved back by as much.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array

from q2pt_tasks.metrics.buckets import Buckets
from q2pt_tasks.metrics.curves import Curves
from q2pt_tasks.metrics.intervals import Resampling, Sample, ratio, resampled_weights
from q2pt_tasks.metrics.measurements import ALL_LOCALES, Measured
from q2pt_tasks.metrics.resampled import Figure, Resampled
from q2pt_tasks.metrics.scored import Bools, Floats, Indices, Scored, Scores, places_of

# Thresholds kept of the curve of all pairs or of a locale's, and of a type's: recall in steps of 0.001 and of 0.02.
_OF_PAIRS, _OF_TYPE = 1000, 50
# Queries and types of a step.
_ROWS, _COLUMNS = 1024, 128


def resample_curves(
    blocks: Iterable[Scored], measured: Measured, sample: Sample, plan: Resampling, precision: float
) -> Resampled:
    """Recall at `precision` and average precision of curves, over all pairs, of each locale, and the mean over types.

    The mean over types is over all locales, and as in `measure`; a type without positives in a resample is left out of
    that one. Memory is that of a block, of a byte for each group and resample, and of the thresholds kept.

    Args:
        blocks: those that were measured.
        measured: what `measure` found.
        sample: their queries; parts are the locales.
        plan: the same for every model that is to be compared.
        precision: that of `measure`.
    """
    answers, curves = measured.observed.answers, measured.curves
    drawn = resampled_weights(sample.groups, plan)
    size = 1 + len(drawn)
    whole = _Sums(curves.all, range(1), _OF_PAIRS, size)
    locales = [_Sums(curves.locales, range(place, place + 1), _OF_PAIRS, size) for place in range(len(answers.locales))]
    starts = range(0, len(answers.types), _COLUMNS)
    stretches = [range(first, min(first + _COLUMNS, len(answers.types))) for first in starts]
    types = [_Sums(curves.types, stretch, _OF_TYPE, size) for stretch in stretches]
    for rows in _steps(blocks, sample, drawn):
        whole.add(rows.scores, rows.targets, rows.weights)
        locales[rows.locale].add(rows.scores, rows.targets, rows.weights)
        for stretch, own in zip(stretches, types, strict=True):
            columns = slice(stretch.start, stretch.stop)
            own.add(rows.scores[:, columns], rows.targets[:, columns], rows.weights)
    covered = measured.counts.pooled().covered(measured.min_support)
    found = {
        **_named(ALL_LOCALES, "micro", whole.figures(precision)[0]),
        **_named(ALL_LOCALES, "macro", _mean(np.concatenate([own.figures(precision) for own in types])[covered])),
    }
    for name, own in zip(answers.locales, locales, strict=True):
        found |= _named(name, "micro", own.figures(precision)[0])
    seen = {(one.locale, one.metric): one.value for one in measured.measurements}
    defined = {figure: value for figure in found if (value := seen.get(figure)) is not None}
    # In place 0 is the sample itself.
    return Resampled(
        defined, {figure: found[figure][1:] + (value - found[figure][0]) for figure, value in defined.items()}
    )


@dataclass(frozen=True, eq=False)
class _Rows:
    """Some queries of one locale and, for the sample itself and every resample, their weights, (R, 1 + B)."""

    locale: int
    scores: Scores
    targets: Bools
    weights: Floats


def _steps(blocks: Iterable[Scored], sample: Sample, drawn: np.ndarray) -> Iterator[_Rows]:
    first = 0
    for block in blocks:
        for locale in np.unique(block.locale):
            own = np.flatnonzero(block.locale == locale)
            for start in range(0, len(own), _ROWS):
                some = own[start : start + _ROWS]
                weights = np.ones((len(some), 1 + len(drawn)))
                weights[:, 1:] = drawn[:, sample.group[first + some]].T
                weights *= block.weights[some, None]
                yield _Rows(int(locale), block.scores[some], block.targets[some], weights)
        first += len(block)


class _Sums:
    """The pairs and the positives between the kept thresholds of some parts, in the sample and in every resample.

    Args:
        curves: of all parts.
        parts: those that are summed up here: the columns of the scores, or one part that has all columns.
        most: thresholds that are kept of each.
        size: the number of resamples, with the sample itself.
    """

    def __init__(self, curves: Curves, parts: range, most: int, size: int) -> None:
        kept = [_thinned(curves[part].thresholds, most) for part in parts]
        self._start = np.cumsum([0, *(len(own) for own in kept)])
        self._buckets = Buckets(np.concatenate(kept), self._start)
        self._pairs, self._hits = np.zeros((2, self._start[-1], size))
        self._total = np.zeros((len(parts), size))

    def add(self, scores: Scores, targets: Bools, weights: Floats) -> None:
        many = len(self._total) > 1
        width = scores.shape[1]
        high = np.flatnonzero(scores >= self._buckets.lowest)
        row = high // width
        part = high - row * width if many else np.zeros_like(high)
        slot = self._buckets.reached(scores.reshape(-1).take(high), part)
        right = np.flatnonzero(targets.reshape(-1).take(high))
        self._pairs += _summed(slot, row, len(self._pairs), weights)
        self._hits += _summed(slot[right], row[right], len(self._pairs), weights)
        row, part = places_of(targets)
        self._total += _summed(part if many else np.zeros_like(part), row, len(self._total), weights)

    def figures(self, precision: float) -> Floats:
        """(parts, 2, size) recall at the precision and average precision; NaN without positives."""
        found = np.full((len(self._total), 2, self._total.shape[1]), np.nan)
        for part, total in enumerate(self._total):
            own = slice(self._start[part], self._start[part + 1])
            hits = self._hits[own][::-1].cumsum(axis=0)
            precisions = ratio(hits, self._pairs[own][::-1].cumsum(axis=0))
            gained = np.where(self._hits[own][::-1] > 0, self._hits[own][::-1] * precisions, 0).sum(axis=0)
            found[part, 0] = ratio(np.where(precisions >= precision, hits, 0).max(axis=0, initial=0), total)
            found[part, 1] = ratio(gained, total)
        return found


def _summed(slot: Indices, row: Indices, slots: int, weights: Floats) -> Floats:
    """(slots, 1 + B) the weights of the rows, summed up per slot."""
    shape = (slots, len(weights))
    if slots * len(weights) <= 8 * len(slot):
        counts = np.bincount(slot * len(weights) + row, minlength=slots * len(weights))
        return np.asarray(counts.reshape(shape).astype(np.float64) @ weights)
    return np.asarray(csr_array((np.ones(len(slot)), (slot, row)), shape=shape) @ weights)


def _thinned(thresholds: Scores, most: int) -> Scores:
    if len(thresholds) <= most:
        return thresholds
    return thresholds[np.linspace(0, len(thresholds) - 1, most).round().astype(np.intp)]


def _mean(figures: Floats) -> Floats:
    """(T, 2, size) to (2, size): the mean over the types that have positives."""
    known = ~np.isnan(figures)
    return ratio(np.where(known, figures, 0).sum(axis=0), known.sum(axis=0).astype(np.float64))


def _named(locale: str, kind: str, figures: Sequence[Floats] | Floats) -> dict[Figure, Floats]:
    recall, average_precision = figures
    return {
        (locale, f"{kind}_recall_curve"): recall,
        (locale, f"{kind}_average_precision"): average_precision,
    }
