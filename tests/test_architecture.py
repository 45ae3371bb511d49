"""Imports run one way through the house."""

from pathlib import Path

import pytest
from imports import direct_imports

ROOT = Path.cwd()
PACKAGE = Path("q2pt_tasks")
# A room and the rooms that it may import from, beside those that any may use.
ALLOWED = {
    "data": {"data"},
    "metrics": {"metrics"},
    "registry": {"registry", "metrics", "model"},
    "engine": {"engine"},
    "report": {"report", "data", "metrics"},
    "sources": {"sources", "data", "model/encoder.py", "stages/ingest.py", "stages/evaluate.py"},
    # A champion is a release.
    "model": {"model", "data", "metrics", "registry/release.py"},
    "serving": {"serving", "model", "data", "registry"},
    "validation": {"validation", "data"},
    "labelling": {"labelling", "data", "validation/products.py"},
    "stages": {"stages", "sources", "data", "validation", "labelling", "model", "metrics", "registry", "report"},
    "studies": {"studies", "stages", "sources", "data", "model", "metrics", "report"},
    # It knows a stage by its name only: it renders, clones and runs what dvc.yaml says.
    "orchestration": {
        "orchestration",
        "check_params.py",
        "sources/resolve.py",
        "data/schema.py",
        "model/champion.py",
        "registry",
    },
}
ANYWHERE = {
    "params.py",
    "layout.py",
    "engine",
    "inside.py",
    "memo.py",
    "plain_text.py",
    "threads.py",
    "failures.py",
    "params_edit.py",
    "git.py",
}
PURE = ("data", "metrics", "registry")
# What reads and writes releases; the rest of the registry decides and describes.
WITH_WORLD = {
    "checkout",
    "expired_branch",
    "golden",
    "making",
    "named",
    "objects",
    "opening",
    "promotion",
    "prune",
    "pruning",
    "repository",
    "stored",
}
INPUT_OUTPUT = ("open(", ".read_text(", ".write_text(", ".read_bytes(", "subprocess", "pq.read", "pq.write")


def _modules(room: str) -> list[Path]:
    return [path.relative_to(ROOT) for path in sorted((ROOT / PACKAGE / room).rglob("*.py"))]


def _direct(module: Path) -> set[str]:
    """What `module` imports of the package, as paths below it."""
    return {str(path.relative_to(PACKAGE)) for path in direct_imports(ROOT, module)}


@pytest.mark.parametrize("room", list(ALLOWED))
def test_a_room_imports_only_from_the_rooms_below_it(room: str) -> None:
    for module in _modules(room):
        for imported in _direct(module):
            allowed = {imported, imported.split("/")[0]} & (ANYWHERE | ALLOWED[room])
            assert allowed, f"{module} must not import {imported}"


def test_stages_do_not_import_each_other() -> None:
    for module in _modules("stages"):
        others = {path for path in _direct(module) if path.startswith("stages/")}
        assert others == set(), f"{module} imports {others}"


def test_only_dags_import_orchestration() -> None:
    others = [path for path in _modules(".") if path.relative_to(PACKAGE).parts[0] != "orchestration"]
    assert len(others) > 50
    for module in others:
        found = {path for path in _direct(module) if path.startswith("orchestration/")}
        assert found == set(), f"{module} imports {found}"


@pytest.mark.parametrize("room", PURE)
def test_a_pure_room_reads_and_writes_nothing(room: str) -> None:
    for module in _modules(room):
        if room == "registry" and module.stem in WITH_WORLD:
            continue
        assert not {Path(path).stem for path in _direct(module)} & WITH_WORLD, module
        text = (ROOT / module).read_text()
        assert not [word for word in INPUT_OUTPUT if word in text], f"{module} does input or output"
