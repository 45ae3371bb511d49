"""A promotion that is killed at any step leaves the old release or the new one, and the next try finishes it."""

import multiprocessing
import os
import signal
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import release_shop
from checkpoints import LOCALES
from release_shop import ReleaseShop

from q2pt_tasks import git
from q2pt_tasks.registry import promotion, repository
from q2pt_tasks.registry.candidate import Candidate
from q2pt_tasks.registry.golden import check_answers
from q2pt_tasks.registry.objects import ObjectStore
from q2pt_tasks.registry.opening import open_release

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


class _Steps:
    """Counts what touches the world, and dies at one of these moments."""

    def __init__(self, last: int) -> None:
        self.left = last

    def moment(self) -> None:
        self.left -= 1
        if not self.left:
            os.kill(os.getpid(), signal.SIGKILL)

    def around(self, step: Callable[..., Any]) -> Callable[..., Any]:
        """The step, with a moment before it and one after it."""

        def counted(*arguments: Any, **named: Any) -> Any:  # noqa: ANN401
            self.moment()
            result = step(*arguments, **named)
            self.moment()
            return result

        return counted


def _act(last: int, action: Callable[..., object], *arguments: object) -> None:
    """The child process: every git command, every directory that is fetched and every verification is a step."""
    steps = _Steps(last)
    run_git = steps.around(git.run_git)
    for module in (git, repository):
        module.run_git = run_git  # type: ignore[attr-defined]
    ObjectStore.fetch_directory = steps.around(ObjectStore.fetch_directory)  # type: ignore[method-assign]
    promotion.check_answers = steps.around(check_answers)  # type: ignore[attr-defined]
    action(*arguments)


@pytest.fixture
def killed_at(monkeypatch: pytest.MonkeyPatch) -> Callable[..., bool]:
    """Runs an action in a process that is killed at its n-th moment; whether that was before its end."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(Path.cwd()), str(Path(release_shop.__file__).parent)]))
    # Children of a process that has imported all and computed nothing: what has threads cannot be forked.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["release_shop", "q2pt_tasks.registry.promotion", "dvc.repo"])

    def killed_at(last: int, action: Callable[..., object], *arguments: object) -> bool:
        child = context.Process(target=_act, args=(last, action, *arguments))
        child.start()
        child.join(120)
        assert child.exitcode in (0, -signal.SIGKILL)
        return child.exitcode != 0

    return killed_at


def _whole(shop: ReleaseShop, folder: Path) -> str:
    """The version that consumers get, which answers as it did when it was made, in every store."""
    opened = open_release("prod", shop.url, folder)
    assert opened.manifest is not None
    assert {answer.locale for answer in opened.manifest.golden} == set(LOCALES)
    check_answers(opened.manifest.golden, opened.checkpoint_of)
    return opened.version


def _next(shop: ReleaseShop, night: int) -> Candidate:
    return shop.run(f"night-{night}", seed=night)


@pytest.mark.chaos("promotion-killed")
def test_a_promotion_killed_at_every_step(shop: ReleaseShop, tmp_path: Path, killed_at: Callable[..., bool]) -> None:
    cache, moments = tmp_path / "cache", set()
    for last in count(1):
        before = _whole(shop, cache)
        candidate = _next(shop, last + 1)
        killed = killed_at(last, shop.promote, candidate)
        found = _whole(shop, cache)
        serving = shop.serving()
        assert serving is not None
        is_new = serving.commit == candidate.commit
        assert found == before or is_new
        if not killed:
            assert is_new
            break
        moments.add(is_new)
        done = shop.promote(candidate)
        assert _whole(shop, cache) == done.version
        serving = shop.serving()
        assert serving is not None
        assert (serving.commit, serving.version) == (candidate.commit, done.version)
    assert moments == {False, True}, "before the last push and after it"
    assert last > 20


@pytest.mark.chaos("promotion-killed")
def test_a_rollback_killed_at_every_step(shop: ReleaseShop, tmp_path: Path, killed_at: Callable[..., bool]) -> None:
    shop.promote(shop.run("tuesday", seed=2), day=1)
    cache, moments = tmp_path / "cache", set()
    for last in count(1):
        before, to = ("v2", "v1") if _whole(shop, cache) == "v2" else ("v1", "v2")
        why = f"try {last}"
        killed = killed_at(last, shop.roll_back, to, 0, why)
        found = _whole(shop, cache)
        assert found in (before, to)
        if not killed:
            assert found == to
            break
        moments.add(found == to)
        assert shop.roll_back(to, why=why).version == to == _whole(shop, cache)
    assert moments == {False, True}
    assert last > 10
