"""Exact precision-recall curves of all types, locales and both, from a stream of score blocks in bounded memory.

Only the scores of positives can be best thresholds, so two passes are enough: the first keeps the positives' scores,
the second counts all pairs at or above each of them. Memory is that of a block and of the positives.

Several machines share the work: each finds the positives of its own shard, `merge_positives` joins them, each counts
its own pairs at all of them, and `merge_counts` adds the counts up. The result is that of one machine.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from q2pt_tasks.metrics.buckets import Buckets
from q2pt_tasks.metrics.positives import Positives, find_positives
from q2pt_tasks.metrics.recall_at_precision import Curve
from q2pt_tasks.metrics.scored import Bools, Floats, Indices, Scored, Scores, row_steps
from q2pt_tasks.metrics.tally import Tally
from q2pt_tasks.metrics.threads import share
from q2pt_tasks.threads import THREADS

# Types that are counted at once: few enough that their buckets fit into a core's cache, and long rows to compare.
_COLUMNS = 128


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
    counts = [_Counts(families, positives) for _ in range(THREADS)]
    share(blocks, [own.add for own in counts])
    return CurveSet(
        families.all.counted([own.all for own in counts]),
        families.types.counted([own.types for own in counts]),
        families.locales.counted([own.locales for own in counts]),
        families.cells.counted([own.cells for own in counts]),
    )


def pooled_curve(blocks: Iterable[Scored]) -> Curve:
    """The curve of all pairs alone; the blocks are asked for twice, and must be the same both times."""
    positives = find_positives(blocks)
    types, locales = len(positives.types), len(positives.locales)
    nothing = Wanted(*(np.zeros(shape, dtype=np.bool_) for shape in (types, locales, (locales, types))))
    return count_curves(positives, blocks, nothing).overall


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
    """The curves of some parts before all pairs are counted; of parts that are not wanted only the total.

    Args:
        positives: the true pairs.
        part: (p,) the part of each.
        wanted: (K,) which parts are.
        pieces: ranges of parts that are counted at once, in order, all parts together.
    """

    def __init__(self, positives: Positives, part: Indices, wanted: Bools, pieces: Sequence[range]) -> None:
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
        self._counts = [Tally(self._of_piece(piece)) for piece in pieces]

    def tallies(self) -> list[Tally]:
        """One for each piece, for a thread of its own; all count into the same numbers."""
        return [Tally(counts.buckets, counts) for counts in self._counts]

    def counted(self, tallies: Sequence[Sequence[Tally]]) -> Curves:
        """The curves, from what all threads counted."""
        for own in tallies:
            for piece in own:
                piece.finish()
        pairs = np.concatenate([piece.total() for piece in self._counts])
        return Curves(self._start, self._thresholds, self._hits, pairs, self._total)

    def _of_piece(self, piece: range) -> Buckets:
        start = self._start[piece.start : piece.stop + 1]
        return Buckets(self._thresholds[start[0] : start[-1]], start - start[0])


@dataclass(frozen=True, eq=False)
class _Families:
    all: _Family
    types: _Family
    locales: _Family
    cells: _Family
    stretches: Sequence[range]

    @classmethod
    def of(cls, positives: Positives, wanted: Wanted) -> "_Families":
        width, locales = len(positives.types), len(positives.locales)
        stretches = [range(first, min(first + _COLUMNS, width)) for first in range(0, width, _COLUMNS)]
        cells = [
            range(locale * width + own.start, locale * width + own.stop)
            for locale in range(locales)
            for own in stretches
        ]
        one_each = [range(locale, locale + 1) for locale in range(locales)]
        return cls(
            _Family(positives, np.zeros_like(positives.type), np.ones(1, dtype=np.bool_), [range(1)]),
            _Family(positives, positives.type, wanted.types, stretches),
            _Family(positives, positives.locale, wanted.locales, one_each),
            _Family(positives, positives.cell, wanted.cells.ravel(), cells),
            stretches,
        )


class _Counts:
    """What one thread counted."""

    def __init__(self, families: _Families, positives: Positives) -> None:
        self._positives, self._stretches = positives, families.stretches
        self.all, self.types = families.all.tallies(), families.types.tallies()
        self.locales, self.cells = families.locales.tallies(), families.cells.tallies()

    def add(self, _: int, block: Scored) -> None:
        if (block.types, block.locales) != (self._positives.types, self._positives.locales):
            raise ValueError("blocks have other types or locales than the positives: score all on the same lists")
        for locale in np.unique(block.locale):
            rows = _rows_of(block, int(locale))
            weights = None if self._positives.unit_weights else block.weights[rows]
            self._add_rows(block.scores[rows], weights, [*self.all, self.locales[locale]])
            self._add_columns(block.scores[rows], weights, int(locale))

    def _add_rows(self, scores: Scores, weights: Floats | None, tallies: Sequence[Tally]) -> None:
        for rows in row_steps(scores.shape):
            flat = scores[rows].ravel()
            weight = None if weights is None else np.repeat(weights[rows], scores.shape[1])
            for tally in tallies:
                tally.add(flat, weight)

    def _add_columns(self, scores: Scores, weights: Floats | None, locale: int) -> None:
        for place, stretch in enumerate(self._stretches):
            columns = scores[:, stretch.start : stretch.stop]
            self.types[place].add(columns, weights)
            self.cells[locale * len(self._stretches) + place].add(columns, weights)


def _rows_of(block: Scored, locale: int) -> slice | Bools:
    """A slice where all queries are of the locale: it copies nothing."""
    mask = block.locale == locale
    return slice(None) if mask.all() else mask


def _sum_from_the_end(values: Floats, start: Indices) -> Floats:
    """Within each part the sum of a value and of those after it."""
    total = np.concatenate([np.cumsum(values[::-1])[::-1], [0.0]])
    sizes = np.diff(start)
    return np.asarray(total[:-1] - np.repeat(total[start[1:]], sizes), dtype=np.float64)
