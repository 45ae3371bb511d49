"""The bootstrap over groups: its sums by hand, its coverage, and how often it calls equals different."""

import numpy as np
import pytest
from scipy.sparse import csr_array

from q2pt_tasks.metrics.intervals import (
    Resampling,
    Sample,
    interval,
    of_all_parts,
    p_value,
    ratio,
    resampled_sums,
    resampled_weights,
)

PLAN = Resampling(resamples=2000, seed=7)


def independent(n: int) -> Sample:
    return Sample(np.arange(n), n, np.zeros(n, dtype=np.intp), 1)


def ratios(numerator: np.ndarray, denominator: np.ndarray, sample: Sample, plan: Resampling = PLAN) -> np.ndarray:
    counts = np.column_stack([numerator, denominator]).astype(np.float64)
    return np.concatenate([ratio(*of_all_parts(sums).T) for sums in resampled_sums(counts, sample, plan)])


def test_a_query_of_two_stores_is_one_group_with_one_weight() -> None:
    sample = Sample.of(["shoes", "hat", "shoes"], np.array([0, 0, 1]), 2)
    assert (sample.group.tolist(), sample.groups) == ([0, 1, 0], 2)
    sums = np.concatenate(list(resampled_sums(np.eye(3), sample, PLAN)))
    assert sums.shape == (2000, 2, 3)
    assert (sums[:, 0, 0] == sums[:, 1, 2]).all()
    assert (sums[:, 0, 0] != sums[:, 0, 1]).any()
    assert not sums[:, 1, :2].any()


def test_sums_are_those_of_the_weights_whatever_the_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(6)
    monkeypatch.setattr("q2pt_tasks.metrics.intervals._QUERIES_AT_ONCE", 16)
    sample, plan = Sample(random.integers(0, 50, 90), 50, random.integers(0, 3, 90), 3), Resampling(37, 8)
    counts = random.random((90, 4))
    weights = resampled_weights(50, plan)
    assert weights.shape == (37, 50)
    expected = [[weights[:, sample.group] @ (counts * (sample.part == part)[:, None])] for part in range(3)]
    for some in (counts, csr_array(counts)):
        sums = np.concatenate(list(resampled_sums(some, sample, plan)))
        assert sums == pytest.approx(np.concatenate(expected).transpose(1, 0, 2))


def test_weights_have_the_shares_of_a_poisson_distribution() -> None:
    weights = resampled_weights(100_000, Resampling(40, 9))
    shares = np.bincount(weights.ravel(), minlength=9)[:9] / weights.size
    factorials = np.cumprod([1, 1, 2, 3, 4, 5, 6, 7, 8])
    assert shares == pytest.approx(1 / np.e / factorials, abs=7e-4)
    assert weights.mean() == pytest.approx(1, abs=2e-3)


def test_weights_have_the_mean_and_the_variance_of_a_poisson_distribution() -> None:
    weights = np.concatenate(list(resampled_sums(np.eye(200), independent(200), PLAN)))
    assert weights.mean() == pytest.approx(1, abs=0.01)
    assert weights.var() == pytest.approx(1, abs=0.02)
    assert np.corrcoef(weights[:, 0, 0], weights[:, 0, 1])[0, 1] == pytest.approx(0, abs=0.1)


def test_the_resamples_do_not_depend_on_what_is_counted_or_how_many_are_drawn_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    random = np.random.default_rng(0)
    sample = Sample(random.integers(0, 40, 60), 40, random.integers(0, 3, 60), 3)
    counts = random.integers(0, 5, (60, 4)).astype(np.float64)
    whole = np.concatenate(list(resampled_sums(counts, sample, PLAN)))
    assert (np.concatenate(list(resampled_sums(csr_array(counts), sample, PLAN))) == whole).all()
    monkeypatch.setattr("q2pt_tasks.metrics.intervals.PAIRS_PER_STEP", 1000)
    assert (np.concatenate(list(resampled_sums(counts[:, :1], sample, PLAN))) == whole[..., :1]).all()
    mask = random.random(60) < 0.5
    masked = np.where(mask[:, None], counts, 0)
    sliced = np.concatenate(list(resampled_sums(counts[mask], sample.where(mask), PLAN)))
    assert (sliced == np.concatenate(list(resampled_sums(masked, sample, PLAN)))).all()


