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
    champion_checkpoints,
    champion_folder,
    hash_folder,
    parse_champion,
    read_champion,
)
from q2pt_tasks.registry.release import Release, ReleasedCheckpoint, Store

UNIFIED = {"metadata.json": "{}", "model.safetensors": "weights"}
OWN = {locale: {"metadata.json": "{}", "model.safetensors": f"weights of {locale}"} for locale in ("en-US", "fr-BE")}


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


def _trained(project: Path, checkpoints: dict[str, dict[str, str]], encoder: bool = False) -> Champion:
    """A release whose files DVC has: texts by name, per store, and of all under the empty name."""
    md5 = _added(project, {"resolved.json": "{}"}) if encoder else None
    released = []
    for locale, files in checkpoints.items():
        one = ReleasedCheckpoint(
            variant="non_unified" if locale else "unified_aware",
            since="v3",
            model=_added(project, files),
            encoder=md5,
            hash=hash_folder(project / "out"),
            locales=(locale,) if locale else ("en-US", "fr-BE"),
            others=not locale,
        )
        released.append(one)
    release = Release(
        version="v3",
        created="2026-11-30T02:00:00+00:00",
        run="monday",
        commit="c" * 40,
        by="Ada",
        why="better",
        variant=released[0].variant,
        last_day="2026-11-29",
        judged_against=None,
        figures={},
        checkpoints=tuple(released),
        store=Store("elsewhere"),
    )
    champion = parse_champion(release.to_text())
    assert champion is not None
    return champion


def _added(project: Path, files: dict[str, str]) -> str:
    """DVC's hash of a directory, which stays in `out` until the next one."""
    shutil.rmtree(project / "out", ignore_errors=True)
    for name, text in files.items():
        (project / "out" / name).parent.mkdir(parents=True, exist_ok=True)
        (project / "out" / name).write_text(text)
    with Repo(str(project)) as repo:
        (stage,) = repo.add(str(project / "out"))
    (project / "out.dvc").unlink()
    md5: str = stage.outs[0].hash_info.value
    return md5


def _texts(folder: Path) -> dict[str, str]:
    return {str(file.relative_to(folder)): file.read_text() for file in folder.rglob("*") if file.is_file()}


def _object(store: Path, md5: str) -> Path:
    return store / "files/md5" / md5[:2] / md5[2:]


def test_the_files_come_from_the_cache_in_a_clone_that_has_none(tmp_path: Path, store: Path) -> None:
    champion = _trained(_project(tmp_path / "first", store), {"": UNIFIED})
    clone = _project(tmp_path / "clone", store)
    folder = champion_folder(clone, champion)("fr-BE")
    assert folder is not None
    assert _texts(folder) == UNIFIED
    assert champion_folder(clone, champion)("sv-SE") == folder
    assert champion_checkpoints(clone, champion) == [folder]
    assert os.listdir(folder.parent) == [folder.name], "nothing unfinished stays"


def test_the_files_come_from_the_remote_where_the_cache_is_empty(tmp_path: Path) -> None:
    first = _project(tmp_path / "first", tmp_path / "cache of one host", tmp_path / "remote")
    champion = _trained(first, {"": UNIFIED})
    shutil.copytree(tmp_path / "cache of one host", tmp_path / "remote")
    clone = _project(tmp_path / "clone", tmp_path / "cache of another host", tmp_path / "remote")
    folder = champion_folder(clone, champion)("fr-BE")
    assert folder is not None
    assert _texts(folder) == UNIFIED


def test_a_champion_of_many_models_has_each_in_its_place_below_their_encoder(tmp_path: Path, store: Path) -> None:
    champion = _trained(_project(tmp_path / "first", store), OWN, encoder=True)
    clone = _project(tmp_path / "clone", store)
    model = champion_folder(clone, champion)
    assert model("de-DE") is None
    found = {locale: model(locale) or Path() for locale in OWN}
    assert {locale: _texts(folder) for locale, folder in found.items()} == OWN
    assert all((folder.parent / "data/encoder/resolved.json").is_file() for folder in found.values())
    assert champion.locales == ("en-US", "fr-BE")


