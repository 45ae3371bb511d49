"""Readers of what people set: params, the form, the environment, the command line."""

import contextlib
import copy
import io
import os
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from fuzzing.strategies import (
    ENCODABLE,
    JSON,
    NASTY,
    TEXTS,
    changed,
    damaged,
)
from fuzzing.target import Target, folder, own_errors
from hypothesis import strategies as st
from ruamel.yaml import YAML

from q2pt_tasks import cli
from q2pt_tasks.check_params import SECTIONS, check_params
from q2pt_tasks.layout import Layout
from q2pt_tasks.orchestration.form import read_form
from q2pt_tasks.orchestration.settings import read_rendering, read_settings
from q2pt_tasks.params import read_section
from q2pt_tasks.sources.database import check_address


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
    "Q2PT_APPROVAL_REQUIRED",
    "Q2PT_APPROVAL_HOURS",
    "Q2PT_PRUNE_SCHEDULE",
    "Q2PT_PRUNE_REGISTRIES",
)


def _settings(environ: Mapping[str, str]) -> None:
    for read in (lambda: read_settings(environ), lambda: read_rendering(Path("dags/a.py").resolve(), environ)):
        with own_errors():
            read()


def _address(address: str) -> None:
    with own_errors():
        check_address(address)


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


_ADDRESSES = st.from_regex(r"(postgres(ql)?:)?/{0,2}[a-z:@/?&=%\\[\\]._,0-9-]{0,20}", fullmatch=True)

TARGETS = (
    Target("params.yaml: other values", st.deferred(_one_section), _params_section),
    Target("params.yaml: damaged text", st.deferred(lambda: damaged(_params_text())), _params_of_bytes, examples=5),
    Target("address of a database", _ADDRESSES | TEXTS, _address),
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
)
