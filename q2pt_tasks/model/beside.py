"""Trains the n-gram model beside a trained network, where validation rewards it."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from q2pt_tasks.metrics.recall_at_precision import operating_point
from q2pt_tasks.metrics.thresholds import PRECISION
from q2pt_tasks.model.examples import Examples, FloatMatrix
from q2pt_tasks.model.fusion import best_weight, mean_logits
from q2pt_tasks.model.job import FitJob
from q2pt_tasks.model.ngram_training import fit_ngrams
from q2pt_tasks.model.ngrams import NGrams
from q2pt_tasks.model.text_parts import Typed
from q2pt_tasks.model.training import Trainer, true_pairs
from q2pt_tasks.model.training_data import TrainingData
from q2pt_tasks.model.variants import UNIFIED_AWARE, locale_token

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Beside:
    """The n-gram model, None where it does not help, and the scores on validation of network and n-grams together."""

    ngrams: NGrams | None
    weight: float
    scores: FloatMatrix


def fit_beside(job: FitJob, data: TrainingData, trainer: Trainer, logits: FloatMatrix) -> Beside:
    """Trains an n-gram model on the same rows, and gives it the weight of the best recall on validation.

    It is not resumed: after a stop it is trained again, from the network whose training is.
    """
    recipe = trainer.recipe.ngrams
    if recipe is None:
        return Beside(None, 0.0, trainer.validation_scores(logits))
    types = len(data.product_types)
    learnt = _typed(job, data.texts["train"].to_pylist(), data.train, job.locale_dropout)
    ngrams = fit_ngrams(learnt, data.train, types, recipe, job.seed)
    probabilities = ngrams.probabilities(_typed(job, data.texts["validation"].to_pylist(), data.validation, 0.0))
    targets = true_pairs(data.validation, types)

    def scores(weight: float) -> FloatMatrix:
        return trainer.validation_scores(mean_logits(logits, probabilities, weight, trainer.objective))

    def recall(weight: float) -> float:
        found = operating_point(scores(weight), targets, PRECISION).recall
        log.info("n-grams of weight %g: validation recall %.4f", weight, found)
        return found

    weight = best_weight(recall)
    return Beside(ngrams if weight else None, weight, scores(weight))


def _typed(job: FitJob, queries: Sequence[str], examples: Examples, dropout: float) -> Typed:
    """The queries as the variant reads them: told their stores or not, a share `dropout` of them not."""
    if job.variant != UNIFIED_AWARE:
        return Typed.somewhere(queries)
    names = [locale_token(locale) for locale in job.locales]
    dropped = np.random.default_rng(job.seed).random(len(queries)) < dropout
    stores = ["" if untold else names[locale] for untold, locale in zip(dropped, examples.locales, strict=True)]
    return Typed(queries, stores)
