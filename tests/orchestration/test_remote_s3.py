"""Two workers that share nothing but an S3 bucket, each a process with a cache of its own."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from s3_service import CREDENTIALS, s3_service
from stage_repository import TRAININGS, Worker, another_worker, make_worker, run_child

from q2pt_tasks.orchestration.run_pages import PageStore

pytestmark = [pytest.mark.slow, pytest.mark.enable_socket]

BUCKET = "night"
PREFIX = "dvc store"


@pytest.fixture
def endpoint() -> Iterator[str]:
    """The URL of an S3 service with an empty bucket."""
    with s3_service() as url:
        yield url


@pytest.fixture
def bucket(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Any:  # noqa: ANN401 - boto3 makes its classes when it runs
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    bucket = boto3.resource("s3", endpoint_url=endpoint).Bucket(BUCKET)
    bucket.create()
    return bucket


@pytest.fixture
def first(bucket: Any, endpoint: str, tmp_path: Path) -> Worker:  # noqa: ANN401
    """A worker that has run what comes before the trainings."""
    worker = another_worker(
        make_worker(tmp_path / "first"),
        tmp_path / "first",
        dvc_remote=f"s3://{bucket.name}/{PREFIX}",
        dvc_remote_endpoint=endpoint,
    )
    for address in ("ingest", "label"):
        assert _run(worker, address) == "ran"
    return worker


def _run(worker: Worker, address: str, *, last: dict[str, Any] | None = None) -> str:
    child = run_child(worker, worker.request(address, last=last))
    assert child.exit_code == 0, child.output
    assert child.result is not None
    worker.entries[address] = child.result["entry"]
    return str(child.result["state"])


def _other_host(worker: Worker, folder: Path) -> Worker:
    remote, endpoint = worker.settings.dvc_remote, worker.settings.dvc_remote_endpoint
    return another_worker(worker, folder, dvc_remote=remote, dvc_remote_endpoint=endpoint)


def _keys(bucket: Any) -> set[str]:  # noqa: ANN401
    keys = [item.key for item in bucket.objects.all()]
    assert all(key.startswith(f"{PREFIX}/") for key in keys)
    return {key.removeprefix(f"{PREFIX}/") for key in keys}


def _cached(worker: Worker) -> set[str]:
    folder = worker.settings.dvc_cache
    paths = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return {str(path) for path in paths if path.parts[0] in ("files", "runs")}


def test_a_night_over_two_hosts_that_share_only_a_bucket(first: Worker, bucket: Any, tmp_path: Path) -> None:  # noqa: ANN401
    before = _keys(bucket)
    ingested = {path for path in _cached(first) if path.startswith("runs")}
    second = _other_host(first, tmp_path / "second")
    assert _run(second, "train@small") == "ran"
    pushed = _keys(bucket) - before
    (result,) = (key for key in pushed if key.startswith("runs"))
    assert result not in ingested
    assert pushed < _cached(second), "its own objects and its own result"
    # Inputs, and nothing of the stage before them.
    fetched = _cached(second) - pushed
    labeled = first.entries["label"]["outs"][0]["md5"]
    assert f"files/md5/{labeled[:2]}/{labeled[2:]}" in fetched
    assert len(fetched) == 2, "a folder of one file"

    assert _run(first, "train@large") == "ran"
    second.entries["train@large"] = first.entries["train@large"]
    assert _run(second, "judge") == "ran"
    third = _other_host(second, tmp_path / "third")
    for address in (*TRAININGS, "judge"):
        assert _run(third, address, last=third.entries[address]) == "unchanged"
        assert _run(third, address) == "restored"
    assert third.entries == second.entries


@pytest.mark.chaos("cache-damaged")
def test_a_damaged_object_is_refused(first: Worker, bucket: Any, tmp_path: Path) -> None:  # noqa: ANN401
    (damaged,) = {key for key in _keys(bucket) if key.endswith(_labels(first))}
    bucket.Object(f"{PREFIX}/{damaged}").put(Body=b"damaged\n")
    second = _other_host(first, tmp_path / "second")
    child = run_child(second, second.request("train@small"))
    assert child.result is not None
    assert child.result["error"].startswith("DamagedCacheError: data/labeled/labels.txt has the hash ")
    assert f"{BUCKET}/{PREFIX}/{damaged} of the remote is damaged" in child.result["error"]


@pytest.mark.chaos("cache-lost")
def test_a_file_that_the_bucket_has_lost_is_made_again(first: Worker, bucket: Any, tmp_path: Path) -> None:  # noqa: ANN401
    (lost,) = {key for key in _keys(bucket) if key.endswith(_labels(first))}
    bucket.Object(f"{PREFIX}/{lost}").delete()
    # Its folder's manifest is still there.
    second = _other_host(first, tmp_path / "second")
    assert _run(second, "label", last=first.entries["label"]) == "ran"
    assert lost in _keys(bucket)


def _labels(worker: Worker) -> str:
    """The end of the key of the file that the stage `label` wrote."""
    (md5,) = (md5 for name, md5 in _manifest(worker, "label"))
    return md5[2:]


def _manifest(worker: Worker, address: str) -> list[tuple[str, str]]:
    from q2pt_tasks.orchestration.store import SharedCache

    return SharedCache(worker.settings.dvc_cache).manifest(worker.entries[address]["outs"][0]["md5"])


def test_a_bucket_that_does_not_exist_stops_the_stage(first: Worker, tmp_path: Path) -> None:
    second = _other_host(first, tmp_path / "second")
    child = run_child(second, second.request("train@small"), Q2PT_DVC_REMOTE="s3://nothing/here")
    assert child.exit_code == 1
    assert "is neither in the DVC cache" in child.output or "NoSuchBucket" in child.output
    assert os.listdir(second.settings.work_dir / "clones") != ["lock"], "the clone is kept"


def test_the_pages_of_a_run_are_read_from_the_bucket_by_a_host_that_has_no_cache(first: Worker, tmp_path: Path) -> None:
    (out,) = first.entries["label"]["outs"]
    store = PageStore(_other_host(first, tmp_path / "api-server").settings)
    assert store.read(out["md5"], "labels.txt") == b"a b c\nmonday\n"
