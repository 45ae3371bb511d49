import gzip
import os
import re
import tempfile
import traceback
import tracemalloc
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from q2pt_tasks.data.schema import CATALOG, EVENTS
from q2pt_tasks.sources import csv_file
from q2pt_tasks.sources.events import (
    EventsParams,
    ignored_columns,
    list_event_files,
    newest_day,
    read_batches,
    read_catalog,
    read_events,
)
from q2pt_tasks.sources.manifest import SourceError

DAY = date(2026, 6, 30)
HEADER = "event_date,locale,query,product_id,impressions,clicks,carts,purchases\n"
ROW: dict[str, Any] = {
    "event_date": DAY,
    "locale": "en-GB",
    "query": "red shoes",
    "product_id": "p1",
    "impressions": 9,
    "clicks": 3,
    "carts": 1,
    "purchases": 0,
}
PARAMS = EventsParams(path="log", catalog="catalog.csv")


def events(*rows: dict[str, Any]) -> pa.Table:
    return pa.Table.from_pylist([ROW | row for row in rows], schema=EVENTS)


def with_column(name: str, values: pa.Array) -> pa.Table:
    table = events(*[{}] * len(values))
    return table.set_column(table.schema.get_field_index(name), name, values)


def read(file: Path) -> pa.Table:
    return pa.concat_tables([EVENTS.empty_table(), *read_events([file])])


def write_parquet(folder: Path, table: pa.Table) -> Path:
    pq.write_table(table, folder / "a.parquet")
    return folder / "a.parquet"


def write_csv(folder: Path, table: pa.Table) -> Path:
    pyarrow.csv.write_csv(table, folder / "a.csv")
    return folder / "a.csv"


def write_text(folder: Path, text: str, encoding: str = "utf-8") -> Path:
    (folder / "a.csv").write_text(text, encoding=encoding, newline="")
    return folder / "a.csv"


@pytest.fixture
def log(tmp_path: Path) -> Path:
    (tmp_path / "log").mkdir()
    (tmp_path / "catalog.csv").write_text("product_id,locale,product_type\np1,en-GB,SHOES\n")
    return tmp_path


HOSTILE = events(
    {"clicks": -4},
    {"locale": "../../etc"},
    {"locale": None},
    {"query": "nul\x00nul"},
    {"query": "x" * 1_000_000},
    {"query": "👟🏃🏽‍♀️"},
    {"query": 'say "hi", shoes\nand more'},
    {"query": "null"},
    {"query": ""},
    {"event_date": None},
    {"event_date": date(1, 1, 1)},
    {"clicks": None},
    {"impressions": 2**63 - 1},
)


def test_rows_that_a_validation_must_catch_come_through_parquet_as_they_are(tmp_path: Path) -> None:
    assert read(write_parquet(tmp_path, HOSTILE)) == HOSTILE


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz"])
def test_rows_that_a_validation_must_catch_come_through_csv_as_they_are(tmp_path: Path, name: str) -> None:
    with pa.output_stream(str(tmp_path / name), compression="detect") as stream:
        pa.csv.write_csv(HOSTILE, stream)
    # CSV knows no null text: the missing locale is an empty one there.
    locales = ["" if locale is None else locale for locale in HOSTILE["locale"].to_pylist()]
    expected = HOSTILE.set_column(1, "locale", pa.array(locales))
    assert read(tmp_path / name).to_pylist() == expected.to_pylist()


@given(query=st.text(st.characters(codec="utf-8", exclude_characters="\r"), max_size=30))
def test_any_query_comes_through_csv(tmp_path_factory: pytest.TempPathFactory, query: str) -> None:
    file = tmp_path_factory.mktemp("csv") / "a.csv"
    pa.csv.write_csv(events({"query": query}), file)
    assert read(file)["query"].to_pylist() == [query]


