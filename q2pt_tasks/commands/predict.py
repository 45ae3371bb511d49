"""Ask a model: files of queries, or single ones."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from q2pt_tasks.commands.arguments import UsageError, add_registry, add_store, positive, registry_of

if TYPE_CHECKING:
    from q2pt_tasks.commands.arguments import Commands
    from q2pt_tasks.registry.opening import OpenedRelease


def add(commands: "Commands") -> None:
    command = commands.add_parser("predict", help="ask a model: files of queries, or single ones")
    command.description = (
        "Product types above the model's thresholds, best first, with scores. Of files: Parquet with the columns query "
        "and locale becomes a folder of Parquet, every row with product_types and used_unknown_locale; run the same "
        "command again to finish what was interrupted. Of single queries: a line of JSON each."
    )
    command.add_argument(
        "--model", required=True, metavar="MODEL", help="prod, a version such as v3, or a checkpoint's directory"
    )
    add_registry(command)
    add_store(command)
    command.add_argument("--input", type=Path, metavar="FILE_OR_DIR", help="a Parquet file, or a folder of them")
    command.add_argument("--output", type=Path, metavar="DIR", help="an empty folder, a new or an unfinished one")
    command.add_argument("--part-rows", type=positive, metavar="N", help="rows in memory at once, and per output file")
    command.add_argument("--locale", help="the store in which the single queries are typed, such as en-GB")
    command.add_argument("queries", nargs="*", metavar="QUERY")
    command.set_defaults(run=_predict)


def _predict(options: argparse.Namespace) -> str:
    for_files = (options.input, options.output, options.part_rows)
    if options.locale is not None and options.queries and for_files == (None, None, None):
        return _of_single_queries(options)
    if options.input is None or options.output is None or options.locale is not None or options.queries:
        raise UsageError("give --input and --output, or --locale and at least one query")
    return _of_files(options)


def _of_single_queries(options: argparse.Namespace) -> str:
    from q2pt_tasks.serving.single import answer_lines

    return answer_lines(_model(options), options.queries, options.locale)


def _of_files(options: argparse.Namespace) -> str:
    from q2pt_tasks.serving.batch import PART_ROWS, BatchJob, predict_files

    job = BatchJob(_model(options), options.input, options.output, options.part_rows or PART_ROWS)
    return f"predict: {predict_files(job)}"


def _model(options: argparse.Namespace) -> "OpenedRelease":
    """The release that `--model` names, on this machine."""
    from q2pt_tasks.registry.opening import cache_folder, is_path, open_release

    url = None if is_path(options.model) else registry_of(options)
    return open_release(options.model, url, cache_folder(), options.store)
