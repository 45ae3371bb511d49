"""From queries to product types in the least time: for services, where queries come one by one or a few at a time."""

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
import torch

from q2pt_tasks.model.checkpoint import load_checkpoint
from q2pt_tasks.model.examples import FloatMatrix
from q2pt_tasks.model.int8 import Int8Linear, Int8RowsLinear, is_int8_fast, quantise
from q2pt_tasks.model.packed_network import PackedNetwork
from q2pt_tasks.model.precision import Hardware, detect_hardware
from q2pt_tasks.model.prediction import Predictor


class Int8Predictor(Predictor):
    """A `Predictor` that scores in int8 on a CPU: sooner up to about 64 queries at once (docs/results/serving.md).

    A score is up to some hundredths off that of fp32, and less than a thousandth off the same query's in other company.
    """

    _layers: ClassVar[type[Int8Linear]] = Int8RowsLinear

    @classmethod
    def load(cls, folder: Path, encoder: Path | None = None) -> Self:
        """As `Predictor.load`."""
        checkpoint, hardware = load_checkpoint(folder, encoder), detect_hardware()
        if hardware.device.type == "cpu" and is_int8_fast() and isinstance(checkpoint.network, PackedNetwork):
            quantise(checkpoint.network, cls._layers)
            hardware = Hardware(hardware.device, torch.float32, "matrix products in int8")
        return cls(checkpoint, hardware)


class QuickPredictor(Int8Predictor):
    """An `Int8Predictor` that scores every query alone, on one scale: soonest for one, slow for many.

    A score depends on the query and its locale alone.
    """

    _layers = Int8Linear

    def _score(self, queries: Sequence[str], told: Sequence[str]) -> FloatMatrix:
        score = super()._score
        scores = [score([query], [token]) for query, token in zip(queries, told, strict=True)]
        return np.concatenate(scores) if scores else score([], [])
