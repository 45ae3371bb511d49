"""Retention with real git and DVC: what is kept stays whole in every store, the rest goes, killed or not."""

import os
import re
import shutil
import signal
import subprocess
import sys
from contextlib import chdir
from datetime import datetime, timedelta
from hashlib import md5
from pathlib import Path

import pytest
from dvc.repo import Repo
from night_shop import START, NightShop

from q2pt_tasks import cli
from q2pt_tasks.git import GitError, run_git
from q2pt_tasks.registry.prune import Removal, look, remove
from q2pt_tasks.registry.pruning import expired_here
from q2pt_tasks.registry.release import Store
from q2pt_tasks.registry.retention import Policy
from q2pt_tasks.registry.tags import RegistryError

NOW = START + timedelta(days=100)
KEEP_ONE = Policy(1, timedelta(days=7), None, frozenset({"data/raw"}))
EXPIRING = Policy(1, timedelta(days=7), timedelta(days=30), frozenset({"data/raw"}))
NIGHTS = {"one": 10, "two": 20, "three": 30, "four": 40, "five": 98, "six": 60}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> NightShop:
    folder = tmp_path_factory.mktemp("made")
    shop = NightShop(folder, Store(str(folder / "remote"))).make()
    for name, day in NIGHTS.items():
        shop.night(name, day)
        if name in ("one", "two", "three"):
            shop.release(name, day)
    return shop


@pytest.fixture
def shop(made: NightShop, tmp_path: Path) -> NightShop:
    """Six nights, three releases, the last of which serves; `five` was two days ago, `six` is the latest."""
    folder = tmp_path / "shop"
    shutil.copytree(made.folder, folder, symlinks=True)
    return NightShop(folder, Store(str(folder / "remote")), dict(made.commits))


def _prune(shop: NightShop, policy: Policy, now: datetime = NOW) -> Removal:
    removal = look(shop.place(), policy, now)
    remove(shop.place(), removal, policy, now)
    return removal


def _whole(shop: NightShop, name: str) -> list[bool]:
    """Of every output of a night in every store whether it is there with all of its files."""
    return [shop.whole(store, md5) for store in shop.place().stores for md5 in shop.outs(name).values()]


def test_looking_changes_nothing(shop: NightShop) -> None:
    before = shop.refs(), [store.objects() for store in shop.place().stores]
    assert not look(shop.place(), KEEP_ONE, NOW).is_empty
    assert (shop.refs(), [store.objects() for store in shop.place().stores]) == before


def test_what_is_kept_stays_whole_in_every_store_and_the_rest_goes(shop: NightShop) -> None:
    removal = _prune(shop, KEEP_ONE)
    # v3 serves, v2 served before it; five is young, six the latest.
    for name in ("two", "three", "five", "six"):
        assert all(_whole(shop, name)), name
    for store in shop.place().stores:
        assert not {shop.outs("one")["models/m"], shop.outs("four")["models/m"]} & store.objects().keys()
        assert not {shop.outs("one")["metrics.json"], shop.outs("four")["data/raw"]} & store.objects().keys()
    assert set(removal.branches[shop.url]) == {"run/one", "run/four"}
    runs = {name for name in shop.refs() if name.startswith("refs/heads/run/")}
    assert runs == {f"refs/heads/run/{name}" for name in ("two", "three", "five", "six")}
    assert look(shop.place(), KEEP_ONE, NOW).is_empty


def test_results_go_with_their_outputs_and_others_can_still_be_restored(shop: NightShop) -> None:
    _prune(shop, KEEP_ONE)
    for store in shop.place().stores:
        objects = store.objects()
        results = store.results()
        assert results
        assert all(output.md5 in objects for result in results for output in result.outputs)


def test_a_release_that_is_kept_is_reproduced_from_the_remote_alone(shop: NightShop, tmp_path: Path) -> None:
    _prune(shop, KEEP_ONE)
    clone = shop.clone("production", tmp_path / "clone")
    with Repo(str(clone)) as repo:
        repo.pull()
        assert repo.status() == {}