@pytest.mark.parametrize(
    ("name", "values", "expected"),
    [
        ("clicks", pa.array([3], pa.int32()), 3),
        ("clicks", pa.array([3], pa.uint8()), 3),
        ("clicks", pa.array([3.0]), 3),
        ("clicks", pa.array([float("nan")]), None),
        ("clicks", pa.nulls(1), None),
        ("event_date", pa.array([datetime(2026, 6, 30)]), DAY),  # noqa: DTZ001 - a time without a zone
        ("event_date", pa.array([datetime(2026, 6, 30, tzinfo=UTC)]), DAY),
        ("event_date", pa.array([datetime(2026, 6, 30, tzinfo=ZoneInfo("Asia/Tokyo"))]), DAY),
        ("event_date", pa.array(["2026-06-30"]), DAY),
        ("event_date", pa.array([DAY], pa.date64()), DAY),
        ("query", pa.array(["boots"], pa.large_string()), "boots"),
        ("query", pa.array(["boots"], pa.string_view()), "boots"),
        ("query", pa.array(["boots"]).dictionary_encode(), "boots"),
        ("query", pa.array([b"boots"]), "boots"),
        ("product_id", pa.array([17]), "17"),
    ],
)
def test_types_that_lose_nothing_are_converted(tmp_path: Path, name: str, values: pa.Array, expected: object) -> None:
    assert read(write_parquet(tmp_path, with_column(name, values)))[name].to_pylist() == [expected]


INVALID_TEXT = pa.StringArray.from_buffers(2, pa.array([0, 2, 3], pa.int32()).buffers()[1], pa.py_buffer(b"ok\xff"))


@pytest.mark.parametrize(
    ("name", "values", "said"),
    [
        (
            "clicks",
            pa.array(["3", "4"]),
            "row 1: the column 'clicks' (string) holds something like 9 (9 for each digit,",
        ),
        ("clicks", pa.array([3.0, 2.5]), "row 2: the column 'clicks' (double) holds something like 9.9"),
        ("clicks", pa.array([1, 2**63], pa.uint64()), "row 2: the column 'clicks' (uint64) holds something like 9999"),
        ("clicks", pa.array([True, False]), "'clicks' (bool) holds something like aaaa"),
        (
            "event_date",
            pa.array(["2026-06-30", "30/06/2026"]),
            "row 2: the column 'event_date' (string) holds something like 99/99",
        ),
        ("event_date", pa.array([datetime(2026, 6, 30, 14)]), "holds something like 9999-99-99 99:99:99"),  # noqa: DTZ001
        ("event_date", pa.array([20260630]), "'event_date' (int64) holds something like 99999999"),
        ("query", pa.array([["red", "shoes"]]), "holds something like ['aaa', 'aaaaa'] (9"),
        ("product_id", pa.array([17.0]), "'product_id' (double) holds something like 99.9"),
        ("query", INVALID_TEXT, "row 2: the column 'query' (string) holds other bytes, which is not text in UTF-8"),
        ("product_id", INVALID_TEXT, "'product_id' (string) holds other bytes, which is not text in UTF-8"),
    ],
)
def test_a_parquet_column_of_the_wrong_type_is_named_with_its_row(
    tmp_path: Path, name: str, values: pa.Array, said: str
) -> None:
    file = write_parquet(tmp_path, with_column(name, values))
    with pytest.raises(SourceError) as error:
        read(file)
    assert re.match(rf"{re.escape(str(file))}, row \d: the column '{name}'", str(error.value))
    assert said in str(error.value)
    assert "correct the value, or write the column with the right type" in str(error.value)


