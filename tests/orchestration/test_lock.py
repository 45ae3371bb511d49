"""Entries of dvc.lock survive writing, and those of two runs do not pass as one: against locks that DVC made."""

import copy
import json
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from q2pt_tasks.orchestration.graph import Graph, compute_graph
from q2pt_tasks.orchestration.lock import (
    Entry,
    LockError,
    LockMismatchError,
    check_consistent,
    read_lock,
    write_lock,
)

# Every way to depend on an output: itself (data/raw, models/one), a file or a folder inside, a folder around it.
PIPELINE = """
stages:
  ingest:
    cmd: mkdir -p data/raw/days/old && cp seed data/raw/window && cp seed data/raw/days/1 && cp seed data/raw/days/old/2
    deps: [seed]
    params: [text, rate, day, tiny, on_low, nothing, many]
    outs: [data/raw]
  label:
    cmd: mkdir -p models && cat data/raw/window data/raw/window > models/one
    deps: [data/raw/window]
    outs: [models/one]
  train:
    matrix: {item: [a, b]}
    cmd: mkdir -p models/own && cp -r data/raw/days models/own/${item.item}
    deps: [data/raw/days]
    outs: ["models/own/${item.item}"]
  evaluate:
    cmd: cat models/one data/raw/window > summary
    deps: [data/raw, models]
    outs: [summary]
  report:
    cmd: cp summary page
    deps: [summary]
    outs: [page]
"""
PARAMS = """
text: "a: b\\nü # no comment"
rate: 2.0e-3
day: "2026-06-30"
tiny: 1.0e-05
on_low: on
nothing: null
many: {"8": ["1e-5", "8", true, 1.0e+20, {}, []]}
"""


@dataclass(frozen=True)
class Project:
    """A repository that DVC has reproduced."""

    folder: Path

    @property
    def graph(self) -> Graph:
        return compute_graph(self.folder)

    @property
    def entries(self) -> dict[str, Entry]:
        return read_lock(self.folder / "dvc.lock")

    def manifest(self, md5: str) -> Iterable[tuple[str, str]]:
        files = json.loads((self.folder / ".dvc/cache/files/md5" / md5[:2] / md5[2:]).read_text())
        return [(file["relpath"], file["md5"]) for file in files]

    def check(self, entries: dict[str, Entry]) -> None:
        check_consistent(self.graph, entries, self.manifest)

    def dvc(self, *arguments: str) -> str:
        command = [sys.executable, "-m", "dvc", *arguments]
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    project = Project(tmp_path_factory.mktemp("project"))
    subprocess.run(["git", "init", "--quiet"], cwd=project.folder, check=True)
    project.dvc("init", "--quiet")
    (project.folder / "dvc.yaml").write_text(PIPELINE)
    (project.folder / "params.yaml").write_text(PARAMS)
    (project.folder / "seed").write_text("1\n")
    # As in the real repository: DVC then writes no file of its own into the folder that is a dependency.
    (project.folder / ".gitignore").write_text("/data/\n/models/\n")
    project.dvc("repro", "--quiet")
    return project


def _item(entry: Entry, kind: str, path: str) -> dict[str, Any]:
    found: dict[str, Any] = next(item for item in entry[kind] if item["path"] == path)
    return found


def test_the_lock_of_a_run_is_consistent(project: Project) -> None:
    project.check(project.entries)


def test_entries_survive_json_and_writing_and_dvc_finds_nothing_changed(project: Project) -> None:
    before, lock = project.entries, project.folder / "dvc.lock"
    write_lock(lock, json.loads(json.dumps(before)))
    assert read_lock(lock) == before
    assert before["ingest"]["params"]["params.yaml"]["many"] == {"8": ["1e-5", "8", True, 1e20, {}, []]}
    assert list(read_lock(lock)) == sorted(before)
    assert "up to date" in project.dvc("status")


