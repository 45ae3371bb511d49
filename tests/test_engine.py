"""What the engine adds to narwhals: kept frames, Python's text functions, sorted rows in pieces, a limit of memory."""

from pathlib import Path

import narwhals as nw
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from q2pt_tasks import engine as module
from q2pt_tasks.data.queries import normalise_query
from q2pt_tasks.engine import Engine, EngineParams, append_sorted, collect, hash_rows, open_table

# Sharp s, a ligature, the dotted capital I, full width, a decomposed accent, a final sigma, an emoji with a joiner.
HARD = [
    "Straße",
    "ﬁlm",
    "İstanbul",
    "ＡＢＣ　１２",
    "cafe\u0301",
    "ΣΊΓΑΣ",
    "👩\u200d👧",
    " a\u00ad  b ",
    "",
    "x" * 5_000,
]
NUMBERS = pa.schema([("number", pa.int64()), ("text", pa.string())])


def test_a_function_of_python_gives_what_it_gives_outside(tmp_path: Path) -> None:
    pq.write_table(pa.table({"raw": HARD * 500}), tmp_path / "texts.parquet")
    engine = Engine()
    texts = engine.scan([tmp_path / "texts.parquet"])
    mapped = collect(engine.map_text(texts, "raw", "normal", normalise_query), ("raw", "normal"))
    assert mapped.num_rows == 500 * len(HARD)
    assert {(row["raw"], row["normal"]) for row in mapped.to_pylist()} == {(t, normalise_query(t)) for t in HARD}


def test_a_kept_frame_no_longer_reads_its_source_and_can_be_dropped(tmp_path: Path) -> None:
    pq.write_table(pa.table({"number": [3, 1]}), tmp_path / "numbers.parquet")
    engine = Engine()
    kept = engine.keep(engine.scan([tmp_path / "numbers.parquet"]))
    (tmp_path / "numbers.parquet").unlink()
    assert collect(kept.filter(nw.col("number") > 1), ["number"])["number"].to_pylist() == [3]
    other = engine.keep(kept.select(number=nw.col("number") * 2))
    engine.drop(kept)
    assert collect(other, ["number"])["number"].to_pylist() == [2, 6]


@pytest.mark.parametrize("rows", [0, 999, 1_000, 1_001, 3_500])
def test_rows_are_written_in_order_in_groups_of_one_size(
    tmp_path: Path, rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "ROW_GROUP_ROWS", 1_000)
    numbers = [number * 7 % 10_007 for number in range(rows)]
    table = pa.table({"number": numbers, "text": [f"text {number % 5}" for number in numbers]}, NUMBERS)
    with open_table(tmp_path / "a/sorted.parquet", NUMBERS) as writer:
        assert append_sorted(writer, Engine().frame(table), ("number", "text")) == rows
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
        engine, file = Engine(EngineParams(memory_limit_mb=limit)), tmp_path / f"{limit}.parquet"
        with open_table(file, NUMBERS) as writer:
            append_sorted(writer, engine.scan([source]), ("text", "number"))
        written.append(file.read_bytes())
    assert written[0] == written[1]


def test_items_are_worked_on_side_by_side_in_one_memory_and_their_results_come_in_order() -> None:
    engine = Engine()
    kept = engine.keep(engine.frame(pa.table({"number": list(range(100))})))

    def total(beside: Engine, least: int) -> int:
        table = collect(beside.kept(kept).filter(nw.col("number") >= least), ["number"])
        return int(sum(table["number"].to_pylist()))

    assert list(engine.map(total, range(100))) == [sum(range(least, 100)) for least in range(100)]


def test_a_stream_of_batches_is_sorted(tmp_path: Path) -> None:
    table = pa.table({"number": [3, 1, 2], "text": ["c", "a", None]}, NUMBERS)
    with open_table(tmp_path / "sorted.parquet", NUMBERS) as writer:
        append_sorted(writer, Engine().stream(table.to_reader(max_chunksize=1)), ("number", "text"))
    assert pq.read_table(tmp_path / "sorted.parquet")["number"].to_pylist() == [1, 2, 3]


def test_the_hash_of_rows_tells_their_content_and_not_their_order() -> None:
    engine = Engine()
    rows = [(number, text) for number, text in enumerate([*HARD, None])]

    def hashed(rows: list[tuple[int, str | None]]) -> str:
        numbers, texts = zip(*rows, strict=True)
        return hash_rows(engine.frame(pa.table({"number": numbers, "text": texts}, NUMBERS)), ("number", "text"))

    assert hashed(rows) == hashed(rows[::-1]) == hashed(rows[3:] + rows[:3])
    assert (
        len({hashed(rows), hashed(rows[1:]), hashed([(0, "Strasse"), *rows[1:]]), hashed([(0, None), *rows[1:]])}) == 4
    )
