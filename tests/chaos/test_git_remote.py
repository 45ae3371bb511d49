"""The git remote is down while a night begins, ends, or promotes: a sentence, and nothing half done."""

from collections.abc import Iterator
from contextlib import contextmanager

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


@contextmanager
def _gone(shop: Shop) -> Iterator[None]:
    """Inside, nobody finds the git remote."""
    away = shop.remote.with_name("away.git")
    shop.remote.rename(away)
    try:
        yield
    finally:
        away.rename(shop.remote)


def test_a_night_does_not_begin_without_it_and_begins_afterwards(judged: Shop) -> None:
    with (
        _gone(judged),
        pytest.raises(GitError, match=r"git ls-remote failed in .*' does not appear to be a git reposit"),
    ):
        judged.configure("second")
    assert judged.configure("second").commit


def test_a_night_is_joined_and_promoted_when_it_is_back(judged: Shop) -> None:
    plan = judged.configure("third")
    judged.reproduce(plan)
    before = judged.refs()
    with _gone(judged), pytest.raises(GitError):
        join(judged.settings, plan, judged.entries)
    assert judged.refs() == before
    joined = judged.join(plan)
    before = judged.refs()
    with _gone(judged), pytest.raises(GitError):
        promote(judged.settings, plan, joined)
    assert judged.refs() == before
    promote(judged.settings, plan, joined)
    assert judged.tip("production") is not None
