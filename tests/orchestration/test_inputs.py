"""Hashes of dependencies, computed without data, are those that DVC finds with data."""

from collections.abc import Iterator, Mapping
from contextlib import chdir
from pathlib import Path
from typing import Any

import pytest
from dvc.repo import Repo
from stage_repository import Worker, make_worker

from q2pt_tasks.orchestration.clone import private_clone
from q2pt_tasks.orchestration.inputs import Input, MissingInputError, inputs_of
from q2pt_tasks.orchestration.lock import Entry, directory_md5, write_lock
from q2pt_tasks.orchestration.reproduce import find_stage
from q2pt_tasks.orchestration.store import SharedCache


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Worker:
    worker = make_worker(tmp_path_factory.mktemp("finished"))
    worker.run_all()
    return worker


@pytest.fixture
def repo(finished: Worker) -> Iterator[Repo]:
    with private_clone(finished.settings, finished.commit) as clone, chdir(clone):
        write_lock(Path("dvc.lock"), finished.entries)
        with Repo() as repo:
            yield repo


def _inputs(repo: Repo, worker: Worker, address: str, upstream: Mapping[str, Entry]) -> tuple[Input, ...]:
    return inputs_of(find_stage(repo, address), upstream, SharedCache(worker.settings.dvc_cache))


@pytest.mark.parametrize("address", ["ingest", "label", "train@small", "judge"])
def test_every_kind_of_dependency_has_the_hash_that_dvc_recorded(repo: Repo, finished: Worker, address: str) -> None:
    found = {item.path: item.md5 for item in _inputs(repo, finished, address, finished.entries)}
    assert found == {dep["path"]: dep["md5"] for dep in finished.entries[address]["deps"]}


def test_targets_are_the_path_itself_or_the_outputs_below_it(repo: Repo, finished: Worker) -> None:
    label = {item.path: item.targets for item in _inputs(repo, finished, "label", finished.entries)}
    assert label == {
        "data/raw/all.txt": ("data/raw/all.txt",),
        "data/raw/days": ("data/raw/days",),
        "label.py": (),
    }
    (models,) = _inputs(repo, finished, "judge", finished.entries)
    assert sorted(models.targets) == ["models/large", "models/small"]
    assert sorted(models.made) == ["models/large/w", "models/small/w"]


def test_a_committed_file_in_a_folder_that_stages_write_into_counts(repo: Repo, finished: Worker) -> None:
    (before,) = _inputs(repo, finished, "judge", finished.entries)
    Path("models").mkdir()
    Path("models/README").write_text("about models\n")
    (after,) = _inputs(repo, finished, "judge", finished.entries)
    assert before.md5 != after.md5
    repo.checkout(targets=list(after.targets), force=True)
    (dep,) = find_stage(repo, "judge").deps
    assert after.md5 == dep.get_hash().value, "as DVC has it"


def test_a_dependency_that_nobody_makes_is_named(repo: Repo, finished: Worker) -> None:
    with pytest.raises(MissingInputError, match="judge depends on models, which is neither"):
        _inputs(repo, finished, "judge", {"label": finished.entries["label"]})


def test_a_file_that_an_output_does_not_have_is_named(repo: Repo, finished: Worker) -> None:
    (other,) = finished.entries["label"]["outs"]
    entry: dict[str, Any] = {"cmd": "other", "outs": [{**other, "path": "data/raw"}]}
    with pytest.raises(MissingInputError, match=r"label depends on data/raw/all\.txt"):
        _inputs(repo, finished, "label", {"ingest": entry})


def test_the_hash_of_a_directory_does_not_depend_on_the_order() -> None:
    one, two = {"b": "1" * 32, "a/c": "2" * 32}, {"a/c": "2" * 32, "b": "1" * 32}
    assert directory_md5(one) == directory_md5(two)
    assert directory_md5(one).endswith(".dir")
