"""How many of many values lie at or above each of some thresholds: exact, in one pass, and without sorting the values.

The bits of a float, read as a whole number, are in the order of the floats. Their leading bits divide the range of the
thresholds into buckets. Most buckets hold no threshold or one, and a value of such a bucket is compared with that one
alone; the few values of buckets with several are sorted.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from q2pt_tasks.metrics.scored import Floats

# float32 where a model speaks, float64 where a caller does.
AnyFloats = NDArray[np.floating[Any]]

# Enough that few buckets hold several thresholds, few enough that a type's buckets fit into a core's cache.
_BUCKETS_PER_THRESHOLD = 8
_MOST_BUCKETS = 1 << 20
# What a step works on stays in a core's cache.
_STEP = 1 << 15


class Tally:
    """Counts values at or above each of m thresholds.

    Tallies of the same thresholds over parts of the values are merged by adding their `total`.

    Args:
        thresholds: (m,) float32 or float64, finite, rising, each once.
    """

    def __init__(self, thresholds: AnyFloats) -> None:
        self._thresholds = thresholds
        self._buckets = _Buckets(thresholds) if len(thresholds) else None
        # At place i the weight of the values that reach i thresholds.
        self._reached = np.zeros(len(thresholds) + 1)
        self._crowded = np.zeros(len(thresholds))
        self._waiting: list[tuple[AnyFloats, Floats | None]] = []
        self._waiting_values = 0

    def add(self, values: AnyFloats, weights: Floats | None = None) -> None:
        """Counts `values`, (k,) of the thresholds' dtype, none of them NaN, as 1 each or with a weight each."""
        if self._buckets is None:
            return
        # Adding up what a step has counted must not cost more than the counting.
        size = max(_STEP, len(self._thresholds))
        for start in range(0, len(values), size):
            step = slice(start, start + size)
            some, weight = values[step], None if weights is None else weights[step]
            reached, crowded = self._buckets.place(some)
            self._reached += np.bincount(reached, weight, len(self._reached))
            if len(crowded):
                self._sort_later(some[crowded], None if weight is None else weight[crowded])

    def total(self) -> Floats:
        """(m,) the weight of the values at or above each threshold, so far."""
        self._sort()
        return np.asarray(np.cumsum(self._reached[::-1])[::-1][1:] + self._crowded, dtype=np.float64)

    def _sort_later(self, values: AnyFloats, weights: Floats | None) -> None:
        self._waiting.append((values, weights))
        self._waiting_values += len(values)
        if self._waiting_values > 1024 + 4 * len(self._thresholds):
            self._sort()

    def _sort(self) -> None:
        for weighted in (False, True):
            waiting = [(values, weights) for values, weights in self._waiting if (weights is not None) == weighted]
            if waiting:
                values = np.concatenate([values for values, _ in waiting])
                weights = [weights for _, weights in waiting if weights is not None]
                self._crowded += _at_or_above(self._thresholds, values, np.concatenate(weights) if weights else None)
        self._waiting, self._waiting_values = [], 0


class _Buckets:
    """Number 0 lies below all thresholds, the last above all."""

    def __init__(self, thresholds: AnyFloats) -> None:
        keys = _keys(thresholds)
        lowest, highest = int(keys[0]), int(keys[-1])
        # Numbers of positive floats are those of their bits; 0.0 has two.
        self._keys = _bits if thresholds[0] > 0 else _keys
        wanted = min(_MOST_BUCKETS, _BUCKETS_PER_THRESHOLD * len(keys))
        self._shift = max(0, (highest - lowest).bit_length() - wanted.bit_length() + 1)
        self._first, last = lowest >> self._shift, highest >> self._shift
        whole = np.iinfo(keys.dtype)
        self._lowest = max((self._first << self._shift) - 1, whole.min)
        self._highest = min((last + 1) << self._shift, whole.max)
        of_threshold = self._find(keys)
        held = np.bincount(of_threshold, minlength=last - self._first + 3)
        self._crowded = held > 1
        # How many thresholds a value reaches at least, and the one with which it is compared: none where crowded.
        self._reached = np.where(self._crowded, 0, np.cumsum(held) - held).astype(np.int32)
        self._limit = np.full(len(held), np.inf, dtype=thresholds.dtype)
        alone = ~self._crowded[of_threshold]
        self._limit[of_threshold[alone]] = thresholds[alone]

    def place(self, values: AnyFloats) -> tuple[NDArray[np.int32], NDArray[np.intp]]:
        """How many thresholds each value reaches, 0 for those of crowded buckets, and the places of the latter."""
        found = self._find(self._keys(values))
        reached = self._reached[found]
        reached += values >= self._limit[found]
        return reached, np.flatnonzero(self._crowded[found])

    def _find(self, keys: NDArray[np.signedinteger[Any]]) -> NDArray[np.intp]:
        found: NDArray[np.signedinteger[Any]] = np.clip(keys, self._lowest, self._highest)
        # Shifted first: the distance of two keys may be larger than the largest key.
        found >>= self._shift
        found -= self._first - 1
        return np.asarray(found, dtype=np.intp)


def _bits(values: AnyFloats) -> NDArray[np.signedinteger[Any]]:
    """In the order of the values where these are positive; less than 0 where they are not."""
    bits: NDArray[np.signedinteger[Any]] = np.ascontiguousarray(values).view(f"i{values.dtype.itemsize}")
    return bits


def _keys(values: AnyFloats) -> NDArray[np.signedinteger[Any]]:
    """Whole numbers in the order of the values; -0.0 and 0.0 have the same."""
    bits = _bits(values)
    sign = bits >> (8 * values.dtype.itemsize - 1)
    keys: NDArray[np.signedinteger[Any]] = bits & np.iinfo(bits.dtype).max
    keys ^= sign
    keys -= sign
    return keys


def _at_or_above(thresholds: AnyFloats, values: AnyFloats, weights: Floats | None) -> Floats:
    if weights is None:
        return (len(values) - np.searchsorted(np.sort(values), thresholds)).astype(np.float64)
    order = np.argsort(values)
    below = np.concatenate([[0.0], np.cumsum(weights[order])])
    return np.asarray(below[-1] - below[np.searchsorted(values[order], thresholds)], dtype=np.float64)
