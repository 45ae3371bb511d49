"""The engine that the data stages run on: opens tables as lazy frames, writes them with reproducible bytes.

The rooms in `data/` see narwhals frames only, so that another engine can take DuckDB's place here.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import duckdb
import narwhals as nw
import pyarrow as pa
import pyarrow.parquet as pq


class Engine:
    """An embedded DuckDB. Frames of one engine can be joined with each other, not with those of another."""

    def __init__(self) -> None:
        self._connection = duckdb.connect()

    def scan(self, files: Iterable[Path]) -> nw.LazyFrame[Any]:
        """The rows of Parquet `files`, in no particular order."""
        return nw.from_native(self._connection.read_parquet([str(file) for file in files]))

    def frame(self, table: pa.Table) -> nw.LazyFrame[Any]:
        """A table in memory as a frame of this engine."""
        return nw.from_native(self._connection.from_arrow(table))


def collect(frame: nw.LazyFrame[Any], order: Iterable[str]) -> pa.Table:
    """The rows of `frame` in memory, sorted by the columns `order`, which must make the order complete."""
    return frame.sort(*order, nulls_last=True).collect(backend="pyarrow").to_native()


def write_table(table: pa.Table, path: Path) -> None:
    """Writes `table` so that equal rows give equal bytes; creates the folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table.replace_schema_metadata(None).combine_chunks(), path, compression="zstd", store_schema=False)
