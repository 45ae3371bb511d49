"""The disk fills up while a stage runs: a sentence, nothing that passes for a result, and the same bytes afterwards."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
import training_process
from data_path import STAGES, finished_project, remove_outputs, stage_process, written
from safetensors.torch import load_file, save_file
from small_disk import fill, small_disk

from q2pt_tasks.failures import is_disk_full
from q2pt_tasks.layout import Layout, day_files
from q2pt_tasks.model.checkpoint import load_checkpoint
from q2pt_tasks.model.metadata import METADATA, CheckpointError
from q2pt_tasks.model.state_store import StateFolder, StateStoreError
from q2pt_tasks.params_edit import edit_params
from q2pt_tasks.stages import validate

LABEL = ["-m", "q2pt_tasks", "label"]
TRAINING = ["-m", "q2pt_tasks", "train_non_unified", "--locale", "en-US"]
# What a file of a small disk takes at least, in bytes.
PAGE = os.sysconf("SC_PAGE_SIZE")
MAKE_ROOM = "make room where it writes, or in the temporary directory"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Layout:
    return finished_project(tmp_path_factory.mktemp("whole"))


@pytest.mark.chaos("disk-full-stage")
@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_on_a_full_disk_says_so_and_runs_when_there_is_room(whole: Layout, tmp_path: Path, stage: str) -> None:
    _check_that_it_stops_and_runs(whole, tmp_path / "disk", stage, megabytes=64, left=8192)


@pytest.mark.slow
@pytest.mark.chaos("disk-full-stage")
@pytest.mark.parametrize("stage", ["encoder", "evaluate", "gate", "report"])
def test_a_stage_that_judges_on_a_full_disk_says_so_and_runs_when_there_is_room(
    finished: Layout, tmp_path: Path, stage: str
) -> None:
    _check_that_it_stops_and_runs(finished, tmp_path / "disk", stage, megabytes=256, left=0)


def _check_that_it_stops_and_runs(finished: Layout, mount: Path, stage: str, *, megabytes: int, left: int) -> None:
    """On a full disk the stage says so; as soon as there is room it writes what it wrote elsewhere."""
    with small_disk(mount, megabytes=megabytes) as disk:
        layout = Layout(disk / "project")
        shutil.copytree(finished.root, layout.root)
        remove_outputs(layout, stage)
        filler = fill(disk, left=left)
        failed = stage_process(layout, ["-m", "q2pt_tasks", stage])
        assert failed.returncode == 1, failed.stderr
        assert f"{stage} failed: the disk is full (" in failed.stderr
        assert MAKE_ROOM in failed.stderr
        assert "Traceback" not in failed.stderr
        filler.unlink()
        again = stage_process(layout, ["-m", "q2pt_tasks", stage])
        assert again.returncode == 0, again.stderr
        assert written(layout, stage) == written(finished, stage)


@pytest.fixture
def large(whole: Layout, tmp_path: Path) -> Layout:
    """The project with a day of more queries than the engine's memory holds, not labelled yet."""
    layout = Layout(tmp_path / "large")
    shutil.copytree(whole.root, layout.root)
    remove_outputs(layout, "label")
    day = day_files(layout.valid)[2]
    rows = pq.ParquetFile(day).read()
    many = rows.take([number % len(rows) for number in range(300_000)])
    queries = pa.array([f"{'what a shopper types ' * 4}{number}" for number in range(len(many))])
    many = many.set_column(many.schema.get_field_index("query"), "query", queries)
    pq.write_table(pa.concat_tables([rows, many]), day)
    edit_params(layout.params, {"engine.memory_limit_mb": 100})
    return layout


@pytest.mark.chaos("disk-full-stage")
def test_a_full_temporary_directory_is_named_and_the_stage_runs_when_there_is_room(
    large: Layout, tmp_path: Path
) -> None:
    """Where the engine puts what does not fit into its memory."""
    with small_disk(tmp_path / "disk", megabytes=64) as disk:
        filler = fill(disk, left=1 << 20)
        failed = stage_process(large, LABEL, TMPDIR=str(disk))
        assert failed.returncode == 1, failed.stderr
        assert "label failed: the disk is full (" in failed.stderr
        assert f"{MAKE_ROOM} {disk}" in failed.stderr
        assert "Traceback" not in failed.stderr
        assert list(disk.iterdir()) == [filler]
        assert written(large, "label") == {}
        filler.unlink()
        again = stage_process(large, LABEL, TMPDIR=str(disk))
        assert again.returncode == 0, again.stderr
        assert list(disk.iterdir()) == []
    labels = written(large, "label")
    edit_params(large.params, {"engine.memory_limit_mb": 2000})
    undisturbed = stage_process(large, LABEL)
    assert undisturbed.returncode == 0, undisturbed.stderr
    assert written(large, "label") == labels


@pytest.fixture(scope="module")
def trained(whole: Layout, tmp_path_factory: pytest.TempPathFactory) -> Layout:
    """The project with a training that nobody has disturbed."""
    layout = Layout(tmp_path_factory.mktemp("trained") / "project")
    shutil.copytree(whole.root, layout.root)
    done = stage_process(layout, TRAINING)
    assert done.returncode == 0, done.stderr
    return layout


