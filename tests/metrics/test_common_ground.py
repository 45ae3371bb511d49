"""Two models on what both know: what one alone knows changes nothing; on everything, figures as they were."""

import numpy as np
import pytest

from q2pt_tasks.metrics.common_ground import restrict, shared_figures
from q2pt_tasks.metrics.intervals import Resampling, Sample
from q2pt_tasks.metrics.measurements import Measured, measure
from q2pt_tasks.metrics.resampled import differences, resample
from q2pt_tasks.metrics.scored import Bools, Scored
from q2pt_tasks.metrics.thresholds import Thresholds

TYPES, LOCALES = tuple("ABCDEF"), ("de-DE", "sv-SE")
PLAN = Resampling(300, 3)
FIGURES = ("micro_recall", "micro_precision", "macro_recall", "macro_precision")
N = 400


@pytest.fixture
def random() -> np.random.Generator:
    return np.random.default_rng(1)


@pytest.fixture
def targets(random: np.random.Generator) -> Bools:
    found = random.random((N, len(TYPES))) < 0.1
    found[np.arange(N), random.integers(0, len(TYPES), N)] = True
    return found


SAMPLE = Sample(np.arange(N) // 2, N // 2, np.arange(N) % 2, 2)


def measured(targets: Bools, random: np.random.Generator, unknown: tuple[int, ...] = ()) -> Measured:
    scores = (targets + random.normal(0, 0.5, targets.shape)).astype(np.float32)
    scores[:, unknown] = -np.inf
    scored = Scored(TYPES, LOCALES, np.arange(N) % 2, scores, targets, np.ones(N))
    return measure([scored], Thresholds({}, {}, 0.7), 0.8, min_support=5)


def test_where_both_know_everything_figures_and_differences_are_those_of_the_whole(
    targets: Bools, random: np.random.Generator
) -> None:
    model, champion = measured(targets, random), measured(targets, random)
    everything = np.ones((2, len(TYPES)), dtype=bool)
    found = {(one.locale, one.metric): one for one in shared_figures(model, champion, everything, SAMPLE, PLAN)}
    expected = differences(resample(model, SAMPLE, PLAN), resample(champion, SAMPLE, PLAN), PLAN.level)
    assert set(found) == {(locale, metric) for locale in ("all", *LOCALES) for metric in FIGURES}
    for figure, one in found.items():
        assert (one.value, one.low, one.high) == pytest.approx(
            (expected[figure].value, expected[figure].interval.low, expected[figure].interval.high)
        )
        assert one.own - one.champion == pytest.approx(one.value)


def test_a_type_that_the_champion_does_not_know_gives_no_advantage(targets: Bools) -> None:
    model, champion = (
        measured(targets, np.random.default_rng(7)),
        measured(targets, np.random.default_rng(7), unknown=(0, 1)),
    )
    known = np.ones((2, len(TYPES)), dtype=bool)
    whole = {(one.locale, one.metric): one for one in shared_figures(model, champion, known, SAMPLE, PLAN)}
    known[:, :2] = False
    shared = {(one.locale, one.metric): one for one in shared_figures(model, champion, known, SAMPLE, PLAN)}
    assert whole["all", "micro_recall"].low > 0.1
    assert shared["all", "micro_recall"].value == shared["all", "micro_recall"].high == 0
    assert shared["all", "micro_recall"].n == int(targets[:, 2:].sum())


def test_a_store_that_the_champion_does_not_serve_has_no_figures(targets: Bools, random: np.random.Generator) -> None:
    model = measured(targets, random)
    known = np.ones((2, len(TYPES)), dtype=bool)
    known[1] = False
    found = shared_figures(model, model, known, SAMPLE, PLAN)
    assert {one.locale for one in found} == {"all", "de-DE"}
    own = {(one.locale, one.metric): one.own for one in found}
    assert own["all", "micro_recall"] == own["de-DE", "micro_recall"]


def test_figures_of_the_rest_are_counted_by_hand(targets: Bools, random: np.random.Generator) -> None:
    model = measured(targets, random)
    known = np.zeros((2, len(TYPES)), dtype=bool)
    known[:, 3] = True
    answers = model.observed.answers
    named = answers.predicted[answers.type == 3] & answers.right[answers.type == 3]
    recall = named.sum() / targets[:, 3].sum()
    found = {(one.locale, one.metric): one.value for one in restrict(model, known).measurements}
    assert found["all", "micro_recall"] == pytest.approx(recall)
    assert found["all", "macro_recall"] == pytest.approx(recall)
