"""What a person is shown of quarantined rows: how many each rule took, a few of them, locales that nobody listed."""

from collections.abc import Container, Mapping, Sequence
from typing import Any

import narwhals as nw
import narwhals.selectors as ncs

from q2pt_tasks.data.privacy import HIDDEN, PrivacyParams, common_queries, figures_of_queries
from q2pt_tasks.data.row_rules import LOCALE_MALFORMED, LOCALE_UNLISTED, PRODUCT_UNKNOWN, REASON, Frame
from q2pt_tasks.data.text_shape import LOCALE_LIKE, is_like_locale
from q2pt_tasks.engine.interface import Engine
from q2pt_tasks.layout import Layout, catalog_file
from q2pt_tasks.report.validation_page import MAX_TEXT_CHARS, RuleRows, show_value

MAX_EXAMPLES = 5
MAX_LOCALES = 5


# What the rows with a reason are shown by: column to value.
Example = dict[str, Any]
# A locale, which may be missing, and a text of one of its rows.
Cell = tuple[str | None, str]


def rule_rows(table: str, quarantined: Frame, reasons: Mapping[str, str]) -> tuple[RuleRows, ...]:
    """What each rule of `reasons`, a sentence by its name, took of the rows of `table`."""
    return _shown(table, reasons, _count_reasons(quarantined), _examples(quarantined, reasons))


def event_rule_rows(
    quarantined: Frame, valid: Frame, catalog: Frame, floor: PrivacyParams, reasons: Mapping[str, str]
) -> tuple[RuleRows, ...]:
    """The same for events, without a query that few have typed, in whatever column it stands.

    Args:
        quarantined: all of them.
        valid: events; a query is shown where enough of them are left.
        catalog: valid products.
        floor: what a query needs.
        reasons: a sentence for each rule by its name.
    """
    examples = _examples(quarantined, reasons)
    rows = [row for found in examples.values() for row in found]
    _hide(rows, "query", _common(valid, "query", rows, floor))
    # Where a log's columns are confused, queries stand in the place of products or locales. An impossible row may claim
    # any clicks, so only rows count of which nothing but the product is wrong.
    clicked = quarantined.filter(nw.col(REASON) == PRODUCT_UNKNOWN).drop(REASON).unique()
    _hide(rows, "product_id", _common(clicked, "product_id", rows, floor) | _products_among(rows, catalog))
    for row in rows:
        if row["locale"] is not None and not is_like_locale(row["locale"]):
            row["locale"] = HIDDEN
    return _shown("events", reasons, _count_reasons(quarantined), examples)


def _common(events: Frame, column: str, rows: Sequence[Example], floor: PrivacyParams) -> set[Cell]:
    """The cells of `column` in `rows` that reach the floor in `events`, as queries do."""
    texts = _texts(rows, column)
    if not texts:
        return set()
    # Of all events only those of a few texts are looked at.
    asked = events.filter(nw.col(column).is_in(texts)).with_columns(query=nw.col(column))
    return {(row["locale"], row["query"]) for row in _rows(common_queries(figures_of_queries(asked, floor), floor))}


def _products_among(rows: Sequence[Example], catalog: Frame) -> set[Cell]:
    """The cells of `rows` that name a product of some store."""
    texts = _texts(rows, "product_id")
    known = {row["product_id"] for row in _rows(catalog.filter(nw.col("product_id").is_in(texts)))} if texts else set()
    return {(row["locale"], row["product_id"]) for row in rows if row["product_id"] in known}


def _texts(rows: Sequence[Example], column: str) -> list[str]:
    return sorted({row[column] for row in rows if row[column] is not None})


def _hide(rows: Sequence[Example], column: str, seen: Container[Cell]) -> None:
    for row in rows:
        if row[column] is not None and (row["locale"], row[column]) not in seen:
            row[column] = HIDDEN


def unlisted_locales(engine: Engine, layout: Layout, floor: PrivacyParams) -> list[str]:
    """A line for each table with rows of locales that are not the shop's: misspelt, or forgotten in the params."""
    lines = []
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
    # Where a log's columns are confused, queries stand in the place of locales.
    unlisted = quarantined.filter(
        nw.col(REASON).is_in([LOCALE_MALFORMED, LOCALE_UNLISTED]), nw.col("locale").str.contains(LOCALE_LIKE)
    )
    counts = unlisted.group_by("locale").agg(rows=nw.len())
    commonest = (
        counts.filter(nw.col("rows") >= min_rows).sort("rows", "locale", descending=[True, False]).head(MAX_LOCALES)
    )
    # `head` of an ordered lazy table keeps its rows, not always their order.
    rows = sorted(_rows(commonest), key=lambda row: (-row["rows"], row["locale"]))
    return [f"{row['locale']!r} ({row['rows']:,})" for row in rows]


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
