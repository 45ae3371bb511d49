"""Whether the contestants made the same rows."""

from collections.abc import Mapping
from pathlib import Path

import duckdb

from q2pt_tasks.layout import SPLITS

# Where each contestant leaves a table, below its folder; the project's own has rows of its own order.
TABLES = {
    "raw": "{data}raw/events/*.parquet",
    "valid": "{data}valid/events/*.parquet",
    "quarantine": "{data}quarantine{own}.parquet",
    **{split: f"{{data}}splits/*/{split}.parquet" for split in SPLITS},
}


class UnequalError(AssertionError):
    """Two contestants made different rows."""


def check_equal(folders: Mapping[str, Path]) -> dict[str, int]:
    """The rows of each table, the same for all contestants.

    Args:
        folders: each contestant's folder by its name, of which the first is compared with every other one.

    Raises:
        UnequalError: two of them differ; the message names the table.
    """
    first, *others = folders
    return {table: _check_table(table, first, others, folders) for table in TABLES}


def _check_table(table: str, first: str, others: list[str], folders: Mapping[str, Path]) -> int:
    base = duckdb.connect()
    ours = _rows(table, first, folders[first])
    for other in others:
        theirs = _rows(table, other, folders[other])
        for one, two, name in ((ours, theirs, first), (theirs, ours, other)):
            sample = base.execute(f"FROM ({one}) EXCEPT ALL FROM ({two}) LIMIT 1").fetchall()
            if sample:
                raise UnequalError(f"{table}: {name} alone of {first} and {other} has the row {sample[0]}")
    return int(base.execute(f"SELECT count(*) FROM ({ours})").fetchall()[0][0])


def _rows(table: str, name: str, folder: Path) -> str:
    ours = name == "q2pt"
    pattern = TABLES[table].format(data="data/" if ours else "", own="/events" if ours else "")
    columns = "* REPLACE (event_date::VARCHAR AS event_date)" if table in ("raw", "valid", "quarantine") else "*"
    hive = "true" if table in SPLITS else "false"
    return f"SELECT {columns} FROM read_parquet('{folder / pattern}', hive_partitioning = {hive})"
