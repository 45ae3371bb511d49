"""The table of docs/reliability.md and the tests that break things name the same faults."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

DOCUMENT = Path("docs/reliability.md")
# A row of the table: | `fault` ... | promise | what happened | how it is seen | what to do | tests |
_ROW = re.compile(r"^\| `([a-z0-9-]+)`", re.MULTILINE)
_TEST = re.compile(r"`(tests/[\w/]+\.py)`")
LEAST_FAULTS = 25


def _marks(tree: ast.AST) -> Iterator[str]:
    """The faults of every `pytest.mark.chaos("fault")` in a module."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.mark.chaos":
            (fault,) = node.args
            assert isinstance(fault, ast.Constant)
            yield str(fault.value)


def _tested() -> Mapping[str, set[str]]:
    """The files that test each fault."""
    found: dict[str, set[str]] = defaultdict(set)
    for file in Path("tests").rglob("test_*.py"):
        for fault in _marks(ast.parse(file.read_text(encoding="utf-8"))):
            found[fault].add(file.as_posix())
    return found


def _rows() -> Mapping[str, str]:
    lines = DOCUMENT.read_text(encoding="utf-8").splitlines()
    return {match[1]: line for line in lines if (match := _ROW.match(line))}


def test_every_fault_of_the_table_is_tested_where_it_says_and_every_tested_one_is_in_it() -> None:
    assert {fault: set(_TEST.findall(row)) for fault, row in _rows().items()} == _tested()


def test_no_file_with_a_fault_can_be_skipped_as_a_whole() -> None:
    """The summary of `make chaos` would not miss its faults: pytest does not know the tests of such a file."""
    for file in set().union(*_tested().values()):
        called = {
            ast.unparse(node.func)
            for statement in ast.parse(Path(file).read_text(encoding="utf-8")).body
            if not isinstance(statement, ast.FunctionDef | ast.ClassDef)
            for node in ast.walk(statement)
            if isinstance(node, ast.Call)
        }
        assert called.isdisjoint({"pytest.importorskip", "pytest.skip"}), file


def test_the_table_is_whole() -> None:
    rows = _rows()
    assert len(rows) >= LEAST_FAULTS
    for fault, row in rows.items():
        cells = [cell.strip() for cell in row.strip("|").split("|")]
        assert len(cells) == 6, fault
        assert all(cells), fault
