"""Figures over several trainings."""

import pytest

from q2pt_tasks.report.tables import Row
from q2pt_tasks.studies.seeds import Spread, mean_rows


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ((0.5, 0.52, 0.51), "0.510 [0.500 .. 0.520]"),
        ((0.5, 0.50001), "0.500"),
        ((0.3,), "0.300"),
        ((None, 0.3, 0.5), "0.400 [0.300 .. 0.500]"),
    ],
)
def test_a_spread_shows_the_lowest_and_the_highest_where_they_differ(
    values: tuple[float | None, ...], says: str
) -> None:
    assert str(Spread.of(values)) == says


def test_what_no_training_has_is_nothing() -> None:
    assert Spread.of([None, None]) is None


def test_a_mean_is_taken_figure_by_figure_over_the_trainings_that_have_it() -> None:
    def rows(recall: float | None, n: float) -> list[Row]:
        return [Row("aware", "all", "test", "micro_recall", recall, 10), Row("aware", "all", "test", "other", 1.0, n)]

    recall, other = mean_rows([rows(0.2, 4), rows(0.4, 6), rows(None, 8)])
    assert recall.value == pytest.approx(0.3)
    assert (recall.n, other.value, other.n) == (10, 1.0, 6)
