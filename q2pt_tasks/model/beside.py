"""Trains the n-gram model beside a trained network, where validation rewards it."""

import logging
from dataclasses import dataclass

from q2pt_tasks.metrics.recall_at_precision import operating_point
from q2pt_tasks.metrics.thresholds import PRECISION
from q2pt_tasks.model.examples import FloatMatrix
from q2pt_tasks.model.fusion import add_logits, best_weight
from q2pt_tasks.model.job import FitJob
from q2pt_tasks.model.ngram_training import fit_ngrams
from q2pt_tasks.model.ngrams import NGrams
from q2pt_tasks.model.training import Trainer, true_pairs
from q2pt_tasks.model.training_data import TrainingData

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
    ngrams = fit_ngrams(data.texts["train"].to_pylist(), data.train, types, recipe, job.seed)
    probabilities = ngrams.probabilities(data.texts["validation"].to_pylist())
    targets = true_pairs(data.validation, types)

    def scores(weight: float) -> FloatMatrix:
        return trainer.validation_scores(add_logits(logits, probabilities, weight, trainer.objective))

    def recall(weight: float) -> float:
        found = operating_point(scores(weight), targets, PRECISION).recall
        log.info("n-grams of weight %g: validation recall %.4f", weight, found)
        return found

    weight = best_weight(recall)
    return Beside(ngrams if weight else None, weight, scores(weight))
