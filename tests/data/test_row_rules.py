from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from q2pt_tasks.data.row_rules import (
    DUPLICATE_EVENT,
    Frame,
    Window,
    catalog_rules,
    event_rules,
    exclude_locales,
    exclusion_reason,
    judge_catalog,
    judge_events,
    reasons_by_name,
)
from q2pt_tasks.data.schema import CATALOG, COUNTS, EVENTS, ROW_ORDER
from q2pt_tasks.data.sorted_rows import mark_repeats
from q2pt_tasks.engine.opening import open_engine
from q2pt_tasks.engine.tables import collect

LOCALES = ("de-DE", "en-GB")
WINDOW = Window(date(2026, 5, 1), date(2026, 5, 3))
RULES = event_rules(LOCALES, WINDOW, max_query_chars=20)
REASONS = reasons_by_name(RULES, DUPLICATE_EVENT)
GOOD = {
    "event_date": date(2026, 5, 1),
    "locale": "en-GB",
    "query": "red shoes",
    "product_id": "P1",
    "impressions": 10,
    "clicks": 2,
    "carts": 1,
    "purchases": 0,
}
PRODUCTS = [{"product_id": "P1", "locale": "en-GB", "product_type": "shoe"}]

Row = Mapping[str, Any]


def judged_events(rows: Sequence[Row]) -> Frame:
    engine = open_engine()
    catalog = engine.frame(pa.Table.from_pylist(PRODUCTS, CATALOG))
    return judge_events(engine.frame(pa.Table.from_pylist(list(rows), EVENTS)), catalog, RULES)


def judge(rows: Sequence[Row]) -> list[dict[str, Any]]:
    judged = collect(judged_events(rows), [*ROW_ORDER, *COUNTS, "reason"])
    marked: list[dict[str, Any]] = mark_repeats(judged).to_pylist()
    return marked


def judge_products(rows: Sequence[Row]) -> list[str | None]:
    frame = open_engine().frame(pa.Table.from_pylist(list(rows), CATALOG))
    judged = collect(judge_catalog(frame, catalog_rules(LOCALES)), [*CATALOG.names, "reason"])
    reasons: list[str | None] = judged["reason"].to_pylist()
    return reasons


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"locale": None}, "locale_missing"),
        ({"locale": ""}, "locale_missing"),
        ({"locale": "../../etc"}, "locale_malformed"),
        ({"locale": "en-gb"}, "locale_malformed"),
        ({"locale": "fr-CA"}, "locale_unlisted"),
        ({"event_date": None}, "date_missing"),
        ({"event_date": date(2026, 4, 30)}, "date_outside_window"),
        ({"event_date": date(2026, 5, 4)}, "date_outside_window"),
        ({"event_date": date(9999, 12, 31)}, "date_outside_window"),
        ({"query": None}, "query_missing"),
        ({"query": ""}, "query_missing"),
        ({"query": " \t\n "}, "query_missing"),
        ({"query": "\u00a0\u3000\u2003"}, "query_missing"),
        ({"query": "\u200f\u200b"}, "query_missing"),
        ({"query": "x" * 21}, "query_too_long"),
        ({"query": "x" * 1_000_000}, "query_too_long"),
        ({"query": "red\x00shoes"}, "query_control"),
        ({"query": "red\x1b[31mshoes"}, "query_control"),
        ({"query": "red\x7fshoes"}, "query_control"),
        ({"query": "red\x85shoes"}, "query_control"),
        ({"query": "red\tshoes"}, "query_control"),
        ({"query": "\x00"}, "query_control"),
        ({"product_id": None}, "product_missing"),
        ({"product_id": "  "}, "product_missing"),
        ({"impressions": None}, "count_missing"),
        ({"purchases": None}, "count_missing"),
        ({"clicks": -1}, "count_negative"),
        ({"carts": -(2**63)}, "count_negative"),
        ({"impressions": 10**12 + 1}, "count_too_large"),
        ({"purchases": 2**62}, "count_too_large"),
        ({"clicks": 2**63 - 1}, "count_too_large"),
        ({"clicks": 11}, "clicks_exceed"),
        ({"product_id": "P2"}, "product_unknown"),
        ({"locale": "de-DE"}, "product_unknown"),
    ],
)
def test_bad_row_gets_the_reason_of_its_rule(change: Row, rule: str) -> None:
    assert [row["reason"] for row in judge([{**GOOD, **change}])] == [REASONS[rule]]


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"event_date": date(2026, 5, 3)},
        {"query": "x" * 20},
        {"query": "👟" * 20},
        {"query": "\u200fנעליים"},
        {"query": "👩\u200d🚀 shoes"},
        {"query": "靴"},
        {"query": "'; DROP TABLE events; --"[:20]},
        {"query": "?"},
        {"impressions": 0, "clicks": 0, "carts": 0},
        {"impressions": 10**12, "clicks": 10**12, "carts": 10**12, "purchases": 10**12},
    ],
)
def test_good_row_stays(change: Row) -> None:
    assert [row["reason"] for row in judge([{**GOOD, **change}])] == [None]


