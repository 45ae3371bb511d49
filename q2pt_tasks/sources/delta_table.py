"""A table of Delta Lake, read with delta-rs: its own reader knows deletion vectors and renamed columns."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from typing import Any

import pyarrow as pa

from q2pt_tasks.sources.bucket import endpoint
from q2pt_tasks.sources.error_text import said, said_of_rows
from q2pt_tasks.sources.landed_tables import newest_day_in
from q2pt_tasks.sources.manifest import SourceError, Window

_DAY = "event_date"


@dataclass(frozen=True)
class DeltaTable:
    """One version of a table."""

    name: str
    table: Any  # of deltalake, an extra that may be missing where types are checked

    @property
    def version(self) -> int:
        return int(self.table.version())

    def columns(self) -> list[str]:
        return list(self._schema().names)

    def newest_day(self, days: Window) -> date | None:
        self._check_day()
        return newest_day_in(self._scan([_DAY], _within(days)))

    def read(self, columns: Sequence[str], days: Window | None) -> Iterator[pa.RecordBatch]:
        if days is None:
            return self._scan(columns, None)
        self._check_day()
        return self._scan(columns, f"{_within(days)} OR {_DAY} IS NULL")

    def _scan(self, columns: Sequence[str], predicate: str | None) -> Iterator[pa.RecordBatch]:
        with _readable(self.name):
            scan = self.table.scan(columns=list(columns), predicate=predicate)
            yield from pa.RecordBatchReader.from_stream(scan)

    def _schema(self) -> pa.Schema:
        with _readable(self.name):
            return pa.schema(self.table.schema().to_arrow())

    def _check_day(self) -> None:
        found = self._schema().field(_DAY).type
        if not pa.types.is_date(found):
            raise SourceError(f"{self.name}: the column '{_DAY}' is {found}: write it as date")


def _within(days: Window) -> str:
    return f"{_DAY} BETWEEN DATE '{days.first_day}' AND DATE '{days.last_day}'"


def open_delta(name: str, location: str, version: int | None) -> DeltaTable:
    """The table at `location`, a folder or a URL, as of `version`, by default the newest.

    Raises:
        SourceError: there is none, or no such version.
    """
    try:
        import deltalake
    except ImportError as error:
        raise SourceError(f"a Delta table is read with delta-rs ({error}): pip install 'q2pt[delta]'") from None
    with _readable(name):
        table = deltalake.DeltaTable(location, storage_options=_storage())
        newest = table.version()
        if version is not None and version <= newest:
            table.load_as_version(version)
    # delta-rs would look for a version to come until it has tried all numbers below.
    if version is not None and version > newest:
        raise SourceError(f"the Delta table {name} has no version {version}, the newest is {newest}: check ingest.lake")
    return DeltaTable(name, table)


def _storage() -> dict[str, str]:
    """A store of one's own; delta-rs wants to be told where it has no TLS."""
    own = endpoint()
    return {"AWS_ENDPOINT_URL": own, "AWS_ALLOW_HTTP": str(own.startswith("http://")).lower()} if own else {}


@contextmanager
def _readable(name: str) -> Iterator[None]:
    from deltalake.exceptions import DeltaError, TableNotFoundError

    try:
        yield
    except (DeltaError, OSError, pa.ArrowException) as error:
        shown = said(str(error)) if isinstance(error, TableNotFoundError) else said_of_rows(str(error))
        raise SourceError(
            f"the Delta table {name} cannot be read ({type(error).__name__}: {shown}): check ingest.lake; where it is "
            "on S3, the credentials and AWS_REGION"
        ) from None
