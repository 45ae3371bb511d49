import os
import subprocess
import sys
from collections.abc import Mapping
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import ValidationError
from raw_tables import DAYS, FIRST_DAY, LOCALES, event, good_catalog, good_events, write_raw
from validate_stage import ANYTHING, LENIENT, page_of, quarantined, result_of, run, valid_rows

from q2pt_tasks.data.privacy import PrivacyParams
from q2pt_tasks.data.schema import EVENTS
from q2pt_tasks.engine.tables import write_table
from q2pt_tasks.layout import Layout, day_file
from q2pt_tasks.params import ParamsError
from q2pt_tasks.stages import validate
from q2pt_tasks.stages.validate import RawDataError, ValidateParams, ValidationFailed, main


def all_outputs(layout: Layout) -> Mapping[str, bytes]:
    folders = (layout.valid, layout.quarantine, layout.validation_report)
    files = [file for folder in folders for file in folder.rglob("*") if file.is_file()]
    return {str(file.relative_to(layout.root)): file.read_bytes() for file in files}


def test_good_log_is_accepted_and_handed_on_unchanged(tmp_path: Path) -> None:
    layout = write_raw(tmp_path, good_events())
    report = run(layout, LENIENT, LOCALES)
    assert (report.events.arrived, report.events.valid, report.events.quarantined) == (120, 120, 0)
    assert report.warnings == ()
    assert "120 of 120 events" in str(report)
    assert [file.name for file in sorted((layout.valid / "events").iterdir())] == [
        f"event_date={day}.parquet" for day in DAYS
    ]
    key = ("event_date", "locale", "query", "product_id")
    assert valid_rows(layout) == sorted(good_events(), key=lambda row: [str(row[name]) for name in key])
    assert pq.read_schema(day_file(layout.valid, FIRST_DAY)).equals(EVENTS)
    assert pq.read_schema(layout.quarantine / "events.parquet").names == [*EVENTS.names, "reason"]
    assert result_of(layout)["accepted"] is True
    assert "is accepted: all" in page_of(layout)


def test_few_bad_rows_go_to_quarantine_with_their_reasons_and_none_is_lost(tmp_path: Path) -> None:
    bad = [
        event(event_date=None),
        event(event_date=date(2020, 1, 1)),
        event(locale="../../etc"),
        event(query="<script>alert(1)</script>", clicks=-3),
        event(query="a\x00b\u202e"),
        event(query="shoes 0"),
    ]
    layout = write_raw(tmp_path, good_events() + bad, [*good_catalog(), good_catalog()[0]])
    report = run(layout, ValidateParams(min_locale_rows=10, max_dirty_share=0.25), LOCALES)
    assert (report.events.arrived, report.events.valid, report.events.quarantined) == (126, 120, 6)
    assert (report.catalog.arrived, report.catalog.valid, report.catalog.quarantined) == (5, 4, 1)
    assert quarantined(layout) == {
        "the date is missing": 1,
        "the date lies outside the window 2026-05-01 to 2026-05-03": 1,
        "the locale is not a language and a region such as en-GB": 1,
        "a count is negative": 1,
        "the query has control characters": 1,
        "the row repeats a date, locale, query and product": 1,
    }
    rules = {(rule["table"], rule["name"]): rule["rows"] for rule in result_of(layout)["rules"]}
    assert sum(rules.values()) == 7
    assert rules["catalog", "duplicate"] == 1


def test_the_column_of_users_is_judged_and_handed_on_where_a_floor_asks_for_it(tmp_path: Path) -> None:
    floor = PrivacyParams(min_query_clicks=1, min_query_users=5)
    layout = write_raw(tmp_path, good_events())
    with pytest.raises(ValidationFailed, match="columns of events: found"):
        validate.run(layout, LENIENT, LOCALES, floor)
    for day in DAYS:
        rows = [{**row, "users": 1} for row in good_events() if row["event_date"] == day]
        bad = [event(event_date=day, query="b", users=None), event(event_date=day, query="c", users=-1)]
        write_table(pa.Table.from_pylist(rows + bad, floor.events), day_file(layout.raw, day))
    validate.run(layout, LENIENT, LOCALES, floor)
    assert quarantined(layout) == {"a count is missing": 3, "a count is negative": 3}
    assert {row["users"] for row in valid_rows(layout)} == {1}


def test_log_with_only_dirty_rows_is_refused_and_leaves_no_valid_data(tmp_path: Path) -> None:
    layout = write_raw(tmp_path, [{**row, "clicks": 99} for row in good_events()])
    with pytest.raises(ValidationFailed) as failure:
        run(layout, LENIENT, LOCALES)
    message = str(failure.value)
    assert "share of events that break a rule: found 100 %, needed at most 5 %" in message
    assert "share of events with clicks_exceed: found 100 %" in message
    assert "days with valid rows: found 0, needed at least 1" in message
    assert not layout.valid.exists()
    assert quarantined(layout).total() == 120
    assert "is refused" in page_of(layout)
    assert result_of(layout)["accepted"] is False


def test_catalog_that_lost_a_locale_is_refused(tmp_path: Path) -> None:
    layout = write_raw(tmp_path, good_events(), good_catalog()[1:])
    with pytest.raises(ValidationFailed, match="product is in the catalog: found 75 %, needed at least 95 %"):
        run(layout, ValidateParams(min_locale_rows=1, max_dirty_share=1), LOCALES)


