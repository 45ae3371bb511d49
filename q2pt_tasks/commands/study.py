"""A question, its pipelines and its page."""

import argparse
import importlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from q2pt_tasks.studies.catalogue import CATALOGUE, ENCODER, OWN_LOG, SEEDS, TAXONOMY, listing
from q2pt_tasks.studies.study import Options

if TYPE_CHECKING:
    from q2pt_tasks.commands.arguments import Commands

_OPTIONS: Mapping[str, Callable[[argparse.ArgumentParser], object]] = {
    TAXONOMY: lambda parser: parser.add_argument(
        "--taxonomy", type=Path, help="directory with Google's files; downloaded where not given"
    ),
    ENCODER: lambda parser: parser.add_argument(
        "--encoder", help="name or directory of an encoder; that of params.yaml where not given"
    ),
    SEEDS: lambda parser: parser.add_argument("--seeds", type=int, nargs="+", default=(), help="of the trainings"),
    OWN_LOG: lambda parser: parser.add_argument(
        "--own-log", action="store_true", help="ask the log that params.yaml names; the page stays in build/"
    ),
}


def add(commands: "Commands") -> None:
    command = commands.add_parser("study", help="a question, its pipelines and its page; without a name: the list")
    command.set_defaults(run=_study)
    studies = command.add_subparsers(dest="study", metavar="NAME")
    for entry in CATALOGUE:
        parser = studies.add_parser(entry.name, help=entry.question)
        for option in entry.options:
            _OPTIONS[option](parser)


def _study(options: argparse.Namespace) -> object:
    root, name = Path.cwd(), options.study
    if name is None:
        return listing()
    if name in ("synthetic_seeds", "training_noise"):
        return importlib.import_module(f"q2pt_tasks.studies.{name}").study(root, options.seeds or (1, 2, 3))
    said = {key: value for key, value in vars(options).items() if key in ("taxonomy", "encoder", "own_log")}
    told = Options(**said, seeds=tuple(getattr(options, "seeds", ())))
    if name == "google_taxonomy":
        from q2pt_tasks.studies.google_taxonomy import study

        return study(root, told)
    from q2pt_tasks.studies.runner import run_study

    return run_study(root, name, told)
