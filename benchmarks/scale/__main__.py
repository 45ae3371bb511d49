"""Ingest to split on logs of growing size, beside plain pandas and hand-written SQL.

`make bench-scale` measures 1 and 10 million events, `python -m benchmarks.scale --alone 100000000` also 105 million by
q2pt alone, as `docs/results/scale.md` has it. Either writes that page, and needs 2 GB of disk below `build/` for each
10,000,000 rows.
What was measured is kept in `build/scale/figures`: ended, or done in pieces (`--seconds`), it is taken up by the same
command. Delete that folder to measure again.
"""

import argparse
import shutil
import sys
import time
from pathlib import Path

from benchmarks.scale.contestants import CONTESTANTS, STAGES
from benchmarks.scale.equality import check_equal
from benchmarks.scale.log import Made, make_log
from benchmarks.scale.measuring import Measured, measure_starts, run_stage
from benchmarks.scale.night import measure_nights
from benchmarks.scale.page import Size, build_page
from benchmarks.scale.steps import PieceDoneError, Steps

PAGE = Path("docs/results/scale.md")
FOLDER = Path("build/scale")
# Of a piece that is not the last one, as of a program that is to be run again.
AGAIN = 75


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000_000, 10_000_000], help="sizes of the log")
    parser.add_argument("--alone", type=int, nargs="*", default=[], help="sizes that q2pt alone is measured at")
    parser.add_argument(
        "--seconds", type=float, default=float("inf"), help="begins nothing more after so many, and ends"
    )
    parser.add_argument("--page", type=Path, default=PAGE)
    asked = parser.parse_args()
    ends = time.monotonic() + asked.seconds
    contestants = {**dict.fromkeys(asked.alone, ("q2pt",)), **dict.fromkeys(asked.rows, tuple(CONTESTANTS))}
    try:
        sizes = [
            measure(rows, contestants[rows], Steps(FOLDER / "figures" / str(rows), ends))
            for rows in sorted(contestants)
        ]
    except PieceDoneError as ended:
        sys.stderr.write(f"{ended}: the same command goes on there\n")
        sys.exit(AGAIN)
    alone = "".join(f" {rows}" for rows in asked.alone)
    command = f"python -m benchmarks.scale --alone{alone}" if alone else "make bench-scale"
    asked.page.write_text(build_page(sizes, command), encoding="utf-8")


def measure(rows: int, contestants: tuple[str, ...], steps: Steps) -> Size:
    """Makes a log, lets the contestants work on it one after another, compares what they made, and adds a day."""
    place = FOLDER / str(rows)
    made = steps.once("log", Made, lambda: make_log(place / "log", rows, Path("params.yaml")))
    measured = {name: _measure_contestant(place, name, steps) for name in contestants}
    same = steps.once("equality", dict[str, int], lambda: check_equal({name: place / name for name in contestants}))
    nights = measure_nights(place / "q2pt", place / "night", steps)
    starts = steps.once("starts", float, lambda: measure_starts(STAGES))
    shutil.rmtree(place, ignore_errors=True)
    return Size(made, measured, nights, starts, same)


def _measure_contestant(place: Path, name: str, steps: Steps) -> dict[str, Measured]:
    steps.once(f"{name} folder", None, lambda: _own_folder(place, name))

    def run(stage: str) -> Measured:
        return steps.once(f"{name} {stage}", Measured, lambda: run_stage(name, stage, place / name))

    return {stage: run(stage) for stage in STAGES}


def _own_folder(place: Path, name: str) -> None:
    """A contestant's folder with the log in it, as links: the log is read, never written."""
    shutil.rmtree(place / name, ignore_errors=True)
    shutil.copytree(place / "log", place / name, copy_function=lambda source, target: Path(target).hardlink_to(source))


if __name__ == "__main__":
    main()