def csv_row(**cells: str) -> str:
    return ",".join(cells.get(name, str(value)) for name, value in ROW.items()) + "\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "has no header: write the names of the columns into its first line"),
        (
            HEADER + csv_row() + csv_row(clicks="many"),
            "row 2: the column 'clicks' (string) holds something like aaaa",
        ),
        (HEADER + csv_row(clicks="2.5"), "the column 'clicks' (string) holds something like 9.9"),
        (HEADER + csv_row(clicks="0x10"), "the column 'clicks' (string) holds something like 9a99"),
        (
            HEADER + csv_row(event_date="0000-01-01"),
            "9999-99-99 (9 for each digit, a for each letter), which is not a date",
        ),
        (HEADER + csv_row(event_date="30.06.2026"), "the column 'event_date' (string) holds something like 99.99.9999"),
        (HEADER + csv_row(event_date="2026-06-30 14:00:00"), "holds something like 9999-99-99 99:99:99"),
        (HEADER + "2026-06-30,en-GB\n", "Expected 8 columns, got 2"),
        (HEADER.replace("clicks,", ""), "the column 'clicks' is missing; expected event_date, locale, query, product_"),
        (HEADER.replace("clicks", "Clicks"), "'Clicks' looks like it: rename it to 'clicks'"),
        (HEADER.replace("event_date", "event date"), "'event date' looks like it: rename it to 'event_date'"),
        # The nearest name is a column that is needed itself.
        (HEADER.replace("product_id", "id").replace("query", "product"), "the column 'query' is missing"),
        (HEADER.replace("purchases", "purchase"), "'purchase' looks like it: rename it to 'purchases'"),
        (HEADER.replace(",", ";"), "its columns are not separated by commas: write it again with commas"),
        (HEADER.replace("carts", "clicks"), "the column 'clicks' is there 2 times: keep one"),
    ],
)
def test_a_broken_csv_file_is_refused_in_words(tmp_path: Path, text: str, said: str) -> None:
    file = write_text(tmp_path, text)
    with pytest.raises(SourceError) as error:
        read(file)
    assert str(file) in str(error.value)
    assert said in str(error.value)


@pytest.mark.parametrize("cell", ["ann, meier", '"ann" meier', "ann\rmeier"])
def test_an_error_does_not_repeat_a_query(tmp_path: Path, cell: str) -> None:
    with pytest.raises(SourceError) as error:
        read(write_text(tmp_path, HEADER + csv_row() + csv_row(query=cell)))
    assert "is not readable CSV" in str(error.value)
    assert "meier" not in "".join(traceback.format_exception(error.value))


@pytest.mark.parametrize(
    ("name", "write"), [("event_date", write_parquet), ("event_date", write_csv), ("clicks", write_csv)]
)
def test_an_error_does_not_repeat_a_query_that_stands_in_another_column(
    tmp_path: Path, name: str, write: Callable[[Path, pa.Table], Path]
) -> None:
    rows = pa.concat_tables([events(*[{}] * 200_000).drop_columns([name]), events({}).drop_columns([name])])
    texts = [str(ROW[name])] * 200_000 + ["ann meier 1970"]
    confused = rows.append_column(name, pa.array(texts))
    file = write(tmp_path, confused.select(EVENTS.names))
    with pytest.raises(SourceError, match=r"row 200,001: .* holds something like aaa aaaaa 9999 ") as error:
        read(file)
    assert "meier" not in "".join(traceback.format_exception(error.value))


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_an_error_does_not_show_a_row_that_stands_where_the_header_should(tmp_path: Path, separator: str) -> None:
    file = write_text(tmp_path, csv_row(query="ann meier").replace(",", separator) * 3)
    for reading in (lambda: read(file), lambda: newest_day([file], before=DAY)):
        with pytest.raises(SourceError, match="its first line names none of the columns event_date") as error:
            reading()
        assert "meier" not in "".join(traceback.format_exception(error.value))


def test_whole_numbers_dates_and_gaps_as_pandas_writes_them_are_read(tmp_path: Path) -> None:
    cells = csv_row(clicks="3.0", carts="", event_date="2026-06-30 00:00:00") + csv_row(event_date="")
    table = read(write_text(tmp_path, "\ufeff" + HEADER + cells))
    assert table["event_date"].to_pylist() == [DAY, None]
    assert table["clicks"].to_pylist() == [3, 3]
    assert table["carts"].to_pylist() == [None, 1]


@pytest.mark.parametrize(
    ("cell", "expected"),
    [('"5"" pants, blue"', '5" pants, blue'), ('5" pants', '5" pants'), ('"red\nshoes"', "red\nshoes")],
)
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_well_formed_quotes_are_read(tmp_path: Path, cell: str, expected: str, line_end: str) -> None:
    text = (HEADER + csv_row(query=cell) + "\n" + csv_row()).replace("\n", line_end)
    file = write_text(tmp_path, "\ufeff" + text)
    assert read(file)["query"].to_pylist() == [expected.replace("\n", line_end), "red shoes"]


