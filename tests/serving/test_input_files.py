"""Reading Parquet part by part, and everything that can be wrong with a file: the message that a user sees."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from q2pt_tasks.data.schema import check_locale
from q2pt_tasks.serving.input_files import InputError, check_rows, describe, list_input, read_parts
from q2pt_tasks.serving.manifest import Part, plan

ROWS = 100


def _write(file: Path, row_group_size: int | None = None, **columns: Any) -> Path:  # noqa: ANN401 - whatever Arrow takes
    table = pa.table({"query": ["hat"] * ROWS, "locale": ["en-US"] * ROWS, **columns})
    file.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, file, row_group_size=row_group_size)
    return file


def _no_utf8(values: list[bytes]) -> pa.Array:
    return pa.StringArray.from_buffers(len(values), *pa.array(values).buffers()[1:])


def test_all_files_of_a_folder_are_its_input_but_hidden_ones(tmp_path: Path) -> None:
    for name in ("b.parquet", "below/a.parquet", ".hidden.parquet", "_temporary/c.parquet"):
        _write(tmp_path / name)
    (tmp_path / "_SUCCESS").touch()
    files = list_input(tmp_path)
    assert [describe(tmp_path, file).name for file in files] == ["b.parquet", "below/a.parquet"]


def test_a_single_file_goes_by_its_own_name(tmp_path: Path) -> None:
    file = _write(tmp_path / "a.parquet")
    assert list_input(file) == [file]
    described = describe(file, file)
    assert (described.name, described.rows, described.size) == ("a.parquet", ROWS, file.stat().st_size)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.csv", "query,locale\n", "is no .parquet file: convert it, or move it elsewhere"),
        (None, "", "holds no .parquet files"),
    ],
)
def test_a_folder_without_queries_is_refused(tmp_path: Path, name: str | None, content: str, words: str) -> None:
    if name:
        (tmp_path / name).write_text(content)
    with pytest.raises(InputError, match=words):
        list_input(tmp_path)


def test_what_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere\.parquet does not exist: give a Parquet file"):
        list_input(tmp_path / "nowhere.parquet")


def test_a_link_to_a_folder_is_refused_and_not_left_out(tmp_path: Path) -> None:
    _write(tmp_path / "elsewhere/a.parquet")
    _write(tmp_path / "input/b.parquet")
    (tmp_path / "input/linked").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InputError, match="is a symbolic link to a folder"):
        list_input(tmp_path / "input")


@pytest.mark.timeout(20)
def test_a_folder_named_by_mistake_is_refused_before_it_is_searched_to_its_end() -> None:
    with pytest.raises(InputError, match=r"is a symbolic link|is no \.parquet file"):
        list_input(Path("/"))


def test_a_link_to_a_file_elsewhere_is_refused(tmp_path: Path) -> None:
    _write(tmp_path / "elsewhere/a.parquet")
    _write(tmp_path / "input/b.parquet")
    (tmp_path / "input/c.parquet").symlink_to(tmp_path / "elsewhere/a.parquet")
    with pytest.raises(InputError, match="is a symbolic link to a file elsewhere"):
        list_input(tmp_path / "input")


@pytest.mark.parametrize("content", [b"", b"PAR1", b"nothing of the kind, but long enough to look"])
def test_a_file_that_is_no_parquet_is_refused_by_name(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.parquet").write_bytes(content)
    with pytest.raises(InputError, match=rf"a\.parquet is not readable Parquet.* \({len(content)} bytes"):
        describe(tmp_path, tmp_path / "a.parquet")


def test_a_file_that_was_cut_off_is_refused_by_name(tmp_path: Path) -> None:
    file = _write(tmp_path / "a.parquet")
    file.write_bytes(file.read_bytes()[:-20])
    with pytest.raises(InputError, match="perhaps cut off while it was copied"):
        describe(tmp_path, file)


def test_a_file_with_damaged_pages_is_refused_by_name(tmp_path: Path) -> None:
    file = _write(tmp_path / "a.parquet", query=[f"query {number}" for number in range(ROWS)])
    content = bytearray(file.read_bytes())
    content[4:200] = b"\xff" * 196
    file.write_bytes(content)
    with pytest.raises(InputError, match=r"a\.parquet is not readable Parquet"):
        check_rows(file, check_locale)


@pytest.mark.parametrize(
    ("table", "words"),
    [
        (
            {"Query": ["a"], "locale": ["en-US"]},
            "the column 'query' is missing; found Query, locale: add it, or rename",
        ),
        ({"query": ["a"]}, "the column 'locale' is missing; found query"),
        ({"query": [1], "locale": ["en-US"]}, "the column 'query' is int64, not text: convert it"),
        ({"query": ["a"], "locale": [b"en-US"]}, "the column 'locale' is binary, not text"),
        ({"query": [["a"]], "locale": ["en-US"]}, "the column 'query' is list"),
        ({"query": ["a"], "locale": ["en-US"], "product_types": [1]}, "has a column 'product_types', which is what"),
        ({"query": ["a"], "locale": ["en-US"], "used_unknown_locale": [1]}, "has a column 'used_unknown_locale'"),
    ],
)
def test_columns_that_cannot_be_predicted_are_refused(tmp_path: Path, table: dict[str, Any], words: str) -> None:
    pq.write_table(pa.table(table), tmp_path / "a.parquet")
    with pytest.raises(InputError, match=rf"a\.parquet.*{words}"):
        describe(tmp_path, tmp_path / "a.parquet")


def test_a_column_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    table = pa.Table.from_arrays([pa.array(["a"])] * 3, names=["query", "locale", "query"])
    pq.write_table(table, tmp_path / "a.parquet")
    with pytest.raises(InputError, match="the column 'query' is there 2 times: keep one"):
        describe(tmp_path, tmp_path / "a.parquet")


def test_a_locale_in_the_name_of_a_folder_is_not_in_the_file(tmp_path: Path) -> None:
    file = tmp_path / "locale=en-US/a.parquet"
    file.parent.mkdir()
    pq.write_table(pa.table({"query": ["hat"]}), file)
    with pytest.raises(InputError, match="'locale' stands in the folder's name only, write it into the files too"):
        describe(tmp_path, file)


@pytest.mark.parametrize(
    ("locale", "words"),
    [
        (None, "the locale is missing"),
        ("uk", "a locale is a language and a region such as en-GB, found 'uk'"),
        ("en_GB", "found 'en_GB'"),
        ("", "found ''"),
    ],
)
@pytest.mark.parametrize("kind", [pa.string(), pa.dictionary(pa.int8(), pa.string())], ids=str)
def test_a_bad_locale_is_refused_with_its_row(
    tmp_path: Path, locale: str | None, words: str, kind: pa.DataType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("q2pt_tasks.serving.input_files._BATCH_ROWS", 7)
    locales = pa.array(["en-US"] * 60 + [locale] + ["en-GB"] * 39).cast(kind)
    file = _write(tmp_path / "a.parquet", row_group_size=13, locale=locales)
    with pytest.raises(InputError, match=rf"a\.parquet, row 60 \(the first is 0\): .*{words}"):
        check_rows(file, check_locale)


@pytest.mark.parametrize("name", ["query", "locale"])
def test_text_that_is_not_utf8_is_refused_with_its_row(tmp_path: Path, name: str) -> None:
    texts = _no_utf8([b"en-US"] * 60 + [b"caf\xe9"] + [b"en-GB"] * 39)
    file = _write(tmp_path / "a.parquet", **{name: texts})
    with pytest.raises(InputError, match=rf"row 60 .* the column '{name}' is not UTF-8"):
        check_rows(file, check_locale)


def test_a_missing_or_blank_query_is_no_reason_to_refuse(tmp_path: Path) -> None:
    check_rows(_write(tmp_path / "a.parquet", query=[None, "", " "] + ["hat"] * 97), check_locale)
    check_rows(_write(tmp_path / "b.parquet", query=pa.nulls(ROWS)), check_locale)


@pytest.mark.parametrize("part_rows", [1, 7, 30, 33, 99, 100, 1000])
@pytest.mark.parametrize("row_group_size", [10, 33, 100])
def test_the_parts_are_the_rows_of_the_file(
    tmp_path: Path, part_rows: int, row_group_size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("q2pt_tasks.serving.input_files._BATCH_ROWS", 8)
    file = _write(tmp_path / "a.parquet", row_group_size=row_group_size, id=range(ROWS))
    parts = plan("0" * 32, part_rows, [describe(file, file)]).parts
    tables = [(part, table) for part, table in read_parts(file, parts)]
    assert [part for part, _ in tables] == list(parts)
    assert [table["id"].to_pylist() for _, table in tables] == [list(range(p.first_row, p.end)) for p in parts]


def test_a_part_comes_in_the_same_pieces_wherever_the_pass_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("q2pt_tasks.serving.input_files._BATCH_ROWS", 8)
    text = pa.array([f"{number % 9}" for number in range(ROWS)]).dictionary_encode()
    file = _write(tmp_path / "a.parquet", row_group_size=35, text=text)
    parts = plan("0" * 32, 15, [describe(file, file)]).parts
    whole = {part: table["text"].chunks for part, table in read_parts(file, parts)}
    for wanted in ([3], [6], [1, 4], [0, 2, 5]):
        for part, table in read_parts(file, [parts[index] for index in wanted]):
            assert [chunk.to_pylist() for chunk in table["text"].chunks] == [c.to_pylist() for c in whole[part]]
            assert [chunk.dictionary for chunk in table["text"].chunks] == [c.dictionary for c in whole[part]]


def test_row_groups_that_no_part_needs_are_not_read(tmp_path: Path) -> None:
    file = _write(tmp_path / "a.parquet", row_group_size=10, id=range(ROWS))
    content = bytearray(file.read_bytes())
    # The first row group.
    content[4:40] = b"\xff" * 36
    file.write_bytes(content)
    (found,) = read_parts(file, [Part("part-00005.parquet", "a.parquet", 50, 10)])
    assert found[1]["id"].to_pylist() == list(range(50, 60))
    with pytest.raises(InputError, match="is not readable Parquet"):
        list(read_parts(file, [Part("part-00000.parquet", "a.parquet", 0, 10)]))


def test_rows_that_are_gone_since_the_run_was_planned_are_missed(tmp_path: Path) -> None:
    file = _write(tmp_path / "a.parquet")
    with pytest.raises(InputError, match=r"a\.parquet has no row 104 any more: put back the file"):
        list(read_parts(file, [Part("part-00000.parquet", "a.parquet", 90, 15)]))
