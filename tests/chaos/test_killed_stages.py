"""Kill -9 of every stage but the trainings, with its first file and half way: run again, it leaves the same bytes."""

import shutil
import signal
from collections.abc import Mapping
from pathlib import Path

import pytest
from data_path import STAGES, finished_project, outputs, remove_outputs, stage_process, written

from q2pt_tasks.layout import Layout

# Looks at what is written from a thread of its own, and dies when there is enough of it.
DIES = """
import importlib, os, signal, sys, threading, time
from pathlib import Path
from q2pt_tasks.layout import Layout
stage, files, folders = sys.argv[1], int(sys.argv[2]), [Path(name) for name in sys.argv[3:]]
def watch():
    while sum(len(names) for folder in folders for _, _, names in os.walk(folder)) < files:
        time.sleep(0.0005)
    os.kill(os.getpid(), signal.SIGKILL)
threading.Thread(target=watch, daemon=True).start()
importlib.import_module(f"q2pt_tasks.stages.{stage}").main(Layout())
"""
# Of its n-th file half of the text is there when it dies.
DIES_WRITING = """
import importlib, os, signal, sys
from pathlib import Path
from q2pt_tasks.layout import Layout
stage, left = sys.argv[1], int(sys.argv[2])
write = Path.write_text
def write_half(path, text, *rest, **named):
    global left
    left -= not path.is_absolute()
    if left:
        return write(path, text, *rest, **named)
    write(path, text[: len(text) // 2], *rest, **named)
    os.kill(os.getpid(), signal.SIGKILL)
Path.write_text = write_half
importlib.import_module(f"q2pt_tasks.stages.{stage}").main(Layout())
"""


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Layout:
    return finished_project(tmp_path_factory.mktemp("whole"))


@pytest.fixture(scope="module")
def expected(whole: Layout) -> Mapping[str, Mapping[str, bytes]]:
    return {stage: written(whole, stage) for stage in STAGES}


@pytest.mark.chaos("stage-killed")
@pytest.mark.parametrize("part", ["first", "half"])
@pytest.mark.parametrize("stage", STAGES)
def test_a_killed_stage_is_run_again_to_the_same_bytes(
    whole: Layout, expected: Mapping[str, Mapping[str, bytes]], tmp_path: Path, stage: str, part: str
) -> None:
    layout = Layout(tmp_path / "project")
    shutil.copytree(whole.root, layout.root)
    remove_outputs(layout, stage)
    files = 1 if part == "first" else max(1, len(expected[stage]) // 2)
    folders = [str(folder.relative_to(layout.root)) for folder in outputs(layout, stage)]
    killed = stage_process(layout, ["-c", DIES, stage, str(files), *folders])
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert written(layout, stage) != expected[stage], "it was killed half way"
    # What it left lies there still: a person runs the stage again by hand.
    STAGES[stage].main(layout)
    assert written(layout, stage) == expected[stage]


@pytest.mark.slow
@pytest.mark.chaos("stage-killed")
@pytest.mark.parametrize(
    ("stage", "file"), [("encoder", 1), ("evaluate", 1), ("evaluate", 6), ("gate", 1), ("report", 1)]
)
def test_a_stage_that_is_killed_while_it_writes_a_file_is_run_again_to_the_same_bytes(
    finished: Layout, tmp_path: Path, stage: str, file: int
) -> None:
    layout = Layout(tmp_path / "project")
    shutil.copytree(finished.root, layout.root)
    remove_outputs(layout, stage)
    killed = stage_process(layout, ["-c", DIES_WRITING, stage, str(file)])
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    left, expected = written(layout, stage), written(finished, stage)
    assert len(left) == file
    assert sum(map(len, left.values())) < sum(len(expected[name]) for name in left), "the last one is there by half"
    again = stage_process(layout, ["-m", "q2pt_tasks", stage])
    assert again.returncode == 0, again.stderr
    assert written(layout, stage) == expected