@pytest.mark.parametrize(
    "rows",
    [
        csv_row(query='"mens pants') + csv_row() * 3 + csv_row(query='"mens shoes'),
        csv_row(query='"mens pants') + csv_row() * 3 + csv_row(query='"shoes, blue"'),
        csv_row(query='"mens pants') + csv_row(),
        csv_row(query='"5\\" pants"'),
        csv_row(query='"mens" pants'),
        csv_row(query='"' + "x" * 200_000 + '" pants'),
    ],
)
@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz"])
def test_a_quote_that_is_not_doubled_is_named_with_its_line(tmp_path: Path, rows: str, name: str) -> None:
    content = (HEADER + csv_row() + rows).encode()
    (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    with pytest.raises(SourceError, match=rf"{name}: the row that starts in line 3 .*must be doubled"):
        read(tmp_path / name)


def test_rows_that_two_readers_count_differently_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write_text(tmp_path, HEADER + csv_row(query='"red, shoes"'))
    monkeypatch.setattr("q2pt_tasks.sources.csv_file._quoted_rows", lambda _: 2)
    with pytest.raises(SourceError, match=r"a\.csv: 1 rows were read, but its quotes make 2"):
        read(file)


@pytest.mark.parametrize("text", [HEADER, HEADER.strip(), "\ufeff" + HEADER.strip()])
def test_a_csv_file_with_only_a_header_has_no_rows(tmp_path: Path, text: str) -> None:
    assert read(write_text(tmp_path, text)).num_rows == 0


def test_the_case_of_a_file_ending_does_not_matter(tmp_path: Path) -> None:
    file = tmp_path / "A.CSV.GZ"
    file.write_bytes(gzip.compress((HEADER + csv_row()).encode()))
    assert read(file).to_pylist() == [ROW]


def test_counts_may_have_a_sign(tmp_path: Path) -> None:
    assert read(write_text(tmp_path, HEADER + csv_row(clicks="+3", carts="-2"))).to_pylist() == [ROW | {"carts": -2}]


@pytest.mark.parametrize("kind", [pa.date32(), pa.timestamp("s")])
@pytest.mark.parametrize("days", [-800_000, 3_000_000])
def test_a_date_outside_the_calendar_is_refused(tmp_path: Path, kind: pa.DataType, days: int) -> None:
    seconds = pa.array([days * 86_400]).cast(pa.timestamp("s"))
    file = write_parquet(tmp_path, with_column("event_date", seconds.cast(kind)))
    with pytest.raises(SourceError, match=r"a\.parquet, row 1: the column 'event_date' .*which is not a date"):
        newest_day([file], before=DAY)


@pytest.mark.parametrize("padding", [0, 2**20 - len(HEADER) - 15])
def test_the_wrong_encoding_is_named_with_the_position_of_the_byte(tmp_path: Path, padding: int) -> None:
    text = HEADER + "é".join(["2026-06-30,a", "x" * padding])
    file = write_text(tmp_path, text, "latin-1")
    position = text.index("é")
    with pytest.raises(SourceError, match=f"a.csv is not UTF-8: byte {position} is 0xe9, as in files written in latin"):
        read(file)


def test_a_character_cut_in_two_by_a_chunk_is_no_error_and_keeps_the_position(tmp_path: Path) -> None:
    text = HEADER + "x" * (2**20 - len(HEADER) - 1) + "éééé"
    (tmp_path / "a.csv").write_bytes(text.encode() + b"\xe9")
    with pytest.raises(SourceError, match=f"byte {len(text.encode())} is 0xe9"):
        read(tmp_path / "a.csv")


@pytest.mark.chaos("parquet-truncated")
@pytest.mark.parametrize("kept", [0, 6, 300, -3])
def test_a_truncated_parquet_file_is_named(tmp_path: Path, kept: int) -> None:
    file = write_parquet(tmp_path, events(*[{}] * 500))
    file.write_bytes(file.read_bytes()[:kept])
    with pytest.raises(SourceError) as error:
        read(file)
    assert f"{file} is not readable Parquet, perhaps cut off while it was copied" in str(error.value)
    assert str(error.value).endswith("write or copy it again")


def test_a_parquet_file_with_damaged_pages_is_named(tmp_path: Path) -> None:
    file = write_parquet(tmp_path, events(*[{"query": f"query {number}"} for number in range(5000)]))
    content = bytearray(file.read_bytes())
    content[200:9000] = bytes(8800)
    file.write_bytes(content)
    with pytest.raises(SourceError, match=r"a\.parquet is not readable Parquet"):
        read(file)


@pytest.mark.chaos("parquet-truncated")
def test_a_truncated_gzip_file_is_named(tmp_path: Path) -> None:
    file = tmp_path / "a.csv.gz"
    file.write_bytes(gzip.compress((HEADER + csv_row() * 500).encode())[:60])
    with pytest.raises(SourceError, match=r"a\.csv\.gz cannot be read to its end .*: write or copy it again"):
        read(file)


# In a file of half a megabyte.
@pytest.mark.parametrize(
    ("beginning", "said"),
    [("", "its first line has 1,048,576 characters or more"), (f'{HEADER}2026-06-30,en-GB,"', "has a line of ")],
    ids=["header", "quoted cell"],
)
def test_a_small_file_that_unpacks_to_a_line_without_end_is_refused_before_it_fills_the_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, beginning: str, said: str
) -> None:
    monkeypatch.setattr(csv_file, "_BLOCK_BYTES", 2**22)
    file = tmp_path / "a.csv.gz"
    with gzip.open(file, "wb") as stream:
        stream.write(beginning.encode())
        for _ in range(512):
            stream.write(b"a" * 2**20)
    tracemalloc.start()
    with pytest.raises(SourceError, match=said):
        read(file)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 64 * 2**20


