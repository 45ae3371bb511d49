"""Great Expectations in a process of its own, as a module that is run: its import takes seconds.

Beside the days that the stage judges it would hold Python's lock, and its many objects would be looked through by the
collector of garbage with every day, and once more at the end. What is asked and answered is JSON.
"""

import gc
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from q2pt_tasks.data.expectations import Expectation, Figure
from q2pt_tasks.data.great_expectations_runner import SuiteError, import_library, verdicts_of

# Where this package lies: the process is to be of the same code, whatever its working directory.
_ROOT = Path(__file__).resolve().parents[2]


class ProcessEndedError(RuntimeError):
    """The process has ended without an answer."""


class ExpectationsApart:
    """A process that begins to import the library at once, and ends with the `with`.

    One that is left alone, since this one was killed, ends when it has been imported.
    """

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            # -P: nothing that lies in the working directory.
            [sys.executable, "-P", "-m", "q2pt_tasks.validation.expectations_apart"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            encoding="utf-8",
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [str(_ROOT), os.environ.get("PYTHONPATH")]))},
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._process.kill()
        self._process.communicate()

    def verdicts(self, expectations: Sequence[Expectation], figures: Mapping[str, Figure]) -> dict[str, bool]:
        """Whether each evaluated expectation holds, by its figure; can be asked once.

        Raises:
            SuiteError: as `verdicts_of`.
            ProcessEndedError: what the process said stands in the log.
        """
        asked = [[each.figure, each.kind, dict(each.arguments)] for each in expectations]
        answer, _ = self._process.communicate(json.dumps({"expectations": asked, "figures": dict(figures)}))
        if self._process.returncode:
            raise ProcessEndedError(
                f"Great Expectations has ended with {_ending(self._process.returncode)}; free memory and disk where it "
                "ran out of them, and run the stage again"
            )
        found = json.loads(answer)
        if "refused" in found:
            raise SuiteError(found["refused"])
        return dict(found["verdicts"])


def _ending(code: int) -> str:
    return f"exit code {code}, and what it said stands above" if code > 0 else f"signal {signal.Signals(-code).name}"


def main() -> None:
    """Answers what stands on the standard input, unless nothing does."""
    # Whatever a library prints is no answer.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    gc.disable()
    import_library()
    # What was imported stays: to look through it at the end takes as long as a third of the import.
    gc.freeze()
    gc.enable()
    if text := sys.stdin.read():
        answers.write(json.dumps(_answer(json.loads(text))))
    answers.close()


def _answer(asked: Mapping[str, Any]) -> Mapping[str, object]:
    expectations = [Expectation(figure, kind, arguments, "") for figure, kind, arguments in asked["expectations"]]
    try:
        return {"verdicts": verdicts_of(expectations, asked["figures"])}
    except SuiteError as error:
        return {"refused": str(error)}


if __name__ == "__main__":
    main()
