"""One stage of one contestant in a process of its own, measured from its start to its end."""

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Measured:
    """One stage of one contestant, in a process of its own.

    Attributes:
        seconds: from the start of the process to its end.
        core_seconds: of processors that it had, all together.
        megabytes: most resident memory.
    """

    seconds: float
    core_seconds: float
    megabytes: float


def measure_starts(stages: Sequence[str]) -> float:
    """Seconds that the processes of `stages` take until they begin to work: Python with all that they import."""
    return sum(_seconds_of(f"import q2pt_tasks.stages.{stage}") for stage in stages)


def _seconds_of(program: str) -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", program], check=True)
    return time.perf_counter() - began


def run_stage(name: str, stage: str, folder: Path) -> Measured:
    """Runs `stage` of the contestant `name` on the log in `folder`."""
    command = [sys.executable, "-m", "benchmarks.scale.contestants", name, stage, str(folder)]
    began = time.perf_counter()
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    seconds = time.perf_counter() - began
    found = Measured(seconds, **json.loads(done.stdout.splitlines()[-1]))
    sys.stderr.write(f"{name} {stage}: {seconds:.1f} s, {found.core_seconds:.1f} core-s, {found.megabytes:,.0f} MB\n")
    return found
