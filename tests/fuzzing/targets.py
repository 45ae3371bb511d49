"""What reads from outside, each with what it may be given and a check that raises where it breaks.

To break is to raise what is no error of ours, as the command line shows a traceback for it, or not to end.
"""

import contextlib
import copy
import gzip
import io
import json
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from checkpoints import random_checkpoint
from fuzzing.strategies import (
    CSV_PIECES,
    DAY,
    ENCODABLE,
    EVENT_VALUES,
    JSON,
    JUDGEMENT_VALUES,
    NASTY,
    TEXTS,
    changed,
    damaged,
    tables,
)
from hypothesis import strategies as st
from ruamel.yaml import YAML

from q2pt_tasks import cli
from q2pt_tasks.check_params import SECTIONS, check_params
from q2pt_tasks.data.judgements import JUDGEMENTS, read_judgements
from q2pt_tasks.data.privacy import PrivacyParams
from q2pt_tasks.data.schema import CATALOG, EVENTS
from q2pt_tasks.engine import write_table
from q2pt_tasks.inside import read_listing
from q2pt_tasks.layout import Layout, catalog_file
from q2pt_tasks.model.champion import parse_champion
from q2pt_tasks.model.checkpoint import load_checkpoint
from q2pt_tasks.model.metadata import load_metadata
from q2pt_tasks.orchestration.form import read_form
from q2pt_tasks.orchestration.lock import read_lock
from q2pt_tasks.orchestration.settings import read_rendering, read_settings
from q2pt_tasks.params import read_section
from q2pt_tasks.registry.named import outputs_of
from q2pt_tasks.serving.input_files import check_rows, describe, list_input
from q2pt_tasks.serving.manifest import InputFile, from_json, plan, to_json
from q2pt_tasks.sources.encoder_files import read_encoder_manifest
from q2pt_tasks.sources.events import EventsParams, list_event_files, newest_day, read_batches
from q2pt_tasks.sources.judgements import read_judged_rows, write_judgements_manifest
from q2pt_tasks.sources.manifest import SourceError, read_manifest
from q2pt_tasks.stages import label, validate

_PACKAGE = "q2pt_tasks."


@dataclass(frozen=True)
class Target:
    """Something that reads.

    Attributes:
        name: for people.
        given: what it is given.
        check: calls it.
        examples: of the fast tests; fewer where one takes a second.
    """

    name: str
    given: st.SearchStrategy[Any]
    check: Callable[[Any], None]
    examples: int = 25


@contextlib.contextmanager
def own_errors() -> Iterator[None]:
    """Lets errors of ours pass, as sentences for people; any other comes out."""
    try:
        yield
    except Exception as error:
        if not type(error).__module__.startswith(_PACKAGE):
            raise
        # They must be sentences that can be printed anywhere.
        str(error).encode()


@contextlib.contextmanager
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


def _events_of_parquet(table: pa.Table) -> None:
    with folder() as root, own_errors():
        pq.write_table(table, root / "a.parquet")
        _read_events(root / "a.parquet")


def _events_of_bytes(content: bytes) -> None:
    with folder() as root, own_errors():
        (root / "a.parquet").write_bytes(content)
        _read_events(root / "a.parquet")


def _events_of_csv(content: bytes) -> None:
    with folder() as root:
        (root / "a.csv").write_bytes(content)
        (root / "b.csv.gz").write_bytes(gzip.compress(content))
        # Compressed or not, it is the same file.
        assert _rows(root / "a.csv") == _rows(root / "b.csv.gz")


def _rows(file: Path) -> list[dict[str, Any]] | None:
    with own_errors():
        return _read_events(file)
    return None


def _read_events(file: Path) -> list[dict[str, Any]]:
    found = pa.concat_tables([EVENTS.empty_table(), *read_batches(file, EVENTS)])
    assert found.schema.equals(EVENTS)
    found.validate(full=True)
    newest_day([file], before=DAY)
    rows: list[dict[str, Any]] = found.to_pylist()
    return rows


def _gzip_of_bytes(content: bytes) -> None:
    with folder() as root, own_errors():
        (root / "a.csv.gz").write_bytes(content)
        _read_events(root / "a.csv.gz")


