"""The child process of a task: JSON in, JSON out, an error of our own is one sentence, stages get what they need."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from stage_repository import PIPELINE, Worker, make_worker, run_child

from q2pt_tasks.orchestration.__main__ import COMMANDS


@pytest.fixture
def worker(tmp_path: Path) -> Worker:
    return make_worker(tmp_path)


def _call(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "q2pt_tasks.orchestration", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_stage_runs_and_its_result_is_json(worker: Worker) -> None:
    child = run_child(worker, worker.request("ingest"))
    assert (child.exit_code, child.output.splitlines().count("ingested")) == (0, 1), child.output
    assert child.output.count("Running stage 'ingest'") == 1
    assert child.result is not None
    assert (child.result["address"], child.result["state"]) == ("ingest", "ran")
    assert child.result["entry"]["outs"][0]["path"] == "data/raw"


def test_an_error_of_our_own_is_one_sentence_without_a_traceback(worker: Worker) -> None:
    child = run_child(worker, replace(worker.request("ingest"), address="nothing"))
    sentence = "GraphError: there is no 'nothing' in the graph of this commit"
    assert child.exit_code == 1
    assert child.result is not None
    assert child.result["error"].startswith(sentence)
    assert sentence in child.output
    assert "Traceback" not in child.output


def test_a_failed_stage_hands_its_last_lines_to_the_task(worker: Worker) -> None:
    child = run_child(worker, worker.request("fail"))
    assert child.result is not None
    assert child.result["error"].startswith(
        "StageFailedError: stage fail ended with exit code 7; its last lines:\nline 12"
    )


def test_a_setting_that_is_missing_is_named(worker: Worker) -> None:
    child = run_child(worker, worker.request("ingest"), Q2PT_GIT_REMOTE="")
    assert child.result is not None
    assert child.result["error"].startswith("SettingsError: Q2PT_GIT_REMOTE is not set")


def test_a_defect_shows_where_it_is_and_leaves_no_result(worker: Worker) -> None:
    child = run_child(worker, '{"commit": 1}')
    assert child.exit_code == 1
    assert "Traceback" in child.output
    assert child.result is None


def test_a_stage_has_this_python_a_plain_shell_and_unbuffered_output(worker: Worker, tmp_path: Path) -> None:
    show = 'python -c "import sys; print(sys.executable, flush=False)" && echo shell $SHELL $PYTHONUNBUFFERED && exit 1'
    worker.change(
        pipeline=PIPELINE.replace("for i in $(seq 30); do echo line $i; done; echo no luck >&2; exit 7", show)
    )
    startup = tmp_path / "startup"
    startup.write_text("echo from a startup file\n")
    child = run_child(worker, worker.request("fail"), SHELL="/bin/bash", ENV=str(startup), BASH_ENV="", PATH=os.defpath)
    assert child.result is not None
    assert sys.executable in child.result["error"], child.output
    assert "shell /bin/sh 1" in child.result["error"]
    assert "from a startup file" not in child.output


def test_only_known_commands_are_taken() -> None:
    done = _call("os.system", "--request", "a", "--result", "b")
    assert done.returncode == 2
    assert "invalid choice: 'os.system'" in done.stderr


@pytest.mark.parametrize("module", COMMANDS.values())
def test_every_command_has_its_module(module: str) -> None:
    assert callable(__import__(f"q2pt_tasks.orchestration.{module}", fromlist=["run"]).run)
