"""A scorer's scores of a split as blocks: computed once, read as often as a figure needs, never all in memory."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Self

from q2pt_tasks.metrics.scored import PAIRS_PER_STEP, Bools, Scored
from q2pt_tasks.model.scorers import Scorer
from q2pt_tasks.model.stored_rows import StoredRows
from q2pt_tasks.model.truth import Part, Truth

# Pairs of a block, 64 MB of scores: what the figures compute at once, and enough queries for a model at a time.
PAIRS_PER_BLOCK = 4 * PAIRS_PER_STEP


class ScoreStream:
    """The blocks of a split, in the order of `Truth.scored`; closed at the end of a `with`.

    Args:
        truth: the labelled queries.
        split: its name.
        scorer: scores all queries now, and is not needed any more after that.
    """

    def __init__(self, truth: Truth, split: str, scorer: Scorer) -> None:
        self._truth, self._split = truth, split
        self._scores = StoredRows((part.ask(scorer) for part in self._parts()), len(truth.types))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._scores.close()

    def __iter__(self) -> Iterator[Scored]:
        start = 0
        for part in self._parts():
            end = start + part.shape[0]
            yield part.scored(self._scores.read(start, end))
            start = end

    def _parts(self) -> Iterator[Part]:
        return self._truth.parts(self._split, max(1, PAIRS_PER_BLOCK // max(1, len(self._truth.types))))


@dataclass(frozen=True, eq=False)
class Selected:
    """The queries of all blocks for which `mask`, one bool per query in their order, is true."""

    blocks: Iterable[Scored]
    mask: Bools

    def __iter__(self) -> Iterator[Scored]:
        start = 0
        for block in self.blocks:
            yield block.where(self.mask[start : start + len(block)])
            start += len(block)
