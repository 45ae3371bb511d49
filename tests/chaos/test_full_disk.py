"""The disk fills up while a stage runs: a sentence, nothing that passes for a result, and the same bytes afterwards."""

import shutil
from pathlib import Path

import pytest
import torch
from data_path import STAGES, finished_project, remove_outputs, stage_process, written
from safetensors.torch import load_file, save_file
from small_disk import fill, small_disk

from q2pt_tasks.failures import is_disk_full
from q2pt_tasks.layout import Layout
from q2pt_tasks.model.state_store import StateFolder, StateStoreError
from q2pt_tasks.stages import train_non_unified, validate

# The stage in front of more rows than its memory holds.
SPILLS = """
import pyarrow as pa
from q2pt_tasks import cli
from q2pt_tasks.engine.opening import open_engine
from q2pt_tasks.engine.params import EngineParams
from q2pt_tasks.stages import label

def main(_):
    engine = open_engine(EngineParams(memory_limit_mb=100))
    engine.keep(engine.frame(pa.table({"text": [f"{number:0200}" for number in range(1_000_000)]})))

label.main = main
cli.main(["label"])
"""
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


@pytest.mark.chaos("disk-full-stage")
def test_a_full_temporary_directory_is_named(whole: Layout, tmp_path: Path) -> None:
    """Where the engine puts what does not fit into its memory."""
    with small_disk(tmp_path / "disk", megabytes=1) as disk:
        failed = stage_process(whole, ["-c", SPILLS], TMPDIR=str(disk))
        assert failed.returncode == 1, failed.stderr
        assert "label failed: the disk is full (" in failed.stderr
        assert str(disk) in failed.stderr


@pytest.mark.chaos("disk-full-stage")
def test_a_training_on_a_full_disk_leaves_no_checkpoint_that_passes_for_one(whole: Layout, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", megabytes=64) as disk:
        layout = Layout(disk / "project")
        shutil.copytree(whole.root, layout.root)
        filler = fill(disk, left=40960)
        failed = stage_process(layout, ["-m", "q2pt_tasks", "train_non_unified", "--locale", "en-US"])
        assert failed.returncode == 1, failed.stderr
        assert "train_non_unified failed: the disk is full (" in failed.stderr
        filler.unlink()
        assert train_non_unified.main(layout, "en-US").status != "untrained"


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
