"""Who may do what in Airflow, with the users' manager and the settings of docker-compose.yml, asked by the REST API."""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from airflow_api import RETRAINING
from airflow_roles import Roles, server_with_roles
from compose_file import read_env

pytestmark = [pytest.mark.slow, pytest.mark.enable_socket, pytest.mark.timeout(900)]

ROLLBACK = "q2pt_rollback"
FORMS = {RETRAINING: {"approval": True}, ROLLBACK: {"version": None, "why": "it is worse"}}
# Names of ours and the roles of FAB that they have; beside them there is the admin.
USERS = {"viewer": "Viewer", "operator": "User"}
SECRETS = ("connections", "variables", "config", "eventLogs")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Roles]:
    with server_with_roles(tmp_path_factory.mktemp("roles"), USERS) as server:
        for dag in FORMS:
            assert server.call("admin", "PATCH", f"dags/{dag}", {"is_paused": True}).is_success
        yield server


def _trigger(server: Roles, role: str, dag: str) -> tuple[int, str]:
    answer = server.call(role, "POST", f"dags/{dag}/dagRuns", {"logical_date": None, "conf": FORMS[dag]})
    return answer.status_code, answer.json().get("dag_run_id", answer.text)


@pytest.fixture(scope="module", params=FORMS)
def asked(server: Roles, request: pytest.FixtureRequest) -> tuple[str, str]:
    """A DAG and the path of a run of it, started by the operator, whose approval waits."""
    status, run_id = _trigger(server, "operator", request.param)
    assert status == 200, run_id
    server.ask(request.param, run_id)
    return request.param, f"dags/{request.param}/dagRuns/{quote(run_id, safe='')}"


def _answer(server: Roles, role: str, run: str) -> tuple[int, str]:
    body = {"chosen_options": ["Approve"], "params_input": {}}
    answer = server.call(role, "PATCH", f"{run}/taskInstances/approval/-1/hitlDetails", body)
    return answer.status_code, answer.text


@pytest.mark.parametrize("dag", FORMS)
def test_a_viewer_sees_runs_and_starts_none(server: Roles, dag: str) -> None:
    assert server.call("viewer", "GET", f"dags/{dag}/dagRuns").status_code == 200
    assert _trigger(server, "viewer", dag)[0] == 403
    assert server.call("viewer", "PATCH", f"dags/{dag}", {"is_paused": False}).status_code == 403


@pytest.mark.parametrize("role", USERS)
@pytest.mark.parametrize("what", SECRETS)
def test_neither_a_viewer_nor_an_operator_sees_a_secret(server: Roles, role: str, what: str) -> None:
    assert server.call(role, "GET", what).status_code == 403


def test_a_viewer_changes_nothing_of_a_run(server: Roles, asked: tuple[str, str]) -> None:
    dag, run = asked
    assert server.call("viewer", "GET", f"{run}/taskInstances/approval/-1/hitlDetails").status_code == 200
    assert _answer(server, "viewer", run)[0] == 403
    assert server.call("viewer", "PATCH", run, {"state": "success"}).status_code == 403
    assert server.call("viewer", "DELETE", run).status_code == 403
    task = {"new_state": "success"}
    assert server.call("viewer", "PATCH", f"{run}/taskInstances/approval", task).status_code == 403
    cleared = {"dag_run_id": run.rpartition("/")[2], "dry_run": False}
    assert server.call("viewer", "POST", f"dags/{dag}/clearTaskInstances", cleared).status_code == 403


def test_an_operator_starts_a_run_and_cannot_approve_it_and_the_assigned_user_can(
    server: Roles, asked: tuple[str, str]
) -> None:
    _, run = asked
    status, text = _answer(server, "operator", run)
    assert (status, "is not a respondent" in text) == (403, True), text
    # What promote and rollback look at is what the approval handed on: the operator cannot write that either.
    forged = {"key": "return_value", "value": {"chosen_options": ["Approve"]}}
    assert server.call("operator", "POST", f"{run}/taskInstances/approval/xcomEntries", forged).status_code == 403
    status, text = _answer(server, "admin", run)
    assert status == 200, text


def test_no_secret_is_in_a_log_or_in_a_file_of_airflows_own(server: Roles) -> None:
    environment = server.environment
    secrets = {*server.passwords.values(), environment["AIRFLOW__API__SECRET_KEY"]}
    secrets |= {environment["AIRFLOW__API_AUTH__JWT_SECRET"], environment["AIRFLOW__CORE__FERNET_KEY"]}
    files = [file for file in server.folder.rglob("*") if file.is_file()]
    assert server.folder / "server.log" in files
    for file in files:
        content = file.read_bytes()
        assert not [secret for secret in secrets if secret.encode() in content], file


def test_the_assigned_user_is_the_admin_that_the_first_script_makes() -> None:
    assert read_env(Path("deploy/airflow.env"))["Q2PT_APPROVERS"] == "1:admin"


def test_on_compose_nobody_changes_a_run_and_has_it_promoted_alone() -> None:
    assert read_env(Path("deploy/airflow.env"))["Q2PT_APPROVAL_REQUIRED"] == "yes"
