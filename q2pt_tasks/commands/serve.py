"""Answer over HTTP, with a page to try a model."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from q2pt_tasks.commands.arguments import add_registry, add_store, port, registry_of, seconds

if TYPE_CHECKING:
    from q2pt_tasks.commands.arguments import Commands
    from q2pt_tasks.serving.http.releases import Releases


def add(commands: "Commands") -> None:
    command = commands.add_parser("serve", help="answer over HTTP, with a page to try a model")
    command.description = (
        "Answers queries over HTTP until it is stopped; / is a page to try it, /openapi.json says what it takes. When "
        "the directory holds another model, or the stage has moved, it changes without a request being lost."
    )
    command.add_argument(
        "--model",
        required=True,
        metavar="MODEL",
        help="prod, a version such as v3, a checkpoint's directory, a folder of them, or a run's models/",
    )
    command.add_argument(
        "--beside",
        metavar="MODEL",
        help="another one, for the page: its answers beside those of --model, which serves; named as --model is",
    )
    add_registry(command)
    add_store(command)
    command.add_argument("--host", default="127.0.0.1", help="where to listen; 0.0.0.0 for all addresses")
    command.add_argument("--port", type=port, default=8080, help="0 takes a free one")
    command.add_argument(
        "--poll-seconds", type=seconds, default=5.0, metavar="N", help="how often to look for another model"
    )
    command.set_defaults(run=_serve)


def _serve(options: argparse.Namespace) -> str:
    from q2pt_tasks.serving.http.beside import SideBySide
    from q2pt_tasks.serving.http.limits import Limits
    from q2pt_tasks.serving.http.server import Place, serve

    releases = _releases(options.model, options)
    if options.beside:
        releases = SideBySide(releases, _releases(options.beside, options))
    place = Place(options.host, options.port, options.poll_seconds)
    return f"serve: {serve(releases, place, Limits())}"


def _releases(model: str, options: argparse.Namespace) -> "Releases":
    """Where the service learns what to serve under this name."""
    from q2pt_tasks.registry.opening import cache_folder, is_path
    from q2pt_tasks.serving.http.directories import DirectoryReleases
    from q2pt_tasks.serving.http.registered import RegisteredReleases

    if is_path(model):
        return DirectoryReleases(Path(model))
    return RegisteredReleases(model, registry_of(options), cache_folder(), options.store)
