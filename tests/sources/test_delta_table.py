"""Tables of Delta Lake as other writers leave them."""

from pathlib import Path

import pyarrow as pa
import pytest
from lake_tables import DELETED_SECOND_ROW, MONTH, NEWEST, write_delta

from q2pt_tasks.sources.delta_table import open_delta
from q2pt_tasks.sources.manifest import SourceError

pytest.importorskip("deltalake", reason="make lakes")


def test_no_cell_of_a_delta_table_is_repeated(tmp_path: Path) -> None:
    field = {"type": "date", "nullable": True, "metadata": {}}
    texts = pa.table({"event_date": ["2026-06-01", "jane doe"]})
    write_delta(tmp_path / "text", texts, {"event_date": field})
    nothing = pa.table({"query": ["boots"]})
    write_delta(tmp_path / "folder", nothing, {"event_date": field}, partition={"event_date": "jane doe"})
    for name in ("text", "folder"):
        with pytest.raises(SourceError, match=r"^the Delta table log cannot be read \(\w+: .*…\): check") as refused:
            open_delta("log", str(tmp_path / name), None).newest_day(MONTH)
        assert "jane" not in str(refused.value)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"\(TableNotFoundError: .*/nowhere. does not exist.*\): check ingest\.lake"):
        open_delta("log", str(tmp_path / "nowhere"), None)


def test_deletion_vectors_and_mapped_columns_of_delta_are_read(tmp_path: Path) -> None:
    rows = pa.table({"c1": [NEWEST] * 3, "c2": ["a", "b", "c"]})
    fields = {
        name: {
            "type": kind,
            "nullable": True,
            "metadata": {"delta.columnMapping.id": number, "delta.columnMapping.physicalName": f"c{number}"},
        }
        for number, (name, kind) in enumerate([("event_date", "date"), ("query", "string")], 1)
    }
    write_delta(tmp_path / "log", rows, fields, deleted=DELETED_SECOND_ROW)
    table = open_delta("log", str(tmp_path / "log"), None)
    assert table.newest_day(MONTH) == NEWEST
    assert [row["query"] for batch in table.read(["query"], MONTH) for row in batch.to_pylist()] == ["a", "c"]
