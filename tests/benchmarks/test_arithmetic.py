"""The operations of a training are those that its matrices say."""

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.performance.arithmetic import (
    Encoder,
    attention_operations,
    forward_products,
    read_encoder_sizes,
    training_operations,
)

ENCODER = Encoder(layers=2, width=4, hidden=8, types=3)


def test_products_are_those_of_two_layers_and_a_head() -> None:
    """By hand, for one query of five tokens."""
    lower = 5 * (4 * 12 + 4 * 4 + 4 * 8 + 8 * 4)
    last = 5 * 4 * 8 + 4 * 4 + 4 * 4 + 4 * 8 + 8 * 4
    head = 4 * 4 + 4 * 3
    operations = sum(product.operations for product in forward_products(ENCODER, queries=1, tokens=5))
    assert operations == 2 * (lower + last + head)


def test_in_the_last_layer_only_the_first_token_attends() -> None:
    every_token_to_every = 2 * 2 * 5 * 5 * 4
    first_token_to_every = 2 * 2 * 5 * 4
    assert attention_operations(ENCODER, np.array([5])) == every_token_to_every + first_token_to_every


def test_a_training_is_three_forward_passes() -> None:
    lengths = np.array([5, 3])
    forward = sum(product.operations for product in forward_products(ENCODER, queries=2, tokens=8))
    assert training_operations(ENCODER, lengths) == 3 * (forward + attention_operations(ENCODER, lengths))


@pytest.mark.parametrize(
    "config",
    [
        {"model_type": "distilbert", "n_layers": 2, "dim": 4, "hidden_dim": 8},
        {"model_type": "bert", "num_hidden_layers": 2, "hidden_size": 4, "intermediate_size": 8},
    ],
    ids=["distilbert", "bert"],
)
def test_sizes_are_read_from_a_config(config: dict[str, object], tmp_path: Path) -> None:
    labels = {"id2label": {"0": "A", "1": "B", "2": "C"}}
    (tmp_path / "config.json").write_text(json.dumps({**config, **labels}))
    assert read_encoder_sizes(tmp_path) == ENCODER
