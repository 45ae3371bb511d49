"""The git remote is down while a night begins, ends, or promotes: a sentence, and nothing half done."""

from pathlib import Path

import pytest
from night_repository import Shop, make_shop

from q2pt_tasks.git import GitError
from q2pt_tasks.orchestration.join import join
from q2pt_tasks.orchestration.promote import promote

pytestmark = pytest.mark.chaos("git-remote-down")


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """A shop with a night whose gate said yes; its git remote is back after each test."""
    shop = make_shop(tmp_path_factory.mktemp("judged") / "shop")
    shop.night("first")
    return shop


def _gone(shop: Shop) -> Path:
    away = shop.remote.with_name("away.git")
    shop.remote.rename(away)
    return away


def test_a_night_does_not_begin_without_it_and_begins_afterwards(judged: Shop) -> None:
    away = _gone(judged)
    with pytest.raises(GitError, match="does not appear to be a git repository"):
        judged.configure("second")
    away.rename(judged.remote)
    assert judged.configure("second").commit


def test_a_night_is_joined_and_promoted_when_it_is_back(judged: Shop) -> None:
    plan = judged.configure("third")
    judged.reproduce(plan)
    before = judged.refs()
    away = _gone(judged)
    with pytest.raises(GitError):
        join(judged.settings, plan, judged.entries)
    away.rename(judged.remote)
    assert judged.refs() == before
    joined = judged.join(plan)
    before = judged.refs()
    away = _gone(judged)
    with pytest.raises((GitError, RuntimeError)) as refusal:
        promote(judged.settings, plan, joined)
    assert type(refusal.value).__module__.startswith("q2pt_tasks.")
    away.rename(judged.remote)
    assert judged.refs() == before
    promote(judged.settings, plan, joined)
    assert judged.tip("production") is not None
