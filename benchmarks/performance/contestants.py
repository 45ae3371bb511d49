"""Who is compared with whom, and what is kept of their runs."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

from pydantic import TypeAdapter

from benchmarks.performance.data import Facts
from benchmarks.performance.tasks import Answer, Task

Environment = Literal["ours", "peers"]


@dataclass(frozen=True)
class Contestant:
    """One side of a comparison: a command of one of the modules here, run by one of the two environments.

    Attributes:
        minutes: after which a run is ended; a multiple of what it takes.
    """

    name: str
    environment: Environment
    module: str
    command: str
    task: Task
    minutes: float

    def call(self, seed: int) -> tuple[str, str, str]:
        """Module, command and task of the run with `seed`; `{seed}` in a text of the task becomes the seed."""
        document = asdict(replace(self.task, seed=seed))
        texts = {key: value.format(seed=seed) for key, value in document.items() if isinstance(value, str)}
        return f"benchmarks.performance.{self.module}", self.command, json.dumps({**document, **texts})


@dataclass(frozen=True)
class Group:
    """Contestants that run one after the other, `turns` times, each time with the next seed."""

    name: str
    contestants: Sequence[Contestant]
    turns: int


@dataclass(frozen=True)
class Run:
    """One run of a contestant: its call, the load average before it, the seconds of the whole process, the answer."""

    group: str
    contestant: str
    seed: int
    call: tuple[str, str, str]
    day: str
    load: float
    wall: float
    answer: Answer


@dataclass(frozen=True)
class Results:
    """All runs that are kept, of one machine and one set of data."""

    machine: str
    facts: Facts
    runs: tuple[Run, ...] = ()

    def find(self, group: str, contestant: str) -> dict[int, Run]:
        """By seed."""
        return {run.seed: run for run in self.runs if (run.group, run.contestant) == (group, contestant)}

    def with_run(self, run: Run) -> "Results":
        return replace(self, runs=(*self.runs, run))

    def without_group(self, group: str) -> "Results":
        return replace(self, runs=tuple(run for run in self.runs if run.group != group))

    def without_turn(self, group: str, seed: int, contestants: Iterable[str]) -> "Results":
        """Without what `contestants` did in one turn."""
        dropped = {(group, seed, name) for name in contestants}
        return replace(
            self, runs=tuple(run for run in self.runs if (run.group, run.seed, run.contestant) not in dropped)
        )


_RESULTS = TypeAdapter(Results)


def read_results(file: Path, machine: str, facts: Facts) -> Results:
    """What is kept in `file`; nothing where it was measured on another machine or with other data."""
    empty = Results(machine, facts)
    if not file.is_file():
        return empty
    kept = _RESULTS.validate_json(file.read_text(encoding="utf-8"))
    return kept if (kept.machine, kept.facts) == (machine, facts) else empty


def write_results(file: Path, results: Results) -> None:
    """One run a line, so that a difference of two files can be read."""
    document = json.loads(_RESULTS.dump_json(results))
    runs = ",\n".join(json.dumps(run) for run in document.pop("runs"))
    head = json.dumps(document, indent=1).removesuffix("\n}")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f'{head},\n "runs": [\n{runs}\n]}}\n', encoding="utf-8")
