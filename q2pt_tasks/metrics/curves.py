"""Exact precision-recall curves of all types, locales and both, from a stream of score blocks in bounded memory.

Only the scores of positives can be best thresholds, so two passes are enough: the first keeps the positives' scores,
the second counts all pairs at or above each of them. Memory is that of a block and of the positives.

Several machines share the work: each finds the positives of its own shard, `merge_positives` joins them, each counts
its own pairs at all of them, and `merge_counts` adds the counts up. The result is that of one machine.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from q2pt_tasks.metrics.positives import Positives
from q2pt_tasks.metrics.recall_at_precision import Curve
from q2pt_tasks.metrics.scored import Bools, Floats, Indices, Scored, Scores, row_steps
from q2pt_tasks.metrics.tally import Tally

# Types that are copied out of a block at once: reading a row-major matrix one column at a time misses the cache.
_COLUMNS = 32


@dataclass(frozen=True, eq=False)
class Wanted:
    """Of which types, (T,), locales, (L,), and cells of both, (L, T), a curve is wanted; all pairs' always is."""

    types: Bools
    locales: Bools
    cells: Bools


@dataclass(frozen=True, eq=False)
class Curves:
    """The curves of K parts of the pairs, one after the other: m thresholds in all, and how much lies at or above each.

    Attributes:
        start: (K + 1,) where the thresholds of each part start.
        thresholds: (m,) rising within a part.
        true_positives: (m,) weight of the part's positives at or above each.
        pairs: (m,) weight of all the part's pairs at or above each.
        total: (K,) weight of all positives, those with a score of -inf included.
    """

    start: Indices
    thresholds: Scores
    true_positives: Floats
    pairs: Floats
    total: Floats

    def __getitem__(self, part: int) -> Curve:
        own = slice(self.start[part], self.start[part + 1])
        hits = self.true_positives[own]
        # Sums of fractional weights may differ in the last digit.
        negatives = np.maximum(0, self.pairs[own] - hits)
        return Curve(self.thresholds[own], hits, negatives, float(self.total[part]))


@dataclass(frozen=True, eq=False)
class CurveSet:
    """Curves of all pairs (one part), of types (T parts), of locales (L) and of cells (L * T, locale by locale)."""

    all: Curves
    types: Curves
    locales: Curves
    cells: Curves

    @property
    def overall(self) -> Curve:
        return self.all[0]


def count_curves(positives: Positives, blocks: Iterable[Scored], wanted: Wanted) -> CurveSet:
    """The second pass: all pairs of `blocks` at the scores of `positives`.

    A curve that is not wanted has no thresholds. Blocks whose queries are of one locale are the fastest.

    Raises:
        ValueError: blocks have other types or locales than the positives.
    """
    families = _Families.of(positives, wanted)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for block in blocks:
            if (block.types, block.locales) != (positives.types, positives.locales):
                raise ValueError("blocks have other types or locales than the positives: score all on the same lists")
            # A list, so that the block is done with, and an error is raised, before the next one is asked for.
            list(pool.map(lambda task: task(), families.tasks(block, positives.unit_weights)))
    return families.counted()


def merge_counts(parts: Sequence[CurveSet]) -> CurveSet:
    """The curves of all shards, each counted at the positives of all."""
    families = [_merged([getattr(part, name) for part in parts]) for name in ("all", "types", "locales", "cells")]
    return CurveSet(*families)


def _merged(parts: Sequence[Curves]) -> Curves:
    first = parts[0]
    if any(not np.array_equal(part.thresholds, first.thresholds) for part in parts):
        raise ValueError("shards were counted at different positives: merge the positives of all shards first")
    pairs = np.sum([part.pairs for part in parts], axis=0)
    return Curves(first.start, first.thresholds, first.true_positives, pairs, first.total)


