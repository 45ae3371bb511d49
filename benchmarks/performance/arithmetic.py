"""How many operations a training cannot do without, and the matrix products that they come in."""

import json
from dataclasses import dataclass
from pathlib import Path

from benchmarks.performance.rows import Ints

# A product's backward pass has two of its size: one for the gradient of what went in, one for that of the weights.
FORWARD_AND_BACKWARD = 3


@dataclass(frozen=True)
class Encoder:
    """Sizes of an encoder of the BERT family with one layer between it and its scores."""

    layers: int
    width: int
    hidden: int
    types: int


@dataclass(frozen=True)
class Product:
    """A matrix of `rows` x `inputs` times one of `inputs` x `outputs`, `count` times in one forward pass."""

    rows: int
    inputs: int
    outputs: int
    count: int = 1

    @property
    def operations(self) -> float:
        """Of the forward pass; an addition and a multiplication are two."""
        return 2.0 * self.rows * self.inputs * self.outputs * self.count


def read_encoder_sizes(model: Path) -> Encoder:
    """Sizes from the `config.json` of a DistilBERT or a BERT."""
    config = json.loads((model / "config.json").read_text(encoding="utf-8"))
    types = len(config["id2label"])
    if config["model_type"] == "distilbert":
        return Encoder(config["n_layers"], config["dim"], config["hidden_dim"], types)
    return Encoder(config["num_hidden_layers"], config["hidden_size"], config["intermediate_size"], types)


def forward_products(encoder: Encoder, queries: int, tokens: int) -> list[Product]:
    """The products with weights of one forward pass over `queries` of `tokens` in all, nothing padded.

    Only the first token of a query is classified: of the last layer it alone is needed, and the keys and values of all.
    """
    width, hidden, lower = encoder.width, encoder.hidden, encoder.layers - 1
    return [
        Product(tokens, width, 3 * width, lower),
        Product(tokens, width, width, lower),
        Product(tokens, width, hidden, lower),
        Product(tokens, hidden, width, lower),
        Product(tokens, width, 2 * width),
        # Its question, what its attention gives, and the layer above the encoder.
        Product(queries, width, width, 3),
        Product(queries, width, hidden),
        Product(queries, hidden, width),
        Product(queries, width, encoder.types),
    ]


def attention_operations(encoder: Encoder, lengths: Ints) -> float:
    """Of one forward pass over queries of `lengths` tokens: in the last layer the first token alone attends."""
    pairs = float((lengths**2).sum()) * (encoder.layers - 1) + float(lengths.sum())
    return 4.0 * encoder.width * pairs


def training_operations(encoder: Encoder, lengths: Ints) -> float:
    """Operations of forward and backward passes over queries of `lengths` tokens each, one pass over each.

    Products of matrices and nothing else: no norms, no activations, no optimiser.
    """
    products = forward_products(encoder, len(lengths), int(lengths.sum()))
    forward = sum(product.operations for product in products) + attention_operations(encoder, lengths)
    return FORWARD_AND_BACKWARD * forward
