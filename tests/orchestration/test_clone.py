"""A task's clone is its own: removed after success, kept after an error, swept after a death, never while it lives."""

import os
import signal
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from dvc.config import Config
from stage_repository import Worker, make_worker

from q2pt_tasks.git import GitError
from q2pt_tasks.orchestration.clone import private_clone, sweep

# Another process that sits in a clone and says so.
SITTER = """
import sys, time
sys.path.insert(0, {tests!r})
from pathlib import Path
from stage_repository import make_settings
from q2pt_tasks.orchestration.clone import private_clone
with private_clone(make_settings(Path({folder!r}), {remote!r}), {commit!r}) as clone:
    print(clone, flush=True)
    time.sleep(600)
"""


@pytest.fixture
def worker(tmp_path: Path) -> Worker:
    return make_worker(tmp_path)


def _clones(worker: Worker) -> list[Path]:
    return [path for path in (worker.settings.work_dir / "clones").iterdir() if path.is_dir()]


def _sitter(worker: Worker) -> tuple[subprocess.Popen[str], Path]:
    folder, remote = str(worker.settings.work_dir.parent), worker.settings.git_remote
    code = SITTER.format(tests=str(Path(__file__).parents[1]), folder=folder, remote=remote, commit=worker.commit)
    sitter = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert sitter.stdout is not None
    return sitter, Path(sitter.stdout.readline().strip())


def _fail(worker: Worker) -> Path:
    with pytest.raises(ZeroDivisionError), private_clone(worker.settings, worker.commit):
        raise ZeroDivisionError("broken")
    (failed,) = _clones(worker)
    return failed


def test_a_clone_holds_the_commit_and_is_removed(worker: Worker) -> None:
    with private_clone(worker.settings, worker.commit) as clone:
        assert (clone / "source.txt").read_text() == "a b c\n"
        assert clone.is_relative_to(worker.settings.work_dir / "clones")
    assert _clones(worker) == []


def test_two_clones_at_once_share_nothing_but_the_cache(worker: Worker) -> None:
    with private_clone(worker.settings, worker.commit) as one, private_clone(worker.settings, worker.commit) as two:
        (one / "source.txt").write_text("changed\n")
        assert (two / "source.txt").read_text() == "a b c\n"
        configs = [Config(str(clone / ".dvc")) for clone in (one, two)]
        assert {config["cache"]["dir"] for config in configs} == {str(worker.settings.dvc_cache)}
        assert len({config["core"]["site_cache_dir"] for config in configs}) == 2


def test_temporary_files_lie_beside_the_clone_and_go_before_it(
    worker: Worker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    before = tempfile.gettempdir()
    say = [sys.executable, "-c", "import tempfile; print(tempfile.mkdtemp())"]
    with private_clone(worker.settings, worker.commit) as clone:
        theirs = Path(subprocess.run(say, check=True, capture_output=True, text=True).stdout.strip())
        own = Path(tempfile.mkdtemp())
        assert own.parent == theirs.parent
        assert own.is_relative_to(clone.parent)
        assert not own.is_relative_to(clone)
    assert not own.exists()
    assert (os.environ["TMPDIR"], tempfile.gettempdir()) == (str(tmp_path), before)
    assert sorted(path.name for path in _fail(worker).iterdir()) == ["alive", "checkout", "why.txt"]


def test_dvc_reads_the_settings_as_they_are(worker: Worker, tmp_path: Path) -> None:
    settings = replace(
        worker.settings,
        dvc_cache=tmp_path / 'cache, "shared" # one',
        dvc_remote="s3://bucket/a, b",
        dvc_remote_endpoint="http://store:9000",
    )
    with private_clone(settings, worker.commit) as clone:
        config = Config(str(clone / ".dvc"))
    assert config["cache"]["dir"] == str(settings.dvc_cache)
    assert config["cache"]["type"] == ["reflink", "copy"]
    assert config["core"]["remote"] == "store"
    store = config["remote"]["store"]
    assert (store["url"], store["endpointurl"], store["verify"]) == ("s3://bucket/a, b", "http://store:9000", True)


def test_without_a_remote_there_is_none(worker: Worker) -> None:
    with private_clone(worker.settings, worker.commit) as clone:
        assert Config(str(clone / ".dvc"))["remote"] == {}


def test_a_clone_that_ends_during_a_sweep_is_left_to_its_own_process(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    clones = worker.settings.work_dir / "clones"
    monkeypatch.setattr(Path, "iterdir", lambda folder: iter([folder / "gone"]))
    assert sweep(worker.settings) == []
    assert not (clones / "gone").exists()


def test_a_failed_clone_is_kept_with_a_note_for_the_set_hours(worker: Worker) -> None:
    failed = _fail(worker)
    assert failed.name.startswith("failed-")
    assert (failed / "why.txt").read_text() == f"Commit {worker.commit}: ZeroDivisionError: broken\n"
    assert (failed / "checkout/source.txt").exists()
    assert sweep(worker.settings) == []
    hours = worker.settings.keep_failed_hours * 3600
    os.utime(failed, (failed.stat().st_atime, failed.stat().st_mtime - hours + 60))
    assert sweep(worker.settings) == []
    os.utime(failed, (failed.stat().st_atime, failed.stat().st_mtime - 120))
    assert sweep(worker.settings) == [failed.name]
    assert _clones(worker) == []


def test_a_commit_that_is_not_there_is_an_error(worker: Worker) -> None:
    with pytest.raises(GitError), private_clone(worker.settings, "0" * 40):
        pass


def test_a_clone_of_a_dead_process_is_swept_and_a_live_one_is_not(worker: Worker) -> None:
    sitter, clone = _sitter(worker)
    with private_clone(worker.settings, worker.commit) as own:
        assert sweep(worker.settings) == []
        sitter.send_signal(signal.SIGKILL)
        sitter.wait()
        assert sweep(worker.settings) == [clone.parent.name]
        assert not clone.exists()
        assert (own / "source.txt").exists()


def test_a_clone_that_seems_dead_but_is_of_another_host_is_left_for_the_set_hours(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    sitter, clone = _sitter(worker)
    sitter.kill()
    sitter.wait()
    monkeypatch.setattr("platform.node", lambda: "another-host")
    assert sweep(worker.settings) == []
    os.utime(clone.parent, (0, 0))
    assert sweep(worker.settings) == [clone.parent.name]


def test_a_process_that_died_before_its_clone_was_alive_leaves_nothing(worker: Worker) -> None:
    empty = worker.settings.work_dir / "clones/1-host-x"
    empty.mkdir(parents=True)
    os.utime(empty, (0, 0))
    assert sweep(worker.settings) == [empty.name]
