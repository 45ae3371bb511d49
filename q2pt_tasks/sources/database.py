"""A shop's own log in a PostgreSQL database. `resolve` lands the window's days as files, the stages read only those.

Tables change while a run is under way, and a run that is repeated must find the same rows: so each day is written
once, sorted, to a file named by its hash. A day that has not changed is the same file every night.
"""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import parse_qs, urlsplit

import pyarrow as pa
from pydantic import Field

from q2pt_tasks.data.schema import CATALOG
from q2pt_tasks.engine.opening import open_engine
from q2pt_tasks.engine.tables import write_table
from q2pt_tasks.layout import catalog_file, day_files
from q2pt_tasks.memo import NOTHING, md5_of
from q2pt_tasks.params import Section
from q2pt_tasks.sources.conversion import converted, from_typed
from q2pt_tasks.sources.csv_file import first_line
from q2pt_tasks.sources.days import write_days
from q2pt_tasks.sources.events import BRAND, check_columns
from q2pt_tasks.sources.landing import land_file, landing_folder, sweep
from q2pt_tasks.sources.manifest import SourceError, Window, window
from q2pt_tasks.sources.parts import Part

TableName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)?$")]


class DatabaseParams(Section):
    """Where the two tables are.

    Attributes:
        address: a URL of libpq's, such as `postgresql://reader@db.example.org/shop`, without a password.
        events: the table or view with the columns of `EVENTS`.
        catalog: the table or view with the columns of `CATALOG`.
        landing: the folder where `resolve` leaves what it read, and `ingest` finds it.
        max_age_days: days before today from which on the newest day is too old.
    """

    address: Annotated[str, Field(min_length=1)]
    events: TableName
    catalog: TableName
    landing: Annotated[str, Field(min_length=1)]
    max_age_days: Annotated[int, Field(ge=1)] | None = None


@dataclass(frozen=True)
class Asked:
    """What of the log is wanted.

    Attributes:
        columns: of the events.
        last_day: of the window; None: the newest day before today.
        today: the day that is still in progress.
        window_days: the window's length.
    """

    columns: pa.Schema
    last_day: date | None
    today: date
    window_days: int


@dataclass(frozen=True)
class Landed:
    """The window's last day, None where the table has no day before today; the files, the catalog's among them."""

    last_day: date | None
    files: tuple[Path, ...]


def land(params: DatabaseParams, root: Path, asked: Asked) -> Landed:
    """Writes the catalog, the window's days and the rows without a date to `params.landing`, all as of one moment.

    Landed files that no night has written again for a week are removed.

    Raises:
        SourceError: the database cannot be read, or a table has other columns than it should.
    """
    with _cursor(params.address) as cursor:
        last_day = asked.last_day or _newest_day(cursor, params.events, asked.today)
        if last_day is None:
            return Landed(None, ())
        folder = landing_folder(root, params.landing)
        with tempfile.TemporaryDirectory(dir=folder, prefix=".landing-") as name:
            unfinished = Path(name) / "log"
            _write_days(cursor, params.events, asked.columns, window(last_day, asked.window_days), unfinished)
            _write_catalog(cursor, params.catalog, catalog_file(unfinished))
            files = [
                land_file(file, folder / f"{md5_of(file)}-{file.name}")
                for file in (*day_files(unfinished), catalog_file(unfinished))
            ]
    sweep(folder)
    return Landed(last_day, tuple(files))


def _write_days(cursor: Any, table: str, columns: pa.Schema, days: Window, folder: Path) -> None:  # noqa: ANN401
    check_columns(table, _column_names(cursor, table), columns)
    after = days.last_day + timedelta(days=1)
    # Also right where the column has times of day, which are refused with their value when they are read.
    inside = f"event_date >= DATE '{days.first_day}' AND event_date < DATE '{after}' OR event_date IS NULL"
    log = Part(lambda: _select(cursor, table, columns, inside))
    write_days([log], columns, days, folder, open_engine(), NOTHING)


def _write_catalog(cursor: Any, table: str, file: Path) -> None:  # noqa: ANN401
    found = _column_names(cursor, table)
    check_columns(table, found, CATALOG)
    columns = CATALOG.append(pa.field(BRAND, pa.string())) if BRAND in found else CATALOG
    rows = pa.concat_tables([columns.empty_table(), *_select(cursor, table, columns, "TRUE")])
    write_table(rows.sort_by([(name, "ascending") for name in columns.names]), file)


@contextmanager
def _cursor(address: str) -> Iterator[Any]:
    """All that it reads is of one moment."""
    try:
        import adbc_driver_manager
        import adbc_driver_postgresql.dbapi as postgresql
    except ImportError as error:
        raise SourceError(f"a database is read with ADBC ({error}): pip install 'q2pt[postgresql]'") from None
    _check_address(address)
    try:
        with postgresql.connect(address) as connection, connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            yield cursor
    except adbc_driver_manager.Error as error:
        raise SourceError(
            f"the database {address} cannot be read ({first_line(error)}): check ingest.database, and that the "
            "password is in PGPASSWORD or in the file that PGPASSFILE names"
        ) from None


def _check_address(address: str) -> None:
    """Params are committed: no password may stand there."""
    parts = urlsplit(address)
    if parts.scheme not in ("postgresql", "postgres"):
        raise SourceError(f"ingest.database.address begins with {parts.scheme!r}: postgresql:// is what can be read")
    if parts.password is not None or parse_qs(parts.query).keys() & {"password", "sslpassword"}:
        raise SourceError("ingest.database.address holds a password: take it out and set PGPASSWORD")


def _newest_day(cursor: Any, table: str, today: date) -> date | None:  # noqa: ANN401
    cursor.execute(f"SELECT max(event_date) FROM {_quoted(table)} WHERE event_date < DATE '{today}'")  # noqa: S608
    newest: date | None = cursor.fetchone()[0]
    return newest.date() if isinstance(newest, datetime) else newest


def _column_names(cursor: Any, table: str) -> list[str]:  # noqa: ANN401
    cursor.execute(f"SELECT * FROM {_quoted(table)} LIMIT 0")  # noqa: S608 - a table's name, see `TableName`
    return list(cursor.fetch_record_batch().schema.names)


def _select(cursor: Any, table: str, columns: pa.Schema, condition: str) -> Iterator[pa.Table]:  # noqa: ANN401
    names = ", ".join(f'"{name}"' for name in columns.names)
    cursor.execute(f"SELECT {names} FROM {_quoted(table)} WHERE {condition}")  # noqa: S608
    for batch in cursor.fetch_record_batch():
        arrays = [converted(batch.column(field.name), field, table, from_typed) for field in columns]
        yield pa.Table.from_arrays(arrays, schema=columns)


def _quoted(table: str) -> str:
    return ".".join(f'"{part}"' for part in table.split("."))
