"""How a model that answers is timed, whoever answers."""

import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.performance.tasks import Asking, Timed, peak_bytes

# Answered before the clock starts; none of them is among those that are timed.
_WARMUP_QUERIES = 32


def ask_at_once(task: Asking, answer: Callable[[list[str]], object]) -> Timed:
    """Asks for all queries in one call, `passes` times."""
    warmup, texts = _read_texts(task)
    answer(warmup)
    started, ends = time.monotonic(), []
    for _ in range(task.passes):
        answer(texts)
        ends.append(time.monotonic() - started)
    return Timed(ends=tuple(ends), queries=len(texts) * task.passes, peak_bytes=peak_bytes())


def ask_singly(task: Asking, answer: Callable[[str], object]) -> Timed:
    """Asks for one query after the other."""
    warmup, texts = _read_texts(task)
    for text in warmup:
        answer(text)
    started, ends = time.monotonic(), []
    for text in texts * task.passes:
        answer(text)
        ends.append(time.monotonic() - started)
    return Timed(ends=tuple(ends), queries=len(ends), peak_bytes=peak_bytes())


def _read_texts(task: Asking) -> tuple[list[str], list[str]]:
    lines = Path(task.texts).read_text(encoding="utf-8").splitlines()
    return lines[task.queries : task.queries + _WARMUP_QUERIES], lines[: task.queries]
