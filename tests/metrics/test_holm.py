"""Holm's correction against hand-made figures and its promises."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from q2pt_tasks.metrics.holm import holm

P_VALUES = st.lists(st.floats(0, 1), min_size=1, max_size=12)


def test_a_worked_example() -> None:
    # 4 * 0.005, 3 * 0.01, then 2 * 0.03, then 0.04 alone, which may not fall below the one before.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_one_test_is_left_as_it_is_and_none_gives_none() -> None:
    assert holm([0.03]) == [0.03]
    assert holm([]) == []


@given(P_VALUES)
def test_corrected_values_keep_the_order_and_lie_between_the_raw_and_bonferronis(p_values: list[float]) -> None:
    corrected = holm(p_values)
    for (raw, own), (other, others) in zip(
        sorted(zip(p_values, corrected, strict=True))[:-1],
        sorted(zip(p_values, corrected, strict=True))[1:],
        strict=True,
    ):
        assert raw <= other
        assert own <= others
    for raw, own in zip(p_values, corrected, strict=True):
        assert raw <= own <= min(1.0, len(p_values) * raw)
    assert min(corrected) == min(1.0, len(p_values) * min(p_values))


@pytest.mark.parametrize("wrong", [-0.1, 1.1, float("nan")])
def test_what_is_no_probability_is_refused(wrong: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        holm([0.5, wrong])
