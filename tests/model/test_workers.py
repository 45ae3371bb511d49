"""Two processes that train together end where one alone does."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import training_process
from safetensors.torch import load_file
from tiny import run_data_stages, tiny_project

from q2pt_tasks.model.metadata import load_metadata
from q2pt_tasks.model.objectives import OBJECTIVES
from q2pt_tasks.model.recipe import ObjectiveName
from q2pt_tasks.model.workers import ProcessesError, share_among_devices


def _train(folder: Path, model: str, launcher: list[str], objective: ObjectiveName) -> str:
    job = {"folder": str(folder), "epochs": 3, "pause": 0.0, "model": model, "objective": objective}
    done = subprocess.run(
        [sys.executable, *launcher, training_process.__file__, json.dumps(job)],
        env={**os.environ, "PYTHONPATH": str(Path.cwd()), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        cwd=Path.cwd(),
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("objective", list(OBJECTIVES))
def test_two_processes_train_what_one_trains(tmp_path: Path, objective: ObjectiveName) -> None:
    training_process.prepare(tmp_path, 96)
    _train(tmp_path, "one", [], objective)
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    report = _train(tmp_path, "two", launcher, objective)
    assert report.count("trained on 96 queries") == 1
    one, two = (load_file(tmp_path / model / "model.safetensors") for model in ("one", "two"))
    assert one.keys() == two.keys()
    for name in one:
        torch.testing.assert_close(one[name], two[name], rtol=1e-3, atol=1e-4, msg=name)


@pytest.mark.slow
def test_the_stage_goes_on_as_many_processes_and_answers_once(tmp_path: Path) -> None:
    layout = tiny_project(tmp_path, {"train_unified.scratch.max_epochs": 2})
    run_data_stages(layout)
    done = subprocess.run(
        [sys.executable, "-m", "q2pt_tasks", "train_unified", "--variant", "unified_agnostic"],
        env={**os.environ, "PYTHONPATH": str(Path.cwd()), "OMP_NUM_THREADS": "1", "Q2PT_PROCESSES": "2"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert (done.stdout + done.stderr).count("train_unified: unified_agnostic: ") == 1
    assert len(load_metadata(layout.unified_model("unified_agnostic")).history) == 2


@pytest.mark.parametrize("text", ["0", "-1", "two", "1.5"])
def test_a_number_of_processes_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ProcessesError, match=f"Q2PT_PROCESSES is '{text}'; set it to a number of processes"):
        share_among_devices([], {"Q2PT_PROCESSES": text})


def test_one_process_stays_as_it_is_and_one_of_many_starts_no_more() -> None:
    share_among_devices([], {"Q2PT_PROCESSES": "1"})
    share_among_devices([], {"Q2PT_PROCESSES": "2", "WORLD_SIZE": "2"})
