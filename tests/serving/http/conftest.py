"""A service of a small checkpoint."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from checkpoints import random_checkpoint
from release_shop import ReleaseShop
from starlette.testclient import TestClient

from q2pt_tasks.serving.http.app import create_app
from q2pt_tasks.serving.http.directories import DirectoryReleases
from q2pt_tasks.serving.http.limits import Limits
from q2pt_tasks.serving.http.loaded import LoadedRelease
from q2pt_tasks.serving.http.service import Service
from q2pt_tasks.serving.http.watcher import Watcher


@pytest.fixture(scope="session")
def aware(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of three stores."""
    return random_checkpoint(tmp_path_factory.mktemp("served") / "unified_aware")


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a run makes: all three variants."""
    folder = tmp_path_factory.mktemp("run") / "models"
    for seed, variant in enumerate(("unified_aware", "unified_agnostic")):
        random_checkpoint(folder / variant, variant, seed=seed)
    for seed, locale in enumerate(("en-US", "en-GB")):
        random_checkpoint(folder / "non_unified" / locale, "non_unified", (locale,), seed=seed)
    return folder


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A link to the first of two checkpoints."""
    for seed, name in enumerate(("first", "second")):
        random_checkpoint(tmp_path / name, seed=seed)
    (tmp_path / "current").symlink_to("first")
    return tmp_path / "current"


@pytest.fixture
def shop(tmp_path: Path) -> ReleaseShop:
    """A registry in which v1 serves."""
    (tmp_path / "shop").mkdir()
    made = ReleaseShop(tmp_path / "shop").make()
    made.promote(made.run("monday", seed=1))
    return made


def service_of(place: Path) -> Service:
    return Service(LoadedRelease.load(DirectoryReleases(place).current()), Limits())


def client_of(service: Service, place: Path) -> TestClient:
    app = create_app(service, Watcher(DirectoryReleases(place), service, 3600))
    return TestClient(app, raise_server_exceptions=False)


@pytest.fixture
def service(models: Path) -> Service:
    return service_of(models)


@pytest.fixture
def client(service: Service, models: Path) -> Iterator[TestClient]:
    with client_of(service, models) as client:
        yield client
