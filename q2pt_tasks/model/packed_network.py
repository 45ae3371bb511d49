"""The encoders of the BERT family over packed queries: next to no padding, and no work on what nobody reads.

Several queries share a row, and a mask keeps them apart. Only a query's first token is classified, so the last layer
computes everything above its attention for that one alone. Results are those of Hugging Face's implementation; a test
compares them.
"""

import math
from collections.abc import Callable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import cast

import torch
from torch import nn
from torch.nn import functional

from q2pt_tasks.model.batching import PackedTokens
from q2pt_tasks.model.dropout import Dropout
from q2pt_tasks.model.families import ACTIVATIONS, HEAD_ACTIVATIONS, OWN_HEAD_ACTIVATIONS, Config, Shape
from q2pt_tasks.model.layers import Linear, Table
from q2pt_tasks.model.network import INITIAL_SPREAD, Float32Linear, Network
from q2pt_tasks.model.weights import write_model

# Between the encoder and the scores, and the scores: what an encoder's file lacks.
_ABOVE = ("pre.", "scores.")


class PackedNetwork(Network):
    """DistilBERT, BERT or RoBERTa with a classification head: `drawn` or `with_weights`.

    One that is made by its class alone has shapes and no weights.
    """

    def __init__(self, config: Config) -> None:
        super().__init__()
        shape = config.shape
        self.config = config
        # Without memory: drawing weights that are then replaced took most of a training's start.
        with torch.device("meta"):
            self.embeddings = Embeddings(shape)
            self.layers = nn.ModuleList(Layer(shape) for _ in range(shape.layers))
            self.pre, read = _below_scores(shape)
            self.dropout = Dropout(shape.head_dropout)
            self.scores = Float32Linear(read, len(config.product_types))

    @classmethod
    def drawn(cls, config: Config) -> "PackedNetwork":
        """A network of random weights."""
        network = cls(config)
        _draw(network)
        return network

    @classmethod
    def with_weights(cls, config: Config, weights: Mapping[str, torch.Tensor]) -> "PackedNetwork":
        """The network of these very tensors; of `weights_above` a layer is drawn where a tensor is missing."""
        network = cls(config)
        network.load_state_dict(dict(weights), strict=False, assign=True)
        for layer in (*network.pre.modules(), network.scores):
            if isinstance(layer, nn.Linear) and (layer.weight.is_meta or layer.bias.is_meta):
                _draw(layer)
        return network

    @classmethod
    def shapes(cls, config: Config) -> Mapping[str, torch.Size]:
        """The shape of each weight by its name."""
        return {name: weight.shape for name, weight in cls(config).state_dict().items()}

    @classmethod
    def weights_above(cls, config: Config) -> frozenset[str]:
        """The names of the weights above the encoder."""
        return frozenset(name for name in cls.shapes(config) if name.startswith(_ABOVE))

    def forward(self, tokens: PackedTokens) -> torch.Tensor:
        """Logits of n queries, shape (n, product types)."""
        states = self.embeddings(tokens)
        mask = None if tokens.is_alone else _mask(tokens, self.config.shape.heads, states.dtype)
        *lower, last = (cast(Layer, layer) for layer in self.layers)
        for layer in lower:
            states = layer(states, mask)
        first = last.first(states, mask, tokens.first)
        return cast(torch.Tensor, self.scores(self.dropout(self.pre(first))))

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

    def save(self, folder: Path) -> None:
        write_model(folder, self.config, self.state_dict())