def test_a_damaged_object_in_the_cache_is_no_champion(tmp_path: Path, store: Path) -> None:
    champion = _trained(_project(tmp_path / "first", store), {"": UNIFIED})
    weights = next(path for path in (store / "files").rglob("*") if path.is_file() and path.read_text() == "weights")
    weights.chmod(0o644)
    weights.write_text("other weights")
    weights.chmod(0o444)
    with pytest.raises(ChampionError, match="version v3 has"):
        champion_folder(_project(tmp_path / "clone", store), champion)


@pytest.mark.parametrize("with_remote", [False, True])
def test_files_that_are_nowhere_are_missed_with_a_sentence(tmp_path: Path, store: Path, with_remote: bool) -> None:
    champion = _trained(_project(tmp_path / "first", store), {"": UNIFIED})
    (tmp_path / "remote").mkdir()
    clone = _project(tmp_path / "clone", tmp_path / "empty", tmp_path / "remote" if with_remote else None)
    with pytest.raises(ChampionError, match="the files of version v3 are neither in DVC's cache nor in a remote"):
        champion_folder(clone, champion)
    assert [file for file in (clone / "build").rglob("*") if file.is_file()] == []


def test_a_file_of_the_model_that_is_nowhere_leaves_no_half_champion(tmp_path: Path, store: Path) -> None:
    champion = _trained(_project(tmp_path / "first", store), {"": UNIFIED})
    assert champion.release is not None
    entries = json.loads(_object(store, champion.release.checkpoints[0].model).read_text())
    _object(store, entries[0]["md5"]).unlink()
    clone = _project(tmp_path / "clone", store)
    with pytest.raises(ChampionError, match=entries[0]["md5"]):
        champion_folder(clone, champion)
    assert os.listdir(clone / "build/champion/whole") == []


def test_a_champion_that_a_person_put_there_needs_no_dvc(tmp_path: Path) -> None:
    (tmp_path / "champion").mkdir()
    (tmp_path / "champion/metadata.json").write_text("{}")
    champion = Champion("mine", hash_folder(tmp_path / "champion"), "champion")
    assert champion_folder(tmp_path, champion)("fr-BE") == tmp_path / "champion"
    (tmp_path / "champion/metadata.json").write_text("other")
    with pytest.raises(ChampionError, match="version mine has"):
        champion_folder(tmp_path, champion)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not readable JSON"),
        ("[]", "expected a release, or version, hash and path"),
        ('{"version": "v1"}', "expected a release, or version, hash and path"),
        ('{"version": "v1", "hash": "a", "path": "b", "stage": "c"}', "expected a release, or version, hash and path"),
        ('{"version": "v1", "checkpoints": []}', "names no release"),
        ('{"version": "v1", "hash": 7, "path": "b"}', "hash: Input should be a valid string"),
        ('{"version": "v1", "hash": "a", "path": "b", "locales": [7]}', r"locales\.0: Input should be a valid string"),
        ('{"version": "v1", "hash": "a", "path": "../other"}', "path: '../other' does not lie in the folder"),
        ('{"version": "v1", "hash": "a", "path": "/etc"}', "path: '/etc' does not lie in the folder"),
    ],
)
def test_a_file_that_names_no_champion_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "champion.json").write_text(text)
    with pytest.raises(ChampionError, match=message):
        read_champion(tmp_path / "champion.json")


@pytest.mark.parametrize(("more", "locales"), [({}, ()), ({"locales": ["en-US"]}, ("en-US",))])
def test_the_file_of_a_person_is_read(tmp_path: Path, more: dict[str, Any], locales: tuple[str, ...]) -> None:
    (tmp_path / "champion.json").write_text(json.dumps({"version": "v1", "hash": "a", "path": "b", **more}))
    assert read_champion(tmp_path / "champion.json") == Champion("v1", "a", "b", locales)


def test_a_release_that_was_changed_by_hand_is_refused(tmp_path: Path, store: Path) -> None:
    champion = _trained(_project(tmp_path / "first", store), {"": UNIFIED})
    assert champion.release is not None
    document = json.loads(champion.release.to_text())
    document["checkpoints"][0]["locales"].remove("fr-BE")
    with pytest.raises(ChampionError, match="changed by hand"):
        parse_champion(json.dumps(document))
