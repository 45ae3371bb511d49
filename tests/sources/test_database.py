"""A log in a real PostgreSQL: landed by `resolve`, the same files for the same rows, and read by `ingest`."""

import datetime
import json
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from postgresql import postgresql, program_folders

from q2pt_tasks.data.schema import EVENTS
from q2pt_tasks.layout import Layout, catalog_file, day_file
from q2pt_tasks.params_edit import edit_params
from q2pt_tasks.sources.manifest import SourceError, read_manifest
from q2pt_tasks.sources.resolve import resolve
from q2pt_tasks.stages import ingest

adbc = pytest.importorskip("adbc_driver_postgresql.dbapi", reason="pip install 'q2pt[postgresql]'")
pytestmark = pytest.mark.skipif(not program_folders(), reason="not installed: apt-get install postgresql")

TODAY = datetime.date(2026, 7, 1)
TABLES = """
CREATE SCHEMA log;
CREATE TABLE log.events (event_date date, locale text, query varchar(200), product_id text, impressions int,
    clicks bigint, carts smallint, purchases bigint, shop text);
CREATE TABLE log.catalog (product_id text, locale text, product_type text, brand text);
INSERT INTO log.catalog VALUES ('p1', 'en-GB', 'SHOES', 'Acme'), ('p2', 'en-GB', 'BOOTS', NULL);
INSERT INTO log.events SELECT DATE '2026-06-30' - day, 'en-GB', 'straße ' || number, 'p1', 9, 3, 1, 0, 'x'
    FROM generate_series(0, 3) AS day, generate_series(1, 20) AS number;
INSERT INTO log.events VALUES (NULL, 'en-GB', 'dateless', 'p1', NULL, 3, 1, 0, 'x'),
    ('2026-07-01', 'en-GB', 'of today', 'p1', 9, 3, 1, 0, 'x');
"""


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with postgresql() as address:
        yield address


