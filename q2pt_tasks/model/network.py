"""The network of all three variants: an encoder, one linear layer, a logit per product type (paper A, section 3)."""

import abc
import math
from pathlib import Path

import torch
from torch import nn

from q2pt_tasks.model.batching import PackedTokens
from q2pt_tasks.model.layers import Table


class Network(nn.Module, abc.ABC):
    """Scores of packed queries: `forward` maps n queries to logits of shape (n, product types)."""

    @abc.abstractmethod
    def forward(self, tokens: PackedTokens) -> torch.Tensor: ...

    @property
    @abc.abstractmethod
    def words(self) -> nn.Embedding:
        """The table of token embeddings."""

    @abc.abstractmethod
    def set_words(self, words: nn.Embedding) -> None: ...

    @property
    @abc.abstractmethod
    def head(self) -> nn.Linear:
        """The layer that gives one logit per product type."""

    @property
    @abc.abstractmethod
    def product_types(self) -> tuple[str, ...]:
        """The label space, in the order of the logits."""

    @abc.abstractmethod
    def new_parameters(self) -> list[nn.Parameter]:
        """The parameters between the encoder and the logits: the head, and the layer before it where there is one."""

    @abc.abstractmethod
    def save(self, folder: Path) -> None:
        """Writes config and weights that Hugging Face's `AutoModelForSequenceClassification` opens."""


class Float32Linear(nn.Linear):
    """A linear layer that computes in fp32 whatever surrounds it.

    bf16 has three digits: scores of different queries would tie, and thresholds could not tell them apart.
    """

    def reset_parameters(self) -> None:
        """Nothing: who makes a network draws or reads its weights."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:  # noqa: A002 - the name that the base class gives
        with torch.autocast(input.device.type, enabled=False):
            return super().forward(input.float())


def start_from_bias(network: Network, bias: torch.Tensor) -> None:
    """Sets the head so that the untrained network gives every query about the logits `bias`, shape (product types,).

    With those of the types' priors it knows how often each is meant. Else the first epochs of a small store are spent
    on learning that a query has few of many types.
    """
    head = network.head
    with torch.no_grad():
        head.bias.copy_(bias)
        head.weight.normal_(std=1 / math.sqrt(head.in_features) / 10)


def grow_words(network: Network, tokens: int) -> None:
    """Gives the table of token embeddings rows for `tokens` tokens; the added ones are drawn at random."""
    old = network.words
    if tokens <= old.num_embeddings:
        return
    table = torch.empty(tokens, old.embedding_dim).normal_(std=INITIAL_SPREAD)
    table[: old.num_embeddings] = old.weight.detach()
    network.set_words(Table.of(table, old.padding_idx))


# Standard deviation of fresh weights, as in BERT.
INITIAL_SPREAD = 0.02