def test_a_persons_tag_keeps_its_night(shop: NightShop) -> None:
    run_git(Path(shop.url), "tag", "the-good-one", shop.commits["four"])
    _prune(shop, KEEP_ONE)
    assert all(_whole(shop, "four"))


def test_what_the_checkout_has_is_kept(shop: NightShop) -> None:
    (shop.project / "dvc.lock").write_text(run_git(Path(shop.url), "show", f"{shop.commits['four']}:dvc.lock"))
    _prune(shop, KEEP_ONE)
    assert all(_whole(shop, "four"))


def test_what_a_run_in_progress_has_restored_is_kept(shop: NightShop) -> None:
    removal = look(shop.place(), KEEP_ONE, NOW)
    model = shop.outs("four")["models/m"]
    key = next(one.key for one in removal.surplus[0].results if model in {out.md5 for out in one.outputs})
    os.utime(shop.cache / "runs" / key[:2] / key, (NOW.timestamp(), NOW.timestamp()))
    remove(shop.place(), removal, KEEP_ONE, NOW)
    assert [shop.whole(store, model) for store in shop.place().stores] == [True, True]


def test_queries_expire_everywhere_weights_and_metrics_stay_and_the_list_says_so(shop: NightShop) -> None:
    _prune(shop, EXPIRING)
    for store in shop.place().stores:
        objects, results = store.objects(), store.results()
        for name in ("two", "three", "six"):
            outs = shop.outs(name)
            assert outs["data/raw"] not in objects
            assert shop.whole(store, outs["models/m"])
            assert outs["metrics.json"] in objects
        assert shop.whole(store, shop.outs("five")["data/raw"]), "it is young"
        raw = {shop.outs(name)["data/raw"] for name in NIGHTS if name != "five"}
        assert not raw & {output.md5 for result in results for output in result.outputs}
        assert not [one for one in objects if one in _old_logs()]
    told = {(one["path"], one["md5"]): one for one in shop.expired()}
    gone = told["data/raw", shop.outs("three")["data/raw"]]
    assert (gone["day"], gone["why"]) == ("2026-04-11", "retention_days 30")
    assert told["models/m", shop.outs("one")["models/m"]]["why"] == "releases 1"
    assert look(shop.place(), EXPIRING, NOW).is_empty


def _old_logs() -> set[str]:
    """The hashes of the logs of all nights but `five`."""
    logs = (f"queries of {name} {'pants ' * day}\n" for name, day in NIGHTS.items() if name != "five")
    return {md5(log.encode(), usedforsecurity=False).hexdigest() for log in logs}


def test_the_list_only_grows(shop: NightShop) -> None:
    _prune(shop, KEEP_ONE)
    before = shop.expired()
    _prune(shop, EXPIRING)
    after = shop.expired()
    assert after[: len(before)] == before
    assert len({one["md5"] for one in after}) == len(after)


def test_an_expired_night_needs_nothing_but_what_expired(shop: NightShop, tmp_path: Path) -> None:
    _prune(shop, EXPIRING)
    clone = shop.clone("production", tmp_path / "clone")
    # DVC resolves paths against the working directory.
    with chdir(clone), Repo() as repo:
        assert repo.reproduce(pull=True, allow_missing=True, dry=True) == []
    said = expired_here(clone, (shop.url,))
    assert said == (
        f"data/raw ({shop.outs('three')['data/raw']}) of branch production expired on 2026-04-11 by retention_days 30"
    )


def test_what_has_expired_is_not_missed_when_it_may_be_kept_again(shop: NightShop) -> None:
    _prune(shop, EXPIRING)
    assert look(shop.place(), KEEP_ONE, NOW).is_empty


def test_nothing_is_removed_where_nobody_can_tell_what_is_needed(shop: NightShop) -> None:
    lost = shop.outs("three")["models/m"]
    for folder in (shop.cache, Path(shop.remote.url)):
        (folder / "files/md5" / lost[:2] / lost[2:]).unlink()
    with pytest.raises(RegistryError, match=rf"needs .*models/m.* \({lost}\), whose manifest is in none of"):
        look(shop.place(), KEEP_ONE, NOW)


