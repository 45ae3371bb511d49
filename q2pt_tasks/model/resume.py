"""A training that was stopped goes on where it stood.

Its state lies outside what DVC manages, which deletes a stage's outputs before the stage runs. Where it cannot be
reached, a training starts over, and the log says so.
"""

import logging
import os
import signal
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from q2pt_tasks.model.state_store import FORGOTTEN_SECONDS, StateStore, StateStoreError, open_state_store
from q2pt_tasks.model.training_state import TrainingState, UnreadableStateError

log = logging.getLogger(__name__)

STATE_DIR, SAVE_SECONDS = "Q2PT_STATE_DIR", "Q2PT_SAVE_SECONDS"
_DEFAULT_SECONDS = "300"


class TrainingStoppedError(RuntimeError):
    """The process was asked to end, and has saved where the training stands if it could."""


class SaveSecondsError(ValueError):
    """`Q2PT_SAVE_SECONDS` is no number of seconds."""


@dataclass
class Resume:
    """Saves a training's state now and then and when the process is asked to end.

    Attributes:
        store: where states lie; None keeps none.
        key: this training's among them.
        seconds: between two saves.
        is_writer: whether this process saves; all read.
    """

    store: StateStore | None
    key: str
    seconds: float
    is_writer: bool = True
    _saved_at: float = field(default_factory=time.monotonic)
    _is_asked_to_end: bool = False

    @classmethod
    def never(cls) -> "Resume":
        """Keeps nothing."""
        return cls(None, "", 0.0)

    def restore(self, state: TrainingState) -> None:
        """Sets `state` to where the training stood; leaves it as it is where nothing is kept."""
        if self.store is None:
            return
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "state"
            try:
                if self.store.fetch(self.key, file):
                    state.load(file)
                    log.info("the training goes on after %d epochs and %d steps", len(state.epochs), state.step)
            except (StateStoreError, UnreadableStateError) as error:
                log.warning("the training starts over, its state cannot be read: %s", error)

    def check(self, state: TrainingState) -> None:
        """Between the pieces of a batch.

        Raises:
            TrainingStoppedError: the process was asked to end; the batch is given up.
        """
        if self._is_asked_to_end:
            self._save(state)
            raise TrainingStoppedError("stopped by a signal; run it again, and it goes on where it stood")

    def after_step(self, state: TrainingState) -> None:
        if time.monotonic() - self._saved_at >= self.seconds:
            self._save(state)

    def forget(self) -> None:
        """After the training's end: its state is of no use any more."""
        if self.store is None or not self.is_writer:
            return
        try:
            self.store.remove(self.key)
            self.store.sweep(FORGOTTEN_SECONDS)
        except StateStoreError as error:
            log.warning("the state of a finished training cannot be removed: %s", error)

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Inside, the signal that asks the process to end is noted, not obeyed at once."""
        if self.store is None:
            yield
            return
        before = signal.signal(signal.SIGTERM, self._note)
        try:
            yield
        finally:
            signal.signal(signal.SIGTERM, before)

    def _note(self, _: int, __: FrameType | None) -> None:
        self._is_asked_to_end = True

    def _save(self, state: TrainingState) -> None:
        if self.store is None or not self.is_writer:
            return
        try:
            self.store.put(self.key, state.save)
        except StateStoreError as error:
            log.warning("the training goes on without a saved state: %s", error)
        self._saved_at = time.monotonic()


def resume_of(key: str, *, is_writer: bool, environ: Mapping[str, str] = os.environ) -> Resume:
    """How the training `key` is kept: in `Q2PT_STATE_DIR`, a directory or an S3 URL, each `Q2PT_SAVE_SECONDS` seconds.

    Raises:
        SaveSecondsError: the second one is no number of seconds.
    """
    place = environ.get(STATE_DIR, "")
    if not place:
        return Resume.never()
    text = environ.get(SAVE_SECONDS, "") or _DEFAULT_SECONDS
    try:
        seconds = float(text)
    except ValueError:
        raise SaveSecondsError(f"{SAVE_SECONDS} is {text!r}; set it to a number of seconds") from None
    return Resume(open_state_store(place), key, seconds, is_writer)
