"""The git remote is down while a night begins, ends, or promotes: a sentence, and nothing half done."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from night_repository import Shop, make_shop

from q2pt_tasks.git import GitError
from q2pt_tasks.orchestration.join import join
from q2pt_tasks.orchestration.promote import promote
from q2pt_tasks.registry.release import Release
from q2pt_tasks.registry.repository import open_registry

# Of the step that asked for it first.
GONE = r"git (ls-remote|fetch) failed in .*: .*remote\.git' does not appear to be a git repository"

pytestmark = pytest.mark.chaos("git-remote-down")


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """A shop with a night whose gate said yes; its git remote is back after each test."""
    shop = make_shop(tmp_path_factory.mktemp("judged") / "shop")
    shop.night("first")
    return shop


@contextmanager
def _gone(shop: Shop) -> Iterator[None]:
    """Inside, nobody finds the git remote."""
    away = shop.remote.with_name("away.git")
    shop.remote.rename(away)
    try:
        yield
    finally:
        away.rename(shop.remote)


def test_a_night_does_not_begin_without_it_and_begins_afterwards(judged: Shop, tmp_path: Path) -> None:
    before = judged.refs()
    with _gone(judged), pytest.raises(GitError, match=GONE):
        judged.configure("second")
    assert judged.refs() == before
    judged.copy(tmp_path).configure("second")


def test_a_night_is_joined_and_promoted_when_it_is_back(judged: Shop) -> None:
    promote(judged.settings, judged.plan, judged.joined)
    served = _serving(judged)
    plan = judged.configure("third", force=True)
    judged.reproduce(plan)
    before = judged.refs()
    with _gone(judged), pytest.raises(GitError, match=GONE):
        join(judged.settings, plan, judged.entries)
    assert (judged.refs(), _serving(judged)) == (before, served)
    joined = judged.join(plan)
    before = judged.refs()
    with _gone(judged), pytest.raises(GitError, match=GONE):
        promote(judged.settings, plan, joined)
    assert (judged.refs(), _serving(judged)) == (before, served)
    promote(judged.settings, plan, joined)
    assert judged.refs() != before
    after = _serving(judged)
    assert (served.version, after.version) == ("v1", "v2")
    assert after.commit == joined.commit


def _serving(shop: Shop) -> Release:
    with open_registry(shop.settings.git_remote) as registry:
        release = registry.serving("prod")
    assert release is not None
    return release
