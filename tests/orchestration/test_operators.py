"""The operators beside the stages': what they ask of their child process, and when they ask nothing."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import DAG
from airflow.sdk.exceptions import AirflowSkipException, DownstreamTasksSkipped
from airflow_task import ENTRY, Task, execute, make_plan

from q2pt_tasks.orchestration.operators import (
    APPROVE,
    ConfigureOperator,
    JoinOperator,
    NotApprovedError,
    PromoteOperator,
    PruneOperator,
    RollbackOperator,
    StageOperator,
)

# In place of `python -m q2pt_tasks.orchestration`: answers with its own request, beside what a plan has.
ECHO = """
import json, os, sys
request = json.load(open(sys.argv[sys.argv.index("--request") + 1]))
answer = {"command": sys.argv[1], "request": request, **json.loads(os.environ.get("PLAN", "{}"))}
json.dump(answer, open(sys.argv[sys.argv.index("--result") + 1], "w"))
"""


@pytest.fixture
def _echo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The child process answers with its own request."""
    package = tmp_path / "q2pt_tasks/orchestration"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "__main__.py").write_text(ECHO)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))


def _result(address: str, entry: Mapping[str, Any] = ENTRY) -> dict[str, Any]:
    return {"commit": "c0", "address": address, "state": "ran", "entry": dict(entry), "seconds": 1.0, "rows": {}}


@pytest.mark.usefixtures("_echo")
def test_configure_asks_with_the_run_the_form_and_what_is_rendered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLAN", json.dumps(make_plan()))
    operator = ConfigureOperator(task_id="configure", rendered={"ingest": (), "train@small": ("ingest",)})
    form = {"why": "; rm -rf / $(id)\n--force {{ ds }}", "epochs": None}
    night = SimpleNamespace(logical_date=datetime(2026, 7, 1, 2, tzinfo=UTC))
    answer = execute(operator, Task({}), run_id="nightly", dag_run=night, params=form)
    assert answer["command"] == "configure"
    assert answer["request"] == {
        "run_id": "nightly",
        "logical_date": "2026-07-01T02:00:00+00:00",
        "form": form,
        "rendered": {"ingest": [], "train@small": ["ingest"]},
    }
    by_hand = SimpleNamespace(logical_date=None)
    answer = execute(operator, Task({}), run_id="manual", dag_run=by_hand, params={})
    assert answer["request"]["logical_date"] is None


@pytest.mark.usefixtures("_echo")
def test_configure_skips_what_is_unchanged_and_what_the_form_leaves_out(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = make_plan(addresses=["ingest", "train@big"], unchanged={"ingest": ENTRY}, skipped=["train@small"])
    monkeypatch.setenv("PLAN", json.dumps(plan))
    operator, task = ConfigureOperator(task_id="configure", rendered={}), Task({})
    with pytest.raises(DownstreamTasksSkipped) as ended:
        execute(operator, task, run_id="nightly", dag_run=SimpleNamespace(logical_date=None), params={})
    assert ended.value.tasks == ["ingest", "train.small"]
    assert plan.items() <= task.pushed["return_value"].items(), "what is returned is lost where others are skipped"
    assert "Skipped: ingest (unchanged), train.small (left out)" in capsys.readouterr().out


@pytest.mark.usefixtures("_echo")
def test_configure_returns_its_plan_where_every_stage_has_something_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLAN", json.dumps(make_plan()))
    operator, task = ConfigureOperator(task_id="configure", rendered={}), Task({})
    answer = execute(operator, task, run_id="nightly", dag_run=SimpleNamespace(logical_date=None), params={})
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
    plan = make_plan()
    task = Task({("configure", "return_value"): plan, ("ingest", "stage"): _result("ingest")})
    assert execute(_join(), task)["request"] == {"plan": plan, "entries": {"ingest": ENTRY}}


@pytest.mark.usefixtures("_echo")
def test_join_takes_the_entry_of_a_stage_that_was_skipped_from_the_plan() -> None:
    plan = make_plan(unchanged={"ingest": ENTRY, "label": {"cmd": "old"}, "elsewhere": ENTRY}, skipped=["split"])
    results = {(name, "stage"): _result(name, {"cmd": "new"}) for name in ("label", "split")}
    task = Task({("configure", "return_value"): plan, **results})
    entries = {"ingest": ENTRY, "label": {"cmd": "new"}}
    assert execute(_join(), task)["request"]["entries"] == entries


def test_join_is_skipped_where_configure_has_failed() -> None:
    with pytest.raises(AirflowSkipException, match="nothing to join"):
        execute(JoinOperator(task_id="join"), Task({}))


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
    answer = execute(PromoteOperator(task_id="promote"), task)
    plan = task.xcoms["configure", "return_value"]
    assert (answer["command"], answer["request"]) == ("promote", {"plan": plan, "joined": {"b": 2}})


@pytest.mark.usefixtures("_echo")
@pytest.mark.parametrize("answer", [None, ["Reject"], []])
def test_nothing_is_promoted_without_the_approval_that_was_asked_for(answer: list[str] | None) -> None:
    # As where somebody marks the task approval as a success.
    with pytest.raises(NotApprovedError, match="nobody has approved"):
        execute(PromoteOperator(task_id="promote"), _ready(approval=True, answer=answer))


def _rollback(answer: list[str]) -> Task:
    user = {"id": "3", "name": "Ada"}
    return Task({("approval", "return_value"): {"chosen_options": answer, "responded_by_user": user}})


@pytest.mark.usefixtures("_echo")
def test_a_rollback_goes_by_the_form_and_in_the_name_of_who_approved() -> None:
    asked = {"params": {"version": "v3", "why": "complaints"}, "run_id": "first"}
    answer = execute(RollbackOperator(task_id="rollback"), _rollback(["Approve"]), **asked)
    assert answer["command"] == "rollback"
    assert answer["request"] == {"version": "v3", "why": "complaints", "by": "Ada in Airflow run first"}
    with pytest.raises(NotApprovedError, match="nobody has approved"):
        execute(RollbackOperator(task_id="rollback"), _rollback(["Reject"]), **asked)


@pytest.mark.usefixtures("_echo")
def test_a_prune_removes_where_its_form_says_so() -> None:
    for remove in (True, False):
        answer = execute(PruneOperator(task_id="prune"), Task({}), params={"remove": remove})
        assert (answer["command"], answer["request"]) == ("prune", {"remove": remove})


def test_a_person_approves_with_the_answer_that_promote_looks_for() -> None:
    assert ApprovalOperator.APPROVE == APPROVE
