"""How often the queries of a large and of a small store are trained on."""

import numpy as np

from q2pt_tasks.model.examples import Int64Array


def draw_rows(locales: Int64Array, temperature: float, generator: np.random.Generator) -> Int64Array:
    """The rows of one epoch in random order, as many as there are.

    A locale of n rows has a part in proportion to `n ** (1 / temperature)`: at 1 its own, so that every row is drawn
    once; the higher, the nearer are all parts to each other. Two rows of a locale are drawn equally often, or one of
    them once more.

    Args:
        locales: (n,) the index of each row's locale.
        temperature: 1 or more.
        generator: what is drawn depends on its state alone.
    """
    indices, counts = np.unique(locales, return_counts=True)
    weights = counts ** (1 / temperature)
    ends = np.rint(np.cumsum(weights) / weights.sum() * len(locales)).astype(np.int64)
    parts = np.diff(ends, prepend=0)
    drawn = [
        _draw(np.flatnonzero(locales == index), part, generator) for index, part in zip(indices, parts, strict=True)
    ]
    return generator.permutation(np.sort(np.concatenate([np.zeros(0, np.int64), *drawn])))


def _draw(rows: Int64Array, count: int, generator: np.random.Generator) -> Int64Array:
    whole, rest = divmod(count, len(rows))
    return np.concatenate([np.repeat(rows, whole), generator.choice(rows, rest, replace=False)])
