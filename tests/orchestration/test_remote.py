"""Workers that share no folder exchange data through a DVC remote: a directory here, S3 in test_remote_s3.py."""

import json
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from pathlib import Path

import pytest
from dvc.repo import Repo
from ruamel.yaml import YAML
from stage_repository import ORDER, TRAININGS, Worker, another_worker, copy_worker, make_worker

from q2pt_tasks.orchestration.clone import private_clone
from q2pt_tasks.orchestration.remote import open_store
from q2pt_tasks.orchestration.store import DamagedCacheError, MissingObjectError, SharedCache, hash_file


@pytest.fixture(scope="module")
def pattern(tmp_path_factory: pytest.TempPathFactory) -> Worker:
    """A worker with a remote that has run what comes before the trainings; tests change copies of it."""
    folder = tmp_path_factory.mktemp("pattern")
    worker = another_worker(make_worker(folder), folder, dvc_remote=str(folder / "remote"))
    for address in ("ingest", "label"):
        assert worker.run(address).state == "ran"
    return worker


@pytest.fixture
def first(pattern: Worker, tmp_path: Path) -> Worker:
    """The same with a git remote, a cache and a remote of its own."""
    return copy_worker(pattern, tmp_path / "first")


@pytest.fixture
def second(first: Worker, tmp_path: Path) -> Worker:
    """A worker on another host: an empty cache, the same remote."""
    return another_worker(first, tmp_path / "second", dvc_remote=first.settings.dvc_remote)


@contextmanager
def _store(worker: Worker) -> Iterator[SharedCache]:
    with private_clone(worker.settings, worker.commit) as clone, chdir(clone), Repo() as repo:
        yield open_store(worker.settings, repo)


def _files(folder: Path) -> set[str]:
    paths = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return {str(path) for path in paths if path.parts[0] in ("files", "runs")}


def _remote(worker: Worker) -> Path:
    return Path(str(worker.settings.dvc_remote))


def _objects(worker: Worker, address: str) -> set[str]:
    """The objects of a stage's outputs, as paths in its cache."""
    cache = SharedCache(worker.settings.dvc_cache)
    hashes = cache.objects(worker.entries[address]["outs"]).values()
    return {str(cache.path(md5).relative_to(cache.folder)) for md5 in hashes}


def _object(worker: Worker, address: str) -> str:
    """One file of the stage's output, as a path in a cache or a remote."""
    return next(path for path in sorted(_objects(worker, address)) if not path.endswith(".dir"))


def test_inputs_come_from_the_remote_and_only_the_stages_own_data_goes_there(first: Worker, second: Worker) -> None:
    before = _files(_remote(first))
    assert second.run("train@small").state == "ran"
    inputs, own = _objects(first, "label"), _objects(second, "train@small")
    assert {path for path in _files(second.settings.dvc_cache) if path.startswith("files")} == inputs | own
    pushed = _files(_remote(first)) - before
    assert {path for path in pushed if path.startswith("files")} == own - before
    (result,) = (path for path in pushed if path.startswith("runs"))
    assert result in _files(second.settings.dvc_cache)


def test_what_another_worker_ran_is_restored(first: Worker, second: Worker, tmp_path: Path) -> None:
    second.run("train@small")
    third = another_worker(first, tmp_path / "third", dvc_remote=first.settings.dvc_remote)
    assert third.run("train@small").state == "restored"
    assert third.entries["train@small"] == second.entries["train@small"]


def test_what_only_an_earlier_try_of_another_run_left_is_not_restored_without_its_data(
    first: Worker, second: Worker, tmp_path: Path
) -> None:
    second.run("train@small")
    (_remote(first) / _object(second, "train@small")).unlink()
    third = another_worker(first, tmp_path / "third", dvc_remote=first.settings.dvc_remote)
    assert third.run("train@small").state == "ran"
    assert _objects(third, "train@small") <= _files(_remote(first)), "it is whole again"


def test_an_unchanged_stage_moves_nothing(first: Worker, second: Worker, tmp_path: Path) -> None:
    for address in (*TRAININGS, "judge"):
        second.run(address)
    before = _files(_remote(first))
    third = another_worker(second, tmp_path / "third", dvc_remote=first.settings.dvc_remote)
    assert third.run_all() == dict.fromkeys(ORDER, "unchanged")
    assert _files(_remote(first)) == before
    assert all(path.endswith(".dir") for path in _files(third.settings.dvc_cache)), "manifests alone"


