"""A command of its own: an argument list and no shell, stdin closed, its own session, stopped as a group."""

import codecs
import os
import selectors
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from q2pt_tasks.orchestration import guard

# Airflow kills a task five seconds after it has asked it to stop.
GRACE_SECONDS = 4.0
LAST_LINES = 20
_POLL_SECONDS = 0.2
_CHUNK = 1 << 16


class Command:
    """A command that is run once.

    Attributes:
        last_lines: the newest lines of its standard output and standard error.
    """

    def __init__(
        self, arguments: Sequence[str], *, on_line: Callable[[str], None], cwd: Path, env: Mapping[str, str]
    ) -> None:
        self.last_lines: deque[str] = deque(maxlen=LAST_LINES)
        self._arguments = arguments
        self._on_line = on_line
        self._cwd = cwd
        self._env = env
        self._process: subprocess.Popen[bytes] | None = None

    def run(self) -> int:
        """Runs it to its end and returns its exit code, negative where a signal ended it.

        Call it from a thread that lives on: the command dies with that thread.
        """
        launcher = [sys.executable, "-I", "-S", guard.__file__, str(os.getpid())]
        with subprocess.Popen(  # noqa: S603 - an argument list
            [*launcher, *self._arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=self._cwd,
            env=dict(self._env),
            start_new_session=True,
        ) as process:
            self._process = process
            try:
                for line in _lines(process):
                    self.last_lines.append(line)
                    self._on_line(line)
                return process.wait()
            finally:
                self.stop()
                self._process = None

    def stop(self, grace: float = GRACE_SECONDS) -> None:
        """Asks its process group to end, and kills what is left of it when it has ended, or after `grace` seconds."""
        process = self._process
        if process is None:
            return
        _signal_group(process, signal.SIGTERM)
        deadline = time.monotonic() + grace
        while process.poll() is None and time.monotonic() < deadline:
            time.sleep(_POLL_SECONDS / 10)
        _signal_group(process, signal.SIGKILL)


def _signal_group(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:
        # Nobody is left in it.
        return


def _lines(process: subprocess.Popen[bytes]) -> Iterator[str]:
    """The lines that the process prints, each when it is there; of a line written over itself, the last state."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    line = ""
    for chunk in _chunks(process):
        *whole, line = (line + decoder.decode(chunk)).split("\n")
        yield from (text.rstrip("\r").rpartition("\r")[2] for text in whole)
    if line:
        yield line.rpartition("\r")[2]


def _chunks(process: subprocess.Popen[bytes]) -> Iterator[bytes]:
    """What the process prints, until it closes its output or ends: what it leaves behind may keep the output open."""
    assert process.stdout is not None  # noqa: S101 - it was asked for as a pipe
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while True:
            ended = process.poll() is not None
            if selector.select(_POLL_SECONDS):
                chunk = os.read(process.stdout.fileno(), _CHUNK)
                if not chunk:
                    return
                yield chunk
            elif ended:
                return
