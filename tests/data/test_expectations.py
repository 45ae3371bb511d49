from dataclasses import replace
from datetime import date

import pytest

from q2pt_tasks.data.expectations import (
    CATALOG_COLUMNS,
    EVENT_COLUMNS,
    MOST_LOCALES,
    Expectation,
    Figure,
    Limits,
    at_least,
    at_most,
    column_expectations,
    equal_to,
    expected_columns,
    has_columns,
    row_expectations,
    row_figures,
    say,
)
from q2pt_tasks.data.floods import FLOOD
from q2pt_tasks.data.great_expectations_runner import SuiteError, evaluate
from q2pt_tasks.data.row_rules import Window
from q2pt_tasks.data.schema import CATALOG, EVENTS
from q2pt_tasks.data.tallies import Tally
from q2pt_tasks.data.volume import Volume, measure_volume

DAY = date(2026, 5, 1)
WINDOW = Window(DAY, date(2026, 5, 3))
FIGURES: dict[str, Figure] = {"share": 0.05, "rows": 0, "columns": "a Int64"}


@pytest.mark.parametrize(
    ("expectation", "holds"),
    [
        (at_most("share", 0.05), True),
        (at_most("share", 0.049), False),
        (at_most("rows", 0), True),
        (at_least("rows", 0), True),
        (at_least("rows", 1), False),
        (equal_to("columns", "a Int64"), True),
        (equal_to("columns", "a String"), False),
    ],
)
def test_expectation_holds_up_to_its_bound(expectation: Expectation, holds: bool) -> None:
    assert [outcome.holds for outcome in evaluate([expectation], FIGURES)] == [holds]


@pytest.mark.parametrize(("change", "can_be_judged"), [({}, True), ({EVENT_COLUMNS: "clicks Int64"}, False)])
def test_rows_can_be_judged_where_great_expectations_finds_the_columns_right(
    change: dict[str, Figure], can_be_judged: bool
) -> None:
    figures: dict[str, Figure] = {
        EVENT_COLUMNS: expected_columns(EVENTS),
        CATALOG_COLUMNS: expected_columns(CATALOG),
        **change,
    }
    assert has_columns(figures) is can_be_judged
    assert all(outcome.holds for outcome in evaluate(column_expectations(), figures)) is can_be_judged


def test_outcomes_come_in_the_declared_order_with_their_figures() -> None:
    outcomes = evaluate([at_least("rows", 1), at_most("share", 0.1)], FIGURES)
    assert [str(outcome) for outcome in outcomes] == [
        "rows: found 0, needed at least 1",
        "share: found 5 %, needed at most 10 %",
    ]


@pytest.mark.parametrize(
    ("suite", "message"),
    [
        ([], "no expectations are declared"),
        ([Expectation("rows", "ExpectColumnMaxToBeBetwen", {"max_value": 1}, "")], "no expectation 'ExpectColumnMaxTo"),
        ([Expectation("rows", "Expectation", {"max_value": 1}, "")], "refuses"),
        ([Expectation("rows", "ExpectColumnMaxToBeBetween", {"max_valeu": 1}, "")], "refuses"),
        ([Expectation("rows", "ExpectColumnMaxToBeBetween", {}, "")], "have no bounds"),
        ([at_most("rwos", 1)], "not measured: \\['rwos'\\]"),
        ([at_most("rows", 1), at_least("rows", 0)], "more than one expectation"),
        ([at_most("columns", 1)], "'columns' could not be evaluated"),
    ],
)
def test_suite_that_would_check_nothing_is_refused(suite: list[Expectation], message: str) -> None:
    with pytest.raises(SuiteError, match=message):
        evaluate(suite, FIGURES)


def test_undefined_figure_is_refused() -> None:
    with pytest.raises(SuiteError, match="not numbers"):
        evaluate([at_most("share", 1.0)], {"share": float("nan")})


def test_expectation_that_the_library_passes_over_is_noticed() -> None:
    def forget_one(*_: object) -> dict[str, bool]:
        return {"rows": True}

    with pytest.raises(SuiteError, match=r"1 of 2 expectations were evaluated; not: \['share'\]"):
        evaluate([at_most("rows", 1), at_most("share", 1)], FIGURES, forget_one)


@pytest.mark.parametrize(
    ("figure", "text"), [(1234, "1,234"), (0.05, "5 %"), (0.0500011, "5.0001 %"), (1.0, "100 %"), ("a", "a")]
)
def test_figures_in_words(figure: Figure, text: str) -> None:
    assert say(figure) == text


