"""From queries to product types in the least time: for services, where queries come one by one or a few at a time."""

from collections.abc import Sequence
from pathlib import Path
from typing import Self

import numpy as np
import torch

from q2pt_tasks.model.checkpoint import load_checkpoint
from q2pt_tasks.model.examples import FloatMatrix
from q2pt_tasks.model.int8 import is_int8_fast, quantise
from q2pt_tasks.model.packed_network import PackedNetwork
from q2pt_tasks.model.precision import Hardware, detect_hardware
from q2pt_tasks.model.prediction import Predictor


class Int8Predictor(Predictor):
    """A `Predictor` that scores in int8 on a CPU: sooner up to about 64 queries at once, as docs/results/serving.md shows.

    A score is up to some hundredths off `Predictor`'s. Queries that are scored together share the scale of their
    states, so a score depends, by as much, on its company.
    """

    @classmethod
    def load(cls, folder: Path, encoder: Path | None = None) -> Self:
        """As `Predictor.load`."""
        checkpoint, hardware = load_checkpoint(folder, encoder), detect_hardware()
        if hardware.device.type == "cpu" and is_int8_fast() and isinstance(checkpoint.network, PackedNetwork):
            quantise(checkpoint.network)
            hardware = Hardware(hardware.device, torch.float32, "matrix products in int8")
        return cls(checkpoint, hardware)


class QuickPredictor(Int8Predictor):
    """An `Int8Predictor` that scores every query alone: a score depends on the query and its locale and nothing else."""

    def _score(self, queries: Sequence[str], told: Sequence[str]) -> FloatMatrix:
        score = super()._score
        scores = [score([query], [token]) for query, token in zip(queries, told, strict=True)]
        return np.concatenate(scores) if scores else score([], [])
