"""What every engine does, and that all of them do the same."""

from collections.abc import Iterator
from pathlib import Path

import narwhals as nw
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from spark import HARD, SPARK, needs_spark

from q2pt_tasks.data.queries import normalise_query
from q2pt_tasks.engine.interface import Engine
from q2pt_tasks.engine.opening import open_engine
from q2pt_tasks.engine.tables import append_sorted, collect, open_table

NUMBERS = pa.schema([("number", pa.int64()), ("text", pa.string())])


@pytest.fixture(scope="module", params=["duckdb", pytest.param("spark", marks=needs_spark)])
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    if request.param == "duckdb":
        yield open_engine()
    else:
        yield open_engine(SPARK)
        from pyspark.sql import SparkSession

        SparkSession.builder.getOrCreate().stop()


def test_a_function_of_python_gives_what_it_gives_outside(engine: Engine, tmp_path: Path) -> None:
    pq.write_table(pa.table({"raw": [*HARD, None] * 500}), tmp_path / "texts.parquet")
    texts = engine.scan([tmp_path / "texts.parquet"])
    mapped = collect(engine.map_text(texts, "raw", "normal", normalise_query), ("raw", "normal"))
    assert mapped.num_rows == 500 * (len(HARD) + 1)
    expected = {(text, normalise_query(text)) for text in HARD} | {(None, None)}
    assert {(row["raw"], row["normal"]) for row in mapped.to_pylist()} == expected


def test_a_kept_frame_no_longer_reads_its_source_and_can_be_dropped(engine: Engine, tmp_path: Path) -> None:
    pq.write_table(pa.table({"number": [3, 1]}), tmp_path / "numbers.parquet")
    kept = engine.keep(engine.scan([tmp_path / "numbers.parquet"]))
    (tmp_path / "numbers.parquet").unlink()
    assert collect(kept.filter(nw.col("number") > 1), ["number"])["number"].to_pylist() == [3]
    other = engine.keep(kept.select(number=nw.col("number") * 2))
    engine.drop(kept)
    assert collect(other, ["number"])["number"].to_pylist() == [2, 6]


def test_an_empty_frame_can_be_kept_and_set_aside(engine: Engine, tmp_path: Path) -> None:
    nothing = engine.keep(engine.scan_any([], NUMBERS))
    engine.set_aside(nothing, tmp_path / "nothing.parquet")
    found = engine.scan_any([tmp_path / "nothing.parquet"], NUMBERS)
    assert collect(found, NUMBERS.names).num_rows == 0
    assert sum(batch.num_rows for batch in engine.batches(found.sort("number"))) == 0


def test_items_are_worked_on_side_by_side_in_one_memory_and_their_results_come_in_order(engine: Engine) -> None:
    kept = engine.keep(engine.frame(pa.table({"number": list(range(20))})))

    def total(beside: Engine, least: int) -> int:
        table = collect(beside.kept(kept).filter(nw.col("number") >= least), ["number"])
        return int(sum(table["number"].to_pylist()))

    assert list(engine.map(total, range(20))) == [sum(range(least, 20)) for least in range(20)]


def test_rows_are_sorted_by_their_bytes_with_nulls_last(engine: Engine, tmp_path: Path) -> None:
    texts = [*HARD, None]
    rows = [(number, text) for number in (3, None, 1) for text in texts]
    with pa.ipc.new_stream(tmp_path / "rows.arrow", NUMBERS) as stream:
        for number, text in rows:
            stream.write_batch(pa.record_batch([[number], [text]], schema=NUMBERS))
    with open_table(tmp_path / "sorted.parquet", NUMBERS) as writer:
        assert append_sorted(engine, writer, engine.stream(tmp_path / "rows.arrow"), ("text", "number")) == len(rows)

    def key(row: tuple[int | None, str | None]) -> tuple[bool, bytes, bool, int]:
        number, text = row
        return text is None, (text or "").encode(), number is None, number or 0

    found = [(row["number"], row["text"]) for row in pq.read_table(tmp_path / "sorted.parquet").to_pylist()]
    assert found == sorted(rows, key=key)


def test_folders_with_strange_names_are_neither_patterns_nor_columns(engine: Engine, tmp_path: Path) -> None:
    files = [tmp_path / f"a [b]{{c}} é%20*?/locale={locale}/n.parquet" for locale in ("en-GB", "de-DE")]
    for number, file in enumerate(files):
        file.parent.mkdir(parents=True)
        engine.set_aside(engine.frame(pa.table({"number": [number]})), file)
    rows = collect(engine.scan(files).select("number"), ["number"])
    assert rows["number"].to_pylist() == [0, 1]
    assert collect(engine.scan(files[:1]), ["number"])["number"].to_pylist() == [0]


def test_a_sum_beyond_64_bits_is_an_error_and_never_another_number(engine: Engine) -> None:
    frame = engine.frame(pa.table({"text": ["a", "a"], "number": [2**62, 2**62]}))
    total = frame.group_by("text").agg(nw.col("number").sum().cast(nw.Int64))
    with pytest.raises(Exception, match=r"(?i)overflow|out of range"):
        collect(total, ["text"])
