"""A release that answers: each store's queries by the checkpoint that serves it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Self

import numpy as np

from q2pt_tasks.data.schema import check_locale
from q2pt_tasks.model.answers import Answers
from q2pt_tasks.model.examples import Packed
from q2pt_tasks.model.metadata import METADATA
from q2pt_tasks.model.prediction import LocaleNotServedError, Prediction, Predictor
from q2pt_tasks.registry.opening import OpenedRelease, cache_folder, open_release
from q2pt_tasks.registry.tags import PROD


class ReleasePredictor:
    """Answers as a `Predictor` does, with several checkpoints where the release has several."""

    def __init__(self, release: OpenedRelease) -> None:
        self.release = release
        self._loaded: dict[Path, Predictor] = {}
        self._types: dict[str, int] = {}
        if release.manifest is None and (release.folder / METADATA).is_file():
            # At once: what was given by hand may be no model at all.
            self._loaded[release.folder] = Predictor.load(release.folder)

    @classmethod
    def from_registry(cls, url: str, stage: str = PROD, folder: Path | None = None) -> Self:
        """What a stage serves now.

        Args:
            url: the git repository that holds the releases.
            stage: a stage such as `prod`, or a version such as `v3`.
            folder: where files are kept, hashed each time; a folder of the user's own by default.

        Raises:
            RegistryError, ReleaseError, StoreError, GitError: as `open_release` does.
        """
        return cls(open_release(stage, url, folder or cache_folder()))

    @property
    def version(self) -> str:
        return self.release.version

    @property
    def product_types(self) -> tuple[str, ...]:
        """The types of all checkpoints that have answered so far, which `answer` has the indices of."""
        return tuple(self._types)

    def predictor(self, locale: str) -> Predictor:
        """The checkpoint that serves a store, loaded once.

        Raises:
            LocaleNotServedError: none does.
            CheckpointError: it cannot be loaded.
        """
        folder = self.release.checkpoint_of(locale)
        if folder is None:
            raise LocaleNotServedError(
                f"{self.version} serves {', '.join(self.release.locales)} alone, found the locale {locale!r}: give the "
                f"model of {locale}, or a unified one"
            )
        if folder not in self._loaded:
            self._loaded[folder] = Predictor.load(folder)
        return self._loaded[folder]

    def check_locale(self, locale: str) -> None:
        """As `Predictor.check_locale`."""
        check_locale(locale)
        self.predictor(locale).check_locale(locale)

    def uses_unknown_locale(self, locale: str) -> bool:
        """As `Predictor.uses_unknown_locale`."""
        return self.predictor(locale).uses_unknown_locale(locale)

    def predict(self, queries: Sequence[str], locale: str) -> list[Prediction]:
        """As `Predictor.predict`."""
        check_locale(locale)
        return self.predictor(locale).predict(queries, locale)

    def answer(self, queries: Sequence[str], locales: Sequence[str]) -> Answers:
        """As `Predictor.answer`, with indices of `product_types` as it is afterwards."""
        predictors = {locale: self.predictor(locale) for locale in dict.fromkeys(locales)}
        parts, rows = [], []
        for predictor in dict.fromkeys(predictors.values()):
            own = [row for row, locale in enumerate(locales) if predictors[locale] is predictor]
            parts.append(self._shared(predictor, [queries[row] for row in own], [locales[row] for row in own]))
            rows += own
        return _in_order(parts, rows)

    def _shared(self, predictor: Predictor, queries: Sequence[str], locales: Sequence[str]) -> Answers:
        """The answers of one checkpoint, with the indices that all share."""
        types = predictor.product_types
        shared = np.array([self._types.setdefault(name, len(self._types)) for name in types], dtype=np.int64)
        answers = predictor.answer(queries, locales)
        return Answers(Packed(shared[answers.types.values], answers.types.offsets), answers.scores)


def _in_order(parts: Sequence[Answers], rows: Sequence[int]) -> Answers:
    """The answers of `parts`, one after the other, in the order of their `rows`."""
    if len(parts) == 1:
        return parts[0]
    lengths = np.concatenate([np.zeros(0, np.int64), *(np.diff(part.types.offsets) for part in parts)])
    values = np.concatenate([np.zeros(0, np.int64), *(part.types.values for part in parts)])
    scores = np.concatenate([np.zeros(0, np.float32), *(part.scores for part in parts)])
    order = np.argsort(np.array(rows, dtype=np.int64), kind="stable")
    starts = np.cumsum(lengths) - lengths
    taken = np.concatenate(
        [np.zeros(0, np.int64), *(np.arange(starts[row], starts[row] + lengths[row]) for row in order)]
    )
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths[order])])
    return Answers(Packed(values[taken], offsets), scores[taken])
