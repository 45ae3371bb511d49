"""The task after all stages: one `dvc.lock` from their entries, committed, so that the night can be reproduced.

It runs always. A night that failed half way leaves what it made, and the last complete one stays the last.
"""

from collections.abc import Mapping, Sequence
from contextlib import chdir
from dataclasses import asdict, dataclass
from typing import Any

from dvc.repo import Repo

from q2pt_tasks.orchestration.branches import LATEST, LOCK
from q2pt_tasks.orchestration.clone import private_clone
from q2pt_tasks.orchestration.git import commit_all, push
from q2pt_tasks.orchestration.graph import read_graph
from q2pt_tasks.orchestration.lock import Entry, check_consistent, write_lock
from q2pt_tasks.orchestration.plan import RunPlan
from q2pt_tasks.orchestration.remote import open_store
from q2pt_tasks.orchestration.settings import Settings
from q2pt_tasks.orchestration.store import MissingObjectError, Out, SharedCache


@dataclass(frozen=True)
class Joined:
    """The run's last commit.

    Attributes:
        commit: the run's commit with the lock of what ran.
        complete: whether every stage of the run is in it.
        missing: the stages that are not.
    """

    commit: str
    complete: bool
    missing: tuple[str, ...]


def run(settings: Settings, request: Mapping[str, Any]) -> dict[str, Any]:
    """As `join`, from JSON to JSON."""
    plan = RunPlan.from_json(request["plan"])
    return asdict(join(settings, plan, request["entries"], request["failed"]))


def join(settings: Settings, plan: RunPlan, entries: Mapping[str, Entry], failed: Sequence[str]) -> Joined:
    """Commits the entries on the run's branch, and on `latest` where all are there.

    Args:
        settings: where the repository and the data are.
        plan: what `configure` answered.
        entries: of the stages that were unchanged, restored or ran.
        failed: addresses of the stages that failed or could not start.

    Raises:
        LockMismatchError: a stage read something else than another one made.
        MissingObjectError: data of an entry is not in the store.
        GitError: the remote cannot be reached, or refuses the branches.
    """
    missing = tuple(address for address in plan.addresses if address not in entries or address in failed)
    kept = {address: entry for address, entry in entries.items() if address not in failed}
    with private_clone(settings, plan.commit) as clone, chdir(clone):
        graph = read_graph(clone, settings.work_dir / "graphs")
        with Repo() as repo:
            store = open_store(settings, repo)
            check_consistent(graph.part(set(kept) & set(graph.addresses)), kept, store.manifest)
            check_stored(store, [out for entry in kept.values() for out in entry.get("outs", [])])
        write_lock(clone / LOCK, kept)
        commit = commit_all(clone, [LOCK], f"Lock of {plan.run_id}{_missing_sentence(missing)}")
        # With force: a second try of this task makes another commit in place of the first one's.
        branches = (plan.branch,) if missing else (plan.branch, LATEST)
        push(clone, settings.git_remote, *(f"+{commit}:refs/heads/{branch}" for branch in branches))
    return Joined(commit, not missing, missing)


def check_stored(store: SharedCache, outs: Sequence[Out]) -> None:
    """Checks file by file that the store has `outs`, after one more try to bring there what only this host has.

    Raises:
        MissingObjectError: it has not.
    """
    if not store.missing(outs):
        return
    here = SharedCache(store.folder)
    store.publish([out for out in outs if not here.missing([out])], None)
    if missing := store.missing(outs):
        raise MissingObjectError(
            f"{len(missing)} files are not in the store, first {', '.join(missing[:3])}: nobody could reproduce this "
            "run; clear the tasks of the stages that make them"
        )


def _missing_sentence(missing: Sequence[str]) -> str:
    return f"\n\nIncomplete, without {', '.join(missing)}." if missing else ""
