"""The operator of a stage: what it hands on through XCom, and how it ends."""

import os
import shutil
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from airflow.sdk import DAG, Context
from airflow.sdk.exceptions import AirflowSkipException
from airflow_task import ENTRY, Task, execute, make_plan
from stage_repository import PIPELINE, Worker, make_worker, variables

from q2pt_tasks.orchestration.idle import read_idle
from q2pt_tasks.orchestration.operators import (
    ChildFailedError,
    ConfigureOperator,
    JoinOperator,
    StageOperator,
    entries_before,
)

# A stage in front of more rows than its memory holds, that says its process id and hangs in the middle of its output,
# the first time.
SLOW_AT_FIRST = """
import os, time
from pathlib import Path
import pyarrow as pa
from q2pt_tasks.engine.opening import open_engine
from q2pt_tasks.engine.params import EngineParams
said = Path({said!r})
first = not said.exists()
engine = open_engine(EngineParams(memory_limit_mb=100))
if first:
    engine.keep(engine.frame(pa.table({{"query": [f"{{number:0200}}" for number in range(1_000_000)]}})))
Path("slow.txt").write_text("half")
said.write_text(str(os.getpid()))
time.sleep(600 if first else 0)
Path("slow.txt").write_text("whole")
"""
# As a training does.
SAVES_FIRST = """
import signal, sys, time
from pathlib import Path

def stop(*_):
    time.sleep(1)
    Path({saved!r}).write_text("whole")
    sys.exit("stopped, and saved")

signal.signal(signal.SIGTERM, stop)
Path({said!r}).touch()
time.sleep(600)
"""
SLOW_PIPELINE = """
stages:
  slow:
    cmd: python label.py
    deps: [label.py]
    outs: [slow.txt]
"""


@pytest.fixture
def worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Worker:
    worker = make_worker(tmp_path)
    for name, value in variables(worker.settings).items():
        monkeypatch.setenv(name, value)
    return worker


def _stages() -> tuple[StageOperator, StageOperator]:
    """`label` after `ingest` after `configure`, as in a DAG."""
    with DAG("a_dag", schedule=None):
        configure = ConfigureOperator(task_id="configure", rendered={"ingest": (), "label": ("ingest",)})
        ingest = StageOperator(task_id="ingest", address="ingest")
        label = StageOperator(task_id="label", address="label")
        configure >> ingest >> label
        configure >> label
    return ingest, label


def test_a_stage_runs_and_hands_its_entry_to_the_next(worker: Worker, capsys: pytest.CaptureFixture[str]) -> None:
    ingest, label = _stages()
    plan = {("configure", "return_value"): make_plan(worker.commit)}
    first = Task(plan)
    execute(ingest, first)
    assert first.pushed["stage"]["state"] == "ran"
    assert "ingested" in capsys.readouterr().out
    second = Task({**plan, ("ingest", "stage"): first.pushed["stage"]})
    execute(label, second)
    assert (second.pushed["stage"]["address"], second.pushed["stage"]["state"]) == ("label", "ran")


def test_a_stage_that_hashes_show_to_be_unchanged_hands_its_entry_on_and_is_skipped(worker: Worker) -> None:
    ingest, _ = _stages()
    entry = worker.run("ingest").entry
    task = Task({("configure", "return_value"): make_plan(worker.commit, last={"ingest": entry})})
    with pytest.raises(AirflowSkipException, match="ingest is unchanged"):
        execute(ingest, task)
    assert (task.pushed["stage"]["state"], task.pushed["stage"]["entry"]) == ("unchanged", entry)


def test_a_stage_finds_the_entry_of_a_skipped_one_before_it_in_the_plan(worker: Worker) -> None:
    _, label = _stages()
    entry = worker.run("ingest").entry
    task = Task({("configure", "return_value"): make_plan(worker.commit, unchanged={"ingest": entry})})
    execute(label, task)
    assert (task.pushed["stage"]["commit"], task.pushed["stage"]["state"]) == (worker.commit, "ran")


def test_an_unchanged_stage_that_a_person_clears_looks_again_and_runs_where_its_data_is_lost(worker: Worker) -> None:
    ingest, _ = _stages()
    entry = worker.run("ingest").entry
    plan = {
        ("configure", "return_value"): make_plan(worker.commit, unchanged={"ingest": entry}, last={"ingest": entry})
    }
    task = Task(plan)
    with pytest.raises(AirflowSkipException, match="ingest is unchanged"):
        execute(ingest, task)
    shutil.rmtree(worker.settings.dvc_cache / "files")
    task = Task(plan)
    execute(ingest, task)
    assert (task.pushed["stage"]["state"], task.pushed["stage"]["entry"]) == ("ran", entry)