def _judged(root: Path, name: str) -> None:
    manifest = root / "judgements.json"
    write_judgements_manifest(name, root, manifest)
    rows = read_judged_rows(name, root, manifest)
    assert rows is not None
    read_judgements(rows, ("en-GB",))


def _judgements_of_parquet(table: pa.Table) -> None:
    with folder() as root, own_errors():
        pq.write_table(table, root / "a.parquet")
        _judged(root, "a.parquet")


def _judgements_of_csv(content: bytes) -> None:
    with folder() as root, own_errors():
        (root / "a.csv").write_bytes(b"locale,query,product_types\n" + content)
        _judged(root, "a.csv")


def _data_stages(rows: list[Mapping[str, Any]]) -> None:
    """No row is lost, whatever it holds, and what is labelled was typed."""
    with folder() as root, own_errors():
        layout = Layout(root)
        catalog = [{"product_id": "1", "locale": "en-GB", "product_type": "HAT"}]
        write_table(pa.Table.from_pylist(rows, EVENTS), layout.raw / "events/event_date=2026-06-30.parquet")
        write_table(pa.Table.from_pylist(catalog, CATALOG), catalog_file(layout.raw))
        layout.window.write_text(json.dumps({"first_day": "2026-06-28", "last_day": str(DAY)}))
        params = validate.ValidateParams(
            min_locale_rows=1, max_dirty_share=1, min_known_product_share=0, max_low_volume_share=1, max_missing_days=3
        )
        found = validate.run(layout, params, ("en-GB",), PrivacyParams())
        assert found.events.arrived == len(rows) == found.events.valid + found.events.quarantined
        rules = label.LabelParams(
            forward_days=1,
            min_query_clicks=1,
            min_pair_clicks=1,
            forward_min_clicks=1,
            min_share=0,
            min_top_share=0,
            min_queries=1,
            min_product_types=1,
        )
        label.run(layout, rules, ("en-GB",), PrivacyParams())


def _asked_files(table: pa.Table) -> None:
    def refuse(locale: str) -> None:
        if locale != "en-GB":
            raise SourceError("another store")

    with folder() as root, own_errors():
        pq.write_table(table, root / "a.parquet")
        for file in list_input(root):
            describe(root, file)
            check_rows(file, refuse)


def _names_of_files(names: list[str]) -> None:
    with folder() as root, own_errors():
        for name in names:
            with contextlib.suppress(OSError, ValueError):
                (root / "log" / name.lstrip("/")).parent.mkdir(parents=True, exist_ok=True)
                if (root / "log" / name.lstrip("/")).resolve().is_relative_to(root):
                    (root / "log" / name.lstrip("/")).touch()
        (root / "catalog.csv").touch()
        list_event_files(EventsParams(path=names[0] or "log", catalog="catalog.csv"), root)


@cache
def _params() -> Mapping[str, Any]:
    document: Mapping[str, Any] = YAML(typ="safe").load(Path("params.yaml").read_text(encoding="utf-8"))
    return document


def _params_text() -> bytes:
    return Path("params.yaml").read_bytes()


def _write_yaml(document: Any) -> bytes:  # noqa: ANN401
    text = io.BytesIO()
    YAML(typ="safe", pure=True).dump(document, text)
    return text.getvalue()


def _params_of_bytes(content: bytes) -> None:
    with folder() as root, own_errors():
        layout = Layout(root)
        layout.params.write_bytes(content)
        check_params(layout)


def _params_section(found: tuple[str, object]) -> None:
    """A section alone: the whole file takes a hundred times as long to read."""
    name, section = found
    with folder() as root, own_errors():
        file = root / "params.yaml"
        file.write_bytes(_write_yaml({name: section}))
        read_section(file, name, SECTIONS[name])


@st.composite
def _one_section(draw: st.DrawFn) -> tuple[str, object]:
    name = draw(st.sampled_from(sorted(SECTIONS)))
    return name, draw(changed(copy.deepcopy(_params()[name])))


def _form(values: Any) -> None:  # noqa: ANN401
    with own_errors():
        read_form(values)


