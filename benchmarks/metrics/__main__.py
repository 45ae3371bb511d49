"""Exact curves of 1,414 product types from 1,000,000 queries, beside scikit-learn and torchmetrics.

Run as `make bench-metrics`; it writes `docs/results/metrics.md`, and needs 6 GB of disk below `build/`.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from benchmarks.metrics.contestants import CURVE_RESAMPLES, RESAMPLES
from benchmarks.metrics.scores import Scale, write_scores
from q2pt_tasks.studies.machine import describe_machine
from q2pt_tasks.studies.pages import code, table

PAGE = Path("docs/results/metrics.md")
SCORES = Path("build/metrics/scores.bin")
Found = dict[str, dict[str, Any]]
MEANINGS = {
    "curves": "q2pt: the curves of every type, and of all pairs",
    "everything": "q2pt: all figures that `evaluate` gives a split",
    "intervals": f"q2pt: the intervals of these figures, {RESAMPLES:,} resamples",
    "curve_intervals": f"q2pt: the intervals of the curves' figures, {CURVE_RESAMPLES} resamples",
    "scikit_learn": "scikit-learn, `precision_recall_curve` type by type",
    "torchmetrics": "torchmetrics, `MultilabelPrecisionRecallCurve(thresholds=None)`",
}
HARD = ("curves", "scikit_learn")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--queries", type=int, default=1_000_000)
    parser.add_argument("--types", type=int, default=1414)
    parser.add_argument("--peers", default=sys.executable, help="Python with torchmetrics")
    asked = parser.parse_args()
    scale = Scale(asked.queries, asked.types)
    load = os.getloadavg()[0]
    found = _measure(scale, MEANINGS, asked.peers)
    hard = replace(scale, queries=scale.queries // 10, signal=0.0)
    PAGE.write_text(build_page(scale, found, hard, _measure(hard, HARD, asked.peers), load), encoding="utf-8")


def _measure(scale: Scale, names: Iterable[str], peers: str) -> Found:
    write_scores(scale, SCORES)
    found = {name: _run(peers if name == "torchmetrics" else sys.executable, name, scale) for name in names}
    SCORES.unlink()
    return found


def _run(python: str, name: str, scale: Scale) -> dict[str, Any]:
    command = [python, "-m", "benchmarks.metrics.contestants", name, json.dumps(asdict(scale)), str(SCORES)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": "."})
    found: dict[str, Any] = json.loads(done.stdout)
    sys.stderr.write(f"{name}: {found['seconds']:.1f} s for {found['types']} types, {found['megabytes']:.0f} MB\n")
    return found


def build_page(scale: Scale, found: Found, hard: Scale, found_hard: Found, load: float) -> str:
    """The page of results, in Markdown."""
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
            f"{describe_machine()}. A process each. Other work on the machine when it began: a load of {load:.1f}.",
            "",
            _table(scale, found),
            "",
            "q2pt's seconds hold two readings of the file, those of intervals none or one: they begin when all "
            "else has been measured, whose memory is in theirs; the peers' hold none: their scores are in memory "
            "before the clock and the count of memory start. The peers compute some types only, evenly spaced from the "
            "most frequent to the rarest, and the seconds for all are these times the number of types: an "
            "extrapolation. "
            "scikit-learn runs on one core, q2pt and torchmetrics on all. Processor seconds are those of all cores "
            "together, for all types: what other work on the machine changes least.",
            "",
            "Largest difference from q2pt over the sampled types: "
            + "; ".join(_difference(found, name) for name in ("scikit_learn", "torchmetrics"))
            + ". torchmetrics computes in float32.",
            "",
            "The log-odds of pairs that are not true are normal with mean -7 and deviation 2, those of true pairs with "
            f"mean {scale.signal - 7:g} and deviation 2.8, rounded to 16 bits as a network's are: a model that is good "
            "and yet puts some true pairs of most types near the bottom. q2pt passes over pairs below the lowest true "
            "pair of their type, so the worst case is a model that knows nothing, with true pairs at the very bottom; "
            f"{hard.queries:,} queries of that, equally many types:",
            "",
            _table(hard, found_hard),
            "",
            f"Largest difference from q2pt: {_difference(found_hard, 'scikit_learn')}.",
            "",
        ]
    )


def _table(scale: Scale, found: Found) -> str:
    ours = found["curves"]
    rows = []
    for name, one in found.items():
        share = scale.types / one["types"]
        whole, processor = (one[kind] * share for kind in ("seconds", "processor_seconds"))
        times = (f"{whole / ours['seconds']:.1f}x", f"{processor / ours['processor_seconds']:.1f}x")
        rows.append(
            [MEANINGS[name], one["types"], f"{one['seconds']:.1f}", f"{whole:.0f}", times[0], f"{processor:.0f}",
             times[1], f"{one['megabytes']:,.0f}"]
        )  # fmt: skip
    header = [
        "", "types measured", "seconds", f"seconds for {scale.types:,}", "of q2pt's curves", "processor seconds",
        "of q2pt's curves", "MB above its start",
    ]  # fmt: skip
    return table(header, rows)


def _difference(found: Found, name: str) -> str:
    ours, theirs = found["curves"]["figures"], found[name]["figures"]
    apart = [
        max(abs(ours[index][place] - own[place]) for index, own in theirs.items() if own[place] == own[place])
        for place in (0, 1)
    ]
    return f"{name} {apart[0]:.1e} (average precision), {apart[1]:.1e} (recall)"


if __name__ == "__main__":
    main()
