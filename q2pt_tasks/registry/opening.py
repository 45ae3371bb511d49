"""Releases for those who serve: by the name of a stage, by version, or a checkpoint's directory in place of one."""

import os
from dataclasses import dataclass, replace
from pathlib import Path

from q2pt_tasks.git import run_git
from q2pt_tasks.model.champion import hash_folder
from q2pt_tasks.model.metadata import METADATA, load_metadata
from q2pt_tasks.model.variants import NON_UNIFIED
from q2pt_tasks.registry.expired_branch import expired_among
from q2pt_tasks.registry.objects import ObjectStore, StoreError
from q2pt_tasks.registry.release import Release, directories, place
from q2pt_tasks.registry.repository import open_registry
from q2pt_tasks.registry.tags import PATTERNS, PROD, Refs, RegistryError, is_stage, parse_refs, read_version


@dataclass(frozen=True)
class OpenedRelease:
    """A release with its files, which are what it names.

    Attributes:
        version: such as `v3`; of a directory its path.
        manifest: the release; None for a directory.
        folder: where the files are.
    """

    version: str
    manifest: Release | None
    folder: Path

    @property
    def locales(self) -> tuple[str, ...]:
        """The stores that it names, sorted; of a directory those that its checkpoints were trained on."""
        if self.manifest is not None:
            return self.manifest.locales
        folders = [self.folder] if (self.folder / METADATA).is_file() else _folders(self.folder)
        return tuple(sorted({locale for folder in folders for locale in load_metadata(folder).locales}))

    @property
    def hash(self) -> str:
        """Over what it serves."""
        return hash_folder(self.folder) if self.manifest is None else self.manifest.hash

    def checkpoint_of(self, locale: str) -> Path | None:
        """The directory of the checkpoint that serves a store; None where none does.

        Raises:
            CheckpointError: a directory that was given is no checkpoint.
        """
        if self.manifest is not None:
            released = self.manifest.checkpoint_of(locale)
            return None if released is None else self.folder / place(released)
        return _in_directory(self.folder, locale)


def open_release(reference: str, registry_url: str | None, folder: Path, store_url: str | None = None) -> OpenedRelease:
    """Brings a release to this machine, or takes a directory as it is.

    Args:
        reference: a stage such as `prod`, a version such as `v3`, or the path of a checkpoint's directory, or of one
            with a checkpoint per locale; a path has a separator in it, or is that of a directory.
        registry_url: the git repository that holds the releases; a path needs none.
        folder: where files of releases are kept; what is there is not fetched again, but hashed again.
        store_url: where DVC has the files, if not where the release says.

    Raises:
        RegistryError: there is no such release, or the registry contradicts itself.
        ReleaseError: its commit holds no release.
        StoreError: its files cannot be had, or are not what it names.
        GitError: the registry cannot be reached.
    """
    if is_path(reference):
        return open_directory(Path(reference))
    if registry_url is None:
        raise RegistryError(f"{reference} is no directory, and without a registry it names no release: give --registry")
    with open_registry(registry_url) as registry:
        refs = registry.refs()
        release = registry.release(refs, resolve(refs, reference))
    try:
        ObjectStore(replace(release.store, url=store_url or release.store.url)).fetch(release, folder)
    except StoreError as error:
        raise StoreError(f"{error}{expired_among(registry_url, directories(release).values())}") from error
    return OpenedRelease(release.version, release, folder)


def open_directory(folder: Path) -> OpenedRelease:
    """A checkpoint's directory, or one with a checkpoint per store, as a release."""
    return OpenedRelease(str(folder), None, folder)


def cache_folder() -> Path:
    """Where the files of releases are kept by default, for all projects of a user."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "q2pt"


def serving_version(registry_url: str, stage: str = PROD) -> str:
    """The version that a stage is at, by one question to the git remote.

    Raises:
        RegistryError: it is at none.
        GitError: the registry cannot be reached.
    """
    return resolve(parse_refs(run_git(Path.cwd(), "ls-remote", "--quiet", "--", registry_url, *PATTERNS)), stage)


def resolve(refs: Refs, reference: str) -> str:
    """The version that a stage or a version names; never the newest that is registered.

    Raises:
        RegistryError: it names none.
    """
    if version := read_version(reference):
        refs.commit_of(version)
        return version
    if not is_stage(reference):
        raise RegistryError(
            f"{reference!r} is neither a stage such as {PROD}, nor a version such as v3, nor a directory"
        )
    if serving := refs.serving(reference):
        return serving
    if reference == PROD:
        raise RegistryError(f"nothing is in {PROD} yet: `q2pt promote` brings a first release there")
    raise RegistryError(
        f"{reference} is no directory here, and no stage of that name has a release: give a directory that a run has "
        f"made, such as models, or {PROD}"
    )


def is_path(reference: str) -> bool:
    """Whether a reference is that of a directory, and not of a release: `./prod` is one, `prod` is not."""
    names_release = reference == PROD or read_version(reference) is not None
    return os.sep in reference or (not names_release and Path(reference).is_dir())


def _in_directory(folder: Path, locale: str) -> Path | None:
    if not (folder / METADATA).is_file() and _folders(folder):
        own = folder / locale
        return own if (own / METADATA).is_file() else None
    metadata = load_metadata(folder)
    return None if metadata.variant == NON_UNIFIED and locale not in metadata.locales else folder


def _folders(folder: Path) -> list[Path]:
    """The checkpoints of a directory with one per store."""
    return sorted(file.parent for file in folder.glob(f"*/{METADATA}"))
