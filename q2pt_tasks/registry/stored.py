"""Objects and run-cache results of a DVC cache or remote, listed and removed: DVC itself removes no results."""

import fcntl
import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from q2pt_tasks.registry.objects import StoreError
from q2pt_tasks.registry.release import Store
from q2pt_tasks.registry.retention import Output, Result, Stored, in_order

# As many as S3 removes with one request.
_AT_ONCE = 1000


class PrunedStore:
    """A DVC cache or remote of which something may be removed.

    Raises:
        StoreError: its URL is of no kind that DVC knows.
    """

    def __init__(self, store: Store) -> None:
        from dvc.config import ConfigError
        from dvc.fs import get_cloud_fs

        self.url = store.url
        options = {"endpointurl": store.endpoint} if store.endpoint else {}
        try:
            kind, config, self._root = get_cloud_fs({}, url=store.url, **options)
        except ConfigError as error:
            raise StoreError(f"{store.url} is no store of DVC: {error}") from error
        self._is_here = kind.protocol == "local"
        self._fs = _local() if self._is_here else kind(**config).fs

    def objects(self) -> dict[str, Stored]:
        """Every object, by its hash.

        Raises:
            StoreError: the store cannot be read.
        """
        found = self._list("files/md5")
        return {f"{folder}{name}": stored for (folder, name), stored in found.items() if len(folder) == 2}

    def results(self) -> dict[Result, Stored]:
        """Every result of the run-cache; one that cannot be read as such is of another program, and left alone.

        Raises:
            StoreError: the store cannot be read.
        """
        found = {}
        for (key, value), stored in self._list("runs").items():
            outputs = self._outputs(key, value)
            if outputs is not None:
                found[Result(key, value, outputs)] = stored
        return found

    def files(self, md5: str) -> frozenset[str] | None:
        """The hashes that the manifest of a directory lists; None where the store has no such manifest.

        Raises:
            StoreError: the store cannot be read, or the manifest is damaged.
        """
        path = self._object(md5)
        try:
            return frozenset(entry["md5"] for entry in json.loads(self._read(path)))
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError) as error:
            raise StoreError(
                f"the manifest {path} is damaged, so nobody can tell which files it needs: delete it, then push it "
                "again from a clone that has it (`dvc push`)"
            ) from error

    def remove_objects(self, hashes: Collection[str]) -> None:
        """Removes objects, manifests first; killed, it leaves no manifest without its files."""
        for part in in_order(hashes):
            self._remove([self._object(md5) for md5 in part])

    def remove_results(self, results: Mapping[Result, Stored]) -> None:
        """Removes results that nobody has used since they were listed."""
        for result, stored in results.items():
            with self._locked(result.key):
                if self._used(result) <= stored.modified:
                    self._remove([self._result(result.key, result.value)])

    def _list(self, folder: str) -> dict[tuple[str, str], Stored]:
        """The files two levels below `folder`, by the last two parts of their path."""
        self._fs.invalidate_cache()
        with _errors_of(self.url):
            found = self._fs.find(self._join(folder), detail=True)
        return {
            (path.split("/")[-2], path.split("/")[-1]): Stored(info["size"], _modified(info))
            for path, info in found.items()
        }