@pytest.fixture
def shop(server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Layout:
    """A shop whose tables are new, and params that read them."""
    monkeypatch.setenv("PGPASSWORD", "secret")
    monkeypatch.delenv("Q2PT_STATE_DIR", raising=False)
    run_sql(server, f"DROP SCHEMA IF EXISTS log CASCADE; {TABLES}")
    layout = Layout(tmp_path)
    shutil.copy("params.yaml", layout.params)
    changes = {
        "locales": ["en-GB"],
        "ingest.source": "database",
        "ingest.window_days": 3,
        "ingest.database.address": server,
        "ingest.database.events": "log.events",
        "ingest.database.catalog": "log.catalog",
        "ingest.database.landing": "landing",
    }
    edit_params(layout.params, changes)
    return layout


def run_sql(address: str, text: str) -> None:
    with adbc.connect(address) as connection, connection.cursor() as cursor:
        for statement in filter(str.strip, text.split(";")):
            cursor.execute(statement)
        connection.commit()


def rows_of(layout: Layout, day: object) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pq.ParquetFile(day_file(layout.raw, day)).read().to_pylist()
    return rows


def landed(layout: Layout) -> list[str]:
    return [file.path for file in read_manifest(layout.source_manifest).files]


def test_the_days_of_the_window_come_as_they_are(shop: Layout) -> None:
    assert "Source database, 5 files" in resolve(shop, TODAY)
    assert read_manifest(shop.source_manifest).last_day == datetime.date(2026, 6, 30)
    report = ingest.main(shop)
    assert (report.days, report.rows, report.rows_without_date, report.products) == (3, 61, 1, 2)
    assert rows_of(shop, None)[0]["impressions"] is None
    newest = rows_of(shop, "2026-06-30")
    assert [row["query"] for row in newest] == sorted(f"straße {number}" for number in range(1, 21))
    assert newest[0] == {
        "event_date": datetime.date(2026, 6, 30),
        "locale": "en-GB",
        "query": "straße 1",
        "product_id": "p1",
        "impressions": 9,
        "clicks": 3,
        "carts": 1,
        "purchases": 0,
    }
    assert json.loads(shop.brands.read_text()) == ["acme"]
    assert pq.read_table(catalog_file(shop.raw))["product_type"].to_pylist() == ["SHOES", "BOOTS"]


def test_rows_in_another_order_are_the_same_files_and_a_corrected_day_is_another(shop: Layout, server: str) -> None:
    resolve(shop, TODAY)
    first = landed(shop)
    run_sql(server, "CREATE TABLE log.copy AS SELECT * FROM log.events ORDER BY random(); DROP TABLE log.events")
    run_sql(server, "ALTER TABLE log.copy RENAME TO events")
    resolve(shop, TODAY)
    assert landed(shop) == first
    run_sql(server, "UPDATE log.events SET clicks = 4 WHERE event_date = DATE '2026-06-29'")
    resolve(shop, TODAY)
    (corrected,) = set(landed(shop)) - set(first)
    assert {row["clicks"] for row in pq.ParquetFile(shop.root / corrected).read().to_pylist()} == {4}
    # What an earlier run's manifest names is still there.
    assert all((shop.root / path).is_file() for path in first)


def test_what_no_night_has_used_for_a_week_is_removed(shop: Layout, server: str) -> None:
    resolve(shop, TODAY)
    folder, before = shop.root / "landing", set(landed(shop))
    other = folder / "notes.txt"
    for file in [*folder.iterdir(), other]:
        file.touch()
        os.utime(file, (time.time() - 8 * 86400,) * 2)
    run_sql(server, "UPDATE log.events SET clicks = 4 WHERE event_date = DATE '2026-06-29'")
    resolve(shop, TODAY)
    assert {f"landing/{file.name}" for file in folder.iterdir()} == {*landed(shop), "landing/notes.txt"}
    assert before - set(landed(shop))


def test_an_empty_table_and_one_that_has_stopped_are_named(shop: Layout, server: str) -> None:
    edit_params(shop.params, {"ingest.database.max_age_days": 2})
    with pytest.raises(
        SourceError, match=r"log\.events has stopped: its newest day is 2026-07-01, 3 days before today"
    ):
        resolve(shop, datetime.date(2026, 7, 4))
    run_sql(server, "DELETE FROM log.events")
    with pytest.raises(SourceError, match=r"log\.events holds no event dated before today"):
        resolve(shop, TODAY)


def test_a_column_that_is_missing_or_cannot_be_converted_is_named_with_its_table(shop: Layout, server: str) -> None:
    run_sql(server, "ALTER TABLE log.events ALTER COLUMN event_date TYPE timestamp USING event_date + time '10:30'")
    with pytest.raises(SourceError, match=r"log\.events: the column 'event_date' .* which is not a date"):
        resolve(shop, TODAY)
    run_sql(server, "ALTER TABLE log.events RENAME COLUMN clicks TO click")
    with pytest.raises(SourceError, match=r"log\.events: the column 'clicks' is missing; .*'click' looks like it"):
        resolve(shop, TODAY)


@pytest.mark.parametrize("column", ["impressions", "event_date"])
def test_a_cell_that_a_view_cannot_cast_is_not_repeated(shop: Layout, server: str, column: str) -> None:
    kind = {"impressions": "int", "event_date": "date"}[column]
    columns = ", ".join(f"query::{kind} AS {name}" if name == column else name for name in EVENTS.names)
    run_sql(server, f"CREATE VIEW log.cast_it AS SELECT {columns} FROM log.events")  # noqa: S608 - names of ours
    edit_params(shop.params, {"ingest.database.events": "log.cast_it"})
    with pytest.raises(
        SourceError,
        match=r"rows of the table log\.cast_it cannot be read \(\w+: .*invalid input syntax for type \w+: …\)",
    ) as refused:
        resolve(shop, TODAY)
    assert "straße" not in str(refused.value)


def test_a_column_of_numeric_is_named_with_its_type(shop: Layout, server: str) -> None:
    run_sql(server, "ALTER TABLE log.events ALTER COLUMN clicks TYPE numeric(10, 0)")
    with pytest.raises(SourceError, match=r"'clicks' is .*numeric.*, which is not a whole number: write the column"):
        resolve(shop, TODAY)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"events": "log.nothing"}, r"cannot be read .*nothing.* check ingest\.database"),
        ({"address": "postgresql://shop:secret@/postgres"}, "holds a password: take it out and set PGPASSWORD"),
        ({"address": "postgresql://shop@/postgres?password=secret"}, "holds a password"),
        ({"address": "postgresql://[shop/shop"}, "is no URL, .*: correct it"),
        ({"address": "postgresql://shop:se[secret]t@localhost/shop"}, "is no URL, .*: correct it"),
        ({"address": "postgresql://shop:secret℀@localhost/shop"}, "is no URL, .*: correct it"),
        ({"address": "postgresql://shop:12/secret@localhost/shop"}, "holds a password"),
        ({"address": "postgresql://shop:pa#secret@localhost/shop"}, "holds a password"),
        ({"address": "mysql://shop@localhost/shop"}, "begins with 'mysql': postgresql:// is what can be read"),
    ],
)
def test_what_cannot_be_read_is_said_without_the_password(shop: Layout, change: dict[str, object], said: str) -> None:
    edit_params(shop.params, {f"ingest.database.{key}": value for key, value in change.items()})
    with pytest.raises(SourceError, match=said) as refused:
        resolve(shop, TODAY)
    assert "secret" not in str(refused.value)


def test_a_wrong_password_is_said(shop: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPASSWORD", "wrong")
    with pytest.raises(SourceError, match=r"password authentication failed.* in PGPASSWORD or in the file"):
        resolve(shop, TODAY)
    assert not (shop.root / "landing").exists()
