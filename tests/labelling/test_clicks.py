from datetime import date, timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from raw_tables import event

from q2pt_tasks.data.labels import add_clicks
from q2pt_tasks.data.schema import CATALOG, EVENTS
from q2pt_tasks.engine.interface import Engine
from q2pt_tasks.engine.opening import open_engine
from q2pt_tasks.engine.tables import collect, write_table
from q2pt_tasks.labelling.clicks import Counting, count_clicks, spans, stretches
from q2pt_tasks.layout import day_file
from q2pt_tasks.memo import NOTHING, Memo

MONDAY = date(2026, 6, 1)
Row = tuple[str, str, str, int]


def files(folder: Path, *offsets: int) -> list[Path]:
    return [day_file(folder, MONDAY + timedelta(days=offset)) for offset in offsets]


def test_a_whole_week_is_one_span_and_other_days_are_each_their_own(tmp_path: Path) -> None:
    days = files(tmp_path, -1, *range(7), 7, 8)
    assert spans(days) == [(days[0],), tuple(days[1:8]), (days[8],), (days[9],)]


def test_a_week_without_one_of_its_days_is_none(tmp_path: Path) -> None:
    days = files(tmp_path, 0, 1, 2, 4, 5, 6)
    assert spans(days) == [(day,) for day in days]
    assert spans([]) == []


def write_day(file: Path, query: str, clicks: int, **values: object) -> None:
    write_table(pa.Table.from_pylist([event(query=query, clicks=clicks, **values)], EVENTS), file)


def counted(
    engine: Engine, days: list[Path], folder: Path, memo: Memo, product_type: str = "SHOES", at_once: int = 4
) -> list[Row]:
    catalog = {"product_id": event()["product_id"], "locale": "en-GB", "product_type": product_type}
    folder.mkdir(parents=True)
    kept = engine.keep(engine.frame(pa.Table.from_pylist([catalog], CATALOG)))
    clicks = add_clicks(count_clicks(engine, days, Counting(kept, (), folder, memo, at_once)))
    rows = collect(clicks, ("query", "product_type"))
    return [(row["locale"], row["query"], row["product_type"], row["clicks"]) for row in rows.to_pylist()]


@pytest.fixture
def days(tmp_path: Path) -> list[Path]:
    """Sunday, a whole week and a Monday: two spellings of one query, and a day of another one."""
    found = files(tmp_path, *range(-1, 8))
    for number, file in enumerate(found):
        write_day(file, "Red Shoes" if number % 2 else "red  shoes", 10**number)
    write_day(found[5], "boots", 5)
    return found


EXPECTED = [("en-GB", "boots", "SHOES", 5), ("en-GB", "red shoes", "SHOES", 111_011_111)]


@pytest.mark.parametrize("remembers", [False, True])
def test_clicks_of_weeks_and_of_days_are_added_up(days: list[Path], tmp_path: Path, *, remembers: bool) -> None:
    engine, memo = open_engine(), Memo(str(tmp_path / "place")) if remembers else NOTHING
    for run in ("first", "again"):
        assert counted(engine, days, tmp_path / run, memo) == EXPECTED


@pytest.mark.parametrize("rows", [1, 2, 100])
def test_clicks_are_the_same_however_many_rows_are_counted_at_once(days: list[Path], tmp_path: Path, rows: int) -> None:
    assert counted(open_engine(), days, tmp_path / "counted", NOTHING, at_once=rows) == EXPECTED
    assert len(list((tmp_path / "counted").iterdir())) == len(list(stretches(days, rows)))


def test_days_are_together_as_long_as_their_rows_are_few(tmp_path: Path) -> None:
    days = files(tmp_path, 0, 1, 2, 3, 4)
    for file, rows in zip(days, (2, 1, 5, 1, 1), strict=True):
        write_table(pa.Table.from_pylist([event()] * rows, EVENTS), file)
    assert list(stretches(days, 3)) == [tuple(days[:2]), (days[2],), tuple(days[3:])]
    assert list(stretches(days, 100)) == [tuple(days)]
    assert list(stretches([], 3)) == []


def test_a_known_week_needs_no_day_of_it_counted(days: list[Path], tmp_path: Path) -> None:
    engine, memo = open_engine(), Memo(str(tmp_path / "place"))
    counted(engine, days, tmp_path / "first", memo)
    assert counted(engine, days, tmp_path / "again", memo) == EXPECTED
    made = {folder.name for folder in (tmp_path / "again").iterdir()}
    assert made == {"event_date=2026-05-31-1", "event_date=2026-06-01-7", "event_date=2026-06-08-1"}


def test_a_corrected_day_is_counted_again_and_its_week_added_up_again(days: list[Path], tmp_path: Path) -> None:
    engine, memo = open_engine(), Memo(str(tmp_path / "place"))
    counted(engine, days, tmp_path / "first", memo)
    write_day(days[5], "boots", 7)
    assert counted(engine, days, tmp_path / "again", memo) == [("en-GB", "boots", "SHOES", 7), EXPECTED[1]]


def test_a_product_of_another_type_is_counted_as_that(days: list[Path], tmp_path: Path) -> None:
    engine, memo = open_engine(), Memo(str(tmp_path / "place"))
    counted(engine, days, tmp_path / "first", memo)
    changed = counted(engine, days, tmp_path / "again", memo, product_type="BOOTS")
    assert changed == [(locale, query, "BOOTS", clicks) for locale, query, _, clicks in EXPECTED]


@pytest.mark.chaos("memo-damaged")
def test_a_place_that_cannot_be_reached_costs_the_time_alone(days: list[Path], tmp_path: Path) -> None:
    (tmp_path / "place").write_text("no folder")
    assert counted(open_engine(), days, tmp_path / "run", Memo(str(tmp_path / "place"))) == EXPECTED
