"""A user's own log with everything that can be wrong with it: the message that a user sees, and no row lost."""

import datetime
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tiny import run_data_stages, tiny_project

from q2pt_tasks import cli
from q2pt_tasks.data.schema import CATALOG, EVENTS
from q2pt_tasks.layout import Layout
from q2pt_tasks.params_edit import edit_params
from q2pt_tasks.stages import evaluate, gate, report, train_non_unified, train_unified

DAY = datetime.date(2026, 6, 30)
GOOD: Mapping[str, Any] = {
    "event_date": DAY,
    "locale": "en-US",
    "query": "pants",
    "product_id": "1",
    "impressions": 10,
    "clicks": 5,
    "carts": 1,
    "purchases": 0,
}
ROWS = 40

Run = Callable[..., tuple[int, str]]


@pytest.fixture
def project(tmp_path: Path) -> Layout:
    layout = tiny_project(
        tmp_path,
        {
            "ingest.source": "events",
            "ingest.window_days": 1,
            "ingest.last_day": DAY.isoformat(),
            "ingest.events.path": str(tmp_path / "log"),
            "ingest.events.catalog": str(tmp_path / "catalog.parquet"),
            "locales": ["en-US"],
            "validate.min_locale_rows": 10,
        },
    )
    catalog = pa.table({"product_id": ["1"], "locale": ["en-US"], "product_type": ["TROUSERS"]}, schema=CATALOG)
    pq.write_table(catalog, tmp_path / "catalog.parquet")
    (tmp_path / "log").mkdir()
    return layout


