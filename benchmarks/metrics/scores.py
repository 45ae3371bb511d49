"""Scores of a made-up test set, in a file: the same for every contestant, and too many for memory."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Scores = NDArray[np.float32]


@dataclass(frozen=True)
class Scale:
    """How many queries and product types, and how well the scores tell them.

    Attributes:
        rows: queries of a block.
        signal: by how much the log-odds of true pairs are higher; 0: scores say nothing, and every type has positives
            at the very bottom.
    """

    queries: int
    types: int
    rows: int = 10_000
    seed: int = 13
    signal: float = 9.0

    @property
    def blocks(self) -> list[range]:
        return [range(start, min(start + self.rows, self.queries)) for start in range(0, self.queries, self.rows)]


def write_scores(scale: Scale, file: Path) -> None:
    """Sigmoids of normal log-odds, rounded to 16 bits as networks give them, so that some are equal.

    Pairs that are not true have the mean -7 and the deviation 2; true ones are higher by `signal`, with a deviation of
    2 more.
    """
    random = np.random.default_rng(scale.seed)
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("wb") as stream:
        for block in scale.blocks:
            logits = random.standard_normal((len(block), scale.types), dtype=np.float32) * 2 - 7
            rows, types = true_pairs(scale, block)
            logits[rows, types] += scale.signal + random.standard_normal(len(rows), dtype=np.float32) * 2
            logits.view(np.uint32)[...] &= np.uint32(0xFFFF0000)
            np.exp(-logits, out=logits)
            (1 / (1 + logits)).tofile(stream)


def read_scores(scale: Scale, file: Path) -> Iterator[tuple[range, Scores]]:
    """Block by block."""
    with file.open("rb") as stream:
        for block in scale.blocks:
            yield block, np.fromfile(stream, np.float32, len(block) * scale.types).reshape(len(block), scale.types)


def true_pairs(scale: Scale, block: range) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Row within the block and type of each true pair: one to three types a query, drawn by Zipf's law."""
    random = np.random.default_rng((scale.seed, block.start))
    chances = 1 / np.arange(1, scale.types + 1) ** 0.8
    means = random.choice(scale.types, (len(block), 3), p=chances / chances.sum())
    found = [means[:, :1]]
    for place, share in ((1, 0.3), (2, 0.1)):
        found.append(np.where(random.random(len(block)) < share, means[:, place], means[:, 0])[:, None])
    pairs = np.unique(np.arange(len(block))[:, None] * scale.types + np.concatenate(found, axis=1))
    return pairs // scale.types, pairs % scale.types
