"""Divides the events of a window into valid and quarantined rows.

Days are read, judged and written each for itself, so memory holds a few days of events, never all.
"""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq

from q2pt_tasks.data.row_rules import Window
from q2pt_tasks.data.tallies import TableRows, Tally
from q2pt_tasks.engine.interface import Engine
from q2pt_tasks.engine.tables import ROW_GROUP_ROWS, open_table
from q2pt_tasks.layout import Layout, catalog_file, day_file, day_files
from q2pt_tasks.memo import Memo
from q2pt_tasks.validation.day import Divided, EventRules, Part, PartDivision
from q2pt_tasks.validation.tables import count_written, with_reason


def divide_events(engine: Engine, layout: Layout, rules: EventRules, memo: Memo) -> tuple[Tally, ...]:
    """Writes the valid and the quarantined events, in the place of those of an earlier call.

    The catalog of `layout.valid` must be there.

    Returns:
        How many rows of which reason, locale and day there are.
    """
    shutil.rmtree(layout.valid / "events", ignore_errors=True)
    catalog = engine.keep(engine.scan([catalog_file(layout.valid)]))
    division = PartDivision(rules, memo)
    tallies: list[Tally] = []
    with (
        open_table(layout.quarantined_events, with_reason(rules.columns)) as quarantine,
        tempfile.TemporaryDirectory(dir=layout.valid, prefix=".divided-") as folder,
    ):

        def divide(engine: Engine, part: Part) -> tuple[Part, Divided]:
            return part, division.divide(engine, part, engine.kept(catalog), Path(folder) / str(part.day))

        for part, divided in engine.map(divide, _parts(layout.raw, rules.window)):
            tallies += divided.tallies
            _append_groups(quarantine, divided.quarantined)
            # No file is written for a day without valid rows.
            if part.day and count_written([divided.valid]):
                _move(divided.valid, day_file(layout.valid, part.day))
            shutil.rmtree(divided.folder)
    engine.drop(catalog)
    return tuple(tallies)


def count_events(layout: Layout) -> TableRows:
    """Where the events went, by the files themselves.

    Raises:
        LostRowsError: the rows that arrived are not those that were written.
    """
    raw, valid = count_written(day_files(layout.raw)), count_written(day_files(layout.valid))
    return TableRows(raw, valid, count_written([layout.quarantined_events])).check_none_lost("events")


def newest_days(layout: Layout, rows: int) -> list[Path]:
    """The files of the newest days with valid events that have `rows` together, of all days where these have fewer."""
    files = day_files(layout.valid)
    found: list[Path] = []
    while files and rows > 0:
        found.append(files.pop())
        rows -= count_written(found[-1:])
    return found


def _parts(raw: Path, window: Window) -> Iterator[Part]:
    """The file of each day of the window, then all others: rows without such a day."""
    files = day_files(raw)
    for each in window.days:
        file = day_file(raw, each)
        if file in files:
            files.remove(file)
            yield Part((file,), each)
    if files:
        yield Part(tuple(files))


def _append_groups(writer: pq.ParquetWriter, file: Path) -> None:
    with pq.ParquetFile(file) as table:
        for group in range(table.num_row_groups):
            writer.write_table(table.read_row_group(group), row_group_size=ROW_GROUP_ROWS)


def _move(file: Path, target: Path) -> None:
    target.parent.mkdir(exist_ok=True)
    file.replace(target)
