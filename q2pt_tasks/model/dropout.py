"""Dropout that costs what it drops."""

from collections.abc import Callable
from typing import Any, cast

import torch
from torch import nn
from torch.nn import functional

# Above it a CPU is as fast with a random number for every value.
_RARE = 0.02


class Dropout(nn.Dropout):
    """`nn.Dropout`, whose values on a CPU are drawn by the gaps between them where few are dropped.

    The paper's rate is 0.001: a random number for each of the thousand values of which one is dropped was 8 % of a
    training step.
    """

    def forward(self, input: torch.Tensor) -> torch.Tensor:  # noqa: A002 - the name that the base class gives
        if not self.training or self.p == 0.0:
            return input
        if self.p > _RARE or not input.is_cpu:
            return functional.dropout(input, self.p)
        return _drop(input, self.p)


class _Drop(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: torch.Tensor, share: float) -> torch.Tensor:  # noqa: ANN401 - torch has no type
        ctx.dropped, ctx.scale = dropped_positions(values.numel(), share), 1 / (1 - share)
        return _scaled_without(values, ctx)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, None]:  # noqa: ANN401
        return _scaled_without(gradients[0], ctx), None


_drop = cast(Callable[..., torch.Tensor], _Drop.apply)


def _scaled_without(values: torch.Tensor, ctx: Any) -> torch.Tensor:  # noqa: ANN401
    kept: torch.Tensor = values.contiguous() * ctx.scale
    kept.view(-1).index_fill_(0, ctx.dropped, 0.0)
    return kept


def dropped_positions(count: int, share: float) -> torch.Tensor:
    """Those of `count` positions that are dropped, each with probability `share` and independent of the others.

    The gaps between successes of a coin are geometric, so as few numbers are drawn as positions are dropped.
    """
    parts, end = [], -1.0
    while end < count:
        gaps = torch.empty(int(count * share * 1.1) + 64, dtype=torch.float64).geometric_(share)
        parts.append(end + gaps.cumsum(0))
        end = float(parts[-1][-1])
    positions = torch.cat(parts).long()
    return positions[positions < count]
