"""Matrix products in whole numbers of 8 bits: one query costs what reading weights costs.

PyTorch 2.13 says that tensors of whole numbers will leave it; nothing else that it has is as fast for one query.
"""

import warnings

import torch
from torch import nn

from q2pt_tasks.model.layers import Linear
from q2pt_tasks.model.packed_network import PackedNetwork

_LARGEST = 127


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


def _pack(weight: torch.Tensor, bias: torch.Tensor) -> object:
    # A row of zeros has no scale.
    scales = (weight.abs().amax(1) / _LARGEST).clamp(min=torch.finfo(torch.float32).tiny)
    zeros = torch.zeros(len(weight), dtype=torch.int64)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*quantized tensor creation functions.*", category=UserWarning)
        whole = torch.quantize_per_channel(weight, scales, zeros, 0, torch.qint8)
    return torch.ops.quantized.linear_prepack(whole, bias)


def is_int8_fast() -> bool:
    """Whether the CPU sums products of 8 bits in one instruction; others would round once more, or be slower."""
    return bool(torch.cpu._is_vnni_supported())


def quantise(network: PackedNetwork) -> None:
    """Puts the products of the encoder's layers in int8, not those above them; it cannot be trained any more."""
    for module in list(network.layers.modules()):
        for name, layer in list(module.named_children()):
            if isinstance(layer, Linear):
                setattr(module, name, Int8Linear(layer))
