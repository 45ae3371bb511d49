"""Recall at precision against brute force over all thresholds, and against scikit-learn."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, precision_recall_curve

from q2pt_tasks.metrics.recall_at_precision import (
    OperatingPoint,
    average_precision,
    curve,
    operating_point,
    precision_recall_points,
)

# Few distinct scores, so that ties are the rule.
PAIRS = st.lists(
    st.tuples(st.sampled_from([-np.inf, -1.5, 0.0, 0.25, 0.5, 1.0]), st.booleans(), st.integers(0, 4)),
    min_size=1,
    max_size=30,
)
PRECISIONS = st.sampled_from([0.01, 0.5, 2 / 3, 0.75, 0.8, 1.0])


def arrays(pairs: list[tuple[float, bool, int]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    scores, positives, weights = zip(*pairs, strict=True)
    return np.array(scores, dtype=np.float32), np.array(positives), np.array(weights, dtype=np.float64)


def brute_force(scores: np.ndarray, positives: np.ndarray, precision: float, weights: np.ndarray) -> OperatingPoint:
    """Tries every score as a threshold, pair by pair."""
    total = sum(weight for positive, weight in zip(positives, weights, strict=True) if positive)
    if total == 0:
        return OperatingPoint(math.inf, math.nan, math.nan)
    found = []
    for threshold in set(scores.tolist()) - {-math.inf}:
        predicted = [index for index, score in enumerate(scores) if score >= threshold and weights[index] > 0]
        hits = sum(weights[index] for index in predicted if positives[index])
        if predicted and hits and hits / sum(weights[predicted]) >= precision:
            found.append((hits / total, hits / sum(weights[predicted]), threshold))
    if not found:
        return OperatingPoint(math.inf, math.nan, 0.0)
    recall, reached, threshold = max(found)
    return OperatingPoint(threshold, reached, recall)


def same(left: OperatingPoint, right: OperatingPoint) -> bool:
    return np.array_equal(
        [left.threshold, left.precision, left.recall],
        [right.threshold, right.precision, right.recall],
        equal_nan=True,
    )


@settings(deadline=None, max_examples=400)
@given(PAIRS, PRECISIONS)
def test_the_point_is_the_best_of_all_thresholds(pairs: list[tuple[float, bool, int]], precision: float) -> None:
    scores, positives, weights = arrays(pairs)
    assert same(
        operating_point(scores, positives, precision, weights), brute_force(scores, positives, precision, weights)
    )
    unweighted = np.ones(len(scores))
    assert same(operating_point(scores, positives, precision), brute_force(scores, positives, precision, unweighted))


@settings(deadline=None, max_examples=200)
@given(PAIRS, PRECISIONS)
def test_the_point_is_on_the_curve_of_scikit_learn(pairs: list[tuple[float, bool, int]], precision: float) -> None:
    scores, positives, weights = arrays([(max(score, -2.0), hit, weight + 1) for score, hit, weight in pairs])
    if not positives.any():
        return
    precisions, recalls, _ = precision_recall_curve(positives, scores, sample_weight=weights)
    # The last point of scikit-learn's curve predicts nothing: it is no threshold's.
    reached = [
        (recall, found) for found, recall in zip(precisions[:-1], recalls[:-1], strict=True) if found >= precision
    ]
    point = operating_point(scores, positives, precision, weights)
    expected = max(reached) if reached and max(reached)[0] > 0 else (0.0, math.nan)
    assert (point.recall, point.precision) == pytest.approx(expected, nan_ok=True)


@settings(deadline=None, max_examples=200)
@given(PAIRS)
def test_average_precision_is_that_of_scikit_learn(pairs: list[tuple[float, bool, int]]) -> None:
    scores, positives, weights = arrays([(max(score, -2.0), hit, weight + 1) for score, hit, weight in pairs])
    if not positives.any():
        assert math.isnan(average_precision(scores, positives))
        return
    assert average_precision(scores, positives) == pytest.approx(average_precision_score(positives, scores))
    assert average_precision(scores, positives, weights) == pytest.approx(
        average_precision_score(positives, scores, sample_weight=weights)
    )


@settings(deadline=None, max_examples=100)
@given(PAIRS.filter(lambda pairs: len(pairs) % 2 == 0), PRECISIONS)
def test_a_matrix_counts_as_its_pairs_with_the_weight_of_their_row(
    pairs: list[tuple[float, bool, int]], precision: float
) -> None:
    scores, positives, weights = arrays(pairs)
    matrix, truth = scores.reshape(-1, 2), positives.reshape(-1, 2)
    of_rows = weights[::2]
    flat = operating_point(scores, positives, precision, np.repeat(of_rows, 2))
    assert same(operating_point(matrix, truth, precision, of_rows), flat)


def test_many_steps_give_the_same_curve_as_one(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(0)
    scores = random.normal(size=(200, 7)).round(1).astype(np.float32)
    positives, weights = random.random((200, 7)) < 0.3, random.integers(1, 5, 200).astype(np.float64)
    for some in (None, weights):
        whole = curve(scores, positives, some)
        with monkeypatch.context() as patch:
            patch.setattr("q2pt_tasks.metrics.scored.PAIRS_PER_STEP", 20)
            stepwise = curve(scores, positives, some)
        assert stepwise.false_positives.tolist() == whole.false_positives.tolist()


def test_ties_are_predicted_together() -> None:
    scores, positives = np.array([0.9, 0.5, 0.5]), np.array([True, True, False])
    assert operating_point(scores, positives, 0.8) == OperatingPoint(threshold=0.9, precision=1.0, recall=0.5)
    assert operating_point(scores, positives, 0.6) == OperatingPoint(threshold=0.5, precision=2 / 3, recall=1.0)


def test_four_right_of_five_is_precision_eighty_percent() -> None:
    positives = np.array([True, False, True, True, True])
    point = operating_point(np.array([5.0, 4.0, 3.0, 2.0, 1.0]), positives, 0.8)
    assert point == OperatingPoint(threshold=1.0, precision=0.8, recall=1.0)


def test_an_unreachable_precision_is_never_predicted() -> None:
    point = operating_point(np.array([0.9, 0.1]), np.array([False, True]), 0.8)
    assert (point.threshold, point.recall) == (math.inf, 0.0)
    assert math.isnan(point.precision)


def test_without_positives_the_recall_is_not_defined() -> None:
    point = operating_point(np.array([0.9, 0.1]), np.array([False, False]), 0.8)
    assert point.threshold == math.inf
    assert math.isnan(point.recall)


def test_an_unknown_type_is_missed_but_counts() -> None:
    scores, positives = np.array([0.9, -np.inf]), np.array([True, True])
    assert operating_point(scores, positives, 0.8).recall == 0.5
    assert average_precision(scores, positives) == 0.5


def test_the_plotted_curve_is_thin_and_keeps_its_ends() -> None:
    random = np.random.default_rng(0)
    scores, positives = random.random(5_000), random.random(5_000) < 0.5
    points, whole = precision_recall_points(scores, positives, max_points=50), curve(scores, positives)
    assert len(points) == 50
    assert [point.recall for point in points] == sorted(point.recall for point in points)
    assert (points[0].threshold, points[-1].threshold) == (whole.thresholds[-1], whole.thresholds[0])
    assert points[-1].recall == 1.0
    for point in points:
        predicted = scores >= point.threshold
        assert point.precision == positives[predicted].mean()


def test_a_short_curve_is_plotted_whole_and_none_without_positives() -> None:
    scores = np.array([0.3, 0.2, 0.1])
    assert len(precision_recall_points(scores, np.array([True, False, True]))) == 2
    assert precision_recall_points(scores, np.array([False, False, False])) == []


@pytest.mark.parametrize(
    ("scores", "positives", "weights", "precision", "message"),
    [
        ([0.1, math.nan], [True, False], None, 0.8, "NaN"),
        ([0.1, math.inf], [True, False], None, 0.8, "inf"),
        ([0.1], [True, False], None, 0.8, "same shape"),
        ([0.1, 0.2], [1, 0], None, 0.8, "bool"),
        ([0.1, 0.2], [True, False], [1.0], 0.8, "one weight per row"),
        ([0.1, 0.2], [True, False], [1.0, -1.0], 0.8, "not negative"),
        ([0.1, 0.2], [True, False], None, 0.0, "precision"),
        ([0.1, 0.2], [True, False], None, 80.0, "precision"),
    ],
)
def test_wrong_input_is_refused(
    scores: list[float], positives: list[bool], weights: list[float] | None, precision: float, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        operating_point(
            np.array(scores), np.array(positives), precision, None if weights is None else np.array(weights)
        )
