"""The benchmark of the engines: what its page says, and that other bytes are caught."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmarks.engines.losing import lost_executor
from benchmarks.engines.page import Row, build_page
from benchmarks.scale.contestants import STAGES
from benchmarks.scale.equality import OtherBytesError, check_same_bytes
from benchmarks.scale.measuring import Measured

# What the name of an executor's class makes of a process: one that sleeps.
SLEEPS = ["-c", "import time; time.sleep(60)", "org.apache.spark.executor.CoarseGrainedExecutorBackend"]


def test_the_page_compares_with_the_first_engine() -> None:
    def row(name: str, seconds: float) -> Row:
        return Row(name, {stage: Measured(seconds, seconds, 100.0) for stage in STAGES})

    page = build_page(1_000, 42, [row("DuckDB", 2.0), row("Spark", 9.0)])
    assert "All 42 files" in page
    assert "| Spark | 9.0 | 9.0 | 9.0 | 9.0 | 36.0 | 4.5x |" in page


def test_a_file_that_is_missing_or_has_other_bytes_is_named(tmp_path: Path) -> None:
    for name in ("one", "other"):
        (tmp_path / name / "data/raw").mkdir(parents=True)
        (tmp_path / name / "data/raw/window.json").write_text("{}")
    one, other = tmp_path / "one", tmp_path / "other"
    assert check_same_bytes(one, other, "by Spark") == 1
    (other / "data/raw/window.json").write_text("{} ")
    with pytest.raises(OtherBytesError, match=r"data/raw/window\.json has other bytes by Spark"):
        check_same_bytes(one, other, "by Spark")
    (other / "data/raw/window.json").unlink()
    with pytest.raises(OtherBytesError, match=r"only one of two folders has data/raw/window\.json"):
        check_same_bytes(one, other, "by Spark")


def test_one_executor_is_killed_when_it_is_time_and_none_before() -> None:
    processes = [subprocess.Popen([sys.executable, *SLEEPS]) for _ in range(2)]
    try:
        with lost_executor(os.getpid(), lambda: False) as lost:
            pass
        assert lost == []
        with lost_executor(os.getpid(), lambda: True) as lost:
            while not lost:
                time.sleep(0.01)
        assert sorted(process.poll() is None for process in processes) == [False, True]
    finally:
        for process in processes:
            process.kill()
            process.wait()
