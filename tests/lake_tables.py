"""Lake houses as tests write them: real tables of Delta Lake and Apache Iceberg."""

import datetime
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from q2pt_tasks.data.schema import EVENTS
from q2pt_tasks.sources.manifest import Window

TODAY = datetime.date(2026, 7, 1)
NEWEST = datetime.date(2026, 6, 30)
MONTH = Window(datetime.date(2026, 6, 1), NEWEST)
# As the format has it, which says where its parts are: the second row of a file, by itself.
DELETED_SECOND_ROW = {
    "storageType": "i",
    "pathOrInlineDv": "^Bg9^0rr910000000000iXQKl0rr91000005c8Xg0rr91",
    "sizeInBytes": 36,
    "cardinality": 1,
}


class Lake(Protocol):
    """A lake house in a folder, as the tests write to it."""

    name: str
    events: str
    catalog: str

    def write(self, table: str, rows: pa.Table) -> None: ...
    def replace_day(self, rows: pa.Table, day: datetime.date) -> None: ...
    def delete(self, query: str) -> None: ...
    def version(self) -> int: ...
    def drop_column(self, column: str) -> None: ...


class Delta:
    name = "delta"

    def __init__(self, folder: Path) -> None:
        self.events, self.catalog = str(folder / "events"), str(folder / "catalog")

    def write(self, table: str, rows: pa.Table) -> None:
        import deltalake

        parts = ["event_date"] if table == self.events else None
        deltalake.write_deltalake(table, rows, mode="append", partition_by=parts)

    def replace_day(self, rows: pa.Table, day: datetime.date) -> None:
        import deltalake

        deltalake.write_deltalake(self.events, rows, mode="overwrite", predicate=f"event_date = '{day}'")

    def delete(self, query: str) -> None:
        import deltalake

        deltalake.DeltaTable(self.events).delete(f"query = '{query}'")

    def version(self) -> int:
        import deltalake

        return int(deltalake.DeltaTable(self.events).version())

    def drop_column(self, column: str) -> None:
        import deltalake

        rows = pa.table(deltalake.DeltaTable(self.events).to_pyarrow_table()).drop_columns([column])
        deltalake.write_deltalake(self.events, rows, mode="overwrite", schema_mode="overwrite")


class Iceberg:
    """Tables of a catalog in SQLite, which PyIceberg's settings name."""

    name = "iceberg"
    events, catalog = "shop.events", "shop.catalog"

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, warehouse: str = "") -> None:
        from pyiceberg.catalog import load_catalog

        folder.mkdir()
        settings = {
            "TYPE": "sql",
            "URI": f"sqlite:///{folder}/catalog.db",
            "WAREHOUSE": warehouse or f"file://{folder}",
        }
        use_settings(monkeypatch, settings)
        self.house = load_catalog()
        self.house.create_namespace("shop")

    def write(self, table: str, rows: pa.Table) -> None:
        self.house.create_table_if_not_exists(table, rows.schema).append(rows)

    def replace_day(self, rows: pa.Table, day: datetime.date) -> None:
        self.house.load_table(self.events).overwrite(rows, overwrite_filter=f"event_date = '{day}'")

    def delete(self, query: str) -> None:
        self.house.load_table(self.events).delete(f"query = '{query}'")

    def version(self) -> int:
        snapshot = self.house.load_table(self.events).current_snapshot()
        assert snapshot is not None
        return int(snapshot.snapshot_id)

    def drop_column(self, column: str) -> None:
        with self.change() as update:
            update.delete_column(column)
        # Until somebody writes again the newest snapshot has it.
        self.house.load_table(self.events).append(rows_of(NEWEST).drop_columns([column]))

    def change(self) -> Any:  # noqa: ANN401 - of PyIceberg, which may be missing
        return self.house.load_table(self.events).update_schema()


def use_settings(monkeypatch: pytest.MonkeyPatch, settings: dict[str, str]) -> None:
    """PyIceberg's own, of its catalog."""
    from pyiceberg.utils.config import Config

    for key, value in settings.items():
        monkeypatch.setenv(f"PYICEBERG_CATALOG__DEFAULT__{key}", value)
    # It reads them when it is imported.
    monkeypatch.setattr("pyiceberg.catalog._ENV_CONFIG", Config())


def write_delta(
    folder: Path,
    rows: pa.Table,
    fields: dict[str, dict[str, Any]],
    partition: dict[str, str] | None = None,
    deleted: dict[str, Any] | None = None,
) -> None:
    """A table as other writers than delta-rs leave it: one file, with columns of other names or types, or a vector."""
    (folder / "_delta_log").mkdir(parents=True)
    pq.write_table(rows, folder / "part.parquet")
    schema = {"type": "struct", "fields": [{"name": name, **field} for name, field in fields.items()]}
    features = ["columnMapping", "deletionVectors"]
    file = {
        "path": "part.parquet",
        "size": (folder / "part.parquet").stat().st_size,
        "partitionValues": partition or {},
    }
    about = {
        "id": "00000000-0000-4000-8000-000000000000",
        "format": {"provider": "parquet", "options": {}},
        "schemaString": json.dumps(schema),
        "partitionColumns": sorted(partition or {}),
        "configuration": {"delta.columnMapping.mode": "name"} if deleted else {},
    }
    actions = [
        {
            "protocol": {
                "minReaderVersion": 3,
                "minWriterVersion": 7,
                "readerFeatures": features,
                "writerFeatures": features,
            }
        },
        {"metaData": about},
        {
            "add": {
                **file,
                "modificationTime": 0,
                "dataChange": True,
                **({"deletionVector": deleted} if deleted else {}),
            }
        },
    ]
    log = "\n".join(json.dumps(action) for action in actions)
    (folder / "_delta_log/00000000000000000000.json").write_text(log)


def event(day: datetime.date | None, query: str, **others: object) -> dict[str, object]:
    counts = {"impressions": 9, "clicks": 3, "carts": 1, "purchases": 0}
    return {"event_date": day, "locale": "en-GB", "query": query, "product_id": "p1", **counts, "shop": "x", **others}


def as_events(rows: Sequence[dict[str, object]]) -> pa.Table:
    # As such tables are written: counts of 32 bits, and a column of their own.
    kinds = [pa.field(each.name, pa.int32() if each.type == pa.int64() else each.type) for each in EVENTS]
    return pa.Table.from_pylist(rows, pa.schema([*kinds, pa.field("shop", pa.string())]))


def rows_of(day: datetime.date, clicks: int = 3) -> pa.Table:
    return as_events([event(day, f"straße {number}", clicks=clicks) for number in range(20)])
