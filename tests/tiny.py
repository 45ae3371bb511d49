"""The pipeline at a size that runs in a test: three stores, small networks, few epochs."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from q2pt_tasks.layout import Layout
from q2pt_tasks.params_edit import edit_params
from q2pt_tasks.sources.resolve import resolve
from q2pt_tasks.stages import (
    encoder,
    evaluate,
    gate,
    ingest,
    label,
    report,
    split,
    tokenize,
    train_non_unified,
    train_unified,
    validate,
)

LOCALES = ("en-US", "en-GB", "fr-BE")
# A training query, a type that the log does not have, a store that is not asked for.
JUDGED = """locale,query,product_types
en-US,Coffee,COFFEE
en-GB,crimson boots,BOOTS|SNEAKERS
fr-BE,<img src=x onerror=alert(1)>,HACKSAW_OF_NOBODY
de-DE,stiefel,BOOTS
"""
CHANGES: Mapping[str, Any] = {
    "locales": list(LOCALES),
    "ingest.synthetic.searches_per_size_unit": 150,
    "ingest.synthetic.query_draws": 4000,
    "ingest.synthetic.store_sizes": {"en-US": 20, "en-GB": 20, "fr-BE": 4},
    "encoder.scratch.layers": 1,
    "encoder.scratch.width": 64,
    "encoder.scratch.heads": 2,
    "encoder.scratch.unified_vocabulary": 1000,
    "encoder.scratch.non_unified_vocabulary": 600,
    "train_unified.scratch.max_epochs": 25,
    "train_unified.scratch.batch_size": 32,
    "train_non_unified.scratch.max_epochs": 5,
    "evaluate.min_positives": 10,
    "evaluate.min_support": 3,
    "gate.floor": 0.05,
    "gate.forward_floor": 0.05,
    "gate.locale_floor": 0.0,
    "gate.precision_tolerance": 0.3,
}


def tiny_project(folder: Path, changes: Mapping[str, Any] | None = None) -> Layout:
    """A project directory with tiny params and without a champion."""
    shutil.copyfile("params.yaml", folder / "params.yaml")
    edit_params(folder / "params.yaml", {**CHANGES, "evaluate.judgements": "human.csv", **(changes or {})})
    (folder / "human.csv").write_text(JUDGED)
    (folder / "champion.json").write_text('{"version": null}\n')
    return Layout(folder)


def run_data_stages(layout: Layout) -> None:
    """From the source to token ids."""
    resolve(layout)
    for stage in (ingest, encoder, validate, label, split, tokenize):
        stage.main(layout)


def run_pipeline(layout: Layout) -> None:
    """Every stage, in this process."""
    run_data_stages(layout)
    for variant in ("unified_agnostic", "unified_aware"):
        train_unified.main(layout, variant)
    for locale in LOCALES:
        train_non_unified.main(layout, locale)
    for stage in (evaluate, gate, report):
        stage.main(layout)


def figure_rows(layout: Layout, **where: str) -> list[dict[str, object]]:
    """The rows of the evaluation's summary with these values."""
    rows = json.loads(layout.summary.read_text())["rows"]
    return [row for row in rows if all(row[key] == value for key, value in where.items())]


def value_of(layout: Layout, variant: str, metric: str = "micro_recall", locale: str = "all") -> float:
    """A figure on test."""
    (row,) = figure_rows(layout, variant=variant, metric=metric, locale=locale, split="test")
    return float(str(row["value"]))


def copy_folder(source: Path, target: Path) -> Path:
    """The files of a folder, also into one that is there."""
    for file in source.rglob("*"):
        if file.is_file():
            copy = target / file.relative_to(source)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(file.read_bytes())
    return target


def project_copy(finished: Layout, folder: Path) -> Layout:
    """A finished project's params and data, without its models."""
    for name in ("params.yaml", "champion.json"):
        (folder / name).write_bytes((finished.root / name).read_bytes())
    copy_folder(finished.root / "data", folder / "data")
    shutil.copyfile(finished.root / "human.csv", folder / "human.csv")
    return Layout(folder)
