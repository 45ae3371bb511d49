import re
import traceback
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest
from event_files import DAY, HEADER, ROW, csv_row, events, read, with_column, write_csv, write_parquet, write_text

from q2pt_tasks.data.schema import EVENTS
from q2pt_tasks.sources.events import newest_day
from q2pt_tasks.sources.manifest import SourceError


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
        ("clicks", pa.array([3.0, 2.5]), "row 2: the column 'clicks' (double) holds something like 9.9"),
        ("clicks", pa.array([1, 2**63], pa.uint64()), "row 2: the column 'clicks' (uint64) holds something like 9999"),
        (
            "event_date",
            pa.array(["2026-06-30", "30/06/2026"]),
            "row 2: the column 'event_date' (string) holds something like 99/99",
        ),
        ("event_date", pa.array([datetime(2026, 6, 30, 14)]), "holds something like 9999-99-99 99:99:99"),  # noqa: DTZ001
        (
            "event_date",
            pa.array([1], pa.timestamp("us", "Mars/Base")),
            "holds a time in an unknown zone, which is not a",
        ),
        ("query", INVALID_TEXT, "row 2: the column 'query' (string) holds other bytes, which is not text in UTF-8"),
        ("product_id", INVALID_TEXT, "'product_id' (string) holds other bytes, which is not text in UTF-8"),
    ],
)
def test_a_value_in_a_parquet_column_is_named_with_its_row(
    tmp_path: Path, name: str, values: pa.Array, said: str
) -> None:
    file = write_parquet(tmp_path, with_column(name, values))
    with pytest.raises(SourceError) as error:
        read(file)
    assert re.match(rf"{re.escape(str(file))}, row \d: the column '{name}'", str(error.value))
    assert said in str(error.value)
    assert "correct the value, or write the column with the right type" in str(error.value)


@pytest.mark.parametrize(
    ("name", "values", "said"),
    [
        ("clicks", pa.array(["3", "4"]), "is string, which is not a whole number"),
        ("clicks", pa.array([True, False]), "is bool, which is not a whole number"),
        ("event_date", pa.array([20260630]), "is int64, which is not a date"),
        ("query", pa.array([["red", "shoes"]]), "<element: string>, which is not text in UTF-8"),
        ("product_id", pa.array([17.0]), "is double, which is not text in UTF-8"),
    ],
)
def test_a_column_of_the_wrong_type_is_named_with_its_type(
    tmp_path: Path, name: str, values: pa.Array, said: str
) -> None:
    file = write_parquet(tmp_path, with_column(name, values))
    with pytest.raises(SourceError) as error:
        read(file)
    assert str(error.value).startswith(f"{file}: the column '{name}' is ")
    assert said in str(error.value)
    assert str(error.value).endswith(": write the column with the right type")


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


def test_whole_numbers_dates_and_gaps_as_pandas_writes_them_are_read(tmp_path: Path) -> None:
    cells = csv_row(clicks="3.0", carts="", event_date="2026-06-30 00:00:00") + csv_row(event_date="")
    table = read(write_text(tmp_path, "\ufeff" + HEADER + cells))
    assert table["event_date"].to_pylist() == [DAY, None]
    assert table["clicks"].to_pylist() == [3, 3]
    assert table["carts"].to_pylist() == [None, 1]


def test_counts_may_have_a_sign(tmp_path: Path) -> None:
    assert read(write_text(tmp_path, HEADER + csv_row(clicks="+3", carts="-2"))).to_pylist() == [ROW | {"carts": -2}]


@pytest.mark.parametrize("kind", [pa.date32(), pa.timestamp("s")])
@pytest.mark.parametrize("days", [-800_000, 3_000_000])
def test_a_date_outside_the_calendar_is_refused(tmp_path: Path, kind: pa.DataType, days: int) -> None:
    seconds = pa.array([days * 86_400]).cast(pa.timestamp("s"))
    file = write_parquet(tmp_path, with_column("event_date", seconds.cast(kind)))
    with pytest.raises(SourceError, match=r"a\.parquet, row 1: the column 'event_date' .*which is not a date"):
        newest_day([file], before=DAY)
