"""`q2pt COMMAND`: one command per stage, the same call that `dvc.yaml` makes, and what surrounds the graph.

A command's module in `commands/` says its options and does it; what it needs is imported when it runs, so that no
command waits for another's libraries.
"""

import argparse
import logging
import sys
import tempfile
from collections.abc import Sequence

from q2pt_tasks.commands import checkpoints, pipeline, predict, releases, retention, serve, stages, study
from q2pt_tasks.failures import in_words

_MAKE_ROOM = "make room where it writes, or in the temporary directory {}, and run the same again"


def main(arguments: Sequence[str] | None = None) -> None:
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    logging.getLogger("q2pt_tasks").setLevel(logging.INFO)
    for noisy in ("httpx", "great_expectations", "matplotlib", "fontTools"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    try:
        print(options.run(options))
    except Exception as error:
        said = in_words(error, _MAKE_ROOM.format(tempfile.gettempdir()))
        if said is None:
            raise
        print(f"{options.command} failed: {said}", file=sys.stderr)
        sys.exit(1)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="q2pt", description="Query-to-product-type prediction: the pipeline's stages."
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for group in (pipeline, checkpoints, study, predict, releases, serve, retention, stages):
        group.add(commands)
    return parser
