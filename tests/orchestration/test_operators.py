"""The operators: what they ask of their child process, what they hand on through XCom, and how they end."""

import json
import os
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import DAG, BaseOperator, Context
from airflow.sdk.bases.operator import ExecutorSafeguard
from airflow.sdk.exceptions import AirflowSkipException, DownstreamTasksSkipped
from stage_repository import PIPELINE, Worker, make_worker, variables

from q2pt_tasks.orchestration.idle import read_idle
from q2pt_tasks.orchestration.operators import (
    APPROVE,
    ChildFailedError,
    ConfigureOperator,
    JoinOperator,
    NotApprovedError,
    PromoteOperator,
    PruneOperator,
    RollbackOperator,
    StageOperator,
    entries_before,
)

ENTRY = {"cmd": "x", "outs": []}
# In place of `python -m q2pt_tasks.orchestration`: answers with its own request, beside what a plan has.
ECHO = """
import json, os, sys
request = json.load(open(sys.argv[sys.argv.index("--request") + 1]))
answer = {"command": sys.argv[1], "request": request, **json.loads(os.environ.get("PLAN", "{}"))}
json.dump(answer, open(sys.argv[sys.argv.index("--result") + 1], "w"))
"""
# A stage that says its process id and hangs in the middle of its output, the first time.
SLOW_AT_FIRST = """
import os, time
from pathlib import Path
said = Path({said!r})
first = not said.exists()
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


class Task:
    """A task instance with the XComs of the others; it keeps what is pushed."""

    def __init__(self, xcoms: Mapping[tuple[str, str], Any]) -> None:
        self.xcoms = dict(xcoms)
        self.pushed: dict[str, Any] = {}

    def xcom_pull(self, task_ids: str | Iterable[str], key: str = "return_value") -> Any:  # noqa: ANN401
        if isinstance(task_ids, str):
            return self.xcoms.get((task_ids, key))
        return [self.xcoms.get((task_id, key)) for task_id in task_ids]

    def xcom_push(self, key: str, value: Any) -> None:  # noqa: ANN401
        self.pushed[key] = value


@pytest.fixture
def worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Worker:
    worker = make_worker(tmp_path)
    for name, value in variables(worker.settings).items():
        monkeypatch.setenv(name, value)
    return worker


@pytest.fixture
def _echo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The child process answers with its own request."""
    package = tmp_path / "q2pt_tasks/orchestration"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "__main__.py").write_text(ECHO)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))


def _plan(commit: str = "c0", **changes: Any) -> dict[str, Any]:  # noqa: ANN401
    plan = {"commit": commit, "addresses": ["ingest", "label"], "skipped": [], "unchanged": {}, "last": {}}
    return {**plan, "force": False, "summary": "the plan", **changes}


def _execute(operator: BaseOperator, task: Task, **context: Any) -> Any:  # noqa: ANN401
    ExecutorSafeguard.tracker.set(operator)
    return operator.execute(Context(ti=task, **context))  # type: ignore[typeddict-item]


def _stages() -> tuple[StageOperator, StageOperator]:
    """`label` after `ingest` after `configure`, as in a DAG."""
    with DAG("a_dag", schedule=None):
        configure = ConfigureOperator(task_id="configure", rendered={"ingest": (), "label": ("ingest",)})
        ingest = StageOperator(task_id="ingest", address="ingest")
        label = StageOperator(task_id="label", address="label")
        configure >> ingest >> label
        configure >> label
    return ingest, label


def _result(address: str, entry: Mapping[str, Any] = ENTRY) -> dict[str, Any]:
    return {"commit": "c0", "address": address, "state": "ran", "entry": dict(entry), "seconds": 1.0, "rows": {}}


