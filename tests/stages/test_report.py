import json
from pathlib import Path
from typing import Any

import pytest

from q2pt_tasks.layout import Layout
from q2pt_tasks.params import ParamsError
from q2pt_tasks.stages.report import ReportError, ReportParams, main, run

PARAMS = ReportParams(title="Tonight")


def write(path: Path, content: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")


def summary() -> dict[str, Any]:
    key = {"variant": "unified_aware", "split": "test", "metric": "micro_recall"}
    model = {"variant": "unified_aware", "locale": None, "status": "trained", "reason": ""}
    return {
        "precision": 0.8,
        "headline": {"unified_aware": {"micro_recall": 0.512, "macro_recall": None}},
        "rows": [{**key, "locale": "all", "value": 0.512, "n": 40}, {**key, "locale": "pl-PL", "value": None, "n": 0}],
        "models": [{**model, "training_rows": 80, "epochs": 2, "seconds": 1.5}],
        "champion": None,
    }


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    layout = Layout(tmp_path)
    rule = {
        "name": "first",
        "passed": True,
        "sentence": "There is no champion yet.",
        "figures": {"gain": 0.1},
        "severity": "block",
    }
    decision = {
        "promote": True,
        "candidate": "unified_aware",
        "champion": None,
        "sentence": "Promoted.",
        "rules": [rule],
    }
    write(layout.summary, summary())
    write(layout.intervals, [])
    write(layout.calibration, [])
    write(layout.precision_recall, [{"variant": "unified_aware", "recall": 0.5, "precision": 0.8}])
    write(
        layout.locales,
        [{"variant": "unified_aware", "locale": "pl-PL", "micro_recall": None, "training_rows": 80}],
    )
    write(layout.decision, decision)
    write(layout.slices, {"level": 0.95, "rows": [], "cells": [], "parity": {"unified_aware": None}})
    write(layout.mistakes, {"unified_aware": {"types": [], "mistakes": []}})
    write(layout.model_card, {"rows": {"train": 80}, "variants": {}})
    write(layout.window, {"first_day": "2026-06-23", "last_day": "2026-06-30"})
    write(
        layout.validation_report / "result.json",
        {"verdict": "Good.", "tables": {"events": {"arrived": 9, "valid": 8, "quarantined": 1}}, "expectations": []},
    )
    return layout


def test_the_stage_writes_one_page_and_leaves_its_neighbours(layout: Layout) -> None:
    before = {path: path.read_bytes() for path in layout.root.rglob("*") if path.is_file()}
    report = run(layout, PARAMS)
    after = {path: path.read_bytes() for path in layout.root.rglob("*") if path.is_file()}
    page = after.pop(layout.report_page)
    assert after == before
    assert str(report) == str(layout.report_page)
    assert b"<title>Tonight</title>" in page
    assert "0.512" in page.decode()


def test_a_second_run_gives_the_same_bytes(layout: Layout) -> None:
    run(layout, PARAMS)
    first = layout.report_page.read_bytes()
    run(layout, PARAMS)
    assert layout.report_page.read_bytes() == first


def test_main_takes_its_title_from_the_params(layout: Layout) -> None:
    layout.params.write_text("report:\n  title: Query to product type\n", encoding="utf-8")
    assert "Query to product type" in main(layout).page.read_text(encoding="utf-8")


def test_an_empty_title_is_refused(layout: Layout) -> None:
    layout.params.write_text('report:\n  title: ""\n', encoding="utf-8")
    with pytest.raises(ParamsError, match=r"report\.title"):
        main(layout)


def test_a_missing_input_is_named_and_the_last_page_stays(layout: Layout) -> None:
    run(layout, PARAMS)
    layout.decision.unlink()
    with pytest.raises(ReportError, match=r"decision\.json not found"):
        run(layout, PARAMS)
    assert layout.report_page.exists()


def test_an_input_that_says_something_else_is_refused_by_file_and_key(layout: Layout) -> None:
    write(layout.summary, summary() | {"precision": "high"})
    with pytest.raises(ReportError, match=r"summary\.json .*precision"):
        run(layout, PARAMS)