@pytest.mark.parametrize(
    ("address", "path", "producers"),
    [
        ("report", "summary", "evaluate"),
        ("evaluate", "data/raw", "ingest"),
        ("label", "data/raw/window", "ingest"),
        ("train@a", "data/raw/days", "ingest"),
        ("evaluate", "models", "label, train@a, train@b"),
    ],
    ids=["the output", "the output folder", "a file inside", "a folder inside", "a folder around"],
)
def test_a_dependency_of_another_run_is_found(project: Project, address: str, path: str, producers: str) -> None:
    entries = copy.deepcopy(project.entries)
    item = _item(entries[address], "deps", path)
    made, item["md5"] = item["md5"], "0" * 32
    with pytest.raises(LockMismatchError) as caught:
        project.check(entries)
    assert str(caught.value).splitlines()[1:] == [f"{address} read {path} as {'0' * 32}; {producers} made {made}"]


def test_an_output_of_another_run_is_found_by_all_that_read_it(project: Project) -> None:
    entries = copy.deepcopy(project.entries)
    _item(entries["label"], "outs", "models/one")["md5"] = "0" * 32
    with pytest.raises(
        LockMismatchError, match=r"evaluate read models as .*\.dir; label, train@a, train@b made .*\.dir"
    ):
        project.check(entries)


def test_a_real_second_run_does_not_mix_with_the_first(project: Project, tmp_path: Path) -> None:
    subprocess.run(["cp", "-r", f"{project.folder}/.", str(tmp_path)], check=True)
    second = Project(tmp_path)
    (tmp_path / "seed").write_text("2\n")
    second.dvc("repro", "--quiet")
    second.check(second.entries)
    mixed = {**second.entries, "train@b": project.entries["train@b"]}
    with pytest.raises(LockMismatchError) as caught:
        second.check(mixed)
    said = str(caught.value).splitlines()[1:]
    assert [line.split(" as ")[0] for line in said] == ["train@b read data/raw/days", "evaluate read models"]


def test_a_path_that_the_producer_did_not_make_is_found(project: Project) -> None:
    entries = copy.deepcopy(project.entries)
    _item(entries["label"], "deps", "data/raw/window")["path"] = "data/raw/gone"
    with pytest.raises(LockMismatchError, match=r"label read data/raw/gone as .*; ingest made nothing there"):
        project.check(entries)


def test_a_stage_without_an_entry_and_an_entry_without_a_stage_are_named(project: Project) -> None:
    entries = project.entries
    entries["train@c"] = entries.pop("report")
    with pytest.raises(LockMismatchError, match=r"(?s)no entry of report.*an entry of train@c"):
        project.check(entries)


def test_a_dropped_dependency_and_a_dropped_output_are_found(project: Project) -> None:
    entries = copy.deepcopy(project.entries)
    entries["label"]["deps"].clear()
    with pytest.raises(LockMismatchError, match=r"label read outputs of none; in the graph it reads those of ingest"):
        project.check(entries)
    entries = copy.deepcopy(project.entries)
    del entries["report"]["outs"]
    with pytest.raises(LockMismatchError, match=r"report made nothing; in the graph it makes page"):
        project.check(entries)


def test_an_output_without_a_hash_is_named(project: Project) -> None:
    entries = copy.deepcopy(project.entries)
    del _item(entries["report"], "outs", "page")["md5"]
    with pytest.raises(LockMismatchError, match="report: page has no md5, only hash, path, size"):
        project.check(entries)


def test_the_part_of_a_run_that_came_to_an_end_is_consistent_by_itself(project: Project) -> None:
    entries = {address: project.entries[address] for address in ("ingest", "label", "train@a")}
    check_consistent(project.graph.part(entries), entries, project.manifest)
    del entries["ingest"]
    with pytest.raises(LockMismatchError, match=r"label read outputs of none; in the graph it reads those of ingest"):
        check_consistent(project.graph.part(entries), entries, project.manifest)


def test_no_lock_has_no_entries(tmp_path: Path) -> None:
    assert read_lock(tmp_path / "dvc.lock") == {}


@pytest.mark.parametrize(
    "text", ["stages: [", "- 1\n", "schema: '1.0'\nstages: {}\n", "schema: '2.0'\nstages: []\n", ""]
)
def test_another_file_is_no_lock(tmp_path: Path, text: str) -> None:
    (tmp_path / "dvc.lock").write_text(text)
    with pytest.raises(LockError, match=r"dvc\.lock"):
        read_lock(tmp_path / "dvc.lock")
