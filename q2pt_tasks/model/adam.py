"""Adam without weight decay (Kingma and Ba 2015, algorithm 1), one pass over all weights for each step.

`torch.optim.Adam` computes the same; but making one imports PyTorch's compiler, which takes longer than all else that a
training does before its first step.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import nn

_BETAS, _EPSILON = (0.9, 0.999), 1e-8


@dataclass(frozen=True)
class Group:
    """Parameters that learn at `rate`, before any schedule."""

    parameters: Sequence[nn.Parameter]
    rate: float


class Adam:
    """The moments of the parameters' gradients, and the step that they make.

    A parameter without a gradient is left as it is.
    """

    def __init__(self, groups: Sequence[Group]) -> None:
        self._groups = groups
        self._moments: dict[nn.Parameter, dict[str, torch.Tensor]] = {}

    def step(self, share: float) -> None:
        """One step at `share` of the groups' rates; the gradients are zero afterwards."""
        for group in self._groups:
            self._step(group, group.rate * share)

    def _step(self, group: Group, rate: float) -> None:
        touched = [(parameter, gradient) for parameter in group.parameters if (gradient := parameter.grad) is not None]
        if not touched:
            return
        moments = [self.moments_of(parameter) for parameter, _ in touched]
        parameters: list[torch.Tensor] = [parameter for parameter, _ in touched]
        gradients = [gradient for _, gradient in touched]
        torch._fused_adam_(
            parameters,
            gradients,
            [moment["exp_avg"] for moment in moments],
            [moment["exp_avg_sq"] for moment in moments],
            [],
            [moment["step"].add_(1) for moment in moments],
            lr=rate,
            beta1=_BETAS[0],
            beta2=_BETAS[1],
            weight_decay=0.0,
            eps=_EPSILON,
            amsgrad=False,
            maximize=False,
        )
        # The fused step does not count its changes, by which layers know that weights must be converted again.
        torch.autograd.graph.increment_version(parameters)
        # Kept: memory that is new in every step costs more than zeros do.
        torch._foreach_zero_(gradients)

    def moments_of(self, parameter: nn.Parameter) -> Mapping[str, torch.Tensor]:
        """The steps so far, and the running means of the gradient and of its square; zeros before the first step."""
        if parameter not in self._moments:
            self._moments[parameter] = {
                "step": torch.zeros((), device=parameter.device),
                "exp_avg": torch.zeros_like(parameter, requires_grad=False),
                "exp_avg_sq": torch.zeros_like(parameter, requires_grad=False),
            }
        return self._moments[parameter]

    def set_moments(self, parameter: nn.Parameter, moments: Mapping[str, torch.Tensor]) -> None:
        """Goes on from `moments`, as `moments_of` gave them."""
        self._moments[parameter] = {kind: value.to(parameter.device) for kind, value in moments.items()}

    def __iter__(self) -> Iterator[nn.Parameter]:
        """The parameters that have moments."""
        return iter(self._moments)
