"""`q2pt STAGE`: one sub-command per stage, the same call that `dvc.yaml` makes, and what surrounds the graph."""

import argparse
import importlib
import json
import logging
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from q2pt_tasks.layout import Layout
from q2pt_tasks.params import STAGE_SECTIONS
from q2pt_tasks.studies.catalogue import CATALOGUE, ENCODER, OWN_LOG, SEEDS, TAXONOMY, listing
from q2pt_tasks.studies.study import Options

# A target of a matrix stage, by the stage's name.
_TARGETS = {"train_unified": "variant", "train_non_unified": "locale"}

_PACKAGE = __name__.partition(".")[0]


class NotEvaluatedError(ValueError):
    """There is no evaluation to print yet."""


class UsageError(ValueError):
    """Options that do not go together."""


def main(arguments: Sequence[str] | None = None) -> None:
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    logging.getLogger("q2pt_tasks").setLevel(logging.INFO)
    for noisy in ("httpx", "great_expectations", "matplotlib", "fontTools"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    try:
        print(_run(options))
    except (ValueError, OSError, RuntimeError) as error:
        # An error of our own says what a user, a file or the data did wrong, and ends with that sentence; any other
        # is a defect and shows where it happened.
        if not type(error).__module__.startswith(f"{_PACKAGE}."):
            raise
        print(f"{options.command} failed: {type(error).__name__}: {error}", file=sys.stderr)
        sys.exit(1)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="q2pt", description="Query-to-product-type prediction: the pipeline's stages."
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    resolve = commands.add_parser("resolve", help="before the graph: what lies outside the repository -> data/*.json")
    resolve.add_argument("--champion", action="store_true", help="what is in production too -> champion.json")
    _add_registry(resolve)
    commands.add_parser("summary", help="print the last evaluation as a table, and the gate's decision")
    plain = commands.add_parser("materialise", help="a per-locale model -> a plain Hugging Face checkpoint")
    plain.add_argument("--model", type=Path, required=True, help="such as models/non_unified/en-GB")
    plain.add_argument("--output", type=Path, required=True, help="the new directory")
    plain.add_argument("--encoder", type=Path, help="directory of its encoder; looked for above the model by default")
    onnx = commands.add_parser("export", help="a checkpoint -> ONNX, for programs without PyTorch")
    onnx.add_argument("--model", type=Path, required=True, help="such as models/unified_aware")
    onnx.add_argument("--output", type=Path, required=True, help="the new directory")
    onnx.add_argument("--encoder", type=Path, help="as materialise takes it")
    _add_studies(commands.add_parser("study", help="a question, its pipelines and its page; without a name: the list"))
    _add_predict(commands.add_parser("predict", help="ask a model: files of queries, or single ones"))
    _add_registry(commands.add_parser("promote", help="the last run's candidate -> production, if the gate said yes"))
    rollback = commands.add_parser("rollback", help="production serves an earlier release again")
    rollback.add_argument("--to", metavar="VERSION", help="such as v3; by default the one that served before")
    rollback.add_argument("--why", required=True, help="the reason, for the history")
    _add_registry(rollback)
    retire = commands.add_parser("retire", help="production serves a release without a store, which has closed")
    retire.add_argument("locale", help="the store, such as en-GB")
    retire.add_argument("--why", required=True, help="the reason, for the history")
    _add_registry(retire)
    _add_registry(commands.add_parser("history", help="what was in production when, by whom and why"))
    _add_serve(commands.add_parser("serve", help="answer over HTTP, with a page to try a model"))
    _add_prune(commands.add_parser("prune", help="what nothing needs any more: shown, then removed"))
    _add_registry(commands.add_parser("expired", help="what of this commit's data retention has removed"))
    for stage in STAGE_SECTIONS:
        command = commands.add_parser(stage, help=f"the stage {stage} of dvc.yaml")
        if target := _TARGETS.get(stage):
            command.add_argument(f"--{target}", required=True)
    return parser


def _add_studies(command: argparse.ArgumentParser) -> None:
    studies = command.add_subparsers(dest="study", metavar="NAME")
    for entry in CATALOGUE:
        parser = studies.add_parser(entry.name, help=entry.question)
        for option in entry.options:
            _STUDY_OPTIONS[option](parser)


_STUDY_OPTIONS: Mapping[str, Callable[[argparse.ArgumentParser], object]] = {
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


def _add_predict(command: argparse.ArgumentParser) -> None:
    command.description = (
        "Product types above the model's thresholds, best first, with scores. Of files: Parquet with the columns query "
        "and locale becomes a folder of Parquet, every row with product_types and used_unknown_locale; run the same "
        "command again to finish what was interrupted. Of single queries: a line of JSON each."
    )
    command.add_argument(
        "--model", required=True, metavar="MODEL", help="prod, a version such as v3, or a checkpoint's directory"
    )
    _add_registry(command)
    _add_store(command)
    command.add_argument("--input", type=Path, metavar="FILE_OR_DIR", help="a Parquet file, or a folder of them")
    command.add_argument("--output", type=Path, metavar="DIR", help="an empty folder, a new or an unfinished one")
    command.add_argument("--part-rows", type=_positive, metavar="N", help="rows in memory at once, and per output file")
    command.add_argument("--locale", help="the store in which the single queries are typed, such as en-GB")
    command.add_argument("queries", nargs="*", metavar="QUERY")


def _add_registry(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--registry", metavar="URL", help="the git repository with the releases; by default the checkout's git remote"
    )


def _add_store(command: argparse.ArgumentParser) -> None:
    command.add_argument("--store", metavar="URL", help="where DVC has the files, if not where the release says")


def _add_serve(command: argparse.ArgumentParser) -> None:
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
    _add_registry(command)
    _add_store(command)
    command.add_argument("--host", default="127.0.0.1", help="where to listen; 0.0.0.0 for all addresses")
    command.add_argument("--port", type=_port, default=8080, help="0 takes a free one")
    command.add_argument(
        "--poll-seconds", type=_seconds, default=5.0, metavar="N", help="how often to look for another model"
    )


def _add_prune(command: argparse.ArgumentParser) -> None:
    command.description = (
        "Keeps what the newest releases, what serves, latest, other branches and tags need, and whatever is new; "
        "removes the rest from the DVC cache, the DVC remote, their run-caches, and old branches of runs. Section "
        "`retention` of params.yaml says how much and how long."
    )
    command.add_argument("--keep", type=_positive, metavar="N", help="newest releases, in place of retention.releases")
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


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number above 0, found {text!r}")
    return int(text)


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"expected a port, a whole number up to 65535, found {text!r}")
    return int(text)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < math.inf:
        raise argparse.ArgumentTypeError(f"expected a number of seconds above 0, found {text!r}")
    return seconds


def _run(options: argparse.Namespace) -> object:
    layout = Layout()
    if options.command == "resolve":
        return _resolve(layout, options)
    if options.command in _RELEASES:
        return _RELEASES[options.command](options)
    if options.command == "summary":
        return _summary(layout)
    if options.command == "study":
        return _study(options)
    if options.command == "predict":
        return _predict(options)
    if options.command == "serve":
        return _serve(options)
    if options.command == "export":
        export = importlib.import_module("q2pt_tasks.serving.export").export
        return export(options.model, options.output, options.encoder)
    if options.command == "materialise":
        materialise = importlib.import_module("q2pt_tasks.model.materialise").materialise
        return materialise(options.model, options.output, options.encoder)
    stage = importlib.import_module(f"q2pt_tasks.stages.{options.command}")
    target = _TARGETS.get(options.command)
    report = stage.main(layout, getattr(options, target)) if target else stage.main(layout)
    return f"{options.command}: {report}"


def _resolve(layout: Layout, options: argparse.Namespace) -> str:
    importlib.import_module("q2pt_tasks.check_params").check_params(layout)
    found: str = importlib.import_module("q2pt_tasks.sources.resolve").resolve(layout)
    if not options.champion:
        return found
    checkout = importlib.import_module("q2pt_tasks.registry.checkout")
    return f"{found} {checkout.take_champion(layout.root, _registry(options))}"


def _registry(options: argparse.Namespace) -> str:
    url: str | None = options.registry
    return url or importlib.import_module("q2pt_tasks.registry.checkout").default_registry(Path())


def _promote(options: argparse.Namespace) -> str:
    checkout = importlib.import_module("q2pt_tasks.registry.checkout")
    done = checkout.promote_checkout(Path(), _registry(options), datetime.now(UTC))
    return f"{done.version} is in production, after {done.before or 'nothing'}."


def _rollback(options: argparse.Namespace) -> str:
    done = _move("roll_back", options, options.to)
    return f"{done.version} is in production again, after {done.before}."


def _retire(options: argparse.Namespace) -> str:
    done = _move("retire", options, options.locale)
    return f"{done.version} is in production, {done.before} without {options.locale}."


def _move(how: str, options: argparse.Namespace, what: str | None) -> Any:  # noqa: ANN401 - its room is imported late
    """A move that a person asks for, by its name in `registry/promotion.py`."""
    move = getattr(importlib.import_module("q2pt_tasks.registry.promotion"), how)
    by = importlib.import_module("q2pt_tasks.registry.checkout").operator()
    with importlib.import_module("q2pt_tasks.registry.repository").open_registry(_registry(options)) as registry:
        return move(registry, what, by, options.why, datetime.now(UTC))


def _history(options: argparse.Namespace) -> str:
    repository = importlib.import_module("q2pt_tasks.registry.repository")
    with repository.open_registry(_registry(options)) as registry:
        moves = registry.moves(registry.refs(), "prod")
    lines: str = importlib.import_module("q2pt_tasks.registry.history").to_lines(moves)
    return lines


def _prune(options: argparse.Namespace) -> str:
    pruning = importlib.import_module("q2pt_tasks.registry.pruning")
    store = importlib.import_module("q2pt_tasks.registry.release").Store
    if options.endpoint and not options.store:
        raise UsageError("--endpoint is the S3 service of --store: give both")
    request = pruning.Request(
        registries=tuple(options.registry or ()) or _registries(None),
        cache=options.cache,
        store=store(options.store, options.endpoint) if options.store else None,
        releases=options.keep,
    )
    said: str = pruning.prune(Path(), request, datetime.now(UTC), yes=options.yes, dry_run=options.dry_run)
    return said


def _expired(options: argparse.Namespace) -> str:
    said: str = importlib.import_module("q2pt_tasks.registry.pruning").expired_here(
        Path(), _registries(options.registry)
    )
    return said


def _registries(url: str | None) -> tuple[str, ...]:
    if url:
        return (url,)
    checkout = importlib.import_module("q2pt_tasks.registry.checkout")
    found: tuple[str, ...] = importlib.import_module("q2pt_tasks.registry.pruning").with_local_airflow(
        Path(), checkout.default_registry(Path())
    )
    return found


_RELEASES = {
    "promote": _promote,
    "rollback": _rollback,
    "retire": _retire,
    "history": _history,
    "prune": _prune,
    "expired": _expired,
}


def _predict(options: argparse.Namespace) -> object:
    for_files = (options.input, options.output, options.part_rows)
    if options.locale is not None and options.queries and for_files == (None, None, None):
        single = importlib.import_module("q2pt_tasks.serving.single")
        return single.answer_lines(_model(options), options.queries, options.locale)
    if options.input is None or options.output is None or options.locale is not None or options.queries:
        raise UsageError("give --input and --output, or --locale and at least one query")
    batch = importlib.import_module("q2pt_tasks.serving.batch")
    job = batch.BatchJob(_model(options), options.input, options.output, options.part_rows or batch.PART_ROWS)
    return f"predict: {batch.predict_files(job)}"


def _model(options: argparse.Namespace) -> object:
    """The release that `--model` names, on this machine."""
    opening = importlib.import_module("q2pt_tasks.registry.opening")
    url = None if opening.is_path(options.model) else _registry(options)
    return opening.open_release(options.model, url, opening.cache_folder(), options.store)


def _serve(options: argparse.Namespace) -> object:
    server = importlib.import_module("q2pt_tasks.serving.http.server")
    releases = _releases(options)
    limits = importlib.import_module("q2pt_tasks.serving.http.limits").Limits()
    return f"serve: {server.serve(releases, server.Place(options.host, options.port, options.poll_seconds), limits)}"


def _releases(options: argparse.Namespace) -> object:
    """Where the service learns what to serve."""
    opening = importlib.import_module("q2pt_tasks.registry.opening")
    if opening.is_path(options.model):
        return importlib.import_module("q2pt_tasks.serving.http.directories").DirectoryReleases(Path(options.model))
    registered = importlib.import_module("q2pt_tasks.serving.http.registered")
    return registered.RegisteredReleases(options.model, _registry(options), opening.cache_folder(), options.store)


def _study(options: argparse.Namespace) -> object:
    root, name = Path.cwd(), options.study
    if name is None:
        return listing()
    if name == "google_taxonomy":
        study = importlib.import_module("q2pt_tasks.studies.google_taxonomy").study
        return study(root, None if options.taxonomy is None else str(options.taxonomy), options.encoder)
    if name in ("synthetic_seeds", "training_noise"):
        return importlib.import_module(f"q2pt_tasks.studies.{name}").study(root, options.seeds or (1, 2, 3))
    runner = importlib.import_module("q2pt_tasks.studies.runner")
    said = {key: value for key, value in vars(options).items() if key in ("taxonomy", "encoder", "own_log")}
    asked = Options(**said, seeds=tuple(getattr(options, "seeds", ())))
    return runner.run_study(root, name, asked)


def _summary(layout: Layout) -> str:
    from q2pt_tasks.report.summary_table import summary_table

    if not layout.decision.is_file():
        raise NotEvaluatedError(f"{layout.decision} not found: run `dvc repro` first, in the root of the repository")
    summary = json.loads(layout.summary.read_text(encoding="utf-8"))
    decision = json.loads(layout.decision.read_text(encoding="utf-8"))
    return f"{summary_table(summary)}\n\n{decision['sentence']}\nReport: {layout.report_page.resolve()}"
