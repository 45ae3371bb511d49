"""The lock of a whole night, with real git and real DVC: reproducible, complete or not, and never of mixed data."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from night_repository import RENDERED, Shop

from q2pt_tasks.git import GitError, run_git
from q2pt_tasks.orchestration.join import join, run
from q2pt_tasks.orchestration.lock import LockMismatchError
from q2pt_tasks.orchestration.settings import Settings
from q2pt_tasks.orchestration.store import MissingObjectError


def _dvc(clone: Path, *arguments: str) -> str:
    command = [sys.executable, "-m", "dvc", *arguments]
    done = subprocess.run(command, cwd=clone, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _clean_clone(settings: Settings, commit: str, folder: Path) -> Path:
    """What anyone gets with nothing but git and the cache."""
    run_git(folder.parent, "clone", "--quiet", settings.git_remote, str(folder))
    run_git(folder, "checkout", "--quiet", "--detach", commit)
    (folder / ".dvc/config.local").write_text(f"[cache]\n    dir = {settings.dvc_cache}\n")
    return folder


def _object(settings: Settings, md5: str) -> Path:
    return settings.dvc_cache / "files/md5" / md5[:2] / md5[2:]


def _without(shop: Shop, *addresses: str) -> dict[str, Any]:
    return {address: entry for address, entry in shop.entries.items() if address not in addresses}


def test_a_complete_night_moves_its_branch_and_latest(judged_shop: Shop) -> None:
    plan, joined = judged_shop.plan, judged_shop.joined
    assert (joined.complete, joined.missing) == (True, ())
    assert judged_shop.tip(plan.branch) == judged_shop.tip("latest") == joined.commit
    assert run_git(judged_shop.remote, "rev-parse", f"{joined.commit}^") == plan.commit
    assert judged_shop.tip("production") is None


@pytest.mark.slow
def test_in_a_clean_clone_of_a_night_there_is_nothing_to_do(judged_shop: Shop, tmp_path: Path) -> None:
    clone = _clean_clone(judged_shop.settings, judged_shop.joined.commit, tmp_path / "clean")
    assert "nothing to do" not in _dvc(clone, "checkout")
    assert _dvc(clone, "status") == "Data and pipelines are up to date.\n"
    assert _dvc(clone, "repro").endswith("Data and pipelines are up to date.\n")
    assert run_git(clone, "status", "--porcelain") == ""


@pytest.mark.slow
def test_a_clean_clone_without_data_pulls_and_has_nothing_to_do(judged_shop: Shop, tmp_path: Path) -> None:
    clone = _clean_clone(judged_shop.settings, judged_shop.joined.commit, tmp_path / "clean")
    assert "Running stage" not in _dvc(clone, "repro", "--pull")
    assert _dvc(clone, "status") == "Data and pipelines are up to date.\n"


def test_a_failed_stage_leaves_what_there_is_and_latest_where_it_was(judged_shop: Shop) -> None:
    latest = judged_shop.joined.commit
    plan = judged_shop.configure("second")
    failed = ["train_non_unified@fr-BE", "evaluate", "gate"]
    joined = join(judged_shop.settings, plan, _without(judged_shop, *failed))
    assert (joined.complete, joined.missing) == (False, tuple(failed))
    assert judged_shop.tip("latest") == latest
    assert judged_shop.tip(plan.branch) == joined.commit
    lock = judged_shop.show(joined.commit, "dvc.lock")
    assert "train_non_unified@en-US" in lock
    assert not [address for address in failed if address in lock], "the seeded entries of an earlier run must go"
    assert "without train_non_unified@fr-BE, evaluate, gate" in run_git(
        judged_shop.remote, "log", "-1", "--format=%B", joined.commit
    )


def test_entries_after_a_stage_that_has_none_are_of_an_earlier_try_and_do_not_count(judged_shop: Shop) -> None:
    # As after clearing a training that fails now: the stages after it did not start, and kept what they had said.
    joined = join(judged_shop.settings, judged_shop.plan, _without(judged_shop, "train_non_unified@fr-BE"))
    assert (joined.complete, joined.missing) == (False, ("train_non_unified@fr-BE", "evaluate", "gate"))


@pytest.mark.parametrize("change", ["code", "params"])
def test_entries_of_another_commit_are_refused_and_nothing_moves(judged_shop: Shop, change: str) -> None:
    entries = judged_shop.entries
    if change == "code":
        judged_shop.commit(name="mended\n")
    else:
        judged_shop.commit_params({"train_unified.min_train_rows": 21})
    plan = judged_shop.configure("second")
    before = judged_shop.refs()
    with pytest.raises(LockMismatchError, match=r"train_unified@unified_aware.* were made from another commit"):
        join(judged_shop.settings, plan, entries)
    assert judged_shop.refs() == before


def test_a_night_without_any_entry_is_joined_too(new_shop: Shop) -> None:
    plan = new_shop.configure()
    joined = join(new_shop.settings, plan, {})
    assert joined.missing == RENDERED
    assert new_shop.tip("latest") is None


@pytest.mark.parametrize("side", ["deps", "outs"])
def test_entries_that_do_not_fit_together_are_refused_and_nothing_moves(judged_shop: Shop, side: str) -> None:
    before = judged_shop.refs()
    entries = json.loads(json.dumps(judged_shop.entries))
    stage = "evaluate" if side == "deps" else "train_unified@unified_aware"
    other = judged_shop.entries["train_unified@unified_agnostic"]["outs"][0]["md5"]
    for item in entries[stage][side]:
        if item["path"].startswith("models"):
            item["md5"] = other
    with pytest.raises(LockMismatchError, match="evaluate read models as"):
        join(judged_shop.settings, judged_shop.plan, entries)
    assert judged_shop.refs() == before


def test_an_entry_of_a_stage_that_the_run_has_not_is_refused(judged_shop: Shop) -> None:
    entries = {**judged_shop.entries, "train_non_unified@de-DE": judged_shop.entries["gate"]}
    with pytest.raises(LockMismatchError, match="train_non_unified@de-DE"):
        join(judged_shop.settings, judged_shop.plan, entries)


@pytest.mark.chaos("cache-lost")
@pytest.mark.parametrize("whole", [True, False])
def test_a_night_whose_data_is_lost_is_not_recorded(judged_shop: Shop, whole: bool) -> None:
    before = judged_shop.refs()
    (model,) = judged_shop.entries["train_unified@unified_aware"]["outs"]
    lost = _object(judged_shop.settings, model["md5"])
    if not whole:
        lost = _object(judged_shop.settings, json.loads(lost.read_text())[0]["md5"])
    lost.unlink()
    with pytest.raises(MissingObjectError):
        join(judged_shop.settings, judged_shop.plan, judged_shop.entries)
    assert judged_shop.refs() == before


def test_data_that_only_this_host_has_is_brought_to_the_remote(judged_shop: Shop, tmp_path: Path) -> None:
    settings = replace(judged_shop.settings, dvc_remote=str(tmp_path / "remote"))
    joined = join(settings, judged_shop.plan, judged_shop.entries)
    assert joined.complete
    here, there = (
        {str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file()}
        for folder in (settings.dvc_cache / "files", tmp_path / "remote/files")
    )
    assert here == there


def test_data_that_neither_this_host_nor_the_remote_has_is_missed(judged_shop: Shop, tmp_path: Path) -> None:
    settings = replace(judged_shop.settings, dvc_remote=str(tmp_path / "remote"))
    (decision,) = judged_shop.entries["gate"]["outs"]
    _object(settings, decision["md5"]).unlink()
    before = judged_shop.refs()
    with pytest.raises(MissingObjectError, match=r"reports/decision\.json"):
        join(settings, judged_shop.plan, judged_shop.entries)
    assert judged_shop.refs() == before


def test_a_second_try_makes_no_second_commit(judged_shop: Shop) -> None:
    first = judged_shop.joined
    joined = join(judged_shop.settings, judged_shop.plan, judged_shop.entries)
    assert joined == first
    assert judged_shop.tip("latest") == judged_shop.tip(judged_shop.plan.branch) == joined.commit


def test_a_try_after_more_stages_makes_another_commit(judged_shop: Shop) -> None:
    partial = join(judged_shop.settings, judged_shop.plan, _without(judged_shop, "gate"))
    whole = join(judged_shop.settings, judged_shop.plan, judged_shop.entries)
    assert (partial.complete, whole.complete) == (False, True)
    assert judged_shop.tip("latest") == judged_shop.tip(judged_shop.plan.branch) == whole.commit


@pytest.mark.chaos("git-remote-refuses")
def test_a_remote_that_refuses_moves_neither_branch(judged_shop: Shop) -> None:
    judged_shop.refuse_pushes()
    before = judged_shop.refs()
    with pytest.raises(GitError, match="git push failed"):
        join(judged_shop.settings, judged_shop.plan, _without(judged_shop, "gate"))
    assert judged_shop.refs() == before


def test_the_child_process_speaks_json(judged_shop: Shop) -> None:
    request = {"plan": judged_shop.plan.to_json(), "entries": judged_shop.entries}
    answer = run(judged_shop.settings, json.loads(json.dumps(request)))
    assert json.loads(json.dumps(answer)) == {"commit": judged_shop.tip("latest"), "complete": True, "missing": []}
