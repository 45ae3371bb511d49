"""The pipeline under real DVC, in a copy of the project: what runs first, again, and after a change."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tiny import CHANGES, LOCALES

from q2pt_tasks.params_edit import edit_params
from q2pt_tasks.studies.workspace import Workspace, prepare_workspace

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

DATA = ["ingest", "validate", "label", "split", "tokenize"]
UNIFIED = ["train_unified@unified_agnostic", "train_unified@unified_aware"]
JUDGED = ["evaluate", "gate", "report"]


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A clone of the project as it stands, with tiny params and a DVC cache of its own."""
    folder = tmp_path_factory.mktemp("project") / "clone"
    subprocess.run(["git", "clone", "--quiet", "--shared", str(Path.cwd()), str(folder)], check=True)
    for name in subprocess.run(
        ["git", "ls-files", "--modified", "--others", "--exclude-standard"], capture_output=True, text=True, check=True
    ).stdout.splitlines():
        if name != "dvc.lock" and Path(name).is_file():
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(Path(name).read_bytes())
    edit_params(folder / "params.yaml", CHANGES)
    return Workspace(folder)


def _repro(workspace: Workspace, *targets: str) -> list[str]:
    """Reproduces `targets`, or everything, and returns the stages that ran, in order."""
    for module, *arguments in (["q2pt_tasks", "resolve"], ["dvc", "repro", *targets]):
        command = [sys.executable, "-m", module, *arguments]
        path = {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", "HOME": str(workspace.folder.parent)}
        done = subprocess.run(command, cwd=workspace.folder, env=path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return [line.split("'")[1] for line in done.stdout.splitlines() if line.startswith("Running stage")]


def _own(locales: tuple[str, ...]) -> list[str]:
    return [f"train_non_unified@{locale}" for locale in locales]


def test_the_first_run_runs_every_stage_and_leaves_every_checkpoint(workspace: Workspace) -> None:
    assert sorted(_repro(workspace)) == sorted(["encoder", *DATA, *UNIFIED, *_own(LOCALES), *JUDGED])
    assert len(list((workspace.folder / "models").rglob("metadata.json"))) == 2 + len(LOCALES)
    shown = subprocess.run(
        [sys.executable, "-m", "dvc", "metrics", "show", "--json"],
        cwd=workspace.folder,
        capture_output=True,
        text=True,
        check=True,
    )
    headline = json.loads(shown.stdout)[""]["data"]["metrics/summary.json"]["data"]["headline"]
    assert headline["unified_aware"]["micro_recall"] >= 0


def test_again_there_is_nothing_to_do(workspace: Workspace) -> None:
    started = time.monotonic()
    assert _repro(workspace) == []
    assert time.monotonic() - started < 15


def test_a_changed_threshold_of_the_gate_runs_the_gate_and_the_report(workspace: Workspace) -> None:
    edit_params(workspace.folder / "params.yaml", {"gate.floor": 0.06})
    assert _repro(workspace) == ["gate", "report"]


def test_a_new_locale_trains_the_unified_models_and_its_own(workspace: Workspace) -> None:
    edit_params(workspace.folder / "params.yaml", {"locales": [*LOCALES, "de-AT"]})
    ran = _repro(workspace)
    assert sorted(ran) == sorted([*DATA, *UNIFIED, *_own(("de-AT",)), *JUDGED])


def test_a_prepared_workspace_leaves_the_users_own_project_alone(workspace: Workspace) -> None:
    before = (workspace.folder / "params.yaml").read_text()
    copy = prepare_workspace(workspace.folder, "a-study", {"seed": 99})
    assert "seed: 99" in (copy.folder / "params.yaml").read_text()
    assert (workspace.folder / "params.yaml").read_text() == before
    assert not (copy.folder / "dvc.lock").exists()


def test_trainings_side_by_side_leave_the_models_of_one_by_one_and_nothing_to_do(workspace: Workspace) -> None:
    copy = prepare_workspace(workspace.folder, "side-by-side", {"seed": 99})
    copy.run_pipeline(["tokenize"])
    copy.reproduce_side_by_side(_own(LOCALES))
    together = _weights(copy)
    assert {file.split("/")[0] for file in together} == set(LOCALES)
    assert _repro(copy, *_own(LOCALES)) == []
    for locale in LOCALES:
        command = [sys.executable, "-m", "q2pt_tasks", "train_non_unified", "--locale", locale]
        subprocess.run(command, cwd=copy.folder, env={**os.environ, "OMP_NUM_THREADS": "1"}, check=True)
    assert _weights(copy) == together


def _weights(workspace: Workspace) -> dict[str, bytes]:
    """The weights of the per-locale models, by their file; metadata says also how long a training took."""
    own = workspace.folder / "models/non_unified"
    return {str(file.relative_to(own)): file.read_bytes() for file in own.rglob("*.safetensors")}