def test_the_standard_error_of_a_share_is_the_textbooks() -> None:
    random = np.random.default_rng(1)
    hits = random.random(4000) < 0.3
    found = interval(ratios(hits, np.ones(4000), independent(4000)), 0.95)
    assert found is not None
    expected = np.sqrt(hits.mean() * (1 - hits.mean()) / 4000)
    assert found.standard_error == pytest.approx(expected, rel=0.06)
    assert found.low == pytest.approx(hits.mean() - 1.96 * expected, abs=expected / 4)
    assert found.high == pytest.approx(hits.mean() + 1.96 * expected, abs=expected / 4)


def test_rows_of_one_group_are_no_independent_evidence() -> None:
    random = np.random.default_rng(2)
    hits = np.repeat(random.random(500) < 0.5, 8)
    apart, together = independent(4000), Sample(np.repeat(np.arange(500), 8), 500, np.zeros(4000, dtype=np.intp), 1)
    wide, narrow = (interval(ratios(hits, np.ones(4000), sample), 0.95) for sample in (together, apart))
    assert wide is not None
    assert narrow is not None
    assert wide.standard_error == pytest.approx(np.sqrt(8) * narrow.standard_error, rel=0.15)


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    random = np.random.default_rng(3)
    plan, held = Resampling(400, 5, level=0.9), 0
    for _ in range(200):
        positives = random.integers(1, 4, 300)
        hits = random.binomial(positives, 0.4)
        found = interval(ratios(hits, positives, independent(300), plan), plan.level)
        assert found is not None
        held += found.low <= 0.4 <= found.high
    assert 165 <= held <= 195


def two_models(random: np.random.Generator, n: int, planted: float) -> tuple[np.ndarray, np.ndarray]:
    """Whether each of two models answers each of n queries right: correlated, exchangeable but for what is planted."""
    chance = random.beta(2, 2, n)
    first, second = (random.random(n) < chance for _ in range(2))
    return first, second | (random.random(n) < planted / (1 - chance).mean())


def test_models_that_can_be_exchanged_are_seldom_called_different() -> None:
    random = np.random.default_rng(4)
    called = 0
    for _ in range(200):
        first, second = two_models(random, 600, planted=0.0)
        # A query of several stores: answered alike in all of them.
        sample = Sample(np.repeat(np.arange(600), 2), 600, np.zeros(1200, dtype=np.intp), 1)
        difference = ratios(np.repeat(second, 2) * 1.0 - np.repeat(first, 2), np.ones(1200), sample)
        found, p = interval(difference, 0.95), p_value(difference)
        assert found is not None
        assert p is not None
        called += not found.low <= 0 <= found.high
    assert 2 <= called <= 18


def test_a_planted_difference_of_three_points_is_found() -> None:
    random = np.random.default_rng(5)
    found = []
    for _ in range(20):
        first, second = two_models(random, 6000, planted=0.03)
        own = [ratios(hits, np.ones(6000), independent(6000)) for hits in (first, second)]
        difference = own[1] - own[0]
        held = interval(difference, 0.95)
        p = p_value(difference)
        assert held is not None
        assert p is not None
        found.append(held.low > 0 and p < 0.05)
    assert sum(found) >= 18


def test_where_a_figure_is_not_defined_there_is_no_interval() -> None:
    nothing = ratios(np.zeros(5), np.zeros(5), independent(5))
    assert np.isnan(nothing).all()
    assert interval(nothing, 0.95) is None
    assert p_value(nothing) is None


def test_a_model_beside_itself_is_not_different() -> None:
    assert p_value(np.zeros(100)) == 1.0
    assert interval(np.zeros(100), 0.95) == (found := interval(np.zeros(50), 0.95))
    assert found is not None
    assert (found.low, found.high, found.standard_error) == (0, 0, 0)


def test_the_smallest_p_value_is_never_zero() -> None:
    assert p_value(np.ones(999)) == pytest.approx(2 / 1000)


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="row per query"):
        next(resampled_sums(np.ones((3, 1)), independent(4), PLAN))
    with pytest.raises(ValueError, match="one part per query"):
        Sample.of(["shoes"], np.array([0, 1]), 2)
    with pytest.raises(ValueError, match="two resamples"):
        Resampling(1, 0)
    with pytest.raises(ValueError, match="level"):
        Resampling(100, 0, 95)
