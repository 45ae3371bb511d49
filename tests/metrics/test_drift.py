"""How far two samples are apart, beyond chance."""

import numpy as np
import pytest

from q2pt_tasks.metrics.drift import drift


def test_the_same_is_0_and_nothing_in_common_is_nearly_1() -> None:
    assert drift([500, 500], [5000, 5000]) == 0
    assert drift([100_000, 0], [0, 100_000]) == pytest.approx(1, abs=1e-4)


def test_a_known_divergence() -> None:
    # Of (1/2, 1/2) and (1, 0): 1/2 log2(4/3) + 1/2 (1/2 log2(2/3) + 1/2 log2(2)) = 0.3113 bits.
    assert drift([10**6, 10**6], [10**6, 0]) == pytest.approx(0.3113, abs=1e-4)


@pytest.mark.parametrize("size", [200, 2000, 20_000])
def test_two_samples_of_one_distribution_are_not_apart(size: int) -> None:
    random = np.random.default_rng(1)
    shares = random.dirichlet(np.ones(64))
    found = [drift(random.multinomial(size, shares), random.multinomial(size, shares)) or 0.0 for _ in range(200)]
    assert np.mean(found) < 2.0 / size * 10
    assert max(found) < 0.1


def test_a_real_change_is_seen_in_a_small_sample() -> None:
    random = np.random.default_rng(2)
    shares = np.full(20, 0.05)
    moved = np.r_[np.full(10, 0.095), np.full(10, 0.005)]
    found = drift(random.multinomial(300, shares), random.multinomial(300, moved))
    assert found is not None
    assert found > 0.1


def test_nothing_counted_has_no_distance() -> None:
    assert drift([0, 0], [1, 2]) is None
