"""A checkpoint's scores as one ONNX graph: the network, the n-gram model beside it where there is one, the objective.

A graph has no text, so that words and their parts come in as numbers: see `ask.py`.
"""

import logging
import warnings
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional

from q2pt_tasks.model.batching import PackedTokens
from q2pt_tasks.model.checkpoint import Checkpoint
from q2pt_tasks.model.ngrams import NGrams
from q2pt_tasks.model.objectives import OBJECTIVES, Objective
from q2pt_tasks.model.packed_network import PackedNetwork

_OPSET = 18


class _Padded(nn.Module):
    """The network's logits of one query to a row, as consumers give them: padded at their ends."""

    def __init__(self, network: PackedNetwork) -> None:
        super().__init__()
        self._network = network

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        rows, length = input_ids.shape
        queries = torch.arange(rows).unsqueeze(1)
        tokens = PackedTokens(
            ids=input_ids,
            positions=torch.arange(length).expand(rows, length),
            owners=torch.where(attention_mask > 0, queries, -1),
            first=torch.arange(rows) * length,
        )
        logits: torch.Tensor = self._network(tokens).float()
        return logits


class _Parts(nn.Module):
    """The n-gram model's probabilities, of parts by their place: -1 is none, and behind the last is any unknown one."""

    _vectors: torch.Tensor
    _weight: torch.Tensor
    _bias: torch.Tensor

    def __init__(self, ngrams: NGrams) -> None:
        super().__init__()
        unknown = torch.zeros(1, ngrams.vectors.shape[1], dtype=ngrams.vectors.dtype)
        self.register_buffer("_vectors", torch.cat([ngrams.vectors, unknown]))
        self.register_buffer("_weight", ngrams.weight.float())
        self.register_buffer("_bias", ngrams.bias.float())

    def forward(self, part_ids: torch.Tensor) -> torch.Tensor:
        is_part = (part_ids >= 0).float()
        vectors = functional.embedding(part_ids.clamp(min=0), self._vectors).float() * is_part.unsqueeze(-1)
        hidden = vectors.sum(1) / is_part.sum(1, keepdim=True).clamp(min=1)
        return functional.linear(hidden, self._weight, self._bias).softmax(-1)


class _Alone(nn.Module):
    """The scores of a checkpoint without an n-gram model."""

    def __init__(self, network: PackedNetwork, objective: Objective) -> None:
        super().__init__()
        self._logits, self._objective = _Padded(network), objective

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        return self._objective.probabilities(self._logits(input_ids, attention_mask))


class _Fused(nn.Module):
    """The scores of a checkpoint with one: the mean that `model/fusion.py` describes."""

    def __init__(self, network: PackedNetwork, objective: Objective, ngrams: NGrams, weight: float) -> None:
        super().__init__()
        self._logits, self._parts, self._objective, self._weight = _Padded(network), _Parts(ngrams), objective, weight

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor, part_ids: torch.Tensor) -> torch.Tensor:
        alone, beside = self._logits(input_ids, attention_mask), self._objective.logits(self._parts(part_ids))
        return self._objective.probabilities((1 - self._weight) * alone + self._weight * beside)


def write_graph(checkpoint: Checkpoint, file: Path) -> None:
    """Writes the checkpoint's scores to `file`; its network is a `PackedNetwork`.

    Inputs, all int64: `input_ids` and `attention_mask` (queries, length), and with an n-gram model `part_ids` (queries,
    parts). The output is `scores` (queries, product types), from 0 to 1.
    """
    network, objective = checkpoint.network, OBJECTIVES[checkpoint.metadata.objective]
    assert isinstance(network, PackedNetwork)  # noqa: S101 - the caller has looked
    if checkpoint.ngrams is None or checkpoint.metadata.ngrams is None:
        _write(_Alone(network, objective), ("input_ids", "attention_mask"), file)
    else:
        fused = _Fused(network, objective, checkpoint.ngrams, checkpoint.metadata.ngrams.weight)
        _write(fused, ("input_ids", "attention_mask", "part_ids"), file)


def _write(scores: nn.Module, inputs: tuple[str, ...], file: Path) -> None:
    queries, length, parts = torch.export.Dim("queries"), torch.export.Dim("length"), torch.export.Dim("parts")
    widths = {"input_ids": length, "attention_mask": length, "part_ids": parts}
    # Two rows, three tokens, four parts: sizes of 1 would be taken for constants.
    sizes = {"input_ids": 3, "attention_mask": 3, "part_ids": 4}
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            scores.eval(),
            tuple(torch.ones(2, sizes[name], dtype=torch.int64) for name in inputs),
            str(file),
            input_names=list(inputs),
            output_names=["scores"],
            dynamic_shapes=tuple({0: queries, 1: widths[name]} for name in inputs),
            opset_version=_OPSET,
            dynamo=True,
            external_data=False,
            verbose=False,
        )
