"""The service follows a stage of a registry: it serves what was promoted, store by store."""

from pathlib import Path

import pytest
from checkpoints import LOCALES
from release_shop import ReleaseShop

from q2pt_tasks.registry.tags import RegistryError
from q2pt_tasks.serving.http.registered import RegisteredReleases


def test_a_stage_is_followed_forward_and_back(shop: ReleaseShop, tmp_path: Path) -> None:
    releases = RegisteredReleases("prod", shop.url, tmp_path / "cache")
    first = releases.current()
    assert (first.version, set(first.models["champion"].by_locale)) == ("v1", set(LOCALES))
    assert releases.current() is first, "nothing is fetched again"
    shop.promote(shop.run("tuesday", seed=2))
    second = releases.current()
    assert (second.version, second.checkpoints == first.checkpoints) == ("v2", False)
    shop.roll_back(day=1)
    assert releases.current() == first


def test_a_store_that_stayed_is_served_by_its_old_checkpoint(shop: ReleaseShop, tmp_path: Path) -> None:
    before = RegisteredReleases("v1", shop.url, tmp_path / "cache").current().models["champion"]
    shop.promote(shop.run("tuesday", seed=2, kept=("de-DE",)))
    now = RegisteredReleases("prod", shop.url, tmp_path / "cache").current().models["champion"]
    assert now.checkpoint_of("de-DE") == before.checkpoint_of("de-DE")
    assert now.checkpoint_of("en-US") != before.checkpoint_of("en-US")


def test_a_version_stays(shop: ReleaseShop, tmp_path: Path) -> None:
    releases = RegisteredReleases("v1", shop.url, tmp_path / "cache")
    shop.promote(shop.run("tuesday", seed=2))
    assert releases.current().version == "v1"
    with pytest.raises(RegistryError, match="v9"):
        RegisteredReleases("v9", shop.url, tmp_path / "cache").current()
