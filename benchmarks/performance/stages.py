"""Contestants: the training stages as the pipeline runs them, one after the other or side by side, and a start."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.performance.tasks import Importing, Staging, Timed, answer_command
from q2pt_tasks.model.metadata import METADATA, load_metadata

UNIFIED = "unified_agnostic"


@dataclass(frozen=True)
class _Trainings:
    """Commands of the pipeline, the folder of their models, and how many of them run at once."""

    commands: Sequence[Sequence[str]]
    models: str
    at_once: int = 1

    @property
    def environment(self) -> Mapping[str, str]:
        """One alone takes all cores, several have one each."""
        return _environment() if self.at_once == 1 else _environment() | {"OMP_NUM_THREADS": "1"}


def unified(task: Staging) -> Timed:
    """One training of all rows."""
    return _timed(task, _Trainings([["train_unified", "--variant", UNIFIED]], f"models/{UNIFIED}"))


def per_locale(task: Staging) -> Timed:
    """A training per locale, one after the other, as `dvc repro` runs them."""
    return _timed(task, _per_locale(task))


def per_locale_together(task: Staging) -> Timed:
    """A training per locale, as many at once as there are cores, as Airflow runs them in a pool of so many."""
    return _timed(task, replace(_per_locale(task), at_once=len(os.sched_getaffinity(0))))


def _per_locale(task: Staging) -> _Trainings:
    return _Trainings([["train_non_unified", "--locale", locale] for locale in task.locales], "models/non_unified")


def _timed(task: Staging, trainings: _Trainings) -> Timed:
    workspace = Path(task.workspace)
    started = time.monotonic()

    def end_of(command: Sequence[str]) -> float:
        whole = [sys.executable, "-m", "q2pt_tasks", *command]
        subprocess.run(whole, cwd=workspace, env=trainings.environment, check=True)
        return time.monotonic() - started

    with ThreadPoolExecutor(trainings.at_once) as pool:
        ends = sorted(pool.map(end_of, trainings.commands))
    _check_trained(workspace / trainings.models)
    return Timed(ends=tuple(ends), file_bytes=sum(_sizes(workspace / trainings.models)))


def _check_trained(models: Path) -> None:
    """A stage that finds too little data trains nothing, in no time."""
    for file in models.rglob(METADATA):
        if load_metadata(file.parent).status == "untrained":
            raise RuntimeError(f"{file.parent} was not trained")


def _environment() -> dict[str, str]:
    """The code that is measured, in a folder that has none of its own."""
    return {**os.environ, "PYTHONPATH": str(Path.cwd())}


def _sizes(folder: Path) -> Iterator[int]:
    """Of every file below `folder`, one with several names counted once."""
    stats = [path.stat() for path in folder.rglob("*") if path.is_file()]
    yield from {(stat.st_dev, stat.st_ino): stat.st_size for stat in stats}.values()


def start(task: Staging) -> Timed:
    """From the start of a process that trains until its first step starts to compute."""
    command = [sys.executable, "-m", "benchmarks.performance.stages", "until_first_step", "{}"]
    return _reached(command, Path(task.workspace))


def start_imports(_: Importing) -> Timed:
    """From the start of a process until it has imported torch and transformers."""
    program = "import torch, transformers, time; print(time.time(), flush=True)"
    return _reached([sys.executable, "-c", program], Path.cwd())


def _reached(command: Sequence[str], folder: Path) -> Timed:
    """Seconds from the start of `command` to the time that it prints last."""
    started = time.time()
    done = subprocess.run(
        command,
        cwd=folder,
        env=_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        check=True,
    )
    return Timed(ends=(float(done.stdout.split()[-1]) - started,))


def until_first_step(_: Importing) -> Timed:
    """Runs the stage `train_unified` in the current folder, prints the time of its first forward pass, and ends."""
    from benchmarks.performance.clock import on_first_forward
    from q2pt_tasks.cli import main

    on_first_forward(_print_time_and_end)
    main(["train_unified", "--variant", UNIFIED])
    raise RuntimeError("the stage has ended and computed nothing")


def _print_time_and_end() -> None:
    sys.stdout.write(f"{time.time()}\n")
    sys.stdout.flush()
    # What an orderly end takes is not asked.
    os._exit(0)


if __name__ == "__main__":
    answer_command(
        {
            "unified": (Staging, unified),
            "per_locale": (Staging, per_locale),
            "per_locale_together": (Staging, per_locale_together),
            "start": (Staging, start),
            "start_imports": (Importing, start_imports),
            "until_first_step": (Importing, until_first_step),
        }
    )
