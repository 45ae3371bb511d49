"""Reliability by hand, and of scores that are right as often as they say."""

import numpy as np
import pytest

from q2pt_tasks.metrics.calibration import BINS, calibrate
from q2pt_tasks.metrics.scored import Scored


def block(scores: np.ndarray, targets: np.ndarray, weights: np.ndarray | None = None) -> Scored:
    n, width = scores.shape
    types = tuple(f"T{index}" for index in range(width))
    own = np.ones(n) if weights is None else weights
    return Scored(types, ("de-DE",), np.zeros(n, dtype=np.intp), scores.astype(np.float32), targets, own)


def test_the_best_types_by_hand() -> None:
    scores = np.array([[0.99, 0.0], [0.98, 0.97], [0.3, 0.31]])
    targets = np.array([[True, False], [False, True], [False, True]])
    found = calibrate([block(scores, targets, np.array([1.0, 3.0, 1.0]))]).best
    last = found.bins()[-1]
    assert (last.weight, last.right) == (4, 0.25)
    assert last.score is not None
    assert last.score == pytest.approx((0.99 + 3 * 0.98) / 4)
    assert found.expected_error() == pytest.approx((4 * abs(last.score - 0.25) + abs(0.31 - 1)) / 5)
    assert sum(one.weight == 0 for one in found.bins()) == BINS - 2
    assert found.bins()[0].score is None


def test_scores_that_are_chances_have_a_small_error_and_others_a_large_one() -> None:
    random = np.random.default_rng(0)
    scores = random.random((4000, 5))
    targets = random.random((4000, 5)) < scores
    # Of the best of several types too: each is right as often as its score says.
    true, shrunk = calibrate([block(scores, targets)]), calibrate([block(scores**2, targets)])
    for right, wrong in ((true.best, shrunk.best), (true.pairs, shrunk.pairs)):
        assert right.expected_error() == pytest.approx(0, abs=0.02)
        assert (wrong.expected_error() or 0) > 0.1
    assert true.pairs.weight.sum() == 20_000


def test_blocks_add_up_and_steps_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(1)
    one = block(random.random((50, 4)), random.random((50, 4)) < 0.5)
    whole = calibrate([one])
    halves = np.arange(50) < 20
    monkeypatch.setattr("q2pt_tasks.metrics.scored.PAIRS_PER_STEP", 40)
    parts = calibrate([one.where(halves), one.where(~halves)])
    assert parts.pairs.score == pytest.approx(whole.pairs.score)
    assert parts.best.right.tolist() == whole.best.right.tolist()


def test_unknown_types_are_left_out_and_nothing_has_no_error() -> None:
    scores = np.array([[-np.inf, 0.5], [-np.inf, -np.inf]])
    found = calibrate([block(scores, np.ones((2, 2), dtype=bool))])
    assert (found.best.weight.sum(), found.pairs.weight.sum()) == (1, 1)
    assert calibrate([]).best.expected_error() is None


@pytest.mark.parametrize("score", [-0.1, 1.5])
def test_scores_that_are_no_probabilities_are_refused(score: float) -> None:
    with pytest.raises(ValueError, match="outside 0 to 1"):
        calibrate([block(np.array([[score]]), np.ones((1, 1), dtype=bool))])
