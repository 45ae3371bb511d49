"""Great Expectations says in a process of its own what it says in this one, and the process ends whatever happens."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from process_family import family

from q2pt_tasks.data.expectations import Expectation, Figure, at_least, at_most, equal_to
from q2pt_tasks.data.great_expectations_runner import SuiteError, evaluate
from q2pt_tasks.failures import in_words
from q2pt_tasks.validation import expectations_apart
from q2pt_tasks.validation.expectations_apart import ExpectationsApart, ProcessEndedError

FIGURES: dict[str, Figure] = {"share": 0.05, "rows": 3, "columns": "q Stríng | ß", "far": 2**40 + 1}
EXPECTED = [at_most("share", 0.05), at_least("rows", 4), equal_to("columns", "q Stríng | ß"), at_most("far", 2**40)]
# Prints where the library is imported.
PRINTS = """
from q2pt_tasks.validation import expectations_apart
expectations_apart.import_library = lambda: print("hello")
expectations_apart.main()
"""
# Begins one, tells its number and waits to be killed.
LEFT_ALONE = """
import time
from q2pt_tasks.validation.expectations_apart import ExpectationsApart
print(ExpectationsApart()._process.pid, flush=True)
time.sleep(600)
"""


def package_that(folder: Path, does: str) -> None:
    """Another package of the same name in `folder`, whose process does this alone."""
    module = folder / "q2pt_tasks/validation/expectations_apart.py"
    module.parent.mkdir(parents=True)
    for own in (module.parent, module.parents[1]):
        (own / "__init__.py").touch()
    module.write_text(does)


def test_it_says_what_it_says_in_this_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # It is of this code, wherever it is started.
    package_that(tmp_path, "raise SystemExit(3)")
    (tmp_path / "json.py").write_text("raise SystemExit(4)")
    monkeypatch.chdir(tmp_path)
    with ExpectationsApart() as apart:
        outcomes = evaluate(EXPECTED, FIGURES, apart.verdicts)
    assert outcomes == evaluate(EXPECTED, FIGURES)
    assert [outcome.holds for outcome in outcomes] == [True, False, True, False]


def test_a_suite_that_is_wrong_is_refused_in_its_words() -> None:
    wrong = Expectation("rows", "ExpectColumnMaxToBeBetwen", {"max_value": 1}, "")
    with (
        ExpectationsApart() as apart,
        pytest.raises(SuiteError, match="has no expectation 'ExpectColumnMaxToBeBetwen'"),
    ):
        evaluate([wrong], FIGURES, apart.verdicts)


@pytest.mark.parametrize(
    ("does", "said"),
    [
        ("raise SystemExit(3)", "has ended with exit code 3, and what it said stands above"),
        ("import os; os.kill(os.getpid(), 9)", "has ended with signal SIGKILL; free memory"),
    ],
)
def test_without_an_answer_it_is_an_error_in_words(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, does: str, said: str
) -> None:
    package_that(tmp_path, does)
    monkeypatch.setattr(expectations_apart, "_ROOT", tmp_path)
    with ExpectationsApart() as apart, pytest.raises(ProcessEndedError, match=said) as caught:
        evaluate(EXPECTED, FIGURES, apart.verdicts)
    assert in_words(caught.value, "") is not None


def test_what_a_library_prints_is_no_answer() -> None:
    asked = json.dumps({"expectations": [["rows", "NoSuchThing", {"max_value": 1}]], "figures": {"rows": 1}})
    done = subprocess.run([sys.executable, "-c", PRINTS], input=asked, capture_output=True, text=True, check=True)
    assert "refused" in json.loads(done.stdout)
    assert "hello" in done.stderr


def test_it_ends_with_what_it_was_begun_for() -> None:
    with ExpectationsApart() as apart:
        assert apart._process.poll() is None
    assert apart._process.returncode == -signal.SIGKILL


def test_left_alone_it_ends_by_itself() -> None:
    environment = {**os.environ, "PYTHONPATH": str(Path.cwd())}
    parent = subprocess.Popen([sys.executable, "-c", LEFT_ALONE], stdout=subprocess.PIPE, text=True, env=environment)
    assert parent.stdout is not None
    with parent:
        pid = int(parent.stdout.readline())
        (own,) = family(pid)
        assert own in family(parent.pid)
        parent.kill()
    deadline = time.monotonic() + 60
    while own.lives():
        assert time.monotonic() < deadline
        time.sleep(0.1)
