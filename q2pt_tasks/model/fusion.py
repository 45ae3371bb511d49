"""An encoder's and an n-gram model's scores as one.

With z the encoder's logits and q the n-gram model's probabilities, the scores are the objective's probabilities of

    (1 - weight) * z + weight * logits(q)

where logits(q) are those that have q as their probabilities under the same objective:

- `binary_cross_entropy`: the weighted mean of log-odds, sigmoid((1 - weight) * z + weight * log(q / (1 - q)));
- `softmax`: the weighted geometric mean of the distributions, over its sum;
- `sparsemax`: sparsemax((1 - weight) * z + weight * q), for a distribution is its own sparsemax.

From 0, the encoder alone, to 1, the n-grams alone. A mean and not a sum, since a sum is surer of itself than either.
Models that err apart are worth more than either alone; trained together they are not.
"""

from collections.abc import Callable

import numpy as np
import torch

from q2pt_tasks.model.examples import FloatMatrix
from q2pt_tasks.model.objectives import Objective

# The weights to choose from. With 0 there is no n-gram model.
WEIGHTS = tuple(tenths / 10 for tenths in range(11))


def mean_logits(logits: FloatMatrix, probabilities: torch.Tensor, weight: float, objective: Objective) -> FloatMatrix:
    """Of the encoder's `logits` and those of the n-gram model's `probabilities`, all (queries, product types)."""
    return np.asarray((1 - weight) * logits + weight * objective.logits(probabilities).numpy(), dtype=np.float32)


def best_weight(quality: Callable[[float], float]) -> float:
    """The one of `WEIGHTS` of the highest quality on validation; of equal ones the smallest."""
    return max(WEIGHTS, key=lambda weight: (quality(weight), -weight))
