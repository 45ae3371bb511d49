"""The events of a window are divided and none is lost, whatever day they claim."""

import dataclasses
from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from raw_tables import DAYS, LOCALES, Row, event, good_events, write_raw

from q2pt_tasks.data.floods import FloodRule
from q2pt_tasks.data.row_rules import Window
from q2pt_tasks.data.schema import EVENTS
from q2pt_tasks.data.tallies import LostRowsError, TableRows
from q2pt_tasks.engine.opening import open_engine
from q2pt_tasks.layout import Layout, day_files
from q2pt_tasks.memo import NOTHING
from q2pt_tasks.validation import day as validation_day
from q2pt_tasks.validation.catalog import divide_catalog
from q2pt_tasks.validation.day import EventRules
from q2pt_tasks.validation.events import count_events, divide_events, newest_days

RULES = EventRules(LOCALES, Window(DAYS[0], DAYS[-1]), 200, FloodRule(share=0.9, clicks=1_000), EVENTS)


def divide(layout: Layout, rules: EventRules = RULES) -> Counter[str | None]:
    engine = open_engine()
    divide_catalog(engine, layout, LOCALES)
    reasons: Counter[str | None] = Counter()
    for tally in divide_events(engine, layout, rules, NOTHING):
        reasons[tally.reason] += tally.rows
    return reasons


def quarantine_of(layout: Layout) -> list[Row]:
    rows: list[Row] = pq.read_table(layout.quarantined_events).to_pylist()
    return rows


def test_rows_of_every_day_and_of_none_go_one_way_or_the_other(tmp_path: Path) -> None:
    strays = [event(event_date=None), event(event_date=DAYS[0].replace(year=2020)), event(clicks=-1)]
    layout = write_raw(tmp_path, [*good_events(), *strays])
    reasons = divide(layout)
    assert reasons.pop(None) == 120
    assert reasons == Counter(row["reason"] for row in quarantine_of(layout))
    assert count_events(layout) == TableRows(123, 120, 3)


def test_another_call_replaces_what_an_earlier_one_wrote(tmp_path: Path) -> None:
    layout = write_raw(tmp_path, good_events())
    divide(layout)
    without = dataclasses.replace(RULES, exclusions={"tr-TR": "it is closed"})
    assert divide(layout, without)["it is closed"] == 30
    assert count_events(layout) == TableRows(120, 90, 30)
    assert [file.name for file in (tmp_path / "data/valid").iterdir() if file.name.startswith(".")] == []


def test_a_flood_is_quarantined_on_its_day_alone(tmp_path: Path) -> None:
    flood = event(query="bots", clicks=9_000, impressions=9_000)
    layout = write_raw(tmp_path, [*good_events(), flood, event(query="bots", event_date=DAYS[1])])
    divide(layout)
    assert [(row["query"], row["event_date"]) for row in quarantine_of(layout)] == [("bots", DAYS[0])]


def test_a_day_without_valid_rows_has_no_file(tmp_path: Path) -> None:
    layout = write_raw(tmp_path, [*good_events(), *(event(event_date=DAYS[2].replace(year=2020)) for _ in range(2))])
    assert len(day_files(layout.raw)) == 4
    divide(layout)
    assert len(day_files(layout.valid)) == 3


def test_the_newest_days_are_as_many_as_have_so_many_rows(tmp_path: Path) -> None:
    layout = write_raw(tmp_path, good_events())
    divide(layout)
    files = day_files(layout.valid)
    rows = [pq.read_metadata(file).num_rows for file in files]
    assert len(files) > 2
    assert newest_days(layout, 1) == files[-1:]
    assert newest_days(layout, rows[-1] + 1) == [files[-1], files[-2]]
    assert newest_days(layout, sum(rows) + 1) == files[::-1]


def test_a_lost_row_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    layout = write_raw(tmp_path, [*good_events(), event(clicks=-1)])
    monkeypatch.setattr(validation_day, "quarantined_rows", lambda judged: judged.slice(0, 0))
    divide(layout)
    with pytest.raises(LostRowsError, match="events: 121 rows arrived, but 120 valid and 0 quarantined"):
        count_events(layout)