TALLIES = (
    Tally(None, "en-GB", DAY, 90, 900.0),
    Tally("unknown product", "en-GB", DAY, 4, 40.0),
    Tally("repeated", "de-DE", DAY, 1, 10.0),
    Tally(None, "de-DE", DAY, 5, 50.0),
    Tally("foreign", None, None, 0, 5000.0),
    Tally("not asked for", None, DAY, 700, 7000.0),
)
REASONS = {"product_unknown": "unknown product", "locale_malformed": "foreign", "duplicate": "repeated"}
LOCALES = ("de-DE", "en-GB", "fr-FR")
DAYS: dict[object, int] = {**dict.fromkeys(WINDOW.days, 0), DAY: 95}
VOLUME = Volume({"de-DE": 5, "en-GB": 90, "fr-FR": 0}, {DAY: 95}, ("de-DE", "fr-FR"), {"en-GB": 0.03}, ("en-GB",))


def test_figures_of_a_tally() -> None:
    figures = row_figures(TALLIES, REASONS, replace(VOLUME, days=DAYS), 0.25)
    assert figures == {
        "days with valid rows": 1,
        "days without valid rows": 2,
        "share of events that break a rule": 0.05,
        "share of events with product_unknown": 0.04,
        "share of events with locale_malformed": 0.0,
        "share of events with duplicate": 0.01,
        "share of catalog rows that break a rule": 0.25,
        "share of sound events whose product is in the catalog": 0.96,
        "share of locales with too few rows": 2 / 3,
        "share of clicks in locales with too few rows": 0.06,
        "valid rows of de-DE": 5,
        "valid rows of en-GB": 90,
        "valid rows of fr-FR": 0,
        "share of clicks in locales whose newest day has hardly any rows": 0.94,
        "rows of en-GB on the newest day, of a usual day's": 0.03,
        "events of one query with too many of a day's clicks": 0,
    }
    assert [each.figure for each in row_expectations(Limits(), REASONS, VOLUME)] == list(figures)


def test_clicks_of_a_flood_make_no_locale_worth_more() -> None:
    flood = Tally(FLOOD[1], "de-DE", DAY, 1, 1_000_000.0)
    assert row_figures((*TALLIES, flood), REASONS, VOLUME, 0.25) == {
        **row_figures(TALLIES, REASONS, VOLUME, 0.25),
        "events of one query with too many of a day's clicks": 1,
    }


def test_what_does_not_hold_says_what_to_look_at() -> None:
    expectations = row_expectations(Limits(), REASONS, VOLUME)
    figures = row_figures(TALLIES, REASONS, VOLUME, 0.25)
    said = {outcome.expectation.figure: str(outcome) for outcome in evaluate(expectations, figures)}
    assert said["rows of en-GB on the newest day, of a usual day's"].startswith(
        "rows of en-GB on the newest day, of a usual day's: found 3 %, needed at least 10 %: the store's log may"
    )
    assert said["share of events with duplicate"] == "share of events with duplicate: found 1 %, needed at most 5 %"


def test_figures_of_an_empty_log_are_defined() -> None:
    volume = measure_volume((), LOCALES, WINDOW, min_locale_rows=1, min_newest_day_share=0.1)
    assert all(value == value for value in row_figures((), REASONS, volume, 0.0).values())
    assert volume.low == LOCALES


@pytest.mark.parametrize(("setting", "severity"), [("warn", "warning"), ("exclude", "warning"), ("fail", "error")])
def test_low_volume_setting_decides_what_a_small_locale_means(setting: str, severity: str) -> None:
    limits = Limits.model_validate({"on_low_volume": setting})
    by_figure = {each.figure: each.severity for each in row_expectations(limits, REASONS, VOLUME)}
    assert by_figure["valid rows of de-DE"] == severity
    assert by_figure["rows of en-GB on the newest day, of a usual day's"] == severity
    assert by_figure["share of locales with too few rows"] == "error"


def test_number_of_small_locales_has_a_limit_of_its_own() -> None:
    expectations = row_expectations(Limits(max_low_volume_share=0), REASONS, VOLUME)
    arguments = {each.figure: each.arguments for each in expectations}
    assert arguments["share of locales with too few rows"] == {"max_value": MOST_LOCALES}
    assert arguments["share of clicks in locales with too few rows"] == {"max_value": 0}
