"""A quick predictor answers as the exact one, but for rounding, and the same whatever else it is asked."""

from pathlib import Path

import numpy as np
import pytest
import torch
from checkpoints import WORDS, exact_predictor, random_checkpoint

from q2pt_tasks.model.checkpoint import load_checkpoint
from q2pt_tasks.model.examples import FloatMatrix
from q2pt_tasks.model.int8 import Int8Linear, Int8RowsLinear, is_int8_fast
from q2pt_tasks.model.layers import Linear
from q2pt_tasks.model.quick_prediction import Int8Predictor, QuickPredictor

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


@needs_int8
def test_with_a_scale_for_each_token_a_score_hardly_depends_on_its_company(folder: Path) -> None:
    exact = exact_predictor(folder).scores(QUERIES, "en-US")
    rows, one_scale = (predictor.load(folder) for predictor in (Int8Predictor, OneScaleTogether))
    together, alone = (predictor_scores(rows, size) for size in (32, 1))
    assert np.abs(together - alone).mean() < 1e-3
    # What it is for: on one scale company shows.
    moved = np.abs(predictor_scores(one_scale, 32) - predictor_scores(one_scale, 1)).mean()
    assert np.abs(together - alone).mean() < moved / 5
    assert np.abs(together - exact).mean() < np.abs(predictor_scores(one_scale, 32) - exact).mean()


class OneScaleTogether(Int8Predictor):
    _layers = Int8Linear


def predictor_scores(predictor: Int8Predictor, size: int) -> FloatMatrix:
    parts = [QUERIES[start : start + size] for start in range(0, len(QUERIES), size)]
    return np.concatenate([predictor.scores(part, "en-US") for part in parts])


@needs_int8
@pytest.mark.parametrize("kind", [Int8Linear, Int8RowsLinear])
def test_a_product_is_that_of_fp32_but_for_rounding(kind: type[Int8Linear]) -> None:
    torch.manual_seed(0)
    layer = Linear(64, 48)
    with torch.no_grad():
        layer.weight.normal_()
        layer.bias.normal_()
    states = torch.randn(3, 5, 64)
    whole = torch.nn.functional.linear(states, layer.weight, layer.bias)
    for rows in (slice(None), slice(16), slice(16, None)):
        found = kind(layer).outputs(states, rows)
        assert found.shape == whole[..., rows].shape
        assert (found - whole[..., rows]).abs().max() < 0.5
        assert torch.allclose(kind(layer).outputs(torch.zeros(1, 1, 64), rows), layer.bias[rows], atol=1e-6)


@needs_int8
def test_a_token_of_large_states_does_not_blur_the_others() -> None:
    torch.manual_seed(0)
    layer = Linear(64, 48)
    with torch.no_grad():
        layer.weight.normal_()
        layer.bias.zero_()
    states = torch.randn(1, 2, 64)
    alone = Int8RowsLinear(layer)(states[:, :1])
    states[:, 1] *= 1000
    torch.testing.assert_close(Int8RowsLinear(layer)(states)[:, :1], alone)
    assert (Int8Linear(layer)(states)[:, :1] - alone).abs().max() > 1


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