@pytest.mark.usefixtures("_echo")
def test_configure_asks_with_the_run_the_form_and_what_is_rendered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLAN", json.dumps(_plan()))
    operator = ConfigureOperator(task_id="configure", rendered={"ingest": (), "train@small": ("ingest",)})
    form = {"why": "; rm -rf / $(id)\n--force {{ ds }}", "epochs": None}
    night = SimpleNamespace(logical_date=datetime(2026, 7, 1, 2, tzinfo=UTC))
    answer = _execute(operator, Task({}), run_id="nightly", dag_run=night, params=form)
    assert answer["command"] == "configure"
    assert answer["request"] == {
        "run_id": "nightly",
        "logical_date": "2026-07-01T02:00:00+00:00",
        "form": form,
        "rendered": {"ingest": [], "train@small": ["ingest"]},
    }
    by_hand = SimpleNamespace(logical_date=None)
    answer = _execute(operator, Task({}), run_id="manual", dag_run=by_hand, params={})
    assert answer["request"]["logical_date"] is None


@pytest.mark.usefixtures("_echo")
def test_configure_skips_what_is_unchanged_and_what_the_form_leaves_out(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = _plan(addresses=["ingest", "train@big"], unchanged={"ingest": ENTRY}, skipped=["train@small"])
    monkeypatch.setenv("PLAN", json.dumps(plan))
    operator, task = ConfigureOperator(task_id="configure", rendered={}), Task({})
    with pytest.raises(DownstreamTasksSkipped) as ended:
        _execute(operator, task, run_id="nightly", dag_run=SimpleNamespace(logical_date=None), params={})
    assert ended.value.tasks == ["ingest", "train.small"]
    assert plan.items() <= task.pushed["return_value"].items(), "what is returned is lost where others are skipped"
    assert "Skipped: ingest (unchanged), train.small (left out)" in capsys.readouterr().out


@pytest.mark.usefixtures("_echo")
def test_configure_returns_its_plan_where_every_stage_has_something_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLAN", json.dumps(_plan()))
    operator, task = ConfigureOperator(task_id="configure", rendered={}), Task({})
    answer = _execute(operator, task, run_id="nightly", dag_run=SimpleNamespace(logical_date=None), params={})
    assert answer["commit"] == "c0"
    assert task.pushed == {}


def _join() -> JoinOperator:
    with DAG("a_dag", schedule=None):
        stages = [StageOperator(task_id=name, address=name) for name in ("ingest", "label", "split")]
        operator = JoinOperator(task_id="join")
        stages >> operator
    return operator


@pytest.mark.usefixtures("_echo")
def test_join_asks_with_the_entries_that_are_there() -> None:
    plan = _plan()
    task = Task({("configure", "return_value"): plan, ("ingest", "stage"): _result("ingest")})
    assert _execute(_join(), task)["request"] == {"plan": plan, "entries": {"ingest": ENTRY}}


@pytest.mark.usefixtures("_echo")
def test_join_takes_the_entry_of_a_stage_that_was_skipped_from_the_plan() -> None:
    plan = _plan(unchanged={"ingest": ENTRY, "label": {"cmd": "old"}, "elsewhere": ENTRY}, skipped=["split"])
    results = {(name, "stage"): _result(name, {"cmd": "new"}) for name in ("label", "split")}
    task = Task({("configure", "return_value"): plan, **results})
    entries = {"ingest": ENTRY, "label": {"cmd": "new"}}
    assert _execute(_join(), task)["request"]["entries"] == entries


def test_join_is_skipped_where_configure_has_failed() -> None:
    with pytest.raises(AirflowSkipException, match="nothing to join"):
        _execute(JoinOperator(task_id="join"), Task({}))


def _ready(*, approval: bool, answer: list[str] | None = None) -> Task:
    """A promotion's task; `answer` is what a person chose."""
    xcoms: dict[tuple[str, str], Any] = {
        ("configure", "return_value"): {"approval": approval},
        ("join", "return_value"): {"b": 2},
    }
    if answer is not None:
        xcoms["approval", "return_value"] = {"chosen_options": answer}
    return Task(xcoms)


@pytest.mark.usefixtures("_echo")
@pytest.mark.parametrize("task", [_ready(approval=False), _ready(approval=True, answer=["Approve"])])
def test_promote_asks_with_the_plan_and_the_joined_commit(task: Task) -> None:
    answer = _execute(PromoteOperator(task_id="promote"), task)
    plan = task.xcoms["configure", "return_value"]
    assert (answer["command"], answer["request"]) == ("promote", {"plan": plan, "joined": {"b": 2}})


@pytest.mark.usefixtures("_echo")
@pytest.mark.parametrize("answer", [None, ["Reject"], []])
def test_nothing_is_promoted_without_the_approval_that_was_asked_for(answer: list[str] | None) -> None:
    # As where somebody marks the task approval as a success.
    with pytest.raises(NotApprovedError, match="nobody has approved"):
        _execute(PromoteOperator(task_id="promote"), _ready(approval=True, answer=answer))


def _rollback(answer: list[str]) -> Task:
    user = {"id": "3", "name": "Ada"}
    return Task({("approval", "return_value"): {"chosen_options": answer, "responded_by_user": user}})


@pytest.mark.usefixtures("_echo")
def test_a_rollback_goes_by_the_form_and_in_the_name_of_who_approved() -> None:
    asked = {"params": {"version": "v3", "why": "complaints"}, "run_id": "first"}
    answer = _execute(RollbackOperator(task_id="rollback"), _rollback(["Approve"]), **asked)
    assert answer["command"] == "rollback"
    assert answer["request"] == {"version": "v3", "why": "complaints", "by": "Ada in Airflow run first"}
    with pytest.raises(NotApprovedError, match="nobody has approved"):
        _execute(RollbackOperator(task_id="rollback"), _rollback(["Reject"]), **asked)


@pytest.mark.usefixtures("_echo")
def test_a_prune_removes_where_its_form_says_so() -> None:
    for remove in (True, False):
        answer = _execute(PruneOperator(task_id="prune"), Task({}), params={"remove": remove})
        assert (answer["command"], answer["request"]) == ("prune", {"remove": remove})


def test_a_person_approves_with_the_answer_that_promote_looks_for() -> None:
    assert ApprovalOperator.APPROVE == APPROVE


def test_a_stage_runs_and_hands_its_entry_to_the_next(worker: Worker, capsys: pytest.CaptureFixture[str]) -> None:
    ingest, label = _stages()
    plan = {("configure", "return_value"): _plan(worker.commit)}
    first = Task(plan)
    _execute(ingest, first)
    assert first.pushed["stage"]["state"] == "ran"
    assert "ingested" in capsys.readouterr().out
    second = Task({**plan, ("ingest", "stage"): first.pushed["stage"]})
    _execute(label, second)
    assert (second.pushed["stage"]["address"], second.pushed["stage"]["state"]) == ("label", "ran")


def test_a_stage_that_hashes_show_to_be_unchanged_hands_its_entry_on_and_is_skipped(worker: Worker) -> None:
    ingest, _ = _stages()
    entry = worker.run("ingest").entry
    task = Task({("configure", "return_value"): _plan(worker.commit, last={"ingest": entry})})
    with pytest.raises(AirflowSkipException, match="ingest is unchanged"):
        _execute(ingest, task)
    assert (task.pushed["stage"]["state"], task.pushed["stage"]["entry"]) == ("unchanged", entry)


def test_a_stage_finds_the_entry_of_a_skipped_one_before_it_in_the_plan(worker: Worker) -> None:
    _, label = _stages()
    entry = worker.run("ingest").entry
    task = Task({("configure", "return_value"): _plan(worker.commit, unchanged={"ingest": entry})})
    _execute(label, task)
    assert (task.pushed["stage"]["commit"], task.pushed["stage"]["state"]) == (worker.commit, "ran")


def test_an_unchanged_stage_that_a_person_clears_looks_again_and_runs_where_its_data_is_lost(worker: Worker) -> None:
    ingest, _ = _stages()
    entry = worker.run("ingest").entry
    plan = {("configure", "return_value"): _plan(worker.commit, unchanged={"ingest": entry}, last={"ingest": entry})}
    task = Task(plan)
    with pytest.raises(AirflowSkipException, match="ingest is unchanged"):
        _execute(ingest, task)
    shutil.rmtree(worker.settings.dvc_cache / "files")
    task = Task(plan)
    _execute(ingest, task)
    assert (task.pushed["stage"]["state"], task.pushed["stage"]["entry"]) == ("ran", entry)


def test_an_unchanged_stage_that_a_person_clears_and_that_fails_counts_as_unchanged_no_more(worker: Worker) -> None:
    plan = _plan(worker.commit, unchanged={"fail": ENTRY})
    task = Task({("configure", "return_value"): plan})
    with pytest.raises(ChildFailedError, match="exit code 7"):
        _execute(StageOperator(task_id="fail", address="fail"), task)
    with DAG("a_dag", schedule=None):
        join = JoinOperator(task_id="join")
        StageOperator(task_id="fail", address="fail") >> join
    after = Task({**task.xcoms, ("fail", "stage"): task.pushed["stage"]})
    assert entries_before(join, Context(ti=after), read_idle(plan)) == {}  # type: ignore[typeddict-item]


def test_a_stage_that_the_form_leaves_out_skips_itself_where_a_person_clears_it() -> None:
    ingest, _ = _stages()
    task = Task({("configure", "return_value"): _plan(addresses=["label"], skipped=["ingest"])})
    with pytest.raises(AirflowSkipException, match="ingest is not part of this run"):
        _execute(ingest, task)
    assert task.pushed == {}


def test_a_failed_stage_fails_its_task_with_its_own_words(worker: Worker) -> None:
    operator = StageOperator(task_id="fail", address="fail")
    task = Task({("configure", "return_value"): _plan(worker.commit)})
    with pytest.raises(ChildFailedError, match=r"stage fail ended with exit code 7; its last lines:\nline 12\n"):
        _execute(operator, task)
    assert task.pushed == {}


def test_a_failed_stage_hands_the_pages_on_that_say_why(worker: Worker) -> None:
    pipeline = PIPELINE.replace("for i in", "mkdir reports && echo why > reports/why.html; for i in")
    worker.change(pipeline=pipeline.replace("[never.txt]", "[reports]"))
    task = Task({("configure", "return_value"): _plan(worker.commit)})
    with pytest.raises(ChildFailedError, match="exit code 7"):
        _execute(StageOperator(task_id="fail", address="fail"), task)
    ((key, (page,)),) = task.pushed.items()
    assert (key, page["path"]) == ("pages", "reports")


def test_a_child_that_ends_without_a_result_fails_its_task(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("Q2PT_GIT_REMOTE", "/nowhere.git")
    monkeypatch.setenv("PYTHONHOME", "/nowhere")
    operator = StageOperator(task_id="ingest", address="ingest")
    with pytest.raises(ChildFailedError, match="no result: it ended with exit code 1\n"):
        _execute(operator, Task({("configure", "return_value"): _plan()}))


@pytest.mark.chaos("task-killed")
@pytest.mark.parametrize("by", ["Airflow", "kill -9"])
def test_a_killed_stage_leaves_nobody_and_no_result_and_the_next_try_succeeds(
    worker: Worker, tmp_path: Path, by: str
) -> None:
    said = tmp_path / "said"
    worker.change(label=SLOW_AT_FIRST.format(said=str(said)), pipeline=SLOW_PIPELINE)
    operator = StageOperator(task_id="slow", address="slow")
    plan = {("configure", "return_value"): _plan(worker.commit)}

    def kill() -> None:
        _await(lambda: said.exists() and said.read_text())
        if by == "Airflow":
            operator.on_kill()
        else:
            stage = Path(f"/proc/{said.read_text()}/stat").read_text()
            os.kill(int(stage.rpartition(")")[2].split()[2]), signal.SIGKILL)

    threading.Thread(target=kill).start()
    how = "stage slow was ended by SIGTERM" if by == "Airflow" else "no result: signal 9 ended it"
    with pytest.raises(ChildFailedError, match=how):
        _execute(operator, Task(plan))
    _await(lambda: not Path(f"/proc/{said.read_text()}/cmdline").exists())
    assert os.listdir(worker.settings.dvc_cache) == ["locks"], "neither an object nor a result is kept"
    (left,) = (path for path in (worker.settings.work_dir / "clones").iterdir() if path.is_dir())
    again = Task(plan)
    _execute(operator, again)
    assert again.pushed["stage"]["state"] == "ran"
    # What a stage that could say why has left is kept for a while.
    assert left.exists() == (by == "Airflow")


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
        _execute(operator, Task({("configure", "return_value"): _plan(worker.commit)}))
    assert saved.read_text() == "whole"


def _await(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)
