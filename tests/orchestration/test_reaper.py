"""However a program ends, no process of it is left, not even one that has got away from its parent."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

DEAF = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("deaf", flush=True)
time.sleep(600)
"""
# Starts one that heeds no signal, in a session of its own, and ends politely without it.
CHILD = f"""
import subprocess, sys, time
deaf = subprocess.Popen([sys.executable, "-c", {DEAF!r}], stdout=subprocess.PIPE, start_new_session=True)
deaf.stdout.readline()
print(deaf.pid, flush=True)
time.sleep(600)
"""
PROGRAM = f"""
import os, signal, subprocess, sys, time
from pathlib import Path
from q2pt_tasks.orchestration.reaper import no_process_left_behind, reap_orphans

with no_process_left_behind():
    child = subprocess.Popen([sys.executable, "-c", {CHILD!r}], stdout=subprocess.PIPE, text=True)
    line = child.stdout.readline()
    print(child.pid, line.strip(), flush=True)
    if sys.argv[1] == "wait":
        time.sleep(600)
    if sys.argv[1] == "reap":
        child.kill()
        child.wait()
        orphan = int(line.split()[0])
        os.kill(orphan, signal.SIGKILL)
        while Path(f"/proc/{{orphan}}").exists():
            reap_orphans([child.pid])
        print("reaped", flush=True)
    raise RuntimeError("no luck")
"""


def _start(how: str) -> tuple[subprocess.Popen[str], list[Path]]:
    """The program, and the folders that /proc has as long as its processes are there."""
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, how], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    below = [Path(f"/proc/{number}") for number in process.stdout.readline().split()]
    assert len(below) == 2
    return process, below


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_all(number: signal.Signals) -> None:
    process, below = _start("wait")
    assert all(folder.exists() for folder in below)
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    assert "KeyboardInterrupt" in errors
    assert [folder for folder in below if folder.exists()] == []


def test_an_error_ends_all() -> None:
    process, below = _start("fail")
    _, errors = process.communicate(timeout=60)
    assert "RuntimeError: no luck" in errors
    assert [folder for folder in below if folder.exists()] == []


def test_an_orphan_that_has_ended_does_not_stay_as_a_zombie() -> None:
    process, _ = _start("reap")
    said, _ = process.communicate(timeout=60)
    assert said == "reaped\n"
