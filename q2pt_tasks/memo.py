"""What an earlier night computed from the same content: nightly work grows with the day, not with the history.

It lies outside of DVC, below the place that `Q2PT_STATE_DIR` names: a directory, or an S3 URL. Files are found by the
hash of what they were computed from, of the package's code and of the versions of its libraries, and their own hashes
are checked: whoever deletes them changes no byte of any output, only the time until it is there.
"""

import contextlib
import hashlib
import importlib.metadata
import json
import logging
import os
import platform
import re
import shutil
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, TypeAdapter, ValidationError

# What identifies a result: stage, params and hashes of the content, as JSON can say it.
Key = Mapping[str, object]

PLACE = "Q2PT_STATE_DIR"
FOLDER = "days"
# Of what no run has asked for since: a week, and a day for nights that are a week apart.
FORGOTTEN_SECONDS = 8 * 86400.0
# Without these an address where nothing answers would hold a stage up for minutes.
_PATIENCE = {"connect_timeout": 5, "read_timeout": 60, "retries": {"max_attempts": 2}}
# Bytes. Between two pieces a thread waits for its turn, which comes late while another one imports a large library.
_HASHED_AT_ONCE = 1 << 24
# Written last: without it there is no entry.
_LISTING = "listing.json"
# What is called otherwise is not ours, and never swept.
_ENTRY = re.compile(r"[0-9a-f]{64}")
# Of some files with plain names: who may write to the place must not choose where on this machine they go, nor have a
# day taken for one without rows.
_Name = Annotated[str, Field(pattern=r"^[\w-][\w.=-]*$")]
_SHA256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
_LISTED = TypeAdapter(Annotated[dict[_Name, _SHA256], Field(min_length=1)])
_LIBRARIES = ("duckdb", "narwhals", "numpy", "pyarrow", "pyspark")

logger = logging.getLogger(__name__)


class MemoPlaceError(ValueError):
    """The place is neither a directory nor an S3 URL."""


class Memo:
    """Files by what they were computed from. A place that cannot be reached is told of once, and not asked again."""

    def __init__(self, place: str) -> None:
        """`place` is a directory or such as `s3://bucket/folder`; where it is empty nothing is remembered.

        Raises:
            MemoPlaceError: it is another kind of URL.
        """
        self._place = place
        self._files: Any | None
        self._files, self._root = _open(place) if place else (None, "")
        self._giving_up = threading.Lock()

    def recall(self, key: Key, folder: Path) -> bool:
        """Brings the files of `key` to `folder`, which is made; False where they are not known."""
        # Days are worked on side by side: another one may find the place gone meanwhile.
        files = self._files
        if files is None:
            return False
        folder.mkdir(parents=True, exist_ok=True)
        entry = self._entry(key)
        try:
            return _bring(files, entry, folder)
        except FileNotFoundError:
            return False
        except _unreachable() as error:
            self._give_up(error)
            return False

    def keep(self, key: Key, made: Sequence[Path]) -> None:
        """Remembers the files `made`, of different names, under `key`."""
        files = self._files
        if files is None:
            return
        entry = self._entry(key)
        try:
            for file in made:
                files.put_file(str(file), f"{entry}/{file.name}")
            listing = {file.name: hash_of(file) for file in made}
            files.pipe_file(f"{entry}/{_LISTING}", json.dumps(listing, sort_keys=True).encode())
        except _unreachable() as error:
            self._give_up(error)

    @property
    def remembers(self) -> bool:
        """Whether later runs find what this one leaves."""
        return self._files is not None

    def fill(self, key: Callable[[], Key], folder: Path, make: Callable[[Path], None]) -> None:
        """Fills the new `folder` with what `make` puts there, or with what it put there when the same was asked before.

        Args:
            key: says what the result depends on; not asked where nothing is remembered. It may ask for other results.
            folder: must not be there yet.
            make: writes files to the folder that it is given.
        """
        if self._files is None:
            folder.mkdir(parents=True)
            make(folder)
        elif not self.recall(found := key(), folder):
            # What a damaged entry has left there.
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            make(folder)
            self.keep(found, sorted(folder.iterdir()))

    def sweep(self, seconds: float = FORGOTTEN_SECONDS) -> None:
        """Removes what no run has asked for in so many seconds, be it whole or not, and nothing else."""
        files = self._files
        if files is None:
            return
        try:
            for entry, used in _last_used(files.find(self._root, detail=True)).items():
                if time.time() - used > seconds:
                    # Another night may sweep at the same time.
                    with contextlib.suppress(FileNotFoundError):
                        files.rm(entry, recursive=True)
        except _unreachable() as error:
            self._give_up(error)

    def _entry(self, key: Key) -> str:
        text = json.dumps({**key, "code": _code()}, sort_keys=True, default=str)
        return f"{self._root}/{hashlib.sha256(text.encode()).hexdigest()}"

    def _give_up(self, error: Exception) -> None:
        with self._giving_up:
            if self._files is not None:
                logger.warning(
                    "what earlier runs computed cannot be had from %s, and all is computed again: %s: %s",
                    self._place, type(error).__name__, error,
                )  # fmt: skip
            self._files = None


