"""The network of all three variants: an encoder, one linear layer, a sigmoid per product type (paper A, section 3)."""

import math
from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import nn
from transformers import (
    AutoConfig,
    AutoModelForSequenceClassification,
    DistilBertConfig,
    DistilBertForSequenceClassification,
    PretrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)
from transformers.utils import logging as transformers_logging

from q2pt_tasks.model.encoder import EncoderParams
from q2pt_tasks.model.tokenizer import EncoderNotFoundError, encoder_not_found

# A prior of 0 would be a bias of minus infinity.
_MIN_PRIOR = 1e-5


def build_network(
    encoder: EncoderParams, tokenizer: PreTrainedTokenizerFast, product_types: Sequence[str], dropout: float
) -> PreTrainedModel:
    """A fresh network: the encoder's weights as they are given, a new head with one output per product type.

    Raises:
        EncoderNotFoundError: the encoder cannot be loaded.
    """
    labels = {
        "num_labels": len(product_types),
        "id2label": dict(enumerate(product_types)),
        "label2id": {product_type: index for index, product_type in enumerate(product_types)},
        "problem_type": "multi_label_classification",
    }
    network = (
        _scratch(encoder, tokenizer, dropout, labels) if encoder.is_scratch else _pretrained(encoder, dropout, labels)
    )
    if len(tokenizer) > embeddings_of(network).num_embeddings:
        network.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    compute_head_in_float32(network)
    return network


def _scratch(
    encoder: EncoderParams, tokenizer: PreTrainedTokenizerFast, dropout: float, labels: dict[str, Any]
) -> PreTrainedModel:
    """A small DistilBERT: the production encoder's architecture."""
    sizes = encoder.scratch
    config = DistilBertConfig(
        vocab_size=len(tokenizer),
        # One more than a query may have: a locale token.
        max_position_embeddings=encoder.max_tokens + 1,
        n_layers=sizes.layers,
        n_heads=sizes.heads,
        dim=sizes.width,
        hidden_dim=4 * sizes.width,
        pad_token_id=tokenizer.pad_token_id,
        **labels,
    )
    _set_dropout(config, dropout)
    return DistilBertForSequenceClassification(config)


def _pretrained(encoder: EncoderParams, dropout: float, labels: dict[str, Any]) -> PreTrainedModel:
    quiet_transformers()
    try:
        config = AutoConfig.from_pretrained(encoder.name, revision=encoder.revision, **labels)
        _set_dropout(config, dropout)
        network: PreTrainedModel = AutoModelForSequenceClassification.from_pretrained(
            encoder.name, revision=encoder.revision, config=config, dtype=torch.float32
        )
    except (OSError, ValueError) as error:
        raise EncoderNotFoundError(encoder_not_found(encoder, error)) from error
    return network


def quiet_transformers() -> None:
    """No progress bars of the library's own, and no report that a new head is missing from an encoder's checkpoint."""
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()


def move(network: PreTrainedModel, device: torch.device) -> None:
    """Moves the network's weights to `device`, in place."""
    nn.Module.to(network, device)


def embeddings_of(network: PreTrainedModel) -> nn.Embedding:
    """The table of token embeddings."""
    return cast(nn.Embedding, network.get_input_embeddings())


def _set_dropout(config: PretrainedConfig, dropout: float) -> None:
    """Sets every dropout of the architecture, whatever it calls them."""
    for name, value in config.to_dict().items():
        if "dropout" in name and (value is None or isinstance(value, float)):
            setattr(config, name, dropout)


class Float32Linear(nn.Linear):
    """A linear layer that computes in fp32 whatever surrounds it.

    bf16 has three digits: scores of different queries would tie, and thresholds could not tell them apart.
    """

    def forward(self, input: torch.Tensor) -> torch.Tensor:  # noqa: A002 - the name that the base class gives
        with torch.autocast(input.device.type, enabled=False):
            return super().forward(input.float())


def compute_head_in_float32(network: PreTrainedModel) -> None:
    """Makes the last layer compute in fp32; its weights and their names stay as they are."""
    head_of(network).__class__ = Float32Linear


def head_of(network: PreTrainedModel) -> nn.Linear:
    """The layer that gives one score per product type."""
    heads = [module for module in network.modules() if isinstance(module, nn.Linear)]
    head = heads[-1]
    if head.out_features != network.config.num_labels:
        raise ValueError(
            f"{type(network).__name__}: its last linear layer has {head.out_features} outputs, not one per product type"
        )
    return head


def new_parameters(network: PreTrainedModel) -> list[nn.Parameter]:
    """The parameters between the encoder and the scores: the head, and the layer before it where there is one."""
    new = {"classifier", "pre_classifier", "pooler"}
    return [parameter for name, parameter in network.named_parameters() if new & set(name.split("."))]


def start_from_priors(network: PreTrainedModel, priors: torch.Tensor) -> None:
    """Sets the head so that the untrained network gives every product type its share of the training queries.

    Else the first epochs of a small store are spent on learning that a query has few of many types.
    """
    head = head_of(network)
    probabilities = priors.clamp(_MIN_PRIOR, 1 - _MIN_PRIOR)
    with torch.no_grad():
        head.bias.copy_(torch.log(probabilities / (1 - probabilities)))
        head.weight.normal_(std=1 / math.sqrt(head.in_features) / 10)
