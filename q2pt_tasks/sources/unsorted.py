"""Rows of a log that come in any order, apart by day on disk until they are sorted."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from datetime import date
from pathlib import Path
from types import TracebackType
from typing import Self

import pyarrow as pa
import pyarrow.compute as pc

# Rows per day; None is the day of rows without a date.
Census = Mapping[date | None, int]


class UnsortedRows:
    """Rows that come in any order, apart by day on disk."""

    def __init__(self, folder: Path, schema: pa.Schema) -> None:
        self._folder, self.schema = folder, schema
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

    def has(self, day: date | None) -> bool:
        """Whether there are rows of a day."""
        return day in self._writers

    def of(self, day: date | None) -> Path:
        """The file with the rows of a day as an Arrow stream, once all are added and it is finished."""
        return self._folder / f"{day}.arrow"

    def _writer(self, day: date | None) -> pa.RecordBatchStreamWriter:
        if day not in self._writers:
            options = pa.ipc.IpcWriteOptions(compression="lz4")
            writer = pa.ipc.new_stream(str(self.of(day)), self.schema, options=options)
            self._writers[day] = self._open.enter_context(writer)
        return self._writers[day]


def _by_day(table: pa.Table) -> Iterator[tuple[date | None, pa.Table]]:
    days = pc.unique(table["event_date"])
    if len(days) == 1:
        yield days[0].as_py(), table
        return
    for day in days:
        is_day = pc.equal(table["event_date"], day) if day.is_valid else pc.is_null(table["event_date"])
        yield day.as_py(), table.filter(is_day)