def test_a_date_that_only_the_folder_knows_is_explained(tmp_path: Path) -> None:
    folder = tmp_path / "event_date=2026-06-30"
    folder.mkdir()
    file = write_parquet(folder, events({}).drop_columns("event_date"))
    with pytest.raises(SourceError, match=r"'event_date' stands in the folder's name only: write it into the files"):
        list(read_batches(file, EVENTS))


def test_extra_columns_are_ignored_and_told(tmp_path: Path) -> None:
    table = events({})
    file = write_parquet(tmp_path, table.append_column("session", pa.array(["s"])))
    assert read(file) == table
    assert ignored_columns([file], EVENTS) == ["session"]


def test_the_log_is_every_data_file_below_the_folder_without_catalog_and_markers(log: Path) -> None:
    for name in ("b.csv", "2026/a.parquet", "_SUCCESS", ".a.csv.crc", "_temporary/c.csv", "catalog.csv"):
        (log / "log" / name).parent.mkdir(exist_ok=True)
        (log / "log" / name).write_text("product_id,locale,product_type\n")
    params = EventsParams(path="log", catalog="log/catalog.csv")
    assert list_event_files(params, log) == [log / "log/2026/a.parquet", log / "log/b.csv"]
    assert list_event_files(EventsParams(path="log/b.csv", catalog="log/catalog.csv"), log) == [log / "log/b.csv"]


def test_a_linked_folder_in_the_log_is_refused_unless_it_is_hidden(log: Path) -> None:
    (log / "elsewhere").mkdir()
    (log / "log/a.csv").write_text(HEADER)
    (log / "log/_old").symlink_to(log / "elsewhere")
    assert list_event_files(PARAMS, log) == [log / "log/a.csv"]
    (log / "log/2026").symlink_to(log / "elsewhere")
    with pytest.raises(SourceError, match="log/2026 is a symbolic link to a folder, which is not followed"):
        list_event_files(PARAMS, log)


