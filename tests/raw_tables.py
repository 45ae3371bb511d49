"""Raw tables as `ingest` leaves them, of few rows that a test can tell apart."""

import json
from collections.abc import Iterable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa

from q2pt_tasks.data.schema import CATALOG, EVENTS
from q2pt_tasks.engine.tables import write_table
from q2pt_tasks.layout import Layout, catalog_file, day_file

FIRST_DAY = date(2026, 5, 1)
DAYS = tuple(FIRST_DAY + timedelta(days=offset) for offset in range(3))
LOCALES = ("de-DE", "en-GB", "fr-FR", "tr-TR")

Row = dict[str, Any]


def event(**changes: object) -> Row:
    good: Row = {"event_date": FIRST_DAY, "locale": "en-GB", "query": "shoes", "product_id": "P1"}
    return {**good, "impressions": 10, "clicks": 2, "carts": 0, "purchases": 0, **changes}


def good_events(locales: Iterable[str] = LOCALES, per_day: int = 10) -> list[Row]:
    return [
        event(event_date=day, locale=locale, query=f"shoes {number}")
        for day in DAYS
        for locale in locales
        for number in range(per_day)
    ]


def good_catalog() -> list[Row]:
    return [{"product_id": "P1", "locale": locale, "product_type": "shoe"} for locale in LOCALES]


def write_raw(root: Path, events: list[Row], catalog: list[Row] | None = None) -> Layout:
    layout = Layout(root)
    for day in {row["event_date"] for row in events}:
        rows = [row for row in events if row["event_date"] == day]
        write_table(pa.Table.from_pylist(rows, EVENTS), day_file(layout.raw, day))
    products = good_catalog() if catalog is None else catalog
    write_table(pa.Table.from_pylist(products, CATALOG), catalog_file(layout.raw))
    (layout.raw / "window.json").write_text(json.dumps({"first_day": str(DAYS[0]), "last_day": str(DAYS[-1])}))
    return layout
