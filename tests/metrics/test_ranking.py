"""Ranking figures against all orders of equal scores, one by one, and against scikit-learn."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import ndcg_score

from q2pt_tasks.metrics.ranking import Ranking, join_rankings, rank
from q2pt_tasks.metrics.scored import Scored

WIDTH = 6
QUERY = st.lists(st.tuples(st.sampled_from([-np.inf, 0.0, 0.5, 1.0]), st.booleans()), min_size=WIDTH, max_size=WIDTH)


def block(scores: np.ndarray, targets: np.ndarray) -> Scored:
    n, width = scores.shape
    return Scored(
        tuple(f"T{index}" for index in range(width)),
        ("de-DE",),
        np.zeros(n, dtype=np.intp),
        scores.astype(np.float32),
        targets,
        np.ones(n),
    )


def brute_force(scores: np.ndarray, targets: np.ndarray) -> tuple[float, float, float]:
    """The mean over all orders of the types that do not contradict the scores."""
    if not targets.any():
        return (np.nan,) * 3
    best = sum(1 / np.log2(2 + place) for place in range(targets.sum()))
    figures = []
    for order in permutations(range(WIDTH)):
        ranked = scores[list(order)]
        if any(ranked[place] < ranked[place + 1] for place in range(WIDTH - 1)):
            continue
        right = [targets[index] and scores[index] > -np.inf for index in order]
        gain = sum(1 / np.log2(2 + place) for place in range(WIDTH) if right[place])
        figures.append((float(right[0]), sum(right[:5]) / targets.sum(), gain / best))
    first, five, gain = np.mean(figures, axis=0)
    return float(first), float(five), float(gain)


@settings(deadline=None, max_examples=40)
@given(st.lists(QUERY, min_size=1, max_size=3))
def test_each_figure_is_the_mean_over_all_orders_of_equal_scores(queries: list[list[tuple[float, bool]]]) -> None:
    scores = np.array([[score for score, _ in query] for query in queries], dtype=np.float32)
    targets = np.array([[is_right for _, is_right in query] for query in queries])
    found = rank(block(scores, targets))
    for row, expected in enumerate(zip(scores, targets, strict=True)):
        figures = (found.precision_at_1[row], found.recall_at_5[row], found.ndcg[row])
        assert figures == pytest.approx(brute_force(*expected), nan_ok=True)


def test_ndcg_is_that_of_scikit_learn() -> None:
    random = np.random.default_rng(0)
    scores = random.integers(0, 30, (50, 40)) / 30
    targets = random.random((50, 40)) < 0.1
    targets[:, 0] = True
    found = rank(block(scores, targets)).ndcg
    assert found.mean() == pytest.approx(ndcg_score(targets, scores.astype(np.float32)))


def test_steps_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(1)
    one = block(random.random((30, 8)).round(1), random.random((30, 8)) < 0.3)
    whole = rank(one)
    monkeypatch.setattr("q2pt_tasks.metrics.scored.PAIRS_PER_STEP", 24)
    assert np.array_equal(rank(one).ndcg, whole.ndcg, equal_nan=True)


def test_no_query_has_no_figures() -> None:
    assert rank(block(np.zeros((0, 3)), np.zeros((0, 3), dtype=bool))).ndcg.shape == (0,)
    assert join_rankings([Ranking(*(np.ones(2),) * 3)] * 2).ndcg.shape == (4,)
