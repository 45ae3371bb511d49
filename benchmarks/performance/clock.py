"""When training starts to compute, which torch's own hooks tell, and when each of its steps ends."""

import time
from collections.abc import Callable

from torch.nn.modules.module import register_module_forward_pre_hook


class StepClock:
    """Runs from the first forward pass on; `ends` has the seconds from there to each call of `end_step`."""

    def __init__(self) -> None:
        self.ends: list[float] = []
        self._started = 0.0
        on_first_forward(self._start)

    def _start(self) -> None:
        self._started = time.monotonic()

    def end_step(self) -> None:
        self.ends.append(time.monotonic() - self._started)


def on_first_forward(call: Callable[[], None]) -> None:
    """Calls `call` once, when any module is first run."""

    def first(*_: object) -> None:
        # A hook on every module of every pass would be part of what is measured.
        handle.remove()
        call()

    handle = register_module_forward_pre_hook(first)
