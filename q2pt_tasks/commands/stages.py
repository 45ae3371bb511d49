"""The stages of `dvc.yaml`, each by the call that DVC makes."""

import argparse
import importlib
from typing import TYPE_CHECKING

from q2pt_tasks.layout import Layout
from q2pt_tasks.params import STAGE_SECTIONS

if TYPE_CHECKING:
    from q2pt_tasks.commands.arguments import Commands

# A target of a matrix stage, by the stage's name.
_TARGETS = {"train_unified": "variant", "train_non_unified": "locale"}


def add(commands: "Commands") -> None:
    for stage in STAGE_SECTIONS:
        command = commands.add_parser(stage, help=f"the stage {stage} of dvc.yaml")
        if target := _TARGETS.get(stage):
            command.add_argument(f"--{target}", required=True)
        command.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> str:
    stage = importlib.import_module(f"q2pt_tasks.stages.{options.command}")
    target = _TARGETS.get(options.command)
    report = stage.main(Layout(), getattr(options, target)) if target else stage.main(Layout())
    return f"{options.command}: {report}"
