"""A table of Apache Iceberg, read with PyIceberg."""

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa

from q2pt_tasks.sources.bucket import endpoint
from q2pt_tasks.sources.error_text import first_line, said, said_of_rows
from q2pt_tasks.sources.landed_tables import newest_day_in
from q2pt_tasks.sources.manifest import SourceError, Window

_DAY = "event_date"
_IN_CATALOG = re.compile(r"[\w-]+(\.[\w-]+)+")
_METADATA = ".metadata.json"


@dataclass(frozen=True)
class IcebergTable:
    """A table as of one snapshot, with the columns that it had then."""

    name: str
    table: Any  # of PyIceberg, an extra that may be missing where types are checked
    version: int

    def columns(self) -> list[str]:
        return [field.name for field in self._fields()]

    def newest_day(self, days: Window) -> date | None:
        self._check_day()
        return newest_day_in(self._scan([_DAY], _within(days)))

    def read(self, columns: Sequence[str], days: Window | None) -> Iterator[pa.RecordBatch]:
        from pyiceberg.expressions import AlwaysTrue, IsNull, Or

        if days is None:
            return self._scan(columns, AlwaysTrue())
        self._check_day()
        return self._scan(columns, Or(_within(days), IsNull(_DAY)))

    def _scan(self, columns: Sequence[str], condition: Any) -> Iterator[pa.RecordBatch]:  # noqa: ANN401
        from pyiceberg.io.pyarrow import ArrowScan

        with _readable(self.name):
            scan = self.table.scan(condition, tuple(columns), snapshot_id=self.version)
            reader = ArrowScan(self.table.metadata, self.table.io, scan.projection(), condition)
            # File by file: PyIceberg's own reader begins with all of them at once and keeps what waits in memory.
            for task in scan.plan_files():
                yield from reader.to_record_batches([task])

    def _fields(self) -> Sequence[Any]:
        fields: Sequence[Any] = self.table.schema().fields
        return fields

    def _check_day(self) -> None:
        from pyiceberg.types import DateType

        (found,) = (field.field_type for field in self._fields() if field.name == _DAY)
        if not isinstance(found, DateType):
            raise SourceError(f"{self.name}: the column '{_DAY}' is {found}: write it as date")


def _within(days: Window) -> Any:  # noqa: ANN401 - as `IcebergTable.table`
    from pyiceberg.expressions import And, GreaterThanOrEqual, LessThanOrEqual

    return And(GreaterThanOrEqual(_DAY, str(days.first_day)), LessThanOrEqual(_DAY, str(days.last_day)))


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
        import pyiceberg  # noqa: F401
    except ImportError as error:
        raise SourceError(f"an Iceberg table is read with PyIceberg ({error}): pip install 'q2pt[iceberg]'") from None
    with _openable(name):
        table = _from_catalog(name) if _is_in_catalog(name, location) else _from_file(location)
        snapshot = table.current_snapshot() if version is None else table.snapshot_by_id(version)
    if snapshot is None:
        found = "has no rows yet" if version is None else f"has no snapshot {version} (any more)"
        raise SourceError(f"the Iceberg table {name} {found}: check ingest.lake")
    _show_as_of(snapshot, table)
    return IcebergTable(name, table, int(snapshot.snapshot_id))


def _is_in_catalog(name: str, location: str) -> bool:
    return bool(_IN_CATALOG.fullmatch(name)) and not name.endswith(_METADATA) and not Path(location).exists()


def _from_catalog(name: str) -> Any:  # noqa: ANN401
    from pyiceberg.catalog import load_catalog

    catalog = load_catalog()
    # What PyIceberg's own settings say of the store comes first.
    catalog.properties = {**_storage(), **catalog.properties}
    return catalog.load_table(name)


def _from_file(location: str) -> Any:  # noqa: ANN401
    from pyiceberg.table import StaticTable

    return StaticTable.from_metadata(location, _storage())


def _show_as_of(snapshot: Any, table: Any) -> None:  # noqa: ANN401
    """Gives `table` the columns of `snapshot`: to rename some makes no other, so it could be read in two ways."""
    if any(schema.schema_id == snapshot.schema_id for schema in table.metadata.schemas):
        table.metadata = table.metadata.model_copy(update={"current_schema_id": snapshot.schema_id})


def _storage() -> dict[str, str]:
    """A store of one's own, and the region, which PyIceberg does not take from the environment as others do."""
    own, region = endpoint(), os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    # Where it is told none it asks Amazon for that of the bucket, which knows none of a store of one's own.
    told = {"s3.endpoint": own, "client.region": region or ("us-east-1" if own else None)}
    return {key: value for key, value in told.items() if value}


@contextmanager
def _openable(name: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # catalogs and stores of many kinds have errors of any class
        raise SourceError(
            f"the Iceberg table {name} cannot be read ({type(error).__name__}: {said(first_line(error))}): give a "
            "folder with metadata/version-hint.text, the newest metadata file, or a name in PyIceberg's catalog, and "
            "check its settings (PYICEBERG_CATALOG__DEFAULT__URI and others); on S3 the credentials and AWS_REGION"
        ) from None


@contextmanager
def _readable(name: str) -> Iterator[None]:
    from pyiceberg import exceptions

    known = (exceptions.NotInstalledError, exceptions.ResolveError, exceptions.RESTError, exceptions.SignError)
    try:
        yield
    except (OSError, ValueError, NotImplementedError, pa.ArrowException, *known) as error:
        raise SourceError(
            f"the rows of the Iceberg table {name} cannot be read ({type(error).__name__}: "
            f"{said_of_rows(first_line(error))}): have it compacted where it has equality deletes, which PyIceberg "
            "does not read; else check that its files are there, and the credentials"
        ) from None
