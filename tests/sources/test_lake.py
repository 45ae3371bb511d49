"""Logs in real tables of Delta Lake and Apache Iceberg: landed by `resolve`, read by `ingest`."""

import datetime
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from s3_service import s3_bucket

from q2pt_tasks.data.schema import CATALOG, EVENTS
from q2pt_tasks.layout import Layout, catalog_file, day_file
from q2pt_tasks.params_edit import edit_params
from q2pt_tasks.sources.delta_table import open_delta
from q2pt_tasks.sources.iceberg_table import open_iceberg
from q2pt_tasks.sources.landed_tables import Table
from q2pt_tasks.sources.manifest import SourceError, Window, read_manifest
from q2pt_tasks.sources.resolve import resolve
from q2pt_tasks.stages import ingest

TODAY = datetime.date(2026, 7, 1)
NEWEST = datetime.date(2026, 6, 30)


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
        from pyiceberg.utils.config import Config

        folder.mkdir()
        settings = {
            "TYPE": "sql",
            "URI": f"sqlite:///{folder}/catalog.db",
            "WAREHOUSE": warehouse or f"file://{folder}",
        }
        for key, value in settings.items():
            monkeypatch.setenv(f"PYICEBERG_CATALOG__DEFAULT__{key}", value)
        # It reads its settings when it is imported.
        monkeypatch.setattr("pyiceberg.catalog._ENV_CONFIG", Config())
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
        with self.house.load_table(self.events).update_schema() as update:
            update.delete_column(column)


