"""Thresholds in buckets, by the leading bits of their floats.

The bits of a float, read as a whole number, are in the order of the floats: that number is its key. Thresholds belong
to parts, such as the columns of a score matrix, and every part has its own buckets.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from q2pt_tasks.metrics.scored import Floats, Indices

# float32 where a model speaks, float64 where a caller does.
AnyFloats = NDArray[np.floating[Any]]
# As wide as the floats.
Keys = NDArray[np.signedinteger[Any]]

# Enough that few buckets hold several thresholds, few enough that those in use fit into a core's cache.
_BUCKETS_PER_THRESHOLD = 8
_MOST_BUCKETS = 1 << 20


class Buckets:
    """Ranges of keys, from the lowest threshold of each part to the highest of all; those of the first part come first.

    Args:
        thresholds: (m,) float32, or float64 where there is one part; finite, rising within a part, each once.
        start: (C + 1,) where the thresholds of each part start; by default all are of one part.

    Attributes:
        size: the number of buckets, S.
        lowest: (C,) the lowest threshold of each part, +inf where it has none.
        limit: (S,) the threshold that lies in each bucket, +inf where none does, NaN where several do.
        of_threshold: (m,) the bucket of each threshold.
        after_part: (m,) the first bucket of the next part.
    """

    def __init__(self, thresholds: AnyFloats, start: Indices | None = None) -> None:
        start = np.array([0, len(thresholds)]) if start is None else start
        counts = np.diff(start)
        used = np.flatnonzero(counts)
        self._part = np.repeat(np.arange(len(counts)), counts)
        self._ordered = in_order(keys_of(thresholds), self._part)
        self._ends = in_order(keys_of(np.full(len(counts), np.inf, thresholds.dtype)), np.arange(len(counts)))
        self.lowest = np.full(len(counts), np.inf, dtype=thresholds.dtype)
        self.lowest[used] = thresholds[start[used]]
        # Of positive floats the bits themselves are in order, and those of all others are below them.
        self.keys = _bits if (self.lowest > 0).all() else keys_of
        keys = self.keys(thresholds)
        self._highest = keys.max(initial=np.iinfo(keys.dtype).min)
        self._shift = self._finest(keys[start[used]], min(_MOST_BUCKETS, _BUCKETS_PER_THRESHOLD * len(keys)))
        first, sizes = np.zeros((2, len(counts)), dtype=np.int64)
        # One bucket more, below the lowest threshold.
        first[used] = (keys[start[used]] >> self._shift) - 1
        sizes[used] = (self._highest >> self._shift) - first[used] + 1
        # As far down as the bucket below the lowest threshold of a single part reaches.
        self._below = max((int(first[0]) + 1) * 2**self._shift - 1, np.iinfo(keys.dtype).min)
        ends = np.cumsum(sizes)
        self.size = int(sizes.sum())
        self._offset = ends - sizes - first
        self.of_threshold = self.find(keys, self._part)
        self.after_part = ends[self._part]
        self.limit = np.full(self.size, np.inf, dtype=thresholds.dtype)
        self.limit[self.of_threshold] = thresholds
        held = np.bincount(self.of_threshold, minlength=self.size)
        self.limit[held > 1] = np.nan
        self._before = np.cumsum(held) - held

    def find(self, keys: Keys, parts: Indices) -> Indices:
        """(k,) the buckets of keys, which, where there are several parts, reach the lowest threshold of their own."""
        found = np.minimum(keys, self._highest)
        if len(self._offset) == 1:
            found = np.maximum(found, self._below)
        found >>= self._shift
        bucket: Indices = found + (self._offset if len(self._offset) == 1 else self._offset.take(parts))
        return bucket

    def reached(self, values: AnyFloats, parts: Indices) -> Indices:
        """(k,) the place of the highest threshold that each value reaches; each reaches the lowest of its part."""
        keys = self.keys(values)
        bucket = self.find(keys, parts)
        limit = self.limit.take(bucket)
        place: Indices = self._before.take(bucket) + (values >= limit)
        crowded = np.flatnonzero(np.isnan(limit))
        ordered = in_order(keys.take(crowded), parts.take(crowded))
        place[crowded] = np.searchsorted(self._ordered, ordered, side="right")
        return place - 1

    def at_or_above(self, ordered: Keys, weights: Floats | None = None) -> Floats:
        """(m,) the number or the weight of those of `ordered`, (k,) from `in_order`, that reach each threshold."""
        if weights is None:
            below, ordered = np.arange(len(ordered) + 1, dtype=np.float64), np.sort(ordered)
        else:
            order = np.argsort(ordered)
            below, ordered = np.append(0.0, np.cumsum(weights[order])), ordered[order]
        ends = np.searchsorted(ordered, self._ends)
        found: Floats = below[ends[self._part]] - below[np.searchsorted(ordered, self._ordered)]
        return found

    def _finest(self, lowest: Keys, most: int) -> int:
        """How many bits to leave out, so that there are at most `most` buckets, or as few as there can be."""
        shift = 8 * lowest.dtype.itemsize - 1
        # From the coarsest on: the distance of two keys may be larger than the largest number.
        while shift and ((self._highest >> (shift - 1)) - (lowest >> (shift - 1)) + 1).sum(dtype=np.int64) <= most:
            shift -= 1
        return shift


def keys_of(values: AnyFloats) -> Keys:
    """(k,) the keys of `values`; those of -0.0 and 0.0 are the same."""
    bits = _bits(values)
    sign = bits >> (8 * values.dtype.itemsize - 1)
    keys: Keys = bits & np.iinfo(bits.dtype).max
    keys ^= sign
    keys -= sign
    return keys


def in_order(keys: Keys, parts: Indices) -> Keys:
    """(k,) keys, those of a part below all of the next: 64 bits, which hold float64's where there is one part."""
    ordered: Keys = (parts << 32) + keys
    return ordered


def _bits(values: AnyFloats) -> Keys:
    bits: Keys = np.ascontiguousarray(values).view(f"i{values.dtype.itemsize}")
    return bits
