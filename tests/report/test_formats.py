import pytest

from q2pt_tasks.report.formats import count, figure, number, percent, short, signed, span


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        (0.12345, "0.123"),
        (1200, "1,200"),
        (True, "yes"),
        ("pl-PL", "pl-PL"),
        ([0.5, 3], "0.500, 3"),
        ([], "–"),
        ({"a": 0.5, "b": None}, "a: 0.500, b: –"),
    ],
)
def test_a_figure_reads_by_its_kind(value: object, text: str) -> None:
    assert figure(value) == text


def test_what_is_not_defined_is_a_dash() -> None:
    assert (number(None), count(None)) == ("–", "–")


def test_numbers_have_the_form_of_their_place() -> None:
    assert [short(value) for value in (0.0, 0.684, 0.994, 0.996, 1.0)] == [".00", ".68", ".99", "1.0", "1.0"]
    assert [signed(value) for value in (0.01234, -0.5, None)] == ["+0.012", "−0.500", "–"]
    assert percent(0.95) == "95\N{NO-BREAK SPACE}%"


def test_a_span_is_a_range_only_where_values_differ_as_shown() -> None:
    assert span([120, None, 118], count) == "118 to 120"
    assert span([0.50001, 0.50002], number) == "0.500"
    assert span([None], number) == "–"
