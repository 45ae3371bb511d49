"""A DVC remote behind the cache directory: workers that share no disk exchange a stage's data through it.

Only what one stage needs or made is moved. DVC's own commands move the results of every run ever made, and take a
directory for complete when its manifest is there.
"""

import hashlib
import logging
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from dvc.repo import Repo

from q2pt_tasks.failures import is_disk_full
from q2pt_tasks.orchestration.clone import REMOTE
from q2pt_tasks.orchestration.results import outs_of
from q2pt_tasks.orchestration.settings import Settings
from q2pt_tasks.orchestration.store import DamagedCacheError, MissingObjectError, Out, SharedCache

_log = logging.getLogger(__name__)


class RemoteError(RuntimeError):
    """The DVC remote does not answer, or answers with errors."""


def open_store(settings: Settings, repo: Repo) -> SharedCache:
    """The store of `settings`; `repo` is a private clone of theirs."""
    return RemoteStore(settings.dvc_cache, repo) if settings.dvc_remote else SharedCache(settings.dvc_cache)


class RemoteStore(SharedCache):
    """The remote of a private clone, with the cache directory of this host before it."""

    def __init__(self, folder: Path, repo: Repo) -> None:
        super().__init__(folder)
        self._cache = repo.cache.local
        self._remote = repo.cloud.get_remote_odb(REMOTE)
        # DVC keeps the run-cache where version 2 kept everything: at the remote's root.
        self._root = repo.cloud.get_remote_odb(REMOTE, hash_name="md5-dos2unix").path

    def fetch(self, files: Mapping[str, str]) -> None:
        with self._reached():
            self._fetch(files)

    def _fetch(self, files: Mapping[str, str]) -> None:
        wanted = {name: md5 for name, md5 in files.items() if not self.path(md5).is_file()}
        if not wanted:
            return
        there = self._in_remote(wanted.values())
        for name, md5 in wanted.items():
            if md5 not in there:
                raise MissingObjectError(
                    f"{name} with the hash {md5} is neither in the DVC cache {self.folder} nor in the remote "
                    f"{self._remote.path}: clear the task of the stage that makes it"
                )
        # An object that is not what its name says is dropped on arrival.
        paths = [self._remote.oid_to_path(md5) for md5 in there]
        self._cache.add(paths, self._remote.fs, list(there), verify=True)
        for name, md5 in wanted.items():
            if not self.path(md5).is_file():
                raise self._damaged(name, md5)

    def _damaged(self, name: str, md5: str) -> DamagedCacheError:
        path = self._remote.oid_to_path(md5)
        with self._remote.fs.open(path, "rb") as file:
            found = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
        return DamagedCacheError(
            f"{name} has the hash {found} and should have {md5}: the object {path} of the remote is damaged. Delete "
            "that object, then clear the task of the stage that makes it"
        )

    def fetch_results(self, key: str) -> None:
        with self._reached(), self.results(key) as folder:
            if not folder.is_dir():
                self._download_newest(key, folder)
            # DVC restores the newest one.
            newest = max(folder.iterdir(), key=lambda file: file.stat().st_mtime) if folder.is_dir() else None
            outs = outs_of(newest) if newest else []
        try:
            self.fetch({out["path"]: out["md5"] for out in outs})
            self.fetch(self.objects(outs))
        except MissingObjectError as error:
            _log.info("An earlier result of this stage cannot be restored: %s", error)

    def _download_newest(self, key: str, folder: Path) -> None:
        names = list(self._remote.fs.find(self._results_there(key)))
        if names:
            newest = max(names, key=self._remote.fs.modified)
            folder.mkdir(parents=True)
            unfinished = folder / "unfinished"
            self._remote.fs.get_file(newest, str(unfinished))
            unfinished.rename(folder / self._remote.fs.name(newest))

    def _results_there(self, key: str) -> str:
        return str(self._remote.fs.join(self._root, "runs", key[:2], key))

    def publish(self, outs: Iterable[Out], key: str | None) -> None:
        """As in `SharedCache`.

        Raises:
            MissingObjectError: some of it is not in the remote then.
        """
        with self._reached():
            self._publish(list(outs), key)

    def _publish(self, outs: list[Out], key: str | None) -> None:
        objects = {md5 for md5 in self.objects(outs).values() if self.path(md5).is_file()}
        new = objects - self._in_remote(objects)
        # A manifest says that its files are there, so it comes after them.
        for part in ([md5 for md5 in new if not _is_manifest(md5)], [md5 for md5 in new if _is_manifest(md5)]):
            self._remote.add([str(self.path(md5)) for md5 in part], self._cache.fs, part, verify=False)
        if missing := self.missing(outs):
            raise MissingObjectError(
                f"{', '.join(missing)}: not in the remote {self._remote.path} after a push from the DVC cache "
                f"{self.folder}: clear the tasks of the stages that make this"
            )
        if key is not None:
            self._upload_result(outs, key)

    def _upload_result(self, outs: list[Out], key: str) -> None:
        fs, there = self._remote.fs, self._results_there(key)
        with self.results(key) as folder:
            for result in folder.iterdir():
                if outs_of(result) == outs:
                    fs.makedirs(there)
                    fs.put_file(str(result), fs.join(there, result.name))

    def missing(self, outs: Iterable[Out]) -> list[str]:
        with self._reached():
            return self._missing(list(outs))

    def _missing(self, outs: list[Out]) -> list[str]:
        manifests = self._in_remote(out["md5"] for out in outs if _is_manifest(out["md5"]))
        self.fetch({out["path"]: out["md5"] for out in outs if out["md5"] in manifests})
        objects = self.objects(outs)
        there = self._in_remote(objects.values())
        return [name for name, md5 in objects.items() if md5 not in there]

    @contextmanager
    def _reached(self) -> Iterator[None]:
        """Errors of the network and of the service as RemoteError; a full disk of this host is none of the remote's."""
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            yield
        except (OSError, BotoCoreError, ClientError) as error:
            if is_disk_full(error):
                raise
            raise RemoteError(
                f"the DVC remote {self._remote.path} cannot be used: {type(error).__name__}: {error}. Nothing is lost: "
                "when it answers again, clear this task"
            ) from error

    def _in_remote(self, hashes: Iterable[str]) -> set[str]:
        """Those of `hashes` that the remote has, each asked for."""
        return set(self._remote.list_oids_exists(sorted(set(hashes))))


def _is_manifest(md5: str) -> bool:
    return md5.endswith(".dir")
