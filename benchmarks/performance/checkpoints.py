"""The checkpoints that all contestants start from: one file of weights per model, its head included.

What is set of a model beyond its sizes is what this project trains with, so that both sides train the same model.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from transformers import (
    AutoModelForSequenceClassification,
    DistilBertConfig,
    DistilBertForSequenceClassification,
    PreTrainedModel,
)

from benchmarks.performance.data import MAX_TOKENS
from benchmarks.performance.sizes import Shape
from q2pt_tasks.metrics.thresholds import Thresholds
from q2pt_tasks.model.metadata import Metadata, save_metadata
from q2pt_tasks.model.tokenizer import QueryTokenizer
from q2pt_tasks.model.variants import UNIFIED_AGNOSTIC

_SEED = 13
# A prior of 0 would be a bias of minus infinity.
_LEAST_PRIOR = 1e-5


@dataclass(frozen=True)
class Head:
    """What a model's outputs stand for, and the share of the training queries that each of them has."""

    types: Sequence[str]
    priors: NDArray[np.float64]

    def labels(self) -> dict[str, Any]:
        """The same in the words of a Hugging Face config."""
        return {
            "id2label": dict(enumerate(self.types)),
            "label2id": {name: index for index, name in enumerate(self.types)},
            "problem_type": "multi_label_classification",
        }


@dataclass(frozen=True)
class Checkpoints:
    """Makes checkpoints that read `texts` with one tokenizer."""

    tokenizer: QueryTokenizer
    texts: Sequence[str]
    dropout: float

    def random(self, shape: Shape, head: Head, folder: Path) -> None:
        """A DistilBERT of random weights; ids of the tokenizer leave the last rows of its table unused."""
        torch.manual_seed(_SEED)
        config = DistilBertConfig(
            vocab_size=shape.tokens,
            n_layers=shape.layers,
            dim=shape.width,
            n_heads=shape.heads,
            hidden_dim=shape.hidden,
            pad_token_id=self.tokenizer.pad_token,
            dropout=self.dropout,
            attention_dropout=0.0,
            seq_classif_dropout=self.dropout,
            **head.labels(),
        )
        self._save(DistilBertForSequenceClassification(config), head, folder)

    def pretrained(self, encoder: Path, head: Head, folder: Path) -> None:
        """A BERT as it is given, with a new head."""
        torch.manual_seed(_SEED)
        model = AutoModelForSequenceClassification.from_pretrained(
            encoder,
            dtype=torch.float32,
            hidden_dropout_prob=self.dropout,
            attention_probs_dropout_prob=self.dropout,
            classifier_dropout=self.dropout,
            **head.labels(),
        )
        self._save(model, head, folder)

    def _save(self, model: PreTrainedModel, head: Head, folder: Path) -> None:
        _start_from_priors(model.get_submodule("classifier"), head)
        model.eval().save_pretrained(folder)
        self.tokenizer.save(folder)
        save_metadata(folder, _metadata(head, self._threshold(model)))

    def _threshold(self, model: PreTrainedModel) -> float:
        """What one type of a query reaches on average, for predictions that have something to return."""
        ids = self.tokenizer.encode(self.texts, MAX_TOKENS)
        pad = self.tokenizer.pad_token
        padded = nn.utils.rnn.pad_sequence([torch.tensor(row) for row in ids], batch_first=True, padding_value=pad)
        with torch.inference_mode():
            logits = model(input_ids=padded, attention_mask=(padded != pad).long()).logits
        return float(logits.sigmoid().flatten().kthvalue(logits.numel() - len(ids)).values)


def _start_from_priors(head: nn.Module, meaning: Head) -> None:
    """As the project does: an untrained model gives every type its share of the training queries."""
    if not isinstance(head, nn.Linear):
        raise TypeError(f"a head is a linear layer, found {type(head).__name__}")
    priors = torch.from_numpy(meaning.priors).clamp(_LEAST_PRIOR, 1 - _LEAST_PRIOR)
    with torch.no_grad():
        head.bias.copy_(torch.log(priors / (1 - priors)))
        head.weight.normal_(std=head.in_features**-0.5 / 10)


def _metadata(head: Head, threshold: float) -> Metadata:
    return Metadata(
        variant=UNIFIED_AGNOSTIC,
        locales=(),
        product_types=tuple(head.types),
        status="trained",
        reason="",
        training_rows=0,
        max_tokens=MAX_TOKENS,
        objective="binary_cross_entropy",
        unsold={},
        split={},
        params={},
        git_sha="",
        data_hashes={},
        thresholds=Thresholds({}, {}, threshold).to_dict(),
        metrics={},
        history=(),
        seconds=0.0,
    )
