"""A release in memory: which of its models answers a question."""

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from q2pt_tasks.model.prediction import LocaleNotServedError, Predictor
from q2pt_tasks.model.quick_prediction import Int8Predictor
from q2pt_tasks.serving.http.documents import CheckpointDocument, ModelDocument, ReleaseDocument
from q2pt_tasks.serving.http.releases import Release

# Kernels are made for the shapes of their first matrices: not while a shopper waits.
_WARM_UP = (1, 2, 4, 8, 16, 32)

log = logging.getLogger(__name__)


class ModelNotServedError(ValueError):
    """A release has no model of a name."""


@dataclass(frozen=True, eq=False)
class LoadedRelease:
    """A release and the predictors of its checkpoints."""

    release: Release
    predictors: Mapping[Path, Predictor]

    @classmethod
    def load(cls, release: Release) -> Self:
        """Reads every checkpoint once, whatever number of stores and models it serves.

        Raises:
            CheckpointError: one of them does not keep its contract.
        """
        started = time.monotonic()
        predictors = {folder: Int8Predictor.load(folder) for folder in release.checkpoints}
        for predictor in predictors.values():
            _warm_up(predictor)
        log.info("loaded %s in %.1f s: %s", release.version, time.monotonic() - started, ", ".join(release.models))
        return cls(release, predictors)

    def predictor(self, model: str | None, locale: str) -> Predictor:
        """Who answers a question.

        Args:
            model: its name; None for the one that serves.
            locale: the store in which the query was typed.

        Raises:
            ModelNotServedError: the release has no model of this name.
            LocaleNotServedError: the model does not serve the store.
        """
        name = model or self.release.serving
        if name not in self.release.models:
            raise ModelNotServedError(
                f"there is no model {name!r} in release {self.release.version}: it has {', '.join(self.release.models)}"
            )
        routes = self.release.models[name]
        folder = routes.checkpoint_of(locale)
        if folder is None:
            raise LocaleNotServedError(
                f"{name} of release {self.release.version} does not serve {locale}: it serves "
                f"{', '.join(routes.by_locale)}"
            )
        return self.predictors[folder]

    def describe(self) -> ReleaseDocument:
        models = {name: self._describe(name) for name in self.release.models}
        return ReleaseDocument(release=self.release.version, models=models)

    def _describe(self, name: str) -> ModelDocument:
        routes = self.release.models[name]
        return ModelDocument(
            serves=name == self.release.serving,
            locales=list(routes.by_locale),
            other_locales=routes.otherwise is not None,
            checkpoints=[_describe_checkpoint(self.predictors[folder]) for folder in routes.checkpoints],
        )


def _describe_checkpoint(predictor: Predictor) -> CheckpointDocument:
    metadata = predictor.metadata
    return CheckpointDocument(
        variant=metadata.variant,
        locales=list(metadata.locales),
        product_types=len(metadata.product_types),
        status=metadata.status,
        git_sha=metadata.git_sha,
        training_rows=metadata.training_rows,
        metrics=dict(metadata.metrics),
        thresholds=dict(metadata.thresholds),
    )


def _warm_up(predictor: Predictor) -> None:
    locale = next(iter(predictor.metadata.locales), "")
    for count in _WARM_UP:
        predictor.answer([f"query {number}" for number in range(count)], [locale] * count)
