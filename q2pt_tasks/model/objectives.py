"""What a network is trained for, and what its logits then mean.

- `binary_cross_entropy`: each product type a question of its own, answered yes or no (paper A, section 4).
- `softmax`: the shares of the query's clicks, by cross-entropy.
- `sparsemax`: the same shares, by the loss whose probabilities can be exactly zero (Martins and Astudillo 2016; on
  clicks of a home-improvement store, papers N.2).

Softmax and sparsemax learn nothing from a query that means none of the product types of the label space; binary
cross-entropy learns from it that it means none.
"""

import abc
from collections.abc import Mapping

import torch
from torch.nn import functional

from q2pt_tasks.model.recipe import ObjectiveName

# A probability of 0 would have a logit of minus infinity.
_LEAST = 1e-5


class Objective(abc.ABC):
    """Loss and probabilities; logits and shares have the shape (queries, product types).

    The shares of a query, among the types that the model knows, sum to 1, or all are 0.
    """

    def targets(self, shares: torch.Tensor) -> torch.Tensor:
        """What the probabilities of a perfect network are, element by element."""
        return shares

    @abc.abstractmethod
    def loss(self, logits: torch.Tensor, shares: torch.Tensor) -> torch.Tensor:
        """The loss, summed over queries."""

    @abc.abstractmethod
    def probabilities(self, logits: torch.Tensor) -> torch.Tensor:
        """Scores from 0 to 1."""

    @abc.abstractmethod
    def logits(self, probabilities: torch.Tensor) -> torch.Tensor:
        """Finite logits that have these probabilities, or nearly so, along the last dimension."""


class BinaryCrossEntropy(Objective):
    """Summed over product types; the targets are 1 for each that the query means, whatever its share."""

    def targets(self, shares: torch.Tensor) -> torch.Tensor:
        return (shares > 0).to(shares.dtype)

    def loss(self, logits: torch.Tensor, shares: torch.Tensor) -> torch.Tensor:
        return functional.binary_cross_entropy_with_logits(logits, self.targets(shares), reduction="sum")

    def probabilities(self, logits: torch.Tensor) -> torch.Tensor:
        return logits.sigmoid()

    def logits(self, probabilities: torch.Tensor) -> torch.Tensor:
        """Log-odds."""
        return torch.logit(probabilities, _LEAST)


class Softmax(Objective):
    """Cross-entropy of the shares and the softmax of the logits."""

    def loss(self, logits: torch.Tensor, shares: torch.Tensor) -> torch.Tensor:
        return functional.cross_entropy(logits, shares, reduction="sum")

    def probabilities(self, logits: torch.Tensor) -> torch.Tensor:
        return logits.softmax(-1)

    def logits(self, probabilities: torch.Tensor) -> torch.Tensor:
        return probabilities.clamp(min=_LEAST).log()


class Sparsemax(Objective):
    """The loss whose gradient is the sparsemax of the logits less the shares."""

    def loss(self, logits: torch.Tensor, shares: torch.Tensor) -> torch.Tensor:
        # It is the largest difference, over all distributions p, of p.z - |p|^2 / 2 and the same of the shares, and
        # sparsemax is where it is largest: so p is a constant to the gradient.
        logits = _below_largest(logits)
        is_known = shares.sum(-1, keepdim=True) > 0
        p = sparsemax(logits.detach()) * is_known
        return ((p - shares) * logits - (p.square() - shares.square()) / 2).sum()

    def probabilities(self, logits: torch.Tensor) -> torch.Tensor:
        return sparsemax(logits)

    def logits(self, probabilities: torch.Tensor) -> torch.Tensor:
        """A distribution is its own sparsemax."""
        return probabilities / probabilities.sum(-1, keepdim=True)


OBJECTIVES: Mapping[ObjectiveName, Objective] = {
    "binary_cross_entropy": BinaryCrossEntropy(),
    "softmax": Softmax(),
    "sparsemax": Sparsemax(),
}


def sparsemax(logits: torch.Tensor) -> torch.Tensor:
    """The distribution over the last dimension that is nearest to the logits: exactly 0 for all that are far below.

    Exact, after sorting (Martins and Astudillo 2016, algorithm 1).
    """
    logits = _below_largest(logits)
    descending = logits.sort(-1, descending=True).values
    excess = descending.cumsum(-1) - 1
    rank = torch.arange(1, logits.shape[-1] + 1, dtype=logits.dtype, device=logits.device)
    count = (rank * descending > excess).sum(-1, keepdim=True)
    threshold = excess.gather(-1, count - 1) / count
    return (logits - threshold).clamp(min=0)


def _below_largest(logits: torch.Tensor) -> torch.Tensor:
    """The logits less their largest, which changes neither sparsemax nor its loss, and keeps sums small."""
    return logits - logits.detach().amax(-1, keepdim=True)