@pytest.fixture
def run(project: Layout, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs commands as a user would; returns the exit code and what stands on the terminal."""
    monkeypatch.chdir(project.root)

    def call(*commands: str) -> tuple[int, str]:
        try:
            for command in commands:
                cli.main(command.split())
        except SystemExit as stopped:
            return int(stopped.code or 0), "".join(capsys.readouterr())
        return 0, "".join(capsys.readouterr())

    return call


def _write_log(layout: Layout, *bad: Mapping[str, Any], good: int = ROWS) -> int:
    rows = [{**GOOD, "query": f"pants {number}"} for number in range(good)] + [{**GOOD, **row} for row in bad]
    pq.write_table(pa.Table.from_pylist(rows, schema=EVENTS), layout.root / "log/events.parquet")
    return len(rows)


def _quarantined(layout: Layout) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pq.ParquetFile(layout.quarantine / "events.parquet").read().to_pylist()
    return rows


def _valid(layout: Layout) -> list[dict[str, Any]]:
    files = sorted((layout.valid / "events").glob("*.parquet"))
    return [row for file in files for row in pq.ParquetFile(file).read().to_pylist()]


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        pytest.param({"locale": "../../etc"}, "locale", id="a locale that is a path"),
        pytest.param({"locale": None}, "locale", id="no locale"),
        pytest.param({"query": "a" * 1_000_000}, "longer", id="a query of 1 MB"),
        pytest.param({"query": "pa\x00nts"}, "control", id="NUL bytes"),
        pytest.param({"query": "  "}, "query", id="an empty query"),
        pytest.param({"clicks": -1}, "negative", id="negative clicks"),
        pytest.param({"clicks": 11}, "impressions", id="clicks over impressions"),
        pytest.param({"product_id": "999"}, "catalog", id="a product that is not in the catalog"),
        pytest.param({"event_date": None}, "date", id="no date"),
        pytest.param({"query": "pants 0"}, "repeats", id="a repeated key"),
    ],
)
def test_a_bad_row_goes_to_quarantine_with_its_reason_and_the_rest_goes_on(
    project: Layout, run: Run, bad: Mapping[str, Any], reason: str
) -> None:
    arrived = _write_log(project, bad)
    code, said = run("resolve", "ingest", "validate")
    assert code == 0, said
    quarantined = _quarantined(project)
    assert len(quarantined) == 1
    assert reason in quarantined[0]["reason"]
    assert len(_valid(project)) + len(quarantined) == arrived


@pytest.mark.parametrize("query", ["\u200fشلوار", "👖", "<script>alert(1)</script>", "pants'; drop table", "{{7*7}}"])
def test_a_strange_query_is_a_query(project: Layout, run: Run, query: str) -> None:
    arrived = _write_log(project, {"query": query})
    code, said = run("resolve", "ingest", "validate")
    assert code == 0, said
    assert _quarantined(project) == []
    assert len(_valid(project)) == arrived
    assert "<script>alert" not in (project.validation_report / "index.html").read_text()


@pytest.mark.chaos("log-dirty")
def test_all_rows_dirty_stops_the_run_and_loses_none(project: Layout, run: Run) -> None:
    arrived = _write_log(project, *[{"clicks": -1, "query": f"q{number}"} for number in range(30)], good=0)
    code, said = run("resolve", "ingest", "validate")
    assert code == 1
    assert "validate failed" in said
    assert "share of events that break a rule: found" in said
    assert len(_quarantined(project)) == arrived


def test_an_empty_folder_says_so(run: Run) -> None:
    code, said = run("resolve")
    assert code == 1
    assert "resolve failed" in said
    assert "log" in said


def test_a_truncated_file_is_named(project: Layout, run: Run) -> None:
    _write_log(project)
    file = project.root / "log/events.parquet"
    file.write_bytes(file.read_bytes()[:-100])
    code, said = run("resolve", "ingest")
    assert code == 1
    assert "events.parquet" in said
    assert "Traceback" not in said


def test_a_file_in_another_encoding_is_named(project: Layout, run: Run) -> None:
    header = ",".join(EVENTS.names)
    text = f"{header}\n2026-06-30,en-US,café,1,10,5,1,0\n"
    (project.root / "log/events.csv").write_bytes(text.encode("latin-1"))
    code, said = run("resolve", "ingest")
    assert code == 1
    assert "events.csv" in said
    assert "UTF-8" in said


def test_a_missing_column_is_named(project: Layout, run: Run) -> None:
    _write_log(project)
    file = project.root / "log/events.parquet"
    pq.write_table(pq.ParquetFile(file).read().drop_columns(["clicks"]), file)
    code, said = run("resolve", "ingest")
    assert code == 1
    assert "clicks" in said


@pytest.mark.chaos("world-changed")
def test_a_file_that_changed_after_it_was_resolved_is_refused(project: Layout, run: Run) -> None:
    _write_log(project)
    assert run("resolve")[0] == 0
    _write_log(project, {"query": "late"})
    code, said = run("ingest")
    assert code == 1
    assert "run `q2pt resolve` again" in said


def test_an_encoder_that_does_not_exist_is_refused_before_the_graph_runs(project: Layout, run: Run) -> None:
    _write_log(project)
    edit_params(project.params, {"encoder.name": "./no-such-encoder"})
    code, said = run("resolve")
    assert code == 1
    assert "no-such-encoder" in said


def test_an_unknown_key_is_refused_by_the_stage_that_owns_it(project: Layout, run: Run) -> None:
    project.params.write_text(project.params.read_text().replace("  window_days:", "  windowdays:"))
    code, said = run("resolve")
    assert code == 1
    assert "unknown key 'ingest.windowdays'" in said


def test_a_locale_of_three_rows_and_one_of_none_do_not_stop_the_others(finished: Layout, tmp_path: Path) -> None:
    locales = ["en-US", "en-GB", "fr-BE", "de-DE", "it-IT"]
    layout = tiny_project(
        tmp_path,
        {
            "locales": locales,
            "ingest.source": "events",
            "ingest.events.path": str(tmp_path / "log"),
            "ingest.events.catalog": str(tmp_path / "catalog.parquet"),
            "train_unified.scratch.max_epochs": 1,
            "train_non_unified.scratch.max_epochs": 1,
        },
    )
    _log_of(finished, layout.root)

    run_data_stages(layout)
    for variant in ("unified_agnostic", "unified_aware"):
        train_unified.main(layout, variant)
    statuses = {locale: train_non_unified.main(layout, locale).status for locale in locales}
    assert statuses["de-DE"] == statuses["it-IT"] == "untrained"
    assert "untrained" not in {statuses["en-US"], statuses["en-GB"], statuses["fr-BE"]}
    for stage in (evaluate, gate, report):
        stage.main(layout)
    models = {model["locale"]: model for model in json.loads(layout.summary.read_text())["models"]}
    assert "at least" in models["de-DE"]["reason"] or "no product type" in models["de-DE"]["reason"]
    assert "it-IT" in layout.report_page.read_text()


def _log_of(finished: Layout, folder: Path) -> None:
    """The finished pipeline's raw data as a user's own log, with three more rows of another store."""
    (folder / "log").mkdir()
    for file in sorted((finished.raw / "events").glob("event_date=2*.parquet")):
        pq.write_table(pq.ParquetFile(file).read(), folder / "log" / file.name)
    few = [{**GOOD, "locale": "de-DE", "query": f"hose {number}", "product_id": "d"} for number in range(3)]
    pq.write_table(pa.Table.from_pylist(few, schema=EVENTS), folder / "log/few.parquet")
    catalog = pq.ParquetFile(finished.raw / "catalog.parquet").read()
    extra = pa.table({"product_id": ["d"], "locale": ["de-DE"], "product_type": ["TROUSERS"]}, schema=CATALOG)
    pq.write_table(pa.concat_tables([catalog.cast(CATALOG), extra]), folder / "catalog.parquet")
