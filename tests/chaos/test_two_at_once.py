"""Two runs of one project at once, and a training that was thought dead beside its own next try."""

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import training_process
from safetensors.torch import load_file

from q2pt_tasks.git import commit_all, run_git
from q2pt_tasks.model.state_store import StateFolder

KEY = "a" * 64
SLOW = """\
stages:
  first:
    cmd: >-
      mkdir out && echo half > out/made && touch begun && while ! test -e go; do sleep 0.05; done &&
      echo whole > out/made
    outs: [out]
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    run_git(folder, "init", "--quiet")
    subprocess.run([sys.executable, "-m", "dvc", "init", "--quiet"], cwd=folder, check=True)
    (folder / "dvc.yaml").write_text(SLOW)
    commit_all(folder, ["dvc.yaml", ".dvc/config"], "Project")
    return folder


def _repro(project: Path) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "dvc", "repro"]
    return subprocess.Popen(
        command, cwd=project, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )


def _wait_for(file: Path) -> None:
    for _ in range(1200):
        if file.exists():
            return
        threading.Event().wait(0.05)
    raise AssertionError(f"{file} did not come")


@pytest.mark.chaos("two-runs")
def test_of_two_runs_in_one_checkout_the_second_stops_with_a_sentence(project: Path) -> None:
    first = _repro(project)
    _wait_for(project / "begun")
    second = _repro(project)
    said, _ = second.communicate(timeout=60)
    assert second.returncode != 0
    assert "is busy" in said or "Unable to acquire lock" in said, said
    assert "Traceback" not in said
    (project / "go").touch()
    assert first.wait(60) == 0
    assert (project / "out/made").read_text() == "whole\n"


@pytest.mark.chaos("stage-killed")
def test_a_run_that_was_killed_is_run_again_as_if_it_had_not_been(project: Path) -> None:
    killed = _repro(project)
    _wait_for(project / "begun")
    os.killpg(killed.pid, 9)
    killed.wait()
    assert not (project / "dvc.lock").exists()
    (project / "go").touch()
    again = _repro(project)
    said, _ = again.communicate(timeout=60)
    assert again.returncode == 0, said
    assert (project / "out/made").read_text() == "whole\n"
    assert (project / "dvc.lock").exists()


@pytest.mark.chaos("zombie-training")
def test_two_tries_that_save_at_once_leave_a_whole_state(tmp_path: Path) -> None:
    store = StateFolder(tmp_path / "states")
    half, go_on = threading.Event(), threading.Event()

    def slowly(file: Path) -> None:
        file.write_text("half of the sec")
        half.set()
        go_on.wait(30)
        file.write_text("the second one's")

    second = threading.Thread(target=store.put, args=(KEY, slowly))

    def first(file: Path) -> None:
        file.write_text("the first one's")
        # The other one begins before this one is in its place.
        second.start()
        half.wait(30)

    store.put(KEY, first)
    assert store.fetch(KEY, tmp_path / "found")
    assert (tmp_path / "found").read_text() == "the first one's"
    go_on.set()
    second.join(30)
    assert store.fetch(KEY, tmp_path / "found")
    assert (tmp_path / "found").read_text() == "the second one's"
    assert [file.name for file in (tmp_path / "states").iterdir()] == [f"{KEY}.safetensors"]


@pytest.mark.slow
@pytest.mark.chaos("zombie-training")
def test_a_zombie_and_its_next_try_end_with_the_same_weights(tmp_path: Path) -> None:
    training_process.prepare(tmp_path, 96)
    environ = {**os.environ, "PYTHONPATH": os.getcwd(), "Q2PT_SAVE_SECONDS": "0"}

    def start(model: str, pause: float, states: str) -> "subprocess.Popen[str]":
        job = {"folder": str(tmp_path), "epochs": 4, "pause": pause, "model": model, "objective": "softmax"}
        return subprocess.Popen(
            [sys.executable, training_process.__file__, json.dumps(job)],
            env={**environ, "Q2PT_STATE_DIR": str(tmp_path / states)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    zombie = start("zombie", 0.05, "shared")
    assert zombie.stdout is not None
    for _ in range(5):
        zombie.stdout.readline()
    tries = [zombie, start("retry", 0.0, "shared"), start("alone", 0.0, "own")]
    for process in tries:
        _, log = process.communicate(timeout=240)
        assert process.returncode == 0, log
    weights = [load_file(tmp_path / model / "model.safetensors") for model in ("zombie", "retry", "alone")]
    for name in weights[0]:
        assert weights[0][name].equal(weights[2][name]), name
        assert weights[1][name].equal(weights[2][name]), name
    assert list((tmp_path / "shared").iterdir()) == []
