"""Figures of curves in resamples against the curve of every resample, computed by itself."""

import numpy as np
import pytest

from q2pt_tasks.metrics.intervals import Resampling, Sample, resampled_weights
from q2pt_tasks.metrics.measurements import measure
from q2pt_tasks.metrics.recall_at_precision import curve
from q2pt_tasks.metrics.resampled import Resampled, figure_intervals
from q2pt_tasks.metrics.resampled_curves import resample_curves
from q2pt_tasks.metrics.scored import Scored
from q2pt_tasks.metrics.thresholds import Thresholds

TYPES, LOCALES = tuple("ABCDEF"), ("de-DE", "sv-SE")
PLAN = Resampling(60, 3)


def split(n: int, decimals: int = 1) -> tuple[Scored, Sample]:
    """Queries of two locales, some in both, with traffic, ties, a type that is never meant and one not always known."""
    random = np.random.default_rng(0)
    targets = random.random((n, 6)) < [0.3, 0.2, 0.1, 0.05, 0.3, 0.0]
    scores = (random.normal(size=(n, 6)) + 2 * targets).round(decimals).astype(np.float32)
    scores[random.random(n) < 0.2, 4] = -np.inf
    locale = np.sort(random.integers(0, 2, n))
    weights = random.integers(0, 4, n).astype(np.float64)
    return Scored(TYPES, LOCALES, locale, scores, targets, weights), Sample(np.arange(n) % (n - 20), n - 20, locale, 2)


def resampled(scored: Scored, sample: Sample, plan: Resampling = PLAN) -> Resampled:
    blocks = [scored.where(np.arange(len(scored)) % 2 == 0), scored.where(np.arange(len(scored)) % 2 == 1)]
    order = np.argsort(np.arange(len(scored)) % 2, kind="stable")
    shuffled = Sample(sample.group[order], sample.groups, sample.part[order], sample.parts)
    measured = measure(blocks, Thresholds({}, {}, 0.5), 0.6, min_support=5)
    return resample_curves(blocks, measured, shuffled, plan, 0.6)


def figures(scored: Scored, rows: np.ndarray, weights: np.ndarray, columns: list[int]) -> tuple[float, float]:
    own = curve(scored.scores[rows][:, columns], scored.targets[rows][:, columns], weights[rows])
    return own.recall_at(0.6), own.average_precision()


def test_every_resample_has_the_curves_of_its_own_weights() -> None:
    scored, sample = split(150)
    found = resampled(scored, sample)
    everywhere = np.ones(150, dtype=bool)
    for number, drawn in enumerate(resampled_weights(sample.groups, PLAN)):
        weights = scored.weights * drawn[sample.group]
        for locale, rows in (("all", everywhere), *((name, scored.locale == at) for at, name in enumerate(LOCALES))):
            recall, precision = figures(scored, rows, weights, list(range(6)))
            assert found.values[locale, "micro_recall_curve"][number] == pytest.approx(recall)
            assert found.values[locale, "micro_average_precision"][number] == pytest.approx(precision)
        each = np.array([figures(scored, everywhere, weights, [column]) for column in range(5)])
        assert found.values["all", "macro_recall_curve"][number] == pytest.approx(np.nanmean(each[:, 0]))
        assert found.values["all", "macro_average_precision"][number] == pytest.approx(np.nanmean(each[:, 1]))


def test_thinned_out_curves_have_much_the_same_intervals(monkeypatch: pytest.MonkeyPatch) -> None:
    scored, sample = split(3000, decimals=7)
    monkeypatch.setattr("q2pt_tasks.metrics.resampled_curves._OF_PAIRS", 10_000)
    monkeypatch.setattr("q2pt_tasks.metrics.resampled_curves._OF_TYPE", 10_000)
    exact = figure_intervals(resampled(scored, sample, Resampling(200, 3)), 0.95)
    monkeypatch.setattr("q2pt_tasks.metrics.resampled_curves._OF_PAIRS", 200)
    monkeypatch.setattr("q2pt_tasks.metrics.resampled_curves._OF_TYPE", 50)
    thinned = figure_intervals(resampled(scored, sample, Resampling(200, 3)), 0.95)
    for figure, own in exact.items():
        assert thinned[figure].low == pytest.approx(own.low, abs=own.standard_error / 2), figure
        assert thinned[figure].high == pytest.approx(own.high, abs=own.standard_error / 2), figure
        assert thinned[figure].standard_error == pytest.approx(own.standard_error, rel=0.25), figure


def test_the_figure_seen_lies_in_its_interval() -> None:
    found = resampled(*split(1000, decimals=7), Resampling(200, 3))
    intervals = figure_intervals(found, 0.95)
    assert {("all", "macro_average_precision"), ("sv-SE", "micro_recall_curve")} <= set(intervals)
    for figure, own in intervals.items():
        assert own.low <= found.seen[figure] <= own.high, figure
