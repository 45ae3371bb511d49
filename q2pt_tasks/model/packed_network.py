"""The encoders of the BERT family over packed queries: no padding, and no work on what nobody reads.

Only the first token's state is classified. So the last layer computes that one alone, from the keys and values of all
tokens, and attention runs over queries of one length at once. Results are those of Hugging Face's implementation;
a test compares them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import torch
from torch import nn
from torch.nn import functional

from q2pt_tasks.model.batching import PackedTokens
from q2pt_tasks.model.families import ACTIVATIONS, HEAD_ACTIVATIONS, Config, Shape, read_weights, write_model
from q2pt_tasks.model.network import INITIAL_SPREAD, Float32Linear, Network

Runs = Sequence[tuple[int, int]]


class PackedNetwork(Network):
    """DistilBERT, BERT or RoBERTa with a classification head."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        shape = config.shape
        self.config = config
        self.embeddings = Embeddings(shape)
        self.layers = nn.ModuleList(Layer(shape) for _ in range(shape.layers))
        self.pre = nn.Linear(shape.width, shape.width)
        self.dropout = nn.Dropout(shape.head_dropout)
        self.scores = Float32Linear(shape.width, len(config.product_types))
        self._activate = HEAD_ACTIVATIONS[shape.family]
        self.apply(_initialise)

    def forward(self, tokens: PackedTokens) -> torch.Tensor:
        """Logits of n queries, shape (n, product types)."""
        states = self.embeddings(tokens)
        *lower, last = (cast(Layer, layer) for layer in self.layers)
        for layer in lower:
            states = layer(states, tokens.runs)
        first = last.first(states, tokens)
        return cast(torch.Tensor, self.scores(self.dropout(self._activate(self.pre(first)))))

    @property
    def words(self) -> nn.Embedding:
        return self.embeddings.words

    def set_words(self, words: nn.Embedding) -> None:
        self.embeddings.words = words

    @property
    def head(self) -> nn.Linear:
        return self.scores

    @property
    def product_types(self) -> tuple[str, ...]:
        return self.config.product_types

    def new_parameters(self) -> list[nn.Parameter]:
        return [*self.pre.parameters(), *self.scores.parameters()]

    def load_weights(self, file: Path) -> None:
        """Reads the weights of a Hugging Face model; the layers above the encoder may be missing there.

        Raises:
            WeightsError: a weight of the encoder is missing or of another shape.
        """
        above = {f"{name}.{kind}" for name in ("pre", "scores") for kind in ("weight", "bias")}
        weights = read_weights(file, self.config.shape, self.state_dict(), optional=above)
        self.load_state_dict(weights, strict=False)

    def save(self, folder: Path) -> None:
        write_model(folder, self.config, self.state_dict())


class Embeddings(nn.Module):
    """What stands for a token at its place: the sum of its tables' rows, normalised."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.words = nn.Embedding(shape.tokens, shape.width, padding_idx=shape.pad_token)
        self.positions = nn.Embedding(shape.positions, shape.width)
        self.segments = nn.Embedding(shape.segments, shape.width) if shape.segments else None
        self.norm = nn.LayerNorm(shape.width, eps=shape.norm_epsilon)
        self.dropout = nn.Dropout(shape.dropout)
        self._first_position = shape.first_position

    def forward(self, tokens: PackedTokens) -> torch.Tensor:
        states = self.words(tokens.ids) + self.positions(tokens.positions + self._first_position)
        if self.segments is not None:
            # A query is one segment.
            states = states + self.segments.weight[0]
        return cast(torch.Tensor, self.dropout(self.norm(states)))


class Layer(nn.Module):
    """One transformer layer, normalised after each of its two parts."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        width = shape.width
        self.attention_in = nn.Linear(width, 3 * width)
        self.attention_out = nn.Linear(width, width)
        self.attention_norm = nn.LayerNorm(width, eps=shape.norm_epsilon)
        self.hidden_in = nn.Linear(width, shape.hidden)
        self.hidden_out = nn.Linear(shape.hidden, width)
        self.output_norm = nn.LayerNorm(width, eps=shape.norm_epsilon)
        self.attention_dropout = nn.Dropout(shape.attention_dropout)
        self.dropout = nn.Dropout(shape.dropout)
        self._heads = shape.heads
        self._activate = ACTIVATIONS[shape.activation]

    def forward(self, states: torch.Tensor, runs: Runs) -> torch.Tensor:
        """The layer's states of all tokens, (N, width)."""
        query, key, value = self.attention_in(states).chunk(3, dim=-1)
        return self._above_attention(states, attend(_Heads(query, key, value, self._heads), runs, runs))

    def first(self, states: torch.Tensor, tokens: PackedTokens) -> torch.Tensor:
        """The layer's states of each query's first token alone, (n, width)."""
        own = states.index_select(0, tokens.first)
        weight, bias = self.attention_in.weight, self.attention_in.bias
        width = len(weight) // 3
        query = functional.linear(own, weight[:width], bias[:width])
        key, value = functional.linear(states, weight[width:], bias[width:]).chunk(2, dim=-1)
        one_each = [(queries, 1) for queries, _ in tokens.runs]
        return self._above_attention(own, attend(_Heads(query, key, value, self._heads), one_each, tokens.runs))

    def _above_attention(self, states: torch.Tensor, attended: torch.Tensor) -> torch.Tensor:
        states = self.attention_norm(states + self.attention_dropout(self.attention_out(attended)))
        hidden = self.hidden_out(self._activate(self.hidden_in(states)))
        return cast(torch.Tensor, self.output_norm(states + self.dropout(hidden)))


@dataclass(frozen=True)
class _Heads:
    """What attention reads: (tokens, width) each; `query` may have fewer tokens than `key` and `value`."""

    query: torch.Tensor
    key: torch.Tensor
    value: torch.Tensor
    count: int


def attend(heads: _Heads, asking: Runs, asked: Runs) -> torch.Tensor:
    """Each query's tokens attend to each other, (tokens of `asking`, width).

    Args:
        heads: what is read.
        asking: runs of the tokens that attend.
        asked: runs of the tokens that are attended to; the same queries in the same order.
    """
    parts = (
        _split(table, runs, heads.count) for table, runs in zip(_tables(heads), (asking, asked, asked), strict=True)
    )
    attended = [functional.scaled_dot_product_attention(*part) for part in zip(*parts, strict=True)]
    return torch.cat([part.transpose(1, 2).flatten(2).flatten(0, 1) for part in attended])


def _tables(heads: _Heads) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    return heads.query, heads.key, heads.value


def _split(table: torch.Tensor, runs: Runs, heads: int) -> list[torch.Tensor]:
    """Per run of equal length a view of shape (queries, heads, length, width of a head)."""
    parts = table.split([queries * length for queries, length in runs])
    return [
        part.view(queries, length, heads, -1).transpose(1, 2)
        for part, (queries, length) in zip(parts, runs, strict=True)
    ]


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Linear | nn.Embedding):
        nn.init.normal_(module.weight, std=INITIAL_SPREAD)
    if isinstance(module, nn.Linear):
        nn.init.zeros_(module.bias)
    if isinstance(module, nn.Embedding) and module.padding_idx is not None:
        nn.init.zeros_(module.weight[module.padding_idx])
