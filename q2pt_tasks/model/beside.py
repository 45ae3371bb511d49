"""Trains the n-gram model beside a trained network, where validation rewards it."""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from q2pt_tasks.metrics.curves import pooled_curve
from q2pt_tasks.metrics.scored import Scored
from q2pt_tasks.metrics.thresholds import PRECISION
from q2pt_tasks.model.examples import Examples, FloatMatrix
from q2pt_tasks.model.fusion import best_weight, mean_logits
from q2pt_tasks.model.job import FitJob
from q2pt_tasks.model.ngram_training import fit_ngrams
from q2pt_tasks.model.ngrams import NGrams
from q2pt_tasks.model.text_parts import Typed
from q2pt_tasks.model.training import Trainer
from q2pt_tasks.model.training_data import TrainingData
from q2pt_tasks.model.validation import OfBlock
from q2pt_tasks.model.variants import UNIFIED_AWARE, locale_token

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Beside:
    """The n-gram model, None where it does not help, and what network and n-grams together say of validation."""

    ngrams: NGrams | None
    weight: float
    scored: Iterable[Scored]


def fit_beside(job: FitJob, data: TrainingData, trainer: Trainer, logits: OfBlock) -> Beside:
    """Trains an n-gram model on the same rows, and gives it the weight of the best recall on validation.

    It is not resumed: after a stop it is trained again, from the network whose training is.
    """
    recipe = trainer.recipe.ngrams
    if recipe is None:
        return Beside(None, 0.0, trainer.scored(logits))
    learnt = _typed(job, data.texts["train"].to_pylist(), data.train, job.locale_dropout)
    ngrams = fit_ngrams(learnt, data.train, len(data.product_types), recipe, job.seed)
    asked = _typed(job, data.texts["validation"].to_pylist(), data.validation, 0.0)

    def alone(block: range) -> FloatMatrix:
        return np.asarray(ngrams.probabilities(asked.stretch(block.start, block.stop)).numpy())

    beside = trainer.validation.store(alone)

    def scored(weight: float) -> Iterable[Scored]:
        def together(block: range) -> FloatMatrix:
            return mean_logits(logits(block), torch.from_numpy(beside(block)), weight, trainer.objective)

        return trainer.scored(together)

    def recall(weight: float) -> float:
        found = pooled_curve(scored(weight)).recall_at(PRECISION)
        log.info("n-grams of weight %g: validation recall %.4f", weight, found)
        return found

    weight = best_weight(recall)
    return Beside(ngrams if weight else None, weight, scored(weight))


def _typed(job: FitJob, queries: Sequence[str], examples: Examples, dropout: float) -> Typed:
    """The queries as the variant reads them: told their stores or not, a share `dropout` of them not."""
    if job.variant != UNIFIED_AWARE:
        return Typed.somewhere(queries)
    names = [locale_token(locale) for locale in job.locales]
    dropped = np.random.default_rng(job.seed).random(len(queries)) < dropout
    stores = ["" if untold else names[locale] for untold, locale in zip(dropped, examples.locales, strict=True)]
    return Typed(queries, stores)
