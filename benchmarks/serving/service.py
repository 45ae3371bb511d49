"""A service to be measured, as a process of its own."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.request import urlopen

_OPTIONS = ("--port", "0", "--poll-seconds", "0.5")


@dataclass(frozen=True)
class Measured:
    """A service that runs.

    Attributes:
        url: where it answers.
        pid: of its process.
    """

    url: str
    pid: int

    @property
    def megabytes(self) -> float:
        """What it has in memory that is its own."""
        status = Path(f"/proc/{self.pid}/status").read_text(encoding="utf-8")
        return sum(int(found) for found in re.findall(r"(?:RssAnon|RssShmem):\s+(\d+) kB", status)) / 1024

    def figure(self, name: str) -> float:
        """A figure of its /metrics."""
        with urlopen(f"{self.url}/metrics") as answer:  # noqa: S310 - of this machine
            text = answer.read().decode()
        return float(re.findall(rf"(?m)^{re.escape(name)} (\S+)$", text)[0])


@contextmanager
def running(model: Path, log: Path) -> Iterator[Measured]:
    """The service of `model`; what it says goes to `log`."""
    command = [sys.executable, "-m", "q2pt_tasks", "serve", "--model", str(model), *_OPTIONS]
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w", encoding="utf-8") as stream:
        process = subprocess.Popen(command, stdout=stream, stderr=stream, env=os.environ | {"PYTHONUNBUFFERED": "1"})
    try:
        yield Measured(_url(process, log), process.pid)
    finally:
        process.terminate()
        if process.wait(60):
            raise RuntimeError(f"the service ended with {process.returncode}: {log.read_text(encoding='utf-8')}")


def _url(process: "subprocess.Popen[bytes]", log: Path) -> str:
    while True:
        if found := re.search(r"http://[\d.]+:\d+", log.read_text(encoding="utf-8")):
            return found[0]
        try:
            process.wait(0.2)
        except subprocess.TimeoutExpired:
            continue
        raise RuntimeError(f"the service did not start: {log.read_text(encoding='utf-8')}")
