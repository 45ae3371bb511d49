"""A quick predictor answers as the exact one, but for rounding, and the same whatever else it is asked."""

from pathlib import Path

import numpy as np
import pytest
import torch
from checkpoints import WORDS, exact_predictor, random_checkpoint

from q2pt_tasks.model.checkpoint import load_checkpoint
from q2pt_tasks.model.int8 import Int8Linear, is_int8_fast
from q2pt_tasks.model.layers import Linear
from q2pt_tasks.model.quick_prediction import QuickPredictor

VARIANTS = ("non_unified", "unified_agnostic", "unified_aware")
QUERIES = [f"{first} {second}" for first in WORDS for second in WORDS]
needs_int8 = pytest.mark.skipif(not is_int8_fast(), reason="the CPU has no instructions for int8")


@pytest.fixture(params=VARIANTS)
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return random_checkpoint(tmp_path, request.param)


@needs_int8
def test_scores_are_those_of_fp32_but_for_rounding(folder: Path) -> None:
    predictors = (exact_predictor(folder), QuickPredictor.load(folder))
    exact, quick = (predictor.scores(QUERIES, "en-US") for predictor in predictors)
    assert not np.array_equal(exact, quick)
    # Weights drawn as widely as these are no trained model's: rounding shows.
    assert np.abs(quick - exact).mean() < 0.02
    assert np.corrcoef(quick.ravel(), exact.ravel())[0, 1] > 0.99


def test_a_score_depends_on_the_query_alone(folder: Path) -> None:
    quick = QuickPredictor.load(folder)
    together = quick.scores(QUERIES, "en-US")
    for index in range(0, len(QUERIES), 5):
        np.testing.assert_array_equal(quick.scores([QUERIES[index]], "en-US")[0], together[index])


def test_no_queries_get_no_scores(folder: Path) -> None:
    quick = QuickPredictor.load(folder)
    assert quick.scores([], "en-US").shape == (0, len(quick.metadata.product_types))
    assert quick.predict([], "en-US") == []


def test_without_int8_the_scores_are_those_of_the_hardware(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("q2pt_tasks.model.quick_prediction.is_int8_fast", lambda: False)
    quick = QuickPredictor.load(folder)
    assert not any(isinstance(module, Int8Linear) for module in quick._network.modules())
    np.testing.assert_allclose(
        quick.scores(QUERIES, "en-US"), exact_predictor(folder).scores(QUERIES, "en-US"), atol=0.05
    )


@needs_int8
def test_a_row_of_zeros_gives_its_bias() -> None:
    torch.manual_seed(0)
    layer = Linear(4, 3)
    with torch.no_grad():
        layer.weight.normal_()
        layer.weight[1] = 0
        layer.bias.copy_(torch.tensor([0.0, 7.0, 0.0]))
    outputs = Int8Linear(layer)(torch.randn(5, 4))
    assert torch.equal(outputs[:, 1], torch.full((5,), 7.0))


@needs_int8
def test_what_is_quantised_is_what_the_encoder_has(folder: Path) -> None:
    quick, whole = QuickPredictor.load(folder)._network, load_checkpoint(folder).network
    linear = [name for name, module in whole.named_modules() if isinstance(module, Linear)]
    wide = [name for name in linear if name.startswith("layers.")]
    assert len(linear) > len(wide) >= 4
    assert [name for name, module in quick.named_modules() if isinstance(module, Int8Linear)] == wide
    assert isinstance(quick.head, torch.nn.Linear)
