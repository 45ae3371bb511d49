"""Out of a log in any order, one file per day: the same bytes for the same rows.

What earlier runs made of the same files is not made again: days that no new file speaks of are not even read.
"""

import json
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from types import TracebackType
from typing import Self

import pyarrow as pa
import pyarrow.compute as pc

from q2pt_tasks.data.schema import EVENT_KEY, counts_of
from q2pt_tasks.engine import Engine, append_sorted, open_table
from q2pt_tasks.layout import day_file
from q2pt_tasks.memo import Memo
from q2pt_tasks.sources.manifest import Window

# Rows per day; None is the day of rows without a date.
Census = Mapping[date | None, int]


@dataclass(frozen=True)
class Part:
    """A piece of a log.

    Attributes:
        batches: reads it: rows in any order.
        content: what its rows are a function of, such as the hash of a file; None where nobody can say.
    """

    batches: Callable[[], Iterable[pa.Table]]
    content: str | None = None


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
    with tempfile.TemporaryDirectory(dir=raw, prefix=".unsorted-") as folder, _ByDay(Path(folder), schema) as rows:
        known = [_known_census(part, memo) for part in parts]
        censuses = [
            _read(part, rows, taken, memo) if census is None else census
            for part, census in zip(parts, known, strict=True)
        ]
        keys = _keys(taken, parts, censuses, schema)
        made = {day for day, key in keys.items() if key and memo.recall(key, day_file(raw, day).parent)}
        missing = [day for day in keys if day not in made]
        for part, census in zip(parts, known, strict=True):
            if census is not None and census.keys() & missing:
                rows.add_all(part.batches(), missing)
        rows.finish()

        def write(engine: Engine, day: date | None) -> None:
            file = day_file(raw, day)
            with open_table(file, schema) as writer:
                append_sorted(writer, engine.stream(rows.of(day)), (*EVENT_KEY, *counts_of(schema)))
            if key := keys[day]:
                memo.keep(key, [file])

        for _ in engine.map(write, missing):
            pass
    return sum((Counter(census) for census in censuses), Counter())


def _days(window: Window) -> Iterator[date]:
    length = (window.last_day - window.first_day).days + 1
    return (window.first_day + timedelta(days=offset) for offset in range(length))


def _keys(
    days: Sequence[date | None], parts: Sequence[Part], censuses: Sequence[Census], schema: pa.Schema
) -> dict[date | None, dict[str, object] | None]:
    """What each of `days` that has rows is made of; None where nobody can say."""
    keys: dict[date | None, dict[str, object] | None] = {}
    for day in days:
        contents = [part.content for part, census in zip(parts, censuses, strict=True) if day in census]
        if contents:
            named = sorted(content for content in contents if content is not None)
            known = len(named) == len(contents)
            keys[day] = {"raw day": day, "columns": schema.names, "contents": named} if known else None
    return keys


def _known_census(part: Part, memo: Memo) -> Census | None:
    if part.content is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        if not memo.recall(_census_key(part), Path(folder)):
            return None
        rows = json.loads((Path(folder) / "census.json").read_text())
        return {date.fromisoformat(day) if day else None: count for day, count in rows}


def _read(part: Part, rows: "_ByDay", taken: Sequence[date | None], memo: Memo) -> Census:
    """Collects the rows of `part`, and counts them."""
    census = rows.add_all(part.batches(), taken)
    if part.content is not None:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "census.json"
            file.write_text(json.dumps([[day and str(day), count] for day, count in census.items()]))
            memo.keep(_census_key(part), [file])
    return census


def _census_key(part: Part) -> dict[str, object]:
    return {"days of": part.content}


class _ByDay:
    """Rows that come in any order, apart by day on disk."""

    def __init__(self, folder: Path, schema: pa.Schema) -> None:
        self._folder, self._schema = folder, schema
        self._writers: dict[date | None, pa.RecordBatchStreamWriter] = {}
        self._open = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.finish()

    def add_all(self, tables: Iterable[pa.Table], days: Sequence[date | None]) -> Census:
        """Adds the rows of `days`; returns how many rows of which day the tables have."""
        census: Counter[date | None] = Counter()
        wanted = pa.array(days, pa.date32())
        for table in tables:
            census.update({each["values"]: each["counts"] for each in pc.value_counts(table["event_date"]).to_pylist()})
            for day, rows in _by_day(table.filter(pc.is_in(table["event_date"], wanted))):
                self._writer(day).write_table(rows)
        return census

    def finish(self) -> None:
        """Brings all to disk."""
        self._open.close()

    def of(self, day: date | None) -> pa.RecordBatchReader:
        """The rows of a day, once all are added and it is finished."""
        return pa.ipc.open_stream(pa.memory_map(str(self._file(day))))

    def _writer(self, day: date | None) -> pa.RecordBatchStreamWriter:
        if day not in self._writers:
            options = pa.ipc.IpcWriteOptions(compression="lz4")
            writer = pa.ipc.new_stream(str(self._file(day)), self._schema, options=options)
            self._writers[day] = self._open.enter_context(writer)
        return self._writers[day]

    def _file(self, day: date | None) -> Path:
        return self._folder / f"{day}.arrow"


def _by_day(table: pa.Table) -> Iterator[tuple[date | None, pa.Table]]:
    days = pc.unique(table["event_date"])
    if len(days) == 1:
        yield days[0].as_py(), table
        return
    for day in days:
        is_day = pc.equal(table["event_date"], day) if day.is_valid else pc.is_null(table["event_date"])
        yield day.as_py(), table.filter(is_day)
