"""`python -m q2pt_tasks.orchestration COMMAND --request FILE --result FILE`: the child process of a task.

The request and the result are JSON. An error of our own becomes one sentence on standard error and, for the task,
{"error": SENTENCE, "pages": [...]} as the result, with the pages that a failed stage has left.
"""

import argparse
import importlib
import json
import logging
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from q2pt_tasks.failures import in_words
from q2pt_tasks.orchestration.settings import read_settings

# A command and its module, which has `run(settings, request) -> result`. Only the one that is asked for is imported.
COMMANDS = {
    "configure": "configure",
    "stage": "stage_run",
    "join": "join",
    "decide": "decide",
    "promote": "promote",
    "rollback": "rollback",
    "prune": "prune",
}
_MAKE_ROOM = (
    "make room where Q2PT_WORK_DIR and Q2PT_DVC_CACHE lie (`q2pt prune` removes old runs), then clear this task"
)


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    _log_to_stdout()
    _prepare_environment()
    try:
        request = json.loads(options.request.read_text(encoding="utf-8"))
        module = importlib.import_module(f"q2pt_tasks.orchestration.{COMMANDS[options.command]}")
        result = module.run(read_settings(), request)
    except Exception as error:
        sentence = in_words(error, _MAKE_ROOM)
        if sentence is None:
            raise
        sys.stderr.write(f"{sentence}\n")
        _write(options.result, {"error": sentence, "pages": getattr(error, "pages", [])})
        return 1
    _write(options.result, result)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m q2pt_tasks.orchestration", description=__doc__)
    parser.add_argument("command", choices=COMMANDS)
    parser.add_argument("--request", type=Path, required=True)
    parser.add_argument("--result", type=Path, required=True)
    return parser


def _log_to_stdout() -> None:
    # Not on the root logger: DVC prints its own lines already.
    log = logging.getLogger("q2pt_tasks")
    log.addHandler(logging.StreamHandler(sys.stdout))
    log.setLevel(logging.INFO)


def _prepare_environment() -> None:
    """Makes a stage's command independent of who started this process."""
    # A stage calls `python`, and it must be this one.
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    # DVC runs commands with the user's own shell.
    os.environ["SHELL"] = "/bin/sh"
    # So that the lines of a stage appear when they are printed.
    os.environ["PYTHONUNBUFFERED"] = "1"


def _write(path: Path, document: Mapping[str, Any]) -> None:
    """Writes the result in one step: half of one is none."""
    unfinished = path.with_name(f"{path.name}.unfinished")
    unfinished.write_text(json.dumps(document), encoding="utf-8")
    unfinished.replace(path)


if __name__ == "__main__":
    sys.exit(main())
