"""Which arithmetic this machine is fast in."""

from contextlib import AbstractContextManager
from dataclasses import dataclass

import torch

# About 150 KB each in a training of multilingual DistilBERT.
_GPU_TOKENS = 16384


@dataclass(frozen=True)
class Hardware:
    """Where to compute and in what precision, and why."""

    device: torch.device
    dtype: torch.dtype
    reason: str

    def autocast(self) -> AbstractContextManager[object]:
        """Matrix products inside run in `dtype`; weights stay in fp32."""
        return torch.autocast(self.device.type, self.dtype, enabled=self.dtype != torch.float32)

    def no_autocast(self) -> AbstractContextManager[object]:
        """Inside a region of `autocast`: what is computed here is computed in the precision that it comes in."""
        return torch.autocast(self.device.type, enabled=False)

    def tokens_at_once(self, asked: int) -> int:
        """How many tokens to compute at once: what fits a core's cache is too little to keep a GPU busy."""
        return max(asked, _GPU_TOKENS) if self.device.type == "cuda" else asked

    def __str__(self) -> str:
        return f"{str(self.dtype).removeprefix('torch.')} on {self.device} ({self.reason})"


def detect_hardware() -> Hardware:
    """bf16 where the machine has instructions for it, else fp32: emulated bf16 is slower than fp32."""
    if torch.cuda.is_available():
        device = torch.device("cuda")
        if torch.cuda.is_bf16_supported(including_emulation=False):
            return Hardware(device, torch.bfloat16, "the GPU has bf16 units")
        return Hardware(device, torch.float32, "the GPU has no bf16 units")
    device = torch.device("cpu")
    if torch.cpu._is_amx_tile_supported():
        return Hardware(device, torch.bfloat16, "the CPU has AMX tiles")
    if torch.cpu._is_avx512_bf16_supported():
        return Hardware(device, torch.bfloat16, "the CPU has AVX-512 bf16 instructions")
    return Hardware(device, torch.float32, "the CPU has no bf16 instructions")
