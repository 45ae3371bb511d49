"""A git remote with the project's own params and a pipeline of the same shape that takes seconds, for whole nights."""

import json
import shutil
import subprocess
import sys
from collections.abc import Mapping
from contextlib import chdir
from copy import copy
from datetime import datetime
from pathlib import Path
from typing import Any

from checkpoints import random_checkpoint
from dvc.repo import Repo
from stage_repository import commit_files, make_settings

from q2pt_tasks.git import run_git, tip
from q2pt_tasks.orchestration.branches import LOCK
from q2pt_tasks.orchestration.clone import private_clone
from q2pt_tasks.orchestration.configure import configure
from q2pt_tasks.orchestration.form import read_form
from q2pt_tasks.orchestration.join import Joined, join
from q2pt_tasks.orchestration.lock import read_lock
from q2pt_tasks.orchestration.plan import RunPlan, RunRequest
from q2pt_tasks.orchestration.settings import Settings
from q2pt_tasks.orchestration.stage_run import StageRequest, run_stage
from q2pt_tasks.params_edit import edit_params

LOCALES = ("en-US", "fr-BE")
VARIANTS = ("unified_agnostic", "unified_aware")
TRAININGS = (
    *(f"train_unified@{variant}" for variant in VARIANTS),
    *(f"train_non_unified@{locale}" for locale in LOCALES),
)
Upstream = Mapping[str, tuple[str, ...]]

UPSTREAM: Upstream = {
    "ingest": (),
    "encoder": (),
    **dict.fromkeys(TRAININGS, ("ingest", "encoder")),
    "evaluate": ("encoder", *TRAININGS),
    "gate": ("evaluate",),
}
RENDERED = tuple(UPSTREAM)
NEWEST = "2026-06-30"  # the last day of the synthetic source

PIPELINE = f"""\
stages:
  ingest:
    cmd: mkdir -p data/raw && cp data/source.json data/raw/window.json
    deps: [data/source.json]
    params: [ingest, locales]
    outs: [data/raw]
  encoder:
    cmd: mkdir -p data/encoder && cp data/encoder.json data/encoder/resolved.json
    deps: [data/encoder.json]
    params: [encoder.name, encoder.revision]
    outs: [data/encoder]
  train_unified:
    matrix:
      variant: ${{variants}}
    cmd: >-
      mkdir -p models && cp -r CHECKPOINTS/${{item.variant}} models/${{item.variant}} &&
      (echo ${{item.variant}}; cat data/raw/window.json name) > models/${{item.variant}}/night.txt
    deps: [data/encoder, data/raw, name]
    params: [encoder, train_unified]
    outs: ["models/${{item.variant}}"]
  train_non_unified:
    matrix:
      locale: ${{locales}}
    cmd: >-
      mkdir -p models/non_unified && cp -r CHECKPOINTS/${{item.locale}} models/non_unified/${{item.locale}} &&
      (echo ${{item.locale}}; cat data/raw/window.json name) > models/non_unified/${{item.locale}}/night.txt
    deps: [data/encoder, data/raw, name]
    params: [encoder, train_non_unified]
    outs: ["models/non_unified/${{item.locale}}"]
  evaluate:
    cmd: {sys.executable} evaluate.py
    deps: [champion.json, data/encoder, evaluate.py, models]
    params: [evaluate]
    outs: [metrics/summary.json]
  gate:
    cmd: {sys.executable} gate.py
    deps: [gate.py, metrics/summary.json, verdict.json]
    params: [gate]
    outs: [reports/decision.json]
"""
EVALUATE = """\
import json, pathlib
champion = json.loads(pathlib.Path("champion.json").read_text())
judged = {"version": champion["version"], "hash": champion["hash"]} if champion["version"] else None
figures = {"micro_recall": 0.5, "macro_recall": None}
headline = dict.fromkeys(("unified_agnostic", "unified_aware", "non_unified"), figures)
pathlib.Path("metrics").mkdir(exist_ok=True)
pathlib.Path("metrics/summary.json").write_text(json.dumps({"headline": headline, "champion": judged}))
"""
GATE = """\
import json, pathlib
summary = json.loads(pathlib.Path("metrics/summary.json").read_text())
decision = json.loads(pathlib.Path("verdict.json").read_text()) | {"champion": summary["champion"], "rules": []}
pathlib.Path("reports").mkdir(exist_ok=True)
pathlib.Path("reports/decision.json").write_text(json.dumps(decision))
"""


def verdict(*, promote: bool = True, candidate: str | None = "unified_aware") -> str:
    """What the gate of this pipeline is told to say."""
    return json.dumps({"promote": promote, "candidate": candidate, "sentence": f"Promote: {promote}, {candidate}."})


