"""Steps that are taken once: what each of them found is kept, so that a benchmark that was ended goes on there."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter

T = TypeVar("T")


class PieceDoneError(Exception):
    """The time of this piece is up."""


class Steps:
    """What the steps found, in files below a folder."""

    def __init__(self, folder: Path, ends: float = float("inf")) -> None:
        """`ends` is the time of `time.monotonic` after which no step begins."""
        self._folder, self._ends = folder, ends

    def once(self, name: str, kind: Any, step: Callable[[], T]) -> T:  # noqa: ANN401 - a type, as `TypeAdapter` takes it
        """What `step` finds, of type `kind`, or what it found when it was taken.

        Raises:
            PieceDoneError: it has not been taken, and the time is up.
        """
        file, adapter = self._folder / f"{name}.json", TypeAdapter(kind)
        if file.exists():
            kept: T = adapter.validate_json(file.read_bytes())
            return kept
        if time.monotonic() > self._ends:
            raise PieceDoneError(f"ended before the step '{name}'")
        found = step()
        file.parent.mkdir(parents=True, exist_ok=True)
        # In one piece: a file that is there is a step that was taken.
        unfinished = file.with_suffix(".new")
        unfinished.write_bytes(adapter.dump_json(found))
        unfinished.replace(file)
        return found
