"""The DVC remote is down, slow, or answers with errors while a stage of a worker needs it."""

import math
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from failing_server import FailingServer, failing_server
from s3_service import CREDENTIALS, s3_service
from small_disk import fill, small_disk
from stage_repository import PIPELINE, Child, Worker, another_worker, make_worker, run_child

pytestmark = [pytest.mark.slow, pytest.mark.enable_socket]


@pytest.fixture
def remote(monkeypatch: pytest.MonkeyPatch) -> Iterator[FailingServer]:
    """An S3 service with an empty bucket, and what a test breaks before it."""
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    with s3_service() as url, failing_server(url) as server:
        boto3.resource("s3", endpoint_url=url).Bucket("night").create()
        yield server


@pytest.fixture
def worker(remote: FailingServer, tmp_path: Path) -> Worker:
    """A worker that has run the first stage."""
    made = make_worker(tmp_path / "first")
    worker = another_worker(made, tmp_path / "first", dvc_remote="s3://night/store", dvc_remote_endpoint=remote.url)
    assert _result(worker, run(worker, "ingest"))["state"] == "ran"
    return worker


@pytest.fixture
def other(worker: Worker, tmp_path: Path) -> Worker:
    """Another host, whose cache is empty."""
    settings = worker.settings
    return another_worker(
        worker, tmp_path / "second", dvc_remote=settings.dvc_remote, dvc_remote_endpoint=settings.dvc_remote_endpoint
    )


def run(worker: Worker, address: str) -> Child:
    return run_child(worker, worker.request(address))


def _result(worker: Worker, child: Child) -> dict[str, Any]:
    assert child.exit_code == 0, child.output
    assert child.result is not None
    worker.entries[child.result["address"]] = child.result["entry"]
    return child.result


def _sentence(child: Child) -> str:
    assert child.exit_code == 1, child.output
    assert child.result is not None, child.output
    return str(child.result["error"])


@pytest.mark.chaos("dvc-remote-500")
def test_a_remote_that_fails_now_and_then_is_asked_again(other: Worker, remote: FailingServer) -> None:
    remote.failures = 3
    assert _result(other, run(other, "label"))["state"] == "ran"
    assert remote.failures <= 0, "it has failed three times"


@pytest.mark.chaos("dvc-remote-500")
def test_a_remote_that_answers_500_stops_the_stage_with_a_sentence_and_the_next_try_succeeds(
    other: Worker, remote: FailingServer
) -> None:
    remote.failures = math.inf
    sentence = _sentence(run(other, "label"))
    assert sentence.startswith("RemoteError: the DVC remote night/store")
    assert "Nothing is lost: when it answers again, clear this task" in sentence
    remote.failures = 0
    assert _result(other, run(other, "label"))["state"] == "ran"


@pytest.mark.chaos("dvc-remote-500")
def test_a_remote_that_fails_when_results_are_pushed_costs_no_second_run(worker: Worker, remote: FailingServer) -> None:
    once = worker.settings.work_dir.parent / "ran"
    breaks = PIPELINE.replace("cat data/raw/all.txt data", f"echo ran >> {once} && cat data/raw/all.txt data")
    worker.change(pipeline=breaks)
    # What comes before the push are questions, and few.
    asked = remote.asked
    remote.failures = 0
    child = _break_when(worker, remote, once)
    assert "RemoteError" in _sentence(child)
    assert remote.asked > asked
    assert _result(worker, run(worker, "label"))["state"] == "restored"
    assert once.read_text() == "ran\n"


def _break_when(worker: Worker, remote: FailingServer, file: Path) -> Child:
    """Runs `label` with a remote that fails from the moment on when its command has run."""

    def watch() -> None:
        while not file.exists():
            time.sleep(0.01)
        remote.failures = math.inf

    watching = threading.Thread(target=watch)
    watching.start()
    child = run(worker, "label")
    watching.join()
    remote.failures = 0
    return child


@pytest.mark.chaos("dvc-remote-slow")
def test_a_slow_remote_makes_a_stage_slow_and_nothing_else(
    worker: Worker, other: Worker, remote: FailingServer
) -> None:
    remote.delay, asked = 0.5, remote.asked
    started = time.monotonic()
    slow = _result(other, run(other, "label"))
    assert slow["state"] == "ran"
    waited = remote.delay * (remote.asked - asked)
    # A little of it side by side.
    assert time.monotonic() - started > waited / 4 > 1
    remote.delay = 0.0
    again = _result(worker, run(worker, "label"))
    assert (again["state"], again["entry"]) == ("restored", slow["entry"])


@pytest.mark.chaos("dvc-remote-down")
def test_a_remote_that_is_down_stops_the_stage_with_its_address(worker: Worker, tmp_path: Path) -> None:
    nobody = another_worker(
        worker, tmp_path / "third", dvc_remote="s3://night/store", dvc_remote_endpoint="http://127.0.0.1:9"
    )
    sentence = _sentence(run(nobody, "label"))
    assert sentence.startswith("RemoteError: the DVC remote night/store")
    assert "http://127.0.0.1:9" in sentence
    assert "clear this task" in sentence


@pytest.mark.chaos("disk-full-cache")
def test_a_worker_whose_disk_is_full_says_so_and_runs_when_there_is_room(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", megabytes=24) as disk:
        made = make_worker(tmp_path)
        worker = another_worker(made, tmp_path / "host", dvc_cache=disk / "cache")
        worker.run("ingest")
        filler = fill(disk, left=0)
        sentence = _sentence(run(worker, "label"))
        assert sentence.startswith("the disk is full (")
        assert "make room where Q2PT_WORK_DIR and Q2PT_DVC_CACHE lie" in sentence
        filler.unlink()
        assert _result(worker, run(worker, "label"))["state"] == "ran"
