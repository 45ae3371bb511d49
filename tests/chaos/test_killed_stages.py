"""Kill -9 of every stage of the data path, with its first file and half way: run again, it leaves the same bytes."""

import shutil
import signal
from collections.abc import Mapping
from pathlib import Path

import pytest
from data_path import STAGES, finished_project, outputs, stage_process, written

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
    # As DVC does before it runs a stage.
    for folder in outputs(layout, stage):
        shutil.rmtree(folder)
    files = 1 if part == "first" else max(1, len(expected[stage]) // 2)
    folders = [str(folder.relative_to(layout.root)) for folder in outputs(layout, stage)]
    killed = stage_process(layout, ["-c", DIES, stage, str(files), *folders])
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert written(layout, stage) != expected[stage], "it was killed half way"
    # What it left lies there still: a person runs the stage again by hand.
    STAGES[stage].main(layout)
    assert written(layout, stage) == expected[stage]
