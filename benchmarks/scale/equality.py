"""Whether two made the same rows, or the same bytes."""

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


# What the project's stages leave, ingest to split.
OUTPUTS = ("data/raw", "data/valid", "data/quarantine", "data/labeled", "data/splits", "reports/validation")


class OtherBytesError(AssertionError):
    """Files that must be the same are not."""


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


def check_same_bytes(one: Path, other: Path, where: str) -> int:
    """The number of files that the stages left in the folder `one`, all of them with the same bytes in `other`.

    Args:
        one: a project in which ingest to split have run.
        other: another one.
        where: what is special about the other one, for the message.

    Raises:
        OtherBytesError: they differ; the message names the file.
    """
    ours, theirs = _files(one), _files(other)
    if differing := sorted(ours ^ theirs):
        raise OtherBytesError(f"only one of two folders has {differing[0]}: the other is that {where}")
    for name in sorted(ours):
        if (one / name).read_bytes() != (other / name).read_bytes():
            raise OtherBytesError(f"{name} has other bytes {where}")
    return len(ours)


def _files(root: Path) -> set[Path]:
    found = (file for output in OUTPUTS for file in (root / output).rglob("*") if file.is_file())
    return {file.relative_to(root) for file in found}
