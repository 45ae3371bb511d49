"""What the first pass over a stream of score blocks keeps: the pairs that are predicted or true, and every rank."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array

from q2pt_tasks.metrics.positives import Positives, merge_positives, positives_of
from q2pt_tasks.metrics.ranking import Ranking, join_rankings, rank
from q2pt_tasks.metrics.scored import Bools, Floats, Indices, Scored, places_of, row_steps
from q2pt_tasks.metrics.threads import share
from q2pt_tasks.metrics.thresholds import Thresholds
from q2pt_tasks.threads import THREADS


@dataclass(frozen=True, eq=False)
class Answers:
    """The q pairs of n queries that are predicted at the thresholds, or true, or both.

    Attributes:
        types, locales: the names that `type` and `locale` point into.
        locale: (n,) the locale of each query.
        weight: (n,) the traffic of each query.
        query: (q,) the place of the pair's query among the n.
        type: (q,) its product type.
        predicted: (q,) whether its score reaches the threshold.
        right: (q,) whether it is true.
    """

    types: tuple[str, ...]
    locales: tuple[str, ...]
    locale: Indices
    weight: Floats
    query: Indices
    type: Indices
    predicted: Bools
    right: Bools

    def per_query(self, pairs: Bools) -> Floats:
        """(n,) how many of a query's pairs are among `pairs`, (q,), such as `predicted & right`."""
        return np.bincount(self.query[pairs], minlength=len(self.locale)).astype(np.float64)

    def per_type(self, pairs: Bools) -> csr_array:
        """(n, T) the weight of each query where its pair is among `pairs`, (q,)."""
        shape = (len(self.locale), len(self.types))
        query = self.query[pairs]
        return csr_array((self.weight[query], (query, self.type[pairs])), shape=shape)


@dataclass(frozen=True, eq=False)
class Observed:
    """The answers, the ranks, and the scores of the true pairs, of the same queries."""

    answers: Answers
    ranking: Ranking
    positives: Positives


def observe(blocks: Iterable[Scored], thresholds: Thresholds) -> Observed:
    """The first pass over a split.

    Raises:
        ValueError: there is no block, or blocks have different types or locales.
    """
    found: dict[int, tuple[Answers, Ranking, Positives]] = {}

    def look(number: int, block: Scored) -> None:
        found[number] = _answers(block, thresholds), rank(block), positives_of(block)

    share(blocks, [look] * THREADS)
    if not found:
        raise ValueError("no block of scores: give a block with no queries where there are none")
    answers, rankings, positives = zip(*(found[number] for number in range(len(found))), strict=True)
    return Observed(_joined(answers), join_rankings(rankings), merge_positives(positives))


def _answers(block: Scored, thresholds: Thresholds) -> Answers:
    shape = (len(block.locales), len(block.types))
    limits = np.array([thresholds.for_locale(locale, block.types) for locale in block.locales]).reshape(shape)
    found = []
    for rows in row_steps(block.scores.shape):
        predicted, truth = block.scores[rows] >= limits[block.locale[rows]], block.targets[rows]
        query, type_ = places_of(predicted | truth)
        found.append((query + rows.start, type_, predicted[query, type_], truth[query, type_]))
    empty = (np.zeros(0, dtype=np.intp),) * 2 + (np.zeros(0, dtype=np.bool_),) * 2
    query, type_, predicted, right = (np.concatenate(arrays) for arrays in zip(empty, *found, strict=True))
    return Answers(block.types, block.locales, block.locale, block.weights, query, type_, predicted, right)


def _joined(parts: Sequence[Answers]) -> Answers:
    starts = np.cumsum([0, *(len(part.locale) for part in parts)])
    return Answers(
        parts[0].types,
        parts[0].locales,
        np.concatenate([part.locale for part in parts]),
        np.concatenate([part.weight for part in parts]),
        np.concatenate([part.query + start for part, start in zip(parts, starts, strict=False)]),
        np.concatenate([part.type for part in parts]),
        np.concatenate([part.predicted for part in parts]),
        np.concatenate([part.right for part in parts]),
    )
