"""A log of files of many kinds, apart by day: who reads a file changes no byte."""

import datetime
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from raw_tables import DAYS, Row, event

from q2pt_tasks.data.schema import EVENTS
from q2pt_tasks.engine.opening import open_engine
from q2pt_tasks.layout import day_file
from q2pt_tasks.memo import NOTHING, Memo
from q2pt_tasks.sources.days import write_days
from q2pt_tasks.sources.events import is_as_events, read_events
from q2pt_tasks.sources.manifest import SourceError, Window
from q2pt_tasks.sources.parts import Part
from q2pt_tasks.sources.unsorted import Census

WINDOW = Window(DAYS[0], DAYS[-1])
FEW = [event(event_date=day, query=query, carts=None) for day in (*DAYS[:2], None) for query in ("b", "a\x00", "ß")]
MANY = [event(event_date=DAYS[0] + datetime.timedelta(days=offset)) for offset in range(-3, 4)]


def write(folder: Path, name: str, rows: list[Row], schema: pa.Schema = EVENTS) -> Path:
    file = folder / f"{name}.parquet"
    pq.write_table(pa.Table.from_pylist(rows, schema), file)
    return file


def part(file: Path, *, by_engine: bool) -> Part:
    return Part(partial(read_events, [file]), file.read_bytes().hex()[-99:], file if by_engine else None)


def days_of(parts: list[Part], raw: Path, memo: Memo = NOTHING) -> tuple[Census, dict[str, bytes]]:
    census = write_days(parts, EVENTS, WINDOW, raw, open_engine(), memo)
    return census, {file.name: file.read_bytes() for file in (raw / "events").iterdir()}


@pytest.mark.parametrize("rows", [FEW, MANY, [*FEW, *MANY]], ids=["few days", "many days", "all"])
def test_what_the_engine_reads_by_itself_is_what_our_reader_reads(tmp_path: Path, rows: list[Row]) -> None:
    file = write(tmp_path, "rows", rows)
    assert is_as_events(file, EVENTS)
    by_reader = days_of([part(file, by_engine=False)], tmp_path / "one")
    assert days_of([part(file, by_engine=True)], tmp_path / "two") == by_reader
    assert sum(by_reader[0].values()) == len(rows)
    memo = Memo(str(tmp_path / "place"))
    for again in ("three", "four"):
        assert days_of([part(file, by_engine=True)], tmp_path / again, memo) == by_reader


def test_a_day_may_be_in_files_of_both_kinds(tmp_path: Path) -> None:
    whole = days_of([part(write(tmp_path, "whole", FEW), by_engine=True)], tmp_path / "one")
    one, two = write(tmp_path, "one part", FEW[::2]), write(tmp_path, "two part", FEW[1::2])
    assert days_of([part(one, by_engine=True), part(two, by_engine=False)], tmp_path / "two") == whole


@pytest.mark.parametrize(
    "schema",
    [
        EVENTS.set(5, pa.field("clicks", pa.int32())),
        EVENTS.set(0, pa.field("event_date", pa.timestamp("us"))),
        EVENTS.set(2, pa.field("query", pa.dictionary(pa.int32(), pa.string()))),
    ],
)
def test_what_must_be_converted_is_not_for_the_engine(tmp_path: Path, schema: pa.Schema) -> None:
    file = tmp_path / "rows.parquet"
    pq.write_table(schema.empty_table(), file)
    assert not is_as_events(file, EVENTS)


@pytest.mark.parametrize("name", ["r[o]ws", "row?", "*", "{a,b}"])
def test_a_name_that_is_a_pattern_is_for_our_reader(tmp_path: Path, name: str) -> None:
    assert not is_as_events(write(tmp_path, name, FEW), EVENTS)


def test_other_columns_and_orders_and_large_texts_are(tmp_path: Path) -> None:
    columns = [*reversed(EVENTS.set(2, pa.field("query", pa.large_string()))), pa.field("shop", pa.string())]
    file = write(tmp_path, "rows", FEW, pa.schema(columns))
    assert is_as_events(file, EVENTS)
    plain = days_of([part(write(tmp_path, "plain", FEW), by_engine=True)], tmp_path / "one")
    assert days_of([part(file, by_engine=True)], tmp_path / "two") == plain


def not_text() -> pa.Table:
    arrays = [pa.array([row[name] for row in FEW], EVENTS.field(name).type) for name in EVENTS.names]
    # Arrow does not look at the bytes.
    arrays[2] = pa.array([b"\xff\xfe"] * len(FEW), pa.binary()).view(pa.string())
    return pa.Table.from_arrays(arrays, schema=EVENTS)


def test_bytes_that_are_no_text_are_named_by_file_and_column(tmp_path: Path) -> None:
    file = tmp_path / "rows.parquet"
    pq.write_table(not_text(), file)
    with pytest.raises(SourceError, match=r"rows\.parquet, row 1: the column 'query' .*which is not text in UTF-8"):
        days_of([part(file, by_engine=True)], tmp_path / "raw")


def test_damaged_pages_are_named(tmp_path: Path) -> None:
    file = write(tmp_path, "rows", [event(query=f"q{number}") for number in range(9_000)])
    content = bytearray(file.read_bytes())
    content[200:20_000] = b"\x00" * 19_800
    file.write_bytes(content)
    with pytest.raises(SourceError, match=r"rows\.parquet is not readable Parquet"):
        days_of([part(file, by_engine=True)], tmp_path / "raw")


def test_a_date_outside_the_calendar_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "rows.parquet"
    table = pa.Table.from_pylist([event()], EVENTS)
    pq.write_table(table.set_column(0, EVENTS.field(0), pa.array([3_000_000], pa.int32()).cast(pa.date32())), file)
    with pytest.raises(SourceError, match=r"rows\.parquet: the column 'event_date' .* which is not a date"):
        days_of([part(file, by_engine=True)], tmp_path / "raw")


def test_a_name_with_a_day_says_nothing_of_the_rows(tmp_path: Path) -> None:
    folder = tmp_path / "event_date=2020-01-01"
    folder.mkdir()
    days_of([part(write(folder, "rows", [event()]), by_engine=True)], tmp_path / "raw")
    assert day_file(tmp_path / "raw", DAYS[0]).exists()
