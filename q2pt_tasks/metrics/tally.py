"""How many of many values lie at or above each of some thresholds: exact, and without sorting the values.

A value below all thresholds of its column, as most are, costs one comparison. The others fall into buckets, most of
which hold no threshold or one, and such a value is compared with that one alone; the few of fuller buckets are sorted.
"""

import threading
from typing import Any

import numpy as np
from numpy.typing import NDArray

from q2pt_tasks.metrics.buckets import AnyFloats, Buckets, in_order
from q2pt_tasks.metrics.scored import Floats

# What a step works on stays in a core's cache.
_STEP = 1 << 16


class Tally:
    """Counts values at or above each of the m thresholds of their part.

    Tallies of the same thresholds over some of the values each are merged by adding their `total`.

    Args:
        thresholds: in buckets.
        beside: a tally of the same thresholds, of another thread, into whose counts this one counts: they are large.
    """

    def __init__(self, thresholds: Buckets, beside: "Tally | None" = None) -> None:
        self.buckets = thresholds
        # Per bucket the weight of the values that do not reach its threshold, and of those that do.
        self._found: Floats = np.zeros(2 * thresholds.size) if beside is None else beside._found
        self._sorted: Floats = np.zeros(len(thresholds.of_threshold)) if beside is None else beside._sorted
        self._lock: threading.Lock = threading.Lock() if beside is None else beside._lock
        self._high = _Waiting(_STEP)
        self._placed = _Waiting(max(_STEP, len(self._found)))
        self._unsorted = _Waiting(_STEP + 2 * len(self._sorted))

    def add(self, values: AnyFloats, weights: Floats | None = None) -> None:
        """Counts `values`, each as 1, or with the weight of its row: all calls give weights, or none does.

        Args:
            values: (n, C), or (n,) where there is one part; of the thresholds' dtype, none of them NaN.
            weights: (n,)
        """
        if not len(self._sorted):
            return
        width = len(self.buckets.lowest)
        step = max(1, _STEP // width)
        for first in range(0, len(values), step):
            rows = slice(first, first + step)
            some = np.ascontiguousarray(values[rows])
            if width == 1:
                # Of all pairs together few lie below the lowest positive: choosing would cost more than it saves.
                weight = () if weights is None else (weights[rows],)
                self._high.add(some.reshape(-1), np.broadcast_to(np.intp(0), some.size), *weight)
            else:
                high = np.flatnonzero(some >= self.buckets.lowest)
                row = high // width
                weight = () if weights is None else (weights[rows].take(row),)
                self._high.add(some.reshape(-1).take(high), high - row * width, *weight)
            if self._high.are_enough:
                self._place()

    def finish(self) -> None:
        """Counts what still waits to be counted together with more."""
        self._place()
        self._count()
        self._sort()

    def total(self) -> Floats:
        """(m,) the weight of the values at or above each threshold, so far; of tallies beside it what they finished."""
        self.finish()
        buckets = self.buckets
        below, above = np.where(np.isnan(buckets.limit), 0, self._found.reshape(-1, 2).T)
        beyond = np.append(np.cumsum((below + above)[::-1])[::-1], 0.0)
        higher = beyond[buckets.of_threshold + 1] - beyond[buckets.after_part]
        return np.asarray(above[buckets.of_threshold] + higher + self._sorted, dtype=np.float64)

    def _place(self) -> None:
        if not self._high:
            return
        values, parts, *weight = self._high.taken()
        keys = self.buckets.keys(values)
        bucket = self.buckets.find(keys, parts)
        limit = self.buckets.limit.take(bucket)
        crowded = np.flatnonzero(np.isnan(limit))
        if len(crowded):
            ordered = in_order(keys.take(crowded), parts.take(crowded))
            self._unsorted.add(ordered, *(own.take(crowded) for own in weight))
        bucket *= 2
        bucket += values >= limit
        self._placed.add(bucket, *weight)
        if self._placed.are_enough:
            self._count()
        if self._unsorted.are_enough:
            self._sort()

    def _count(self) -> None:
        if self._placed:
            places, *weight = self._placed.taken()
            counted = np.bincount(places, weight[0] if weight else None, len(self._found))
            with self._lock:
                self._found += counted

    def _sort(self) -> None:
        if self._unsorted:
            keys, *weight = self._unsorted.taken()
            reached = self.buckets.at_or_above(keys, *weight)
            with self._lock:
                self._sorted += reached


class _Waiting:
    """Arrays of the same length each time, kept until there are `enough` elements to work on together."""

    def __init__(self, enough: int) -> None:
        self._enough = enough
        self._rows: list[tuple[NDArray[Any], ...]] = []
        self._size = 0

    def __bool__(self) -> bool:
        return self._size > 0

    @property
    def are_enough(self) -> bool:
        return self._size >= self._enough

    def add(self, *arrays: NDArray[Any]) -> None:
        if len(arrays[0]):
            self._rows.append(arrays)
            self._size += len(arrays[0])

    def taken(self) -> tuple[NDArray[Any], ...]:
        """All of them, joined; none is left."""
        rows, self._rows, self._size = self._rows, [], 0
        if len(rows) == 1:
            return rows[0]
        return tuple(np.concatenate(columns) for columns in zip(*rows, strict=True))