class Shop:
    """A shop's repository and store, and what the last night left."""

    plan: RunPlan
    joined: Joined
    entries: dict[str, dict[str, Any]]

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    @property
    def remote(self) -> Path:
        return Path(self.settings.git_remote)

    def commit(self, **files: str) -> str:
        """Commits on main; names without their ending: `name`, `verdict`, `pipeline`, `champion`."""
        paths = {"verdict": "verdict.json", "pipeline": "dvc.yaml", "champion": "champion.json"}
        return commit_files(self.settings, {paths.get(name, name): text for name, text in files.items()})

    def commit_params(self, changes: dict[str, Any]) -> None:
        """Changes keys of params.yaml on main."""
        params = self.settings.work_dir.parent / "author/params.yaml"
        edit_params(params, changes)
        commit_files(self.settings, {"params.yaml": params.read_text()})

    def configure(
        self,
        run_id: str = "manual",
        *,
        at: datetime | None = None,
        rendered: Upstream = UPSTREAM,
        **form: Any,  # noqa: ANN401 - JSON
    ) -> RunPlan:
        request = RunRequest(run_id, at, read_form(form), rendered)
        self.plan = configure(self.settings, request)
        return self.plan

    def run_stages(self, plan: RunPlan) -> dict[str, str]:
        """Runs every stage of a plan as its task does, and returns what became of each."""
        states: dict[str, str] = {}
        self.entries = {}
        for address in plan.addresses:
            upstream, last = dict(self.entries), plan.last.get(address)
            result = run_stage(self.settings, StageRequest(plan.commit, address, upstream, last, plan.force))
            states[address], self.entries[address] = result.state, result.entry
        return states

    def reproduce(self, plan: RunPlan) -> None:
        """Runs every stage of a plan with DVC alone, which takes a quarter of the time."""
        with private_clone(self.settings, plan.commit) as clone, chdir(clone):
            with Repo() as repo:
                repo.reproduce(force=plan.force, pull=True)
            self.entries = read_lock(clone / LOCK)

    def night(self, run_id: str = "manual", *, rendered: Upstream = UPSTREAM) -> tuple[RunPlan, Joined]:
        """A whole night up to the join, as committed."""
        plan = self.configure(run_id, rendered=rendered)
        self.reproduce(plan)
        return plan, self.join(plan)

    def join(self, plan: RunPlan) -> Joined:
        """Joins what the stages of a plan have left."""
        self.joined = join(self.settings, plan, self.entries)
        return self.joined

    def refs(self) -> dict[str, str]:
        """Every branch and tag of the remote."""
        listed = run_git(self.remote, "for-each-ref", "--format=%(refname) %(objectname)")
        return dict(line.split() for line in listed.splitlines())

    def tip(self, branch: str) -> str | None:
        return tip(self.settings.git_remote, branch)

    def show(self, revision: str, path: str) -> str:
        return run_git(self.remote, "show", f"{revision}:{path}")

    def refuse_pushes(self) -> None:
        """A hook of the remote from now on refuses every push."""
        hook = self.remote / "hooks/pre-receive"
        hook.parent.mkdir(exist_ok=True)
        hook.write_text("#!/bin/sh\necho closed for tonight >&2\nexit 1\n")
        hook.chmod(0o755)

    def copy(self, folder: Path) -> "Shop":
        """The same shop in another place, to go on from."""
        shutil.copytree(self.settings.work_dir.parent, folder, dirs_exist_ok=True, symlinks=True)
        other = copy(self)
        other.settings = make_settings(folder, str(folder / "remote.git"))
        return other


def make_shop(folder: Path) -> Shop:
    """A new shop; no night has been yet."""
    folder.mkdir(parents=True, exist_ok=True)
    remote = folder / "remote.git"
    subprocess.run(["git", "init", "--quiet", "--bare", "--initial-branch=main", str(remote)], check=True)
    shop = Shop(make_settings(folder, str(remote)))
    project = Path.cwd()
    names = ("params.yaml", "data/source.json", "data/encoder.json", ".gitignore", ".dvc/config", ".dvc/.gitignore")
    files = {name: (project / name).read_text(encoding="utf-8") for name in names}
    checkpoints = _make_checkpoints(checkpoints_of(shop))
    files |= {"dvc.yaml": PIPELINE.replace("CHECKPOINTS", str(checkpoints)), "name": "first\n"}
    files |= {"evaluate.py": EVALUATE, "gate.py": GATE}
    files |= {"verdict.json": verdict(), "champion.json": '{"version": null}\n'}
    commit_files(shop.settings, files)
    shop.commit_params({"locales": list(LOCALES)})
    return shop


def checkpoints_of(shop: Shop) -> Path:
    """Where the trainings of a shop that was just made find their checkpoints."""
    return shop.settings.work_dir.parent / "checkpoints"


def _make_checkpoints(folder: Path) -> Path:
    """What the trainings of the pipeline copy: a checkpoint that answers, per variant and per locale."""
    for seed, variant in enumerate(VARIANTS):
        random_checkpoint(folder / variant, variant, LOCALES, seed)
    for locale in LOCALES:
        random_checkpoint(folder / locale, "non_unified", (locale,))
    return folder
