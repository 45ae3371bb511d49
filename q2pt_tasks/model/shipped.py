"""What a model reaches at the thresholds that it was shipped with, not at those that are chosen tonight."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from q2pt_tasks.metrics.scored import Scored, Scores
from q2pt_tasks.metrics.thresholds import Thresholds
from q2pt_tasks.model.metadata import load_metadata


@dataclass(frozen=True)
class Shipped:
    """Micro recall and precision over all pairs; None where there is nothing to divide by."""

    micro_recall: float | None
    micro_precision: float | None


def shipped_figures(blocks: Iterable[Scored], folder_of: Callable[[str], Path | None]) -> Shipped:
    """The figures of `blocks`, scored by the checkpoints of `folder_of`, at each checkpoint's own thresholds."""
    hits = predicted = positives = 0.0
    for block in blocks:
        limits = np.stack([_limits(folder_of(locale), locale, block.types) for locale in block.locales])
        named = block.scores >= limits[block.locale]
        hits += float(block.weights @ (named & block.targets).sum(axis=1))
        predicted += float(block.weights @ named.sum(axis=1))
        positives += float(block.weights @ block.targets.sum(axis=1))
    return Shipped(hits / positives if positives else None, hits / predicted if predicted else None)


def _limits(folder: Path | None, locale: str, types: tuple[str, ...]) -> Scores:
    if folder is None:
        return np.full(len(types), np.inf, dtype=np.float32)
    return Thresholds.from_dict(load_metadata(folder).thresholds).for_locale(locale, types)
