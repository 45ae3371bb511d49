"""A checkpoint in another form."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from q2pt_tasks.commands.arguments import Commands


def add(commands: "Commands") -> None:
    plain = commands.add_parser("materialise", help="a per-locale model -> a plain Hugging Face checkpoint")
    plain.add_argument("--model", type=Path, required=True, help="such as models/non_unified/en-GB")
    plain.add_argument("--output", type=Path, required=True, help="the new directory")
    plain.add_argument("--encoder", type=Path, help="directory of its encoder; looked for above the model by default")
    plain.set_defaults(run=_materialise)
    onnx = commands.add_parser("export", help="a checkpoint -> ONNX, for programs without PyTorch")
    onnx.add_argument("--model", type=Path, required=True, help="such as models/unified_aware")
    onnx.add_argument("--output", type=Path, required=True, help="the new directory")
    onnx.add_argument("--encoder", type=Path, help="as materialise takes it")
    onnx.set_defaults(run=_export)


def _materialise(options: argparse.Namespace) -> object:
    from q2pt_tasks.model.materialise import materialise

    return materialise(options.model, options.output, options.encoder)


def _export(options: argparse.Namespace) -> object:
    from q2pt_tasks.serving.export import export

    return export(options.model, options.output, options.encoder)
