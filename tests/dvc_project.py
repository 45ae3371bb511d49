"""The project's graph under real DVC, with other params."""

import shutil
import subprocess
import sys
from collections.abc import Mapping
from contextlib import chdir
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

from dvc.repo import Repo

from q2pt_tasks.orchestration.graph import read_graph
from q2pt_tasks.params_edit import edit_params

LOCALES = ["en-US", "de-DE", "ja-JP"]
# Changes of params, and the nodes that the graph then has.
VARIATIONS: Mapping[str, tuple[Mapping[str, Any], int]] = {
    "default": ({}, 31),
    "locale added": ({"locales": [*LOCALES, "fi-FI"]}, 15),
    "locales removed": ({"locales": LOCALES}, 14),
    "variant removed": ({"locales": LOCALES, "variants": ["unified_aware"]}, 13),
}


def dvc_project(folder: Path, changes: Mapping[str, Any]) -> Path:
    """A git repository under DVC that holds the project's dvc.yaml and params with these changes."""
    for name in ("dvc.yaml", "params.yaml"):
        shutil.copyfile(name, folder / name)
    edit_params(folder / "params.yaml", changes)
    for command in (["git", "init", "--quiet"], [sys.executable, "-m", "dvc", "init", "--quiet"]):
        subprocess.run(command, cwd=folder, check=True)
    return folder


def edges_of_dvc(project: Path) -> dict[str, set[str]]:
    """What DVC says: of each address those that it depends on."""
    # DVC's addresses are relative to the working directory.
    with chdir(project):
        graph = Repo().index.graph
        return {stage.addressing: {above.addressing for above in graph.successors(stage)} for stage in graph}


def read_graph_often(project: Path, cache: Path, start: Barrier) -> None:
    """For two processes at once; a process that is spawned finds its function here, not in a test's module."""
    for _ in range(20):
        start.wait(60)
        assert read_graph(project, cache).addresses == ("one",)
        start.wait(60)
        for kept in cache.iterdir():
            kept.unlink(missing_ok=True)
