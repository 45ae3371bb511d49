"""The page says the standard deviation of the trainings, and a figure for the gate."""

import json
from itertools import product
from pathlib import Path

import pytest

from q2pt_tasks.layout import Layout
from q2pt_tasks.model.variants import UNIFIED_VARIANTS
from q2pt_tasks.studies.training_noise import METRICS, page, read_figures, study


def test_the_page_has_the_sample_standard_deviation_of_each_figure() -> None:
    text = page([1, 2, 3], {("aware", "micro_recall"): [0.5, 0.51, 0.52], ("aware", "macro_recall"): [0.3, 0.3, 0.36]})
    assert "| aware | micro recall | 0.500 | 0.510 | 0.520 | 0.0100 |" in text
    assert "| 0.0346 |" in text
    assert "micro recall: 0.0100 or more" in text


def test_one_training_has_no_noise(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="two seeds"):
        study(tmp_path, [13])


def test_the_figures_are_those_of_evaluate(finished: Layout) -> None:
    headline = json.loads(finished.summary.read_text())["headline"]
    found = read_figures(finished)
    assert set(found) == set(product(UNIFIED_VARIANTS, METRICS))
    for (variant, metric), value in found.items():
        assert value == pytest.approx(headline[variant][metric])
