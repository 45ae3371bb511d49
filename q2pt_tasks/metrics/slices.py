"""Recall and precision of parts of a split: of some of its queries, or of some of its product types.

A slice costs no look at the scores: the few pairs that are true or predicted are enough.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from q2pt_tasks.metrics.observed import Answers
from q2pt_tasks.metrics.scored import Bools, Floats, Indices

# Shares of the clicks, most clicked types first: the head has the first half of all clicks, the tail the last tenth.
HEAD_SHARE, TORSO_SHARE = 0.5, 0.9
SUPPORT_GROUPS = ("head", "torso", "tail")


class SlicesError(ValueError):
    """Slices and pairs do not describe the same queries and types."""


@dataclass(frozen=True, eq=False)
class Dimension:
    """One way to divide a split: each query, or each type, belongs to one of the slices, or to none (-1).

    Attributes:
        name: such as `length`.
        slices: their names, in the order in which a reader wants them.
        of_queries: (n,) index of each query's slice; None where types are divided.
        of_types: (T,) index of each type's slice; None where queries are divided.
    """

    name: str
    slices: tuple[str, ...]
    of_queries: Indices | None = None
    of_types: Indices | None = None

    def __post_init__(self) -> None:
        if (self.of_queries is None) == (self.of_types is None):
            raise SlicesError(f"the dimension {self.name!r} divides queries or types, and not both")

    def of_pairs(self, answers: Answers) -> Indices:
        """(q,) the slice of each pair."""
        members, index = (self.of_types, answers.type) if self.of_queries is None else (self.of_queries, answers.query)
        assert members is not None  # noqa: S101 - one of the two is there, see above
        return members[index]


@dataclass(frozen=True)
class SliceFigure:
    """What is known of one slice; a value is None where there is nothing to divide by.

    Attributes:
        dimension: such as `length`.
        slice: such as `1 to 5 characters`.
        recall: weighted share of the true pairs that are predicted.
        precision: weighted share of the predicted pairs that are true.
        positives: true pairs, not weighted.
        queries: queries with a true pair in the slice.
    """

    dimension: str
    slice: str
    recall: float | None
    precision: float | None
    positives: int
    queries: int


def measure_slices(answers: Answers, dimensions: Sequence[Dimension], where: Bools | None = None) -> list[SliceFigure]:
    """The figures of every slice of every dimension.

    Args:
        answers: those of a variant.
        dimensions: how to divide them.
        where: (n,) the queries that count; all by default.
    """
    counted = np.ones(len(answers.query), dtype=np.bool_) if where is None else where[answers.query]
    return [figure for dimension in dimensions for figure in _figures(answers, dimension, counted)]


def slice_counts(answers: Answers, dimensions: Sequence[Dimension]) -> csr_array:
    """What a resample of queries needs to give the recall of every slice, shape (n, 2 S).

    The S slices are those of all `dimensions`, one after the other. Column s holds the weight of the predicted true
    pairs of each query in slice s, column S + s that of all its true pairs.
    """
    firsts = np.cumsum([0, *(len(dimension.slices) for dimension in dimensions)])
    width = int(firsts[-1])
    counts = csr_array((len(answers.locale), 2 * width), dtype=np.float64)
    for first, dimension in zip(firsts, dimensions, strict=False):
        members = dimension.of_pairs(answers)
        for kept, offset in ((answers.right & answers.predicted, 0), (answers.right, width)):
            chosen = kept & (members >= 0)
            queries = answers.query[chosen]
            cells = (queries, members[chosen] + first + offset)
            counts += csr_array((answers.weight[queries], cells), shape=counts.shape)
    return counts


def support_groups(clicks: Floats) -> Indices:
    """(T,) head, torso or tail, as indices of `SUPPORT_GROUPS`, for each type by its clicks, (T,).

    From the most clicked type on, the head has the first half of all clicks, the tail the last tenth, the torso what is
    between; a type that crosses a border belongs to the part where it begins. A type without clicks is tail.
    """
    order = np.argsort(-clicks, kind="stable")
    before = np.zeros(len(clicks))
    before[order] = np.cumsum(clicks[order]) - clicks[order]
    share = before / clicks.sum() if clicks.sum() else np.ones(len(clicks))
    groups = np.digitize(share, [HEAD_SHARE, TORSO_SHARE])
    return np.where(clicks > 0, groups, SUPPORT_GROUPS.index("tail")).astype(np.intp)


def _figures(answers: Answers, dimension: Dimension, counted: Bools) -> Iterator[SliceFigure]:
    members, size = dimension.of_pairs(answers), len(dimension.slices)
    weights = answers.weight[answers.query]
    counted = counted & (members >= 0)

    def total(kept: Bools, of: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
        chosen = kept & counted
        return np.bincount(members[chosen], None if of is None else of[chosen], size).astype(np.float64)

    hits, true = total(answers.right & answers.predicted, weights), total(answers.right, weights)
    predicted, positives = total(answers.predicted, weights), total(answers.right)
    for index, name in enumerate(dimension.slices):
        mine = answers.query[answers.right & counted & (members == index)]
        yield SliceFigure(
            dimension.name,
            name,
            _ratio(hits[index], true[index]),
            _ratio(hits[index], predicted[index]),
            int(positives[index]),
            len(np.unique(mine)),
        )


def _ratio(part: float, whole: float) -> float | None:
    return float(part / whole) if whole else None