def test_row_with_many_faults_gets_the_first_declared_reason() -> None:
    everything = dict.fromkeys(EVENTS.names)
    assert judge([everything])[0]["reason"] == REASONS["locale_missing"]
    assert judge([{**GOOD, "query": None, "clicks": -1}])[0]["reason"] == REASONS["query_missing"]


@pytest.mark.parametrize("count", ["impressions", "clicks", "carts", "purchases"])
def test_duplicate_with_the_largest_counts_stays_whatever_the_order_of_arrival(count: str) -> None:
    rows = [{**GOOD, "impressions": 100, count: number} for number in (30, 20, 40)]
    for arrival in (rows, rows[::-1]):
        judged = {row[count]: row["reason"] for row in judge(arrival)}
        assert judged == {20: REASONS["duplicate"], 30: REASONS["duplicate"], 40: None}


def test_one_of_equal_rows_stays() -> None:
    assert Counter(row["reason"] for row in judge([GOOD, GOOD, GOOD])) == {None: 1, REASONS["duplicate"]: 2}


def test_bad_row_does_not_make_a_good_one_its_duplicate() -> None:
    rows = [{**GOOD, "clicks": 99}, GOOD, {**GOOD, "impressions": 2**62}, {**GOOD, "impressions": 1, "clicks": 3}]
    judged = {(row["impressions"], row["clicks"]): row["reason"] for row in judge(rows)}
    assert judged == {
        (10, 99): REASONS["clicks_exceed"],
        (10, 2): None,
        (2**62, 2): REASONS["count_too_large"],
        (1, 3): REASONS["clicks_exceed"],
    }


def test_reasons_differ_so_that_they_can_be_counted() -> None:
    assert len(set(REASONS.values())) == len(RULES) + 1


PRODUCT = PRODUCTS[0]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({}, None),
        ({"locale": None}, "the locale is missing or blank"),
        ({"locale": "fr-FR"}, "the locale is not among the locales of the params"),
        ({"product_id": ""}, "the product is missing or blank"),
        ({"product_type": None}, "the product type is missing or blank"),
        ({"product_type": " "}, "the product type is missing or blank"),
        ({"product_type": "running shoe"}, None),
        ({"product_type": " shoe"}, "the product type has surrounding white space"),
        ({"product_type": "shoe "}, "the product type has surrounding white space"),
        ({"product_type": "shoe\n"}, "the product type has surrounding white space"),
        ({"product_type": "\u00a0shoe"}, "the product type has surrounding white space"),
        ({"product_type": "shoe\u3000"}, "the product type has surrounding white space"),
        ({"product_type": "sh\x00oe"}, "the product type has control characters"),
        ({"product_type": "red\tshoe"}, "the product type has control characters"),
        ({"product_type": "shoe\x85"}, "the product type has control characters"),
    ],
)
def test_catalog_row_gets_its_reason(change: Row, reason: str | None) -> None:
    assert judge_products([{**PRODUCT, **change}]) == [reason]


def test_product_with_two_types_keeps_the_first() -> None:
    assert judge_products([{**PRODUCT, "product_type": "boot"}, PRODUCT]) == [
        None,
        "the row repeats a locale and product",
    ]


def test_excluded_locale_loses_its_valid_rows_and_keeps_the_reasons_of_the_others() -> None:
    reason = exclusion_reason(1, 100)
    judged = exclude_locales(judged_events([GOOD, {**GOOD, "clicks": -1}]), {"en-GB": reason})
    assert Counter(collect(judged, EVENTS.names)["reason"].to_pylist()) == {reason: 1, REASONS["count_negative"]: 1}
    assert reason == "locale excluded: 1 rows, at least 100 needed"


def test_window_that_ends_before_it_starts_is_refused() -> None:
    with pytest.raises(ValueError, match="before it starts"):
        Window(date(2026, 5, 2), date(2026, 5, 1))


COUNT = st.none() | st.integers(-1, 3)
ANY_ROW = st.fixed_dictionaries(
    {
        "event_date": st.none() | st.dates(date(2026, 4, 30), date(2026, 5, 4)),
        "locale": st.sampled_from([None, "", "en-GB", "de-DE", "../../etc"]),
        "query": st.none() | st.sampled_from(["shoes", " ", "a\x00"]) | st.text(max_size=25),
        "product_id": st.sampled_from([None, "P1", "P2"]),
        **dict.fromkeys(("impressions", "clicks", "carts", "purchases"), COUNT),
    }
)


@settings(deadline=None, max_examples=20)
@given(st.lists(ANY_ROW | st.just(GOOD), max_size=8))
def test_no_row_is_lost_changed_or_judged_by_its_place(rows: list[dict[str, Any]]) -> None:
    judged = judge(rows)
    assert Counter(tuple(row[name] for name in EVENTS.names) for row in judged) == Counter(
        tuple(row[name] for name in EVENTS.names) for row in rows
    )
    assert judge(rows[::-1]) == judged
    keys = [(row["event_date"], row["locale"], row["query"], row["product_id"]) for row in judged if not row["reason"]]
    assert len(keys) == len(set(keys))
