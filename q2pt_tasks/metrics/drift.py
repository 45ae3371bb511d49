"""How far two samples of counts are apart, beyond what chance alone does."""

import math

import numpy as np
from numpy.typing import ArrayLike


def drift(counts: ArrayLike, others: ArrayLike) -> float | None:
    """The Jensen-Shannon divergence of two distributions (Lin 1991), in bits, less what chance is expected to give.

    0: no further apart than two samples of one distribution; 1: nothing in common. Of two samples of one distribution
    with K categories the divergence is about (K - 1) (1/n + 1/m) / (8 ln 2): half the chi-square statistic's scale.

    Args:
        counts: per category, all zero or more.
        others: of the same categories.

    Returns:
        None where one of both has counted nothing.
    """
    one, other = np.asarray(counts, dtype=np.float64), np.asarray(others, dtype=np.float64)
    if not one.sum() or not other.sum():
        return None
    seen = (one + other) > 0
    chance = (seen.sum() - 1) * (1 / one.sum() + 1 / other.sum()) / (8 * math.log(2))
    return max(0.0, _divergence(one[seen] / one.sum(), other[seen] / other.sum()) - float(chance))


def _divergence(one: np.ndarray, other: np.ndarray) -> float:
    middle = (one + other) / 2
    return (_relative_entropy(one, middle) + _relative_entropy(other, middle)) / 2


def _relative_entropy(one: np.ndarray, other: np.ndarray) -> float:
    """In bits; categories without a share add nothing."""
    known = one > 0
    return float((one[known] * np.log2(one[known] / other[known])).sum())
