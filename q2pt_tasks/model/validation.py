"""The validation queries of a training, block by block: nothing of all queries and product types lies in memory."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from q2pt_tasks.metrics.scored import PAIRS_PER_STEP, Scored
from q2pt_tasks.model.batching import STRETCH, shares_of
from q2pt_tasks.model.examples import Examples, FloatMatrix, Int64Array
from q2pt_tasks.model.stored_rows import StoredRows

# Pairs of a block, 64 MB of scores.
_PAIRS_PER_BLOCK = 4 * PAIRS_PER_STEP

# Scores, or logits, of the queries of a block, shape (queries, product types).
OfBlock = Callable[[range], FloatMatrix]


@dataclass(frozen=True)
class Validation:
    """The queries that a training is judged by.

    Attributes:
        examples: the queries, with the locale tokens that the model will see.
        locales: what `examples.locales` points into.
        product_types: what `examples.labels` point into.
    """

    examples: Examples
    locales: tuple[str, ...]
    product_types: tuple[str, ...]

    def blocks(self) -> Iterator[range]:
        """Which queries are looked at together, one block after another."""
        size = max(1, min(STRETCH, _PAIRS_PER_BLOCK // max(1, len(self.product_types))))
        for start in range(0, len(self.examples), size):
            yield range(start, min(start + size, len(self.examples)))

    def store(self, values: OfBlock) -> OfBlock:
        """Asks for the values of all blocks now, and gives what reads them again, of whichever queries."""
        stored = StoredRows((values(block) for block in self.blocks()), len(self.product_types))
        return lambda block: stored.read(block.start, block.stop)

    def scored(self, scores: OfBlock) -> Iterable[Scored]:
        """The blocks with their `scores`, asked for whenever they are gone through, and what their queries mean."""
        return _ScoredBlocks(self, scores)

    def true_pairs(self, rows: Int64Array) -> "np.ndarray[tuple[int, int], np.dtype[np.bool_]]":
        """Whether each of these queries means each product type, shape (queries, product types)."""
        return np.asarray(shares_of(self.examples, rows, len(self.product_types)).numpy() > 0)


@dataclass(frozen=True)
class _ScoredBlocks:
    validation: Validation
    scores: OfBlock

    def __iter__(self) -> Iterator[Scored]:
        own = self.validation
        for block in own.blocks():
            rows = np.arange(block.start, block.stop)
            yield Scored(
                own.product_types,
                own.locales,
                own.examples.locales[rows],
                self.scores(block),
                own.true_pairs(rows),
                np.ones(len(rows)),
            )
