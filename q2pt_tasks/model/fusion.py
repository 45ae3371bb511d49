"""An encoder's and an n-gram model's scores as one.

With z the encoder's logits and q the n-gram model's probabilities, the scores are the objective's probabilities of

    z + weight * logits(q)

where logits(q) are those that have q as their probabilities under the same objective:

- `binary_cross_entropy`: sigmoid(z + weight * log(q / (1 - q))), log-odds added to log-odds;
- `softmax`: softmax(z + weight * log q), the product of the distributions, q raised to the weight, over its sum;
- `sparsemax`: sparsemax(z + weight * q), for a distribution is its own sparsemax.

Models that err apart are worth more than either alone; trained together they are not.
"""

from collections.abc import Callable

import numpy as np
import torch

from q2pt_tasks.model.examples import FloatMatrix
from q2pt_tasks.model.objectives import Objective

# The weights to choose from. With 0 there is no n-gram model.
WEIGHTS = (0.0, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0)


def add_logits(logits: FloatMatrix, probabilities: torch.Tensor, weight: float, objective: Objective) -> FloatMatrix:
    """The encoder's `logits` and those of the n-gram model's `probabilities`, all (queries, product types)."""
    return np.asarray(logits + weight * objective.logits(probabilities).numpy(), dtype=np.float32)


def best_weight(quality: Callable[[float], float]) -> float:
    """The one of `WEIGHTS` of the highest quality on validation; of equal ones the smallest."""
    return max(WEIGHTS, key=lambda weight: (quality(weight), -weight))
