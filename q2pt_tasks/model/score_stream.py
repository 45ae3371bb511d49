"""A scorer's scores of a split as blocks: computed once, read as often as a figure needs, never all in memory."""

import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np

from q2pt_tasks.metrics.scored import PAIRS_PER_STEP, Bools, Scored
from q2pt_tasks.model.scorers import Scorer
from q2pt_tasks.model.truth import Part, Truth

# Pairs of a block, 64 MB of scores: what the figures compute at once, and enough queries for a model at a time.
PAIRS_PER_BLOCK = 4 * PAIRS_PER_STEP
# Scores that stay in memory; those of a larger split go to a temporary file.
_BYTES_IN_MEMORY = 1 << 28


class ScoreStream:
    """The blocks of a split, in the order of `Truth.scored`; closed at the end of a `with`.

    Args:
        truth: the labelled queries.
        split: its name.
        scorer: scores all queries now, and is not needed any more after that.
    """

    def __init__(self, truth: Truth, split: str, scorer: Scorer) -> None:
        self._truth, self._split = truth, split
        self._file = tempfile.SpooledTemporaryFile(max_size=_BYTES_IN_MEMORY)  # noqa: SIM115 - closed by __exit__
        for part in self._parts():
            self._file.write(np.ascontiguousarray(part.ask(scorer), dtype=np.float32).tobytes())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()

    def __iter__(self) -> Iterator[Scored]:
        start = 0
        for part in self._parts():
            self._file.seek(start)
            size = 4 * part.shape[0] * part.shape[1]
            scores = np.frombuffer(self._file.read(size), dtype=np.float32).reshape(part.shape)
            start += size
            yield part.scored(scores)

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
