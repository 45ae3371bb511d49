"""How sure a figure is: a bootstrap over groups of queries, the same resamples for every model and every store.

A group is one normalised query with all stores in which it was typed: its rows are no independent evidence. A resample
gives every group a weight, drawn from a Poisson distribution of mean 1 (the bootstrap of streams: Hanley and MacGibbon
2006, "Creating non-parametric bootstrap samples using Poisson frequencies"), and every figure is computed again from
weighted sums. All figures of one plan see the same resamples, so a difference of two models is paired by subtracting
their values resample by resample.

    sample = Sample.of(queries, locale, len(locales))
    batches = resampled_sums(np.column_stack([hits, positives]), sample, plan)     # (b, P, 2) each
    recalls = np.concatenate([ratio(*of_all_parts(sums).T) for sums in batches])   # (B,)
    interval(recall, recalls, plan.level)
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from q2pt_tasks.metrics.scored import PAIRS_PER_STEP, Bools, Floats, Indices
from q2pt_tasks.threads import THREADS

# A generator draws the weights of so many resamples; so many queries of them are multiplied at once, in a core's cache.
_RESAMPLES_AT_ONCE = 16
_QUERIES_AT_ONCE = 1 << 13


@dataclass(frozen=True)
class Resampling:
    """How often, with which seed, and the share of the resamples that an interval holds (0.95: from 2.5 to 97.5 %)."""

    resamples: int
    seed: int
    level: float = 0.95

    def __post_init__(self) -> None:
        if self.resamples < 2 or not 0 < self.level < 1:
            raise ValueError(
                f"two resamples or more and a level between 0 and 1 are needed; "
                f"found {self.resamples} resamples and level {self.level}"
            )


@dataclass(frozen=True, eq=False)
class Sample:
    """The n queries of a split: the group and the part (the store) of each.

    Attributes:
        group: (n,) 0 to `groups` - 1.
        groups: number of groups, those without a query here included: they keep the resamples of a slice those of the
            whole split.
        part: (n,) 0 to `parts` - 1.
        parts: number of parts.
    """

    group: Indices
    groups: int
    part: Indices
    parts: int

    @classmethod
    def of(cls, queries: Sequence[str], part: Indices, parts: int) -> "Sample":
        """Queries of the same normalised text are one group."""
        if len(part) != len(queries):
            raise ValueError(f"there is one part per query: found {len(part)} for {len(queries)} queries")
        numbers = {query: number for number, query in enumerate(dict.fromkeys(queries))}
        group = np.fromiter((numbers[query] for query in queries), dtype=np.intp, count=len(queries))
        return cls(group, len(numbers), part, parts)

    def where(self, mask: Bools) -> "Sample":
        """The queries where `mask`, (n,), is true; resampled with the weights that they have in the whole."""
        return Sample(self.group[mask], self.groups, self.part[mask], self.parts)


@dataclass(frozen=True)
class Interval:
    """Where a figure may lie, and its standard error, both from resamples."""

    low: float
    high: float
    standard_error: float


def resampled_sums(counts: Floats | csr_array, sample: Sample, plan: Resampling) -> Iterator[Floats]:
    """Sums of what was counted per query, in every part of every resample.

    Args:
        counts: (n, K), dense or sparse, such as correct pairs and positives of each query, times its traffic.
        sample: the n queries.
        plan: equal plans and equal groups give equal resamples, whatever is counted.

    Yields:
        (b, P, K): some resamples at once, all of them in the end; `of_all_parts` adds the parts up.

    Raises:
        ValueError: `counts` is not of the sample's queries.
    """
    if counts.ndim != 2 or counts.shape[0] != len(sample.group):
        raise ValueError(f"counts have a row per query: found {counts.shape} for {len(sample.group)} queries")
    chunks = _chunks(counts, sample)
    shape = (sample.parts, counts.shape[1])
    steps = range(0, plan.resamples, _RESAMPLES_AT_ONCE)

    def sums(first: int) -> Floats:
        weights = _weights(sample.groups, plan, first)
        found = np.zeros((len(weights), *shape))
        for chunk in chunks:
            found[:, chunk.part] += weights[:, chunk.group].astype(np.float64) @ chunk.counts
        return found

    at_once = max(1, PAIRS_PER_STEP // max(1, shape[0] * shape[1] * _RESAMPLES_AT_ONCE))
    with ThreadPoolExecutor(THREADS) as pool:
        for start in range(0, len(steps), at_once):
            yield np.concatenate(list(pool.map(sums, steps[start : start + at_once])))


def resampled_weights(groups: int, plan: Resampling) -> NDArray[np.uint8]:
    """(B, groups) the weight of each group in every resample, as in `resampled_sums`."""
    return np.concatenate([_weights(groups, plan, first) for first in range(0, plan.resamples, _RESAMPLES_AT_ONCE)])


def of_all_parts(sums: Floats) -> Floats:
    """(b, P, K) to (b, K)."""
    return np.asarray(sums.sum(axis=1), dtype=np.float64)


def ratio(numerator: Floats, denominator: Floats) -> Floats:
    """Element by element, NaN where the denominator is 0: there the figure is not defined."""
    found = np.divide(numerator, denominator, out=np.full(np.shape(numerator), np.nan), where=denominator != 0)
    return np.asarray(found, dtype=np.float64)


def interval(values: Floats, level: float) -> Interval | None:
    """The middle `level` of the resampled `values`, (B,), of a figure or of a difference of two paired figures.

    Resamples in which the figure is not defined (NaN) are left out; None where it is defined in fewer than two.
    """
    known = values[~np.isnan(values)]
    if len(known) < 2:
        return None
    low, high = np.quantile(known, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(low), float(high), float(known.std(ddof=1)))


def p_value(differences: Floats) -> float | None:
    """Two-sided, of "there is no difference", from the resampled `differences`, (B,): twice the share beyond 0.

    A difference of exactly 0 counts to both sides; the resample that was seen counts as one more, so that no p-value is
    0. None where fewer than two are defined.
    """
    known = differences[~np.isnan(differences)]
    if len(known) < 2:
        return None
    smaller = min(int((known <= 0).sum()), int((known >= 0).sum()))
    return min(1.0, 2 * (smaller + 1) / (len(known) + 1))


@dataclass(frozen=True, eq=False)
class _Chunk:
    """Some queries of a part: their groups, (c,), and what was counted, (c, K)."""

    part: int
    group: Indices
    counts: Floats | csr_array


def _chunks(counts: Floats | csr_array, sample: Sample) -> list[_Chunk]:
    found = []
    for part in range(sample.parts):
        rows = np.flatnonzero(sample.part == part)
        for start in range(0, len(rows), _QUERIES_AT_ONCE):
            some = rows[start : start + _QUERIES_AT_ONCE]
            found.append(_Chunk(part, sample.group[some], counts[some]))
    return found


def _weights(groups: int, plan: Resampling, first: int) -> NDArray[np.uint8]:
    """(b, groups) the weights of the resamples from `first` on, those of one step, independent of all others."""
    random = np.random.default_rng((plan.seed, first))
    weights = np.zeros((min(_RESAMPLES_AT_ONCE, plan.resamples - first), groups), dtype=np.uint8)
    for row in weights:
        drawn = random.integers(0, 1 << 16, groups, dtype=np.uint16)
        for least in _POISSON:
            row += drawn >= least
    return weights


def _poisson_steps() -> NDArray[np.uint16]:
    """From which of 65,536 equally likely numbers on a Poisson variable of mean 1 is at least 1, 2, ...

    Comparing with them is many times as fast as drawing from the distribution itself. A probability is off by at most
    1/65,536, the mean by less than 1/10,000.
    """
    terms = 1 / np.cumprod(np.maximum(1, np.arange(12, dtype=np.float64)))
    shares = np.cumsum(terms) / np.e
    steps = np.ceil(65536 * shares - 0.5)
    return steps[steps < 65536].astype(np.uint16)


_POISSON = _poisson_steps()
