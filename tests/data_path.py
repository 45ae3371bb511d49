"""The stages of the data path as processes of their own, which a test kills, starves or starts twice."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from tiny import tiny_project

from q2pt_tasks.layout import Layout
from q2pt_tasks.sources.resolve import resolve
from q2pt_tasks.stages import encoder, ingest, label, split, tokenize, validate

STAGES = {"ingest": ingest, "validate": validate, "label": label, "split": split, "tokenize": tokenize}
# A second is enough for each of them.
SMALL = {
    "ingest.synthetic.searches_per_size_unit": 60,
    "ingest.synthetic.query_draws": 2000,
    "validate.min_locale_rows": 10,
    "label.min_queries": 10,
}


def small_project(folder: Path) -> Layout:
    """A project whose source is resolved, and its encoder there."""
    folder.mkdir(parents=True, exist_ok=True)
    layout = tiny_project(folder, SMALL)
    resolve(layout)
    encoder.main(layout)
    return layout


def finished_project(folder: Path) -> Layout:
    """A project whose data path has run and nobody has disturbed."""
    layout = small_project(folder)
    for stage in STAGES.values():
        stage.main(layout)
    return layout


def outputs(layout: Layout, stage: str) -> list[Path]:
    """The folders and files that a stage writes, of all stages but the trainings."""
    return {
        "ingest": [layout.raw],
        "encoder": [layout.encoder],
        "validate": [layout.valid, layout.quarantine, layout.validation_report],
        "label": [layout.labeled],
        "split": [layout.splits],
        "tokenize": [layout.tokens],
        "evaluate": [layout.metrics],
        "gate": [layout.decision],
        "report": [layout.report_page],
    }[stage]


def remove_outputs(layout: Layout, stage: str) -> None:
    """As DVC does before it runs a stage."""
    for output in outputs(layout, stage):
        if output.is_dir():
            shutil.rmtree(output)
        else:
            output.unlink()


def written(layout: Layout, stage: str) -> Mapping[str, bytes]:
    """Every file of a stage by its path, with its bytes."""
    outs = outputs(layout, stage)
    files = [file for output in outs for file in (output, *output.rglob("*")) if file.is_file()]
    return {str(file.relative_to(layout.root)): file.read_bytes() for file in sorted(files)}


def stage_process(layout: Layout, program: list[str], **environ: str) -> "subprocess.CompletedProcess[str]":
    """Runs Python with these arguments in the project."""
    return subprocess.run(
        [sys.executable, *program],
        cwd=layout.root,
        env={**os.environ, "PYTHONPATH": os.getcwd(), **environ},
        capture_output=True,
        text=True,
        check=False,
    )
