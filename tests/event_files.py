"""Files of events as a shop delivers them, of few rows, and what is read from them."""

from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from q2pt_tasks.data.schema import EVENTS
from q2pt_tasks.sources.events import read_events

DAY = date(2026, 6, 30)
HEADER = "event_date,locale,query,product_id,impressions,clicks,carts,purchases\n"
ROW: dict[str, Any] = {
    "event_date": DAY,
    "locale": "en-GB",
    "query": "red shoes",
    "product_id": "p1",
    "impressions": 9,
    "clicks": 3,
    "carts": 1,
    "purchases": 0,
}


def events(*rows: dict[str, Any]) -> pa.Table:
    return pa.Table.from_pylist([ROW | row for row in rows], schema=EVENTS)


def with_column(name: str, values: pa.Array) -> pa.Table:
    table = events(*[{}] * len(values))
    return table.set_column(table.schema.get_field_index(name), name, values)


def read(file: Path) -> pa.Table:
    return pa.concat_tables([EVENTS.empty_table(), *read_events([file])])


def write_parquet(folder: Path, table: pa.Table) -> Path:
    pq.write_table(table, folder / "a.parquet")
    return folder / "a.parquet"


def write_csv(folder: Path, table: pa.Table) -> Path:
    pyarrow.csv.write_csv(table, folder / "a.csv")
    return folder / "a.csv"


def write_text(folder: Path, text: str, encoding: str = "utf-8") -> Path:
    (folder / "a.csv").write_text(text, encoding=encoding, newline="")
    return folder / "a.csv"


def csv_row(**cells: str) -> str:
    return ",".join(cells.get(name, str(value)) for name, value in ROW.items()) + "\n"
