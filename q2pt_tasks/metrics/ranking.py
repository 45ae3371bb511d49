"""How high the right types rank in each query: precision at 1, recall at 5, nDCG.

Types with equal scores have no order. Each figure is its mean over all orders of them (McSherry and Najork 2008,
"Computing information retrieval performance measures efficiently in the presence of tied scores"), as in
scikit-learn's `ndcg_score`. A type that the model does not know (-inf) is never found. A query without a right type has
no figures: NaN.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from q2pt_tasks.metrics.scored import Bools, Floats, Indices, Scored, Scores, places_of, row_steps

RECALL_DEPTH = 5


@dataclass(frozen=True, eq=False)
class Ranking:
    """The figures of n queries, (n,) each.

    Attributes:
        precision_at_1: chance that the first type is right.
        recall_at_5: share of the right types that are among the first five.
        ndcg: discounted gain, 1 / log2(1 + rank) of each right type, as a share of the best order's.
    """

    precision_at_1: Floats
    recall_at_5: Floats
    ndcg: Floats

    def where(self, mask: Bools) -> "Ranking":
        """The queries where `mask`, (n,), is true."""
        return Ranking(self.precision_at_1[mask], self.recall_at_5[mask], self.ndcg[mask])


def rank(block: Scored) -> Ranking:
    """The figures of the queries of a block."""
    return join_rankings([_rank(block.scores[rows], block.targets[rows]) for rows in row_steps(block.scores.shape)])


def join_rankings(parts: Sequence[Ranking]) -> Ranking:
    """The figures of the queries of all `parts`, one part after the other."""
    names = ("precision_at_1", "recall_at_5", "ndcg")
    empty = np.zeros(0)
    return Ranking(*(np.concatenate([empty, *(getattr(part, name) for part in parts)]) for name in names))


def _rank(scores: Scores, targets: Bools) -> Ranking:
    rows, columns = places_of(targets)
    own = scores[rows, columns]
    above, tied = _places(scores, rows, own)
    known = own > -np.inf
    right = np.bincount(rows, minlength=len(scores)).astype(np.float64)
    gains = _discounts(scores.shape[1])
    ideal = gains[right.astype(np.intp)]

    def mean(values: Floats, whole: Floats) -> Floats:
        found = np.bincount(rows, np.where(known, values, 0), len(scores))
        return np.asarray(np.divide(found, whole, out=np.full(len(scores), np.nan), where=right > 0), dtype=np.float64)

    return Ranking(
        mean((above == 0) / tied, np.ones(len(scores))),
        mean(np.clip((RECALL_DEPTH - above) / tied, 0, 1), right),
        mean((gains[above + tied] - gains[above]) / tied, ideal),
    )


def _places(scores: Scores, rows: Indices, own: Scores) -> tuple[Indices, Indices]:
    """Of each positive, (p,): how many scores of its query lie above its own, and how many equal it, with itself."""
    first = np.searchsorted(rows, rows)
    nth = np.arange(len(rows)) - first
    above, at_least = np.zeros(len(rows), dtype=np.intp), np.zeros(len(rows), dtype=np.intp)
    # The first positive of every query, then the second of those that have one: no score is copied more than once.
    for turn in range(int(nth.max(initial=-1)) + 1):
        some = np.flatnonzero(nth == turn)
        others = scores if len(some) == len(scores) else scores[rows[some]]
        above[some] = (others > own[some, None]).sum(axis=1, dtype=np.int32)
        at_least[some] = (others >= own[some, None]).sum(axis=1, dtype=np.int32)
    return above, at_least - above


def _discounts(width: int) -> Floats:
    """(width + 1,) the gain of the first 0, 1, 2, ... ranks together."""
    return np.concatenate([[0.0], np.cumsum(1 / np.log2(np.arange(2, width + 2)))])
