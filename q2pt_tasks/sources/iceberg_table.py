"""A table of Apache Iceberg, read with PyIceberg."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from q2pt_tasks.sources.bucket import endpoint
from q2pt_tasks.sources.csv_file import first_line
from q2pt_tasks.sources.manifest import SourceError, Window

_DAY = "event_date"
_IN_CATALOG = re.compile(r"\w+(\.\w+)+")


@dataclass(frozen=True)
class IcebergTable:
    """A table as it was when it was opened, or as of an earlier snapshot, with the columns that it had then."""

    name: str
    table: Any  # of PyIceberg, an extra that may be missing where types are checked
    snapshot: int | None

    @property
    def version(self) -> int:
        snapshot = self.table.current_snapshot().snapshot_id if self.snapshot is None else self.snapshot
        return int(snapshot)

    def columns(self) -> list[str]:
        return [field.name for field in self._fields()]

    def newest_day(self, before: date) -> date | None:
        from pyiceberg.expressions import LessThan

        self._check_day()
        newest = None
        for batch in self._scan([_DAY], LessThan(_DAY, str(before))):
            newest = max(filter(None, [newest, pc.max(batch.column(_DAY)).as_py()]), default=None)
        return newest

    def read(self, columns: Sequence[str], days: Window | None) -> Iterator[pa.RecordBatch]:
        from pyiceberg.expressions import AlwaysTrue, And, GreaterThanOrEqual, IsNull, LessThanOrEqual, Or

        if days is None:
            return self._scan(columns, AlwaysTrue())
        self._check_day()
        first, last = GreaterThanOrEqual(_DAY, str(days.first_day)), LessThanOrEqual(_DAY, str(days.last_day))
        return self._scan(columns, Or(And(first, last), IsNull(_DAY)))

    def _scan(self, columns: Sequence[str], condition: Any) -> Iterator[pa.RecordBatch]:  # noqa: ANN401
        from pyiceberg.io.pyarrow import ArrowScan

        with _readable(self.name):
            scan = self.table.scan(condition, tuple(columns), snapshot_id=self.snapshot)
            reader = ArrowScan(self.table.metadata, self.table.io, scan.projection(), condition)
            # File by file: PyIceberg's own reader begins with all of them at once and keeps what waits in memory.
            for task in scan.plan_files():
                yield from reader.to_record_batches([task])

    def _fields(self) -> Sequence[Any]:
        with _readable(self.name):
            fields: Sequence[Any] = self.table.scan(snapshot_id=self.snapshot).projection().fields
        return fields

    def _check_day(self) -> None:
        from pyiceberg.types import DateType

        (found,) = (field.field_type for field in self._fields() if field.name == _DAY)
        if not isinstance(found, DateType):
            raise SourceError(f"{self.name}: the column '{_DAY}' is {found}: write it as date")


def open_iceberg(name: str, location: str, version: int | None) -> IcebergTable:
    """The table `name` as of the snapshot `version`, by default the newest.

    Args:
        name: as the params have it. Of names with dots, such as `shop.events`, the catalog knows where they are, which
            PyIceberg's own settings name.
        location: else, where the table or its metadata file lies.
        version: the snapshot.

    Raises:
        SourceError: there is none, or no such snapshot.
    """
    try:
        from pyiceberg.catalog import load_catalog
        from pyiceberg.table import StaticTable
    except ImportError as error:
        raise SourceError(f"an Iceberg table is read with PyIceberg ({error}): pip install 'q2pt[iceberg]'") from None
    with _readable(name):
        if _IN_CATALOG.fullmatch(name):
            table: Any = load_catalog().load_table(name)
        else:
            table = StaticTable.from_metadata(location, _storage())
        snapshot = table.current_snapshot() if version is None else table.snapshot_by_id(version)
    if snapshot is None:
        found = "has no rows yet" if version is None else f"has no snapshot {version} (any more)"
        raise SourceError(f"the Iceberg table {name} {found}: check ingest.lake")
    return IcebergTable(name, table, version)


def _storage() -> dict[str, str]:
    """A store of one's own, which PyIceberg does not take from the environment as others do."""
    own = endpoint()
    return {"s3.endpoint": own} if own else {}


@contextmanager
def _readable(name: str) -> Iterator[None]:
    from pyiceberg import exceptions

    try:
        yield
    except (
        OSError,
        ValueError,
        pa.ArrowException,
        exceptions.NoSuchTableError,
        exceptions.NotInstalledError,
        exceptions.ResolveError,
        exceptions.RESTError,
    ) as error:
        raise SourceError(
            f"the Iceberg table {name} cannot be read ({type(error).__name__}: {first_line(error)}): give a folder "
            "with metadata/version-hint.text, the newest metadata file, or a name in PyIceberg's catalog; on S3 check "
            "the credentials"
        ) from None
