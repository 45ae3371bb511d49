"""What crosses the border between the environments: the pipeline's splits, and scores as files of arrays."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from q2pt_tasks.model.examples import FloatMatrix
from q2pt_tasks.model.scorers import Scorer
from q2pt_tasks.model.truth import Truth

SCORED = ("validation", "test")


class KeptScoresError(ValueError):
    """A file of scores is of other queries than those that are asked for."""


def write_scores(folder: Path, truth: Truth, scorer: Scorer) -> None:
    """Writes the scores of validation and test, an array per locale, queries in the order of the split."""
    folder.mkdir(parents=True, exist_ok=True)
    for split in SCORED:
        rows = truth.labeled(split)
        arrays: dict[str, Any] = {locale: scorer.scores(rows[locale].queries, locale) for locale in truth.locales}
        np.savez_compressed(_file(folder, split), **arrays)


class KeptScores:
    """Scores of one split that were written, as a scorer of its queries.

    Raises:
        KeptScoresError: there are more or fewer of them than queries.
    """

    def __init__(self, folder: Path, split: str) -> None:
        self._file = _file(folder, split)
        with np.load(self._file) as arrays:
            self._scores = {locale: arrays[locale] for locale in arrays.files}

    def scores(self, queries: Sequence[str], locale: str) -> FloatMatrix:
        kept: FloatMatrix = self._scores[locale]
        if len(kept) != len(queries):
            raise KeptScoresError(f"{self._file} has {len(kept)} rows of {locale}, expected {len(queries)}: delete it")
        return kept


def _file(folder: Path, split: str) -> Path:
    return folder / f"{split}.npz"
