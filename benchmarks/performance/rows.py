"""Tokenised, labelled queries in a file that both environments read; of numpy alone."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Lists:
    """Lists of whole numbers end to end: list i is `values[starts[i]:starts[i + 1]]`."""

    values: Ints
    starts: Ints

    def __len__(self) -> int:
        return len(self.starts) - 1

    @property
    def lengths(self) -> Ints:
        return np.diff(self.starts)

    def of(self, index: int) -> Ints:
        return self.values[self.starts[index] : self.starts[index + 1]]

    def select(self, chosen: Ints) -> "Lists":
        return join([self.of(int(index)) for index in chosen])


@dataclass(frozen=True, eq=False)
class Rows:
    """Token ids, labels and locale of each query; labels are outputs of a model that has `types` of them."""

    tokens: Lists
    labels: Lists
    locales: Ints
    types: int

    def __len__(self) -> int:
        return len(self.tokens)

    def select(self, chosen: Ints) -> "Rows":
        return Rows(self.tokens.select(chosen), self.labels.select(chosen), self.locales[chosen], self.types)

    @property
    def priors(self) -> NDArray[np.float64]:
        """(types,) the share of the queries that have each label."""
        return np.bincount(self.labels.values, minlength=self.types) / len(self)

    def targets(self, index: int) -> NDArray[np.float32]:
        """(types,) 1 where the query has the label."""
        targets = np.zeros(self.types, dtype=np.float32)
        targets[self.labels.of(index)] = 1.0
        return targets

    def save(self, file: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        np.savez(
            file,
            tokens=self.tokens.values,
            token_starts=self.tokens.starts,
            labels=self.labels.values,
            label_starts=self.labels.starts,
            locales=self.locales,
            types=np.array(self.types),
        )


def load_rows(file: Path) -> Rows:
    with np.load(file) as stored:
        tokens = Lists(stored["tokens"], stored["token_starts"])
        labels = Lists(stored["labels"], stored["label_starts"])
        return Rows(tokens, labels, stored["locales"], int(stored["types"]))


def join(lists: list[Ints]) -> Lists:
    values = np.concatenate(lists).astype(np.int64) if lists else np.zeros(0, dtype=np.int64)
    return Lists(values, np.cumsum([0, *map(len, lists)]).astype(np.int64))


def draw(available: int, queries: int, seed: int) -> Ints:
    """Which rows a training sees, in order: one random pass over all of them after the other, `queries` in all."""
    generator = np.random.default_rng(seed)
    passes = [generator.permutation(available) for _ in range(-(-queries // available))]
    return np.concatenate(passes)[:queries]


def thin(order: Ints, lengths: Ints, piece: int, pieces: int) -> Ints:
    """An epoch of sorted batches in short: `pieces` of the pieces into which `order` falls, in their order.

    Spread evenly over the pieces by their tokens, padded, so that short and long ones are met as often as in the epoch.
    """
    whole = order[: len(order) // piece * piece].reshape(-1, piece)
    by_length = np.lexsort((lengths[whole].sum(axis=1), lengths[whole].max(axis=1)))
    kept = by_length[((np.arange(pieces) + 0.5) * len(whole) / pieces).astype(np.int64)]
    return whole[np.sort(kept)].reshape(-1)
