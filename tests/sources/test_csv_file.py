import gzip
import traceback
import tracemalloc
from pathlib import Path

import pyarrow as pa
import pytest
from event_files import DAY, HEADER, csv_row, events, read, write_text
from hypothesis import given
from hypothesis import strategies as st

from q2pt_tasks.sources import csv_file
from q2pt_tasks.sources.events import newest_day
from q2pt_tasks.sources.manifest import SourceError


@given(query=st.text(st.characters(codec="utf-8", exclude_characters="\r"), max_size=30))
def test_any_query_comes_through_csv(tmp_path_factory: pytest.TempPathFactory, query: str) -> None:
    file = tmp_path_factory.mktemp("csv") / "a.csv"
    pa.csv.write_csv(events({"query": query}), file)
    assert read(file)["query"].to_pylist() == [query]


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


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_an_error_does_not_show_a_row_that_stands_where_the_header_should(tmp_path: Path, separator: str) -> None:
    file = write_text(tmp_path, csv_row(query="ann meier").replace(",", separator) * 3)
    for reading in (lambda: read(file), lambda: newest_day([file], before=DAY)):
        with pytest.raises(SourceError, match="its first line names none of the columns event_date") as error:
            reading()
        assert "meier" not in "".join(traceback.format_exception(error.value))


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
