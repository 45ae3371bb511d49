"""The benchmark of the curves at a size of seconds: contestants agree, and the page says what was extrapolated."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.metrics.__main__ import build_page
from benchmarks.metrics.contestants import curve_intervals, curves, everything, intervals, scikit_learn
from benchmarks.metrics.scores import Scale, read_scores, true_pairs, write_scores

SCALE = Scale(queries=2_500, types=60, rows=1_000)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("scores") / "scores.bin"
    write_scores(SCALE, file)
    return file


def test_the_file_holds_every_query_once(file: Path) -> None:
    blocks = list(read_scores(SCALE, file))
    assert [len(scores) for _, scores in blocks] == [1_000, 1_000, 500]
    right = np.concatenate([scores[true_pairs(SCALE, block)] for block, scores in blocks])
    assert right.mean() > 5 * np.concatenate([scores for _, scores in blocks]).mean()
    assert len(right) > SCALE.queries


def test_our_curves_are_those_of_scikit_learn(file: Path) -> None:
    ours, theirs = curves(SCALE, file), scikit_learn(SCALE, file)
    assert len(theirs.figures) == 40
    for index, figures in theirs.figures.items():
        assert ours.figures[index] == pytest.approx(figures, abs=1e-9)
    assert everything(SCALE, file).types == 60


def test_intervals_are_timed_without_the_measuring(file: Path) -> None:
    for contestant in (intervals, curve_intervals):
        outcome = contestant(SCALE, file)
        assert (outcome.types, outcome.figures) == (60, {})
        assert outcome.seconds > 0


def test_the_page_says_what_was_extrapolated() -> None:
    def found(types: int, seconds: float, ap: float) -> dict[str, Any]:
        return {
            "types": types,
            "seconds": seconds,
            "processor_seconds": 2 * seconds,
            "megabytes": 12.0,
            "figures": {"0": [ap, 0.5]},
        }

    text = build_page(
        Scale(1_000_000, 1_414),
        {
            "curves": found(1_414, 20.0, 0.25),
            "everything": found(1_414, 40.0, 0.25),
            "scikit_learn": found(40, 8.0, 0.25),
            "torchmetrics": found(20, 8.0, 0.35),
        },
        Scale(100_000, 1_414, signal=0.0),
        {"curves": found(1_414, 2.0, 0.25), "scikit_learn": found(40, 0.8, 0.5)},
        load=1.25,
    )
    assert "| 40 | 0.8 | 28 | 14.1x | 57 | 14.1x | 12 |" in text
    assert "100,000 queries" in text
    assert "a load of 1.2" in text
    assert "| 40 | 8.0 | 283 | 14.1x | 566 | 14.1x | 12 |" in text
    assert "an extrapolation" in text
    assert "scikit_learn 0.0e+00" in text
    assert "torchmetrics 1.0e-01" in text
