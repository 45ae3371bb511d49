from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
from raw_tables import FIRST_DAY, Row, event

from q2pt_tasks.data.privacy import HIDDEN, PrivacyParams
from q2pt_tasks.data.row_rules import LOCALE_UNLISTED, PRODUCT_UNKNOWN
from q2pt_tasks.data.schema import CATALOG, EVENTS
from q2pt_tasks.engine.opening import open_engine
from q2pt_tasks.engine.tables import write_table
from q2pt_tasks.layout import Layout
from q2pt_tasks.report.quarantine import event_rule_rows, rule_rows, unlisted_locales
from q2pt_tasks.validation.tables import with_reason

NEGATIVE = "a count is negative"
REASONS = {
    "count_negative": NEGATIVE,
    "locale_unlisted": LOCALE_UNLISTED,
    "product": PRODUCT_UNKNOWN,
    "duplicate": "it repeats",
}


NO_CATALOG = CATALOG.empty_table()


def quarantined(rows: Sequence[Row], reason: str = NEGATIVE) -> pa.Table:
    return pa.Table.from_pylist([{**row, "reason": reason} for row in rows], with_reason(EVENTS))


def test_each_rule_shows_its_first_rows_and_counts_all() -> None:
    rows = quarantined([event(query=f"q{number}", product_id=None) for number in range(8, 0, -1)])
    negative, *others = rule_rows("events", open_engine().frame(rows), REASONS)
    assert (negative.table, negative.name, negative.reason, negative.rows) == ("events", "count_negative", NEGATIVE, 8)
    assert [example["query"] for example in negative.examples] == ["q1", "q2", "q3", "q4", "q5"]
    assert negative.examples[0]["event_date"] == str(FIRST_DAY)
    assert negative.examples[0]["product_id"] == "(missing)"
    assert [(rule.rows, rule.examples) for rule in others] == [(0, ())] * 3


def test_a_query_is_shown_where_enough_valid_clicks_are_left() -> None:
    engine, floor = open_engine(), PrivacyParams(min_query_clicks=3)
    bad = [event(query="often"), event(query="seldom"), event(query="often", locale="de-DE"), event(query=None)]
    valid = [event(query="often", product_id=name) for name in "ab"] + [event(query="seldom")]
    frame = engine.frame(pa.Table.from_pylist(valid, EVENTS))
    negative = event_rule_rows(engine.frame(quarantined(bad)), frame, engine.frame(NO_CATALOG), floor, REASONS)[0]
    assert [(example["locale"], example["query"]) for example in negative.examples] == [
        ("de-DE", HIDDEN),
        ("en-GB", "often"),
        ("en-GB", HIDDEN),
        ("en-GB", "(missing)"),
    ]


def test_a_query_in_the_place_of_a_product_is_shown_where_as_a_query_it_would_be() -> None:
    engine, floor = open_engine(), PrivacyParams(min_query_clicks=3)
    # Landed three times, a rare one is no commoner.
    rare = [event(query="P7", product_id="ann meier", clicks=1)] * 3
    often = [event(query=f"P{number}", product_id="boots", clicks=1) for number in range(3)]
    known = event(query="P8", product_id="P1", clicks=0)
    catalog = engine.frame(pa.table({"product_id": ["P1"], "locale": ["de-DE"], "product_type": ["SHOES"]}, CATALOG))
    nothing = engine.frame(EVENTS.empty_table())
    for rows, shown in ((rare, HIDDEN), (often, "boots"), ([known], "P1")):
        judged = engine.frame(quarantined(rows, PRODUCT_UNKNOWN))
        rule = event_rule_rows(judged, nothing, catalog, floor, REASONS)[2]
        assert {example["product_id"] for example in rule.examples} == {shown}


def test_impossible_rows_make_no_product_of_a_query() -> None:
    engine = open_engine()
    # All that stands in such a row may be made up, the clicks first.
    rows = quarantined([event(query=f"P{number}", product_id="ann meier", clicks=50) for number in range(9)])
    nothing = engine.frame(EVENTS.empty_table())
    rule = event_rule_rows(engine.frame(rows), nothing, engine.frame(NO_CATALOG), PrivacyParams(), REASONS)[0]
    assert {example["product_id"] for example in rule.examples} == {HIDDEN}


def test_a_query_in_the_place_of_a_locale_is_hidden() -> None:
    engine = open_engine()
    rows = [event(locale=locale) for locale in ("ann meier", "en_gb", "a\x1b", None)]
    catalog, nothing = engine.frame(NO_CATALOG), engine.frame(EVENTS.empty_table())
    rule = event_rule_rows(engine.frame(quarantined(rows)), nothing, catalog, PrivacyParams(), REASONS)[0]
    assert [example["locale"] for example in rule.examples] == [HIDDEN, HIDDEN, "en_gb", "(missing)"]


def test_without_examples_no_query_is_looked_up() -> None:
    engine = open_engine()
    nothing = engine.frame(EVENTS.empty_table())
    catalog = engine.frame(NO_CATALOG)
    rules = event_rule_rows(engine.frame(quarantined([])), nothing, catalog, PrivacyParams(), REASONS)
    assert [rule.rows for rule in rules] == [0, 0, 0, 0]


def test_unlisted_locales_of_few_rows_are_not_named(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    rows = [event(locale=locale) for locale in ["en-gb"] * 4 + ["nl-NL"] * 3 + ["aa-AA"] + ["ann meier berlin"] * 4]
    write_table(quarantined(rows, LOCALE_UNLISTED), layout.quarantined_events)
    assert unlisted_locales(open_engine(), layout, PrivacyParams(min_query_clicks=3)) == [
        "commonest unlisted locales of events, with their rows: 'en-gb' (4), 'nl-NL' (3)"
    ]
