"""How an n-gram model learns: softmax on the shares of clicks, Adam on the vectors of the parts in a batch alone."""

import logging

import numpy as np
import torch
from torch import nn

from q2pt_tasks.model.adam import Adam, Group
from q2pt_tasks.model.batching import batch_size_for, batches, shares_of
from q2pt_tasks.model.examples import Examples, Int64Array, Packed
from q2pt_tasks.model.ngrams import NGrams, find_parts, frequent_parts, mean_vectors
from q2pt_tasks.model.objectives import OBJECTIVES
from q2pt_tasks.model.progress import track
from q2pt_tasks.model.recipe import NGramRecipe
from q2pt_tasks.model.text_parts import Typed, parts_of

log = logging.getLogger(__name__)


def fit_ngrams(typed: Typed, examples: Examples, product_types: int, recipe: NGramRecipe, seed: int) -> NGrams:
    """Trains a model; on one machine the same arguments give the same model.

    Args:
        typed: the text of `examples`.
        examples: what they mean.
        product_types: size of the label space.
        recipe: its sizes and its learning.
        seed: of the first vectors and of the order of the queries.
    """
    keys = frequent_parts(typed, recipe.longest, recipe.parts)
    table = _Table(len(keys), recipe.width, torch.Generator().manual_seed(seed))
    # Starts from even probabilities.
    weight, bias = (nn.Parameter(torch.zeros(shape)) for shape in ((product_types, recipe.width), (product_types,)))
    layer = Adam([Group([weight, bias], recipe.learning_rate)])
    steps = _steps(len(typed), recipe, seed)
    for number, rows in enumerate(track(steps, total=len(steps), name="n-grams")):
        parts = parts_of(typed.select(rows), recipe.longest)
        known = find_parts(parts, keys)
        places, own = np.unique(known.values, return_inverse=True)
        vectors = table.take(places)
        logits = mean_vectors(vectors, Packed(own, known.offsets), parts.lengths) @ weight.T + bias
        loss = OBJECTIVES["softmax"].loss(logits, shares_of(examples, rows, product_types)) / len(rows)
        loss.backward()
        share = 1 - number / len(steps)
        table.learn(places, vectors, recipe.learning_rate * share, number)
        layer.step(share)
    log.info("n-grams: %d parts, %d steps", len(keys), len(steps))
    stored = (tensor.detach().half() for tensor in (table.vectors, weight, bias))
    return NGrams(recipe.longest, torch.from_numpy(keys), *stored)


def _steps(queries: int, recipe: NGramRecipe, seed: int) -> list[Int64Array]:
    """The rows of every step of all epochs."""
    size = batch_size_for(queries, recipe.batch_size, recipe.min_steps_per_epoch)
    orders = (np.random.default_rng([seed, epoch]).permutation(queries) for epoch in range(recipe.epochs))
    return [rows for order in orders for rows in batches(order, size)]


class _Table:
    """The vectors of all parts, shape (parts, width), with their moments; a step moves some rows and reads no other.

    As in PyTorch's `SparseAdam`, the moments of a row rest while its part does not occur.
    """

    def __init__(self, parts: int, width: int, generator: torch.Generator) -> None:
        self.vectors = torch.empty(parts, width).uniform_(-1 / width, 1 / width, generator=generator)
        self._moments = {kind: torch.zeros(parts, width) for kind in ("exp_avg", "exp_avg_sq")}

    def take(self, rows: Int64Array) -> nn.Parameter:
        """The vectors of `rows`, (n, width), to learn with."""
        return nn.Parameter(self.vectors.index_select(0, torch.from_numpy(rows)))

    def learn(self, rows: Int64Array, vectors: nn.Parameter, rate: float, steps_before: int) -> None:
        """Moves `vectors`, which `take` gave for `rows` and which have gradients, and puts them back."""
        places = torch.from_numpy(rows)
        optimizer = Adam([Group([vectors], rate)])
        own = {kind: of_all.index_select(0, places) for kind, of_all in self._moments.items()}
        optimizer.set_moments(vectors, {"step": torch.tensor(float(steps_before)), **own})
        optimizer.step(1.0)
        self.vectors.index_copy_(0, places, vectors.detach())
        for kind, of_all in self._moments.items():
            of_all.index_copy_(0, places, optimizer.moments_of(vectors)[kind])
