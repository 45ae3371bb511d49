"""Runs a study: its pipelines one after the other in a copy of the project, and writes its page.

A study that was stopped goes on where it was. The figures of a run that ended are kept beside the copy, under a key of
all that they depend on; a run that did not end finds its finished stages in DVC's cache.
"""

import hashlib
import importlib
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from q2pt_tasks.layout import Layout
from q2pt_tasks.model.metadata import load_metadata
from q2pt_tasks.studies.catalogue import entry_of
from q2pt_tasks.studies.machine import describe_machine
from q2pt_tasks.studies.pages import bullet, code, figure
from q2pt_tasks.studies.study import Figures, Options, Page, Run, Study
from q2pt_tasks.studies.workspace import Workspace, prepare_workspace

log = logging.getLogger(__name__)

RESULTS = Path("docs/results")


@dataclass(frozen=True)
class Finished:
    """A run that has ended: its figures, and the seconds that its trainings took when they ran."""

    figures: Figures
    training_seconds: float


def run_study(root: Path, name: str, options: Options) -> Path:
    """Runs the study `name` and writes `docs/results/<name>.md`, with its plot beside it.

    The page of a study of one's own log holds shoppers' queries, and is written to `build/studies/<name>/` instead.

    Args:
        root: the repository's root.
        name: of the catalogue.
        options: of the command line.

    Raises:
        StudyError: a stage failed.
    """
    study = cast(Study, importlib.import_module(f"q2pt_tasks.studies.{name}"))
    runs = study.runs(options)
    finished = {}
    for number, run in enumerate(runs, start=1):
        log.info("%s: run %d of %d, %s", name, number, len(runs), run.name)
        finished[run.name] = _finish(root, name, run, study)
    page = study.page({run: one.figures for run, one in finished.items()})
    folder = root / "build/studies" / name if options.own_log else root / RESULTS
    seconds = sum(one.training_seconds for one in finished.values())
    return _write(folder, name, page, [_command(name, options), _setting(runs, seconds)])


def _finish(root: Path, name: str, run: Run, study: Study) -> Finished:
    """The run's figures: those that were kept, where nothing has changed since, or measured now."""
    workspace = prepare_workspace(root, f"{name}/project", run.changes)
    workspace.resolve()
    kept = root / "build/studies" / name / "figures" / f"{run.name}.json"
    key = _key(workspace)
    if not kept.is_file() or json.loads(kept.read_text(encoding="utf-8"))["key"] != key:
        workspace.reproduce(run.targets)
        seconds = _training_seconds(run, workspace.layout)
        _keep(kept, {"key": key, "figures": study.measure(run, workspace.layout), "training_seconds": seconds})
    document = json.loads(kept.read_text(encoding="utf-8"))
    return Finished(document["figures"], document["training_seconds"])


def _keep(file: Path, document: Mapping[str, Any]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    # A file under its name is whole, whenever the study is stopped.
    unfinished = file.with_suffix(".unfinished")
    unfinished.write_text(json.dumps(document, ensure_ascii=False), encoding="utf-8")
    unfinished.replace(file)


def _key(workspace: Workspace) -> str:
    """Names all that figures depend on: the code, the params, and what was resolved."""
    layout = workspace.layout
    named = [layout.params, layout.source_manifest, layout.encoder_manifest, layout.root / "dvc.yaml"]
    code_files = sorted((layout.root / "q2pt_tasks").rglob("*.py"))
    digest = hashlib.sha256()
    for file in (*named, *code_files):
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()


def _training_seconds(run: Run, layout: Layout) -> float:
    return sum(load_metadata(folder).seconds for folder in run.models(layout))


def _command(name: str, options: Options) -> str:
    """The command as a reader would type it, without this machine's paths."""
    said = []
    if options.taxonomy:
        said.append(f"--taxonomy path/to/{options.taxonomy.name}")
    if options.encoder:
        is_path = Path(options.encoder).is_dir()
        said.append(f"--encoder {f'path/to/{Path(options.encoder).name}' if is_path else options.encoder}")
    if options.seeds:
        said.append(f"--seeds {' '.join(map(str, options.seeds))}")
    if options.own_log:
        said.append("--own-log")
    return code(" ".join(["q2pt study", name, *said]))


def _setting(runs: Sequence[Run], seconds: float) -> str:
    trainings = sum(len(run.targets) for run in runs if run.unified or run.own)
    took = f"Runs of the pipeline: {len(runs)}; trainings: {trainings}, {seconds:,.0f} s together, starts left out."
    return f"{describe_machine()}. {took}"


def _write(folder: Path, name: str, page: Page, setting: Sequence[str]) -> Path:
    target = folder / entry_of(name).page
    target.parent.mkdir(parents=True, exist_ok=True)
    parts = [f"# {entry_of(name).question}", page.introduction, *setting]
    if page.changes:
        parts += ["Changed against `params.yaml` in every run:", code(_yaml(page.changes))]
    if page.plot:
        plot = target.with_suffix(".svg")
        plot.write_text(page.plot, encoding="utf-8")
        parts.append(figure(page.plot_says, plot.name))
    for heading, text in page.sections.items():
        parts += [f"## {heading}", text]
    parts += ["## What it says", "\n".join(map(bullet, page.conclusion))]
    parts += ["## What it cannot say", "\n".join(map(bullet, page.limits))]
    target.write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    return target


def _yaml(changes: Mapping[str, Any]) -> str:
    return "\n".join(f"{key}: {json.dumps(value)}" for key, value in changes.items())
