"""Every DAG has an owner, an end and a text, imports little, and is what dvc.yaml says."""

import ast
import statistics
import subprocess
import sys
from copy import copy
from datetime import timedelta
from pathlib import Path

import pytest
from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import DAG, Asset, AssetOrTimeSchedule, BaseOperator, CronTriggerTimetable
from airflow.sdk.exceptions import ParamValidationError
from airflow.serialization.serialized_objects import DagSerialization
from airflow.utils.dag_edges import dag_edges
from dag_files import DAGS, read_dags
from dvc_project import VARIATIONS, dvc_project, edges_of_dvc

from q2pt_tasks.orchestration.alerts import FailureAlert
from q2pt_tasks.orchestration.form import Form
from q2pt_tasks.orchestration.graph import compute_graph, task_id
from q2pt_tasks.orchestration.operators import StageOperator

DAG_IDS = ["q2pt_retraining", "q2pt_click_log", "q2pt_rollback", "q2pt_prune"]
HEAVY = ("torch", "transformers", "pandas", "great_expectations")
DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def dags(tmp_path_factory: pytest.TempPathFactory) -> dict[str, DAG]:
    return read_dags(tmp_path_factory.mktemp("work"), Path.cwd())


@pytest.fixture
def retraining(dags: dict[str, DAG]) -> DAG:
    return dags["q2pt_retraining"]


def _stages(dag: DAG) -> dict[str, StageOperator]:
    return {task.address: task for task in dag.tasks if isinstance(task, StageOperator)}


def _edges(dag: DAG) -> dict[str, set[str]]:
    """Between stages alone, as addresses."""
    addresses = {task.task_id: address for address, task in _stages(dag).items()}
    return {
        address: {addresses[above] for above in task.upstream_task_ids if above in addresses}
        for address, task in _stages(dag).items()
    }


