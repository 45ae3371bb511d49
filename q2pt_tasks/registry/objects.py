"""The files of checkpoints, from where DVC keeps them: every object is hashed on arrival."""

import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from q2pt_tasks.inside import ListingError, inside, read_listing
from q2pt_tasks.registry.release import Release, Store, directories

_DIRECTORY = ".dir"


class StoreError(RuntimeError):
    """Files of a release cannot be had, or are not what their hash says."""


def open_filesystem(store: Store) -> tuple[Any, str]:
    """DVC's file system of a cache or remote, and the path of the store in it.

    Raises:
        StoreError: its URL is of no kind that DVC knows.
    """
    from dvc.config import ConfigError  # a second that a process without a release would pay
    from dvc.fs import get_cloud_fs

    options = {"endpointurl": store.endpoint} if store.endpoint else {}
    try:
        kind, config, root = get_cloud_fs({}, url=store.url, **options)
    except ConfigError as error:
        raise StoreError(f"{store.url} is no store of DVC: {error}") from error
    return kind(**config), root


class ObjectStore:
    """A DVC remote or a DVC cache, read by hashes.

    Raises:
        StoreError: its URL is of no kind that DVC knows.
    """

    def __init__(self, store: Store) -> None:
        self._url = store.url
        self._fs, self._root = open_filesystem(store)

    def fetch(self, release: Release, folder: Path) -> None:
        """Brings what the release needs below `folder`; what is there already stays.

        Raises:
            StoreError: an object cannot be had or is damaged.
        """
        for where, md5 in directories(release).items():
            self.fetch_directory(md5, folder / where)

    def fetch_directory(self, md5: str, folder: Path) -> None:
        """Brings a directory in one step: a process that is killed leaves no half of one.

        Raises:
            StoreError: an object cannot be had or is damaged.
        """
        if folder.is_dir():
            check_directory(folder, md5)
            return
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix="unfinished-") as unfinished:
            whole = Path(unfinished) / "whole"
            self._get(md5, Path(unfinished) / "listing")
            for name, own in self._listing(md5, Path(unfinished) / "listing").items():
                file = inside(whole, name)
                file.parent.mkdir(parents=True, exist_ok=True)
                self._get(own, file)
            _put(whole, folder, md5)

    def _listing(self, md5: str, file: Path) -> Mapping[str, str]:
        try:
            return read_listing(file.read_text(encoding="utf-8"))
        except (ListingError, UnicodeDecodeError) as error:
            raise StoreError(f"the object {md5} of the store {self._url} is no directory's: {error}") from None

    def _get(self, md5: str, file: Path) -> None:
        from botocore.exceptions import BotoCoreError

        there = self._fs.join(self._root, "files", "md5", md5[:2], md5[2:])
        try:
            self._fs.get_file(there, str(file))
        except FileNotFoundError as error:
            raise StoreError(
                f"the store {self._url} has no object {md5}: push it from a clone that has it (`dvc push`), or name "
                "another store with --store"
            ) from error
        except (OSError, BotoCoreError) as error:
            raise StoreError(f"the store {self._url} cannot be read: {type(error).__name__}: {error}") from error
        found = _md5(file)
        if found != md5.removesuffix(_DIRECTORY):
            raise StoreError(
                f"the object {there} is damaged, its content has the hash {found}: delete it, then push it again from "
                "a clone that has it (`dvc push`)"
            )


def check_directory(folder: Path, md5: str) -> None:
    """Checks that a directory has exactly the content of DVC's hash.

    Raises:
        StoreError: it has another.
    """
    files = {file.relative_to(folder).as_posix(): file for file in folder.rglob("*") if file.is_file()}
    # The text of which DVC's hash of a directory is the hash.
    text = json.dumps([{"md5": _md5(files[name]), "relpath": name} for name in sorted(files)], sort_keys=True)
    found = hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
    if found != md5.removesuffix(_DIRECTORY):
        raise StoreError(f"{folder} has been changed: its hash is {found} and should be {md5}: delete it")


def _put(whole: Path, folder: Path, md5: str) -> None:
    try:
        os.replace(whole, folder)
    except OSError:
        # Another process brought it meanwhile.
        check_directory(folder, md5)


def _md5(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
