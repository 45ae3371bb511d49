"""The model in production, as `champion.json` named it when the run was resolved."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from q2pt_tasks.model.checkpoint import METADATA, load_metadata
from q2pt_tasks.model.variants import NON_UNIFIED


class ChampionError(ValueError):
    """The champion cannot be found, or is not the one that was resolved."""


@dataclass(frozen=True)
class Champion:
    """A version, the hash of its files, and the directory that holds them.

    The directory holds one unified checkpoint, or one per locale below `non_unified/`.
    """

    version: str
    hash: str
    path: str


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
    if not isinstance(document, dict) or set(document) != {"version", "hash", "path"}:
        raise ChampionError(f'{file}: expected version, hash and path, or {{"version": null}}; found {document!r}')
    return Champion(**document)


def champion_folder(root: Path, champion: Champion) -> Callable[[str], Path | None]:
    """The champion's checkpoint of each locale; None for a locale that it does not serve.

    Raises:
        ChampionError: the files are not those that were resolved.
    """
    folder = root / champion.path
    found = hash_folder(folder)
    if found != champion.hash:
        raise ChampionError(f"{folder} has the hash {found}, version {champion.version} has {champion.hash}")
    if (folder / METADATA).is_file():
        return lambda _: folder

    def own_folder(locale: str) -> Path | None:
        own = folder / NON_UNIFIED / locale
        return own if own.is_dir() else None

    return own_folder


def check_champion_split(root: Path, champion: Champion, split: Mapping[str, Any]) -> None:
    """Checks that the champion was trained on the other side of this run's split.

    Raises:
        ChampionError: its salt or fractions differ: it may have been trained on what it would be tested on.
    """
    for metadata in sorted((root / champion.path).rglob(METADATA)):
        found = load_metadata(metadata.parent).split
        if dict(found) != dict(split):
            raise ChampionError(
                f"version {champion.version} ({metadata.parent.name}) was trained on the split {dict(found)}, this run "
                f"has {dict(split)}: it may have seen the test queries; restore section split, or set no champion"
            )


def hash_folder(folder: Path) -> str:
    """MD5 over the names and contents of all files below `folder`."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    if not files:
        raise ChampionError(f"{folder} holds no files")
    total = hashlib.md5(usedforsecurity=False)
    for file in files:
        own = hashlib.md5(file.read_bytes(), usedforsecurity=False).hexdigest()
        total.update(f"{file.relative_to(folder).as_posix()}\0{own}\n".encode())
    return total.hexdigest()
