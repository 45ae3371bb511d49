"""The true pairs of a split with their scores: few beside all pairs, and all that a curve must remember of a stream."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from q2pt_tasks.metrics.scored import Floats, Indices, Scored, Scores, places_of
from q2pt_tasks.metrics.threads import share
from q2pt_tasks.threads import THREADS


@dataclass(frozen=True, eq=False)
class Positives:
    """The p true pairs of some queries.

    Attributes:
        types, locales: the names that `type` and `locale` point into.
        type: (p,) the product type of each pair.
        locale: (p,) the locale of its query.
        score: (p,) float32, -inf where the model does not know the type.
        weight: (p,) the traffic of its query.
        unit_weights: whether every query, also one without a true pair, has the weight 1.
    """

    types: tuple[str, ...]
    locales: tuple[str, ...]
    type: Indices
    locale: Indices
    score: Scores
    weight: Floats
    unit_weights: bool

    @property
    def cell(self) -> Indices:
        """(p,) one number per locale and type."""
        return self.locale * len(self.types) + self.type


def find_positives(blocks: Iterable[Scored]) -> Positives:
    """The true pairs of all blocks.

    Raises:
        ValueError: there is no block, or blocks have different types or locales.
    """
    found: dict[int, Positives] = {}

    def look(number: int, block: Scored) -> None:
        found[number] = positives_of(block)

    share(blocks, [look] * THREADS)
    if not found:
        raise ValueError("no block of scores: give a block with no queries where there are none")
    return merge_positives([found[number] for number in range(len(found))])


def merge_positives(parts: Sequence[Positives]) -> Positives:
    """The true pairs of all `parts`, such as shards of a split.

    Raises:
        ValueError: the parts have different types or locales.
    """
    first = parts[0]
    if any((part.types, part.locales) != (first.types, first.locales) for part in parts):
        raise ValueError("blocks have different types or locales: score all on the same lists first")
    return Positives(
        first.types,
        first.locales,
        np.concatenate([part.type for part in parts]),
        np.concatenate([part.locale for part in parts]),
        np.concatenate([part.score for part in parts]),
        np.concatenate([part.weight for part in parts]),
        all(part.unit_weights for part in parts),
    )


def positives_of(block: Scored) -> Positives:
    """The true pairs of one block."""
    rows, types = places_of(block.targets)
    return Positives(
        block.types,
        block.locales,
        types,
        block.locale[rows],
        block.scores[rows, types],
        block.weights[rows],
        bool((block.weights == 1).all()),
    )
