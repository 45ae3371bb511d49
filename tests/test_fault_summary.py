"""After `pytest -m chaos` each fault is named with what became of it, and one that nothing brought about fails it."""

import subprocess
import sys
from pathlib import Path

import pytest

SETTINGS = "[pytest]\nmarkers = chaos(fault): a fault\npythonpath = {tests}\n"
HOOKS = (
    "from fault_summary import pytest_collection_modifyitems, pytest_sessionfinish, pytest_terminal_summary\n"
    "__all__ = ['pytest_collection_modifyitems', 'pytest_sessionfinish', 'pytest_terminal_summary']\n"
)
PASSES = """
import pytest

@pytest.mark.chaos("storm")
def test_storm(): ...

@pytest.mark.chaos("flood")
def test_flood(): ...

@pytest.mark.chaos("flood")
def test_flood_of_the_sea():
    pytest.skip("no sea here")
"""
SKIPS = """
import pytest

@pytest.fixture
def earth():
    pytest.skip("no earth here")

@pytest.mark.chaos("quake")
def test_quake(earth): ...

@pytest.mark.chaos("quake")
@pytest.mark.skipif(True, reason="no second one")
def test_quake_again(): ...
"""
SKIPS_WHOLE = """
import pytest

pytest.importorskip("no_such_library")

def test_nothing(): ...
"""
FAILS = """
import pytest

@pytest.mark.chaos("fire")
def test_fire():
    assert False
"""


def run(folder: Path, files: dict[str, str], *options: str) -> tuple[int, str]:
    """Runs these tests in a pytest of their own; its exit code, and what it says of faults."""
    settings = SETTINGS.format(tests=Path("tests").absolute())
    for name, text in {"pytest.ini": settings, "conftest.py": HOOKS, **files}.items():
        (folder / name).write_text(text, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *options]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout.partition("= faults =")[2]


@pytest.mark.parametrize("processes", ["0", "2"])
def test_a_fault_that_nothing_brought_about_is_named_and_fails(tmp_path: Path, processes: str) -> None:
    files = {"test_passes.py": PASSES, "test_skips.py": SKIPS}
    code, said = run(tmp_path, files, "-m", "chaos", "-n", processes)
    assert code == pytest.ExitCode.TESTS_FAILED
    lines = [line for line in said.splitlines() if line.split(" ")[0] in ("flood", "quake", "storm")]
    assert lines == [
        f"{'flood':22} 1 passed, 1 skipped; no sea here",
        f"{'quake':22} NOT BROUGHT ABOUT: 2 skipped; no earth here; no second one",
        f"{'storm':22} 1 passed",
    ]
    assert "not brought about, so nothing is known of them: quake" in said


@pytest.mark.parametrize("processes", ["0", "2"])
def test_faults_that_were_all_brought_about_pass(tmp_path: Path, processes: str) -> None:
    code, said = run(tmp_path, {"test_passes.py": PASSES}, "-m", "chaos", "-n", processes)
    assert code == pytest.ExitCode.OK
    assert "not brought about" not in said


@pytest.mark.parametrize("processes", ["0", "2"])
def test_a_file_that_is_skipped_as_a_whole_has_no_faults(tmp_path: Path, processes: str) -> None:
    files = {"test_passes.py": PASSES, "test_skips_whole.py": SKIPS_WHOLE}
    code, said = run(tmp_path, files, "-m", "chaos", "-n", processes)
    assert code == pytest.ExitCode.OK
    assert f"{'storm':22} 1 passed" in said


def test_a_test_that_fails_is_no_fault_that_was_not_brought_about(tmp_path: Path) -> None:
    code, said = run(tmp_path, {"test_fails.py": FAILS}, "-m", "chaos")
    assert code == pytest.ExitCode.TESTS_FAILED
    assert f"{'fire':22} 1 failed" in said
    assert "not brought about" not in said


def test_without_the_mark_nothing_is_said_and_skips_pass(tmp_path: Path) -> None:
    assert run(tmp_path, {"test_skips.py": SKIPS}) == (pytest.ExitCode.OK, "")
