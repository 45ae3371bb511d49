"""What is in production: promote, roll back, retire, history."""

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from q2pt_tasks.commands.arguments import add_registry, registry_of

if TYPE_CHECKING:
    from q2pt_tasks.commands.arguments import Commands
    from q2pt_tasks.registry.repository import Registry


def add(commands: "Commands") -> None:
    promote = commands.add_parser("promote", help="the last run's candidate -> production, if the gate said yes")
    promote.set_defaults(run=_promote)
    rollback = commands.add_parser("rollback", help="production serves an earlier release again")
    rollback.add_argument("--to", metavar="VERSION", help="such as v3; by default the one that served before")
    rollback.add_argument("--why", required=True, help="the reason, for the history")
    rollback.set_defaults(run=_rollback)
    retire = commands.add_parser("retire", help="production serves a release without a store, which has closed")
    retire.add_argument("locale", help="the store, such as en-GB")
    retire.add_argument("--why", required=True, help="the reason, for the history")
    retire.set_defaults(run=_retire)
    history = commands.add_parser("history", help="what was in production when, by whom and why")
    history.set_defaults(run=_history)
    for command in (promote, rollback, retire, history):
        add_registry(command)


def _promote(options: argparse.Namespace) -> str:
    from q2pt_tasks.registry.checkout import promote_checkout

    done = promote_checkout(Path(), registry_of(options), datetime.now(UTC))
    return f"{done.version} is in production, after {done.before or 'nothing'}."


def _rollback(options: argparse.Namespace) -> str:
    from q2pt_tasks.registry.checkout import operator
    from q2pt_tasks.registry.promotion import roll_back

    by = operator()
    with _registry(options) as registry:
        done = roll_back(registry, options.to, by, options.why, datetime.now(UTC))
    return f"{done.version} is in production again, after {done.before}."


def _retire(options: argparse.Namespace) -> str:
    from q2pt_tasks.registry.checkout import operator
    from q2pt_tasks.registry.promotion import retire

    by = operator()
    with _registry(options) as registry:
        done = retire(registry, options.locale, by, options.why, datetime.now(UTC))
    return f"{done.version} is in production, {done.before} without {options.locale}."


def _history(options: argparse.Namespace) -> str:
    from q2pt_tasks.registry.history import to_lines
    from q2pt_tasks.registry.tags import PROD

    with _registry(options) as registry:
        return to_lines(registry.moves(registry.refs(), PROD))


@contextmanager
def _registry(options: argparse.Namespace) -> "Iterator[Registry]":
    from q2pt_tasks.registry.repository import open_registry

    with open_registry(registry_of(options)) as registry:
        yield registry
