"""A stage in a private clone: unchanged, restored or run, and refused where its data is not what it should be."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from stage_repository import FILES, ORDER, PIPELINE, TRAININGS, Worker, copy_worker, make_worker

from q2pt_tasks.orchestration.clone import sweep
from q2pt_tasks.orchestration.graph import GraphError
from q2pt_tasks.orchestration.inputs import MissingInputError
from q2pt_tasks.orchestration.lock import write_lock
from q2pt_tasks.orchestration.reproduce import StageFailedError
from q2pt_tasks.orchestration.stage_run import InputChangedError, run, run_stage
from q2pt_tasks.orchestration.store import DamagedCacheError, MissingObjectError, SharedCache
from q2pt_tasks.registry.expired import Gone
from q2pt_tasks.registry.expired_branch import append_expired

ALL_RAN = dict.fromkeys(ORDER, "ran")
ALL_RESTORED = dict.fromkeys(ORDER, "restored")
ALL_UNCHANGED = dict.fromkeys(ORDER, "unchanged")
# Runs `run_stage` in another process, as a task's child does.
CHILD = """
import sys
sys.path.insert(0, {tests!r})
from pathlib import Path
from typing import Any
from stage_repository import Worker, make_settings
settings = make_settings(Path({folder!r}), {remote!r})
print(Worker(settings, {commit!r}, {entries!r}).run({address!r}).state)
"""


@pytest.fixture
def worker(tmp_path: Path) -> Worker:
    return make_worker(tmp_path)


@pytest.fixture(scope="module")
def pattern(tmp_path_factory: pytest.TempPathFactory) -> Worker:
    """A worker that has run everything once; tests change copies of it."""
    worker = make_worker(tmp_path_factory.mktemp("pattern"))
    assert worker.run_all() == ALL_RAN
    return worker


@pytest.fixture
def finished(pattern: Worker, tmp_path: Path) -> Worker:
    """A worker that has run everything once, with a git remote and a cache of its own."""
    return copy_worker(pattern, tmp_path)


def _clones(worker: Worker) -> list[str]:
    return [path.name for path in (worker.settings.work_dir / "clones").iterdir() if path.is_dir()]


def _object(worker: Worker, address: str, name: str = "") -> Path:
    """The cache object of an output of `address`, or of the file `name` in it."""
    cache = SharedCache(worker.settings.dvc_cache)
    (out,) = worker.entries[address]["outs"]
    return cache.path(dict(cache.manifest(out["md5"]))[name] if name else out["md5"])


def _damage(path: Path, mode: int) -> None:
    path.chmod(0o644)
    path.write_text("damaged\n")
    path.chmod(mode)


def _child(worker: Worker, address: str) -> subprocess.Popen[str]:
    code = CHILD.format(
        tests=str(Path(__file__).parents[1]),
        folder=str(worker.settings.work_dir.parent),
        remote=worker.settings.git_remote,
        commit=worker.commit,
        entries=worker.entries,
        address=address,
    )
    return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, start_new_session=True)


def _await(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


def test_the_first_run_runs_the_next_is_unchanged_and_without_entries_all_is_restored(worker: Worker) -> None:
    assert worker.run_all() == ALL_RAN
    entries = dict(worker.entries)
    assert worker.run_all() == ALL_UNCHANGED
    worker.entries.clear()
    assert worker.run_all() == ALL_RESTORED
    assert worker.entries == entries
    assert _clones(worker) == []


@pytest.mark.slow
def test_the_joined_lock_is_one_that_dvc_itself_finds_nothing_to_do_with(finished: Worker, tmp_path: Path) -> None:
    clone = tmp_path / "laptop"
    subprocess.run(["git", "clone", "--quiet", finished.settings.git_remote, str(clone)], check=True)
    dvc = [sys.executable, "-m", "dvc"]
    subprocess.run([*dvc, "cache", "dir", "--local", str(finished.settings.dvc_cache)], cwd=clone, check=True)
    write_lock(clone / "dvc.lock", finished.entries)
    subprocess.run([*dvc, "checkout", "--quiet", *ORDER], cwd=clone, check=True)
    status = subprocess.run([*dvc, "status", *ORDER], cwd=clone, capture_output=True, text=True, check=True)
    assert "up to date" in status.stdout, status.stdout


def test_an_unchanged_stage_touches_no_data(finished: Worker) -> None:
    cache = finished.settings.dvc_cache
    for path in cache.rglob("*"):
        if path.is_file() and "files" in path.parts and path.suffix != ".dir":
            _damage(path, 0o444)
    assert finished.run_all() == ALL_UNCHANGED


def test_what_changed_and_what_depends_on_it_runs(finished: Worker) -> None:
    finished.change(source="another log\n")
    assert finished.run_all() == ALL_RAN
    finished.change(params="variants: [small, large]\nrate: 0.7\n")
    assert finished.run_all() == {**ALL_UNCHANGED, **dict.fromkeys(TRAININGS, "ran")}, "the models came out the same"
    finished.change(source=FILES["source.txt"], params=FILES["params.yaml"])
    assert finished.run_all() == ALL_RESTORED


def test_code_that_changed_runs_its_stage_alone_where_the_result_is_the_same(finished: Worker) -> None:
    finished.change(label="# other code\n")
    assert finished.run_all() == {**ALL_UNCHANGED, "label": "ran"}


def test_a_command_that_changed_runs(finished: Worker) -> None:
    finished.change(pipeline=PIPELINE.replace("xargs cat", "xargs cat | tac"))
    assert finished.run_all() == {**ALL_UNCHANGED, "judge": "ran"}


def test_another_item_of_a_matrix_runs_and_what_depends_on_the_folder_above(finished: Worker) -> None:
    finished.change(params="variants: [large, small, huge]\nrate: 0.5\n")
    assert finished.run_all()["judge"] == "unchanged", "nobody has handed on the new model"
    finished.entries["train@huge"] = run_stage(
        finished.settings, replace(finished.request("train@small"), address="train@huge")
    ).entry
    request = finished.request("judge", last=finished.entries["judge"])
    upstream = {**request.upstream, "train@huge": finished.entries["train@huge"]}
    assert run_stage(finished.settings, replace(request, upstream=upstream)).state == "ran"


def test_a_forced_stage_runs_though_nothing_changed(finished: Worker) -> None:
    assert finished.run("label", last=finished.entries["label"], force=True).state == "ran"


@pytest.mark.chaos("cache-lost")
def test_an_output_that_is_gone_is_made_again(finished: Worker) -> None:
    _object(finished, "label", "labels.txt").unlink()
    assert finished.run("label", last=finished.entries["label"]).state == "ran"
    assert _object(finished, "label", "labels.txt").exists()


@pytest.mark.chaos("cache-damaged")
@pytest.mark.parametrize("mode", [0o444, 0o644])
@pytest.mark.parametrize("name", ["labels.txt", ""])
def test_a_damaged_input_is_refused_by_name_and_stays(finished: Worker, name: str, mode: int) -> None:
    damaged = _object(finished, "label", name)
    hash_in_lock = damaged.parent.name + damaged.name
    _damage(damaged, mode)
    finished.change(params="variants: [small, large]\nrate: 0.7\n")
    with pytest.raises(DamagedCacheError) as refusal:
        finished.run("train@small")
    path = f"data/labeled/{name} " if name else str(damaged)
    assert path in str(refusal.value)
    assert hash_in_lock in str(refusal.value)
    assert str(damaged) in str(refusal.value)
    assert re.search(r"has the hash [0-9a-f]{32} and", str(refusal.value))
    assert damaged.read_text() == "damaged\n"


@pytest.mark.chaos("cache-damaged")
def test_a_damaged_result_is_not_restored(finished: Worker) -> None:
    _damage(_object(finished, "judge"), 0o444)
    with pytest.raises(DamagedCacheError, match=r"verdict\.txt has the hash"):
        finished.run("judge")
    _object(finished, "judge").unlink()
    assert finished.run("judge").state == "ran"


@pytest.mark.chaos("cache-lost")
def test_an_input_that_the_cache_has_lost_is_named(finished: Worker) -> None:
    _object(finished, "label", "labels.txt").unlink()
    with pytest.raises(MissingObjectError, match=r"data/labeled/labels\.txt with the hash"):
        finished.run("train@small")


def test_an_input_that_has_expired_is_said_to_have(finished: Worker) -> None:
    labeled = finished.entries["label"]["outs"][0]["md5"]
    _object(finished, "label", "labels.txt").unlink()
    gone = Gone("2026-11-28", labeled, "data/labeled", "release v1", "retention_days 30")
    append_expired(finished.settings.git_remote, [gone], "1 output expires")
    with pytest.raises(MissingObjectError, match=rf"\({labeled}\) of release v1 expired on 2026-11-28 by retention_"):
        finished.run("train@small")


def test_a_stage_before_it_that_handed_on_nothing_is_noticed(finished: Worker) -> None:
    with pytest.raises(MissingInputError, match=r"label depends on data/raw/all\.txt"):
        run_stage(finished.settings, replace(finished.request("label"), upstream={}))


@pytest.mark.parametrize("address", ["nothing", "label; touch owned", "dvc.yaml:label", "--force", "data/labeled"])
def test_an_address_that_is_none_of_the_graph_is_refused(worker: Worker, address: str) -> None:
    with pytest.raises(GraphError, match="it has fail, ingest, judge, label, train@large, train@small"):
        run_stage(worker.settings, replace(worker.request("ingest"), address=address))


def test_a_failed_stage_shows_its_exit_code_and_its_last_lines_and_leaves_its_clone(worker: Worker) -> None:
    with pytest.raises(StageFailedError) as failure:
        worker.run("fail")
    first, *lines = str(failure.value).splitlines()
    assert first == "stage fail ended with exit code 7; its last lines:"
    assert lines == [*(f"line {number}" for number in range(12, 31)), "no luck"]
    (kept,) = _clones(worker)
    assert kept.startswith("failed-")


def test_of_a_failed_stage_the_pages_that_say_why_are_kept_and_nothing_else(worker: Worker) -> None:
    refused = "mkdir reports && echo why > reports/why.html && echo x > never.txt; for i in"
    pipeline = PIPELINE.replace("for i in", refused).replace("outs: [never.txt]", "outs: [never.txt, reports]")
    worker.change(pipeline=pipeline)
    with pytest.raises(StageFailedError, match="exit code 7") as failure:
        worker.run("fail")
    (page,) = failure.value.pages
    assert page["path"] == "reports"
    cache = SharedCache(worker.settings.dvc_cache)
    assert {name: cache.path(md5).read_text() for name, md5 in cache.files(page).items()} == {
        "reports/why.html": "why\n"
    }
    assert sum(path.is_file() for path in (cache.folder / "files").rglob("*")) == 2


def test_why_a_stage_failed_is_said_though_its_pages_cannot_be_kept(worker: Worker) -> None:
    refused = "mkdir reports && echo why > reports/why.html; for i in"
    pipeline = PIPELINE.replace("for i in", refused).replace("[never.txt]", "[reports]")
    worker.change(pipeline=pipeline)
    # A cache that takes nothing.
    worker.settings.dvc_cache.mkdir(parents=True, exist_ok=True)
    (worker.settings.dvc_cache / "files").write_text("no folder")
    with pytest.raises(StageFailedError, match="exit code 7"):
        worker.run("fail")


def test_a_stage_that_does_not_write_its_output_says_so(worker: Worker) -> None:
    worker.change(pipeline=PIPELINE.replace("exit 7", "exit 0"))
    with pytest.raises(StageFailedError, match=r"stage fail ended well, but output 'never\.txt' does not exist"):
        worker.run("fail")


def test_a_stage_that_a_signal_ended_says_which(worker: Worker) -> None:
    worker.change(pipeline=PIPELINE.replace("exit 7", "kill -SEGV $$"))
    with pytest.raises(StageFailedError, match="stage fail was ended by SIGSEGV"):
        worker.run("fail")


def test_a_stage_that_changes_its_own_input_is_refused(worker: Worker) -> None:
    worker.change(pipeline=PIPELINE.replace("&& cat log", "&& echo more >> source.txt"))
    with pytest.raises(InputChangedError, match=r"stage ingest changed source\.txt while it ran"):
        worker.run("ingest")


def test_only_what_a_stage_depends_on_is_brought_into_its_clone(finished: Worker) -> None:
    show = PIPELINE.replace("deps: [data/raw/all.txt, data/raw/days, label.py]", "deps: [data/raw/days]").replace(
        "cat data/raw/all.txt data/raw/days/1.txt", "find data -type f"
    )
    finished.change(pipeline=show)
    finished.run("label")
    there = _object(finished, "label", "labels.txt").read_text().split()
    assert sorted(there) == ["data/labeled/labels.txt", "data/raw/days/1.txt"]


def test_the_rows_of_tables_are_counted(worker: Worker) -> None:
    code = "import pyarrow as a, pyarrow.parquet as p\np.write_table(a.table({'n': [1, 2, 3]}), 'data/raw/1.parquet')\n"
    worker.change(label=code, pipeline=PIPELINE.replace("&& cat log", f"&& {sys.executable} label.py"))
    assert worker.run("ingest").rows == {"data/raw": 3}
    assert worker.run("label").rows == {}


def test_the_child_process_answers_in_json_and_sweeps_first(finished: Worker) -> None:
    leftover = finished.settings.work_dir / "clones/failed-1"
    leftover.mkdir()
    os.utime(leftover, (0, 0))
    request: dict[str, Any] = {
        "commit": finished.commit,
        "address": "ingest",
        "upstream": {},
        "last": None,
        "force": False,
    }
    answer = run(finished.settings, request)
    assert (answer["address"], answer["state"], answer["entry"]) == ("ingest", "restored", finished.entries["ingest"])
    assert answer["seconds"] > 0
    assert not leftover.exists()


@pytest.mark.chaos("two-runs")
@pytest.mark.slow
def test_the_same_stage_twice_at_once_comes_out_whole(finished: Worker) -> None:
    finished.change(source="x" * 200_000 + "\n")
    finished.run("ingest")
    children = [_child(finished, "label") for _ in range(2)]
    said = [child.communicate()[0] for child in children]
    assert [child.returncode for child in children] == [0, 0], said
    assert {text.split()[-1] for text in said} <= {"ran", "restored"}
    assert finished.run("label").state == "restored"
    assert _object(finished, "label", "labels.txt").read_text() == "x" * 200_000 + "\nmonday\n"
    assert _clones(finished) == []


@pytest.mark.chaos("task-killed")
def test_kill_9_leaves_no_result_and_the_next_try_succeeds(worker: Worker) -> None:
    # Slow on its first try only, half way through its output.
    once = worker.settings.work_dir.parent / "tried"
    half = f"echo half > data/labeled/labels.txt && test -e {once} || (touch {once}; sleep 600) && cat data/raw/all.txt"
    worker.change(pipeline=PIPELINE.replace("cat data/raw/all.txt", half))
    worker.run("ingest")
    child = _child(worker, "label")
    _await(once.exists)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    os.killpg(child.pid, signal.SIGKILL)
    (left,) = _clones(worker)
    assert sweep(worker.settings) == [left]
    assert worker.run("label").state == "ran"
    assert _object(worker, "label", "labels.txt").read_text() == "a b c\nmonday\n"
