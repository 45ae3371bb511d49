"""A shop's own log in a PostgreSQL database, read with ADBC."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import parse_qs, urlsplit

import pyarrow as pa
from pydantic import Field

from q2pt_tasks.params import Section
from q2pt_tasks.sources.error_text import first_line, said, said_of_rows
from q2pt_tasks.sources.landed_tables import Asked, Landed, land_tables
from q2pt_tasks.sources.manifest import SourceError, Window

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


def land(params: DatabaseParams, root: Path, asked: Asked) -> Landed:
    """Leaves the log as files in `params.landing`, as of one moment.

    Raises:
        SourceError: the database cannot be read, or a table has other columns than it should.
    """
    with _cursor(params.address) as cursor:
        events, catalog = _Table(params.events, cursor), _Table(params.catalog, cursor)
        return land_tables(events, catalog, root, params.landing, asked)


@dataclass(frozen=True)
class _Table:
    """A table or view."""

    name: str
    cursor: Any  # of ADBC, which has no types

    def columns(self) -> list[str]:
        self.cursor.execute(f"SELECT * FROM {self._quoted} LIMIT 0")  # noqa: S608 - a table's name, see `TableName`
        return list(self.cursor.fetch_record_batch().schema.names)

    def newest_day(self, days: Window) -> date | None:
        with _readable(self.name):
            self.cursor.execute(f"SELECT max(event_date) FROM {self._quoted} WHERE {_within(days)}")  # noqa: S608
            newest: date | None = self.cursor.fetchone()[0]
        return newest.date() if isinstance(newest, datetime) else newest

    def read(self, columns: Sequence[str], days: Window | None) -> Iterator[pa.RecordBatch]:
        names = ", ".join(f'"{name}"' for name in columns)
        condition = f"{_within(days)} OR event_date IS NULL" if days else "TRUE"
        with _readable(self.name):
            self.cursor.execute(f"SELECT {names} FROM {self._quoted} WHERE {condition}")  # noqa: S608
            yield from self.cursor.fetch_record_batch()

    @property
    def _quoted(self) -> str:
        return ".".join(f'"{part}"' for part in self.name.split("."))


def _within(days: Window) -> str:
    after = days.last_day + timedelta(days=1)
    # Also right where the column has times of day, which are refused when they are read.
    return f"event_date >= DATE '{days.first_day}' AND event_date < DATE '{after}'"


@contextmanager
def _readable(name: str) -> Iterator[None]:
    import adbc_driver_manager

    try:
        yield
    except (adbc_driver_manager.Error, OSError, pa.ArrowException) as error:
        raise SourceError(
            f"the rows of the table {name} cannot be read ({type(error).__name__}: {said_of_rows(first_line(error))}): "
            "where it is a view, select from it in psql, which says which cell it cannot compute"
        ) from None


@contextmanager
def _cursor(address: str) -> Iterator[Any]:
    """All that it reads is of one moment."""
    try:
        import adbc_driver_manager
        import adbc_driver_postgresql.dbapi as postgresql
    except ImportError as error:
        raise SourceError(f"a database is read with ADBC ({error}): pip install 'q2pt[postgresql]'") from None
    check_address(address)
    try:
        with postgresql.connect(address) as connection, connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            yield cursor
    except adbc_driver_manager.Error as error:
        raise SourceError(
            f"the database {address} cannot be read ({said(first_line(error))}): check ingest.database, and that the "
            "password is in PGPASSWORD or in the file that PGPASSFILE names"
        ) from None


def check_address(address: str) -> None:
    """Params are committed: no password may stand there.

    Raises:
        SourceError: one does, or it is no address of a PostgreSQL database.
    """
    try:
        parts = urlsplit(address)
        # Where an @ stands further on, a password with / or # before it looks like the place.
        is_odd = "@" in address.partition("://")[2].removeprefix(parts.netloc)
        names = parse_qs(parts.query).keys()
        is_secret = is_odd or parts.password is not None or bool(names & {"password", "sslpassword"})
    except ValueError:
        raise SourceError(
            "ingest.database.address is no URL, or has a user or a password with signs of a URL in it: correct it"
        ) from None
    if parts.scheme not in ("postgresql", "postgres"):
        raise SourceError(f"ingest.database.address begins with {parts.scheme!r}: postgresql:// is what can be read")
    if is_secret:
        raise SourceError("ingest.database.address holds a password: take it out and set PGPASSWORD")