@pytest.fixture(params=["delta", "iceberg"])
def lake(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lake:
    """Four days of twenty queries, in two commits, and a catalog."""
    library = {"delta": "deltalake", "iceberg": "pyiceberg"}[request.param]
    pytest.importorskip(library, reason="make lakes")
    lake: Lake = Delta(tmp_path / "lake") if request.param == "delta" else Iceberg(tmp_path / "lake", monkeypatch)
    first, *others = (NEWEST - datetime.timedelta(days=number) for number in range(4))
    lake.write(lake.events, rows_of(first))
    odd = [event(None, "dateless", impressions=None), event(TODAY, "of today")]
    later = [rows_of(day) for day in others] + [as_events(odd)]
    lake.write(lake.events, pa.concat_tables(later))
    catalog = [("p1", "en-GB", "SHOES"), ("p2", "en-GB", "BOOTS")]
    products = pa.Table.from_pylist([dict(zip(CATALOG.names, row, strict=True)) for row in catalog], CATALOG)
    lake.write(lake.catalog, products.append_column("brand", pa.array(["Acme", None])))
    return lake


@pytest.fixture
def shop(lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Layout:
    monkeypatch.delenv("Q2PT_STATE_DIR", raising=False)
    layout = Layout(tmp_path)
    shutil.copy("params.yaml", layout.params)
    changes = {
        "locales": ["en-GB"],
        "ingest.source": "lake",
        "ingest.window_days": 3,
        "ingest.lake.format": lake.name,
        "ingest.lake.events": lake.events,
        "ingest.lake.catalog": lake.catalog,
        "ingest.lake.landing": "landing",
    }
    edit_params(layout.params, changes)
    return layout


def event(day: datetime.date | None, query: str, **others: object) -> dict[str, object]:
    counts = {"impressions": 9, "clicks": 3, "carts": 1, "purchases": 0}
    return {"event_date": day, "locale": "en-GB", "query": query, "product_id": "p1", **counts, "shop": "x", **others}


def as_events(rows: Sequence[dict[str, object]]) -> pa.Table:
    # As such tables are written: counts of 32 bits, and a column of their own.
    kinds = [pa.field(each.name, pa.int32() if each.type == pa.int64() else each.type) for each in EVENTS]
    return pa.Table.from_pylist(rows, pa.schema([*kinds, pa.field("shop", pa.string())]))


def rows_of(day: datetime.date, clicks: int = 3) -> pa.Table:
    return as_events([event(day, f"straße {number}", clicks=clicks) for number in range(20)])


def landed(layout: Layout) -> list[str]:
    return [file.path for file in read_manifest(layout.source_manifest).files]


def read_day(layout: Layout, day: object) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pq.ParquetFile(day_file(layout.raw, day)).read().to_pylist()
    return rows


def test_the_days_of_the_window_come_as_they_are(shop: Layout, lake: Lake) -> None:
    said = resolve(shop, TODAY)
    assert "Source lake, 5 files" in said
    assert f"events as of version {lake.version()}; the window's last day is 2026-06-30, 1 day before today" in said
    assert read_manifest(shop.source_manifest).versions["events"] == lake.version()
    report = ingest.main(shop)
    assert (report.days, report.rows, report.rows_without_date, report.products) == (3, 61, 1, 2)
    assert read_day(shop, None)[0]["impressions"] is None
    newest = read_day(shop, NEWEST)
    assert [row["query"] for row in newest] == sorted(f"straße {number}" for number in range(20))
    assert newest[0] == {name: event(NEWEST, "straße 0")[name] for name in EVENTS.names}
    assert json.loads(shop.brands.read_text()) == ["acme"]
    assert pq.read_table(catalog_file(shop.raw))["product_type"].to_pylist() == ["SHOES", "BOOTS"]


def test_a_corrected_day_is_another_file_and_the_others_are_the_same(shop: Layout, lake: Lake) -> None:
    resolve(shop, TODAY)
    before, version = landed(shop), lake.version()
    lake.replace_day(rows_of(NEWEST, clicks=4), NEWEST)
    resolve(shop, TODAY)
    (corrected,) = set(landed(shop)) - set(before)
    assert set(pq.ParquetFile(shop.root / corrected).read()["clicks"].to_pylist()) == {4}
    # As it was: an earlier night's files, and the table as that night read it.
    assert all((shop.root / path).is_file() for path in before)
    edit_params(shop.params, {"ingest.lake.events_version": version})
    shutil.rmtree(shop.root / "landing")
    resolve(shop, TODAY)
    assert landed(shop) == before


def test_rows_that_were_deleted_do_not_come(shop: Layout, lake: Lake) -> None:
    lake.delete("straße 7")
    resolve(shop, TODAY)
    ingest.main(shop)
    queries = {row["query"] for row in read_day(shop, NEWEST)}
    assert len(queries) == 19
    assert "straße 7" not in queries


def test_a_dropped_column_is_named(shop: Layout, lake: Lake) -> None:
    lake.drop_column("clicks")
    with pytest.raises(SourceError, match=r"events: the column 'clicks' is missing; expected event_date, .*; add it"):
        resolve(shop, TODAY)


def test_a_day_that_is_no_date_is_named(shop: Layout, lake: Lake) -> None:
    rows = rows_of(NEWEST)
    moments = rows.set_column(0, "event_date", pc.cast(rows["event_date"], pa.timestamp("us")))
    other = lake.events.replace("events", "moments")
    lake.write(other, moments)
    edit_params(shop.params, {"ingest.lake.events": other})
    with pytest.raises(SourceError, match=r"moments: the column 'event_date' is timestamp.*: write it as date"):
        resolve(shop, TODAY)


def test_a_version_that_is_not_there_is_named(shop: Layout, lake: Lake) -> None:
    edit_params(shop.params, {"ingest.lake.events_version": 77})
    with pytest.raises(SourceError, match=rf"{lake.events} .*77.*check ingest\.lake"):
        resolve(shop, TODAY)


def test_a_table_that_is_not_there_is_named(shop: Layout, lake: Lake) -> None:
    edit_params(shop.params, {"ingest.lake.events": f"{lake.events}gone"})
    with pytest.raises(SourceError, match=rf"table {lake.events}gone cannot be read .*: "):
        resolve(shop, TODAY)


def test_an_object_that_is_gone_is_named(shop: Layout, lake: Lake, tmp_path: Path) -> None:
    for file in (tmp_path / "lake").rglob("*.parquet"):
        file.unlink()
    with pytest.raises(SourceError, match=rf"table {lake.events} cannot be read .*"):
        resolve(shop, TODAY)


def test_a_log_that_has_stopped_is_named(shop: Layout) -> None:
    edit_params(shop.params, {"ingest.lake.max_age_days": 2})
    with pytest.raises(SourceError, match=r"events has stopped: .* and ingest\.lake\.max_age_days is 2"):
        resolve(shop, datetime.date(2026, 7, 9))


def test_a_metadata_file_or_a_folder_with_a_hint_is_an_iceberg_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("pyiceberg", reason="make lakes")
    lake = Iceberg(tmp_path / "lake", monkeypatch)
    lake.write(lake.events, rows_of(NEWEST))
    metadata = Path(lake.house.load_table(lake.events).metadata_location.removeprefix("file://"))
    folder = str(metadata.parent.parent)
    assert open_iceberg("a/file", str(metadata), None).newest_day(TODAY) == NEWEST
    with pytest.raises(
        SourceError, match=r"table a/folder cannot be read .*: give a folder with metadata/version-hint"
    ):
        open_iceberg("a/folder", folder, None)
    (metadata.parent / "version-hint.text").write_text(metadata.name)
    assert open_iceberg("a/folder", folder, None).newest_day(TODAY) == NEWEST


@pytest.mark.slow
@pytest.mark.enable_socket
@pytest.mark.parametrize("variable", ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"])
@pytest.mark.parametrize("name", ["delta", "iceberg"])
def test_tables_on_s3_are_read_with_the_environments_credentials(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, variable: str
) -> None:
    with s3_bucket("lake") as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        if name == "delta":
            deltalake = pytest.importorskip("deltalake", reason="make lakes")
            for key, value in {"AWS_ALLOW_HTTP": "true", "AWS_S3_ALLOW_UNSAFE_RENAME": "true"}.items():
                monkeypatch.setenv(key, value)
            deltalake.write_deltalake("s3://lake/events", rows_of(NEWEST))
            monkeypatch.delenv("AWS_ALLOW_HTTP")
            monkeypatch.delenv("AWS_ENDPOINT_URL")
            monkeypatch.setenv(variable, url)
            table: Table = open_delta("s3://lake/events", "s3://lake/events", None)
        else:
            pytest.importorskip("pyiceberg", reason="make lakes")
            monkeypatch.setenv("PYICEBERG_CATALOG__DEFAULT__S3__ENDPOINT", url)
            lake = Iceberg(tmp_path / "lake", monkeypatch, "s3://lake")
            lake.write(lake.events, rows_of(NEWEST))
            location = lake.house.load_table(lake.events).metadata_location
            monkeypatch.delenv("AWS_ENDPOINT_URL")
            monkeypatch.setenv(variable, url)
            table = open_iceberg(location, location, None)
        assert table.newest_day(TODAY) == NEWEST
        assert sum(len(batch) for batch in table.read(EVENTS.names, Window(NEWEST, NEWEST))) == 20
