"""Where the time of one training step goes, by kind of operation: `python -m benchmarks.performance.profile`.

Needs the data that the benchmark has made.
"""

import argparse
import sys
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from torch.profiler import ProfilerActivity, profile

from benchmarks.performance.ours import after_each_step, train
from benchmarks.performance.place import Place
from benchmarks.performance.sizes import DISTILBERT, MODELS
from benchmarks.performance.tasks import Training
from q2pt_tasks.studies.pages import table

# Kinds of operations and what the names of theirs contain; the first kind that fits counts.
KINDS: Mapping[str, tuple[str, ...]] = {
    "optimiser": ("adam", "optimizer", "zero_"),
    "attention": ("scaled_dot_product", "attention", "softmax", "bmm", "baddbmm"),
    "matrix products": ("::mm", "addmm", "linear", "matmul", "mkldnn", "_product"),
    "casts and copies": ("_to_copy", "copy_", "aten::to", "contiguous", "clone", "::cat"),
    "table of tokens": ("embedding", "index", "scatter_add", "_rows"),
    "norms": ("layer_norm",),
    "activations": ("gelu", "relu", "tanh", "threshold"),
    "dropout": ("dropout", "bernoulli", "geometric", "_drop"),
    "loss": ("binary_cross_entropy", "sigmoid", "log_sigmoid"),
    "sums and products by element": ("::add", "::mul", "::div", "::sum", "::sub"),
}
OTHER = "other operations"
OUTSIDE = "outside of operations"


@dataclass(frozen=True)
class Operation:
    """One operation's own time, what it calls left out."""

    name: str
    seconds: float
    calls: int


def kind_of(name: str) -> str:
    """The kind that an operation is of."""
    lower = name.lower()
    return next((kind for kind, words in KINDS.items() if any(word in lower for word in words)), OTHER)


def by_kind(operations: Iterable[Operation], wall: float) -> list[tuple[str, float, int]]:
    """Kind, seconds and calls, the longest first; the rest of `wall` is spent outside of operations."""
    seconds: dict[str, float] = {}
    calls: dict[str, int] = {}
    for operation in operations:
        kind = kind_of(operation.name)
        seconds[kind] = seconds.get(kind, 0.0) + operation.seconds
        calls[kind] = calls.get(kind, 0) + operation.calls
    kinds = [(kind, seconds[kind], calls[kind]) for kind in seconds]
    return [*sorted(kinds, key=lambda kind: -kind[1]), (OUTSIDE, max(0.0, wall - sum(seconds.values())), 0)]


class StepProfile:
    """Watches the second step of a training."""

    def __init__(self) -> None:
        self.profile = profile(activities=[ProfilerActivity.CPU])
        self.wall = 0.0
        self._steps = 0
        self._started = 0.0
        after_each_step(self._step)

    def _step(self) -> None:
        self._steps += 1
        if self._steps == 1:
            self.profile.start()
            self._started = time.perf_counter()
        elif self._steps == 2:
            self.wall = time.perf_counter() - self._started
            self.profile.stop()

    def operations(self) -> list[Operation]:
        return [
            Operation(event.key, event.self_cpu_time_total / 1e6, event.count) for event in self.profile.key_averages()
        ]


def main() -> int:
    options = _options()
    place = Place(options.folder)
    batch = options.batch
    task = Training(
        model=str(place.model(options.model)),
        rows=str(place.rows("train")),
        queries=2 * batch,
        batch=batch,
        piece=batch,
    )
    watched = StepProfile()
    train(task)
    rows = by_kind(watched.operations(), watched.wall)
    cells = [[kind, f"{seconds:.2f}", f"{seconds / watched.wall:.0%}", calls] for kind, seconds, calls in rows]
    sys.stdout.write(f"{options.model}, one step of {batch} queries: {watched.wall:.2f} s\n\n")
    sys.stdout.write(table(("kind", "seconds", "share", "calls"), cells) + "\n")
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.performance.profile", description=__doc__)
    parser.add_argument("--model", choices=MODELS, default=DISTILBERT)
    parser.add_argument("--batch", type=int, default=2048)
    parser.add_argument("--folder", type=Path, default=Path("build/bench"), help="of the benchmark; build/bench-tiny")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
