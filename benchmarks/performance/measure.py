"""Runs contestants in turn, each run a process of its own, and keeps what they answer as soon as they answer."""

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import takewhile
from pathlib import Path

from pydantic import TypeAdapter

from benchmarks.performance.contestants import Contestant, Environment, Group, Results, Run, write_results
from benchmarks.performance.tasks import Answer

_ANSWER: TypeAdapter[Answer] = TypeAdapter(Answer)
# A contestant's last words, where it fails.
_LAST_LINES = 15


class ContestantError(RuntimeError):
    """A contestant failed or took too long."""


@dataclass(frozen=True)
class Arena:
    """Where contestants run.

    Attributes:
        pythons: of both environments.
        logs: folder for what they say.
        kept: file for their answers.
    """

    pythons: Mapping[Environment, Path]
    logs: Path
    kept: Path

    def measure(self, group: Group, results: Results) -> Results:
        """Runs what is not there yet or was called otherwise, and the rest of its turn, which is compared with it."""
        for seed in range(1, group.turns + 1):
            missing = group.contestants[len(_kept(group, seed, results)) :]
            results = results.without_turn(group.name, seed, [contestant.name for contestant in missing])
            for contestant in missing:
                results = results.with_run(self._run(group.name, contestant, seed))
                write_results(self.kept, results)
        return results

    def _run(self, group: str, contestant: Contestant, seed: int) -> Run:
        call = contestant.call(seed)
        log = self.logs / f"{group.replace('/', '-')}-{contestant.name}-{seed}.log".replace(" ", "-")
        log.parent.mkdir(parents=True, exist_ok=True)
        day, load, started = f"{datetime.now(UTC):%Y-%m-%d}", round(os.getloadavg()[0], 1), time.monotonic()
        answer = self._answer(contestant, call, log)
        run = Run(group, contestant.name, seed, call, day, load, round(time.monotonic() - started, 1), answer)
        sys.stdout.write(f"{group}: {contestant.name}, seed {seed}: {run.wall:.0f} s\n")
        sys.stdout.flush()
        return run

    def _answer(self, contestant: Contestant, call: tuple[str, str, str], log: Path) -> Answer:
        module, *arguments = call
        command = [str(self.pythons[contestant.environment]), "-m", module, *arguments]
        with log.open("w", encoding="utf-8") as words:
            try:
                done = subprocess.run(
                    command,
                    env=_environment(),
                    stdout=subprocess.PIPE,
                    stderr=words,
                    text=True,
                    timeout=60 * contestant.minutes,
                    check=True,
                )
            except subprocess.SubprocessError as error:
                last = "\n".join(log.read_text(encoding="utf-8").splitlines()[-_LAST_LINES:])
                raise ContestantError(f"{contestant.name}: {type(error).__name__}; {log} ends with\n{last}") from error
        return _ANSWER.validate_json(done.stdout.splitlines()[-1])


def _kept(group: Group, seed: int, results: Results) -> list[Contestant]:
    """The first contestants of a turn whose runs are kept."""

    def is_kept(contestant: Contestant) -> bool:
        run = results.find(group.name, contestant.name).get(seed)
        return run is not None and run.call == contestant.call(seed)

    return list(takewhile(is_kept, group.contestants))


def _environment() -> dict[str, str]:
    """No contestant looks for anything on a network."""
    return {**os.environ, "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
