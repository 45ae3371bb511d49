import logging
from pathlib import Path

import pytest
from raw_tables import DAYS, LOCALES, event, good_events, write_raw
from validate_stage import LENIENT, page_of, quarantined, result_of, run, valid_rows

from q2pt_tasks.layout import day_file
from q2pt_tasks.stages.validate import ValidationFailed


def test_missing_days_are_named_and_limited(tmp_path: Path) -> None:
    layout = write_raw(tmp_path, [row for row in good_events() if row["event_date"] == DAYS[1]])
    run(layout, LENIENT, LOCALES)
    remarks = {day["name"]: day["remark"] for day in result_of(layout)["days"]}
    assert [day for day, remark in remarks.items() if remark] == ["2026-05-01", "2026-05-03"]
    with pytest.raises(ValidationFailed, match="days without valid rows: found 2, needed at most 1"):
        run(layout, LENIENT.model_copy(update={"max_missing_days": 1}), LOCALES)


ONE_SMALL = [*good_events(LOCALES[:3]), event(locale="tr-TR", query="ayakkabı")]


def test_small_locale_is_said_in_report_and_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    layout = write_raw(tmp_path, ONE_SMALL)
    with caplog.at_level(logging.WARNING, logger="q2pt_tasks"):
        report = run(layout, LENIENT, LOCALES)
    assert report.warnings == ("valid rows of tr-TR: found 1, needed at least 10",)
    assert report.warnings[0] in caplog.text
    assert report.warnings[0] in page_of(layout)
    assert report.events.valid == 91


def test_small_locale_is_excluded(tmp_path: Path) -> None:
    layout = write_raw(tmp_path, ONE_SMALL)
    report = run(layout, LENIENT.model_copy(update={"on_low_volume": "exclude"}), LOCALES)
    assert quarantined(layout) == {"locale excluded: 1 rows, at least 10 needed": 1}
    assert report.events.valid == 90
    assert {row["locale"] for row in valid_rows(layout)} == set(LOCALES[:3])
    assert "excluded_tr-TR" in {rule["name"] for rule in result_of(layout)["rules"] if rule["rows"] == 1}


def test_day_that_only_an_excluded_locale_had_has_no_file(tmp_path: Path) -> None:
    rows = [row for row in good_events(LOCALES[:3]) if row["event_date"] != DAYS[2]]
    layout = write_raw(tmp_path, [*rows, event(locale="tr-TR", event_date=DAYS[2])])
    params = LENIENT.model_copy(update={"on_low_volume": "exclude", "min_newest_day_share": 0})
    report = run(layout, params, LOCALES)
    assert (report.events.valid, report.events.quarantined) == (60, 1)
    assert not day_file(layout.valid, DAYS[2]).exists()


def test_small_locale_fails_where_params_say_so(tmp_path: Path) -> None:
    with pytest.raises(ValidationFailed, match="valid rows of tr-TR: found 1, needed at least 10"):
        run(write_raw(tmp_path, ONE_SMALL), LENIENT.model_copy(update={"on_low_volume": "fail"}), LOCALES)


def test_locale_without_any_row_counts_as_small(tmp_path: Path) -> None:
    report = run(write_raw(tmp_path, good_events(LOCALES[:3])), LENIENT, LOCALES)
    assert report.warnings == ("valid rows of tr-TR: found 0, needed at least 10",)


@pytest.mark.parametrize("setting", ["warn", "exclude"])
def test_most_locales_small_fail_whatever_the_setting(tmp_path: Path, setting: str) -> None:
    layout = write_raw(tmp_path, good_events(LOCALES[:1]))
    with pytest.raises(ValidationFailed, match="locales with too few rows: found 75 %, needed at most 50 %"):
        run(layout, LENIENT.model_copy(update={"on_low_volume": setting}), LOCALES)


def test_small_locale_with_many_clicks_fails_though_its_rows_were_quarantined(tmp_path: Path) -> None:
    large = [event(locale="tr-TR", query=f"x {number}\x00", impressions=900, clicks=900) for number in range(2)]
    layout = write_raw(tmp_path, good_events(LOCALES[:3]) + large)
    with pytest.raises(ValidationFailed, match=r"clicks in locales with too few rows: found 90\.9091 %"):
        run(layout, LENIENT.model_copy(update={"on_low_volume": "exclude"}), LOCALES)