def test_an_output_that_only_this_host_has_is_pushed_again(first: Worker) -> None:
    for path in _objects(first, "label"):
        (_remote(first) / path).unlink()
    assert first.run("label", last=first.entries["label"]).state == "restored"
    assert _objects(first, "label") <= _files(_remote(first))


@pytest.mark.chaos("cache-lost")
def test_an_input_that_nobody_has_is_named(first: Worker, second: Worker) -> None:
    (_remote(first) / _object(first, "label")).unlink()
    with pytest.raises(MissingObjectError, match=r"data/labeled/labels\.txt with the hash .* nor in the remote"):
        second.run("train@small")


@pytest.mark.chaos("cache-damaged")
def test_a_damaged_object_of_the_remote_is_refused_by_name_and_stays_there(first: Worker, second: Worker) -> None:
    damaged = _remote(first) / _object(first, "label")
    damaged.chmod(0o644)
    damaged.write_text("damaged\n")
    with pytest.raises(DamagedCacheError) as refusal:
        second.run("train@small")
    md5 = damaged.parent.name + damaged.name
    found = f"data/labeled/labels.txt has the hash {hash_file(damaged)} and should have {md5}"
    assert found in str(refusal.value)
    assert str(damaged) in str(refusal.value)
    assert not (second.settings.dvc_cache / _object(first, "label")).exists(), "nothing damaged is kept"
    assert damaged.exists()


def _change_result(worker: Worker, address: str, **changed: str) -> None:
    """What somebody who may write to the remote makes of an earlier result's only output."""
    (path,) = (out["path"] for out in worker.entries[address]["outs"])
    results = [file for file in (_remote(worker) / "runs").rglob("*") if file.is_file()]
    (result,) = (file for file in results if f"path: {path}" in file.read_text().partition("outs:")[2])
    document = YAML(typ="safe").load(result.read_text())
    document["outs"][0] |= changed
    result.chmod(0o644)
    # JSON is YAML.
    result.write_text(json.dumps(document))


@pytest.mark.parametrize("path", ["label.py", "dvc.yaml", ".git/config", "../stolen", "/stolen"])
def test_an_earlier_result_cannot_put_files_elsewhere(first: Worker, second: Worker, path: str) -> None:
    """DVC would check out whatever the result names, the code that runs next too."""
    _change_result(first, "label", path=path)
    assert second.run("label").state == "ran"
    assert second.entries["label"] == first.entries["label"]
    assert not any(list(second.settings.work_dir.rglob("stolen")))


def test_an_earlier_result_whose_hash_is_a_path_leads_nowhere(first: Worker, second: Worker) -> None:
    victim, planted = (_home(worker) / "victim" for worker in (second, first))
    victim.parent.mkdir(parents=True, exist_ok=True)
    victim.write_text("of this host")
    planted.write_text("of somebody")
    _change_result(first, "label", md5="..../../victim")
    assert second.run("label").state == "ran"
    assert victim.read_text() == "of this host"


@pytest.mark.parametrize(
    "text", ["", "null", "outs: 7", "outs: [a]", "outs: [{path: data/labeled}]", "{", "\x00", "outs: " + "[" * 10_000]
)
def test_an_earlier_result_that_is_none_is_dropped(first: Worker, second: Worker, text: str) -> None:
    for result in (_remote(first) / "runs").rglob("*"):
        if result.is_file():
            result.chmod(0o644)
            result.write_text(text)
    assert second.run("label").state == "ran"
    assert second.entries["label"] == first.entries["label"]


def _home(worker: Worker) -> Path:
    return worker.settings.dvc_cache.parent


def test_what_is_missing_in_the_remote_is_named_file_by_file(first: Worker, second: Worker) -> None:
    outs = [*first.entries["ingest"]["outs"], *first.entries["label"]["outs"]]
    with _store(second) as store:
        assert store.missing(outs) == []
    (_remote(first) / _object(first, "label")).unlink()
    with _store(second) as store:
        assert not store.holds(outs)
        assert store.missing(outs) == ["data/labeled/labels.txt"]


def test_a_push_after_which_something_is_missing_fails(first: Worker, second: Worker) -> None:
    (_remote(first) / _object(first, "label")).unlink()
    with _store(second) as store, pytest.raises(MissingObjectError, match=r"^data/labeled/labels\.txt: not in the rem"):
        store.publish(first.entries["label"]["outs"], None)
    with _store(first) as store:
        store.publish(first.entries["label"]["outs"], None)
        assert store.missing(first.entries["label"]["outs"]) == []
