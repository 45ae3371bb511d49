"""Objects and run-cache results of a DVC cache or remote, listed and removed: DVC itself removes no results."""

import fcntl
import hashlib
import os
import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from q2pt_tasks.inside import ListingError, read_listing
from q2pt_tasks.registry.objects import StoreError, open_filesystem
from q2pt_tasks.registry.release import Store
from q2pt_tasks.registry.retention import Output, Result, Stored, in_order

# A result's name; a process that was killed may have left others.
_VALUE = re.compile(r"[0-9a-f]{64}")
# As many as S3 removes with one request.
_AT_ONCE = 1000


class PrunedStore:
    """A DVC cache or remote of which something may be removed.

    Raises:
        StoreError: its URL is of no kind that DVC knows.
    """

    def __init__(self, store: Store) -> None:
        import fsspec

        self.url = store.url
        opened, self._root = open_filesystem(store)
        self._here = Path(self._root) if opened.protocol == "local" else None
        self._fs: Any = fsspec.filesystem("file") if self._here else opened.fs

    def objects(self) -> dict[str, Stored]:
        """Every object, by its hash.

        Raises:
            StoreError: the store cannot be read.
        """
        found = self._list("files/md5").items()
        return {"".join(where): _stored(info) for where, info in found if len(where) == 2 and info["type"] == "file"}

    def results(self) -> dict[Result, Stored]:
        """Every result of the run-cache, and when it was last used.

        Raises:
            StoreError: the store cannot be read, or a result is damaged.
        """
        listed = self._list("runs")
        return {
            self._result(*where): _last(_stored(info), listed.get(where[:2]))
            for where, info in listed.items()
            if len(where) == 3 and _VALUE.fullmatch(where[2])
        }

    def files(self, md5: str) -> frozenset[str]:
        """The hashes that the manifest of a directory lists.

        Raises:
            StoreError: the store cannot be read, or the manifest is damaged.
        """
        path = self._path("files/md5", md5[:2], md5[2:])
        content = self._read(path)
        try:
            # One that names other files would have those removed that are needed.
            if hashlib.md5(content, usedforsecurity=False).hexdigest() != md5.removesuffix(".dir"):
                raise ListingError("its hash is another")
            return frozenset(read_listing(content.decode()).values())
        except (ListingError, UnicodeDecodeError) as error:
            raise StoreError(
                f"the manifest {path} is damaged, so nobody can tell which files it needs: delete it, then push it "
                f"again from a clone that has it (`dvc push`): {error}"
            ) from error

    def remove_objects(self, hashes: Collection[str]) -> None:
        """Removes objects, manifests first, so that one that is killed leaves no manifest without its files.

        Raises:
            StoreError: the store cannot be written.
        """
        for part in in_order(hashes):
            self._remove([self._path("files/md5", md5[:2], md5[2:]) for md5 in part])

    def remove_results(self, results: Collection[Result], cutoff: datetime) -> None:
        """Removes results, but those that a run has used after `cutoff`.

        Raises:
            StoreError: the store cannot be written.
        """
        if self._here is None:
            self._remove([self._path("runs", one.key[:2], one.key, one.value) for one in results])
            return
        for one in results:
            with _locked(self._here, one.key):
                _unlink_unused(self._here / "runs" / one.key[:2] / one.key, one.value, cutoff)

    def _result(self, _: str, key: str, value: str) -> Result:
        from dvc.utils.serialize import YAMLFileCorruptedError, parse_yaml

        path = self._path("runs", key[:2], key, value)
        try:
            outputs = parse_yaml(self._read(path).decode(), path)["outs"]
            return Result(key, value, frozenset(Output(out["path"], out["md5"]) for out in outputs if "md5" in out))
        except (YAMLFileCorruptedError, UnicodeDecodeError, KeyError, TypeError) as error:
            raise StoreError(f"the run-cache's {path} is damaged: delete it, which loses nothing else") from error

    def _list(self, folder: str) -> dict[tuple[str, ...], Mapping[str, Any]]:
        """Files and folders below `folder`, by the parts of their path from there."""
        top = self._path(folder)
        with _errors_of(self.url):
            self._fs.invalidate_cache()
            found = self._fs.find(top, withdirs=self._here is not None, detail=True)
        return {tuple(path[len(top) :].strip("/").split("/")): info for path, info in found.items()}

    def _read(self, path: str) -> bytes:
        with _errors_of(self.url):
            content: bytes = self._fs.cat_file(path)
        return content

    def _remove(self, paths: list[str]) -> None:
        if self._here is not None:
            for path in paths:
                Path(path).unlink(missing_ok=True)
            return
        for start in range(0, len(paths), _AT_ONCE):
            with _errors_of(self.url):
                self._fs.rm(paths[start : start + _AT_ONCE])

    def _path(self, *parts: str) -> str:
        return "/".join([str(self._root).rstrip("/"), *parts])


def _last(stored: Stored, folder: Mapping[str, Any] | None) -> Stored:
    """Whoever uses a result touches its folder."""
    return Stored(stored.size, max(stored.modified, _stored(folder).modified)) if folder else stored


def _stored(info: Mapping[str, Any]) -> Stored:
    # S3 gives a moment, a directory seconds.
    return Stored(info["size"] or 0, info["LastModified"] if "LastModified" in info else _moment(info["mtime"]))


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


@contextmanager
def _errors_of(url: str) -> Iterator[None]:
    from botocore.exceptions import BotoCoreError

    try:
        yield
    except (OSError, BotoCoreError) as error:
        raise StoreError(f"the store {url} cannot be read or written: {type(error).__name__}: {error}") from error


@contextmanager
def _locked(cache: Path, key: str) -> Iterator[None]:
    """Keeps runs from the results of a key, as `orchestration.store.SharedCache.results` does."""
    lock = cache / "locks" / key[:2]
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _unlink_unused(folder: Path, value: str, cutoff: datetime) -> None:
    """Removes a result of a key, whose folder says when it was used last."""
    used = folder.stat().st_mtime if folder.is_dir() else None
    if used is None or _moment(used) >= cutoff:
        return
    (folder / value).unlink(missing_ok=True)
    if any(folder.iterdir()):
        os.utime(folder, (used, used))
    else:
        # An empty folder of a key stops DVC.
        folder.rmdir()
