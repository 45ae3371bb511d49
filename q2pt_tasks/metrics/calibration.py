"""Whether a score is the chance that the answer is right: reliability curves and the expected calibration error.

As in Guo et al. 2017 ("On calibration of modern neural networks"), for the best type of every query, in bins of equal
width; and for all pairs of a query and a type.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from q2pt_tasks.metrics.scored import Bools, Floats, Scored, Scores, row_steps

BINS = 15


@dataclass(frozen=True)
class Bin:
    """Scores from `low` to below `high` (1 is in the last bin): their weight, their mean, and the share that is right.

    Mean and share are None for a bin without any weight.
    """

    low: float
    high: float
    weight: float
    score: float | None
    right: float | None


@dataclass(frozen=True, eq=False)
class Reliability:
    """Sums per bin, (BINS,) each; those of shards add up."""

    weight: Floats
    score: Floats
    right: Floats

    def __add__(self, other: "Reliability") -> "Reliability":
        return Reliability(self.weight + other.weight, self.score + other.score, self.right + other.right)

    def bins(self) -> list[Bin]:
        """The reliability curve."""
        edges = np.linspace(0, 1, BINS + 1)
        return [
            Bin(
                float(edges[index]),
                float(edges[index + 1]),
                float(weight),
                float(self.score[index] / weight) if weight else None,
                float(self.right[index] / weight) if weight else None,
            )
            for index, weight in enumerate(self.weight)
        ]

    def expected_error(self) -> float | None:
        """The mean over bins, by weight, of the distance between mean score and share right; None of nothing."""
        total = self.weight.sum()
        return float(np.abs(self.score - self.right).sum() / total) if total else None


@dataclass(frozen=True)
class Calibration:
    """Of the best type of every query, and of all pairs."""

    best: Reliability
    pairs: Reliability


def calibrate(blocks: Iterable[Scored]) -> Calibration:
    """Reliability of the scores of all blocks, each query by its weight.

    A type that the model does not know (-inf) is left out. Of types that share the best score the first counts.

    Raises:
        ValueError: a score is not a probability.
    """
    nothing = Reliability(*(np.zeros(BINS) for _ in range(3)))
    best, pairs = nothing, nothing
    for block in blocks:
        for rows in row_steps(block.scores.shape):
            scores, targets, weights = block.scores[rows], block.targets[rows], block.weights[rows]
            if not scores.size:
                continue
            top = scores.argmax(axis=1)[:, None]
            best += _bin(np.take_along_axis(scores, top, 1)[:, 0], np.take_along_axis(targets, top, 1)[:, 0], weights)
            pairs += _bin(scores.ravel(), targets.ravel(), np.repeat(weights, scores.shape[1]))
    return Calibration(best, pairs)


def _bin(scores: Scores, right: Bools, weights: Floats) -> Reliability:
    known = scores > -np.inf
    chances, weights = scores[known].astype(np.float64), weights[known]
    if chances.size and not (chances.min() >= 0 and chances.max() <= 1):
        raise ValueError(
            f"calibration is of probabilities; found scores from {chances.min()} to {chances.max()}, outside 0 to 1"
        )
    index = np.minimum((chances * BINS).astype(np.intp), BINS - 1)

    def summed(values: Floats) -> Floats:
        return np.bincount(index, values, BINS).astype(np.float64)

    return Reliability(summed(weights), summed(weights * chances), summed(weights * right[known]))
