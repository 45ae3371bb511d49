"""Whoever serves gets exactly the promoted bytes, from an empty folder and the registry's URL alone."""

import os
from pathlib import Path

import numpy as np
import pytest
from checkpoints import LOCALES, random_checkpoint
from release_shop import ReleaseShop

from q2pt_tasks.git import GitError, run_git
from q2pt_tasks.model.champion import hash_folder
from q2pt_tasks.model.prediction import LocaleNotServedError, Predictor
from q2pt_tasks.registry.objects import StoreError
from q2pt_tasks.registry.opening import is_path, open_release, serving_version
from q2pt_tasks.registry.tags import RegistryError
from q2pt_tasks.serving.release_predictor import ReleasePredictor

QUERIES = ["red hat", "pants", "lamp"]


def _checkpoint(shop: ReleaseShop, reference: str, folder: Path, locale: str = "en-US") -> Path:
    checkpoint = open_release(reference, shop.url, folder).checkpoint_of(locale)
    assert checkpoint is not None
    return checkpoint


def test_the_bytes_are_those_that_were_promoted(shop: ReleaseShop, tmp_path: Path) -> None:
    made = random_checkpoint(tmp_path / "made", seed=1)
    opened = open_release("prod", shop.url, tmp_path / "cache")
    folder = opened.checkpoint_of("en-US")
    assert folder is not None
    assert (opened.version, opened.locales) == ("v1", tuple(sorted(LOCALES)))
    names = sorted(file.name for file in made.iterdir())
    assert sorted(file.name for file in folder.iterdir()) == names
    assert all((made / name).read_bytes() == (folder / name).read_bytes() for name in names)
    assert opened.manifest is not None
    assert opened.manifest.checkpoints[0].hash == hash_folder(made)


def test_the_stage_decides_and_never_the_newest_that_is_registered(shop: ReleaseShop, tmp_path: Path) -> None:
    candidate = shop.run("tuesday", seed=2)
    shop.register(candidate)
    assert open_release("prod", shop.url, tmp_path / "cache").version == serving_version(shop.url) == "v1"
    assert open_release("v2", shop.url, tmp_path / "cache").version == "v2"
    shop.promote(candidate)
    assert open_release("prod", shop.url, tmp_path / "cache").version == serving_version(shop.url) == "v2"
    shop.roll_back(day=1)
    assert open_release("prod", shop.url, tmp_path / "cache").version == "v1"


def test_what_two_releases_share_is_there_once_and_is_not_fetched_again(shop: ReleaseShop, tmp_path: Path) -> None:
    first = _checkpoint(shop, "prod", tmp_path / "cache")
    inode = (first / "model.safetensors").stat().st_ino
    shop.promote(shop.run("tuesday", seed=2, kept=("de-DE",)))
    assert _checkpoint(shop, "prod", tmp_path / "cache", "de-DE") == first
    assert _checkpoint(shop, "prod", tmp_path / "cache") != first
    assert (first / "model.safetensors").stat().st_ino == inode
    assert len(os.listdir(tmp_path / "cache/whole")) == 2, "and nothing unfinished"


@pytest.mark.chaos("release-damaged")
def test_a_file_that_was_changed_in_the_cache_is_not_served(shop: ReleaseShop, tmp_path: Path) -> None:
    checkpoint = _checkpoint(shop, "prod", tmp_path / "cache")
    with (checkpoint / "model.safetensors").open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(b"\x01")
    with pytest.raises(StoreError, match="has been changed: its hash is"):
        open_release("prod", shop.url, tmp_path / "cache")
    (checkpoint / "stranger").write_text("")
    with pytest.raises(StoreError, match="has been changed"):
        open_release("prod", shop.url, tmp_path / "cache")


@pytest.mark.chaos("release-damaged")
@pytest.mark.parametrize("of", ["listing", "file"])
@pytest.mark.parametrize("what", ["missing", "damaged"])
def test_an_object_that_is_missing_or_damaged_is_named(shop: ReleaseShop, tmp_path: Path, of: str, what: str) -> None:
    release = shop.serving()
    assert release is not None
    path = shop.object(release.checkpoints[0].model)
    if of == "file":
        path = max(
            (file for file in (shop.store / "files").rglob("*") if file.is_file()), key=lambda one: one.stat().st_size
        )
    path.chmod(0o644)
    path.unlink() if what == "missing" else path.write_text("other")
    with pytest.raises(StoreError, match="has no object" if what == "missing" else "is damaged, its content has"):
        open_release("prod", shop.url, tmp_path / "cache")
    assert [file for file in (tmp_path / "cache").rglob("*") if file.is_file()] == []


def test_a_store_that_has_moved_can_be_named(shop: ReleaseShop, tmp_path: Path) -> None:
    shop.store.rename(tmp_path / "moved")
    with pytest.raises(StoreError, match="or name another store with --store"):
        open_release("prod", shop.url, tmp_path / "cache")
    assert open_release("prod", shop.url, tmp_path / "cache", str(tmp_path / "moved")).version == "v1"


