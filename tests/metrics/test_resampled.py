"""Intervals of a split's figures: about the figures themselves, paired between models, and honest about equals."""

import numpy as np
import pytest

from q2pt_tasks.metrics.intervals import Resampling, Sample
from q2pt_tasks.metrics.measurements import Measured, measure
from q2pt_tasks.metrics.resampled import Resampled, differences, figure_intervals, resample
from q2pt_tasks.metrics.scored import Scored
from q2pt_tasks.metrics.thresholds import Thresholds, choose_thresholds

TYPES, LOCALES = tuple("ABCDEFGH"), ("de-DE", "sv-SE")
PLAN = Resampling(400, 3)


class Split:
    """Queries with a truth, some typed in both locales; models score them by the truth and a noise of their own."""

    def __init__(self, random: np.random.Generator, texts: int) -> None:
        text = np.concatenate([np.arange(texts), random.choice(texts, texts // 2, replace=False)])
        locale = (np.arange(len(text)) >= texts).astype(np.intp)
        self._random, self._locale = random, locale
        means = np.zeros((texts, len(TYPES)), dtype=bool)
        means[np.arange(texts), random.integers(0, len(TYPES), texts)] = True
        means |= random.random(means.shape) < 0.03
        self._targets = means[text]
        self._hardness = random.normal(0, 1, (texts, len(TYPES)))[text]
        self.sample = Sample(text, texts, locale, 2)

    def model(self, signal: float) -> Scored:
        noise = self._random.normal(0, 0.7, self._targets.shape)
        scores = (signal * self._targets + self._hardness + noise).astype(np.float32)
        return Scored(TYPES, LOCALES, self._locale, scores, self._targets, np.ones(len(scores)))

    def measured(self, scored: Scored, thresholds: Thresholds) -> Measured:
        return measure([scored], thresholds, 0.8, min_support=5)


def resampled(split: Split, signal: float, plan: Resampling = PLAN) -> Resampled:
    scored = split.model(signal)
    return resample(split.measured(scored, choose_thresholds([split.model(signal)], 0.8)), split.sample, plan)


def test_every_figure_of_every_locale_lies_in_its_interval() -> None:
    found = resampled(Split(np.random.default_rng(0), 600), 3.0)
    intervals = figure_intervals(found, 0.95)
    metrics = {"micro_recall", "micro_precision", "macro_recall", "macro_precision", "precision_at_1", "recall_at_5"}
    for locale in ("all", *LOCALES):
        for metric in (*metrics, "ndcg"):
            own = intervals[locale, metric]
            assert own.low <= found.seen[locale, metric] <= own.high, (locale, metric)
            assert 0 < own.standard_error < 0.1
    assert intervals["sv-SE", "micro_recall"].standard_error > intervals["all", "micro_recall"].standard_error


def test_models_of_equal_worth_are_seldom_called_different_and_a_better_one_is_found() -> None:
    random = np.random.default_rng(1)
    called = 0
    for _ in range(200):
        split = Split(random, 250)
        same = differences(resampled(split, 3.0), resampled(split, 3.0), 0.95)["all", "precision_at_1"]
        called += not same.interval.low <= 0 <= same.interval.high
    assert 2 <= called <= 18
    split = Split(random, 4000)
    better = differences(resampled(split, 3.4), resampled(split, 3.0), 0.95)["all", "micro_recall"]
    assert better.interval.low > 0.03
    assert better.p_value < 0.01


def test_a_paired_difference_is_surer_than_two_figures_apart() -> None:
    split = Split(np.random.default_rng(2), 1000)
    first, second = resampled(split, 3.2), resampled(split, 3.0)
    paired = differences(first, second, 0.95)["all", "micro_recall"]
    own, other = (figure_intervals(one, 0.95)["all", "micro_recall"].standard_error for one in (first, second))
    assert paired.interval.standard_error < np.hypot(own, other)
    assert paired.value == first.seen["all", "micro_recall"] - second.seen["all", "micro_recall"]


def test_a_model_does_not_differ_from_itself() -> None:
    one = resampled(Split(np.random.default_rng(3), 300), 3.0)
    same = differences(one, one, 0.95)
    assert set(same) == set(one.seen) >= {(locale, "micro_recall") for locale in ("all", *LOCALES)}
    for found in same.values():
        assert (found.value, found.interval.low, found.interval.high, found.p_value) == (0, 0, 0, 1)


def test_figures_that_are_not_defined_have_no_interval() -> None:
    split = Split(np.random.default_rng(4), 50)
    never = split.measured(split.model(3.0), Thresholds({}, {}, np.inf))
    found = resample(never, split.sample, PLAN)
    assert ("all", "micro_precision") not in figure_intervals(found, 0.95)
    assert found.seen["all", "micro_recall"] == 0
    assert figure_intervals(found, 0.95)["all", "micro_recall"].high == pytest.approx(0)
