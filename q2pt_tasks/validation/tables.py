"""Judged tables, and the two that each of them is divided into."""

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from q2pt_tasks.data.row_rules import REASON


def with_reason(schema: pa.Schema) -> pa.Schema:
    """The columns of a judged table of `schema`."""
    return schema.append(pa.field(REASON, pa.string()))


def complete_order(schema: pa.Schema, key: Sequence[str]) -> tuple[str, ...]:
    """All columns of a judged table of `schema`, those of `key` first: rows that tie in all of them are equal."""
    return (*key, *(name for name in schema.names if name not in key), REASON)


def valid_rows(judged: pa.Table) -> pa.Table:
    """The rows without a reason, and without its column."""
    return judged.filter(pc.is_null(judged[REASON])).drop_columns([REASON])


def quarantined_rows(judged: pa.Table) -> pa.Table:
    """The rows with a reason."""
    return judged.filter(pc.is_valid(judged[REASON]))


def count_written(files: Sequence[Path]) -> int:
    """The rows of Parquet files, as their metadata tell."""
    return sum(pq.read_metadata(file).num_rows for file in files)
