"""What a person is shown of quarantined rows: how many each rule took, a few of them, locales that nobody listed."""

from collections.abc import Mapping
from typing import Any

import narwhals as nw
import narwhals.selectors as ncs

from q2pt_tasks.data.privacy import HIDDEN, PrivacyParams, common_queries, figures_of_queries
from q2pt_tasks.data.row_rules import LOCALE_MALFORMED, LOCALE_UNLISTED, REASON, Frame
from q2pt_tasks.engine.interface import Engine
from q2pt_tasks.layout import Layout, catalog_file
from q2pt_tasks.report.validation_page import MAX_TEXT_CHARS, RuleRows, show_value

MAX_EXAMPLES = 5
MAX_LOCALES = 5
MAX_LOCALE_CHARS = 40


# What the rows with a reason are shown by: column to value.
Example = dict[str, Any]


def rule_rows(table: str, quarantined: Frame, reasons: Mapping[str, str]) -> tuple[RuleRows, ...]:
    """What each rule of `reasons`, a sentence by its name, took of the rows of `table`."""
    return _shown(table, reasons, _count_reasons(quarantined), _examples(quarantined, reasons))


def event_rule_rows(
    quarantined: Frame, valid: Frame, floor: PrivacyParams, reasons: Mapping[str, str]
) -> tuple[RuleRows, ...]:
    """The same for events, with the queries that may be seen: those of which enough `valid` events are left."""
    examples = _examples(quarantined, reasons)
    asked = {(row["locale"], row["query"]) for rows in examples.values() for row in rows if row["query"] is not None}
    # Of all valid events only those of a few queries are looked at.
    queries = sorted({query for _, query in asked})
    shown = figures_of_queries(valid.filter(nw.col("query").is_in(queries)), floor)
    common = _rows(common_queries(shown, floor)) if queries else []
    hidden = asked - {(row["locale"], row["query"]) for row in common}
    for row in (row for rows in examples.values() for row in rows):
        if (row["locale"], row["query"]) in hidden:
            row["query"] = HIDDEN
    return _shown("events", reasons, _count_reasons(quarantined), examples)


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


def _count_reasons(quarantined: Frame) -> dict[str, int]:
    return {row[REASON]: row["rows"] for row in _rows(quarantined.group_by(REASON).agg(rows=nw.len()))}


def _examples(quarantined: Frame, reasons: Mapping[str, str]) -> dict[str, list[Example]]:
    """The first rows of each reason. Cut in the engine: a query may be of any length."""
    beginning = ncs.string().str.slice(0, MAX_TEXT_CHARS + 1)
    found = {}
    for reason in reasons.values():
        rows = quarantined.filter(nw.col(REASON) == reason).drop(REASON)
        found[reason] = _rows(
            rows.with_columns(beginning).sort(*rows.collect_schema().names(), nulls_last=True).head(MAX_EXAMPLES)
        )
    return found


def _shown(
    table: str, reasons: Mapping[str, str], counts: Mapping[str, int], examples: Mapping[str, list[Example]]
) -> tuple[RuleRows, ...]:
    shown = {
        reason: tuple({column: show_value(value) for column, value in row.items()} for row in rows)
        for reason, rows in examples.items()
    }
    return tuple(
        RuleRows(table, name, reason, counts.get(reason, 0), shown[reason]) for name, reason in reasons.items()
    )


def _rows(frame: Frame) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = frame.collect(backend="pyarrow").to_native().to_pylist()
    return rows


def _escape(locale: str) -> str:
    text = repr(locale)
    return text if len(text) <= MAX_LOCALE_CHARS else text[: MAX_LOCALE_CHARS - 1] + "…"
