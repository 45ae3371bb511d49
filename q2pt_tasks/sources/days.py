"""Out of a log in any order, one file per day: the same bytes for the same rows.

What earlier runs made of the same files is not made again: days that no new file speaks of are not even read.
"""

import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from itertools import compress
from pathlib import Path
from typing import Any

import narwhals as nw
import pyarrow as pa

from q2pt_tasks.data.schema import ROW_ORDER, counts_of
from q2pt_tasks.engine.interface import Engine
from q2pt_tasks.engine.tables import append_sorted, open_table
from q2pt_tasks.layout import day_file
from q2pt_tasks.memo import Memo
from q2pt_tasks.sources.manifest import Window
from q2pt_tasks.sources.parts import Counted, Part, count_part, explained
from q2pt_tasks.sources.unsorted import Census, UnsortedRows
from q2pt_tasks.threads import side_by_side


def write_days(
    parts: Sequence[Part], schema: pa.Schema, window: Window, raw: Path, engine: Engine, memo: Memo
) -> Census:
    """Writes the rows of each day of the window, and those without a date, to a file of its own below `raw`.

    Args:
        parts: the log, with the columns of `schema`.
        schema: the columns of the events.
        window: the days that are taken.
        raw: a folder that is not there yet.
        engine: sorts the days.
        memo: what earlier runs made of the same parts.

    Returns:
        The rows of every day of the log, those outside the window too.
    """
    taken = [*_days(window), None]
    raw.mkdir(parents=True)
    with (
        tempfile.TemporaryDirectory(dir=raw, prefix=".unsorted-") as folder,
        UnsortedRows(Path(folder), schema) as rows,
    ):
        log = [count_part(part, taken, rows, engine, memo) for part in parts]
        keys = _keys(taken, log, schema)

        def is_missing(day: date | None) -> bool:
            key = keys[day]
            return key is None or not memo.recall(key, day_file(raw, day).parent)

        missing = list(compress(keys, side_by_side(is_missing, keys)))
        for each in log:
            if each.is_unread and each.census.keys() & missing:
                rows.add_all(each.part.batches(), missing)
        rows.finish()

        def write(engine: Engine, day: date | None) -> None:
            file = day_file(raw, day)
            engine_reads = [each.part for each in log if each.file is not None and day in each.census]
            with open_table(file, schema) as writer, explained(engine_reads, engine):
                append_sorted(engine, writer, _rows_of(day, log, rows, engine), (*ROW_ORDER, *counts_of(schema)))
            if key := keys[day]:
                memo.keep(key, [file])

        for _ in engine.map(write, missing):
            pass
    return sum((Counter(each.census) for each in log), Counter())


def _rows_of(day: date | None, log: Sequence[Counted], rows: UnsortedRows, engine: Engine) -> nw.LazyFrame[Any]:
    """All rows of a day, in any order."""
    files = [each.file for each in log if each.file is not None and day in each.census]
    of_day = nw.col("event_date").is_null() if day is None else nw.col("event_date") == day
    frames = [engine.scan(files).filter(of_day).select(*rows.schema.names)] if files else []
    if rows.has(day):
        frames.append(engine.stream(rows.of(day)))
    return frames[0] if len(frames) == 1 else nw.concat(frames)


def _days(window: Window) -> Iterator[date]:
    length = (window.last_day - window.first_day).days + 1
    return (window.first_day + timedelta(days=offset) for offset in range(length))


def _keys(
    days: Sequence[date | None], log: Sequence[Counted], schema: pa.Schema
) -> dict[date | None, dict[str, object] | None]:
    """What each of `days` that has rows is made of; None where nobody can say."""
    keys: dict[date | None, dict[str, object] | None] = {}
    for day in days:
        contents = [each.part.content for each in log if day in each.census]
        if contents:
            named = sorted(content for content in contents if content is not None)
            known = len(named) == len(contents)
            keys[day] = {"raw day": day, "columns": schema.names, "contents": named} if known else None
    return keys
