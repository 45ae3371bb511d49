"""Which tasks run, are skipped or fail, under Airflow itself, whatever the children answer."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow

PIPELINE = """
stages:
  ingest: {desc: Events, cmd: touch raw, outs: [raw]}
  train_unified:
    matrix: {variant: [unified_aware]}
    cmd: touch models/${item.variant}
    deps: [raw]
    outs: ["models/${item.variant}"]
  train_non_unified:
    matrix: {locale: [en-US, fr-BE]}
    cmd: touch models/${item.locale}
    deps: [raw]
    outs: ["models/${item.locale}"]
  report: {cmd: touch page, deps: [models], outs: [page]}
"""
STAGES = [
    "ingest",
    "train_unified.unified_aware",
    "train_non_unified.en-US",
    "train_non_unified.fr-BE",
    "report",
]
ADDRESSES = [stage.replace(".", "@") for stage in STAGES]
SCENARIOS = {
    "promoted": {"step": "promote"},
    "refused": {"step": None},
    "unchanged": {"step": None, "unchanged": ADDRESSES},
    "narrowed": {"step": "promote", "skipped": ["train_non_unified@fr-BE"], "unchanged": ["ingest"]},
    "failed training": {"step": "promote", "fail": ["train_non_unified.fr-BE"]},
    "failed configure": {"step": "promote", "fail": ["configure"]},
    "failed join": {"step": "promote", "fail": ["join"]},
}


@pytest.fixture(scope="module")
def nights(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """What became of a run of each scenario."""
    folder = tmp_path_factory.mktemp("airflow")
    (folder / "repository").mkdir()
    (folder / "repository/dvc.yaml").write_text(PIPELINE)
    (folder / "repository/params.yaml").write_text("seed: 1\n")
    environment = {
        **os.environ,
        "Q2PT_APPROVERS": "1",
        "AIRFLOW_HOME": str(folder / "home"),
        "AIRFLOW__CORE__DAGS_FOLDER": str(Path.cwd() / "dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "Q2PT_REPOSITORY": str(folder / "repository"),
        "Q2PT_WORK_DIR": str(folder / "work"),
    }
    results = folder / "results.json"
    for command in (["-m", "airflow", "db", "migrate"], ["tests/run_flow.py", json.dumps(SCENARIOS), str(results)]):
        done = subprocess.run(
            [sys.executable, *command], env=environment, capture_output=True, text=True, check=False, timeout=500
        )
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    found: dict[str, dict[str, Any]] = json.loads(results.read_text())
    return found


def _stages(night: dict[str, Any]) -> list[str]:
    return [night["tasks"][stage] for stage in STAGES]


def _rest(night: dict[str, Any]) -> list[str]:
    return [night["tasks"][task] for task in ("join", "decide", "approval", "promote")]


def test_a_yes_of_the_gate_is_promoted_without_asking(nights: dict[str, dict[str, Any]]) -> None:
    night = nights["promoted"]
    assert set(_stages(night)) == {"success"}
    assert _rest(night) == ["success", "success", "skipped", "success"]
    assert night["joined"] == sorted(ADDRESSES)
    assert night["run"] == "success"


def test_a_no_of_the_gate_is_a_night_that_ended_well(nights: dict[str, dict[str, Any]]) -> None:
    night = nights["refused"]
    assert _rest(night) == ["success", "success", "skipped", "skipped"]
    assert night["run"] == "success"


@pytest.mark.parametrize("scenario", ["promoted", "refused"])
def test_the_decision_is_the_result_of_its_task(nights: dict[str, dict[str, Any]], scenario: str) -> None:
    assert nights[scenario]["decided"]["sentence"] == "So be it."


def test_unchanged_stages_are_skipped_and_joined_all_the_same(nights: dict[str, dict[str, Any]]) -> None:
    night = nights["unchanged"]
    assert set(_stages(night)) == {"skipped"}
    assert _rest(night)[:2] == ["success", "success"]
    assert night["joined"] == sorted(ADDRESSES)
    assert night["run"] == "success"


def test_what_the_form_leaves_out_is_skipped_and_the_rest_runs(nights: dict[str, dict[str, Any]]) -> None:
    night = nights["narrowed"]
    assert _stages(night) == ["skipped", "success", "success", "skipped", "success"]
    assert night["joined"] == sorted(set(ADDRESSES) - {"train_non_unified@fr-BE"})
    assert _rest(night) == ["success", "success", "skipped", "success"]


@pytest.mark.chaos("task-failed")
def test_a_failed_training_stops_neither_the_others_nor_join_and_fails_the_run(
    nights: dict[str, dict[str, Any]],
) -> None:
    night = nights["failed training"]
    assert _stages(night) == ["success", "success", "success", "failed", "upstream_failed"]
    assert night["joined"] == ["ingest", "train_non_unified@en-US", "train_unified@unified_aware"]
    assert _rest(night) == ["success", "upstream_failed", "upstream_failed", "upstream_failed"]
    assert night["run"] == "failed"


def test_without_a_commit_there_is_nothing_to_join(nights: dict[str, dict[str, Any]]) -> None:
    night = nights["failed configure"]
    assert set(_stages(night)) == {"upstream_failed"}
    assert _rest(night) == ["skipped", "upstream_failed", "upstream_failed", "upstream_failed"]
    assert night["run"] == "failed"


@pytest.mark.chaos("task-failed")
def test_a_failed_join_promotes_nothing(nights: dict[str, dict[str, Any]]) -> None:
    night = nights["failed join"]
    assert _rest(night) == ["failed", "upstream_failed", "upstream_failed", "upstream_failed"]
    assert night["run"] == "failed"
