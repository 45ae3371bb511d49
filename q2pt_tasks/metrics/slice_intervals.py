"""How sure the recall of a slice is, what changed in it against the champion, and how far stores are apart."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from q2pt_tasks.metrics.intervals import Interval, Resampling, Sample, interval, of_all_parts, ratio, resampled_sums
from q2pt_tasks.metrics.observed import Answers
from q2pt_tasks.metrics.scored import Floats
from q2pt_tasks.metrics.slices import Dimension, SliceFigure, measure_slices, slice_counts

# The dimension whose slices are the stores.
LOCALE = "locale"


@dataclass(frozen=True, eq=False)
class Sliced:
    """The S slices of one variant.

    Attributes:
        figures: S figures.
        recalls: (B, S) the recall of each slice in each resample, NaN where it is not defined.
    """

    figures: tuple[SliceFigure, ...]
    recalls: Floats


@dataclass(frozen=True)
class SliceRow:
    """A slice with its interval and the change of its recall against the champion; None where there is none."""

    dimension: str
    slice: str
    recall: float | None
    low: float | None
    high: float | None
    precision: float | None
    positives: int
    queries: int
    change: float | None
    change_low: float | None
    change_high: float | None


@dataclass(frozen=True)
class Parity:
    """The gap between the store with the best recall and the one with the worst.

    The interval is that of the difference of these two stores: of all stores, resamples would find other extremes, ever
    further apart. `change` is this gap less the champion's own, negative where stores have come closer.
    """

    best: str
    best_recall: float
    worst: str
    worst_recall: float
    gap: float
    low: float | None
    high: float | None
    change: float | None
    change_low: float | None
    change_high: float | None


def slice_up(answers: Answers, dimensions: Sequence[Dimension], sample: Sample, plan: Resampling) -> Sliced:
    """Figures of all slices, and their recall in resamples.

    Args:
        answers: those of a variant.
        dimensions: how to divide them.
        sample: the queries of `answers`.
        plan: the same for two variants that are compared.
    """
    counts = slice_counts(answers, dimensions)
    width = counts.shape[1] // 2
    batches = [of_all_parts(sums) for sums in resampled_sums(counts, sample, plan)]
    recalls = np.concatenate([ratio(sums[:, :width], sums[:, width:]) for sums in batches])
    return Sliced(tuple(measure_slices(answers, dimensions)), recalls)


def slice_rows(sliced: Sliced, champion: Sliced | None, level: float) -> list[SliceRow]:
    """The slices of a variant as rows; `champion` has the same slices of the same queries."""
    return [_row(sliced, champion, index, level) for index in range(len(sliced.figures))]


def parity(sliced: Sliced, champion: Sliced | None, min_positives: int, level: float) -> Parity | None:
    """The gap over the stores with `min_positives` or more; None where fewer than two have them."""
    mine = _extremes(sliced, min_positives)
    if mine is None:
        return None
    best, worst = (sliced.figures[index] for index in mine)
    assert best.recall is not None  # noqa: S101 - chosen for having one
    assert worst.recall is not None  # noqa: S101
    gaps, gap = _gaps(sliced, mine), best.recall - worst.recall
    low, high = _ends(interval(gaps, level))
    theirs = None if champion is None else _extremes(champion, min_positives)
    change, change_low, change_high = None, None, None
    if champion is not None and theirs is not None:
        before = (champion.figures[theirs[0]].recall or 0.0) - (champion.figures[theirs[1]].recall or 0.0)
        change = gap - before
        change_low, change_high = _ends(interval(gaps - _gaps(champion, theirs), level))
    return Parity(best.slice, best.recall, worst.slice, worst.recall, gap, low, high, change, change_low, change_high)


def _row(sliced: Sliced, champion: Sliced | None, index: int, level: float) -> SliceRow:
    figure, recalls = sliced.figures[index], sliced.recalls[:, index]
    low, high = _ends(interval(recalls, level))
    before = None if champion is None else champion.figures[index].recall
    change, change_low, change_high = None, None, None
    if champion is not None and before is not None and figure.recall is not None:
        change = figure.recall - before
        change_low, change_high = _ends(interval(recalls - champion.recalls[:, index], level))
    return SliceRow(
        figure.dimension,
        figure.slice,
        figure.recall,
        low,
        high,
        figure.precision,
        figure.positives,
        figure.queries,
        change,
        change_low,
        change_high,
    )


def _extremes(sliced: Sliced, min_positives: int) -> tuple[int, int] | None:
    """The indices of the stores with the best and the worst recall, of equals the first."""
    stores = [
        (figure.recall, index)
        for index, figure in enumerate(sliced.figures)
        if figure.dimension == LOCALE and figure.recall is not None and figure.positives >= min_positives
    ]
    if len(stores) < 2:
        return None
    return max(stores, key=lambda store: (store[0], -store[1]))[1], min(stores)[1]


def _gaps(sliced: Sliced, extremes: tuple[int, int]) -> Floats:
    best, worst = extremes
    return np.asarray(sliced.recalls[:, best] - sliced.recalls[:, worst], dtype=np.float64)


def _ends(found: Interval | None) -> tuple[float | None, float | None]:
    return (None, None) if found is None else (found.low, found.high)
