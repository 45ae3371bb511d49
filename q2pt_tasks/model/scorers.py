"""Checkpoints as scorers: scores over one common list of product types, whatever each model knows."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from q2pt_tasks.model.examples import FloatMatrix
from q2pt_tasks.model.metadata import load_metadata

if TYPE_CHECKING:
    from q2pt_tasks.model.prediction import Predictor


class Scorer(Protocol):
    """Anything that scores the queries of a locale."""

    def scores(self, queries: Sequence[str], locale: str) -> FloatMatrix:
        """Shape (queries, types); -inf for a type that the scorer does not know."""


class CheckpointScorer:
    """Scores with the checkpoint that serves the query's locale.

    Args:
        folder_of: the checkpoint's directory of a locale, always the same one for a unified variant; None where there
            is no checkpoint for it.
        types: the product types of the columns.
        load: opens a checkpoint; `Predictor.load` where None.
    """

    def __init__(
        self,
        folder_of: Callable[[str], Path | None],
        types: Sequence[str],
        load: "Callable[[Path], Predictor] | None" = None,
    ) -> None:
        self._folder_of = folder_of
        self._load = load
        self._column = {name: index for index, name in enumerate(types)}
        self._loaded: tuple[Path, Predictor] | None = None

    def scores(self, queries: Sequence[str], locale: str) -> FloatMatrix:
        """Shape (queries, types); -inf where the checkpoint does not know the type, and where there is none."""
        scores = np.full((len(queries), len(self._column)), -np.inf, dtype=np.float32)
        folder = self._folder_of(locale)
        if not queries or folder is None or load_metadata(folder).status == "untrained":
            return scores
        predictor = self._predictor(folder)
        known = [(index, name) for index, name in enumerate(predictor.metadata.product_types) if name in self._column]
        columns = [self._column[name] for _, name in known]
        scores[:, columns] = predictor.scores(queries, locale)[:, [index for index, _ in known]]
        return scores

    def _predictor(self, folder: Path) -> "Predictor":
        from q2pt_tasks.model.prediction import Predictor

        # One at a time: the models of 20 locales need not be in memory together.
        if self._loaded is None or self._loaded[0] != folder:
            self._loaded = (folder, (self._load or Predictor.load)(folder))
        return self._loaded[1]
