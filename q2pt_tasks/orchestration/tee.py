"""What a command prints goes where it would have gone, and its last lines are kept."""

import os
import sys
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from q2pt_tasks.orchestration.process import LAST_LINES

# A process that the command has left behind may keep the pipe open for ever.
_SECONDS_TO_DRAIN = 5.0
_STREAMS = (1, 2)


@contextmanager
def tee() -> Iterator[deque[str]]:
    """Keeps the last lines that this process and its children print in the block, complete after it."""
    kept: deque[str] = deque(maxlen=LAST_LINES)
    _flush()
    originals = [os.dup(stream) for stream in _STREAMS]
    reading, writing = os.pipe()
    reader = threading.Thread(target=_copy, args=(reading, os.dup(originals[0]), kept), daemon=True)
    reader.start()
    for stream in _STREAMS:
        os.dup2(writing, stream)
    os.close(writing)
    try:
        yield kept
    finally:
        _flush()
        for stream, original in zip(_STREAMS, originals, strict=True):
            os.dup2(original, stream)
        reader.join(_SECONDS_TO_DRAIN)
        for original in originals:
            os.close(original)


def _flush() -> None:
    sys.stdout.flush()
    sys.stderr.flush()


def _copy(reading: int, target: int, kept: deque[str]) -> None:
    with os.fdopen(reading, "rb") as lines, os.fdopen(target, "wb", buffering=0) as output:
        for line in lines:
            output.write(line)
            kept.append(line.decode(errors="replace").rstrip("\n"))
