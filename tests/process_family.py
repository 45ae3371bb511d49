"""Ends a process with all that it has started, and waits until nothing of it is left."""

import os
import signal
import time
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_END_SECONDS = 40.0
_POLL_SECONDS = 0.2


@dataclass(frozen=True)
class Process:
    """A process; its number alone may be given to another one later."""

    pid: int
    started: str

    def lives(self) -> bool:
        return _find(self.pid) == self


def family(root: int) -> set[Process]:
    """A process and all below it."""
    found: set[Process] = set()
    waiting = [root]
    while waiting:
        pid = waiting.pop()
        if process := _find(pid):
            found.add(process)
            waiting += _children(pid)
    return found


def stopped_family(root: int) -> set[Process]:
    """The same, after all of it has been stopped: none is missed, for what is stopped starts no other."""
    stopped: set[Process] = set()
    while found := family(root) - stopped:
        _signal(found, signal.SIGSTOP)
        stopped |= found
    return stopped


def kill(processes: Collection[Process]) -> None:
    """Kills processes, those that still live, and returns when they have ended.

    Raises:
        TimeoutError: they do not end.
    """
    _signal(processes, signal.SIGKILL)
    deadline = time.monotonic() + _END_SECONDS
    while left := [process.pid for process in processes if process.lives()]:
        if time.monotonic() > deadline:
            raise TimeoutError(f"processes are left: {left}")
        time.sleep(_POLL_SECONDS)


def _find(pid: int) -> Process | None:
    """The process of this number, if it has not ended."""
    try:
        # After the name, which is in brackets and may hold anything.
        state, *others = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if state in "ZX" else Process(pid, others[18])


def _children(pid: int) -> Iterator[int]:
    for listed in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(FileNotFoundError, ProcessLookupError):
            yield from map(int, listed.read_text(encoding="ascii").split())


def _signal(processes: Iterable[Process], number: signal.Signals) -> None:
    for process in processes:
        if process.lives():
            with suppress(ProcessLookupError):
                os.kill(process.pid, number)
