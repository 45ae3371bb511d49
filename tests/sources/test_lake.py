"""Logs in real tables of Delta Lake and Apache Iceberg: landed by `resolve`, read by `ingest`."""

import datetime
import json
import shutil
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from lake_tables import MONTH, NEWEST, TODAY, Delta, Iceberg, Lake, as_events, event, rows_of, use_settings
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
    before = landed(shop)
    lake.replace_day(rows_of(NEWEST, clicks=4), NEWEST)
    resolve(shop, TODAY)
    (corrected,) = set(landed(shop)) - set(before)
    assert set(pq.ParquetFile(shop.root / corrected).read()["clicks"].to_pylist()) == {4}
    # An earlier night's files are as they were.
    assert all((shop.root / path).is_file() for path in before)


def test_an_earlier_night_is_read_again_by_its_versions_and_its_last_day(shop: Layout, lake: Lake) -> None:
    resolve(shop, TODAY)
    night = read_manifest(shop.source_manifest)
    lake.replace_day(rows_of(NEWEST, clicks=4), NEWEST)
    later = datetime.date(2026, 7, 9)
    lake.write(lake.events, rows_of(later))
    again = {f"ingest.lake.{table}_version": version for table, version in night.versions.items()}
    shutil.rmtree(shop.root / "landing")
    # What was in progress that night is over by now: without its last day the window would be another.
    edit_params(shop.params, again)
    resolve(shop, later)
    assert read_manifest(shop.source_manifest).last_day == TODAY
    edit_params(shop.params, {"ingest.last_day": str(night.last_day)})
    resolve(shop, later)
    assert read_manifest(shop.source_manifest) == night


def test_a_day_older_than_a_month_is_found(shop: Layout) -> None:
    assert "2026-07-01, 184 days before today" in resolve(shop, datetime.date(2027, 1, 1))


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


@pytest.mark.timeout(60)
@pytest.mark.parametrize("version", [77, 10**18, 2**70])
def test_a_version_that_is_not_there_is_named(shop: Layout, lake: Lake, version: int) -> None:
    edit_params(shop.params, {"ingest.lake.events_version": version})
    with pytest.raises(SourceError, match=rf"{lake.events} has no .*{version}.*check ingest\.lake"):
        resolve(shop, TODAY)


def test_a_table_that_is_not_there_is_named(shop: Layout, lake: Lake) -> None:
    edit_params(shop.params, {"ingest.lake.events": f"{lake.events}gone"})
    with pytest.raises(SourceError, match=rf"table {lake.events}gone cannot be read .*: "):
        resolve(shop, TODAY)


def test_an_object_that_is_gone_is_named(shop: Layout, lake: Lake, tmp_path: Path) -> None:
    for file in (tmp_path / "lake").rglob("*.parquet"):
        file.unlink()
    with pytest.raises(SourceError, match=rf"table {lake.events} cannot be read .*credentials"):
        resolve(shop, TODAY)


def test_a_place_with_a_password_is_refused(shop: Layout) -> None:
    for table in ("events", "catalog"):
        edit_params(shop.params, {f"ingest.lake.{table}": "s3://key:s3cret@lake/table"})
        with pytest.raises(SourceError, match=rf"ingest\.lake\.{table} is an address with") as refused:
            resolve(shop, TODAY)
        assert "s3cret" not in str(refused.value)
        edit_params(shop.params, {f"ingest.lake.{table}": "data/lake"})


def test_a_log_that_has_stopped_is_named(shop: Layout) -> None:
    edit_params(shop.params, {"ingest.lake.max_age_days": 2})
    with pytest.raises(SourceError, match=r"events has stopped: .* and ingest\.lake\.max_age_days is 2"):
        resolve(shop, datetime.date(2026, 7, 9))


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
            tables: list[Table] = [open_delta("s3://lake/events", "s3://lake/events", None)]
        else:
            pytest.importorskip("pyiceberg", reason="make lakes")
            use_settings(monkeypatch, {"S3__ENDPOINT": url})
            lake = Iceberg(tmp_path / "lake", monkeypatch, "s3://lake")
            lake.write(lake.events, rows_of(NEWEST))
            location = lake.house.load_table(lake.events).metadata_location
            monkeypatch.delenv("PYICEBERG_CATALOG__DEFAULT__S3__ENDPOINT")
            use_settings(monkeypatch, {})
            monkeypatch.delenv("AWS_ENDPOINT_URL")
            monkeypatch.setenv(variable, url)
            tables = [open_iceberg(place, place, None) for place in (location, lake.events)]
        for table in tables:
            assert table.newest_day(MONTH) == NEWEST
            assert sum(len(batch) for batch in table.read(EVENTS.names, Window(NEWEST, NEWEST))) == 20
