"""A release out of directories."""

import json
import shutil
from pathlib import Path

import pytest
from checkpoints import LOCALES, random_checkpoint, untrained_checkpoint

from q2pt_tasks.model.metadata import CheckpointError
from q2pt_tasks.serving.http.directories import DirectoryReleases


def test_a_unified_checkpoint_serves_all_stores_and_names_those_that_it_knows(aware: Path) -> None:
    release = DirectoryReleases(aware).current()
    (routes,) = release.models.values()
    assert release.serving == "unified_aware"
    assert tuple(routes.by_locale) == LOCALES
    assert routes.checkpoint_of("en-GB") == routes.checkpoint_of("fr-FR") == aware
    assert release.checkpoints == (aware,)


def test_a_per_locale_checkpoint_serves_its_own_store(models: Path) -> None:
    (routes,) = DirectoryReleases(models / "non_unified" / "en-GB").current().models.values()
    assert routes.checkpoint_of("en-GB") == models / "non_unified" / "en-GB"
    assert routes.checkpoint_of("en-US") is None


def test_a_folder_of_per_locale_checkpoints_serves_each_store_with_its_own(tmp_path: Path) -> None:
    for locale in ("en-US", "en-GB"):
        random_checkpoint(tmp_path / locale, "non_unified", (locale,))
    untrained_checkpoint(tmp_path / "fr-BE")
    release = DirectoryReleases(tmp_path).current()
    assert dict(release.models["non_unified"].by_locale) == {name: tmp_path / name for name in ("en-GB", "en-US")}
    assert release.models["non_unified"].otherwise is None


def test_of_a_runs_models_the_one_that_its_gate_chose_serves(models: Path, tmp_path: Path) -> None:
    shutil.copytree(models, tmp_path / "models")
    assert list(DirectoryReleases(tmp_path / "models").current().models) == [
        "unified_aware",
        "unified_agnostic",
        "non_unified",
    ]
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports/decision.json").write_text(json.dumps({"candidate": "unified_agnostic"}))
    assert DirectoryReleases(tmp_path / "models").current().serving == "unified_agnostic"


def test_another_model_is_another_version_and_the_same_is_the_same(tmp_path: Path) -> None:
    place = random_checkpoint(tmp_path / "model")
    first = DirectoryReleases(place).current().version
    assert DirectoryReleases(place).current().version == first
    metadata = json.loads((place / "metadata.json").read_text())
    (place / "metadata.json").write_text(json.dumps({**metadata, "seconds": 2.0}))
    assert DirectoryReleases(place).current().version != first


def test_a_link_is_followed_to_where_it_leads_now(tmp_path: Path) -> None:
    for name in ("first", "second"):
        random_checkpoint(tmp_path / name)
    (tmp_path / "current").symlink_to("first")
    releases = DirectoryReleases(tmp_path / "current")
    first = releases.current()
    (tmp_path / "next").symlink_to("second")
    (tmp_path / "next").replace(tmp_path / "current")
    assert first.checkpoints == ((tmp_path / "first").resolve(),)
    assert releases.current().checkpoints == ((tmp_path / "second").resolve(),)
    assert releases.current().version != first.version


def test_what_cannot_be_served_is_said(tmp_path: Path) -> None:
    for place, reason in (
        (tmp_path / "nothing", "holds no trained checkpoint"),
        (untrained_checkpoint(tmp_path / "untrained"), "3 training queries"),
    ):
        with pytest.raises(CheckpointError, match=reason):
            DirectoryReleases(place).current()
