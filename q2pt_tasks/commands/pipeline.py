"""What comes before the graph of stages, and what is read after it."""

import argparse
import json
from typing import TYPE_CHECKING

from q2pt_tasks.commands.arguments import add_registry, registry_of
from q2pt_tasks.layout import Layout

if TYPE_CHECKING:
    from q2pt_tasks.commands.arguments import Commands


class NotEvaluatedError(ValueError):
    """There is no evaluation to print yet."""


def add(commands: "Commands") -> None:
    resolve = commands.add_parser("resolve", help="before the graph: what lies outside the repository -> data/*.json")
    resolve.add_argument("--champion", action="store_true", help="what is in production too -> champion.json")
    add_registry(resolve)
    resolve.set_defaults(run=_resolve)
    summary = commands.add_parser("summary", help="print the last evaluation as a table, and the gate's decision")
    summary.set_defaults(run=_summary)


def _resolve(options: argparse.Namespace) -> str:
    from q2pt_tasks.check_params import check_params
    from q2pt_tasks.registry.checkout import take_champion
    from q2pt_tasks.sources.resolve import resolve

    layout = Layout()
    check_params(layout)
    found = resolve(layout)
    return f"{found} {take_champion(layout.root, registry_of(options))}" if options.champion else found


def _summary(_options: argparse.Namespace) -> str:
    from q2pt_tasks.report.summary_table import summary_table

    layout = Layout()
    if not layout.decision.is_file():
        raise NotEvaluatedError(f"{layout.decision} not found: run `dvc repro` first, in the root of the repository")
    summary = json.loads(layout.summary.read_text(encoding="utf-8"))
    decision = json.loads(layout.decision.read_text(encoding="utf-8"))
    return f"{summary_table(summary)}\n\n{decision['sentence']}\nReport: {layout.report_page.resolve()}"
