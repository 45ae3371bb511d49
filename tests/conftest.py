"""What all tests share: nothing outside the test's own folder is read or written, and torch keeps to one thread."""

import os

# Two test processes on two cores: more threads would wait for each other.
os.environ["OMP_NUM_THREADS"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["HF_HUB_OFFLINE"] = "1"

from collections.abc import Iterator  # noqa: E402 - torch must find the number of threads set
from pathlib import Path  # noqa: E402

import pytest  # noqa: E402
from tiny import run_pipeline, tiny_project  # noqa: E402

from q2pt_tasks.layout import Layout  # noqa: E402


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Layout]:
    """A tiny pipeline that has run; tests read it and change nothing."""
    layout = tiny_project(tmp_path_factory.mktemp("finished"))
    run_pipeline(layout)
    yield layout
