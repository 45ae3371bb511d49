"""The engine that the data stages run on: opens tables as lazy frames, writes them with reproducible bytes.

The rooms in `data/` see narwhals frames only, so that another engine can take DuckDB's place here. What narwhals has no
words for, a text function of Python's, a frame that is kept, and rows that come in batches, is said here in DuckDB's.
"""

import hashlib
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from copy import copy
from itertools import count
from pathlib import Path
from typing import Annotated, Any, TypeVar
from uuid import uuid4

import duckdb
import narwhals as nw
import pyarrow as pa
import pyarrow.parquet as pq
from duckdb.func import PythonUDFType
from pydantic import Field

from q2pt_tasks.params import Section

# What the engine raises when a file is not what it should be.
EngineError = duckdb.Error

Item = TypeVar("Item")
Result = TypeVar("Result")

# Rows of a row group: the most that are in memory while a table is written.
ROW_GROUP_ROWS = 1_048_576
_BATCH_ROWS = 131_072
# Each may hold some row groups beside the engine's memory, so no more where there are more cores.
_AT_ONCE = min(4, os.cpu_count() or 1)


class EngineParams(Section):
    """The section `engine`: how large a machine the data stages may take for granted. It changes no byte of a result.

    Attributes:
        memory_limit_mb: the most memory of the engine in megabytes; what does not fit goes to the temporary directory.
    """

    memory_limit_mb: Annotated[int, Field(ge=100)] = 1_000


DEFAULT = EngineParams()


class Engine:
    """An embedded DuckDB. Frames of one engine can be joined with each other, not with those of another."""

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

    def scan(self, files: Iterable[Path]) -> nw.LazyFrame[Any]:
        """The rows of Parquet `files`, in no particular order."""
        # What stands in a file's name is no column of it.
        found = self._connection.read_parquet([str(file) for file in files], hive_partitioning=False)
        return nw.from_native(found)

    def scan_any(self, files: Sequence[Path], schema: pa.Schema) -> nw.LazyFrame[Any]:
        """The rows of Parquet `files` of `schema`, of which there may be none."""
        return self.scan(files) if files else self.frame(schema.empty_table())

    def stream(self, batches: pa.RecordBatchReader) -> nw.LazyFrame[Any]:
        """Rows that come in batches, as a frame of this engine that can be computed once."""
        return nw.from_native(self._connection.from_arrow(batches))

    def frame(self, table: pa.Table) -> nw.LazyFrame[Any]:
        """A table in memory as a frame of this engine."""
        return nw.from_native(self._connection.from_arrow(table))

    def keep(self, frame: nw.LazyFrame[Any]) -> nw.LazyFrame[Any]:
        """`frame`, computed once: for one that is read more than once. It is kept until `drop` or the engine's end."""
        name = f"kept_{next(self._numbers)}"
        frame.to_native().create(name)
        return nw.from_native(self._connection.table(name))

    def kept(self, kept: nw.LazyFrame[Any]) -> nw.LazyFrame[Any]:
        """What another engine of the same memory keeps, as a frame of this one."""
        return nw.from_native(self._connection.table(kept.to_native().alias))

    def map(self, work: Callable[["Engine", Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        """What `work` makes of each item, in their order: several side by side.

        Each is given an engine of its own, of the same memory; `kept` tells it what this one keeps.
        """
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            yield from pool.map(lambda item: work(self._beside(), item), items)

    def _beside(self) -> "Engine":
        other = copy(self)
        other._connection = self._connection.cursor()
        return other

    def set_aside(self, frame: nw.LazyFrame[Any], file: Path) -> None:
        """Writes `frame` to Parquet in any order, for `scan` to read again: no output, whose bytes must be the same."""
        frame.to_native().write_parquet(str(file))

    def drop(self, kept: nw.LazyFrame[Any]) -> None:
        """Frees what `keep` kept."""
        self._connection.execute(f'DROP TABLE "{kept.to_native().alias}"')

    def map_text(
        self, frame: nw.LazyFrame[Any], column: str, name: str, function: Callable[[str], str]
    ) -> nw.LazyFrame[Any]:
        """`frame` with one more column `name`: what `function` of Python's makes of each text of `column`."""

        def of_array(texts: pa.ChunkedArray) -> pa.Array:
            return pa.array([function(text) for text in texts.to_pylist()], pa.string())

        registered = f"mapped_{next(self._numbers)}"
        self._connection.create_function(registered, of_array, ["VARCHAR"], "VARCHAR", type=PythonUDFType.ARROW)
        projected = frame.to_native().project(f'*, {registered}("{column}") AS "{name}"')
        mapped: nw.LazyFrame[Any] = nw.from_native(projected)
        return mapped


def collect(frame: nw.LazyFrame[Any], order: Iterable[str]) -> pa.Table:
    """The rows of `frame` in memory, sorted by the columns `order`, which must make the order complete."""
    return frame.sort(*order, nulls_last=True).collect(backend="pyarrow").to_native()


def hash_rows(frame: nw.LazyFrame[Any], order: Sequence[str]) -> str:
    """The hash of the rows of a small `frame` sorted by the columns `order`, which must make the order complete."""
    rows = collect(frame, order).combine_chunks()
    written = pa.BufferOutputStream()
    with pa.ipc.new_stream(written, rows.schema) as stream:
        stream.write_table(rows)
    return hashlib.sha256(written.getvalue()).hexdigest()


def sorted_batches(frame: nw.LazyFrame[Any], order: Sequence[str], schema: pa.Schema) -> Iterator[pa.Table]:
    """The rows of `frame` in tables of `ROW_GROUP_ROWS`, sorted by the columns `order`, which must make it complete.

    The engine computes nothing else before the last one is taken.
    """
    ordered = frame.select(*schema.names).sort(*order, nulls_last=True).to_native()
    pending, rows = [], 0
    for batch in ordered.to_arrow_reader(_BATCH_ROWS):
        pending.append(batch)
        rows += batch.num_rows
        if rows >= ROW_GROUP_ROWS:
            table = pa.Table.from_batches(pending)
            yield table.slice(0, ROW_GROUP_ROWS).cast(schema).combine_chunks()
            pending, rows = table.slice(ROW_GROUP_ROWS).to_batches(), rows - ROW_GROUP_ROWS
    if rows:
        yield pa.Table.from_batches(pending).cast(schema).combine_chunks()


def append_sorted(writer: pq.ParquetWriter, frame: nw.LazyFrame[Any], order: Sequence[str]) -> int:
    """Writes the rows of `frame` sorted by `order`, which must make the order complete; returns their number."""
    rows = 0
    for table in sorted_batches(frame, order, writer.schema):
        writer.write_table(table, row_group_size=ROW_GROUP_ROWS)
        rows += table.num_rows
    return rows


def open_table(path: Path, schema: pa.Schema) -> pq.ParquetWriter:
    """A writer of `path` that makes equal bytes of equal rows in equal pieces; creates the folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return pq.ParquetWriter(path, schema, compression="zstd", store_schema=False)


def write_table(table: pa.Table, path: Path) -> None:
    """Writes `table` so that equal rows give equal bytes; creates the folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table.replace_schema_metadata(None).combine_chunks(), path, compression="zstd", store_schema=False)
