"""Registries as promotions left them. A release names its store by its path, so none is a copy of another."""

from pathlib import Path

import pytest
from release_shop import ReleaseShop


@pytest.fixture
def empty_shop(tmp_path: Path) -> ReleaseShop:
    """A registry without a release."""
    (tmp_path / "shop").mkdir()
    return ReleaseShop(tmp_path / "shop").make()


@pytest.fixture
def shop(empty_shop: ReleaseShop) -> ReleaseShop:
    """A registry in which v1 serves, of one model for all stores."""
    empty_shop.promote(empty_shop.run("monday", seed=1))
    return empty_shop
