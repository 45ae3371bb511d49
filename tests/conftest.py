"""What all tests share: nothing outside the test's own folder is read or written, torch keeps to one thread, and no
example of a property is failed for the time that a busy machine takes for it."""

import os
import tempfile

# Two test processes on two cores: more threads would wait for each other.
os.environ["OMP_NUM_THREADS"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["HF_HUB_OFFLINE"] = "1"
# Airflow writes to its home when it is imported.
os.environ["AIRFLOW_HOME"] = tempfile.mkdtemp(prefix="q2pt-airflow-")


import pytest
from fault_summary import pytest_collection_modifyitems, pytest_sessionfinish, pytest_terminal_summary
from hypothesis import settings
from tiny import run_pipeline, tiny_project

from q2pt_tasks.layout import Layout

# pytest looks for hooks here.
__all__ = ["pytest_collection_modifyitems", "pytest_sessionfinish", "pytest_terminal_summary"]

settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Layout:
    """A tiny pipeline that has run; tests read it and change nothing."""
    layout = tiny_project(tmp_path_factory.mktemp("finished"))
    run_pipeline(layout)
    return layout
