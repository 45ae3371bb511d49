"""Exact curves of 1,414 product types from 1,000,000 queries, beside scikit-learn and torchmetrics.

Run as `make bench-metrics`; it writes `docs/results/metrics.md`, and needs 6 GB of disk below `build/`.
"""

import argparse
import json
import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.metrics.scores import Scale, write_scores
from q2pt_tasks.studies.machine import describe_machine
from q2pt_tasks.studies.pages import code, table

PAGE = Path("docs/results/metrics.md")
SCORES = Path("build/metrics/scores.bin")
MEANINGS = {
    "curves": "q2pt: the curves of every type, and of all pairs",
    "everything": "q2pt: all that `evaluate` says of a split",
    "scikit_learn": "scikit-learn, `precision_recall_curve` type by type",
    "torchmetrics": "torchmetrics, `MultilabelPrecisionRecallCurve(thresholds=None)`",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--queries", type=int, default=1_000_000)
    parser.add_argument("--types", type=int, default=1414)
    parser.add_argument("--peers", default=sys.executable, help="Python with torchmetrics")
    asked = parser.parse_args()
    scale = Scale(asked.queries, asked.types)
    write_scores(scale, SCORES)
    pythons = {name: asked.peers if name == "torchmetrics" else sys.executable for name in MEANINGS}
    found = {name: _run(python, name, scale) for name, python in pythons.items()}
    SCORES.unlink()
    PAGE.write_text(build_page(scale, found), encoding="utf-8")


def _run(python: str, name: str, scale: Scale) -> dict[str, Any]:
    command = [python, "-m", "benchmarks.metrics.contestants", name, json.dumps(asdict(scale)), str(SCORES)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": "."})
    found: dict[str, Any] = json.loads(done.stdout)
    sys.stderr.write(f"{name}: {found['seconds']:.1f} s for {found['types']} types, {found['megabytes']:.0f} MB\n")
    return found


def build_page(scale: Scale, found: dict[str, dict[str, Any]]) -> str:
    """The page of results, in Markdown."""
    ours = found["curves"]["seconds"]
    rows = []
    for name, one in found.items():
        whole = one["seconds"] * scale.types / one["types"]
        rows.append(
            [MEANINGS[name], one["types"], f"{one['seconds']:.1f}", f"{whole:.0f}", f"{whole / ours:.1f}x",
             f"{one['megabytes']:,.0f}"]
        )  # fmt: skip
    header = ["", "types measured", "seconds", f"seconds for {scale.types:,}", "of q2pt's curves", "MB above its start"]
    size = 4e-9 * scale.queries * scale.types
    pairs = f"{scale.queries:,} queries x {scale.types:,} product types, float32, {size:.1f} GB"
    return "\n".join(
        [
            "# Exact curves from a stream",
            "",
            f"{pairs} in a file, read in blocks of {scale.rows:,} queries; true pairs drawn by Zipf's law, seed "
            f"{scale.seed}. Average precision and recall at precision 0.8 of every type, exactly.",
            "",
            code("make bench-metrics"),
            "",
            f"{describe_machine()}. A process each.",
            "",
            table(header, rows),
            "",
            "q2pt's seconds hold two readings of the file; the peers' hold none: their scores are in memory before the "
            "clock and the count of memory start. The peers compute some types only, evenly spaced from the most "
            "frequent to the rarest, and the seconds for all are these times the number of types: an extrapolation. "
            "scikit-learn runs on one core, q2pt and torchmetrics on all.",
            "",
            "Largest difference from q2pt over the sampled types: "
            + "; ".join(_difference(found, name) for name in ("scikit_learn", "torchmetrics"))
            + ". torchmetrics computes in float32.",
            "",
        ]
    )


def _difference(found: dict[str, dict[str, Any]], name: str) -> str:
    ours, theirs = found["curves"]["figures"], found[name]["figures"]
    apart = [
        max(abs(ours[index][place] - own[place]) for index, own in theirs.items() if own[place] == own[place])
        for place in (0, 1)
    ]
    return f"{name} {apart[0]:.1e} (average precision), {apart[1]:.1e} (recall)"


if __name__ == "__main__":
    main()
