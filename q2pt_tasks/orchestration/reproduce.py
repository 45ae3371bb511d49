"""DVC's part of a stage's task, through its API: find the stage, bring its inputs, restore its outputs or run it.

The steps are those of `dvc repro`, which runs them as one and leaves no room for what several processes on one cache
need between them.
"""

import re
import signal
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dvc.output import OutputDoesNotExistError
from dvc.repo import Repo, lock_repo
from dvc.stage.cache import RunCacheNotFoundError, _can_hash, _get_stage_hash
from dvc.stage.exceptions import StageCmdFailedError
from dvc.stage.run import cmd_run

from q2pt_tasks.layout import Layout
from q2pt_tasks.orchestration.graph import GraphError
from q2pt_tasks.orchestration.inputs import Input
from q2pt_tasks.orchestration.results import drop_others
from q2pt_tasks.orchestration.store import Out, SharedCache
from q2pt_tasks.orchestration.tee import tee


class StageFailedError(RuntimeError):
    """A stage's command failed, or did not write what it should.

    Attributes:
        pages: the pages that it wrote all the same, which say why, with their hashes in the store.
    """

    pages: Sequence[Out] = ()


def find_stage(repo: Repo, address: str) -> Any:  # noqa: ANN401 - one of DVC's stages
    """The stage of `address`.

    Raises:
        GraphError: there is none.
    """
    stages = {stage.addressing: stage for stage in repo.index.stages}
    if address not in stages:
        raise GraphError(f"there is no {address!r} in the graph of this commit; it has {', '.join(sorted(stages))}")
    return stages[address]


def check_out(repo: Repo, inputs: Iterable[Input], store: SharedCache) -> None:
    """Brings what stages before this one made into the clone, and hashes it again.

    DVC takes the content of its cache for granted: a stage would learn from a damaged object, and its result would
    be restored for ever after.

    Raises:
        MissingObjectError: some of it is not in the store.
        DamagedCacheError: some of it is not what its entry says.
    """
    inputs = list(inputs)
    made = {name: md5 for item in inputs for name, md5 in item.made.items()}
    store.fetch(made)
    if targets := [target for item in inputs for target in item.targets]:
        repo.checkout(targets=targets, force=True)
    for name, md5 in made.items():
        store.check(Path(name), md5)


def run_key(stage: Any) -> str | None:  # noqa: ANN401
    """The run-cache key of a stage whose inputs are there; None where DVC keeps no results of such a stage."""
    stage.save_deps()
    return str(_get_stage_hash(stage)) if _can_hash(stage) else None


def restore(repo: Repo, stage: Any, store: SharedCache, key: str | None) -> bool:  # noqa: ANN401
    """Brings the outputs that the same command made of the same inputs into the clone, if DVC has them."""
    if key is None:
        return False
    store.fetch_results(key)
    with lock_repo(repo), store.results(key) as folder:
        drop_others(folder, [out.def_path for out in stage.outs])
        try:
            repo.stage_cache.restore(stage)
        except RunCacheNotFoundError:
            return False
    return True


def run_command(stage: Any) -> None:  # noqa: ANN401
    """Runs the stage's command.

    Raises:
        StageFailedError: with its last lines and its exit code.
    """
    try:
        with tee() as lines, _after_its_command():
            cmd_run(stage)
    except StageCmdFailedError as error:
        raise StageFailedError(_failure(stage.addressing, str(error), lines)) from None


@contextmanager
def _after_its_command() -> Iterator[None]:
    """Inside, this process is not ended by the signal that asks its group to end: what it runs may save its work first.

    Where it ended at once, its guard would kill the rest of the group.
    """
    before = signal.signal(signal.SIGTERM, lambda *_: None)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def record(repo: Repo, stage: Any, store: SharedCache, key: str | None) -> None:  # noqa: ANN401
    """Puts the stage's outputs into the cache, its result into the run-cache, and its entry into `dvc.lock`.

    Raises:
        StageFailedError: it did not write an output.
    """
    with lock_repo(repo):
        try:
            stage.save(run_cache=False)
        except OutputDoesNotExistError as error:
            raise StageFailedError(f"stage {stage.addressing} ended well, but {error}") from None
        stage.commit()
        # After the data that it names: a process may be killed at any time.
        if key is not None:
            with store.results(key):
                repo.stage_cache.save(stage)
        stage.dump(update_pipeline=False)


def keep_pages(repo: Repo, stage: Any, store: SharedCache) -> list[Out]:  # noqa: ANN401
    """Puts the pages that a stage wrote before it failed into the store: nothing else of it is kept."""
    written = [out for out in stage.outs if Path(out.def_path).is_relative_to(Layout().reports) and out.exists]
    with lock_repo(repo):
        for out in written:
            out.save()
            out.commit()
    pages: list[Out] = [{"path": out.def_path, "md5": out.hash_info.value} for out in written]
    store.publish(pages, None)
    return pages


def _failure(address: str, error: str, lines: deque[str]) -> str:
    # DVC has the exit code in its text only.
    (found,) = re.findall(r"exited with (-?\d+)$", error)
    code = int(found)
    how = f"ended with exit code {code}" if code >= 0 else f"was ended by {signal.Signals(-code).name}"
    return "\n".join([f"stage {address} {how}; its last lines:", *lines])
