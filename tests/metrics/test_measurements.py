"""The figures of a split against sums written out pair by pair."""

import math
from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import precision_score, recall_score

from q2pt_tasks.metrics.measurements import Measurement, measure
from q2pt_tasks.metrics.recall_at_precision import average_precision, operating_point
from q2pt_tasks.metrics.scored import Scored
from q2pt_tasks.metrics.thresholds import Thresholds

LOCALES = ("de-DE", "sv-SE", "fr-FR")
TYPES = tuple("ABCDE")
THRESHOLDS = Thresholds(by_type={"A": 0.5, "B": math.inf}, by_locale={"de-DE": 0.25}, overall=0.75)


def random_scored(seed: int, n: int = 60) -> Scored:
    random = np.random.default_rng(seed)
    targets = random.random((n, len(TYPES))) < [0.5, 0.3, 0.2, 0.05, 0.0]
    scores = (random.integers(0, 5, (n, len(TYPES))) / 4 + targets * 0.25).astype(np.float32)
    scores[random.random(scores.shape) < 0.05] = -np.inf
    # No query of the last locale.
    return Scored(TYPES, LOCALES, random.integers(0, 2, n), scores, targets, random.integers(0, 4, n).astype(float))


def by_name(measurements: list[Measurement], locale: str = "all") -> dict[str, Measurement]:
    return {found.metric: found for found in measurements if found.locale == locale}


def slow_micro_and_macro(scored: Scored, min_support: int) -> dict[str, float | None]:
    """Every pair by itself."""
    hits: dict[str, float] = defaultdict(float)
    predicted: dict[str, float] = defaultdict(float)
    positives: dict[str, float] = defaultdict(float)
    support: dict[str, int] = defaultdict(int)
    for row, weight in enumerate(scored.weights):
        limits = THRESHOLDS.for_locale(scored.locales[scored.locale[row]], scored.types)
        for column, name in enumerate(scored.types):
            is_predicted, is_true = scored.scores[row, column] >= limits[column], scored.targets[row, column]
            predicted[name] += weight * is_predicted
            hits[name] += weight * (is_predicted and is_true)
            positives[name] += weight * is_true
            support[name] += is_true
    covered = [name for name in scored.types if support[name] >= min_support and positives[name]]
    recalls = [hits[name] / positives[name] for name in covered]
    precisions = [hits[name] / predicted[name] for name in covered if predicted[name]]
    total, said = sum(positives.values()), sum(predicted.values())
    return {
        "micro_recall": sum(hits.values()) / total if total else None,
        "micro_precision": sum(hits.values()) / said if said else None,
        "macro_recall": sum(recalls) / len(recalls) if recalls else None,
        "macro_precision": sum(precisions) / len(precisions) if precisions else None,
        "type_coverage": len(covered) / sum(count > 0 for count in support.values()) if any(support.values()) else None,
        "traffic_coverage": sum(positives[name] for name in covered) / total if total else None,
    }


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 10_000), st.integers(1, 12))
def test_figures_are_the_sums_over_pairs(seed: int, min_support: int) -> None:
    scored = random_scored(seed)
    found = measure([scored], THRESHOLDS, 0.8, min_support).measurements
    for locale, part in [("all", scored), *((name, scored.of_locale(name)) for name in LOCALES)]:
        figures = by_name(found, locale)
        for metric, expected in slow_micro_and_macro(part, min_support).items():
            if metric in figures:
                assert figures[metric].value == pytest.approx(expected), (locale, metric)
            else:
                assert metric.startswith("macro")
                assert expected is None


def test_unweighted_figures_are_those_of_scikit_learn() -> None:
    scored = random_scored(1, n=300)
    scored = Scored(TYPES, LOCALES, scored.locale, scored.scores, scored.targets, np.ones(300))
    predicted = scored.scores >= np.array([THRESHOLDS.for_locale(LOCALES[i], TYPES) for i in scored.locale])
    figures = by_name(measure([scored], THRESHOLDS, 0.8, min_support=1).measurements)
    for average in ("micro", "macro"):
        # The last type has no positives: no macro figure covers it.
        columns = slice(None) if average == "micro" else slice(0, 4)
        truth, said = scored.targets[:, columns], predicted[:, columns]
        assert figures[f"{average}_recall"].value == pytest.approx(recall_score(truth, said, average=average))
    predicted_types = [0, 2, 3]
    assert figures["micro_precision"].value == pytest.approx(
        precision_score(scored.targets, predicted, average="micro")
    )
    assert figures["macro_precision"].value == pytest.approx(
        precision_score(scored.targets[:, predicted_types], predicted[:, predicted_types], average="macro")
    )
    assert figures["macro_precision"].n == 3


def test_figures_of_the_curve_ignore_the_thresholds() -> None:
    scored = random_scored(2)
    never = Thresholds({}, {}, math.inf)
    figures = by_name(measure([scored], never, 0.7, min_support=5).measurements)
    pairs = (scored.scores, scored.targets)
    assert figures["micro_recall_curve"].value == operating_point(*pairs, 0.7, scored.weights).recall
    assert figures["micro_average_precision"].value == average_precision(*pairs, scored.weights)
    covered = [column for column in range(5) if scored.targets[:, column].sum() >= 5]
    best = [operating_point(scored.scores[:, c], scored.targets[:, c], 0.7, scored.weights).recall for c in covered]
    assert figures["macro_recall_curve"].value == pytest.approx(np.mean(best))
    assert (figures["micro_recall"].value, figures["micro_precision"].value) == (0.0, None)


def test_n_counts_positives_of_micro_and_types_of_macro_figures() -> None:
    scored = random_scored(4)
    figures = by_name(measure([scored], THRESHOLDS, 0.8, min_support=5).measurements)
    support = scored.targets.sum(axis=0)
    assert figures["micro_recall"].n == figures["traffic_coverage"].n == support.sum()
    assert figures["macro_recall"].n == (support >= 5).sum()
    assert figures["type_coverage"].n == (support > 0).sum()


def test_a_locale_without_queries_has_no_values_and_no_macro_figures() -> None:
    figures = by_name(measure([random_scored(5)], THRESHOLDS, 0.8, min_support=1).measurements, "fr-FR")
    assert "macro_recall" not in figures
    assert {(found.value, found.n) for found in figures.values()} == {(None, 0)}


def test_where_no_type_has_the_support_all_locales_say_so_and_one_locale_is_silent() -> None:
    found = measure([random_scored(6)], THRESHOLDS, 0.8, min_support=1_000).measurements
    assert by_name(found)["macro_recall"] == Measurement("all", "macro_recall", None, 0)
    assert by_name(found)["type_coverage"].value == 0.0
    assert "macro_recall" not in by_name(found, "de-DE")


def test_many_steps_give_the_figures_of_one(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = measure([random_scored(7)], THRESHOLDS, 0.8, min_support=5).measurements
    monkeypatch.setattr("q2pt_tasks.metrics.scored.PAIRS_PER_STEP", 12)
    assert measure([random_scored(7)], THRESHOLDS, 0.8, min_support=5).measurements == whole


def test_no_figure_is_ever_nan() -> None:
    measured = [measure([random_scored(seed, n=8)], THRESHOLDS, 0.8, 1) for seed in range(20)]
    found = [found for one in measured for found in one.measurements]
    assert all(one.value is None or math.isfinite(one.value) for one in found)


def test_support_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="min_support"):
        measure([random_scored(0)], THRESHOLDS, 0.8, 0)
