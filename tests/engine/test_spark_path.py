"""The data path on Spark leaves the bytes that DuckDB's leaves, also where an executor is lost in its midst."""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from data_path import finished_project, outputs, stage_process, written
from spark import needs_spark

from benchmarks.engines.losing import has_files, lost_executor
from q2pt_tasks.layout import Layout
from q2pt_tasks.memo import PLACE
from q2pt_tasks.params_edit import edit_params

pytestmark = needs_spark

STAGES = ("ingest", "validate", "label", "split")
IN_ONE_PROCESS = {"engine.name": "spark", "engine.spark_master": "local[2]"}
TWO_EXECUTORS = {"engine.name": "spark", "engine.spark_master": "local-cluster[2,1,1024]"}


@pytest.fixture(scope="module")
def by_duckdb(tmp_path_factory: pytest.TempPathFactory) -> Layout:
    return finished_project(tmp_path_factory.mktemp("duckdb"))


def _without(stages: tuple[str, ...], finished: Layout, root: Path, changes: Mapping[str, Any]) -> Layout:
    """A copy of a project in which some stages have not run yet."""
    layout = Layout(Path(shutil.copytree(finished.root, root)))
    for folder in (folder for stage in stages for folder in outputs(layout, stage)):
        shutil.rmtree(folder)
    edit_params(layout.params, changes)
    return layout


def _run(layout: Layout, stage: str, **environ: str) -> str:
    """Runs a stage; returns what it and Spark told."""
    done = stage_process(layout, ["-m", "q2pt_tasks", stage], SPARK_LOCAL_IP="127.0.0.1", **environ)
    assert done.returncode == 0, done.stderr
    return done.stderr


def test_every_stage_leaves_the_bytes_that_duckdb_leaves(by_duckdb: Layout, tmp_path: Path) -> None:
    layout = _without(STAGES, by_duckdb, tmp_path / "spark", IN_ONE_PROCESS)
    for stage in STAGES:
        _run(layout, stage)
        assert written(layout, stage) == written(by_duckdb, stage), stage


def test_days_that_spark_computed_are_known_to_duckdb(by_duckdb: Layout, tmp_path: Path) -> None:
    state = tmp_path / "state"
    for name, changes in (("spark", IN_ONE_PROCESS), ("duckdb", {})):
        layout = _without(("label",), by_duckdb, tmp_path / name, changes)
        _run(layout, "label", **{PLACE: str(state)})
        assert written(layout, "label") == written(by_duckdb, "label")
        # As many after both as there are days: the second finds what the first has computed.
        assert len(list(state.rglob("clicks.parquet"))) == len(list((layout.valid / "events").iterdir()))


def test_a_stage_survives_the_loss_of_one_of_two_executors(by_duckdb: Layout, tmp_path: Path) -> None:
    layout = _without(("label",), by_duckdb, tmp_path / "spark", TWO_EXECUTORS)
    with lost_executor(os.getpid(), lambda: has_files(layout.labeled)) as lost:
        told = _run(layout, "label", SPARK_WORKER_DIR=str(tmp_path / "workers"))
    assert lost, "the stage was done before an executor was killed"
    assert "exited with code 137" in told, "Spark speaks of it"
    assert written(layout, "label") == written(by_duckdb, "label")
