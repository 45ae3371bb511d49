"""Intervals of figures on few judged queries: as wide as so few queries leave them."""

import numpy as np
import pytest
from scipy.stats import binomtest

from q2pt_tasks.metrics.intervals import Resampling, Sample
from q2pt_tasks.metrics.judged import METRICS, JudgedFigure, judged_figures, share_interval
from q2pt_tasks.metrics.measurements import measure
from q2pt_tasks.metrics.scored import Scored
from q2pt_tasks.metrics.thresholds import Thresholds

TYPES, LOCALES = ("A", "B", "C"), ("de-DE", "sv-SE")
PLAN = Resampling(200, 3)
PREDICTED = Thresholds({}, {}, 0.5)


def judged(found: list[bool], texts: list[str] | None = None, types: int = 1) -> dict[tuple[str, str], JudgedFigure]:
    """Judged queries of de-DE that mean the first `types` types, all of which are found or none."""
    n = len(found)
    targets = np.tile(np.arange(3) < types, (n, 1))
    scores = np.where(targets, np.array(found)[:, None], False).astype(np.float32)
    locale = np.zeros(n, dtype=np.intp)
    blocks = [Scored(TYPES, LOCALES, locale, scores, targets, np.ones(n))]
    sample = Sample.of(texts or [f"query {number}" for number in range(n)], locale, len(LOCALES))
    figures = judged_figures(measure(blocks, PREDICTED, 0.8, min_support=1), sample, PLAN)
    return {(one.locale, one.metric): one for one in figures}


@pytest.mark.parametrize(("hits", "n"), [(0, 7), (1, 1), (5, 5), (24, 30), (30, 30)])
def test_a_share_has_the_exact_interval_of_scipy(hits: int, n: int) -> None:
    exact = binomtest(hits, n).proportion_ci(0.95, method="exact")
    assert share_interval(hits / n, n, 0.95) == pytest.approx((exact.low, exact.high))


@pytest.mark.parametrize(("n", "low"), [(1, 0.025), (5, 0.478), (30, 0.884)])
def test_queries_that_are_all_found_leave_open_what_others_would_show(n: int, low: float) -> None:
    for metric in METRICS:
        one = judged([True] * n)["all", metric]
        assert (one.value, one.queries) == (1, n)
        assert (one.interval.low, one.interval.high) == pytest.approx((low, 1), abs=1e-3)


def test_many_types_of_a_query_and_many_stores_are_no_more_evidence_than_one() -> None:
    alone = judged([True, False, True])["all", "micro_recall"]
    assert judged([True, False, True], types=3)["all", "micro_recall"].interval == alone.interval
    twice = judged([True, False, True] * 2, ["a", "b", "c"] * 2)["all", "micro_recall"]
    assert (twice.queries, twice.interval.low) == (3, alone.interval.low)


def test_resamples_decide_where_they_are_wider() -> None:
    # Six queries of three types are missed altogether, so that pairs come and go three at a time.
    many = np.arange(30) < 6
    targets = np.where(many[:, None], True, np.array([True, False, False]))
    scores = np.where(many[:, None], 0, targets).astype(np.float32)
    locale = np.zeros(30, dtype=np.intp)
    measured = measure([Scored(TYPES, LOCALES, locale, scores, targets, np.ones(30))], PREDICTED, 0.8, min_support=1)
    sample = Sample(np.arange(30), 30, locale, len(LOCALES))
    found = {(one.locale, one.metric): one for one in judged_figures(measured, sample, PLAN)}["all", "micro_recall"]
    low, high = share_interval(found.value, 30, 0.95)
    assert found.interval.low < low < found.value < high < found.interval.high


def test_stores_have_intervals_of_their_own_and_one_without_judgements_has_none() -> None:
    found = judged([True, False, True, True])
    assert found["de-DE", "micro_recall"].interval == found["all", "micro_recall"].interval
    assert not [key for key in found if key[0] == "sv-SE"]


def test_precision_is_left_out_since_fewer_queries_than_judged_are_answered() -> None:
    assert {metric for _, metric in judged([True, False])} == set(METRICS)


def test_a_model_below_the_floor_seldom_passes_it() -> None:
    """Of sets of five queries, each found with a chance of 0.7, at most one in forty says that it is above that."""
    random = np.random.default_rng(5)
    lows = [judged(list(random.random(5) < 0.7))["all", "micro_recall"].interval.low for _ in range(200)]
    assert sum(low > 0.7 for low in lows) <= 5


def test_a_mean_over_types_rests_on_the_queries_that_mean_a_type_that_it_covers() -> None:
    # Ten of thirty queries mean A, the others one type each of twenty.
    types = tuple("ABCDEFGHIJKLMNOPQRSTU")
    targets = np.eye(21, dtype=np.bool_)[np.r_[np.zeros(10, int), 1:21]]
    locale = np.zeros(30, dtype=np.intp)
    measured = measure(
        [Scored(types, LOCALES, locale, targets.astype(np.float32), targets, np.ones(30))], PREDICTED, 0.8, 10
    )
    sample = Sample.of([f"query {number}" for number in range(30)], locale, len(LOCALES))
    found = {(one.locale, one.metric): one for one in judged_figures(measured, sample, PLAN)}
    for place in ("all", "de-DE"):
        assert found[place, "macro_recall"].queries == 10
        assert found[place, "macro_recall"].interval.low == pytest.approx(0.692, abs=1e-3)
        assert found[place, "micro_recall"].queries == 30