_FIELDS = ("last_day", "locales", "variants", "encoder", "epochs", "force", "approval", "promote", "why")
_SETTINGS = (
    "Q2PT_GIT_REMOTE",
    "Q2PT_GIT_BRANCH",
    "Q2PT_DVC_CACHE",
    "Q2PT_DVC_REMOTE",
    "Q2PT_DVC_REMOTE_ENDPOINT",
    "Q2PT_WORK_DIR",
    "Q2PT_STATE_DIR",
    "Q2PT_KEEP_FAILED_HOURS",
    "Q2PT_CACHE_TYPE",
    "Q2PT_REPOSITORY",
    "Q2PT_SCHEDULE",
    "Q2PT_APPROVERS",
    "Q2PT_APPROVAL_HOURS",
)


def _settings(environ: Mapping[str, str]) -> None:
    for read in (lambda: read_settings(environ), lambda: read_rendering(Path("dags/a.py").resolve(), environ)):
        with own_errors():
            read()


# Without what would train or listen.
_COMMANDS: tuple[str, ...] = (
    "ingest",
    "validate",
    "label",
    "split",
    "gate",
    "report",
    "summary",
    "resolve",
    "predict",
    "materialise",
)
_COMMANDS += ("export", "promote", "rollback", "retire", "history", "prune", "expired", "encoder", "tokenize")
_OPTIONS: tuple[str, ...] = (
    "--model",
    "--input",
    "--output",
    "--locale",
    "--registry",
    "--store",
    "--to",
    "--why",
    "--keep",
    "--yes",
)
_OPTIONS += ("--part-rows", "--encoder", "--champion", "--dry-run", "-h", "--", "--=", "prod", "v1", ".", "/dev/null")


def _command(arguments: list[str]) -> None:
    """The command line in an empty folder: an exit with a sentence, never a traceback."""
    before = Path.cwd()
    with folder() as root, contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        os.chdir(root)
        try:
            with contextlib.suppress(SystemExit):
                cli.main(arguments)
        finally:
            os.chdir(before)


_HASH = f"{'0' * 32}.dir"
_RELEASE = {
    "version": "v2",
    "created": "2026-11-30T02:00:00+00:00",
    "run": "scheduled__2026",
    "commit": "c" * 40,
    "by": "a person",
    "why": "It is better.",
    "variant": "unified_aware",
    "last_day": "2026-11-29",
    "judged_against": None,
    "figures": {"micro_recall": 0.6},
    "checkpoints": [
        {
            "variant": "unified_aware",
            "since": "v1",
            "model": _HASH,
            "encoder": None,
            "hash": "0",
            "locales": ["en-US"],
            "others": True,
        }
    ],
    "store": {"url": "s3://bucket", "endpoint": None},
    "golden": [],
}
_SOURCE = {"source": "events", "last_day": "2026-06-30", "files": [{"path": "a", "size": 1, "md5": "0" * 32}]}
_ENCODER = {"name": "a/b", "revision": "main", "commit": None, "files": _SOURCE["files"]}
_LOCK = {"schema": "2.0", "stages": {"a": {"cmd": "a", "outs": [{"path": "a", "md5": "0" * 32, "size": 1}]}}}
_LISTING = [{"relpath": "a/b", "md5": "0" * 32}]
_MANIFEST = json.loads(to_json(plan("0" * 32, 2, [InputFile("a.parquet", 10, "a" * 32, 5)])))


def _document(name: str, read: Callable[[Path], object], good: Any) -> Target:  # noqa: ANN401
    """A file of JSON that is changed, and damaged."""

    def check(content: bytes) -> None:
        with folder() as root, own_errors():
            (root / name).write_bytes(content)
            read(root / name)

    content = json.dumps(good).encode()
    return Target(name, changed(good).map(lambda found: json.dumps(found).encode()) | damaged(content), check)


def _text(read: Callable[[str], object]) -> Callable[[Path], object]:
    def of_file(file: Path) -> object:
        try:
            text = file.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            return None  # git and DVC have text
        return read(text)

    return of_file


