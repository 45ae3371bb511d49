"""`make airflow`'s server for tests: a checkout of the project as it stands, tiny, with all that belongs to it."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from airflow_api import Airflow, wait_until
from tiny import CHANGES

from q2pt_tasks.git import commit_all, run_git
from q2pt_tasks.orchestration.local import Place
from q2pt_tasks.params_edit import edit_params

# Generous: other tests run beside these, and SQLite's migration alone takes a while.
START_SECONDS = 300.0
STOP_SECONDS = 60.0
CHECKOUT = "checkout"
# Once a year: a new DAG starts the run of the last tick by itself, and no other one comes between a test's.
# That tick is after the newest day of the synthetic log.
RARELY = "0 2 1 11 *"
_READY = re.compile(r"Airflow is ready: (\S+), user (\S+), password (\S+)")


@dataclass(frozen=True)
class LocalAirflow:
    """A server of `make airflow`, and its checkout."""

    place: Place
    api: Airflow

    @property
    def remote(self) -> Path:
        """The git remote of its runs."""
        return self.place.remote

    def commit_params(self, changes: Mapping[str, Any]) -> str:
        """Changes keys of params.yaml on the `main` that the next run starts from, as the server says one should."""
        commit = commit_params(self.place.checkout, changes)
        run_git(self.place.checkout, "push", "--quiet", str(self.remote), "HEAD:main")
        return commit


@contextmanager
def local_airflow(
    folder: Path, changes: Mapping[str, Any] | None = None, environment: Mapping[str, str] | None = None
) -> Iterator[LocalAirflow]:
    """A server in a new checkout below `folder`; at the end it is interrupted, and nothing of it may be left.

    As the DAG's schedule asks for it, a first run starts by itself, for the last tick.

    Args:
        folder: a new or an empty one.
        changes: of params.yaml, beside those that make the pipeline tiny.
        environment: variables beside this process' own, as an operator of the system sets them.
    """
    place = Place(make_checkout(folder / CHECKOUT, {**CHANGES, **(changes or {})}), free_port())
    output = folder / "server.log"
    with output.open("wb") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "q2pt_tasks.orchestration.local", "--port", str(place.port)],
            cwd=place.checkout,
            env=server_environment(environment),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        api = _wait_until_ready(server, output)
        api.wait_for_dag(START_SECONDS)
        yield LocalAirflow(place, api)
    finally:
        left = _stop(server, place.checkout)
    assert not left, f"left behind: {left}"
    assert server.returncode == 0, output.read_text()
    assert "Airflow has ended." in output.read_text()


def local_remote(folder: Path) -> Path:
    """Where the git remote of `local_airflow` of this folder will be."""
    return Place(folder / CHECKOUT, 0).remote


def make_checkout(folder: Path, changes: Mapping[str, Any]) -> Path:
    """A git repository with the project's files as they are now, committed, and with `changes` of params.yaml.

    Tests and documents are left out: a run does not need them.
    """
    folder.mkdir(parents=True)
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split("\0")
    kept = [name for name in listed if name and not name.startswith(("tests/", "docs/")) and Path(name).is_file()]
    for name in kept:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(name, folder / name)
    run_git(folder, "init", "--quiet", "--initial-branch=main")
    commit_all(folder, kept, "The project")
    commit_params(folder, changes)
    return folder


def commit_params(checkout: Path, changes: Mapping[str, Any]) -> str:
    """Changes keys of params.yaml and commits it."""
    edit_params(checkout / "params.yaml", changes)
    return commit_all(checkout, ["params.yaml"], f"Params: {', '.join(changes)}")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port


def server_environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The variables of this process without its own settings of Airflow and of runs, and with `extra`."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "Q2PT_"))}
    # The stages call `python`.
    path = os.pathsep.join([str(Path(sys.executable).parent), kept["PATH"]])
    return {**kept, "PATH": path, "Q2PT_SCHEDULE": RARELY, **(extra or {})}


def processes_of(checkout: Path) -> list[str]:
    """The command lines of processes that work in a checkout, or have it among their variables."""
    found = []
    for process in Path("/proc").iterdir():
        if process.name.isdecimal() and process.name != str(os.getpid()):
            try:
                seen = (process / "environ").read_bytes() + bytes((process / "cwd").readlink())
                command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            # It has ended meanwhile, or is another user's.
            except (FileNotFoundError, ProcessLookupError, PermissionError):
                continue
            if bytes(checkout) in seen and command:
                found.append(f"{process.name} {command}")
    return found


def _wait_until_ready(server: subprocess.Popen[bytes], output: Path) -> Airflow:
    def settled() -> bool:
        return bool(_READY.search(output.read_text())) or server.poll() is not None

    wait_until(settled, START_SECONDS, output.read_text)
    ready = _READY.search(output.read_text())
    assert ready, output.read_text()
    return Airflow(*ready.groups())


def _stop(server: subprocess.Popen[bytes], checkout: Path) -> list[str]:
    """Ends the server as Ctrl-C does; returns the processes of its checkout that are still there."""
    if server.poll() is None:
        server.send_signal(signal.SIGINT)
    server.wait(STOP_SECONDS)
    return processes_of(checkout)
