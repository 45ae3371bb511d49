"""A shop's own log in tables elsewhere. `resolve` lands the window's days as files, the stages read only those.

Tables change while a run is under way, and a run that is repeated must find the same rows: so each day is written
once, sorted, to a file named by its hash. A day that has not changed is the same file every night.
"""

import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Protocol

import pyarrow as pa
import pyarrow.compute as pc

from q2pt_tasks.data.schema import CATALOG
from q2pt_tasks.engine.opening import open_engine
from q2pt_tasks.engine.tables import write_table
from q2pt_tasks.layout import catalog_file, day_files
from q2pt_tasks.memo import NOTHING, hash_of
from q2pt_tasks.sources.conversion import converted, from_typed
from q2pt_tasks.sources.days import write_days
from q2pt_tasks.sources.events import BRAND, check_columns
from q2pt_tasks.sources.landing import IDENTITY, UNFINISHED, land_file, landing_folder, sweep
from q2pt_tasks.sources.manifest import Window, window
from q2pt_tasks.sources.parts import Part

_MONTH = 31


class Table(Protocol):
    """A table as of one moment; its methods raise a `SourceError` where it cannot be read."""

    @property
    def name(self) -> str:
        """For people."""
        ...

    def columns(self) -> list[str]:
        """The names of all its columns."""
        ...

    def newest_day(self, days: Window) -> date | None:
        """The newest `event_date` among `days`; None where there is none."""
        ...

    def read(self, columns: Sequence[str], days: Window | None) -> Iterator[pa.RecordBatch]:
        """The rows of `days` and those without a date, in any order; all rows where no days are given."""
        ...


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
    """What was left as files.

    Attributes:
        last_day: of the window; None where the table has no day before today.
        files: the catalog's among them.
        versions: of the tables that have such, as they were read.
    """

    last_day: date | None
    files: tuple[Path, ...]
    versions: Mapping[str, int] = field(default_factory=dict)


def land_tables(events: Table, catalog: Table, root: Path, landing: str, asked: Asked) -> Landed:
    """Writes the catalog, the window's days and the rows without a date to the folder `landing`.

    Landed files that no night has written again for a week are removed.

    Raises:
        SourceError: a table cannot be read, or has other columns than it should.
    """
    check_columns(events.name, events.columns(), asked.columns)
    last_day = asked.last_day or _newest_day(events, asked.today)
    if last_day is None:
        return Landed(None, ())
    folder = landing_folder(root, landing)
    with tempfile.TemporaryDirectory(dir=folder, prefix=UNFINISHED) as name:
        unfinished = Path(name) / "log"
        days = window(last_day, asked.window_days)
        log = Part(lambda: _rows(events, asked.columns, days))
        write_days([log], asked.columns, days, unfinished, open_engine(), NOTHING)
        _write_catalog(catalog, catalog_file(unfinished))
        files = [
            land_file(file, folder / f"{hash_of(file)[:IDENTITY]}-{file.name}")
            for file in (*day_files(unfinished), catalog_file(unfinished))
        ]
    sweep(folder)
    return Landed(last_day, tuple(files))


def newest_day_in(batches: Iterable[pa.RecordBatch]) -> date | None:
    """The newest day of batches whose only column holds days; None where there is none."""
    return max((day for batch in batches if (day := pc.max(batch.column(0)).as_py())), default=None)


def _newest_day(events: Table, today: date) -> date | None:
    """The newest day before `today`; all of a long history is looked at only where the last month has none."""
    yesterday = today - timedelta(days=1)
    return events.newest_day(window(yesterday, _MONTH)) or events.newest_day(Window(date.min, yesterday))


def _write_catalog(catalog: Table, file: Path) -> None:
    found = catalog.columns()
    check_columns(catalog.name, found, CATALOG)
    columns = CATALOG.append(pa.field(BRAND, pa.string())) if BRAND in found else CATALOG
    rows = pa.concat_tables([columns.empty_table(), *_rows(catalog, columns, None)])
    write_table(rows.sort_by([(name, "ascending") for name in columns.names]), file)


def _rows(table: Table, columns: pa.Schema, days: Window | None) -> Iterator[pa.Table]:
    for batch in table.read(columns.names, days):
        arrays = [converted(batch.column(each.name), each, table.name, from_typed) for each in columns]
        yield pa.Table.from_arrays(arrays, schema=columns)