def test_a_link_in_the_log_cannot_have_another_file_read_in_its_place(log: Path) -> None:
    """Its first line would be in an error as the names of its columns: /proc/self/environ holds secrets."""
    (log / "secret").write_text("PASSWORD=hunter2")
    (log / "log/a.csv").write_text(HEADER)
    (log / "log/b.csv").symlink_to("a.csv")
    assert list_event_files(PARAMS, log) == [log / "log/a.csv", log / "log/b.csv"]
    for target, words in (
        (log / "secret", "to a file elsewhere"),
        (Path("../secret"), "to a file elsewhere"),
        (Path("gone.csv"), "to nothing"),
        (Path("c.csv"), "to nothing"),
    ):
        (log / "log/c.csv").unlink(missing_ok=True)
        (log / "log/c.csv").symlink_to(target)
        with pytest.raises(SourceError, match=rf"log/c\.csv is a symbolic link {words}") as refusal:
            list_event_files(PARAMS, log)
        assert "hunter2" not in str(refusal.value)


@pytest.mark.timeout(20)
def test_nobody_waits_for_a_pipe_in_the_log(log: Path) -> None:
    os.mkfifo(log / "log/a.csv")
    with pytest.raises(SourceError, match=r"log/a\.csv is neither a file nor a folder"):
        list_event_files(PARAMS, log)


@pytest.mark.timeout(20)
def test_a_folder_named_by_mistake_is_refused_before_it_is_searched_to_its_end(log: Path) -> None:
    with pytest.raises(SourceError, match=r"is a symbolic link|has an unknown file ending"):
        list_event_files(EventsParams(path="/", catalog="catalog.csv"), log)


def test_a_folder_that_may_not_be_read_is_not_passed_over() -> None:
    # Not below pytest's folder, where root alone may look.
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        root.chmod(0o755)
        (root / "catalog.csv").touch()
        (root / "log/2026").mkdir(parents=True)
        (root / "log/2026").chmod(0)
        try:
            os.seteuid(65534 if os.geteuid() == 0 else os.geteuid())
            with pytest.raises(SourceError, match=r"log/2026 cannot be read \(Permission denied\): correct its rights"):
                list_event_files(PARAMS, root)
        finally:
            os.seteuid(os.getuid())
            (root / "log/2026").chmod(0o755)


def leave_empty(root: Path) -> None:
    assert not list((root / "log").iterdir())


def forget_log(root: Path) -> None:
    (root / "log").rmdir()


def forget_catalog(root: Path) -> None:
    (root / "catalog.csv").unlink()


def make_catalog_a_folder(root: Path) -> None:
    forget_catalog(root)
    (root / "catalog.csv").mkdir()


def add_json(root: Path) -> None:
    (root / "log/a.json").write_text("{}")


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (forget_log, "log does not exist: correct ingest.events.path"),
        (leave_empty, "log holds no event files (.parquet, .csv, .csv.gz): correct ingest.events.path"),
        (add_json, "a.json has an unknown file ending; expected .parquet, .csv, .csv.gz: convert it"),
        (forget_catalog, "catalog.csv does not exist: ingest.events.catalog must name one file (.parquet, .csv,"),
        (make_catalog_a_folder, "catalog.csv is a folder: ingest.events.catalog must name one file"),
    ],
)
def test_a_log_that_is_not_there_is_refused_in_words(log: Path, damage: Callable[[Path], None], said: str) -> None:
    damage(log)
    with pytest.raises(SourceError) as error:
        list_event_files(PARAMS, log)
    assert str(log) in str(error.value)
    assert said in str(error.value)


def test_the_newest_day_is_that_of_all_files_and_never_of_the_future(tmp_path: Path) -> None:
    days = [date(2026, 6, 28), None, date(2026, 6, 29), date(9999, 12, 31)]
    old = write_parquet(tmp_path, events(*({"event_date": day} for day in days)))
    new = write_text(tmp_path, HEADER + csv_row())
    assert newest_day([old, new], before=date(2026, 7, 5)) == DAY
    assert newest_day([old, new], before=DAY) == date(2026, 6, 29)
    assert newest_day([old, new], before=date(2026, 1, 1)) is None


def test_the_catalog_is_read_whole(log: Path) -> None:
    catalog = read_catalog(log / "catalog.csv")
    assert catalog.schema == CATALOG
    assert catalog.to_pylist() == [{"product_id": "p1", "locale": "en-GB", "product_type": "SHOES"}]
