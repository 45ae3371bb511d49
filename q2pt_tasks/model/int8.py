"""Matrix products in whole numbers of 8 bits: one query costs what reading weights costs.

PyTorch 2.13 says that tensors of whole numbers will leave it; nothing else that it has is as fast for one query.
"""

import math
import warnings
from typing import cast

import torch
from torch import nn

from q2pt_tasks.model.layers import Linear
from q2pt_tasks.model.packed_network import PackedNetwork

_LARGEST = 127
_SMALLEST = torch.finfo(torch.float32).tiny


class Int8Linear(nn.Module):
    """A layer whose weights are rounded once, by output, and whose inputs are rounded in every call, all on one scale.

    So what else is computed in the same call moves a result by a rounding error.
    """

    def __init__(self, layer: Linear) -> None:
        super().__init__()
        self._weight, self._bias = layer.weight.detach(), layer.bias.detach()
        self._packed: dict[tuple[int | None, int | None], object] = {}

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        return self.outputs(states, slice(None))

    def outputs(self, states: torch.Tensor, rows: slice) -> torch.Tensor:
        """As `Linear.outputs`, in fp32."""
        key = (rows.start, rows.stop)
        if key not in self._packed:
            self._packed[key] = _pack(self._weight[rows], self._bias[rows])
        result: torch.Tensor = torch.ops.quantized.linear_dynamic(states, self._packed[key], False)
        return result


class Int8RowsLinear(Int8Linear):
    """An `Int8Linear` that rounds each token's states on a scale of their own.

    A result then hardly depends on what else is computed in the same call, and is nearer to that of fp32; it takes a
    tenth to a third longer.
    """

    def __init__(self, layer: Linear) -> None:
        super().__init__(layer)
        # One more row: with it the ends of the scale are the same in every call.
        self._ends = torch.zeros(layer.in_features)
        self._ends[:2] = torch.tensor([1.0, -1.0])

    def outputs(self, states: torch.Tensor, rows: slice) -> torch.Tensor:
        key = (rows.start, rows.stop)
        if key not in self._packed:
            self._packed[key] = _pack(self._weight[rows], torch.zeros_like(self._bias[rows]))
        flat = states.flatten(0, -2)
        largest = torch.linalg.vector_norm(flat, math.inf, -1, keepdim=True).clamp_(min=_SMALLEST)
        unit = torch.empty(len(flat) + 1, flat.shape[1])
        torch.div(flat, largest, out=unit[:-1])
        unit[-1] = self._ends
        products: torch.Tensor = torch.ops.quantized.linear_dynamic(unit, self._packed[key], False)[:-1]
        return cast(torch.Tensor, torch.addcmul(self._bias[rows], products, largest).unflatten(0, states.shape[:-1]))


def _pack(weight: torch.Tensor, bias: torch.Tensor) -> object:
    # A row of zeros has no scale.
    scales = (weight.abs().amax(1) / _LARGEST).clamp(min=_SMALLEST)
    zeros = torch.zeros(len(weight), dtype=torch.int64)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*quantized tensor creation functions.*", category=UserWarning)
        whole = torch.quantize_per_channel(weight, scales, zeros, 0, torch.qint8)
    return torch.ops.quantized.linear_prepack(whole, bias)


def is_int8_fast() -> bool:
    """Whether the CPU sums products of 8 bits in one instruction; others would round once more, or be slower."""
    return bool(torch.cpu._is_vnni_supported())


def quantise(network: PackedNetwork, kind: type[Int8Linear]) -> None:
    """Puts the products of the encoder's layers in int8, not those above them; it cannot be trained any more."""
    for module in list(network.layers.modules()):
        for name, layer in list(module.named_children()):
            if isinstance(layer, Linear):
                setattr(module, name, kind(layer))