NOTHING = Memo("")


def memo_of(environ: Mapping[str, str] = os.environ) -> Memo:
    """What earlier runs left in the place that `Q2PT_STATE_DIR` names.

    Raises:
        MemoPlaceError: it is neither a directory nor an S3 URL.
    """
    return Memo(environ.get(PLACE, ""))


def hash_of(file: Path) -> str:
    """The SHA-256 of a file, in hex: many processors have instructions for it, and none for MD5."""
    digest = hashlib.sha256()
    with file.open("rb", buffering=0) as stream:
        while part := stream.read(_HASHED_AT_ONCE):
            digest.update(part)
    return digest.hexdigest()


def _open(place: str) -> tuple[Any, str]:
    """The file system of `place`, and the path of the entries in it."""
    if place.startswith("s3://"):
        import s3fs  # half a second that only a run with S3 pays

        files = s3fs.S3FileSystem(config_kwargs=_PATIENCE, use_listings_cache=False, skip_instance_cache=True)
        return files, f"{place.partition('://')[2].rstrip('/')}/{FOLDER}"
    if "://" in place:
        raise MemoPlaceError(f"{PLACE} cannot be {place!r}: give a directory, or s3://bucket/folder")
    from fsspec.implementations.local import LocalFileSystem

    return LocalFileSystem(auto_mkdir=True), (Path(place).absolute() / FOLDER).as_posix()


def _bring(files: Any, entry: str, folder: Path) -> bool:  # noqa: ANN401 - of any kind of file system
    """Whether the files of `entry` are in `folder` now, each with its own hash."""
    listing = files.cat_file(f"{entry}/{_LISTING}")
    for name, sha256 in _read_listing(listing).items():
        files.get_file(f"{entry}/{name}", str(folder / name))
        if hash_of(folder / name) != sha256:
            logger.warning("%s of %s is damaged and is computed again", name, entry)
            return False
    # It is used: `sweep` looks at the age of the youngest file.
    files.pipe_file(f"{entry}/{_LISTING}", listing)
    return True


def _read_listing(text: bytes) -> dict[str, str]:
    """The hashes of an entry's files by their names; a listing that was cut off, or names files elsewhere, is none."""
    try:
        return _LISTED.validate_json(text)
    except ValidationError:
        raise FileNotFoundError(_LISTING) from None


def _last_used(found: Mapping[str, Mapping[str, Any]]) -> dict[str, float]:
    """When each entry was written or asked for last, in seconds since 1970, by its path; `found` are files by theirs.

    One without a listing counts too: whoever is killed while it is written leaves it for nobody.
    """
    used: dict[str, float] = {}
    for path, about in found.items():
        entry = path.rpartition("/")[0]
        if _ENTRY.fullmatch(entry.rpartition("/")[2]):
            used[entry] = max(_written(about), used.get(entry, 0.0))
    return used


def _written(about: Mapping[str, Any]) -> float:
    """When a file was written last, in seconds since 1970."""
    moment = about.get("LastModified")
    return float(about["mtime"]) if moment is None else float(moment.timestamp())


def _unreachable() -> tuple[type[Exception], ...]:
    """The errors of a disk, of a network and of S3."""
    from botocore.exceptions import BotoCoreError, ClientError

    return OSError, BotoCoreError, ClientError


def _version(library: str) -> str | None:
    """That which is installed; Spark is an extra."""
    try:
        return importlib.metadata.version(library)
    except importlib.metadata.PackageNotFoundError:
        return None


@cache
def _code() -> str:
    """The package's code and the libraries that compute: what is computed by other ones may be something else."""
    package = Path(__file__).parent
    digest = hashlib.sha256()
    for file in sorted(package.rglob("*.py")):
        digest.update(f"{file.relative_to(package)}\n{hash_of(file)}\n".encode())
    versions = [f"{name} {_version(name)}" for name in _LIBRARIES]
    digest.update(f"{platform.python_version()} {versions}".encode())
    return digest.hexdigest()
