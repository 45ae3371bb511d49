"""What all tests share: nothing outside the test's own folder is read or written, torch keeps to one thread, and no
example of a property is failed for the time that a busy machine takes for it."""

import os
import tempfile
from collections import Counter, defaultdict

# Two test processes on two cores: more threads would wait for each other.
os.environ["OMP_NUM_THREADS"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["HF_HUB_OFFLINE"] = "1"
# Airflow writes to its home when it is imported.
os.environ["AIRFLOW_HOME"] = tempfile.mkdtemp(prefix="q2pt-airflow-")


import pytest
from hypothesis import settings
from tiny import run_pipeline, tiny_project

from q2pt_tasks.layout import Layout

settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Layout:
    """A tiny pipeline that has run; tests read it and change nothing."""
    layout = tiny_project(tmp_path_factory.mktemp("finished"))
    run_pipeline(layout)
    return layout


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A test's faults go with its report, which may come from another process."""
    for item in items:
        item.user_properties += [("fault", mark.args[0]) for mark in item.iter_markers("chaos")]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """What became of each fault, after `make chaos`."""
    if config.option.markexpr != "chaos":
        return
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for outcome in ("passed", "failed", "error", "skipped"):
        for report in terminalreporter.getreports(outcome):
            for fault in (value for name, value in report.user_properties if name == "fault"):
                found[str(fault)][outcome] += 1
    terminalreporter.section("faults")
    for fault, outcomes in sorted(found.items()):
        terminalreporter.line(f"{fault:22} {', '.join(f'{n} {outcome}' for outcome, n in outcomes.items())}")
