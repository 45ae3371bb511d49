"""Thresholds: a type's own, else its locale's, else the overall one; through JSON and back."""

import json
import math
from typing import Any

import numpy as np
import pytest

from q2pt_tasks.metrics.recall_at_precision import operating_point
from q2pt_tasks.metrics.scored import Scored
from q2pt_tasks.metrics.thresholds import Thresholds, ThresholdsError, choose_thresholds

TYPES = ("FREQUENT", "RARE", "HOPELESS")


@pytest.fixture
def validation() -> Scored:
    """A large and a small locale; FREQUENT and HOPELESS have many positives, RARE has few, HOPELESS ranks last."""
    random = np.random.default_rng(3)
    n = 400
    targets = random.random((n, 3)) < [0.3, 0.01, 0.3]
    scores = (targets * random.normal(1.5, 1, (n, 3)) + random.normal(0, 1, (n, 3))).astype(np.float32)
    scores[:, 2] = np.where(targets[:, 2], -5, 5)
    locale = (np.arange(n) >= n - 10).astype(np.intp)
    return Scored(TYPES, ("de-DE", "sv-SE"), locale, scores, targets, np.ones(n))


def test_each_level_has_the_threshold_of_its_own_pairs(validation: Scored) -> None:
    chosen = choose_thresholds([validation], 0.8)
    german = validation.of_locale("de-DE")
    frequent = operating_point(validation.scores[:, 0], validation.targets[:, 0], 0.8)
    assert chosen.by_type == {"FREQUENT": frequent.threshold, "HOPELESS": math.inf}
    assert chosen.by_locale == {"de-DE": operating_point(german.scores, german.targets, 0.8).threshold}
    assert chosen.overall == operating_point(validation.scores, validation.targets, 0.8).threshold


def test_a_type_predicted_by_its_own_threshold_reaches_the_precision(validation: Scored) -> None:
    predicted = validation.scores[:, 0] >= np.float32(choose_thresholds([validation], 0.8).by_type["FREQUENT"])
    assert predicted.any()
    assert validation.targets[predicted, 0].mean() >= 0.8


@pytest.mark.parametrize(("min_positives", "has_own"), [(120, True), (121, False)])
def test_the_floor_of_positives_is_inclusive(min_positives: int, has_own: bool) -> None:
    targets = np.zeros((200, 1), dtype=bool)
    targets[:120] = True
    scores = np.linspace(1, 0, 200, dtype=np.float32)[:, None]
    scored = Scored(("HAT",), ("de-DE",), np.zeros(200, dtype=np.intp), scores, targets, np.ones(200))
    chosen = choose_thresholds([scored], 0.8, min_positives)
    assert (set(chosen.by_type) == {"HAT"}) is has_own
    assert (set(chosen.by_locale) == {"de-DE"}) is has_own
    assert chosen.overall < 1


def test_lookup_backs_off_from_type_to_locale_to_overall() -> None:
    thresholds = Thresholds(by_type={"HAT": 0.1}, by_locale={"de-DE": 0.2}, overall=0.3)
    assert thresholds.for_locale("de-DE", ("HAT", "SHOES")).tolist() == pytest.approx([0.1, 0.2])
    assert thresholds.for_locale("sv-SE", ("SHOES", "HAT")).tolist() == pytest.approx([0.3, 0.1])
    assert thresholds.for_locale("sv-SE", ("SHOES",)).dtype == np.float32


def test_the_weights_of_queries_count() -> None:
    scores = np.array([[3.0], [2.0], [1.0]], dtype=np.float32)
    targets, locale = np.array([[True], [False], [True]]), np.zeros(3, dtype=np.intp)
    for weights, expected in (([1.0, 1.0, 1.0], 3.0), ([1.0, 1.0, 9.0], 1.0)):
        scored = Scored(("HAT",), ("de-DE",), locale, scores, targets, np.array(weights))
        assert choose_thresholds([scored], 0.8, min_positives=1) == Thresholds(
            {"HAT": expected}, {"de-DE": expected}, expected
        )


def test_without_any_positive_nothing_is_ever_predicted() -> None:
    scores = np.zeros((2, 1), dtype=np.float32)
    scored = Scored(("HAT",), ("de-DE",), np.zeros(2, dtype=np.intp), scores, scores > 1, np.ones(2))
    assert choose_thresholds([scored], 0.8) == Thresholds({}, {}, math.inf)


def test_json_and_back_changes_nothing(validation: Scored) -> None:
    chosen = choose_thresholds([validation], 0.8)
    text = json.dumps(chosen.to_dict(), allow_nan=False)
    assert json.loads(text)["by_type"]["HOPELESS"] is None
    assert Thresholds.from_dict(json.loads(text)) == chosen


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"overall": "0.3"}, "overall is '0.3'"),
        ({"overall": True}, "overall is True"),
        ({"overall": math.nan}, "overall is nan"),
        ({"by_type": {"HAT": []}}, "by_type.HAT"),
        ({"by_locale": [0.2]}, "by_locale is list"),
        ({"by_country": {}}, "by_country"),
    ],
)
def test_stored_thresholds_that_are_none_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ThresholdsError, match=message):
        Thresholds.from_dict({"by_type": {}, "by_locale": {}, "overall": 0.3} | changes)
