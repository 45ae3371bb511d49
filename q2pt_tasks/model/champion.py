"""The model in production, as `champion.json` named it when the run was resolved."""

import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from q2pt_tasks.data.queries import NORMALISATION
from q2pt_tasks.model.metadata import METADATA, CheckpointError, load_metadata
from q2pt_tasks.model.variants import NON_UNIFIED

_REQUIRED = {"version", "hash", "path"}
_OPTIONAL = {"outs", "locales", "commit", "last_day"}


class ChampionError(ValueError):
    """The champion cannot be found, or is not the one that was resolved."""


@dataclass(frozen=True)
class Champion:
    """A version, the hash of its files, and the directory that holds them.

    The directory holds one unified checkpoint, or one per locale below `non_unified/`, and with these `data/encoder/`:
    they may hold only what changed against it.

    Attributes:
        version: its name.
        hash: as `hash_folder` gives it.
        path: the directory, below the repository's root.
        outs: hashes of DVC, by their place below `path` (`.` for the whole of it): what is not at `path` yet comes from
            DVC's cache or remote. Empty where a person puts the files there.
        last_day: the last day that it learned from, in ISO form; None where that is not known.
    """

    version: str
    hash: str
    path: str
    outs: Mapping[str, str] = field(default_factory=dict)
    last_day: str | None = None


def read_champion(file: Path) -> Champion | None:
    """The champion of `file`, which says `{"version": null}` where nothing is in production yet.

    Raises:
        ChampionError: the file is missing or says something else.
    """
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ChampionError(f'{file} not found: write {{"version": null}} where no model is in production') from None
    except ValueError as error:
        raise ChampionError(f"{file} is not readable JSON: {error}") from None
    if document == {"version": None}:
        return None
    if not isinstance(document, dict) or not _REQUIRED <= set(document) <= _REQUIRED | _OPTIONAL:
        raise ChampionError(f'{file}: expected version, hash and path, or {{"version": null}}; found {document!r}')
    return Champion(
        document["version"], document["hash"], document["path"], document.get("outs", {}), document.get("last_day")
    )


def champion_folder(root: Path, champion: Champion) -> Callable[[str], Path | None]:
    """The champion's checkpoint of each locale; None for a locale that it does not serve.

    Raises:
        ChampionError: the files cannot be had, or are not those that were resolved.
    """
    folder = champion_files(root, champion)
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
    reasons = (_why_not(checkpoint, split) for checkpoint in _checkpoints(champion_files(root, champion)))
    return sorted({reason for reason in reasons if reason})


def _why_not(checkpoint: Path, split: Mapping[str, Any]) -> str:
    try:
        found = load_metadata(checkpoint)
    except CheckpointError as error:
        # The files are those that were promoted, by their hash: the code has changed.
        return f"this code cannot read it ({error})"
    if dict(found.split) != dict(split):
        return (
            f"it was trained on the split {dict(found.split)}, this run has {dict(split)}: it may have seen the test "
            "queries"
        )
    if found.normalisation != NORMALISATION:
        return f"its queries are normalised as {found.normalisation}, this run's as {NORMALISATION}"
    return ""


def champion_locales(root: Path, champion: Champion) -> tuple[str, ...]:
    """The locales that the champion was trained on."""
    found = (load_metadata(checkpoint).locales for checkpoint in _checkpoints(champion_files(root, champion)))
    return tuple(dict.fromkeys(locale for locales in found for locale in locales))


def _checkpoints(folder: Path) -> list[Path]:
    own = sorted(metadata.parent for metadata in (folder / NON_UNIFIED).glob(f"*/{METADATA}"))
    return [folder] if (folder / METADATA).is_file() else own


def champion_files(root: Path, champion: Champion) -> Path:
    """The directory with the champion's files, fetched where it is not there yet.

    Raises:
        ChampionError: the files cannot be had, or are not those that were resolved.
    """
    folder = root / champion.path
    if champion.outs and not folder.exists():
        _fetch(root, champion)
    found = hash_folder(folder)
    if found != champion.hash:
        raise ChampionError(f"{folder} has the hash {found}, version {champion.version} has {champion.hash}")
    return folder


def _fetch(root: Path, champion: Champion) -> None:
    """Brings the files out of DVC's cache, or its remote, in one step: a process that is killed leaves no half."""
    from dvc.exceptions import DvcException  # a second that only a run with a champion pays

    folder = root / champion.path
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as unfinished:
        try:
            _check_out(root, champion.outs, Path(unfinished) / "files")
        except (DvcException, FileNotFoundError) as error:
            raise ChampionError(
                f"the files of version {champion.version} are neither in DVC's cache nor in a remote ({error}): "
                f"set up the remote that has them (`dvc remote add --local -d`), or put the model at {folder}"
            ) from error
        os.replace(Path(unfinished) / "files", folder)


def _check_out(root: Path, outs: Mapping[str, str], folder: Path) -> None:
    from dvc.repo import Repo
    from dvc_data.hashfile.checkout import checkout
    from dvc_data.hashfile.hash_info import HashInfo
    from dvc_data.hashfile.tree import Tree

    with Repo(str(root)) as repo:
        cache = repo.cache.local
        for place, md5 in outs.items():
            whole = HashInfo("md5", md5)
            _pull_missing(repo, [whole])
            tree = Tree.load(cache, whole)
            _pull_missing(repo, [file for _, _, file in tree])
            checkout(str(folder / place), repo.fs, tree, cache)


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
