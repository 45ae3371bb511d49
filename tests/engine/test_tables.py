"""Tables in order, in groups of one size, with the same bytes whatever memory the engine has."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from spark import HARD

from q2pt_tasks.engine import tables
from q2pt_tasks.engine.opening import open_engine
from q2pt_tasks.engine.params import EngineParams
from q2pt_tasks.engine.tables import append_sorted, hash_rows, open_table

NUMBERS = pa.schema([("number", pa.int64()), ("text", pa.string())])


@pytest.mark.parametrize("rows", [0, 999, 1_000, 1_001, 3_500])
def test_rows_are_written_in_order_in_groups_of_one_size(
    tmp_path: Path, rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "ROW_GROUP_ROWS", 1_000)
    numbers = [number * 7 % 10_007 for number in range(rows)]
    table = pa.table({"number": numbers, "text": [f"text {number % 5}" for number in numbers]}, NUMBERS)
    engine = open_engine()
    with open_table(tmp_path / "a/sorted.parquet", NUMBERS) as writer:
        assert append_sorted(engine, writer, engine.frame(table), ("number", "text")) == rows
    file = pq.ParquetFile(tmp_path / "a/sorted.parquet")
    assert file.read().to_pylist() == sorted(table.to_pylist(), key=lambda row: row["number"])
    groups = [file.metadata.row_group(at).num_rows for at in range(file.num_row_groups)]
    assert groups == [1_000] * (rows // 1_000) + [rows % 1_000] * (rows % 1_000 > 0)


def test_what_does_not_fit_into_its_memory_is_sorted_all_the_same_to_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "spilled").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "spilled"))
    rows = 1_500_000
    source = tmp_path / "source.parquet"
    texts = pa.array([f"{number * 7_919 % rows:0100d}" for number in range(rows)])
    pq.write_table(pa.table([pa.array(range(rows), pa.int64()), texts], schema=NUMBERS), source)
    written = []
    for limit in (100, 4_000):
        engine, file = open_engine(EngineParams(memory_limit_mb=limit)), tmp_path / f"{limit}.parquet"
        with open_table(file, NUMBERS) as writer:
            append_sorted(engine, writer, engine.scan([source]), ("text", "number"))
        written.append(file.read_bytes())
    assert written[0] == written[1]


def test_the_hash_of_rows_tells_their_content_and_not_their_order() -> None:
    engine = open_engine()
    rows = [(number, text) for number, text in enumerate([*HARD, None])]

    def hashed(rows: list[tuple[int, str | None]]) -> str:
        numbers, texts = zip(*rows, strict=True)
        return hash_rows(engine.frame(pa.table({"number": numbers, "text": texts}, NUMBERS)), ("number", "text"))

    assert hashed(rows) == hashed(rows[::-1]) == hashed(rows[3:] + rows[:3])
    assert (
        len({hashed(rows), hashed(rows[1:]), hashed([(0, "Strasse"), *rows[1:]]), hashed([(0, None), *rows[1:]])}) == 4
    )
