import pytest

from q2pt_tasks.report.marks import Bar, change_bar, direction, share_bar


def test_a_share_is_a_bar_from_nothing_with_its_interval_and_a_tick() -> None:
    assert share_bar(0.5, 0.4, 0.6, 0.55) == Bar(0, 50, 40, 60, 55)
    assert share_bar(0.5, None, None) == Bar(0, 50, None, None, None)
    assert share_bar(None, None, None) is None


def test_what_lies_outside_is_drawn_at_the_end() -> None:
    assert share_bar(1.2, -0.1, 1.3) == Bar(0, 100, 0, 100, None)


def test_a_change_starts_in_the_middle_and_goes_to_its_side() -> None:
    assert change_bar(0.1, 0.0, 0.2, 0.2) == Bar(50, 25, 50, 100, None)
    assert change_bar(-0.1, -0.2, 0.0, 0.2) == Bar(25, 25, 0, 50, None)
    assert change_bar(0.0, 0.0, 0.0, 0.0) == Bar(50, 0, 50, 50, None)
    assert change_bar(None, None, None, 0.2) is None


@pytest.mark.parametrize(
    ("change", "low", "high", "word"),
    [
        (0.1, 0.01, 0.2, "better"),
        (-0.1, -0.2, -0.01, "worse"),
        (0.1, -0.01, 0.2, "no clear change"),
        (0.1, None, None, "no clear change"),
        (None, None, None, ""),
    ],
)
def test_a_change_has_a_direction_only_where_its_whole_interval_has(
    change: float | None, low: float | None, high: float | None, word: str
) -> None:
    assert direction(change, low, high) == word
