"""`python -m q2pt_tasks.orchestration.local`: the whole of Airflow on this machine, for a first look and for tests.

What `airflow standalone` starts, on SQLite below `build/airflow`, but for its log servers, which listen on every
address; and it ends with all that it has started, tasks included.
"""

import argparse
import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from q2pt_tasks.git import GitError, run_git
from q2pt_tasks.orchestration import guard
from q2pt_tasks.orchestration.reaper import no_process_left_behind, reap_orphans

HOST = "127.0.0.1"
# The user whom Airflow's simple manager of users makes.
ADMIN = "admin"
_POLL_SECONDS = 1.0
_LAST_LINES = 20
_NO_PROXY = urllib.request.build_opener(urllib.request.ProxyHandler({}))
PREPARATIONS: Mapping[str, tuple[str, ...]] = {
    "migration": ("db", "migrate"),
    "pool": ("pools", "set", "gpu", "1", "Trainings: each one takes all cores"),
}
# The parts beside the API server. Log servers are off: they listen on every address, and all logs lie on this machine.
OTHERS: Mapping[str, tuple[str, ...]] = {
    "scheduler": ("scheduler", "--skip-serve-logs"),
    "dag-processor": ("dag-processor",),
    "triggerer": ("triggerer", "--skip-serve-logs"),
}


class AirflowEndedError(RuntimeError):
    """A part of Airflow ended by itself."""


class PortTakenError(RuntimeError):
    """Another server listens there."""


@dataclass(frozen=True)
class Place:
    """Where it runs.

    Attributes:
        checkout: the project, whose DAGs are loaded and whose commit the runs start from.
        port: of the page and of the REST API.
    """

    checkout: Path
    port: int

    @property
    def home(self) -> Path:
        return self.checkout / "build/airflow"

    @property
    def remote(self) -> Path:
        return self.home / "remote.git"

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    @property
    def passwords(self) -> Path:
        return self.home / "passwords.json"

    def variables(self) -> dict[str, str]:
        """All settings, those of Airflow and those of the project's tasks."""
        return {
            "AIRFLOW_HOME": str(self.home),
            "AIRFLOW__API__BASE_URL": self.url,
            "AIRFLOW__API__HOST": HOST,
            "AIRFLOW__API__PORT": str(self.port),
            "AIRFLOW__CORE__AUTH_MANAGER": (
                "airflow.api_fastapi.auth.managers.simple.simple_auth_manager.SimpleAuthManager"
            ),
            "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
            "AIRFLOW__CORE__DAGS_FOLDER": str(self.checkout / "dags"),
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{self.url}/execution/",
            "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__PARALLELISM": "4",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(self.passwords),
            # SQLite lets one process write at a time; on a busy machine the others wait longer than its own 5 s.
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{self.home}/airflow.db?timeout=60",
            "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(self.home / "logs"),
            # A busy machine misses heartbeats, and after 30 s its only scheduler would take its own tasks for lost.
            # Longer, and what Ctrl-C has interrupted would wait longer for the next start.
            "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "60",
            "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD": "120",
            "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "600",
            # A proxy for the world outside must not be asked for the parts of Airflow here.
            "NO_PROXY": _without_proxy("NO_PROXY"),
            "no_proxy": _without_proxy("no_proxy"),
            # Longer than an answer waits for SQLite: one that is given up before keeps its lock, and all others wait.
            "AIRFLOW__WORKERS__EXECUTION_API_TIMEOUT": "120",
            # A task that skips itself lasts as long as this, 5 s by default.
            "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "1",
            # The only user there is, who would ask themselves.
            "Q2PT_APPROVERS": ADMIN,
            "Q2PT_APPROVAL_REQUIRED": "no",
            "Q2PT_DVC_CACHE": str(self.checkout / ".dvc/cache"),
            "Q2PT_GIT_REMOTE": str(self.remote),
            "Q2PT_REPOSITORY": str(self.checkout),
            "Q2PT_STATE_DIR": str(self.home / "state"),
            "Q2PT_WORK_DIR": str(self.home / "work"),
        }


