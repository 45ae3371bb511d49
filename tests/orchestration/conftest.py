"""Nights that have been, made once; a test goes on from a copy of one."""

from pathlib import Path

import pytest
from night_repository import Shop, make_shop

from q2pt_tasks.orchestration.graph import read_graph
from q2pt_tasks.orchestration.promote import promote


@pytest.fixture(scope="session")
def _new(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    shop = make_shop(tmp_path_factory.mktemp("new") / "shop")
    # Computed once: each copy has it.
    read_graph(shop.settings.work_dir.parent / "author", shop.settings.work_dir / "graphs")
    return shop


@pytest.fixture(scope="session")
def _judged(_new: Shop, tmp_path_factory: pytest.TempPathFactory) -> Shop:
    shop = _new.copy(tmp_path_factory.mktemp("judged") / "shop")
    shop.night("first")
    return shop


@pytest.fixture(scope="session")
def _promoted(_judged: Shop, tmp_path_factory: pytest.TempPathFactory) -> Shop:
    shop = _judged.copy(tmp_path_factory.mktemp("promoted") / "shop")
    promote(shop.settings, shop.plan, shop.joined)
    return shop


@pytest.fixture
def new_shop(_new: Shop, tmp_path: Path) -> Shop:
    """A shop without a night."""
    return _new.copy(tmp_path / "shop")


@pytest.fixture
def judged_shop(_judged: Shop, tmp_path: Path) -> Shop:
    """A shop with one complete night, whose gate said yes; nothing is promoted."""
    return _judged.copy(tmp_path / "shop")


@pytest.fixture
def promoted_shop(_promoted: Shop, tmp_path: Path) -> Shop:
    """The same after the promotion: version v1 is in production."""
    return _promoted.copy(tmp_path / "shop")
