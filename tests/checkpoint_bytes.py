"""Bytes of a store's checkpoint beside those of a unified one, written at the size of real encoders.

Weights are zeros, and ones where a word's row has changed: their bytes do not depend on their values.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from q2pt_tasks.model.delta import DELTA, save_delta
from q2pt_tasks.model.families import Config, Shape, scratch_config
from q2pt_tasks.model.packed_network import PackedNetwork
from q2pt_tasks.model.weights import WEIGHTS

LOCALES = 20
# As many as a shop with many stores has, and the same in each of them, which is more than a small one has.
PRODUCT_TYPES = 1414


@dataclass(frozen=True)
class Encoder:
    """An encoder's sizes, and the bytes of the tokenizer that lies in each of its checkpoints."""

    shape: Shape
    tokenizer: int


@dataclass(frozen=True)
class Bytes:
    """Of one unified checkpoint, of one per-locale checkpoint, and of the encoder that all of these need."""

    unified: int
    own: int
    encoder: int

    @property
    def ratio(self) -> float:
        """All per-locale checkpoints in units of the unified one."""
        return LOCALES * self.own / self.unified

    @property
    def ratio_with_encoder(self) -> float:
        return (LOCALES * self.own + self.encoder) / self.unified


def _shape(family: str, tokens: int, layers: int, width: int, pad_token: int) -> Shape:
    return Shape(
        family="distilbert" if family == "distilbert" else "bert",
        tokens=tokens,
        layers=layers,
        width=width,
        heads=12,
        hidden=4 * width,
        positions=512,
        first_position=0,
        segments=0 if family == "distilbert" else 2,
        pad_token=pad_token,
        activation="gelu",
        norm_epsilon=1e-12,
        dropout=0.0,
        attention_dropout=0.0,
        head_dropout=0.0,
    )


# The tokenizers' bytes as `QueryTokenizer.save` writes them; DistilBERT's is one of as many pieces of eight letters.
ENCODERS: Mapping[str, Encoder] = {
    "distilbert-base-multilingual-cased": Encoder(_shape("distilbert", 119_547, 6, 768, pad_token=0), 2_997_477),
    "multilingual-e5-small-trimmed": Encoder(_shape("bert", 78_859, 12, 384, pad_token=1), 5_021_708),
}


def measure(encoder: Encoder, rows: int) -> Bytes:
    """Writes both kinds of checkpoint where `rows` rows of the word table have changed."""
    types = tuple(f"TYPE_{number}" for number in range(PRODUCT_TYPES))
    network = _zeros(scratch_config(encoder.shape, types))
    with TemporaryDirectory() as folder:
        unified, own = Path(folder) / "unified", Path(folder) / "own"
        network.save(unified)
        whole = _size(unified)
        with torch.no_grad():
            network.words.weight[:rows] = 1
        save_delta(own, network, unified / WEIGHTS)
        assert (own / DELTA).is_file()
        return Bytes(whole + encoder.tokenizer, _size(own) + encoder.tokenizer, (unified / WEIGHTS).stat().st_size)


def _zeros(config: Config) -> PackedNetwork:
    """Without drawing a hundred million numbers at random."""
    network = PackedNetwork(config)
    network.to_empty(device="cpu")
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
    return network


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.iterdir())
