"""What a contestant is asked and what it answers; of the standard library alone, for both environments read it."""

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import ClassVar


@dataclass(frozen=True, kw_only=True)
class Training:
    """A model to train.

    Attributes:
        model: folder of a Hugging Face checkpoint with its head.
        rows: file of `Rows` to draw from.
        queries: how many are trained on, one pass over `rows` after the other.
        batch: queries per step of the optimiser.
        piece: queries that a peer computes at once.
        head_factor: the learning rate above the encoder, as a multiple of `learning_rate`.
        save: folder for the trained model; empty: it is not kept.
    """

    model: str
    rows: str
    queries: int
    batch: int
    piece: int
    learning_rate: float = 1.5e-4
    head_factor: float = 10.0
    warmup_share: float = 0.1
    save: str = ""
    seed: int = 0

    @property
    def steps(self) -> int:
        return -(-self.queries // self.batch)


@dataclass(frozen=True, kw_only=True)
class Asking:
    """Queries to ask a checkpoint: the first `queries` lines of a file, all of them `passes` times."""

    model: str
    texts: str
    queries: int
    passes: int
    piece: int = 1
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class Grading:
    """A trained model to grade on `test`, at thresholds that `validation` chooses."""

    model: str
    validation: str
    test: str
    min_support: int = 10
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class Multiplying:
    """The matrix products of one micro-batch of a model, to be timed alone."""

    model: str
    queries: int
    tokens: int
    seconds: float
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class Staging:
    """Stages of the pipeline to run in a workspace, one process after the other."""

    workspace: str
    locales: Sequence[str] = ()
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class Importing:
    """Nothing but a start."""

    seed: int = 0


Task = Training | Asking | Grading | Multiplying | Staging | Importing


@dataclass(frozen=True, kw_only=True)
class Timed:
    """What was measured of a piece of work.

    Attributes:
        ends: seconds from the start of the work to the end of each of its steps.
        queries: those of all steps.
        operations: useful operations of all steps but the first.
        peak_bytes: the most memory that the process ever held.
        file_bytes: size of what was written.
    """

    ends: tuple[float, ...]
    queries: int = 0
    operations: float = 0.0
    peak_bytes: int = 0
    file_bytes: int = 0

    @property
    def seconds(self) -> float:
        return self.ends[-1]

    @property
    def queries_per_second(self) -> float:
        """Over all steps."""
        return self.queries / self.seconds

    @property
    def median_step(self) -> float:
        return median(end - start for start, end in pairwise((0.0, *self.ends)))

    @property
    def operations_per_second(self) -> float:
        """Once the first step is over."""
        return self.operations / (self.ends[-1] - self.ends[0])


@dataclass(frozen=True, kw_only=True)
class Graded:
    """Recall at precision 0.8 on test, at the thresholds of validation and on the test curve; macro over `types`."""

    FIGURES: ClassVar[tuple[str, ...]] = ("micro_recall", "macro_recall", "micro_recall_curve", "macro_recall_curve")

    micro_recall: float
    macro_recall: float
    micro_recall_curve: float
    macro_recall_curve: float
    types: int


Answer = Timed | Graded


def answer_command(commands: Mapping[str, tuple[type[Task], Callable[..., Answer]]]) -> None:
    """Does what the command line asks, `COMMAND TASK` with the task as JSON, and prints the answer as the last line."""
    name, task = sys.argv[1:]
    kind, command = commands[name]
    print_answer(command(kind(**json.loads(task))))


def print_answer(answer: Answer) -> None:
    sys.stdout.write(f"\n{json.dumps(asdict(answer))}\n")
    sys.stdout.flush()


def peak_bytes() -> int:
    """The most memory that this process ever held.

    Not `getrusage`, whose figure also covers what the parent held when it made this process.
    """
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    kibibytes = next(line.split()[1] for line in lines if line.startswith("VmHWM:"))
    return int(kibibytes) * 1024


def learning_rate_share(step: int, steps: int, warmup_share: float) -> float:
    """The project's schedule: linear warm-up from nothing, then linear decay to nothing."""
    warmup = warmup_share * steps
    return (step + 1) / (warmup + 1) if step < warmup else max(0.0, (steps - step) / max(1.0, steps - warmup))
