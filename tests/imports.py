"""What a module of the package imports of the package, directly or through others, read from the source."""

import ast
from pathlib import Path

PACKAGE = "q2pt_tasks"


def imported_files(root: Path, file: Path) -> set[Path]:
    """`file` and every module of the package that it imports, also through others, relative to `root`."""
    found: set[Path] = set()
    waiting = [file]
    while waiting:
        current = waiting.pop()
        if current in found:
            continue
        found.add(current)
        waiting += direct_imports(root, current)
    return found


def direct_imports(root: Path, file: Path) -> list[Path]:
    """The modules of the package that `file` names in its import statements, relative to `root`."""
    names: list[str] = []
    for node in ast.walk(ast.parse((root / file).read_text())):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    files = [Path(name.replace(".", "/") + ".py") for name in names if name.split(".")[0] == PACKAGE]
    return [candidate for candidate in files if (root / candidate).is_file()]