def test_an_unchanged_stage_that_a_person_clears_and_that_fails_counts_as_unchanged_no_more(worker: Worker) -> None:
    plan = make_plan(worker.commit, unchanged={"fail": ENTRY})
    task = Task({("configure", "return_value"): plan})
    with pytest.raises(ChildFailedError, match="exit code 7"):
        execute(StageOperator(task_id="fail", address="fail"), task)
    with DAG("a_dag", schedule=None):
        join = JoinOperator(task_id="join")
        StageOperator(task_id="fail", address="fail") >> join
    after = Task({**task.xcoms, ("fail", "stage"): task.pushed["stage"]})
    assert entries_before(join, Context(ti=after), read_idle(plan)) == {}  # type: ignore[typeddict-item]


def test_a_stage_that_the_form_leaves_out_skips_itself_where_a_person_clears_it() -> None:
    ingest, _ = _stages()
    task = Task({("configure", "return_value"): make_plan(addresses=["label"], skipped=["ingest"])})
    with pytest.raises(AirflowSkipException, match="ingest is not part of this run"):
        execute(ingest, task)
    assert task.pushed == {}


def test_a_failed_stage_fails_its_task_with_its_own_words(worker: Worker) -> None:
    operator = StageOperator(task_id="fail", address="fail")
    task = Task({("configure", "return_value"): make_plan(worker.commit)})
    with pytest.raises(ChildFailedError, match=r"stage fail ended with exit code 7; its last lines:\nline 12\n"):
        execute(operator, task)
    assert task.pushed == {}


def test_a_failed_stage_hands_the_pages_on_that_say_why(worker: Worker) -> None:
    pipeline = PIPELINE.replace("for i in", "mkdir reports && echo why > reports/why.html; for i in")
    worker.change(pipeline=pipeline.replace("[never.txt]", "[reports]"))
    task = Task({("configure", "return_value"): make_plan(worker.commit)})
    with pytest.raises(ChildFailedError, match="exit code 7"):
        execute(StageOperator(task_id="fail", address="fail"), task)
    ((key, (page,)),) = task.pushed.items()
    assert (key, page["path"]) == ("pages", "reports")


def test_a_child_that_ends_without_a_result_fails_its_task(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("Q2PT_GIT_REMOTE", "/nowhere.git")
    monkeypatch.setenv("PYTHONHOME", "/nowhere")
    operator = StageOperator(task_id="ingest", address="ingest")
    with pytest.raises(ChildFailedError, match="no result: it ended with exit code 1\n"):
        execute(operator, Task({("configure", "return_value"): make_plan()}))


@pytest.mark.chaos("task-killed")
@pytest.mark.parametrize("by", ["Airflow", "kill -9"])
def test_a_killed_stage_leaves_nobody_no_result_and_no_rows_and_the_next_try_succeeds(
    worker: Worker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    said, spilled = tmp_path / "said", list[Path]()
    (tmp_path / "tmp").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    worker.change(label=SLOW_AT_FIRST.format(said=str(said)), pipeline=SLOW_PIPELINE)
    operator = StageOperator(task_id="slow", address="slow")
    plan = {("configure", "return_value"): make_plan(worker.commit)}

    def kill() -> None:
        _await(lambda: said.exists() and said.read_text())
        spilled.extend(tmp_path.rglob("q2pt-engine-*"))
        if by == "Airflow":
            operator.on_kill()
        else:
            stage = Path(f"/proc/{said.read_text()}/stat").read_text()
            os.kill(int(stage.rpartition(")")[2].split()[2]), signal.SIGKILL)

    threading.Thread(target=kill).start()
    how = "stage slow was ended by SIGTERM" if by == "Airflow" else "no result: signal 9 ended it"
    with pytest.raises(ChildFailedError, match=how):
        execute(operator, Task(plan))
    _await(lambda: not Path(f"/proc/{said.read_text()}/cmdline").exists())
    assert os.listdir(worker.settings.dvc_cache) == ["locks"], "neither an object nor a result is kept"
    (left,) = (path for path in (worker.settings.work_dir / "clones").iterdir() if path.is_dir())
    again = Task(plan)
    execute(operator, again)
    assert again.pushed["stage"]["state"] == "ran"
    # What a stage that could say why has left is kept for a while.
    assert left.exists() == (by == "Airflow")
    # Not what was too much for its memory.
    assert spilled
    assert not list(tmp_path.rglob("q2pt-engine-*"))


@pytest.mark.chaos("training-terminated")
def test_a_stage_that_airflow_asks_to_end_may_save_its_work_first(worker: Worker, tmp_path: Path) -> None:
    said, saved = tmp_path / "said", tmp_path / "saved"
    worker.change(label=SAVES_FIRST.format(said=str(said), saved=str(saved)), pipeline=SLOW_PIPELINE)
    operator = StageOperator(task_id="slow", address="slow")

    def ask_to_end() -> None:
        _await(said.exists)
        operator.on_kill()

    threading.Thread(target=ask_to_end).start()
    with pytest.raises(
        ChildFailedError, match=r"stage slow was ended by SIGTERM; its last lines:\n(.*\n)*stopped, and saved"
    ):
        execute(operator, Task({("configure", "return_value"): make_plan(worker.commit)}))
    assert saved.read_text() == "whole"


def _await(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)
