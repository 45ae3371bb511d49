"""An encoder's and an n-gram model's scores as one: the formula of each objective, and the weight."""

import numpy as np
import pytest
import torch
from scipy.special import expit, logit, softmax

from q2pt_tasks.model.examples import FloatMatrix
from q2pt_tasks.model.fusion import WEIGHTS, best_weight, mean_logits
from q2pt_tasks.model.inference import probabilities_of
from q2pt_tasks.model.objectives import OBJECTIVES, sparsemax
from q2pt_tasks.model.recipe import ObjectiveName

GENERATOR = np.random.default_rng(0)
LOGITS = GENERATOR.normal(size=(20, 5)).astype(np.float32)
BESIDE = GENERATOR.dirichlet(np.ones(5), 20).clip(1e-3).astype(np.float32)
BESIDE /= BESIDE.sum(1, keepdims=True)


def _scores(objective: ObjectiveName, weight: float) -> FloatMatrix:
    chosen = OBJECTIVES[objective]
    return probabilities_of(mean_logits(LOGITS, torch.from_numpy(BESIDE), weight, chosen), chosen)


def test_log_odds_are_averaged() -> None:
    expected = expit(0.7 * LOGITS + 0.3 * logit(BESIDE))
    np.testing.assert_allclose(_scores("binary_cross_entropy", 0.3), expected, rtol=1e-4)


def test_distributions_are_multiplied() -> None:
    product = softmax(LOGITS, axis=1) ** 0.4 * BESIDE**0.6
    np.testing.assert_allclose(_scores("softmax", 0.6), product / product.sum(1, keepdims=True), rtol=1e-4)


def test_a_distribution_is_added_to_what_has_it_as_its_sparsemax() -> None:
    expected = sparsemax(torch.from_numpy(0.3 * LOGITS + 0.7 * BESIDE)).numpy()
    np.testing.assert_allclose(_scores("sparsemax", 0.7), expected, atol=1e-6)


@pytest.mark.parametrize("objective", list(OBJECTIVES))
def test_no_weight_gives_the_encoder_s_scores_and_the_whole_weight_the_n_grams_own(objective: ObjectiveName) -> None:
    np.testing.assert_array_equal(_scores(objective, 0.0), probabilities_of(LOGITS, OBJECTIVES[objective]))
    np.testing.assert_allclose(_scores(objective, 1.0), BESIDE, atol=1e-5)


@pytest.mark.parametrize("objective", list(OBJECTIVES))
def test_what_is_impossible_to_one_stays_finite(objective: ObjectiveName) -> None:
    certain = torch.eye(5)[:2]
    added = mean_logits(LOGITS[:2], certain, 1.0, OBJECTIVES[objective])
    assert added.dtype == np.float32
    assert np.isfinite(added).all()


def test_the_smallest_of_equally_good_weights_is_taken() -> None:
    assert best_weight(lambda _: 0.5) == 0
    assert best_weight(lambda weight: min(weight, 0.3)) == 0.3
    assert best_weight(lambda weight: -abs(weight - 0.7)) == 0.7
    assert best_weight(lambda weight: weight) == max(WEIGHTS)
