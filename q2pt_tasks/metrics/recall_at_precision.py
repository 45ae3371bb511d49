"""Recall at a precision, exactly, from scores and truth.

Only the scores of positives can be best thresholds: between two of them a lower threshold adds negatives alone. So the
curve is kept at the positives' distinct scores, and the many negatives are only counted, some rows at a time. What does
not fit into memory at once: `curves`.
"""

from dataclasses import dataclass

import numpy as np

from q2pt_tasks.metrics.buckets import AnyFloats, Buckets
from q2pt_tasks.metrics.scored import Bools, Floats, places_of, row_steps
from q2pt_tasks.metrics.tally import Tally


@dataclass(frozen=True)
class OperatingPoint:
    """What predicting where score >= `threshold` gives."""

    threshold: float
    precision: float
    recall: float


@dataclass(frozen=True, eq=False)
class Curve:
    """Precision and recall at each of the m distinct scores of positives.

    Attributes:
        thresholds: (m,) rising; never -inf, which stands for a type that the model does not know.
        true_positives: (m,) weight of the positives with a score of at least the threshold.
        false_positives: (m,) weight of the negatives with a score of at least the threshold.
        total: weight of all positives, those with a score of -inf included.
    """

    thresholds: AnyFloats
    true_positives: Floats
    false_positives: Floats
    total: float

    @property
    def precision(self) -> Floats:
        return self.true_positives / (self.true_positives + self.false_positives)

    @property
    def recall(self) -> Floats:
        return self.true_positives / self.total

    def operating_point(self, precision: float) -> OperatingPoint:
        """The point of the highest recall whose precision is at least `precision`; see `operating_point`."""
        if not 0 < precision <= 1:
            raise ValueError(f"a precision is above 0 and at most 1, found {precision}")
        if not self.total:
            return OperatingPoint(threshold=np.inf, precision=np.nan, recall=np.nan)
        reached = np.flatnonzero(self.precision >= precision)
        if not reached.size:
            return OperatingPoint(threshold=np.inf, precision=np.nan, recall=0.0)
        return self._point(int(reached[0]))

    def recall_at(self, precision: float) -> float:
        """The highest recall whose precision is at least `precision`: 0 where unreachable, NaN without positives."""
        return self.operating_point(precision).recall

    def average_precision(self) -> float:
        """The mean of the precision at each positive, NaN without positives; one with a score of -inf adds 0."""
        if not self.total:
            return float("nan")
        gained = -np.diff(self.true_positives, append=0.0)
        return float((gained * self.precision).sum() / self.total)

    def points(self, max_points: int) -> list[OperatingPoint]:
        """At most `max_points` points in the order of rising recall, the first and the last among them."""
        if max_points < 2:
            raise ValueError(f"a curve needs two points or more, found max_points={max_points}")
        last = len(self.thresholds) - 1
        kept = np.unique(np.linspace(last, 0, min(max_points, last + 1)).round().astype(np.intp))
        return [self._point(int(index)) for index in kept[::-1]]

    def _point(self, index: int) -> OperatingPoint:
        hits = float(self.true_positives[index])
        predicted = hits + float(self.false_positives[index])
        return OperatingPoint(float(self.thresholds[index]), hits / predicted, hits / self.total)


def curve(scores: AnyFloats, positives: Bools, weights: Floats | None = None) -> Curve:
    """The curve of all pairs.

    Args:
        scores: (n,) or (n, T); -inf is never predicted.
        positives: the truth, of the same shape.
        weights: (n,) finite, not negative; 1 each by default. A pair of weight 0 counts for nothing.

    Raises:
        ValueError: shapes differ, a score is NaN or +inf.
    """
    _check(scores, positives, weights)
    # Counting is several times faster than summing weights, and most splits have no weights.
    if weights is not None and (weights == 1).all():
        weights = None
    matrix, truth = (scores[:, None], positives[:, None]) if scores.ndim == 1 else (scores, positives)
    rows, columns = places_of(truth)
    found = matrix[rows, columns]
    weight = np.ones(len(rows)) if weights is None else weights[rows]
    known = (found > -np.inf) & (weight > 0)
    thresholds, position = np.unique(found[known], return_inverse=True)
    hits = _sum_from(np.bincount(position, weight[known], len(thresholds)).astype(np.float64))
    tally = Tally(Buckets(thresholds))
    for step in row_steps(matrix.shape):
        tally.add(matrix[step].ravel(), None if weights is None else np.repeat(weights[step], matrix.shape[1]))
    # Sums of fractional weights may differ in the last digit.
    return Curve(thresholds, hits, np.maximum(0, tally.total() - hits), float(weight.sum()))


def operating_point(
    scores: AnyFloats, positives: Bools, precision: float, weights: Floats | None = None
) -> OperatingPoint:
    """The highest recall with at least `precision`, over all thresholds, and of these the highest precision.

    Pairs are predicted where score >= threshold, so equal scores are predicted together. Where no threshold reaches
    the precision: threshold +inf, recall 0, precision NaN. Without positives the recall is NaN as well.

    Args:
        scores: (n,), or (n, T) for all pairs of a matrix; -inf is never predicted.
        positives: the truth, of the same shape.
        precision: above 0, at most 1.
        weights: (n,), 1 each by default.

    Raises:
        ValueError: shapes differ, a score is NaN or +inf, or the precision is out of range.
    """
    return curve(scores, positives, weights).operating_point(precision)


def average_precision(scores: AnyFloats, positives: Bools, weights: Floats | None = None) -> float:
    """The area under the steps of the precision-recall curve; NaN without positives. Arguments as in `curve`."""
    return curve(scores, positives, weights).average_precision()


def precision_recall_points(
    scores: AnyFloats, positives: Bools, max_points: int = 200, weights: Floats | None = None
) -> list[OperatingPoint]:
    """The precision-recall curve in at most `max_points` points, of rising recall, to plot; none without positives."""
    return curve(scores, positives, weights).points(max_points)


def _check(scores: AnyFloats, positives: Bools, weights: Floats | None) -> None:
    if scores.ndim not in (1, 2) or positives.shape != scores.shape or positives.dtype != np.bool_:
        raise ValueError(
            f"scores and positives have the same shape and positives are bool; "
            f"found {scores.shape} and {positives.shape} {positives.dtype}"
        )
    if scores.size and not scores.max() < np.inf:
        raise ValueError("a score is NaN or +inf: the model's output is broken")
    if weights is None:
        return
    if weights.shape != scores.shape[:1]:
        raise ValueError(f"there is one weight per row: expected {scores.shape[:1]}, found {weights.shape}")
    if not (np.isfinite(weights) & (weights >= 0)).all():
        raise ValueError("weights must be finite and not negative")


def _sum_from(values: Floats) -> Floats:
    """At each place the sum of the values from there to the end."""
    return np.cumsum(values[::-1])[::-1]
