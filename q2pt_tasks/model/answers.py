"""From scores to answers: the product types at or above their thresholds, best first."""

from dataclasses import dataclass

import numpy as np

from q2pt_tasks.model.examples import FloatMatrix, Int64Array, Packed

# Rows that are compared at once: with a few thousand product types they stay in a core's cache.
_BLOCK = 256


@dataclass(frozen=True)
class Answers:
    """What n queries mean.

    Attributes:
        types: per query the indices of its product types, best first; equal scores in the order of the label space.
        scores: the score of each of `types.values`, float32.
    """

    types: Packed
    scores: FloatMatrix

    def __len__(self) -> int:
        return len(self.types)


@dataclass(frozen=True)
class Judged:
    """The scores of n queries beside the limits that they have to reach.

    Attributes:
        scores: shape (s, product types).
        limits: shape (l, product types); +inf is never reached.
        score_rows: per query its row of `scores`, shape (n,).
        limit_rows: per query its row of `limits`, shape (n,).
    """

    scores: FloatMatrix
    limits: FloatMatrix
    score_rows: Int64Array
    limit_rows: Int64Array

    def answers(self) -> Answers:
        return select_answers(self.scores, self.limits, self.score_rows, self.limit_rows)

    def misses(self, query: int, count: int) -> Int64Array:
        """The indices of the `count` best types of one query that stay below their limits, best first."""
        scores, limits = self.scores[self.score_rows[query]], self.limits[self.limit_rows[query]]
        below = np.flatnonzero(scores < limits)
        return below[np.argsort(-scores[below], kind="stable")[:count]]


def select_answers(scores: FloatMatrix, limits: FloatMatrix, score_rows: Int64Array, limit_rows: Int64Array) -> Answers:
    """Of n queries the product types whose score is at or above the limit.

    Args:
        scores: shape (s, product types).
        limits: shape (l, product types); +inf is never reached.
        score_rows: per query its row of `scores`, shape (n,).
        limit_rows: per query its row of `limits`, shape (n,).
    """
    starts = range(0, len(score_rows), _BLOCK)
    hits = [
        _hits(scores[score_rows[start : start + _BLOCK]], limits[limit_rows[start : start + _BLOCK]])
        for start in starts
    ]
    counts = np.concatenate([np.zeros(1, np.int64), *(counts for counts, _, _ in hits)])
    types = np.concatenate([np.zeros(0, np.int64), *(types for _, types, _ in hits)])
    values = np.concatenate([np.zeros(0, np.float32), *(values for _, _, values in hits)])
    return Answers(Packed(types, np.cumsum(counts)), values)


def _hits(scores: FloatMatrix, limits: FloatMatrix) -> tuple[Int64Array, Int64Array, FloatMatrix]:
    """How many types each row has, their indices and their scores, both shapes (rows, product types)."""
    places = np.flatnonzero(scores >= limits)
    rows, types = np.divmod(places, scores.shape[1])
    values = scores.ravel()[places]
    # The sort is stable: types of equal score stay in their order.
    order = np.lexsort((-values, rows))
    return np.bincount(rows, minlength=len(scores)), types[order], values[order]
