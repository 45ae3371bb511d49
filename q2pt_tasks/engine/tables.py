"""Frames in memory and on disk: equal rows have equal bytes, whichever engine computed them."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from q2pt_tasks.engine.interface import Engine, Frame

# Rows of a row group: the most that are in memory while a table is written.
ROW_GROUP_ROWS = 1_048_576


def collect(frame: Frame, order: Iterable[str]) -> pa.Table:
    """The rows of `frame` in memory, sorted by the columns `order`, which must make the order complete."""
    table = frame.sort(*order, nulls_last=True).collect(backend="pyarrow").to_native()
    # Engines differ in what they promise of a column, such as that it has no nulls.
    return table.cast(pa.schema([(field.name, field.type) for field in table.schema]))


def hash_rows(frame: Frame, order: Sequence[str]) -> str:
    """The hash of the rows of a small `frame` sorted by the columns `order`, which must make the order complete."""
    table = collect(frame, order)
    # Copied, for engines leave different bits behind the last row.
    rows = table.take(pa.array(range(table.num_rows), pa.int64())).combine_chunks()
    written = pa.BufferOutputStream()
    with pa.ipc.new_stream(written, rows.schema) as stream:
        stream.write_table(rows)
    return hashlib.sha256(written.getvalue()).hexdigest()


def sorted_batches(engine: Engine, frame: Frame, order: Sequence[str], schema: pa.Schema) -> Iterator[pa.Table]:
    """The rows of a `frame` of `engine` in tables of `ROW_GROUP_ROWS`, sorted by the columns `order`.

    The columns must make the order complete. The engine computes nothing else before the last table is taken.
    """
    pending, rows = [], 0
    for batch in engine.batches(frame.select(*schema.names).sort(*order, nulls_last=True)):
        pending.append(batch)
        rows += batch.num_rows
        if rows >= ROW_GROUP_ROWS:
            table = pa.Table.from_batches(pending)
            yield table.slice(0, ROW_GROUP_ROWS).cast(schema).combine_chunks()
            pending, rows = table.slice(ROW_GROUP_ROWS).to_batches(), rows - ROW_GROUP_ROWS
    if rows:
        yield pa.Table.from_batches(pending).cast(schema).combine_chunks()


def append_sorted(engine: Engine, writer: pq.ParquetWriter, frame: Frame, order: Sequence[str]) -> int:
    """Writes the rows of `frame` sorted by `order`, which must make the order complete; returns their number."""
    rows = 0
    for table in sorted_batches(engine, frame, order, writer.schema):
        writer.write_table(table, row_group_size=ROW_GROUP_ROWS)
        rows += table.num_rows
    return rows


def open_table(path: Path, schema: pa.Schema) -> pq.ParquetWriter:
    """A writer of `path` that makes equal bytes of equal rows in equal pieces; creates the folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # The least and the greatest text of a column, or element of lists: nobody asks, and they are a fifth of the work.
    counted = [field.name for field in schema if not pa.types.is_string(field.type)]
    return pq.ParquetWriter(path, schema, compression="zstd", store_schema=False, write_statistics=counted)


def write_table(table: pa.Table, path: Path) -> None:
    """Writes `table` so that equal rows give equal bytes; creates the folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table.replace_schema_metadata(None).combine_chunks(), path, compression="zstd", store_schema=False)
