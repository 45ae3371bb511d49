"""A training that was stopped goes on where it stood.

Its state lies outside what DVC manages, which deletes a stage's outputs before the stage runs. Where it cannot be
reached, a training starts over, and the log says so.
"""

import hashlib
import logging
import os
import signal
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from q2pt_tasks.model.state_store import FORGOTTEN_SECONDS, StateStore, StateStoreError, open_state_store
from q2pt_tasks.model.training_state import TrainingState, UnreadableStateError, UnsavableStateError
from q2pt_tasks.model.workers import Workers

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
        workers: the processes that train; the leader saves, all read.
        is_asked_to_end: whether a signal has asked this process to end.
    """

    store: StateStore | None
    key: str
    seconds: float
    workers: Workers = field(default_factory=Workers.alone)
    is_asked_to_end: bool = False
    _saved_at: float = field(default_factory=time.monotonic)

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
            # Processes that went on from different places would train one model out of two.
            if not self.workers.agree(_fingerprint(self._fetch(file))):
                log.warning("the training starts over: its processes found different states")
            elif file.is_file():
                self._load(state, file)

    def _fetch(self, file: Path) -> Path:
        try:
            if self.store is not None:
                self.store.fetch(self.key, file)
        except StateStoreError as error:
            log.warning("the training starts over, its state cannot be read: %s", error)
        return file

    def _load(self, state: TrainingState, file: Path) -> None:
        try:
            state.load(file)
        except UnreadableStateError as error:
            log.warning("the training starts over, its state cannot be read: %s", error)
        else:
            log.info("the training goes on after %d epochs and %d steps", len(state.epochs), state.step)

    def stop(self, state: TrainingState) -> None:
        """Saves where the training stood before the batch that is given up.

        Raises:
            TrainingStoppedError: always.
        """
        self._save(state)
        raise TrainingStoppedError("stopped by a signal; run it again, and it goes on where it stood")

    def after_step(self, state: TrainingState) -> None:
        if time.monotonic() - self._saved_at >= self.seconds:
            self._save(state)

    def forget(self) -> None:
        """After the training's end: its state is of no use any more."""
        if self.store is None or not self.workers.is_leader:
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
        self.is_asked_to_end = True

    def _save(self, state: TrainingState) -> None:
        if self.store is None or not self.workers.is_leader:
            return
        try:
            self.store.put(self.key, state.save)
        except (StateStoreError, UnsavableStateError) as error:
            log.warning("the training goes on without a saved state: %s", error)
        self._saved_at = time.monotonic()


def _fingerprint(file: Path) -> int:
    if not file.is_file():
        return 0
    with file.open("rb") as stream:
        return int(hashlib.file_digest(stream, "sha256").hexdigest()[:15], 16)


def resume_of(key: Callable[[], str], workers: Workers, environ: Mapping[str, str] = os.environ) -> Resume:
    """How a training is kept: in `Q2PT_STATE_DIR`, a directory or an S3 URL, each `Q2PT_SAVE_SECONDS` seconds.

    Args:
        key: makes the training's name; it reads all of an encoder, and is asked only where something is kept.
        workers: the processes that train.
        environ: names place and seconds.

    Raises:
        SaveSecondsError: the second one is no number of seconds.
        StatePlaceError: the first one is another kind of URL.
    """
    place = environ.get(STATE_DIR, "")
    if not place:
        return Resume.never()
    text = environ.get(SAVE_SECONDS, "") or _DEFAULT_SECONDS
    try:
        seconds = float(text)
    except ValueError:
        raise SaveSecondsError(f"{SAVE_SECONDS} is {text!r}; set it to a number of seconds") from None
    return Resume(open_state_store(place), key(), seconds, workers)
