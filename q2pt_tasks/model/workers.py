"""Several processes, one for each GPU, that train one model together as `torchrun` starts them."""

import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

import torch
from torch import distributed

T = TypeVar("T")

PROCESSES = "Q2PT_PROCESSES"


class ProcessesError(ValueError):
    """`Q2PT_PROCESSES` is no number of processes."""


@dataclass(frozen=True)
class Workers:
    """This process among those that train a model: each computes its part of every batch.

    Attributes:
        rank: this one's number, from 0.
        count: how many there are.
    """

    rank: int
    count: int

    @classmethod
    def alone(cls) -> "Workers":
        return cls(rank=0, count=1)

    @property
    def is_leader(self) -> bool:
        """Whether this process writes what all have made."""
        return self.rank == 0

    def own(self, items: Iterable[T]) -> Iterator[T]:
        """Every `count`-th of `items`, beginning with another one in each process."""
        return islice(items, self.rank, None, self.count)

    def agree(self, value: int) -> bool:
        """Whether all processes have the same `value`, a number below 2**62."""
        if self.count == 1:
            return True
        device = torch.device("cuda") if torch.cuda.is_available() else torch.device("cpu")
        ends = torch.tensor([value, -value], device=device)
        distributed.all_reduce(ends, op=distributed.ReduceOp.MAX)
        return bool(ends[0] == -ends[1])

    def add_up(self, tensors: Iterable[torch.Tensor]) -> None:
        """Puts the sum over all processes in the place of each tensor; all have the same ones in the same order."""
        if self.count > 1:
            for tensor in tensors:
                distributed.all_reduce(tensor)


def share_among_devices(command: Sequence[str], environ: Mapping[str, str] = os.environ) -> None:
    """Where the machine has several GPUs, goes on as that many processes of `q2pt COMMAND`, and never comes back.

    Args:
        command: the sub-command with its arguments.
        environ: `Q2PT_PROCESSES` sets another number of processes.

    Raises:
        ProcessesError: it is not a number from 1 on.
    """
    count = _processes(environ)
    if count == 1 or "WORLD_SIZE" in environ:
        return
    launcher = ["torch.distributed.run", "--standalone", "--nproc-per-node", str(count), "--local-ranks-filter", "0"]
    os.execv(sys.executable, [sys.executable, "-m", *launcher, "-m", "q2pt_tasks", *command])  # noqa: S606


def _processes(environ: Mapping[str, str]) -> int:
    text = environ.get(PROCESSES, "") or str(max(1, torch.cuda.device_count()))
    if not text.isdecimal() or int(text) < 1:
        raise ProcessesError(f"{PROCESSES} is {text!r}; set it to a number of processes, 1 or more")
    if torch.cuda.is_available() and int(text) > torch.cuda.device_count():
        raise ProcessesError(f"{PROCESSES} is {text}, but there are {torch.cuda.device_count()} GPUs, one for each")
    return int(text)


def join_workers(environ: Mapping[str, str] = os.environ) -> Workers:
    """Joins the others that `torchrun` has started, if it has; each has a device of its own where there are GPUs."""
    count = int(environ.get("WORLD_SIZE", "1"))
    if count == 1:
        return Workers.alone()
    if torch.cuda.is_available():
        torch.cuda.set_device(int(environ["LOCAL_RANK"]))
    if not distributed.is_initialized():
        distributed.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
    return Workers(distributed.get_rank(), count)


def gradients(parameters: Iterable[torch.nn.Parameter]) -> Iterator[torch.Tensor]:
    """The gradient of every parameter; one that no query of this process has touched is zero."""
    for parameter in parameters:
        if parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
        yield parameter.grad
