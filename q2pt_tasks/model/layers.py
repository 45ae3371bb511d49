"""Layers that spend on a piece of a batch only what depends on the piece.

Under autocast PyTorch converts a layer's weights for every piece, converts each piece's gradient back into a new tensor
and adds that to the sum; an embedding makes a gradient of the whole table for every piece. Here weights are converted
once after each change, and gradients are added where they belong.
"""

from collections.abc import Callable
from typing import Any, cast

import torch
from torch import nn
from torch.nn import functional

_ALL = slice(None)


class Linear(nn.Linear):
    """`nn.Linear`, in the precision of autocast where that is on; its gradients are summed in the weights' own.

    Whoever changes weights so that PyTorch does not count it, as a fused step of an optimizer does, says so with
    `torch.autograd.graph.increment_version`.
    """

    _converted: tuple[object, torch.Tensor, torch.Tensor] | None = None

    def reset_parameters(self) -> None:
        """Nothing: who makes a network draws or reads its weights."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:  # noqa: A002 - the name that the base class gives
        return self.outputs(input, _ALL)

    def outputs(self, states: torch.Tensor, rows: slice) -> torch.Tensor:
        """Those of the layer's outputs that `rows` of its weights make."""
        device = states.device.type
        if not torch.is_autocast_enabled(device):
            return functional.linear(states, self.weight[rows], self.bias[rows])
        weight, bias = self._weights_in(torch.get_autocast_dtype(device))
        return _product(states.to(weight.dtype), weight[rows], bias[rows], self.weight, self.bias, rows)

    def _apply(self, *arguments: Any, **options: Any) -> "Linear":  # noqa: ANN401 - as in the base class
        # On its way to another device or precision: what was converted would stay behind.
        self._converted = None
        return cast(Linear, super()._apply(*arguments, **options))  # type: ignore[no-untyped-call]

    def _weights_in(self, dtype: torch.dtype) -> tuple[torch.Tensor, torch.Tensor]:
        # PyTorch counts the changes of a tensor; another tensor is another storage.
        parts = (self.weight, self.bias)
        state = (dtype, *((part._version, part.data_ptr()) for part in parts))
        if self._converted is None or self._converted[0] != state:
            # What is made in inference mode could not be used in training.
            with torch.inference_mode(mode=False):
                self._converted = state, self.weight.detach().to(dtype), self.bias.detach().to(dtype)
        return self._converted[1:]


class _Product(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401 - torch has no type for it
        states: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor,
        weights: nn.Parameter,
        biases: nn.Parameter,
        rows: slice,
    ) -> torch.Tensor:
        ctx.save_for_backward(states, weight)
        ctx.summed, ctx.rows = (weights, biases), rows
        return functional.linear(states, weight, bias)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:  # noqa: ANN401
        states, weight = ctx.saved_tensors
        of_outputs = gradients[0].flatten(0, -2)
        weights, biases = ctx.summed
        add_gradient(weights, ctx.rows, of_outputs.t() @ states.flatten(0, -2))
        add_gradient(biases, ctx.rows, of_outputs.sum(0))
        return gradients[0] @ weight, None, None, None, None, None


_product = cast(Callable[..., torch.Tensor], _Product.apply)


class Table(nn.Embedding):
    """`nn.Embedding`, whose gradient costs as much as it has rows that are read, not as the table has."""

    def reset_parameters(self) -> None:
        """Nothing: who makes a network draws or reads its weights."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:  # noqa: A002
        return _rows(self.weight, input)

    @classmethod
    def of(cls, rows: torch.Tensor, padding_idx: int | None) -> "Table":
        """The table that has these rows."""
        count, width = rows.shape
        return cls(count, width, padding_idx, _weight=rows)


class _Rows(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, table: nn.Parameter, rows: torch.Tensor) -> torch.Tensor:  # noqa: ANN401
        ctx.save_for_backward(rows)
        ctx.table = table
        return table.detach()[rows]

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[None, None]:  # noqa: ANN401
        (rows,) = ctx.saved_tensors
        of_rows = gradients[0].flatten(0, -2).to(ctx.table.dtype)
        if of_rows.is_cuda:
            # There `index_add_` adds in any order, and the same seed would not give the same model.
            dense = torch.ops.aten.embedding_dense_backward(of_rows, rows.flatten(), len(ctx.table), -1, False)
            _sum_of(ctx.table).add_(dense)
        else:
            _sum_of(ctx.table).index_add_(0, rows.flatten(), of_rows)
        return None, None


_rows = cast(Callable[..., torch.Tensor], _Rows.apply)


def add_gradient(parameter: nn.Parameter, rows: slice, gradient: torch.Tensor) -> None:
    """Adds `gradient`, of any precision, to that of the rows of a parameter."""
    if parameter.requires_grad:
        _sum_of(parameter)[rows].add_(gradient)


def _sum_of(parameter: nn.Parameter) -> torch.Tensor:
    if parameter.grad is None:
        parameter.grad = torch.zeros_like(parameter)
    return parameter.grad