def _without_proxy(variable: str) -> str:
    """The value of a variable that lists the hosts without a proxy, with this one."""
    return ",".join(filter(None, (os.environ.get(variable), HOST)))


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m q2pt_tasks.orchestration.local", description=__doc__)
    parser.add_argument("--port", type=int, default=8080, help="of the page and of the REST API")
    place = Place(Path.cwd(), parser.parse_args(arguments).port)
    try:
        with no_process_left_behind():
            _serve(place)
    except KeyboardInterrupt:
        _say("Airflow has ended.")
    except (AirflowEndedError, PortTakenError, GitError) as error:
        _say(f"{error}")
        return 1
    return 0


def _serve(place: Place) -> None:
    """Starts everything, and only ends with an error."""
    check_port(place.port)
    _say(f"Airflow starts; its logs are in {place.home}.")
    publish(place)
    for name, command in PREPARATIONS.items():
        if _start(place, name, command).wait():
            raise AirflowEndedError(_last_words(place, name))
    # First the server: a task that does not reach it has failed.
    processes = {"api-server": _start(place, "api-server", ("api-server",))}
    while not _health(place):
        _check(place, processes)
    processes |= {name: _start(place, name, command) for name, command in OTHERS.items()}
    while {part["status"] for part in _health(place).values()} != {"healthy"}:
        _check(place, processes)
    password = json.loads(place.passwords.read_text(encoding="utf-8"))[ADMIN]
    _say(
        f"Airflow is ready: {place.url}, user {ADMIN}, password {password}\n"
        f"Runs take what is committed. After a commit: git push {place.remote} HEAD:main\n"
        "Ctrl-C ends it."
    )
    while True:
        _check(place, processes)


def check_port(port: int) -> None:
    """Checks that no other server, such as another Airflow, would answer in place of this one.

    Raises:
        PortTakenError: one would.
    """
    try:
        socket.create_server((HOST, port)).close()
    except OSError as error:
        raise PortTakenError(
            f"port {port} is taken ({error.strerror}): choose another one, make airflow PORT=..."
        ) from error


def publish(place: Place) -> None:
    """Makes the git remote of the runs, a bare repository, and brings the checkout's commit to its `main`.

    Raises:
        GitError: the checkout is no git repository, or has no commit.
    """
    place.remote.mkdir(parents=True, exist_ok=True)
    run_git(place.remote, "init", "--quiet", "--bare", "--initial-branch=main")
    # With force: no run writes main, and the checkout may be on another branch than last time.
    run_git(place.checkout, "push", "--quiet", str(place.remote), "+HEAD:refs/heads/main")


def _start(place: Place, name: str, command: Sequence[str]) -> subprocess.Popen[bytes]:
    """Starts `airflow COMMAND`, out of reach of the terminal's Ctrl-C; it dies with this process."""
    launcher = [sys.executable, "-I", "-S", guard.__file__, str(os.getpid())]
    with _log(place, name).open("wb") as log:
        return subprocess.Popen(  # noqa: S603 - an argument list
            [*launcher, sys.executable, "-m", "airflow", *command],
            cwd=place.checkout,
            env={**os.environ, **place.variables()},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def _check(place: Place, processes: Mapping[str, subprocess.Popen[bytes]]) -> None:
    """Waits a little, and raises where a process has ended."""
    time.sleep(_POLL_SECONDS)
    reap_orphans({process.pid for process in processes.values()})
    for name, process in processes.items():
        if process.poll() is not None:
            raise AirflowEndedError(_last_words(place, name))


def _health(place: Place) -> dict[str, dict[str, str]]:
    """What the server says of every part; empty before it answers."""
    try:
        with _NO_PROXY.open(f"{place.url}/api/v2/monitor/health", timeout=30) as answer:
            health: dict[str, dict[str, str]] = json.load(answer)
    except OSError:
        return {}
    return health


def _last_words(place: Place, name: str) -> str:
    lines = _log(place, name).read_text(encoding="utf-8", errors="replace").splitlines()
    return "\n".join([f"Airflow's {name} has ended by itself; its last lines:", *lines[-_LAST_LINES:]])


def _log(place: Place, name: str) -> Path:
    return place.home / f"{name}.log"


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
