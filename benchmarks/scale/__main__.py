"""Ingest to split on logs of growing size, beside plain pandas and hand-written SQL.

Run as `make bench-scale`; it writes `docs/results/scale.md`, and needs 2 GB of disk below `build/` per 10,000,000 rows.
"""

import argparse
import shutil
import sys
from pathlib import Path

from benchmarks.scale.contestants import CONTESTANTS, STAGES
from benchmarks.scale.equality import check_equal
from benchmarks.scale.log import make_log
from benchmarks.scale.measuring import run_stage
from benchmarks.scale.night import measure_night
from benchmarks.scale.page import Size, build_page

PAGE = Path("docs/results/scale.md")
FOLDER = Path("build/scale")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000_000, 10_000_000], help="sizes of the log")
    parser.add_argument("--alone", type=int, nargs="*", default=[], help="sizes that q2pt alone is measured at")
    parser.add_argument("--page", type=Path, default=PAGE)
    asked = parser.parse_args()
    sizes = [measure(rows, tuple(CONTESTANTS)) for rows in asked.rows]
    sizes += [measure(rows, ("q2pt",)) for rows in asked.alone]
    asked.page.write_text(build_page(sizes), encoding="utf-8")


def measure(rows: int, contestants: tuple[str, ...]) -> Size:
    """Makes a log, lets the contestants work on it one after another, compares what they made, and adds a day."""
    made = make_log(FOLDER / "log", rows, Path("params.yaml"))
    sys.stderr.write(f"{made.rows:,} rows made in {made.seconds:.1f} s\n")
    folders = {name: _own_folder(name) for name in contestants}
    measured = {name: {stage: run_stage(name, stage, folder) for stage in STAGES} for name, folder in folders.items()}
    same = check_equal(folders)
    for other in folders.keys() - {"q2pt"}:
        shutil.rmtree(folders[other])
    night = measure_night(folders["q2pt"], FOLDER / "night")
    shutil.rmtree(FOLDER)
    return Size(made, measured, night, same)


def _own_folder(name: str) -> Path:
    """A contestant's folder with the log in it, as links: the log is read, never written."""
    log, own = FOLDER / "log", FOLDER / name
    shutil.rmtree(own, ignore_errors=True)
    shutil.copytree(log, own, copy_function=lambda source, target: Path(target).hardlink_to(source))
    return own


if __name__ == "__main__":
    main()
