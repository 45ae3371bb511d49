"""A row says what was measured, and whether it is what was promised."""

import math

import pytest

from benchmarks.performance.comparison import Difference, Limit, Ratio, Unit, noise

RATE = Unit("queries/s", decimals=1)


def test_a_ratio_is_the_median_of_neighbours() -> None:
    ratio = Ratio([10.0, 40.0, 30.0], [1.0, 2.0, 10.0], RATE, Limit("at least", 10))
    assert ratio.ratios == [10.0, 20.0, 3.0]
    assert ratio.cells() == ["30.0 queries/s", "2.0 queries/s", "10 [3 .. 20]", "at least 10", "yes"]


@pytest.mark.parametrize(
    ("words", "value", "is_met"),
    [("at least", 1.9, True), ("at least", 2.1, False), ("at most", 1.9, False), ("at most", 2.1, True)],
)
def test_a_limit_is_one_of_two_sides(words: str, value: float, is_met: bool) -> None:
    limit = Limit("at least", value) if words == "at least" else Limit("at most", value)
    assert Ratio([2.0], [1.0], RATE, limit).is_met == is_met


def test_a_unit_scales_what_it_shows() -> None:
    assert Unit("GB", 1e-9, 2).show(3.456e9) == "3.46 GB"
    assert Unit("ms", 1e3, 2).show(0.00412) == "4.12 ms"


def test_a_difference_within_its_tolerance_is_met() -> None:
    assert Difference([0.501, 0.499], [0.5, 0.5], 0.005).is_met
    assert not Difference([0.49, 0.49], [0.5, 0.5], 0.005).is_met
    assert Difference([0.501, 0.497], [0.5, 0.5], 0.005).cells() == [
        "0.4990",
        "0.5000",
        "-0.0010 [-0.0030 .. +0.0010]",
        "within 0.0050",
        "yes",
    ]


def test_noise_grows_with_the_spread_of_the_seeds() -> None:
    assert noise([0.5, 0.5, 0.5], [0.6, 0.6, 0.6]) == 0
    assert noise([0.4, 0.5, 0.6], [0.5, 0.5, 0.5]) == pytest.approx(2.776 * 0.1 / math.sqrt(3))
    assert Difference([0.4, 0.5, 0.6], [0.5, 0.55, 0.6], None).is_met
    assert not Difference([0.40, 0.41, 0.42], [0.5, 0.51, 0.52], None).is_met


def test_one_seed_says_nothing_of_noise() -> None:
    assert not Difference([0.5], [0.5], None).is_met
