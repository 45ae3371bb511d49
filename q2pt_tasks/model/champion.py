"""The model in production, as `champion.json` named it when the run was resolved."""

import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from q2pt_tasks.data.queries import NORMALISATION
from q2pt_tasks.inside import OutsideError, inside
from q2pt_tasks.model.metadata import METADATA, CheckpointError, load_metadata
from q2pt_tasks.model.variants import NON_UNIFIED
from q2pt_tasks.registry.release import Release, ReleaseError, directories, is_release, parse_release, place

_REQUIRED, _OPTIONAL = {"version", "hash", "path"}, {"locales", "last_day"}
# Where the checkpoints of a release are brought, below the repository's root.
_PLACE = "build/champion"


class ChampionError(ValueError):
    """The champion cannot be found, or is not the one that was resolved."""


@dataclass(frozen=True)
class Champion:
    """What is in production: a release, or a directory that a person put there.

    A directory holds one unified checkpoint, or one per locale below `non_unified/`, and with these `data/encoder/`:
    they may hold only what changed against it.

    Attributes:
        version: its name.
        hash: of the release, or of the directory as `hash_folder` gives it.
        path: the directory, below the repository's root; of a release where its checkpoints are brought from DVC's
            cache or remote.
        locales: the stores that it serves; empty for a directory of which that is not said.
        last_day: the last day that it learned from, in ISO form; None where nobody wrote it down.
        release: None for a directory.
    """

    version: str
    hash: str
    path: str
    locales: tuple[str, ...] = ()
    last_day: str | None = None
    release: Release | None = None


_CHAMPION = TypeAdapter(Champion)