def test_without_a_release_or_a_registry_the_error_says_so(empty_shop: ReleaseShop, tmp_path: Path) -> None:
    for reference, message in (
        ("prod", "nothing is in prod yet: `q2pt promote`"),
        ("models", "models is no directory here, and no stage of that name has a release"),
        ("v1", "no release v1 is registered, but none"),
        ("no such thing", "neither a stage such as prod"),
    ):
        with pytest.raises(RegistryError, match=message):
            open_release(reference, empty_shop.url, tmp_path)
    with pytest.raises(RegistryError, match="give --registry"):
        open_release("prod", None, tmp_path)
    with pytest.raises(GitError, match="git ls-remote failed"):
        open_release("prod", str(tmp_path / "nowhere.git"), tmp_path)


def test_a_tag_that_was_moved_is_refused(shop: ReleaseShop, tmp_path: Path) -> None:
    shop.promote(shop.run("tuesday", seed=2))
    run_git(Path(shop.url), "tag", "--force", "--annotate", "--message=x", "q2pt@v1.0.0", "q2pt@v2.0.0^{commit}")
    with pytest.raises(RegistryError, match=r"q2pt@v1\.0\.0 is on the commit of release v2: it was moved"):
        open_release("v1", shop.url, tmp_path)


def test_a_directory_is_taken_as_it_is(tmp_path: Path) -> None:
    folder = random_checkpoint(tmp_path / "model")
    opened = open_release(str(folder), None, tmp_path / "cache")
    assert (opened.version, opened.manifest, opened.checkpoint_of("sv-SE")) == (str(folder), None, folder)
    assert opened.locales == tuple(sorted(LOCALES))


@pytest.mark.parametrize(
    ("reference", "expected"),
    [("prod", False), ("./prod", True), ("v3", False), ("mine", True), ("canary", False), ("models/v3", True)],
)
def test_a_directory_is_told_from_a_release(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reference: str, expected: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("prod", "v3", "mine"):
        (tmp_path / name).mkdir()
    assert is_path(reference) is expected


def test_a_directory_of_models_by_store_has_one_for_each(tmp_path: Path) -> None:
    for locale in ("en-US", "de-DE"):
        random_checkpoint(tmp_path / "models" / locale, "non_unified", (locale,))
    opened = open_release(str(tmp_path / "models"), None, tmp_path)
    assert opened.checkpoint_of("de-DE") == tmp_path / "models/de-DE"
    assert opened.checkpoint_of("sv-SE") is None
    assert opened.locales == ("de-DE", "en-US")
    own = open_release(str(tmp_path / "models/de-DE"), None, tmp_path)
    assert own.checkpoint_of("de-DE") == tmp_path / "models/de-DE"
    assert own.checkpoint_of("en-US") is None


def test_a_release_answers_each_store_by_its_own_checkpoint(shop: ReleaseShop, tmp_path: Path) -> None:
    shop.promote(shop.run("tuesday", seed=2, kept=("de-DE",)))
    predictor = ReleasePredictor.from_registry(shop.url, folder=tmp_path / "cache")
    made = {seed: Predictor.load(random_checkpoint(tmp_path / str(seed), seed=seed)) for seed in (1, 2)}
    for locale, seed in (("en-US", 2), ("en-GB", 2), ("de-DE", 1), ("sv-SE", 2)):
        assert predictor.predict(QUERIES, locale) == made[seed].predict(QUERIES, locale)
    assert predictor.uses_unknown_locale("sv-SE")
    locales = ["de-DE", "en-US", "de-DE", "en-GB"]
    queries = ["hat", "hat", "red shoe", "lamp"]
    mixed = predictor.answer(queries, locales)
    types = predictor.product_types
    for row, (query, locale) in enumerate(zip(queries, locales, strict=True)):
        (alone,) = predictor.predict([query], locale)
        start, end = mixed.types.offsets[row : row + 2]
        assert tuple(types[index] for index in mixed.types.values[start:end]) == tuple(
            name for name, _ in alone.product_types
        )
        np.testing.assert_allclose(mixed.scores[start:end], [score for _, score in alone.product_types], atol=0.02)


def test_a_store_that_nobody_serves_is_refused(empty_shop: ReleaseShop, tmp_path: Path) -> None:
    empty_shop.promote(empty_shop.run("monday", own=True))
    predictor = ReleasePredictor.from_registry(empty_shop.url, folder=tmp_path / "cache")
    assert predictor.predict(QUERIES, "de-DE")
    with pytest.raises(LocaleNotServedError, match="v1 serves de-DE, en-GB, en-US alone, found the locale 'sv-SE'"):
        predictor.check_locale("sv-SE")
