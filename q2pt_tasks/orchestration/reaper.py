"""Ends all processes that this one has started, and those that they have."""

import ctypes
import os
import signal
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

# A scheduler that is asked to end first waits for its tasks.
GRACE_SECONDS = 10.0
_POLL_SECONDS = 0.1
_PR_SET_CHILD_SUBREAPER = 36


@contextmanager
def no_process_left_behind() -> Iterator[None]:
    """Makes SIGTERM and a closed terminal the same as Ctrl-C, and at the end of the block ends every process below.

    It is meant for the whole of a program: it also ends children that something else has started.
    """
    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    for number in signals:
        signal.signal(number, signal.default_int_handler)
    # A process whose parent dies then becomes a child of this one: a task of Airflow has a process group of its own.
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER) failed")
    try:
        yield
    finally:
        for number in signals:
            signal.signal(number, signal.SIG_IGN)
        _end_children()


def reap_orphans(own: Collection[int]) -> None:
    """Waits for the ended ones of all children but `own`: no other process will."""
    for child in _children().difference(own):
        os.waitpid(child, os.WNOHANG)


def _end_children() -> None:
    """Asks the children to end, then kills whoever has not and all that they leave, until nothing is left."""
    asked = _children()
    for child in asked:
        os.kill(child, signal.SIGTERM)
    deadline = time.monotonic() + GRACE_SECONDS
    while children := _children():
        if not asked & children or time.monotonic() > deadline:
            for child in children:
                os.kill(child, signal.SIGKILL)
        ended, _ = os.waitpid(-1, os.WNOHANG)
        if not ended:
            time.sleep(_POLL_SECONDS)


def _children() -> set[int]:
    """Those that nobody has waited for: their numbers are not given again before."""
    listed = Path("/proc/self/task").glob("*/children")
    return {int(child) for path in listed for child in path.read_text(encoding="ascii").split()}
