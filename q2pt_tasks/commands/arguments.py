"""Options that several commands take, and what their texts are turned into."""

import argparse
import math
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


class UsageError(ValueError):
    """Options that do not go together."""


def add_registry(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--registry", metavar="URL", help="the git repository with the releases; by default the checkout's git remote"
    )


def registry_of(options: argparse.Namespace) -> str:
    """The registry that `--registry` names, or the checkout's git remote."""
    from q2pt_tasks.registry.checkout import default_registry

    return options.registry or default_registry(Path())


def add_store(command: argparse.ArgumentParser) -> None:
    command.add_argument("--store", metavar="URL", help="where DVC has the files, if not where the release says")


def positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number above 0, found {text!r}")
    return int(text)


def port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"expected a port, a whole number up to 65535, found {text!r}")
    return int(text)


def seconds(text: str) -> float:
    try:
        found = float(text)
    except ValueError:
        found = 0.0
    if not 0 < found < math.inf:
        raise argparse.ArgumentTypeError(f"expected a number of seconds above 0, found {text!r}")
    return found