def _run(code: str, work_dir: Path) -> str:
    """The last line that a fresh Python process prints."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={
            "PATH": "/usr/bin:/bin",
            "AIRFLOW_HOME": str(work_dir / "airflow"),
            "Q2PT_WORK_DIR": str(work_dir),
            "Q2PT_APPROVERS": "1",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1]


def test_there_is_a_dag_per_file(dags: dict[str, DAG]) -> None:
    assert sorted(dags) == sorted(path.stem for path in DAGS.glob("*.py")) == sorted(DAG_IDS)


@pytest.mark.parametrize("dag_id", DAG_IDS)
def test_a_dag_says_what_it_is_and_never_runs_twice_at_once(dags: dict[str, DAG], dag_id: str) -> None:
    dag = dags[dag_id]
    assert "q2pt" in dag.tags
    assert dag.doc_md is not None
    assert dag.doc_md == ast.get_docstring(ast.parse((DAGS / f"{dag_id}.py").read_text()), clean=False)
    assert "When" in dag.doc_md
    assert "fails,**" in dag.doc_md
    assert dag.catchup is False
    assert dag.max_active_runs == 1


@pytest.mark.parametrize("dag_id", DAG_IDS)
def test_a_task_has_an_owner_an_end_another_try_and_a_voice(dags: dict[str, DAG], dag_id: str) -> None:
    for task in dags[dag_id].tasks:
        assert task.owner == "search", task.task_id
        assert task.execution_timeout is not None, task.task_id
        assert task.execution_timeout < DAY, task.task_id
        assert task.retries, task.task_id
        assert isinstance(task.on_failure_callback, list), task.task_id
        assert [type(callback) for callback in task.on_failure_callback] == [FailureAlert], task.task_id


def test_a_run_ends_before_the_next_night(retraining: DAG) -> None:
    assert retraining.dagrun_timeout is not None
    assert retraining.dagrun_timeout < DAY


def test_the_retraining_starts_by_night_and_when_a_log_has_landed(dags: dict[str, DAG]) -> None:
    schedule = dags["q2pt_retraining"].timetable
    assert isinstance(schedule, AssetOrTimeSchedule)
    assert schedule.timetable == CronTriggerTimetable("0 2 * * *", timezone="UTC")
    (announce,) = dags["q2pt_click_log"].tasks
    assert [schedule.asset_condition] == announce.outlets == [Asset("q2pt_click_log")]


@pytest.mark.parametrize("variation", VARIATIONS)
def test_the_edges_are_those_of_dvc(tmp_path: Path, variation: str) -> None:
    project = dvc_project(tmp_path, VARIATIONS[variation][0])
    dag = read_dags(tmp_path / "work", project)["q2pt_retraining"]
    assert _edges(dag) == edges_of_dvc(project)


def test_every_path_leads_from_configure_over_all_stages_and_join_to_promote(retraining: DAG) -> None:
    stages = {task.task_id for task in _stages(retraining).values()}
    above = {task.task_id: task.upstream_task_ids - stages for task in retraining.tasks}
    for first in ("ingest", "encoder"):
        assert retraining.get_task(first).upstream_task_ids == {"configure"}
    assert retraining.get_task("join").upstream_task_ids == stages
    assert retraining.get_task("decide").upstream_task_ids == {"join", "report"}
    assert {name: above[name] for name in ("configure", "approval", "promote")} == {
        "configure": set(),
        "approval": {"decide"},
        "promote": {"decide", "approval"},
    }


def test_a_stage_takes_its_hints_and_its_group_from_dvc_yaml(retraining: DAG) -> None:
    for node in compute_graph(Path.cwd()).nodes:
        task = _stages(retraining)[node.address]
        assert task.task_id == task_id(node.address) == (f"{node.stage}.{node.item}" if node.item else node.stage)
        assert (task.pool, task.queue, task.retries) == (node.hints.pool, node.hints.queue, node.hints.retries)
        assert task.doc_md == node.description
        assert task.trigger_rule == "none_failed", "a stage that is unchanged is skipped, and those after it must run"
    assert retraining.get_task("train_non_unified.de-AT").queue == "gpu"
    assert retraining.get_task("ingest").queue == "default"


def test_the_approval_rejects_by_itself_before_the_next_night(retraining: DAG) -> None:
    approval = retraining.get_task("approval")
    assert isinstance(approval, ApprovalOperator)
    assert approval.response_timeout is not None
    assert approval.response_timeout < DAY
    assert approval.defaults == ["Reject"]
    assert approval.assigned_users == [{"id": "3", "name": "Ada Lovelace"}, {"id": "grace", "name": "grace"}]


def test_a_rollback_asks_a_person_first_and_wants_a_reason(dags: dict[str, DAG]) -> None:
    rollback = dags["q2pt_rollback"]
    approval = rollback.get_task("approval")
    assert isinstance(approval, ApprovalOperator)
    assert approval.defaults == ["Reject"]
    assert rollback.get_task("rollback").upstream_task_ids == {"approval"}
    with pytest.raises(ParamValidationError):
        copy(rollback.params.get_param("why")).resolve("")
    for version in ("latest", "v0", "3", "v1\n", "$(id)"):
        with pytest.raises(ParamValidationError):
            copy(rollback.params.get_param("version")).resolve(version)
    assert copy(rollback.params.get_param("version")).resolve("v12") == "v12"


def test_a_reason_for_a_rollback_is_no_markup_where_a_person_approves(dags: dict[str, DAG]) -> None:
    approval = copy(dags["q2pt_rollback"].get_task("approval"))
    assert isinstance(approval, ApprovalOperator)
    why = "![](https://evil.example/seen) [complaints](https://evil.example)"
    approval.render_template_fields({"params": {"why": why, "version": None}})
    assert approval.body == r"!\[\](https://evil.example/seen) \[complaints\](https://evil.example)"


def test_a_prune_by_hand_shows_and_one_by_schedule_removes(
    dags: dict[str, DAG], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    by_hand = dags["q2pt_prune"]
    assert by_hand.timetable.can_be_scheduled is False
    assert by_hand.params.dump() == {"remove": False}
    monkeypatch.setenv("Q2PT_PRUNE_SCHEDULE", "0 14 * * 0")
    weekly = read_dags(tmp_path, Path.cwd())["q2pt_prune"]
    assert weekly.timetable == CronTriggerTimetable("0 14 * * 0", timezone="UTC")
    assert weekly.params.dump() == {"remove": True}
    assert weekly.dagrun_timeout is not None
    assert weekly.dagrun_timeout < DAY
    with pytest.raises(ParamValidationError):
        copy(weekly.params.get_param("remove")).resolve("yes")


def test_the_form_has_every_field_and_no_default(retraining: DAG) -> None:
    assert set(retraining.params) == set(Form.model_fields)
    assert set(retraining.params.dump().values()) == {None}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("last_day", "2026-06-28"),
        ("locales", ["en-GB", "de-DE"]),
        ("variants", ["unified_aware"]),
        ("encoder", "distilbert-base-multilingual-cased"),
        ("epochs", 3),
        ("force", True),
        ("approval", True),
        ("promote", False),
        ("why", "a new\nlog"),
    ],
)
def test_the_form_takes(retraining: DAG, name: str, value: object) -> None:
    assert copy(retraining.params.get_param(name)).resolve(value) == value


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("last_day", "yesterday"),
        ("last_day", "2026-02-30"),
        ("locales", []),
        ("locales", "en-GB"),
        ("locales", ["en-GB", "en-GB"]),
        ("locales", ["; rm -rf /"]),
        ("variants", ["non_unified"]),
        ("encoder", ["scratch"]),
        ("encoder", "--force"),
        ("encoder", "../../x"),
        ("encoder", "$(id)"),
        ("encoder", "owner/name\n"),
        ("epochs", 0),
        ("epochs", "3"),
        ("force", "yes"),
        ("promote", 1),
    ],
)
def test_the_form_refuses(retraining: DAG, name: str, value: object) -> None:
    with pytest.raises(ParamValidationError):
        copy(retraining.params.get_param(name)).resolve(value)


def test_the_graph_view_draws_one_line_to_a_group_and_not_one_to_each_of_its_tasks(retraining: DAG) -> None:
    serialized = DagSerialization.from_dict(DagSerialization.to_dict(retraining))
    drawn = {(edge["source_id"], edge["target_id"]) for edge in dag_edges(serialized)}
    inner = {
        (above, below) for above, below in drawn if "train_non_unified." in above and "train_non_unified." in below
    }
    outer = {edge for edge in drawn - inner if "train_non_unified" in "".join(edge)}
    assert len(inner) == 40
    assert outer == {
        ("encoder", "train_non_unified.upstream_join_id"),
        ("split", "train_non_unified.upstream_join_id"),
        ("tokenize", "train_non_unified.upstream_join_id"),
        ("train_non_unified.downstream_join_id", "evaluate"),
        ("train_non_unified.downstream_join_id", "join"),
    }


def test_reading_the_files_again_gives_the_same_dag_and_so_no_new_version(dags: dict[str, DAG], tmp_path: Path) -> None:
    again = read_dags(tmp_path, Path.cwd())
    for dag_id in DAG_IDS:
        first, second = (DagSerialization.to_dict(each[dag_id]) for each in (dags, again))
        assert first == second


@pytest.mark.parametrize("path", [*DAGS.glob("*.py"), *Path("q2pt_tasks/orchestration").glob("*.py")], ids=str)
def test_airflow_is_imported_through_its_public_doors_alone(path: Path) -> None:
    tree = ast.parse(path.read_text())
    named = [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    named += [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
    airflow = [name for name in named if name.split(".")[0] == "airflow"]
    assert all(name.startswith(("airflow.sdk", "airflow.providers.")) for name in airflow), airflow
    if path.parent == DAGS:
        own = [name for name in named if name.startswith("q2pt_tasks")]
        assert all(name.startswith(("q2pt_tasks.orchestration.", "q2pt_tasks.registry.")) for name in own), own


@pytest.mark.slow
def test_the_files_are_read_without_what_is_heavy(dags: dict[str, DAG], tmp_path: Path) -> None:
    read_dags(tmp_path, Path.cwd())
    code = (
        "import runpy, sys\n"
        f"sys.modules.update(dict.fromkeys({(*HEAVY, 'dvc')!r}))\n"
        f"found = [runpy.run_path(f'{DAGS}/{{name}}.py') for name in {DAG_IDS!r}]\n"
        "print(len(found))\n"
    )
    assert _run(code, tmp_path) == str(len(dags))


@pytest.mark.slow
def test_a_warm_reading_takes_little_beyond_airflows_own_import(tmp_path: Path) -> None:
    read_dags(tmp_path, Path.cwd())
    source = (DAGS / "q2pt_retraining.py").read_text()
    own = [node for node in ast.parse(source).body if isinstance(node, ast.ImportFrom)]
    airflow = "\n".join(ast.unparse(node) for node in own if (node.module or "").startswith("airflow"))
    code = (
        f"import runpy, time\nimport airflow\n{airflow}\n"
        # Of the processor: what other tests do at the same time is not the file's.
        "started = time.process_time()\n"
        f"runpy.run_path('{DAGS}/q2pt_retraining.py')\n"
        "print(time.process_time() - started)\n"
    )
    assert statistics.median(float(_run(code, tmp_path)) for _ in range(3)) < 0.3


def test_every_task_is_an_operator_of_ours_or_of_a_provider(dags: dict[str, DAG]) -> None:
    for dag in dags.values():
        for task in dag.tasks:
            assert isinstance(task, BaseOperator)
            assert type(task).__module__.startswith(("q2pt_tasks.", "airflow.providers.", "airflow.sdk"))
