"""Scores of a made-up test set, in a file: the same for every contestant, and too many for memory."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Scores = NDArray[np.float32]


@dataclass(frozen=True)
class Scale:
    """How many queries and product types; `rows` of them are one block."""

    queries: int
    types: int
    rows: int = 10_000
    seed: int = 13

    @property
    def blocks(self) -> list[range]:
        return [range(start, min(start + self.rows, self.queries)) for start in range(0, self.queries, self.rows)]


def write_scores(scale: Scale, file: Path) -> None:
    """Sigmoids, rounded to 16 bits as networks give them, so that some are equal; types are as unequal as a shop's."""
    random = np.random.default_rng(scale.seed)
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("wb") as stream:
        for block in scale.blocks:
            logits = random.standard_normal((len(block), scale.types), dtype=np.float32) * 2 - 7
            rows, types = true_pairs(scale, block)
            logits[rows, types] += 9 + random.standard_normal(len(rows), dtype=np.float32) * 2
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
    rows, types = np.nonzero(_indicators(means, random, scale.types))
    return rows, types


def _indicators(means: NDArray[np.intp], random: np.random.Generator, types: int) -> NDArray[np.bool_]:
    found = np.zeros((len(means), types), dtype=np.bool_)
    for place, share in enumerate((1.0, 0.3, 0.1)):
        some = np.flatnonzero(random.random(len(means)) < share)
        found[some, means[some, place]] = True
    return found