class _Family:
    """Curves while they are counted."""

    def __init__(self, positives: Positives, part: Indices, wanted: Bools) -> None:
        self.wanted = wanted
        self._total = np.bincount(part, positives.weight, len(wanted)).astype(np.float64)
        known = (positives.score > -np.inf) & (positives.weight > 0) & wanted[part]
        part, score, weight = part[known], positives.score[known], positives.weight[known]
        order = np.lexsort((score, part))
        part, score, weight = part[order], score[order], weight[order]
        is_new = np.ones(len(part), dtype=np.bool_)
        is_new[1:] = (part[1:] != part[:-1]) | (score[1:] != score[:-1])
        # -0.0 and 0.0 are one threshold.
        self._thresholds = score[is_new] + np.float32(0)
        self._start = np.searchsorted(part[is_new], np.arange(len(wanted) + 1))
        self._hits = _sum_from_the_end(np.add.reduceat(weight, np.flatnonzero(is_new)), self._start)
        self._tallies: dict[int, Tally] = {}

    def add(self, part: int, scores: Scores, weights: Floats | None) -> None:
        if part not in self._tallies:
            self._tallies[part] = Tally(self._thresholds[self._start[part] : self._start[part + 1]])
        self._tallies[part].add(scores, weights)

    def counted(self) -> Curves:
        pairs = np.zeros(len(self._thresholds))
        for part, tally in self._tallies.items():
            pairs[self._start[part] : self._start[part + 1]] = tally.total()
        return Curves(self._start, self._thresholds, self._hits, pairs, self._total)


@dataclass(frozen=True, eq=False)
class _Families:
    all: _Family
    types: _Family
    locales: _Family
    cells: _Family

    @classmethod
    def of(cls, positives: Positives, wanted: Wanted) -> "_Families":
        return cls(
            _Family(positives, np.zeros_like(positives.type), np.ones(1, dtype=np.bool_)),
            _Family(positives, positives.type, wanted.types),
            _Family(positives, positives.locale, wanted.locales),
            _Family(positives, positives.cell, wanted.cells.ravel()),
        )

    def tasks(self, block: Scored, unit_weights: bool) -> Iterator[Callable[[], None]]:
        """What is to be done with a block; no two tasks touch the same curve."""
        locales = [(int(locale), _rows_of(block, int(locale))) for locale in np.unique(block.locale)]
        own = [(locale, block.scores[rows], None if unit_weights else block.weights[rows]) for locale, rows in locales]
        yield lambda: self._count_rows(own)
        wanted = self.types.wanted.copy()
        for locale, _, _ in own:
            wanted |= self.cells.wanted.reshape(-1, len(block.types))[locale]
        for start in range(0, len(wanted), _COLUMNS):
            some = start + np.flatnonzero(wanted[start : start + _COLUMNS])
            if len(some):
                yield lambda types=some: self._count_columns(own, types)  # type: ignore[misc]

    def _count_rows(self, parts: list[tuple[int, Scores, Floats | None]]) -> None:
        for locale, scores, weights in parts:
            for rows in row_steps(scores.shape):
                flat = scores[rows].ravel()
                weight = None if weights is None else np.repeat(weights[rows], scores.shape[1])
                self.all.add(0, flat, weight)
                if self.locales.wanted[locale]:
                    self.locales.add(locale, flat, weight)

    def _count_columns(self, parts: list[tuple[int, Scores, Floats | None]], types: Indices) -> None:
        first, last = int(types[0]), int(types[-1]) + 1
        for locale, scores, weights in parts:
            # A stretch of columns, also those not wanted: choosing columns copies one score at a time.
            columns = np.ascontiguousarray(scores[:, first:last].T)
            for index in types.tolist():
                own, cell = columns[index - first], locale * scores.shape[1] + index
                if self.types.wanted[index]:
                    self.types.add(index, own, weights)
                if self.cells.wanted[cell]:
                    self.cells.add(cell, own, weights)

    def counted(self) -> CurveSet:
        return CurveSet(self.all.counted(), self.types.counted(), self.locales.counted(), self.cells.counted())


def _rows_of(block: Scored, locale: int) -> slice | Bools:
    """A slice where all queries are of the locale: it copies nothing."""
    mask = block.locale == locale
    return slice(None) if mask.all() else mask


def _sum_from_the_end(values: Floats, start: Indices) -> Floats:
    """Within each part the sum of a value and of those after it."""
    total = np.concatenate([np.cumsum(values[::-1])[::-1], [0.0]])
    sizes = np.diff(start)
    return np.asarray(total[:-1] - np.repeat(total[start[1:]], sizes), dtype=np.float64)
