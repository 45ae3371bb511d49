"""What Airflow costs beside `dvc repro`: the same commits run by both, one after the other, on this machine.

`make overhead` writes `docs/results/orchestration.md`.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from airflow_api import Airflow
from airflow_cluster import Cluster, missing_servers, running_cluster
from airflow_local import LocalAirflow, local_airflow, server_environment
from fast_project import make_fast_project

from q2pt_tasks.git import run_git
from q2pt_tasks.studies.machine import describe_machine
from q2pt_tasks.studies.pages import code, table

PAGE = Path("docs/results/orchestration.md")
NIGHT_SECONDS = 1800.0
REPEATS = 3
UNCHANGED: Mapping[str, Any] = {}
FORCED: Mapping[str, Any] = {"force": True}


@dataclass
class Timings:
    """Seconds of the runs of one kind."""

    name: str
    airflow: list[float] = field(default_factory=list)
    dvc: list[float] = field(default_factory=list)

    def row(self) -> list[object]:
        airflow, dvc = statistics.median(self.airflow), statistics.median(self.dvc)
        return [self.name, _seconds(self.airflow), _seconds(self.dvc), f"{airflow - dvc:.0f} s", f"{airflow / dvc:.1f}"]


@dataclass(frozen=True)
class Case:
    """A kind of run: the form that asks Airflow for it, and what `dvc repro` is told."""

    name: str
    form: Mapping[str, Any]
    options: Sequence[str]
    repeats: int


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=REPEATS, help="of an unchanged run; a forced one runs once less")
    repeats = parser.parse_args().repeats
    cases = (
        Case("nothing has changed", UNCHANGED, (), repeats),
        Case("every stage forced", FORCED, ("--force",), max(1, repeats - 1)),
    )
    with tempfile.TemporaryDirectory(prefix="q2pt-overhead-") as folder:
        small = _standalone(Path(folder), cases)
    # What is measured is not lost should the rest fail.
    command = (
        "make overhead" if repeats == REPEATS else f"PYTHONPATH=tests python -m benchmarks.overhead --repeats {repeats}"
    )
    PAGE.write_text(_page(command, small, []), encoding="utf-8")
    if not missing_servers():
        PAGE.write_text(_page(command, small, _celery(repeats)), encoding="utf-8")
    sys.stdout.write(f"{PAGE}\n")
    return 0


def _standalone(folder: Path, cases: Sequence[Case]) -> list[Timings]:
    """The tiny pipeline of the tests, under the server of `make airflow`."""
    with local_airflow(folder / "airflow") as server:
        _settle(server.api)
        clone = _clone(server, folder / "clone")
        timings = [Timings(case.name) for case in cases]
        for case, found in zip(cases, timings, strict=True):
            for _ in range(case.repeats):
                found.airflow.append(_night(server.api, case.form))
                found.dvc.append(_timed(lambda: _repro(clone, *case.options)))  # noqa: B023 - called at once
    return timings


def _celery(repeats: int) -> list[float]:
    """Seconds of unchanged runs of a pipeline with the default 20 locales on two Celery workers."""
    with running_cluster(_prepare, ("worker", "gpu-worker"), WORKER_QUEUES="default,commits") as cluster:
        _settle(cluster.api)
        return [_night(cluster.api, UNCHANGED) for _ in range(repeats)]


def _prepare(cluster: Cluster) -> Mapping[str, str]:
    """Puts the project, with stages that take no time, where the git services have it; returns changes for workers."""
    # The gate says no: a promotion would change what the next run starts from.
    checkout = make_fast_project(cluster.folder / "author", {"gate.floor": 0.9})
    repository = cluster.repositories / "q2pt.git"
    run_git(checkout, "clone", "--quiet", "--bare", str(checkout), str(repository))
    cluster.image.mkdir(exist_ok=True)
    for name in ("dvc.yaml", "params.yaml"):
        (cluster.image / name).write_bytes((checkout / name).read_bytes())
    # The worker of the stages also takes the queue of those that push, and pushes where they do.
    return {"Q2PT_GIT_REMOTE": cluster.environment("commit-worker")["Q2PT_GIT_REMOTE"]}


def _settle(api: Airflow) -> None:
    """Runs until nothing changes any more: the schedule's first run makes all, a second one judges its champion."""
    deadline = time.monotonic() + NIGHT_SECONDS
    _finish(api, api.scheduled_run(NIGHT_SECONDS))
    while api.result(_finish(api, api.trigger({})), "configure")["addresses"] != _unchanged(api):
        if time.monotonic() > deadline:
            raise TimeoutError("there is always something to run")


def _unchanged(api: Airflow) -> list[str]:
    """The stages that the last run found unchanged, in the graph's order."""
    plan = api.result(api.runs()[-1].id, "configure")
    return [address for address in plan["addresses"] if address in plan["unchanged"]]


def _night(api: Airflow, form: Mapping[str, Any]) -> float:
    """Seconds from the run's start to its end, as Airflow has them."""
    return api.run(_finish(api, api.trigger(form))).seconds


def _finish(api: Airflow, run_id: str) -> str:
    state = api.wait_for_run(run_id, NIGHT_SECONDS)
    if state != "success":
        raise RuntimeError(f"{run_id} is {state}: {api.states(run_id)}")
    return run_id


def _clone(server: LocalAirflow, folder: Path) -> Path:
    """The last complete run, with all its data, for `dvc repro`."""
    run_git(Path.cwd(), "clone", "--quiet", "--branch", "latest", str(server.remote), str(folder))
    for name, value in (("cache.dir", str(server.place.checkout / ".dvc/cache")), ("cache.type", "reflink,copy")):
        _dvc(folder, "config", "--local", name, value)
    _dvc(folder, "checkout")
    return folder


def _repro(clone: Path, *options: str) -> None:
    _dvc(clone, "repro", *options)


def _dvc(folder: Path, *arguments: str) -> None:
    subprocess.run(
        [sys.executable, "-m", "dvc", *arguments],
        cwd=folder,
        env=server_environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=True,
    )


def _timed(work: Callable[[], None]) -> float:
    started = time.monotonic()
    work()
    return time.monotonic() - started


def _page(command: str, small: Sequence[Timings], large: Sequence[float]) -> str:
    parts = [
        "# What Airflow costs",
        code(command),
        f"{describe_machine()}. {datetime.now(UTC):%Y-%m-%d}; load average of the last quarter of an hour, these runs "
        f"included, {os.getloadavg()[2]:.1f}. Wall time, median and all values; one run after the other, Airflow and "
        "`dvc repro` in turn.",
        "## Three locales, everything real, `make airflow` (SQLite, LocalExecutor)",
        "The pipeline of the tests: 14 stages, networks of one layer. `dvc repro` runs in a clone of the same commit, "
        "one stage after the other; Airflow runs up to four tasks side by side, each a process in a clone of its own.",
        table(
            ["run", "Airflow", "dvc repro", "difference", "ratio"],
            [timings.row() for timings in small],
        ),
        "## Twenty locales, Celery with PostgreSQL, Redis and S3",
        f"An unchanged run of the default graph (31 stages and five tasks around them) on two workers: "
        f"{_seconds(large)}."
        if large
        else "Not measured.",
    ]
    return "\n\n".join(parts) + "\n"


def _seconds(values: Sequence[float]) -> str:
    every = ", ".join(f"{value:.0f}" for value in values)
    return f"{statistics.median(values):.0f} s ({every})"


if __name__ == "__main__":
    sys.exit(main())