def test_a_branch_that_has_moved_since_is_not_deleted(shop: NightShop) -> None:
    removal = look(shop.place(), KEEP_ONE, NOW)
    run_git(Path(shop.url), "update-ref", "refs/heads/run/four", shop.commits["five"])
    with pytest.raises(GitError, match="git push failed"):
        remove(shop.place(), removal, KEEP_ONE, NOW)
    assert "refs/heads/run/one" in shop.refs()
    assert all(_whole(shop, "four"))


KILLED = """
import os, signal, sys
sys.path[:0] = ["tests", "."]
from pathlib import Path
from test_prune import EXPIRING, NOW, NightShop, Store
from q2pt_tasks.registry import prune, stored
shop = NightShop(Path(sys.argv[1]), Store(sys.argv[1] + "/remote"))
left = int(sys.argv[2])
def die_after(module, name):
    original = getattr(module, name)
    def step(*arguments, **keywords):
        global left
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        left -= 1
        return original(*arguments, **keywords)
    setattr(module, name, step)
for module, name in ((prune, "_delete_branches"), (prune, "_tell"), (stored.PrunedStore, "_remove"), (Path, "unlink")):
    die_after(module, name)
prune.remove(shop.place(), prune.look(shop.place(), EXPIRING, NOW), EXPIRING, NOW)
"""


@pytest.mark.chaos("prune-killed")
def test_killed_anywhere_it_leaves_what_is_kept_whole_and_another_finishes(shop: NightShop) -> None:
    after, killed = 0, 0
    while True:
        done = subprocess.run(
            [sys.executable, "-c", KILLED, str(shop.folder), str(after)],
            env={**os.environ, "PYTHONPATH": "tests/registry"},
            check=False,
            capture_output=True,
            text=True,
        )
        for name in ("two", "three", "six"):
            models = [shop.whole(store, shop.outs(name)["models/m"]) for store in shop.place().stores]
            assert models == [True, True], (name, after)
        for store in shop.place().stores:
            objects = store.objects()
            assert all(store.files(md5) <= objects.keys() for md5 in objects if md5.endswith(".dir")), after
        if done.returncode == 0:
            break
        assert done.returncode == -signal.SIGKILL, done.stderr
        killed += 1
        # Each one comes a little further than the one before.
        after += 7
    assert killed > 3
    assert look(shop.place(), EXPIRING, NOW).is_empty
    assert {one["path"] for one in shop.expired()} >= {"data/raw"}


def _command(shop: NightShop, monkeypatch: pytest.MonkeyPatch, *options: str) -> None:
    (shop.project / "params.yaml").write_text("retention: {releases: 1, grace_days: 7, retention_days: 30}\n")
    monkeypatch.chdir(shop.project)
    cli.main(["prune", "--registry", shop.url, *options])


def test_the_command_shows_first_and_removes_when_told_to(
    shop: NightShop, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stores = ("--cache", str(shop.cache), "--store", shop.remote.url)
    before = shop.refs()
    _command(shop, monkeypatch, *stores)
    said = capsys.readouterr().out
    assert f"{shop.url}: 3 branches of runs: run/five, run/four, run/one" in said
    assert re.search(rf"{shop.cache}: \d+ objects of 0\.0 MB, \d+ results of the run-cache", said)
    assert "outputs expire by retention_days 30: data/raw of " in said
    assert said.endswith("Nothing was removed: `q2pt prune --yes` removes it.\n")
    assert shop.refs() == before
    _command(shop, monkeypatch, *stores, "--yes")
    assert capsys.readouterr().out.endswith("Removed.\n")
    _command(shop, monkeypatch, *stores, "--yes")
    assert capsys.readouterr().out == "Nothing to remove.\n"
    assert [shop.whole(store, shop.outs("three")["models/m"]) for store in shop.place().stores] == [True, True]


def test_by_default_the_command_looks_at_the_checkouts_own_stores(
    made: NightShop, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _command(made, monkeypatch, "--dry-run")
    said = capsys.readouterr().out
    assert f"\n{made.cache}: " in said
    assert f"\n{made.remote.url}: " in said