@pytest.mark.chaos("disk-full-stage")
@pytest.mark.parametrize("full_in", ["the weights", "the metadata"])
def test_a_training_on_a_full_disk_leaves_no_checkpoint_that_passes_for_one(
    whole: Layout, trained: Layout, tmp_path: Path, full_in: str
) -> None:
    expected = checkpoint_files(trained)
    with small_disk(tmp_path / "disk", megabytes=64) as disk:
        layout = Layout(disk / "project")
        shutil.copytree(whole.root, layout.root)
        # The metadata is what is written last.
        left = on_disk(expected.values()) if full_in == "the metadata" else 2 * PAGE
        filler = fill(disk, left=left - PAGE)
        failed = stage_process(layout, TRAINING)
        assert failed.returncode == 1, failed.stderr
        assert "train_non_unified failed: the disk is full (" in failed.stderr
        assert "Traceback" not in failed.stderr
        folder = layout.non_unified_model("en-US")
        assert (folder / METADATA).is_file() == (full_in == "the metadata"), "it was full where it should be"
        with pytest.raises(CheckpointError):
            load_checkpoint(folder)
        filler.unlink()
        again = stage_process(layout, TRAINING)
        assert again.returncode == 0, again.stderr
        assert checkpoint_files(layout) == expected
        assert load_checkpoint(folder).metadata.status == "trained"


def checkpoint_files(layout: Layout) -> dict[str, bytes]:
    """The files of a checkpoint by their names, without the seconds that it took."""
    folder = layout.non_unified_model("en-US")
    files = {file.name: file.read_bytes() for file in sorted(folder.iterdir())}
    files[METADATA] = json.dumps(json.loads(files[METADATA]) | {"seconds": None}, indent=1, ensure_ascii=False).encode()
    return files


def on_disk(contents: Iterable[bytes]) -> int:
    """The bytes that files of these contents take."""
    return sum(-(-len(content) // PAGE) * PAGE for content in contents)


@pytest.mark.slow
@pytest.mark.chaos("disk-full-state")
def test_a_training_whose_state_does_not_fit_goes_on_to_the_same_weights(tmp_path: Path) -> None:
    training_process.prepare(tmp_path, 96)
    assert "goes on" not in run_training(tmp_path, "whole")
    with small_disk(tmp_path / "disk", megabytes=2) as disk:
        states = disk / "states"
        environ = {"Q2PT_STATE_DIR": str(states), "Q2PT_SAVE_SECONDS": "0"}
        kill_training(tmp_path, "starved", steps=8, **environ)
        (saved,) = (file.read_bytes() for file in states.glob("*.safetensors"))
        filler = fill(disk, left=0)
        # Of the steps that it does now it can save none.
        kill_training(tmp_path, "starved", steps=4, **environ)
        assert [file.read_bytes() for file in states.glob("*.safetensors")] == [saved]
        log = run_training(tmp_path, "starved", **environ)
        assert "the training goes on after " in log
        assert "the training goes on without a saved state: " in log
        assert "No space left on device" in log
        assert filler.is_file()
        assert list(states.iterdir()) == []
    whole, starved = (load_file(tmp_path / model / "model.safetensors") for model in ("whole", "starved"))
    assert whole.keys() == starved.keys()
    for name in whole:
        assert whole[name].equal(starved[name]), name
    ngrams = [(tmp_path / model / "ngrams.safetensors").read_bytes() for model in ("whole", "starved")]
    assert ngrams[0] == ngrams[1]


def start_training(folder: Path, model: str, pause: float, environ: Mapping[str, str]) -> "subprocess.Popen[str]":
    job = {"folder": str(folder), "epochs": 4, "pause": pause, "model": model, "objective": "softmax"}
    return subprocess.Popen(
        [sys.executable, training_process.__file__, json.dumps(job)],
        env={**os.environ, "PYTHONPATH": os.getcwd(), **environ},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run_training(folder: Path, model: str, **environ: str) -> str:
    """Runs a training to its end and returns what it logged."""
    process = start_training(folder, model, 0.0, environ)
    _, log = process.communicate(timeout=120)
    assert process.returncode == 0, log
    return log


def kill_training(folder: Path, model: str, *, steps: int, **environ: str) -> None:
    """Lets a training do some steps."""
    process = start_training(folder, model, 0.05, environ)
    assert process.stdout is not None
    for _ in range(steps):
        assert process.stdout.readline() == "step\n"
    process.kill()
    process.communicate(timeout=120)


@pytest.mark.chaos("disk-full-state")
def test_a_state_that_does_not_fit_leaves_the_one_before_it(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", megabytes=2) as disk:
        store = StateFolder(disk / "states")
        store.put("a" * 64, lambda file: save_file({"w": torch.zeros(8)}, file))
        fill(disk, left=8192)
        with pytest.raises(StateStoreError):
            store.put("a" * 64, lambda file: save_file({"w": torch.zeros(100_000)}, file))
        assert store.fetch("a" * 64, tmp_path / "fetched")
        assert load_file(tmp_path / "fetched")["w"].shape == (8,)
        assert [file.name for file in (disk / "states").iterdir()] == ["a" * 64 + ".safetensors"]


def test_a_defect_is_no_full_disk() -> None:
    assert not is_disk_full(validate.ValidationFailed("the log is bad"))
    assert not is_disk_full(OSError(2, "No such file or directory"))
    wrapped = RuntimeError("could not save")
    wrapped.__cause__ = OSError(28, "No space left on device")
    assert is_disk_full(wrapped)
