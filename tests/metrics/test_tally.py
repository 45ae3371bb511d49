"""Counts at or above thresholds against one comparison per pair."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from q2pt_tasks.metrics.buckets import Buckets
from q2pt_tasks.metrics.tally import Tally
from q2pt_tasks.metrics.threads import share

# Some values many times, signed zeros, the smallest and largest of all.
AWKWARD = [0.0, -0.0, 1.0, -1.0, 0.5, 1e-45, -1e-45, 1.17549435e-38, 3.4028235e38, -3.4028235e38, 0.1, 0.10000001]


def values_of(dtype: type[np.floating]) -> st.SearchStrategy[np.ndarray]:
    anything = st.floats(
        allow_nan=False, allow_infinity=False, width=32 if dtype == np.float32 else 64
    ) | st.sampled_from(AWKWARD).map(dtype)
    return arrays(dtype, st.integers(1, 60), elements=anything)


def brute_force(thresholds: np.ndarray, values: np.ndarray, weights: np.ndarray) -> list[float]:
    return [float(sum(weights[values >= threshold])) for threshold in thresholds]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_every_value_is_counted_where_it_lies(dtype: type[np.floating]) -> None:
    @settings(deadline=None, max_examples=300)
    @given(values_of(dtype), values_of(dtype), st.integers(0, 5))
    def check(chosen: np.ndarray, values: np.ndarray, unknown: int) -> None:
        thresholds = np.unique(chosen)
        both = np.concatenate([values, chosen, np.full(unknown, -np.inf, dtype)])
        weights = (np.arange(len(both)) % 4).astype(np.float64)
        plain, weighted = Tally(Buckets(thresholds)), Tally(Buckets(thresholds))
        plain.add(both)
        weighted.add(both, weights)
        assert plain.total().tolist() == brute_force(thresholds, both, np.ones(len(both)))
        assert weighted.total().tolist() == brute_force(thresholds, both, weights)

    check()


def test_many_values_in_steps_and_with_few_thresholds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("q2pt_tasks.metrics.tally._STEP", 1000)
    random = np.random.default_rng(0)
    values = np.concatenate([random.normal(size=20_000), np.repeat(0.25, 5_000)]).astype(np.float32)
    for some in (1, 3, 200, 20_000):
        thresholds = np.unique(random.choice(values, some))
        tally = Tally(Buckets(thresholds))
        tally.add(values)
        ordered = np.sort(values)
        assert (tally.total() == len(values) - np.searchsorted(ordered, thresholds)).all()


def test_tallies_of_parts_add_up() -> None:
    random = np.random.default_rng(1)
    values, weights = random.normal(size=3000), random.integers(0, 9, 3000).astype(np.float64)
    thresholds = np.unique(random.normal(size=50))
    whole, first, second = (Tally(Buckets(thresholds)) for _ in range(3))
    whole.add(values, weights)
    first.add(values[:1000], weights[:1000])
    second.add(values[1000:], weights[1000:])
    assert (first.total() + second.total() == whole.total()).all()


def test_tallies_beside_each_other_count_into_the_same_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("q2pt_tasks.metrics.tally._STEP", 100)
    random = np.random.default_rng(2)
    values = random.normal(size=200_000).astype(np.float32)
    counts = Tally(Buckets(np.unique(random.choice(values, 300))))
    tallies = [Tally(counts.buckets, counts) for _ in range(4)]

    def adder(own: Tally) -> Callable[[int, np.ndarray], None]:
        return lambda _, some: own.add(some)

    share(np.array_split(values, 400), [adder(own) for own in tallies])
    for own in tallies:
        own.finish()
    alone = Tally(counts.buckets)
    alone.add(values)
    assert (counts.total() == alone.total()).all()


def test_a_total_may_be_asked_for_in_between() -> None:
    tally = Tally(Buckets(np.array([0.5])))
    tally.add(np.array([0.4, 0.6]))
    assert tally.total().tolist() == [1]
    tally.add(np.array([0.5]))
    assert tally.total().tolist() == [2]


def test_without_thresholds_nothing_is_counted() -> None:
    tally = Tally(Buckets(np.array([], dtype=np.float32)))
    tally.add(np.ones(3, dtype=np.float32))
    assert tally.total().tolist() == []
