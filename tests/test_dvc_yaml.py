"""dvc.yaml names everything that a stage depends on, and nothing else."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from dvc.dependency.param import ParamsDependency
from dvc.repo import Repo
from imports import imported_files
from ruamel.yaml import YAML

from q2pt_tasks.params import STAGE_SECTIONS

ROOT = Path.cwd()
STAGES: dict[str, Any] = YAML(typ="safe").load((ROOT / "dvc.yaml").read_text())["stages"]
# Sections, and keys, that other stages than the one of their name read.
SHARED = {
    "seed",
    "training",
    "locales",
    "variants",
    "encoder",
    "encoder.name",
    "encoder.revision",
    "privacy",
    "privacy.min_query_users",
}
ENCODER = ("data/encoder.json", "data/encoder")


@pytest.fixture(scope="module")
def graph() -> list[Any]:
    return list(Repo(ROOT).index.stages)


def test_the_stages_are_the_modules_and_the_sections() -> None:
    modules = {path.stem for path in (ROOT / "q2pt_tasks/stages").glob("*.py")} - {"__init__"}
    assert list(STAGES) == list(STAGE_SECTIONS)
    assert modules == set(STAGES)


@pytest.mark.parametrize("stage", list(STAGES))
def test_a_stage_depends_on_exactly_the_modules_that_it_imports(stage: str) -> None:
    imported = {str(path) for path in imported_files(ROOT, Path(f"q2pt_tasks/stages/{stage}.py"))}
    listed = [dependency for dependency in STAGES[stage]["deps"] if dependency.startswith("q2pt_tasks/")]
    folders = [entry for entry in listed if (ROOT / entry).is_dir()]
    covered = {path for path in imported if any(path.startswith(f"{folder}/") for folder in folders)}
    files = {entry for entry in listed if entry.endswith(".py")}
    assert files == imported - covered, "list in dvc.yaml what the stage imports, and no more"
    assert all(any(path.startswith(f"{folder}/") for path in covered) for folder in folders)


@pytest.mark.parametrize("stage", list(STAGES))
def test_a_stage_says_what_it_does_and_calls_its_own_command(stage: str) -> None:
    assert len(STAGES[stage]["desc"]) > 20
    assert STAGES[stage]["cmd"].split()[:4] == ["python", "-m", "q2pt_tasks", stage]
    assert set(STAGES[stage]["params"]) - SHARED <= {stage}


def test_every_output_is_cached_so_that_an_unchanged_stage_is_restored(graph: list[Any]) -> None:
    assert all(out.use_cache for stage in graph for out in stage.outs)


def test_an_output_in_which_queries_can_be_read_is_marked_for_retention(graph: list[Any]) -> None:
    marked = {out.def_path for stage in graph for out in stage.outs if (out.annot.meta or {}).get("queries")}
    tables = {out.def_path for stage in graph for out in stage.outs if out.def_path.startswith("data/")}
    pages = {"metrics/mistakes.json", "reports/index.html", "reports/validation"}
    assert marked == (tables - {"data/encoder"}) | pages


def test_an_edited_section_reruns_only_the_stages_that_read_it(graph: list[Any]) -> None:
    stages_of_section: Counter[str] = Counter()
    for stage in graph:
        for dependency in stage.deps:
            if isinstance(dependency, ParamsDependency):
                stages_of_section.update(dependency.params)
    assert dict(stages_of_section) == {
        "ingest": 1,
        "validate": 1,
        "label": 1,
        "split": 1,
        "tokenize": 1,
        "train_unified": 2,
        "train_non_unified": 20,
        "evaluate": 1,
        "gate": 1,
        "report": 1,
        # What is shared by all trainings retrains all of them.
        "seed": 22,
        "training": 22,
        "encoder": 23,
        # The encoder's files are copied again for another encoder alone.
        "encoder.name": 1,
        "encoder.revision": 1,
        # A new locale passes all data stages and the unified trainings, and no other locale's training.
        "locales": 8,
        "variants": 1,
        # What is learned and what is shown.
        "privacy": 2,
        "privacy.min_query_users": 1,
    }


@pytest.mark.parametrize(
    ("module", "stages"),
    [
        ("q2pt_tasks/params.py", 31),
        ("q2pt_tasks/layout.py", 31),
        ("q2pt_tasks/engine/tables.py", 5),
        ("q2pt_tasks/engine/duckdb_engine.py", 3),
        ("q2pt_tasks/engine/spark_engine.py", 3),
        ("q2pt_tasks/data/queries.py", 27),
        ("q2pt_tasks/data/row_rules.py", 1),
        ("q2pt_tasks/data/labels.py", 3),
        ("q2pt_tasks/data/splits.py", 2),
        ("q2pt_tasks/model/training.py", 22),
        ("q2pt_tasks/model/encoder.py", 25),
        ("q2pt_tasks/model/delta.py", 23),
        ("q2pt_tasks/model/materialise.py", 0),
        ("q2pt_tasks/model/baselines.py", 1),
        ("q2pt_tasks/model/prediction.py", 1),
        ("q2pt_tasks/metrics/measurements.py", 1),
        ("q2pt_tasks/registry/decision.py", 1),
        ("q2pt_tasks/metrics/slices.py", 1),
        ("q2pt_tasks/report/page.py", 1),
        ("q2pt_tasks/sources/synthetic", 1),
        ("q2pt_tasks/cli.py", 0),
        ("q2pt_tasks/sources/resolve.py", 0),
        ("q2pt_tasks/studies/workspace.py", 0),
    ],
)
def test_an_edited_module_reruns_only_the_stages_that_import_it(graph: list[Any], module: str, stages: int) -> None:
    paths = [dependency.def_path for stage in graph for dependency in stage.deps]
    assert paths.count(module) == stages


def test_the_report_depends_on_every_file_of_its_template() -> None:
    folder = "q2pt_tasks/report/templates"
    listed = {path for path in STAGES["report"]["deps"] if path.startswith(folder)}
    assert listed == {f"{folder}/{path.name}" for path in (ROOT / folder).iterdir()} - {f"{folder}/validation.html"}


def test_a_per_locale_training_depends_on_its_own_locale_alone(graph: list[Any]) -> None:
    stage = next(stage for stage in graph if stage.addressing == "train_non_unified@cs-CZ")
    data = [d.def_path for d in stage.deps if d.def_path.startswith("data/") and d.def_path != "data/encoder"]
    assert data
    assert all("cs-CZ" in path for path in data)


def test_only_the_stage_encoder_reads_what_was_resolved_of_it_and_all_that_load_models_read_its_copy() -> None:
    readers = {path: {name for name, stage in STAGES.items() if path in stage["deps"]} for path in ENCODER}
    assert readers == {
        "data/encoder.json": {"encoder"},
        "data/encoder": {"tokenize", "train_unified", "train_non_unified", "evaluate"},
    }
