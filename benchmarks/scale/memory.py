"""Most memory of what works on labelled queries: split, tokenize, what evaluate reads, what a training is judged by.

`evaluate` is measured before it scores anything, a training where it has its logits.

Run as `python -m benchmarks.scale.memory`; it prints a table. Each works in a process of its own, below `build/scale`.
"""

import argparse
import shutil
import sys
from pathlib import Path

from benchmarks.scale.labels import make_labels
from benchmarks.scale.measuring import run_stage
from q2pt_tasks.studies.pages import table

FOLDER = Path("build/scale/labels")
STEPS = ("split", "tokenize", "truth", "judge")
# At the first size it is the processes' imports that take it.
QUERIES = (20_000, 3_000_000)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--queries", type=int, nargs="+", default=QUERIES, help="labelled queries that are drawn")
    rows = [_row(queries) for queries in parser.parse_args().queries]
    sys.stdout.write(table(["labelled queries", *(f"{step}, most MB" for step in STEPS)], rows) + "\n")


def _row(queries: int) -> list[object]:
    made = make_labels(FOLDER, queries, Path("params.yaml"))
    measured = [run_stage("q2pt", step, FOLDER) for step in STEPS]
    shutil.rmtree(FOLDER)
    return [made, *(f"{own.megabytes:,.0f}" for own in measured)]


if __name__ == "__main__":
    main()
