"""One stage of a run, in a private clone and in one process: unchanged, restored from an earlier run, or run.

What counts is compared by hashes first, which needs no data. Only then are the stage's inputs, and nothing else,
brought into the clone.
"""

import json
import logging
import time
from collections.abc import Iterable, Mapping
from contextlib import chdir
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from dvc.repo import Repo
from pydantic import ConfigDict, TypeAdapter

from q2pt_tasks.orchestration.clone import private_clone, sweep
from q2pt_tasks.orchestration.inputs import Input, inputs_of
from q2pt_tasks.orchestration.lock import Entry, read_lock, write_lock
from q2pt_tasks.orchestration.remote import open_store
from q2pt_tasks.orchestration.reproduce import (
    StageFailedError,
    check_out,
    find_stage,
    keep_pages,
    record,
    restore,
    run_command,
    run_key,
)
from q2pt_tasks.orchestration.settings import Settings
from q2pt_tasks.orchestration.store import MissingObjectError, SharedCache
from q2pt_tasks.orchestration.unchanged import is_unchanged, recorded_inputs
from q2pt_tasks.registry.expired_branch import expired_among

LOCK = Path("dvc.lock")
_log = logging.getLogger(__name__)

State = Literal["unchanged", "restored", "ran"]


class InputChangedError(RuntimeError):
    """A stage wrote to what it only depends on."""


@dataclass(frozen=True)
class StageRequest:
    """What one task is asked for.

    Attributes:
        commit: the run's commit.
        address: the stage, as DVC addresses it.
        upstream: entries of at least the stages whose outputs it reads.
        last: its own entry of an earlier run, None where it has none.
        force: run it, whether or not anything changed.
    """

    __pydantic_config__ = ConfigDict(extra="forbid", strict=True)

    commit: str
    address: str
    upstream: dict[str, Entry]
    last: Entry | None
    force: bool


@dataclass(frozen=True)
class StageResult:
    """What became of it.

    Attributes:
        commit: the run's commit.
        address: the stage.
        state: unchanged: `last` still holds; restored: the same had run before; ran: its command ran.
        entry: its lock entry.
        seconds: wall time of all of it.
        rows: rows of the tables that it wrote, by output; empty where it is unchanged.
    """

    commit: str
    address: str
    state: State
    entry: Entry
    seconds: float
    rows: dict[str, int]


_REQUEST = TypeAdapter(StageRequest)


def run(settings: Settings, request: Mapping[str, Any]) -> dict[str, Any]:
    """The child process of a stage's task."""
    sweep(settings)
    return asdict(run_stage(settings, _REQUEST.validate_json(json.dumps(request))))


def run_stage(settings: Settings, request: StageRequest) -> StageResult:
    """Runs a stage, unless hashes say that it need not run.

    Raises:
        GraphError: the commit has no such stage.
        MissingInputError: a stage that it depends on is not among `upstream`.
        MissingObjectError: data of a stage before it is neither in the cache nor in the remote, or its own did not
            arrive there.
        DamagedCacheError: data that was brought into the clone is not what its entry says.
        StageFailedError: its command failed, or did not write what it should.
        InputChangedError: its command changed its own inputs.
    """
    started = time.monotonic()
    # DVC resolves names against the working directory.
    with private_clone(settings, request.commit) as folder, chdir(folder):
        write_lock(LOCK, request.upstream)
        with Repo() as repo:
            try:
                state, entry = _bring_up_to_date(repo, request, open_store(settings, repo))
            except MissingObjectError as error:
                before = [out["md5"] for above in request.upstream.values() for out in above.get("outs", ())]
                raise MissingObjectError(f"{error}{expired_among(settings.git_remote, before)}") from error
        rows = {} if state == "unchanged" else _count_rows(entry)
    return StageResult(request.commit, request.address, state, entry, time.monotonic() - started, rows)


def _bring_up_to_date(repo: Repo, request: StageRequest, store: SharedCache) -> tuple[State, Entry]:
    stage = find_stage(repo, request.address)
    inputs = inputs_of(stage, request.upstream, store)
    last = None if request.force else request.last
    if last and is_unchanged(stage, inputs, last) and store.holds(last["outs"]):
        return "unchanged", last
    check_out(repo, inputs, store)
    key = run_key(stage)
    restored = not request.force and restore(repo, stage, store, key)
    if not restored:
        _run_command(repo, stage, store)
    record(repo, stage, store, key)
    entry = read_lock(LOCK)[request.address]
    _check(request.address, entry, inputs, store)
    store.publish(entry["outs"], key)
    return "restored" if restored else "ran", entry


def _run_command(repo: Repo, stage: Any, store: SharedCache) -> None:  # noqa: ANN401 - one of DVC's stages
    try:
        run_command(stage)
    except StageFailedError as error:
        try:
            error.pages = keep_pages(repo, stage, store)
        except Exception as lost:
            # Of any kind, for a store's library has errors of its own: why the stage failed matters more.
            _log.warning("The pages of %s could not be kept: %s", stage.addressing, lost, exc_info=True)
        raise


def _check(address: str, entry: Entry, inputs: Iterable[Input], store: SharedCache) -> None:
    before = {item.path: item.md5 for item in inputs}
    if changed := [path for path, md5 in recorded_inputs(entry).items() if md5 != before.get(path)]:
        raise InputChangedError(
            f"stage {address} changed {', '.join(changed)} while it ran, which it only depends on: its result would "
            "not be reproducible"
        )
    # DVC gives the cache's object back where there is one of this hash, and does not look at its content.
    for out in entry["outs"]:
        for name, md5 in store.files(out).items():
            store.check(Path(name), md5)


def _count_rows(entry: Entry) -> dict[str, int]:
    tables = {out["path"]: _tables(Path(out["path"])) for out in entry["outs"]}
    return {path: sum(map(_rows, files)) for path, files in tables.items() if files}


def _tables(out: Path) -> list[Path]:
    files = out.rglob("*") if out.is_dir() else [out]
    return [file for file in files if file.suffix == ".parquet"]


def _rows(table: Path) -> int:
    # Slow to import, and most stages write no tables.
    from pyarrow.parquet import read_metadata

    return int(read_metadata(table).num_rows)
