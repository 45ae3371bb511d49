"""An API server of Airflow with the users and the roles of docker-compose.yml, alone: nothing is scheduled or run."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from airflow_api import Airflow, wait_until
from airflow_local import free_port
from compose_file import read_env

_SECONDS = 240.0
# A run's approval as its own operator asks for it, without a worker: the rows that the Execution API writes.
_ASK = """
import sys
from airflow.dag_processing.dagbag import DagBag
from airflow.models.hitl import HITLDetail
from airflow.models.taskinstance import TaskInstance
from airflow.utils.session import create_session
from sqlalchemy import select

folder, dag_id, run_id = sys.argv[1:]
task = DagBag(folder, bundle_name="dags").dags[dag_id].get_task("approval")
with create_session() as session:
    wanted = (TaskInstance.dag_id == dag_id, TaskInstance.run_id == run_id, TaskInstance.task_id == "approval")
    found = session.scalar(select(TaskInstance).where(*wanted))
    found.state = "awaiting_input"
    assigned = [dict(user) for user in task.assigned_users]
    session.add(HITLDetail(ti_id=found.id, options=task.options, subject="?", assignees=assigned, params={}))
"""


@dataclass(frozen=True)
class Roles:
    """The server, and who may log in, by the name of the role."""

    url: str
    passwords: Mapping[str, str]
    folder: Path
    environment: Mapping[str, str]

    def as_role(self, role: str) -> Airflow:
        return Airflow(self.url, role, self.passwords[role])

    def call(self, role: str, method: str, path: str, body: object = None) -> httpx.Response:
        """What the server answers to a user of a role."""
        api = self.as_role(role)
        with httpx.Client(base_url=self.url, timeout=60, trust_env=False) as client:
            login = {"username": api.user, "password": api.password}
            token = client.post("/auth/token", json=login).raise_for_status().json()["access_token"]
            return client.request(method, f"/api/v2/{path}", json=body, headers={"Authorization": f"Bearer {token}"})

    def ask(self, dag_id: str, run_id: str) -> None:
        """Has the run's approval wait for its answer."""
        _run(self, [sys.executable, "-c", _ASK, self.environment["AIRFLOW__CORE__DAGS_FOLDER"], dag_id, run_id])


@contextmanager
def server_with_roles(folder: Path, roles: Mapping[str, str]) -> Iterator[Roles]:
    """A server whose admin was made as deploy/init.sh does it, and then a user of each of FAB's `roles` by a name."""
    port, project = free_port(), Path.cwd()
    url = f"http://127.0.0.1:{port}"
    subprocess.run(
        [sys.executable, "deploy/make_secrets.py", str(folder.parent / f"{folder.name}.secrets")], check=True
    )
    secrets = read_env(folder.parent / f"{folder.name}.secrets")
    environment = read_env(Path("deploy/airflow.env")) | {
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "PYTHONPATH": str(project),
        "HOME": str(folder),
        "LANG": "C.UTF-8",
        "AIRFLOW_HOME": str(folder / "airflow"),
        "AIRFLOW__API__BASE_URL": url,
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__API__SECRET_KEY": secrets["API_SECRET_KEY"],
        "AIRFLOW__API_AUTH__JWT_SECRET": secrets["JWT_SECRET"],
        "AIRFLOW__CORE__DAGS_FOLDER": str(project / "dags"),
        "AIRFLOW__CORE__FERNET_KEY": secrets["FERNET_KEY"],
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "True",
        # Nothing is scheduled.
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{folder}/airflow.db?timeout=60",
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(folder / "logs"),
        "Q2PT_WORK_DIR": str(folder / "work"),
    }
    passwords = {name: f"{name}-secret-of-a-test" for name in ("admin", *roles)}
    server = Roles(url, passwords, folder, environment)
    airflow = [sys.executable, "-m", "airflow"]
    _run(server, [*airflow, "db", "migrate"])
    for name, role in {"admin": "Admin", **roles}.items():
        names = ["--username", name, "--role", role, "--firstname", "q2pt", "--lastname", name]
        _run(server, [*airflow, "users", "create", *names, "--email", f"{name}@localhost"], passwords[name])
    _run(server, [*airflow, "dags", "reserialize"])
    log = folder / "server.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*airflow, "api-server", "--workers", "1"],
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        wait_until(lambda: process.poll() is not None or _answers(url), _SECONDS, log.read_text)
        assert process.poll() is None, log.read_text()
        yield server
    finally:
        process.terminate()
        process.wait(60)


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/api/v2/version", timeout=10, trust_env=False).is_success
    except httpx.TransportError:
        return False


def _run(server: Roles, command: list[str], password: str = "") -> None:
    done = subprocess.run(
        command,
        env=dict(server.environment),
        input=f"{password}\n{password}\n",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, json.dumps(command) + done.stdout[-5000:] + done.stderr[-5000:]
