"""The DVC cache that tasks share: where its objects lie, what a directory's object lists, what is missing.

A *hash* here is what `dvc.lock` calls `md5`: of a file its MD5, of a directory the MD5 of its manifest and `.dir`.
"""

import fcntl
import hashlib
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from q2pt_tasks.inside import ListingError, read_listing

# An output as `dvc.lock` lists it: {"path": ..., "md5": ..., "size": ..., ...}.
Out = Mapping[str, Any]
_DIRECTORY = ".dir"
_HASH = re.compile(r"[0-9a-f]{32}(\.dir)?")


class DamagedCacheError(RuntimeError):
    """The content of an object is not what its name says."""


class MissingObjectError(RuntimeError):
    """An object that a run needs is not in the store."""


class SharedCache:
    """A DVC cache directory that is all the store there is; `remote.RemoteStore` is one with a remote behind it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._manifests: dict[str, list[tuple[str, str]]] = {}

    def path(self, md5: str) -> Path:
        """Where the object of this hash lies, or would.

        Raises:
            DamagedCacheError: it is no hash, and could be a way out of the cache.
        """
        if not _HASH.fullmatch(md5):
            raise DamagedCacheError(f"{md5!r} is no hash of an object: look who wrote it, and start a new run")
        return self.folder / "files/md5" / md5[:2] / md5[2:]

    def fetch(self, files: Mapping[str, str]) -> None:
        """Makes sure that the objects of these files, hashes by path, are in the cache directory.

        Raises:
            MissingObjectError: one is not in the store.
        """
        for name, md5 in files.items():
            if not self.path(md5).is_file():
                raise MissingObjectError(
                    f"{name} with the hash {md5} is not in the DVC cache {self.folder}: clear the task of the stage "
                    "that makes it"
                )

    @contextmanager
    def results(self, key: str) -> Iterator[Path]:
        """The folder of the results that are known under a run-cache key, which no other process uses meanwhile.

        DVC takes every file there for a result: one that another process still writes it deletes as damaged, and a
        folder that a killed process left empty stops it.
        """
        lock = self.folder / "locks" / key[:2]
        lock.parent.mkdir(parents=True, exist_ok=True)
        folder = self.folder / "runs" / key[:2] / key
        with lock.open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            _drop_unfinished(folder)
            if folder.is_dir():
                # `q2pt prune` keeps what was used lately.
                os.utime(folder)
            yield folder

    def fetch_results(self, key: str) -> None:
        """Makes sure that what the store knows under this run-cache key is in the cache directory."""

    def publish(self, outs: Iterable[Out], key: str | None) -> None:
        """Lets other workers have a stage's outputs, and find them under its run-cache key."""

    def holds(self, outs: Iterable[Out]) -> bool:
        """Whether other workers can get all of `outs`."""
        return not self.missing(outs)

    def missing(self, outs: Iterable[Out]) -> list[str]:
        """The files of `outs` that the store lacks; a directory that has no manifest counts as one."""
        return [name for name, md5 in self.objects(outs).items() if not self.path(md5).is_file()]

    def objects(self, outs: Iterable[Out]) -> dict[str, str]:
        """Every object of `outs`, by path: files, directories, and the files of directories whose manifest is here.

        Raises:
            DamagedCacheError: a manifest is damaged.
        """
        found: dict[str, str] = {}
        for out in outs:
            found[out["path"]] = out["md5"]
            if self.path(out["md5"]).is_file():
                found |= self.files(out)
        return found

    def files(self, out: Out) -> dict[str, str]:
        """The files of an output with their hashes, by path from the repository's root.

        Raises:
            MissingObjectError: it is a directory, and the store does not have its manifest.
            DamagedCacheError: the manifest is damaged.
        """
        if not out["md5"].endswith(_DIRECTORY):
            return {out["path"]: out["md5"]}
        return {f"{out['path']}/{name}": md5 for name, md5 in self.manifest(out["md5"])}

    def manifest(self, md5: str) -> list[tuple[str, str]]:
        """The files of a directory, by path from that directory on, and their hashes.

        Raises:
            MissingObjectError: the store does not have it.
            DamagedCacheError: it is damaged.
        """
        if md5 not in self._manifests:
            self.fetch({"a directory": md5})
            path = self.path(md5)
            self.check(path, md5)
            try:
                listed = read_listing(path.read_text(encoding="utf-8"))
            except (ListingError, UnicodeDecodeError) as error:
                raise DamagedCacheError(f"the object {path} is no directory's: {error}") from None
            self._manifests[md5] = list(listed.items())
        return self._manifests[md5]

    def check(self, path: Path, md5: str) -> None:
        """Hashes a file that came from the cache: DVC takes what it claims for granted.

        Raises:
            DamagedCacheError: the hash is another.
        """
        found = hash_file(path)
        if found != md5.removesuffix(_DIRECTORY):
            raise DamagedCacheError(
                f"{path} has the hash {found} and should have {md5}: the object {self.path(md5)} is damaged. Delete "
                "that object, then clear the task of the stage that makes it"
            )


def _drop_unfinished(folder: Path) -> None:
    if not folder.is_dir():
        return
    for file in folder.iterdir():
        if not re.fullmatch(r"[0-9a-f]{64}", file.name):
            file.unlink()
    if not any(folder.iterdir()):
        folder.rmdir()


def hash_file(path: Path) -> str:
    """MD5 of a file's content, as DVC names objects."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