@cache
def _checkpoint() -> Mapping[str, bytes]:
    with folder() as root:
        random_checkpoint(root)
        return {file.name: file.read_bytes() for file in root.iterdir()}


def _checkpoint_files(found: tuple[str, bytes]) -> None:
    """A checkpoint of which one file is another's, or damaged."""
    name, content = found
    with folder() as root, own_errors():
        for file, good in _checkpoint().items():
            (root / file).write_bytes(content if file == name else good)
        load_metadata(root)
        load_checkpoint(root)


@st.composite
def _one_bad_file(draw: st.DrawFn) -> tuple[str, bytes]:
    name = draw(st.sampled_from(sorted(_checkpoint())))
    good = _checkpoint()[name]
    if name.endswith(".json") and draw(st.booleans()):
        return name, json.dumps(draw(changed(json.loads(good)))).encode()
    return name, draw(damaged(good))


def _parquet_bytes() -> bytes:
    row = {"event_date": DAY, "locale": "en-GB", "query": "hat", "product_id": "1", "impressions": 1, "clicks": 1}
    file = io.BytesIO()
    pq.write_table(pa.Table.from_pylist([row | {"carts": 0, "purchases": 0}] * 3, EVENTS), file)
    return file.getvalue()


_HEADER = ",".join(EVENTS.names).encode() + b"\n"
_CSV_ROW = b"2026-06-30,en-GB,hat,1,1,1,0,0\n"
CSV = st.lists(CSV_PIECES, max_size=30).map(b"".join)
ROWS = st.lists(st.fixed_dictionaries({name: st.none() | EVENT_VALUES[name] for name in EVENTS.names}), max_size=6)

TARGETS = (
    Target("events: Parquet of any columns", tables(EVENTS, EVENT_VALUES), _events_of_parquet),
    Target("events: damaged Parquet", damaged(_parquet_bytes()), _events_of_bytes),
    Target("events: CSV", st.one_of(CSV, CSV.map(lambda text: _HEADER + _CSV_ROW + text)), _events_of_csv),
    Target("events: damaged gzip", damaged(gzip.compress(_HEADER + _CSV_ROW * 9)), _gzip_of_bytes),
    Target("events: names of files", st.lists(ENCODABLE, min_size=1, max_size=3), _names_of_files),
    Target("judgements: Parquet of any columns", tables(JUDGEMENTS, JUDGEMENT_VALUES), _judgements_of_parquet),
    Target("judgements: CSV", CSV, _judgements_of_csv),
    Target("validate and label: rows of any content", ROWS, _data_stages, examples=5),
    Target(
        "predict: Parquet of any columns",
        tables(pa.schema([("query", pa.string()), ("locale", pa.string())]), EVENT_VALUES),
        _asked_files,
    ),
    Target("params.yaml: other values", st.deferred(_one_section), _params_section),
    Target("params.yaml: damaged text", st.deferred(lambda: damaged(_params_text())), _params_of_bytes, examples=5),
    Target("form", st.dictionaries(st.sampled_from(_FIELDS) | ENCODABLE, JSON, max_size=4), _form),
    Target(
        "settings",
        st.dictionaries(st.sampled_from(_SETTINGS), TEXTS | st.from_regex(r"[a-z0-9:/.,@ *-]{0,12}", fullmatch=True)),
        _settings,
    ),
    Target(
        "command line",
        st.tuples(
            st.sampled_from(_COMMANDS), st.lists(st.sampled_from(_OPTIONS) | st.sampled_from(NASTY), max_size=6)
        ).map(lambda found: [found[0], *found[1]]),
        _command,
    ),
    Target("checkpoint", st.deferred(_one_bad_file), _checkpoint_files),
    _document("release.json", _text(parse_champion), _RELEASE),
    _document("source.json", read_manifest, _SOURCE),
    _document("encoder.json", read_encoder_manifest, _ENCODER),
    _document("dvc.lock", read_lock, _LOCK),
    _document("dvc.lock of a commit", _text(lambda text: outputs_of(text, "dvc.lock")), _LOCK),
    _document("listing of a directory", _text(read_listing), _LISTING),
    _document("_predict.json", _text(from_json), _MANIFEST),
)
