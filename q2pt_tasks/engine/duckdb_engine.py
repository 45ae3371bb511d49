"""DuckDB within the stage's process: out of core, with a limit of memory."""

import tempfile
from collections.abc import Callable, Iterable, Iterator
from copy import copy
from functools import partial
from itertools import count
from pathlib import Path
from typing import Self
from uuid import uuid4

import duckdb
import narwhals as nw
import pyarrow as pa
from duckdb.func import PythonUDFType

from q2pt_tasks.engine.interface import Engine, Frame, map_texts
from q2pt_tasks.engine.params import DEFAULT, EngineParams

_BATCH_ROWS = 131_072


class DuckDBEngine(Engine):
    """An embedded DuckDB."""

    errors = (duckdb.Error,)

    def __init__(self, params: EngineParams = DEFAULT) -> None:
        # DuckDB makes it when it needs it and removes it at its end; its own choice lies in the working directory.
        spilled = Path(tempfile.gettempdir()) / f"q2pt-engine-{uuid4().hex}"
        self._connection = duckdb.connect(
            config={
                "memory_limit": f"{params.memory_limit_mb}MB",
                "temp_directory": str(spilled),
                # Orders are always asked for; keeping one that nobody asked for costs memory.
                "preserve_insertion_order": False,
            }
        )
        # Every day is looked for in every file's metadata.
        self._connection.execute("SET parquet_metadata_cache = true")
        self._numbers = count()

    def scan(self, files: Iterable[Path]) -> Frame:
        # What stands in a file's name is no column of it.
        found = self._connection.read_parquet([str(file) for file in files], hive_partitioning=False)
        return nw.from_native(found)

    def stream(self, file: Path) -> Frame:
        return nw.from_native(self._connection.from_arrow(pa.ipc.open_stream(pa.memory_map(str(file)))))

    def frame(self, table: pa.Table) -> Frame:
        return nw.from_native(self._connection.from_arrow(table))

    def keep(self, frame: Frame) -> Frame:
        name = f"kept_{next(self._numbers)}"
        frame.to_native().create(name)
        return nw.from_native(self._connection.table(name))

    def drop(self, kept: Frame) -> None:
        self._connection.execute(f'DROP TABLE "{kept.to_native().alias}"')

    def set_aside(self, frame: Frame, file: Path) -> None:
        frame.to_native().write_parquet(str(file))

    def batches(self, ordered: Frame) -> Iterator[pa.RecordBatch]:
        yield from ordered.to_native().to_arrow_reader(_BATCH_ROWS)

    def map_text(self, frame: Frame, column: str, name: str, function: Callable[[str], str]) -> Frame:
        registered = f"mapped_{next(self._numbers)}"
        self._connection.create_function(
            registered, partial(map_texts, function), ["VARCHAR"], "VARCHAR", type=PythonUDFType.ARROW
        )
        projected = frame.to_native().project(f'*, {registered}("{column}") AS "{name}"')
        mapped: Frame = nw.from_native(projected)
        return mapped

    def _beside(self) -> Self:
        other = copy(self)
        other._connection = self._connection.cursor()
        return other

    def kept(self, kept: Frame) -> Frame:
        return nw.from_native(self._connection.table(kept.to_native().alias))
