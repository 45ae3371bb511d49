"""The champion's files come from DVC's cache or remote by their hash, and are what the file says or refused."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from dvc.repo import Repo

from q2pt_tasks.model.champion import (
    Champion,
    ChampionError,
    champion_files,
    champion_folder,
    hash_folder,
    read_champion,
)

UNIFIED = {"metadata.json": "{}", "model.safetensors": "weights"}
OWN = {"en-US/model.safetensors": "weights of en-US", "fr-BE/model.safetensors": "weights of fr-BE"}


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """The cache that the projects of a test share."""
    return tmp_path / "store"


def _project(folder: Path, cache: Path, remote: Path | None = None) -> Path:
    (folder / ".dvc").mkdir(parents=True)
    config = f"[cache]\n    dir = {cache}\n[core]\n    no_scm = true\n    site_cache_dir = {folder / '.site'}\n"
    if remote:
        config += f"    remote = store\n['remote \"store\"']\n    url = {remote}\n"
    (folder / ".dvc/config").write_text(config)
    return folder


def _trained(project: Path, files: dict[str, str], outs: dict[str, str]) -> Champion:
    """A champion whose files DVC has; `outs` are the tracked directories, by their place in the champion."""
    for name, text in files.items():
        (project / "models" / name).parent.mkdir(parents=True, exist_ok=True)
        (project / "models" / name).write_text(text)
    with Repo(str(project)) as repo:
        hashes = {}
        for place, out in outs.items():
            (stage,) = repo.add(str(project / out))
            hashes[place] = stage.outs[0].hash_info.value
    for note in (project / "models").rglob("*.dvc"):
        note.unlink()
    return Champion("v3", hash_folder(project / "models"), "build/champion/v3", hashes)


def _texts(folder: Path) -> dict[str, str]:
    return {str(file.relative_to(folder)): file.read_text() for file in folder.rglob("*") if file.is_file()}


def _object(store: Path, md5: str) -> Path:
    return store / "files/md5" / md5[:2] / md5[2:]


def test_the_files_come_from_the_cache_in_a_clone_that_has_none(tmp_path: Path, store: Path) -> None:
    champion = _trained(_project(tmp_path / "first", store), UNIFIED, {".": "models"})
    clone = _project(tmp_path / "clone", store)
    assert _texts(champion_files(clone, champion)) == UNIFIED
    assert os.listdir(clone / "build/champion") == ["v3"], "nothing unfinished stays"


def test_the_files_come_from_the_remote_where_the_cache_is_empty(tmp_path: Path) -> None:
    first = _project(tmp_path / "first", tmp_path / "cache of one host", tmp_path / "remote")
    champion = _trained(first, UNIFIED, {".": "models"})
    shutil.copytree(tmp_path / "cache of one host", tmp_path / "remote")
    clone = _project(tmp_path / "clone", tmp_path / "cache of another host", tmp_path / "remote")
    assert _texts(champion_files(clone, champion)) == UNIFIED


def test_a_champion_of_many_models_has_each_in_its_place(tmp_path: Path, store: Path) -> None:
    outs = {f"non_unified/{locale}": f"models/non_unified/{locale}" for locale in ("en-US", "fr-BE")}
    files = {f"non_unified/{name}": text for name, text in OWN.items()}
    champion = _trained(_project(tmp_path / "first", store), files, outs)
    clone = _project(tmp_path / "clone", store)
    model = champion_folder(clone, champion)
    assert model("fr-BE") == clone / "build/champion/v3/non_unified/fr-BE"
    assert model("de-DE") is None
    assert _texts(clone / "build/champion/v3") == files


def test_a_damaged_object_in_the_cache_is_no_champion(tmp_path: Path, store: Path) -> None:
    first = _project(tmp_path / "first", store)
    champion = _trained(first, UNIFIED, {".": "models"})
    weights = next(path for path in (store / "files").rglob("*") if path.is_file() and path.read_text() == "weights")
    weights.chmod(0o644)
    weights.write_text("other weights")
    weights.chmod(0o444)
    with pytest.raises(ChampionError, match=f"version v3 has {champion.hash}"):
        champion_files(_project(tmp_path / "clone", store), champion)


@pytest.mark.parametrize("with_remote", [False, True])
def test_files_that_are_nowhere_are_missed_with_a_sentence(tmp_path: Path, store: Path, with_remote: bool) -> None:
    champion = _trained(_project(tmp_path / "first", store), UNIFIED, {".": "models"})
    (tmp_path / "remote").mkdir()
    clone = _project(tmp_path / "clone", tmp_path / "empty", tmp_path / "remote" if with_remote else None)
    with pytest.raises(ChampionError, match="the files of version v3 are neither in DVC's cache nor in a remote"):
        champion_files(clone, champion)
    assert not (clone / "build/champion/v3").exists()


def test_a_file_of_the_model_that_is_nowhere_leaves_no_half_champion(tmp_path: Path, store: Path) -> None:
    champion = _trained(_project(tmp_path / "first", store), UNIFIED, {".": "models"})
    entries = json.loads(_object(store, champion.outs["."]).read_text())
    _object(store, entries[0]["md5"]).unlink()
    clone = _project(tmp_path / "clone", store)
    with pytest.raises(ChampionError, match=entries[0]["md5"]):
        champion_files(clone, champion)
    assert os.listdir(clone / "build/champion") == []


def test_a_champion_that_a_person_put_there_needs_no_dvc(tmp_path: Path) -> None:
    (tmp_path / "champion").mkdir()
    (tmp_path / "champion/metadata.json").write_text("{}")
    champion = Champion("mine", hash_folder(tmp_path / "champion"), "champion")
    assert champion_files(tmp_path, champion) == tmp_path / "champion"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not readable JSON"),
        ("[]", "expected version, hash and path"),
        ('{"version": "v1"}', "expected version, hash and path"),
        ('{"version": "v1", "hash": "a", "path": "b", "stage": "c"}', "expected version, hash and path"),
    ],
)
def test_a_file_that_names_no_champion_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "champion.json").write_text(text)
    with pytest.raises(ChampionError, match=message):
        read_champion(tmp_path / "champion.json")


@pytest.mark.parametrize(
    ("more", "known"),
    [
        ({}, {}),
        (
            {"outs": {".": "0a.dir"}, "locales": ["en-US"], "commit": "1b", "last_day": "2026-06-30"},
            {"outs": {".": "0a.dir"}, "last_day": "2026-06-30"},
        ),
    ],
)
def test_the_file_of_a_promotion_and_that_of_a_person_are_read(
    tmp_path: Path, more: dict[str, Any], known: dict[str, Any]
) -> None:
    (tmp_path / "champion.json").write_text(json.dumps({"version": "v1", "hash": "a", "path": "b", **more}))
    assert read_champion(tmp_path / "champion.json") == Champion("v1", "a", "b", **known)
