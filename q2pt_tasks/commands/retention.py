"""What nothing needs any more, and what is gone already."""

import argparse
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from q2pt_tasks.commands.arguments import UsageError, add_registry, positive

if TYPE_CHECKING:
    from q2pt_tasks.commands.arguments import Commands


def add(commands: "Commands") -> None:
    _add_prune(commands.add_parser("prune", help="what nothing needs any more: shown, then removed"))
    expired = commands.add_parser("expired", help="what of this commit's data retention has removed")
    add_registry(expired)
    expired.set_defaults(run=_expired)


def _add_prune(command: argparse.ArgumentParser) -> None:
    command.description = (
        "Keeps what the newest releases, what serves, latest, other branches and tags need, and whatever is new; "
        "removes the rest from the DVC cache, the DVC remote, their run-caches, and old branches of runs. Section "
        "`retention` of params.yaml says how much and how long."
    )
    command.add_argument("--keep", type=positive, metavar="N", help="newest releases, in place of retention.releases")
    command.add_argument("--dry-run", action="store_true", help="show it only")
    command.add_argument("--yes", action="store_true", help="remove it without a question")
    command.add_argument(
        "--registry",
        action="append",
        metavar="URL",
        help="a git repository whose runs have their files here; name all of them. By default the checkout's git "
        "remote, and that of Airflow on this machine",
    )
    command.add_argument("--cache", metavar="DIR", help="the DVC cache, if not the checkout's")
    command.add_argument("--store", metavar="URL", help="the DVC remote, if not the checkout's default one")
    command.add_argument("--endpoint", metavar="URL", help="the S3 service of --store, if not Amazon's")
    command.set_defaults(run=_prune)


def _prune(options: argparse.Namespace) -> str:
    from q2pt_tasks.registry.pruning import Request, prune
    from q2pt_tasks.registry.release import Store

    if options.endpoint and not options.store:
        raise UsageError("--endpoint is the S3 service of --store: give both")
    request = Request(
        registries=tuple(options.registry) if options.registry else _default_registries(),
        cache=options.cache,
        store=Store(options.store, options.endpoint) if options.store else None,
        releases=options.keep,
    )
    return prune(Path(), request, datetime.now(UTC), yes=options.yes, dry_run=options.dry_run)


def _expired(options: argparse.Namespace) -> str:
    from q2pt_tasks.registry.pruning import expired_here

    return expired_here(Path(), (options.registry,) if options.registry else _default_registries())


def _default_registries() -> tuple[str, ...]:
    from q2pt_tasks.registry.checkout import default_registry
    from q2pt_tasks.registry.pruning import with_local_airflow

    return with_local_airflow(Path(), default_registry(Path()))
