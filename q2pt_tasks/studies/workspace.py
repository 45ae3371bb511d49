"""A private copy of the project in which a study runs the pipeline with other params.

The user's own `data/`, `models/` and `dvc.lock` stay as they are; the DVC cache is shared, so that what ran once is
restored the next time.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from q2pt_tasks.layout import Layout
from q2pt_tasks.params_edit import edit_params


class StudyError(RuntimeError):
    """A study's pipeline failed."""


@dataclass(frozen=True)
class Workspace:
    """The copy below `folder`."""

    folder: Path

    @property
    def layout(self) -> Layout:
        return Layout(self.folder)

    def run_pipeline(self, targets: Sequence[str] = ()) -> None:
        """Resolves the source and reproduces `targets`, or everything.

        Raises:
            StudyError: a stage failed; its own words are on standard error.
        """
        self.resolve()
        self.reproduce(targets)

    def resolve(self) -> None:
        """Writes down what lies outside the copy: the source, and the encoder.

        Raises:
            StudyError: the params are wrong, or something cannot be reached.
        """
        self._call("q2pt_tasks", "resolve")

    def reproduce(self, targets: Sequence[str]) -> None:
        """Runs the stages that `targets` need, or all, where their results are not in DVC's cache.

        Raises:
            StudyError: a stage failed.
        """
        self._call("dvc", "repro", *targets)

    def reproduce_side_by_side(self, stages: Sequence[str]) -> None:
        """Runs `stages` where their results are not in DVC's cache, as many at once as there are cores.

        Each has one thread, of which a small training makes better use than of several. None may need another one, and
        what they need must have been made.

        Raises:
            StudyError: a stage failed; those that ran beside it have ended, the others were not started.
        """

        def reproduce(stage: str) -> None:
            # Each is a process of DVC's own, which hands the project's lock on while its stage computes.
            self._call("dvc", "--wait-for-lock", "repro", "--single-item", stage, OMP_NUM_THREADS="1")

        with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
            list(pool.map(reproduce, stages))

    def _call(self, module: str, *arguments: str, **variables: str) -> None:
        # The stages call `python`; it must be this one.
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
        command = [sys.executable, "-m", module, *arguments]
        environment = {**os.environ, "PATH": path, **variables}
        done = subprocess.run(command, cwd=self.folder, env=environment, check=False)  # noqa: S603
        if done.returncode:
            raise StudyError(f"`{module} {' '.join(arguments)}` failed in {self.folder} (exit code {done.returncode})")


def prepare_workspace(root: Path, name: str, changes: Mapping[str, Any]) -> Workspace:
    """Copies the project's files, as they are now, to `build/studies/<name>` and changes its params.

    What an earlier run of the study made there stays, so that a study goes on where it stopped.
    """
    root = root.resolve()
    folder = root / "build/studies" / name
    folder.mkdir(parents=True, exist_ok=True)
    for file in _project_files(root):
        target = folder / file
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(root / file, target)
    _share_cache(root, folder)
    # A study asks about variants, not about the model in production, whose files the copy does not have.
    (folder / "champion.json").write_text('{"version": null}\n', encoding="utf-8")
    # A study says how it trains; the paper's recipe would overrule it.
    edit_params(folder / "params.yaml", {"training": "q2pt", **changes})
    return Workspace(folder)


def _project_files(root: Path) -> list[str]:
    """Tracked files and new ones, without what git ignores, as git lists them."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)  # noqa: S603
    files = [file for file in listed.stdout.split("\0") if file and (root / file).is_file()]
    return [file for file in files if file != "dvc.lock"]


def _share_cache(root: Path, folder: Path) -> None:
    # Without git: the copy lies inside the project's own repository, whose commits are not its business.
    config = f"[core]\n    no_scm = true\n[cache]\n    dir = {root / '.dvc/cache'}\n"
    (folder / ".dvc/config.local").write_text(config, encoding="utf-8")
