"""What a person is shown of quarantined rows: how many each rule took, a few of them, locales that nobody listed."""

from collections.abc import Mapping
from typing import Any

import narwhals as nw
import narwhals.selectors as ncs

from q2pt_tasks.data.privacy import PrivacyParams, common_queries, hide_rare
from q2pt_tasks.data.row_rules import LOCALE_MALFORMED, LOCALE_UNLISTED, REASON, Frame
from q2pt_tasks.engine import Engine
from q2pt_tasks.layout import Layout, catalog_file
from q2pt_tasks.report.validation_page import MAX_TEXT_CHARS, RuleRows, show_value

MAX_EXAMPLES = 5
MAX_LOCALES = 5
MAX_LOCALE_CHARS = 40


def rule_rows(table: str, quarantined: Frame, reasons: Mapping[str, str]) -> tuple[RuleRows, ...]:
    """What each rule of `reasons`, a sentence by its name, took of the rows of `table`."""
    counts = {row[REASON]: row["rows"] for row in _rows(quarantined.group_by(REASON).agg(rows=nw.len()))}
    return tuple(
        RuleRows(table, name, reason, counts.get(reason, 0), _examples(quarantined, reason))
        for name, reason in reasons.items()
    )


def hide_rare_queries(quarantined: Frame, valid: Frame, floor: PrivacyParams) -> Frame:
    """The quarantined events with the queries that may be seen: those of which enough `valid` events are left."""
    asked = quarantined.select("locale", "query").unique()
    return hide_rare(quarantined, common_queries(valid.join(asked, on=["locale", "query"], how="inner"), floor))


def unlisted_locales(engine: Engine, layout: Layout, floor: PrivacyParams) -> list[str]:
    """A line for each table with rows of locales that are not the shop's: misspelt, or forgotten in the params."""
    lines = []
    # Where a log's columns are confused, queries stand in the place of locales.
    for table, file, min_rows in (
        ("events", layout.quarantined_events, floor.min_query_clicks),
        ("catalog", catalog_file(layout.quarantine), 1),
    ):
        # Where the columns are wrong no row is judged, and there is no quarantine.
        shown = _commonest_unlisted(engine.scan([file]), min_rows) if file.exists() else []
        if shown:
            lines.append(f"commonest unlisted locales of {table}, with their rows: {', '.join(shown)}")
    return lines


def _commonest_unlisted(quarantined: Frame, min_rows: int) -> list[str]:
    unlisted = quarantined.filter(nw.col(REASON).is_in([LOCALE_MALFORMED, LOCALE_UNLISTED]))
    counts = unlisted.group_by("locale").agg(rows=nw.len())
    commonest = (
        counts.filter(nw.col("rows") >= min_rows).sort("rows", "locale", descending=[True, False]).head(MAX_LOCALES)
    )
    # `head` of an ordered lazy table keeps its rows, not always their order.
    rows = sorted(_rows(commonest), key=lambda row: (-row["rows"], row["locale"]))
    return [f"{_escape(row['locale'])} ({row['rows']:,})" for row in rows]


def _examples(quarantined: Frame, reason: str) -> tuple[dict[str, str], ...]:
    """The first rows with `reason`, as text. Cut in the engine: a query may be of any length."""
    rows = quarantined.filter(nw.col(REASON) == reason).drop(REASON)
    beginning = ncs.string().str.slice(0, MAX_TEXT_CHARS + 1)
    shown = rows.with_columns(beginning).sort(*rows.collect_schema().names(), nulls_last=True).head(MAX_EXAMPLES)
    return tuple({column: show_value(value) for column, value in row.items()} for row in _rows(shown))


def _rows(frame: Frame) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = frame.collect(backend="pyarrow").to_native().to_pylist()
    return rows


def _escape(locale: str) -> str:
    text = repr(locale)
    return text if len(text) <= MAX_LOCALE_CHARS else text[: MAX_LOCALE_CHARS - 1] + "…"
