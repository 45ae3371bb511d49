"""A model over words and parts of words: vectors of what a query is made of, their mean, one linear layer, softmax.

It knows no encoder. What it is for: parts of words that the training queries share with a query say much that a
network, fine-tuned on the same queries, misses.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from torch.nn import functional

from q2pt_tasks.model.examples import Int64Array, Packed
from q2pt_tasks.model.text_parts import Typed, parts_of

# Queries whose vectors are looked up at once: some tens of megabytes.
_AT_ONCE = 1024


class NGramsError(ValueError):
    """Tensors do not make a model."""


@dataclass(frozen=True, eq=False)
class NGrams:
    """A trained model.

    Attributes:
        longest: characters of the longest part, as `parts_of` takes it.
        keys: (parts,) the hashes of the parts that it knows, int64, ascending.
        vectors: (parts, width) one for each of them, fp16.
        weight: (product types, width) of the linear layer, fp16.
        bias: (product types,) of the linear layer, fp16.
    """

    longest: int
    keys: torch.Tensor
    vectors: torch.Tensor
    weight: torch.Tensor
    bias: torch.Tensor

    @property
    def product_types(self) -> int:
        return len(self.bias)

    @torch.inference_mode()
    def probabilities(self, typed: Typed) -> torch.Tensor:
        """Of every product type for every query, float32, shape (queries, product types).

        A query's probabilities depend on the query and its store alone.
        """
        parts = [typed.stretch(start, start + _AT_ONCE) for start in range(0, len(typed), _AT_ONCE)]
        return torch.cat([torch.zeros(0, self.product_types), *map(self._probabilities, parts)])

    def _probabilities(self, typed: Typed) -> torch.Tensor:
        parts = parts_of(typed, self.longest)
        known = find_parts(parts, self.keys.numpy())
        vectors = self.vectors.index_select(0, torch.from_numpy(known.values)).float()
        hidden = mean_vectors(vectors, Packed(np.arange(len(vectors)), known.offsets), parts.lengths)
        return functional.linear(hidden, self.weight.float(), self.bias.float()).softmax(-1)

    def tensors(self) -> Mapping[str, torch.Tensor]:
        """What the model is but for `longest`, by name."""
        return {"keys": self.keys, "vectors": self.vectors, "weight": self.weight, "bias": self.bias}

    @classmethod
    def of(cls, longest: int, tensors: Mapping[str, torch.Tensor]) -> Self:
        """The model of `tensors`, as `tensors()` gave them.

        Raises:
            NGramsError: one is missing, or they do not fit together.
        """
        expected = {"keys", "vectors", "weight", "bias"}
        if set(tensors) != expected:
            raise NGramsError(f"an n-gram model has the tensors {sorted(expected)}, found {sorted(tensors)}")
        model = cls(longest, **tensors)
        shapes = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
        parts, types, width = model.keys.numel(), model.bias.numel(), model.vectors.shape[-1]
        fitting = {"keys": (parts,), "vectors": (parts, width), "weight": (types, width), "bias": (types,)}
        if shapes != fitting:
            raise NGramsError(f"the tensors of an n-gram model do not fit together: {shapes}")
        return model


def find_parts(parts: Packed, keys: Int64Array) -> Packed:
    """Where the parts that are among `keys`, which are ascending, stand there; the others are left out."""
    places = np.searchsorted(keys, parts.values)
    is_known = np.zeros(len(places), dtype=bool)
    inside = places < len(keys)
    is_known[inside] = keys[places[inside]] == parts.values[inside]
    ends = np.concatenate([[0], np.cumsum(is_known)])[parts.offsets]
    return Packed(places[is_known], ends)


def mean_vectors(vectors: torch.Tensor, rows: Packed, counts: Int64Array) -> torch.Tensor:
    """Per query the sum of the `vectors` at its `rows`, divided by its count, shape (queries, width).

    `counts` (queries,) is of all of a query's parts: those that are not known count as zeros, so that the model is
    the less sure of a query, the less of it it knows.
    """
    sums = functional.embedding_bag(
        torch.from_numpy(rows.values), vectors, torch.from_numpy(rows.offsets), mode="sum", include_last_offset=True
    )
    return sums / torch.from_numpy(counts).clamp(min=1).unsqueeze(1)


def frequent_parts(typed: Typed, longest: int, at_most: int) -> Int64Array:
    """The hashes of the parts of queries, ascending; of more than `at_most` those in the most queries.

    Of parts that are in as many queries, those of the smallest hashes.
    """
    keys, counts = np.zeros(0, np.int64), np.zeros(0, np.int64)
    for found, own in _counted(typed, longest):
        # Those of all queries at once would be hundreds of times the memory of those that differ.
        merged, places = np.unique(np.concatenate([keys, found]), return_inverse=True)
        counts = np.bincount(places, np.concatenate([counts, own]), minlength=len(merged)).astype(np.int64)
        keys = merged
    kept = np.argsort(-counts, kind="stable")[:at_most]
    return np.sort(keys[kept])


def _counted(typed: Typed, longest: int) -> Iterator[tuple[Int64Array, Int64Array]]:
    """Stretch by stretch the parts that differ, and in how many queries each is."""
    stretch = 16 * _AT_ONCE
    for start in range(0, len(typed), stretch):
        yield np.unique(parts_of(typed.stretch(start, start + stretch), longest).values, return_counts=True)
