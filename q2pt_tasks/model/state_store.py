"""Where the states of trainings lie: a directory, or below an S3 URL; one file a training, replaced as a whole."""

import os
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol
from uuid import uuid4

from safetensors import SafetensorError

# Of a training that nobody has taken up again since.
FORGOTTEN_SECONDS = 14 * 86400.0
# No state takes so long to write: whoever began has been killed.
_ABANDONED_SECONDS = 3600.0
_UNFINISHED = ".unfinished"
# Without these an address where nothing answers would hold a training up for minutes.
_PATIENCE = {"connect_timeout": 5, "read_timeout": 60, "retries": {"max_attempts": 2}}


# What is called otherwise is not ours, and never swept.
_NAME = re.compile(r"[0-9a-f]{64}\.safetensors")
_UNFINISHED_NAME = re.compile(r"[0-9a-f]{64}\.[0-9a-f]{32}\.unfinished")


class StateStoreError(RuntimeError):
    """The states cannot be reached."""


class StatePlaceError(ValueError):
    """The place of the states is neither a directory nor an S3 URL."""


class StateStore(Protocol):
    """Files by key. Every method raises StateStoreError where the place cannot be reached."""

    def fetch(self, key: str, file: Path) -> bool:
        """Writes what lies under `key` to `file`; False where nothing does."""

    def put(self, key: str, write: Callable[[Path], None]) -> None:
        """Puts the file that `write` makes under `key`, as a whole or not at all."""

    def remove(self, key: str) -> None: ...

    def sweep(self, seconds: float) -> None:
        """Removes states that are older, and nothing else."""


def open_state_store(place: str) -> StateStore:
    """The store at a directory or a URL such as `s3://bucket/folder`.

    Raises:
        StatePlaceError: it is another kind of URL.
    """
    if place.startswith("s3://"):
        return StateBucket(place)
    if "://" in place:
        raise StatePlaceError(f"states of trainings cannot lie in {place!r}: give a directory, or s3://bucket/folder")
    return StateFolder(Path(place))


class StateFolder:
    """A directory, made when something is put there."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def fetch(self, key: str, file: Path) -> bool:
        with _translated():
            if not self._file(key).is_file():
                return False
            shutil.copyfile(self._file(key), file)
        return True

    def put(self, key: str, write: Callable[[Path], None]) -> None:
        # A try that is thought dead may still write: in one folder, the one would put the other's half file in place.
        unfinished = self._folder / f"{key}.{uuid4().hex}{_UNFINISHED}"
        with _translated():
            self._drop_unfinished(key, _ABANDONED_SECONDS)
            unfinished.mkdir(parents=True)
            try:
                write(unfinished / "state")
                os.replace(unfinished / "state", self._file(key))
            finally:
                shutil.rmtree(unfinished, ignore_errors=True)

    def remove(self, key: str) -> None:
        with _translated():
            self._file(key).unlink(missing_ok=True)
            self._drop_unfinished(key, 0.0)

    def sweep(self, seconds: float) -> None:
        with _translated():
            for file in self._folder.glob("*.safetensors"):
                if _NAME.fullmatch(file.name) and time.time() - file.stat().st_mtime > seconds:
                    self.remove(file.stem)
            self._drop_unfinished("*", seconds)

    def _file(self, key: str) -> Path:
        return self._folder / f"{key}.safetensors"

    def _drop_unfinished(self, key: str, seconds: float) -> None:
        """What killed processes left half written, with temporary files of whoever writes, is dropped as a whole."""
        for folder in self._folder.glob(f"{key}.*{_UNFINISHED}"):
            if _UNFINISHED_NAME.fullmatch(folder.name) and time.time() - folder.stat().st_mtime >= seconds:
                shutil.rmtree(folder, ignore_errors=True)


class StateBucket:
    """Objects below an S3 URL, with the credentials and the endpoint that AWS's own variables name."""

    def __init__(self, url: str) -> None:
        import s3fs  # half a second that only a run with S3 pays

        self._root = url.partition("://")[2].rstrip("/")
        self._files = s3fs.S3FileSystem(config_kwargs=_PATIENCE, use_listings_cache=False)

    def fetch(self, key: str, file: Path) -> bool:
        with _translated():
            if not self._files.exists(self._path(key)):
                return False
            self._files.get_file(self._path(key), str(file))
        return True

    def put(self, key: str, write: Callable[[Path], None]) -> None:
        with _translated(), tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "state"
            write(file)
            self._files.put_file(str(file), self._path(key))

    def remove(self, key: str) -> None:
        with _translated():
            if self._files.exists(self._path(key)):
                self._files.rm_file(self._path(key))

    def sweep(self, seconds: float) -> None:
        with _translated():
            for path, entry in self._files.find(self._root, maxdepth=1, detail=True).items():
                is_state = _NAME.fullmatch(path.rpartition("/")[2])
                if is_state and time.time() - entry["LastModified"].timestamp() > seconds:
                    self._files.rm_file(path)

    def _path(self, key: str) -> str:
        return f"{self._root}/{key}.safetensors"


@contextmanager
def _translated() -> Iterator[None]:
    """Errors of the disk, of the network and of S3 as StateStoreError."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except (OSError, SafetensorError, BotoCoreError, ClientError) as error:
        raise StateStoreError(f"{type(error).__name__}: {error}") from error
