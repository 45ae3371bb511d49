"""How many of many values lie at or above each of some thresholds: exact, in one pass, and without sorting the values.

The bits of a float, read as a whole number, are in the order of the floats. Their leading bits divide the range of the
thresholds into buckets. Nearly all values fall into buckets without a threshold and are only counted; the few that
share a bucket with one are compared with it.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from q2pt_tasks.metrics.scored import Floats

# float32 where a model speaks, float64 where a caller does.
AnyFloats = NDArray[np.floating[Any]]

# Enough that few values share a bucket with a threshold, few enough that a type's buckets fit into a core's cache.
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
        self._compared = np.zeros(len(thresholds))
        self._waiting: list[tuple[AnyFloats, Floats | None]] = []
        self._waiting_values = 0

    def add(self, values: AnyFloats, weights: Floats | None = None) -> None:
        """Counts `values`, (k,) of the thresholds' dtype, none of them NaN, as 1 each or with a weight each."""
        if self._buckets is None:
            return
        # Adding up the buckets of a step must not cost more than finding them.
        size = max(_STEP, len(self._buckets))
        for start in range(0, len(values), size):
            step = slice(start, start + size)
            some, weight = values[step], None if weights is None else weights[step]
            near = self._buckets.count(some, weight)
            if len(near):
                self._compare_later(some[near], None if weight is None else weight[near])

    def total(self) -> Floats:
        """(m,) the weight of the values at or above each threshold, so far."""
        if self._buckets is None:
            return self._compared
        self._compare()
        return self._buckets.above() + self._compared

    def _compare_later(self, values: AnyFloats, weights: Floats | None) -> None:
        self._waiting.append((values, weights))
        self._waiting_values += len(values)
        if self._waiting_values > 1024 + 4 * len(self._thresholds):
            self._compare()

    def _compare(self) -> None:
        for weighted in (False, True):
            waiting = [(values, weights) for values, weights in self._waiting if (weights is not None) == weighted]
            if waiting:
                values = np.concatenate([values for values, _ in waiting])
                weights = [weights for _, weights in waiting if weights is not None]
                self._compared += _at_or_above(self._thresholds, values, np.concatenate(weights) if weights else None)
        self._waiting, self._waiting_values = [], 0


class _Buckets:
    """Number 0 lies below all thresholds, the last above all; a bucket between is mixed where it holds a threshold."""

    def __init__(self, thresholds: AnyFloats) -> None:
        keys = _keys(thresholds)
        lowest, highest = int(keys[0]), int(keys[-1])
        wanted = min(_MOST_BUCKETS, _BUCKETS_PER_THRESHOLD * len(keys))
        self._shift = max(0, (highest - lowest).bit_length() - wanted.bit_length() + 1)
        self._first, last = lowest >> self._shift, highest >> self._shift
        whole = np.iinfo(keys.dtype)
        self._lowest = max((self._first << self._shift) - 1, whole.min)
        self._highest = min((last + 1) << self._shift, whole.max)
        self._of_threshold = self._find(keys)
        self._mixed = np.zeros(last - self._first + 3, dtype=np.bool_)
        self._mixed[self._of_threshold] = True
        self._weight = np.zeros(len(self._mixed))

    def __len__(self) -> int:
        return len(self._mixed)

    def count(self, values: AnyFloats, weights: Floats | None) -> NDArray[np.intp]:
        """Counts the values of unmixed buckets, and gives the places of the others."""
        found = self._find(_keys(values))
        self._weight += np.bincount(found, weights, len(self._weight))
        return np.flatnonzero(self._mixed[found])

    def above(self) -> Floats:
        """(m,) the weight in the unmixed buckets above each threshold."""
        unmixed = np.where(self._mixed, 0, self._weight)
        return np.asarray(np.cumsum(unmixed[::-1])[::-1][self._of_threshold], dtype=np.float64)

    def _find(self, keys: NDArray[np.signedinteger[Any]]) -> NDArray[np.intp]:
        found = np.clip(keys, self._lowest, self._highest)
        # Shifted first: the distance of two keys may be larger than the largest key.
        found >>= self._shift
        found -= self._first - 1
        return found.astype(np.intp)


def _keys(values: AnyFloats) -> NDArray[np.signedinteger[Any]]:
    """Whole numbers in the order of the values; -0.0 and 0.0 have the same."""
    whole = np.dtype(f"i{values.dtype.itemsize}")
    bits = np.ascontiguousarray(values).view(whole)
    sign = bits >> (8 * whole.itemsize - 1)
    keys = bits & np.iinfo(whole).max
    keys ^= sign
    keys -= sign
    return np.asarray(keys)


def _at_or_above(thresholds: AnyFloats, values: AnyFloats, weights: Floats | None) -> Floats:
    if weights is None:
        return (len(values) - np.searchsorted(np.sort(values), thresholds)).astype(np.float64)
    order = np.argsort(values)
    below = np.concatenate([[0.0], np.cumsum(weights[order])])
    return np.asarray(below[-1] - below[np.searchsorted(values[order], thresholds)], dtype=np.float64)
