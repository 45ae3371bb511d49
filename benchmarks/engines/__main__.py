"""Ingest to split by DuckDB and by Spark: the same bytes, also where an executor is lost in every stage.

Run as `make bench-engines`; it writes `docs/results/engines.md`, wants PySpark (`make spark`) and 1 GB of disk below
`build/` per 1,000,000 rows.
"""

import argparse
import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.engines.losing import has_files, lost_executor
from benchmarks.engines.page import Row, build_page
from benchmarks.scale.contestants import STAGES
from benchmarks.scale.equality import check_same_bytes
from benchmarks.scale.log import make_log
from benchmarks.scale.measuring import Measured, run_stage
from q2pt_tasks.params_edit import edit_params

PAGE = Path("docs/results/engines.md")
FOLDER = Path("build/engines")
# Two executors of one core and 1,024 MB each, in processes of their own.
CLUSTER = "local-cluster[2,1,1024]"
LOSING = "Spark, two executors, one lost in each stage"
ENGINES: Mapping[str, Mapping[str, Any]] = {
    "DuckDB": {"engine.name": "duckdb"},
    "Spark, one process": {"engine.name": "spark", "engine.spark_master": "local[2]"},
    LOSING: {"engine.name": "spark", "engine.spark_master": CLUSTER},
}
# What the stages that ask the engine write to.
_WRITES = {"ingest": "data/raw/events", "validate": "data/valid", "label": "data/labeled"}


class NothingLostError(AssertionError):
    """A stage was done before an executor could be killed, so that nothing was shown."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000, help="of the log, about")
    parser.add_argument("--page", type=Path, default=PAGE)
    asked = parser.parse_args()
    made = make_log(FOLDER / "log", asked.rows, Path("params.yaml"))
    rows: list[Row] = []
    files = 0
    for name, changes in ENGINES.items():
        folder = FOLDER / f"{len(rows)}"
        _copy_log(folder, changes)
        rows.append(Row(name, {stage: _run(stage, folder, losing=name == LOSING) for stage in STAGES}))
        files = check_same_bytes(FOLDER / "0", folder, f"by {name}")
    shutil.rmtree(FOLDER)
    asked.page.write_text(build_page(made.rows, files, rows), encoding="utf-8")


def _copy_log(folder: Path, changes: Mapping[str, Any]) -> None:
    """A folder of its own with the log in it, as links: the log is read, never written."""
    shutil.copytree(FOLDER / "log", folder, copy_function=_link)
    edit_params(folder / "params.yaml", changes)


def _link(source: str, target: str) -> None:
    """Params are written anew, never into."""
    if Path(source).name == "params.yaml":
        shutil.copy(source, target)
    else:
        Path(target).hardlink_to(source)


def _run(stage: str, folder: Path, *, losing: bool) -> Measured:
    if not losing or stage not in _WRITES:
        return run_stage("q2pt", stage, folder)
    with lost_executor(os.getpid(), lambda: has_files(folder / _WRITES[stage])) as lost:
        measured = run_stage("q2pt", stage, folder)
    if not lost:
        raise NothingLostError(f"{stage} was done before an executor was killed: take a larger log (--rows)")
    sys.stderr.write(f"{stage}: executor {lost[0].pid} was killed\n")
    return measured


if __name__ == "__main__":
    main()
