"""How often rows of large and small locales are drawn."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from q2pt_tasks.model.examples import Int64Array
from q2pt_tasks.model.locale_sampling import draw_rows

SIZES = (8000, 1000, 90, 10)
LOCALES = np.repeat(np.arange(4), SIZES)


def _draw(locales: Int64Array, temperature: float, seed: int = 3) -> Int64Array:
    return draw_rows(locales, temperature, np.random.default_rng(seed))


@given(st.lists(st.integers(0, 3), max_size=60))
def test_at_one_every_row_is_drawn_once_in_the_order_of_a_plain_shuffle(locales: list[int]) -> None:
    drawn = _draw(np.array(locales, dtype=np.int64), 1.0)
    assert drawn.tolist() == np.random.default_rng(3).permutation(len(locales)).tolist()


@pytest.mark.parametrize("temperature", [1.0, 1.5, 2.0, 5.0, 100.0])
def test_parts_are_in_proportion_to_the_root_of_the_sizes(temperature: float) -> None:
    drawn = _draw(LOCALES, temperature)
    assert len(drawn) == len(LOCALES)
    weights = np.array(SIZES) ** (1 / temperature)
    parts = np.bincount(LOCALES[drawn], minlength=4)
    np.testing.assert_allclose(parts, len(LOCALES) * weights / weights.sum(), atol=1)


@given(st.lists(st.integers(0, 3), min_size=1, max_size=60), st.floats(1, 50))
def test_rows_of_a_locale_are_drawn_equally_often_or_once_more(locales: list[int], temperature: float) -> None:
    of = np.array(locales, dtype=np.int64)
    drawn = _draw(of, temperature)
    assert len(drawn) == len(of)
    times = np.bincount(drawn, minlength=len(of))
    assert all(np.ptp(times[of == locale]) <= 1 for locale in set(locales))


def test_a_large_locale_gives_other_rows_in_another_epoch_and_the_same_ones_from_the_same_generator() -> None:
    first, same, other = _draw(LOCALES, 3.0), _draw(LOCALES, 3.0), _draw(LOCALES, 3.0, seed=4)
    assert first.tolist() == same.tolist()
    assert set(first[LOCALES[first] == 0]) != set(other[LOCALES[other] == 0])
