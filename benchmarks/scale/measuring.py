"""One stage of one contestant in a process of its own, measured from its start to its end."""

import json
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Measured:
    """One stage of one contestant, in a process of its own."""

    seconds: float
    """From the start of the process to its end."""
    megabytes: float
    """Most resident memory of the process."""


def run_stage(name: str, stage: str, folder: Path) -> Measured:
    """Runs `stage` of the contestant `name` on the log in `folder`."""
    command = [sys.executable, "-m", "benchmarks.scale.contestants", name, stage, str(folder)]
    began = time.perf_counter()
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    seconds = time.perf_counter() - began
    found = Measured(seconds, json.loads(done.stdout.splitlines()[-1])["megabytes"])
    sys.stderr.write(f"{name} {stage}: {found.seconds:.1f} s, {found.megabytes:,.0f} MB\n")
    return found