def test_product_whose_catalog_row_is_quarantined_is_unknown(tmp_path: Path) -> None:
    catalog = [{**row, "product_type": None if row["locale"] == "tr-TR" else "shoe"} for row in good_catalog()]
    layout = write_raw(tmp_path, good_events(), catalog)
    run(layout, ANYTHING, LOCALES)
    assert quarantined(layout) == {"the product is not in the catalog of its locale": 30}


@pytest.mark.parametrize(
    "table",
    [
        pa.table({"event_date": ["2026-05-02"], "locale": ["en-GB"]}),
        pa.Table.from_pylist([event()], EVENTS).append_column("extra", pa.array([1])),
        pa.Table.from_pylist([event()], EVENTS).drop_columns(["clicks"]).append_column("clicks", pa.array([1.5])),
    ],
    ids=["missing", "extra", "type"],
)
def test_one_day_with_other_columns_is_refused_before_rows_are_judged(tmp_path: Path, table: pa.Table) -> None:
    layout = write_raw(tmp_path, good_events())
    write_table(table, day_file(layout.raw, DAYS[1]))
    with pytest.raises(ValidationFailed, match="columns of events: found event_date"):
        run(layout, LENIENT, LOCALES)
    assert not layout.valid.exists()
    assert "No row was judged" in page_of(layout)


def test_log_without_files_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValidationFailed, match="columns of events: found no files"):
        run(write_raw(tmp_path, []), LENIENT, LOCALES)


@pytest.mark.parametrize("text", ["{}", "not json", '{"first_day": "2026-05-02", "last_day": "2026-05-01"}'])
def test_unusable_window_is_refused_by_name(tmp_path: Path, text: str) -> None:
    layout = write_raw(tmp_path, good_events())
    (layout.raw / "window.json").write_text(text)
    with pytest.raises(RawDataError, match=r"window\.json"):
        run(layout, LENIENT, LOCALES)


@pytest.mark.parametrize("name", ["window.json", "catalog.parquet"])
def test_missing_input_says_what_to_do(tmp_path: Path, name: str) -> None:
    layout = write_raw(tmp_path, good_events())
    (layout.raw / name).unlink()
    with pytest.raises(RawDataError, match=f"{name} not found: run the stage ingest first"):
        run(layout, LENIENT, LOCALES)


def test_outputs_have_the_same_bytes_whatever_the_order_of_arrival_and_replace_earlier_ones(tmp_path: Path) -> None:
    repeated = [event(query="shoes 0", carts=carts) for carts in range(4)]
    rows = [*good_events(), *repeated, event(event_date=None, locale=None)]
    layout = write_raw(tmp_path / "one", rows)
    run(layout, LENIENT, LOCALES)
    first = all_outputs(layout)
    day_file(layout.valid, "2020-01-01").write_bytes(b"left by an earlier run")
    run(layout, LENIENT, LOCALES)
    assert all_outputs(layout) == first
    other = write_raw(tmp_path / "two", rows[::-1])
    run(other, LENIENT, LOCALES)
    assert all_outputs(other) == first


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_dirty_share": 1.5},
        {"max_query_chars": 0},
        {"min_locale_rows": 0},
        {"max_missing_days": -1},
        {"on_low_volume": "ignore"},
        {"max_dirty_shar": 0.1},
        {"min_known_product_share": "0.9"},
    ],
)
def test_params_out_of_range_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        ValidateParams.model_validate(wrong)


def test_main_reads_its_sections(tmp_path: Path) -> None:
    layout = write_raw(tmp_path, good_events())
    sections = "validate:\n  min_locale_rows: 10\nengine: {}\nprivacy: {}\n"
    layout.params.write_text(f"locales: [{', '.join(LOCALES)}]\n{sections}")
    assert main(layout).events.valid == 120
    layout.params.write_text("locales: [en-GB, en-GB]\nvalidate: {}\nengine: {}\n")
    with pytest.raises(ParamsError, match="en-GB stands there more than once"):
        main(layout)


OFFLINE_RUN = """
import socket, sys
from pathlib import Path
def refuse(*_, **__): raise SystemExit("a socket was opened")
socket.socket.connect = socket.getaddrinfo = socket.create_connection = refuse
from q2pt_tasks.layout import Layout
from q2pt_tasks.stages.validate import main
main(Layout(Path(sys.argv[1])))
"""


def test_nothing_is_sent_printed_or_written_at_home(tmp_path: Path) -> None:
    layout = write_raw(tmp_path / "work", good_events())
    sections = "validate:\n  min_locale_rows: 10\nengine: {}\nprivacy: {}\n"
    layout.params.write_text(f"locales: [{', '.join(LOCALES)}]\n{sections}")
    folders = {name: tmp_path / name for name in ("HOME", "TMPDIR")}
    for folder in folders.values():
        folder.mkdir()
    folders["HOME"].chmod(0o500)
    environment = {**os.environ, **{name: str(folder) for name, folder in folders.items()}, "PYTHONPATH": os.getcwd()}
    command = [sys.executable, "-c", OFFLINE_RUN, str(layout.root)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert [list(folder.iterdir()) for folder in folders.values()] == [[], []]


def test_stores_that_nobody_asked_for_are_kept_apart_and_are_not_dirt(tmp_path: Path) -> None:
    others = [event(locale="nl-NL", query=f"q{number}") for number in range(300)]
    layout = write_raw(tmp_path, [*good_events(), *others])
    report = run(layout, ValidateParams(min_locale_rows=10, max_dirty_share=0.0), LOCALES)
    assert report.events.quarantined == 300
    assert dict(quarantined(layout)) == {"the locale is not among the locales of the params": 300}