def read_champion(file: Path) -> Champion | None:
    """The champion of `file`: a release, version, hash and path of a directory, or `{"version": null}` before any.

    Raises:
        ChampionError: the file is missing or says something else.
    """
    try:
        return parse_champion(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ChampionError(f'{file} not found: write {{"version": null}} where no model is in production') from None


def parse_champion(text: str) -> Champion | None:
    """As `read_champion`, of the text of a `champion.json`.

    Raises:
        ChampionError: it says something else.
    """
    try:
        document = json.loads(text)
    except ValueError as error:
        raise ChampionError(f"champion.json is not readable JSON: {error}") from None
    if document == {"version": None}:
        return None
    if isinstance(document, dict) and is_release(document):
        return _of_release(text)
    if not isinstance(document, dict) or not _REQUIRED <= set(document) <= _REQUIRED | _OPTIONAL:
        raise ChampionError(
            f'champion.json: expected a release, or version, hash and path, or {{"version": null}}; found {document!r}'
        )
    try:
        champion = _CHAMPION.validate_json(text)
        inside(Path(), champion.path)
    except ValidationError as error:
        problem = error.errors()[0]
        raise ChampionError(f"champion.json: {'.'.join(map(str, problem['loc']))}: {problem['msg']}") from None
    except OutsideError as error:
        raise ChampionError(f"champion.json: path: {error}") from None
    return champion


def _of_release(text: str) -> Champion:
    try:
        release = parse_release(text)
    except ReleaseError as error:
        raise ChampionError(f"champion.json: {error}") from None
    return Champion(release.version, release.hash, _PLACE, release.locales, release.last_day, release)


def champion_folder(root: Path, champion: Champion) -> Callable[[str], Path | None]:
    """The champion's checkpoint of each locale; None for a locale that it does not serve.

    Raises:
        ChampionError: the files cannot be had, or are not those that were resolved.
    """
    folder, release = _checked_files(root, champion), champion.release
    if release is not None:

        def released(locale: str) -> Path | None:
            found = release.checkpoint_of(locale)
            return None if found is None else folder / place(found)

        return released
    if (folder / METADATA).is_file():
        return lambda _: folder

    def own_folder(locale: str) -> Path | None:
        own = folder / NON_UNIFIED / locale
        return own if own.is_dir() else None

    return own_folder


def why_not_comparable(root: Path, champion: Champion, split: Mapping[str, Any]) -> list[str]:
    """Why the champion cannot be scored fairly beside this run's models; empty where it can.

    It may have been trained on what it would be tested on, or be asked in a form that it was not trained on.

    Raises:
        ChampionError: the files cannot be had, or are not those that were resolved.
    """
    reasons = (_why_not(checkpoint, split) for checkpoint in champion_checkpoints(root, champion))
    return sorted({reason for reason in reasons if reason})


def _why_not(checkpoint: Path, split: Mapping[str, Any]) -> str:
    try:
        found = load_metadata(checkpoint)
    except CheckpointError as error:
        # The files are those that were promoted, by their hash: the code has changed.
        said = str(error).removeprefix(f"{checkpoint}: ")
        return f"this code cannot read it ({said})"
    if dict(found.split) != dict(split):
        return (
            f"it was trained on the split {dict(found.split)}, this run has {dict(split)}: it may have seen the test "
            "queries"
        )
    if found.normalisation != NORMALISATION:
        return f"its queries are normalised as {found.normalisation}, this run's as {NORMALISATION}"
    return ""


def champion_locales(root: Path, champion: Champion) -> tuple[str, ...]:
    """The locales that a release names, or that a directory's checkpoints were trained on."""
    if champion.release is not None:
        return champion.locales
    found = (load_metadata(checkpoint).locales for checkpoint in champion_checkpoints(root, champion))
    return tuple(dict.fromkeys(locale for locales in found for locale in locales))


def champion_checkpoints(root: Path, champion: Champion) -> list[Path]:
    """The directories of all checkpoints of the champion.

    Raises:
        ChampionError: the files cannot be had, or are not those that were resolved.
    """
    folder = _checked_files(root, champion)
    if champion.release is not None:
        return [folder / place(one) for one in champion.release.checkpoints]
    own = sorted(metadata.parent for metadata in (folder / NON_UNIFIED).glob(f"*/{METADATA}"))
    return [folder] if (folder / METADATA).is_file() else own


def _checked_files(root: Path, champion: Champion) -> Path:
    """The directory with the champion's files, which are brought where they are not there yet."""
    folder = root / champion.path
    if champion.release is None:
        _check_hash(folder, champion.hash, champion)
        return folder
    for where, md5 in directories(champion.release).items():
        if not (folder / where).exists():
            _bring(root, md5, folder / where, champion)
    for one in champion.release.checkpoints:
        _check_hash(folder / place(one), one.hash, champion)
    return folder


def _check_hash(folder: Path, expected: str, champion: Champion) -> None:
    found = hash_folder(folder)
    if found != expected:
        raise ChampionError(f"{folder} has the hash {found}, version {champion.version} has {expected}")


def _bring(root: Path, md5: str, folder: Path, champion: Champion) -> None:
    """Brings a directory from DVC's cache or remote, in one step: a process that is killed leaves no half."""
    from dvc.exceptions import DvcException  # a second that only a run with a champion pays

    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as unfinished:
        try:
            _check_out(root, md5, Path(unfinished) / "files")
        except OutsideError as error:
            raise ChampionError(f"the directory {md5} of version {champion.version} is not one: {error}") from None
        except (DvcException, FileNotFoundError) as error:
            raise ChampionError(
                f"the files of version {champion.version} are neither in DVC's cache nor in a remote ({error}): "
                "set up the remote that has them (`dvc remote add --local -d`)"
            ) from error
        os.replace(Path(unfinished) / "files", folder)


def _check_out(root: Path, md5: str, folder: Path) -> None:
    from dvc.repo import Repo
    from dvc_data.hashfile.checkout import checkout
    from dvc_data.hashfile.hash_info import HashInfo
    from dvc_data.hashfile.tree import Tree

    with Repo(str(root)) as repo:
        cache, whole = repo.cache.local, HashInfo("md5", md5)
        _pull_missing(repo, [whole])
        tree = Tree.load(cache, whole)
        # DVC takes their names for granted.
        for key, _, _ in tree:
            inside(folder, "/".join(key))
        _pull_missing(repo, [file for _, _, file in tree])
        checkout(str(folder), repo.fs, tree, cache)


def _pull_missing(repo: Any, hashes: Sequence[Any]) -> None:  # noqa: ANN401 - DVC has no types
    cache = repo.cache.local
    missing = [wanted for wanted in hashes if not cache.exists(wanted.value)]
    if missing and repo.config["core"].get("remote"):
        repo.cloud.pull(missing)
    # DVC only warns of what the remote does not have.
    for wanted in missing:
        if not cache.exists(wanted.value):
            raise FileNotFoundError(f"nothing with the hash {wanted.value}")


def hash_folder(folder: Path) -> str:
    """MD5 over the names and contents of all files below `folder`."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    if not files:
        raise ChampionError(f"{folder} holds no files")
    total = hashlib.md5(usedforsecurity=False)
    for file in files:
        with file.open("rb") as stream:
            own = hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
        total.update(f"{file.relative_to(folder).as_posix()}\0{own}\n".encode())
    return total.hexdigest()