class Hidden(Linear):
    """A linear layer and what bends it."""

    def __init__(self, read: int, width: int, activation: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__(read, width)
        self._activate = activation

    def forward(self, input: torch.Tensor) -> torch.Tensor:  # noqa: A002 - the name that the base class gives
        return self._activate(super().forward(input))


def _below_scores(shape: Shape) -> tuple[nn.Module, int]:
    """The hidden layers between the encoder and the scores, and how wide their result is."""
    head = shape.own_head
    if head is None:
        return Hidden(shape.width, shape.width, HEAD_ACTIVATIONS[shape.family]), shape.width
    widths = [shape.width, *[head.width] * head.layers]
    activation = OWN_HEAD_ACTIVATIONS[head.activation]
    return nn.Sequential(*(Hidden(*pair, activation) for pair in pairwise(widths))), widths[-1]


class Embeddings(nn.Module):
    """What stands for a token at its place: the sum of its tables' rows, normalised."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.words: nn.Embedding = Table(shape.tokens, shape.width, padding_idx=shape.pad_token)
        self.positions = Table(shape.positions, shape.width)
        self.segments = Table(shape.segments, shape.width) if shape.segments else None
        self.norm = nn.LayerNorm(shape.width, eps=shape.norm_epsilon)
        self.dropout = Dropout(shape.dropout)
        self._first_position = shape.first_position

    def forward(self, tokens: PackedTokens) -> torch.Tensor:
        """States of shape (rows, length, width), in the precision of the matrix products above."""
        states = self.words(tokens.ids) + self.positions(tokens.positions + self._first_position)
        if self.segments is not None:
            # A query is one segment.
            states = states + self.segments.weight[0]
        return cast(torch.Tensor, self.dropout(self.norm(states).to(_compute_dtype(states))))


class Layer(nn.Module):
    """One transformer layer, normalised after each of its two parts."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        width = shape.width
        self.attention_in = Linear(width, 3 * width)
        self.attention_out = Linear(width, width)
        self.attention_norm = nn.LayerNorm(width, eps=shape.norm_epsilon)
        self.hidden_in = Linear(width, shape.hidden)
        self.hidden_out = Linear(shape.hidden, width)
        self.output_norm = nn.LayerNorm(width, eps=shape.norm_epsilon)
        self.attention_dropout = Dropout(shape.attention_dropout)
        self.dropout = Dropout(shape.dropout)
        self._heads = shape.heads
        self._activate = ACTIVATIONS[shape.activation]

    def forward(self, states: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        """The layer's states of all tokens, (rows, length, width); `mask` keeps the queries of a row apart."""
        query, key, value = self.attention_in(states).chunk(3, dim=-1)
        attended = self._attend(query, key, value) if mask is None else self._attend_apart(query, key, value, mask)
        return self._above_attention(states, attended)

    def first(self, states: torch.Tensor, mask: torch.Tensor | None, first: torch.Tensor) -> torch.Tensor:
        """The layer's states of each query's first token alone, (n, width)."""
        own = states.flatten(0, 1).index_select(0, first)
        width = states.shape[-1]
        query = self.attention_in.outputs(own, slice(width))
        key, value = self.attention_in.outputs(states, slice(width, None)).chunk(2, dim=-1)
        if mask is None:
            return self._above_attention(own, self._attend(query[None], key, value)[0])
        # The other tokens ask nothing that is read.
        queries = torch.zeros_like(key).flatten(0, 1).index_copy(0, first, query).view_as(key)
        attended = self._attend_apart(queries, key, value, mask)
        return self._above_attention(own, attended.flatten(0, 1).index_select(0, first))

    def _attend(self, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
        """Each token attends to all of its row; all (rows, length, width), `query` of any length."""
        query, key, value = (self._by_head(part) for part in (query, key, value))
        return functional.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2)

    def _attend_apart(
        self, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, mask: torch.Tensor
    ) -> torch.Tensor:
        """Each token attends to the tokens of its own query; all (rows, length, width)."""
        # Plain products: PyTorch's fused kernel takes five times as long on a CPU for many blocks as small as these.
        query, key, value = (self._by_head(part).flatten(0, 1) for part in (query, key, value))
        closeness = torch.baddbmm(mask, query, key.transpose(1, 2), alpha=1 / math.sqrt(query.shape[-1]))
        attended = torch.bmm(closeness.softmax(-1).to(value.dtype), value)
        return cast(torch.Tensor, attended.unflatten(0, (-1, self._heads)).transpose(1, 2).flatten(2))

    def _by_head(self, states: torch.Tensor) -> torch.Tensor:
        """(rows, length, width) as (rows, heads, length, width of a head)."""
        return cast(torch.Tensor, states.unflatten(-1, (self._heads, -1)).transpose(1, 2))

    def _above_attention(self, states: torch.Tensor, attended: torch.Tensor) -> torch.Tensor:
        states = self.attention_norm(states + self.attention_dropout(self.attention_out(attended)))
        hidden = self.hidden_out(self._activate(self.hidden_in(states)))
        return cast(torch.Tensor, self.output_norm(states + self.dropout(hidden)))


def _mask(tokens: PackedTokens, heads: int, dtype: torch.dtype) -> torch.Tensor:
    """What is added to the closeness of two tokens of a row, (rows * heads, length, length)."""
    apart = tokens.owners[:, :, None] != tokens.owners[:, None, :]
    mask = torch.zeros(apart.shape, dtype=dtype, device=apart.device).masked_fill(apart, -math.inf)
    return mask.repeat_interleave(heads, 0)


def _compute_dtype(states: torch.Tensor) -> torch.dtype:
    """What autocast computes matrix products in: states in it are converted once, not before every product."""
    device = states.device.type
    # On a GPU autocast's norms return fp32 whatever they are given.
    is_lower = torch.is_autocast_enabled(device) and device == "cpu"
    return torch.get_autocast_dtype(device) if is_lower else states.dtype


def _draw(network: nn.Module) -> None:
    """Gives the network memory and random weights."""
    for module in network.modules():
        for name, parameter in list(module.named_parameters(recurse=False)):
            # Not `to_empty`, which takes longer for its imports than for its work.
            setattr(module, name, nn.Parameter(torch.empty(parameter.shape)))
        if isinstance(module, nn.Linear | nn.Embedding):
            nn.init.normal_(module.weight, std=INITIAL_SPREAD)
        if isinstance(module, nn.LayerNorm):
            nn.init.ones_(module.weight)
        if isinstance(module, nn.Linear | nn.LayerNorm):
            nn.init.zeros_(module.bias)
        if isinstance(module, nn.Embedding) and module.padding_idx is not None:
            nn.init.zeros_(module.weight[module.padding_idx])
