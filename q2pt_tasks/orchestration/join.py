"""The task after all stages: one `dvc.lock` from their entries, committed, so that the night can be reproduced.

It runs always. A night that failed half way leaves what it made, and the last complete one stays the last.
"""

from collections.abc import Mapping, Sequence
from contextlib import chdir
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from dvc.repo import Repo

from q2pt_tasks.git import commit_all, push, run_git, tip
from q2pt_tasks.orchestration.branches import LATEST, LOCK, file_at
from q2pt_tasks.orchestration.clone import private_clone
from q2pt_tasks.orchestration.graph import Graph, read_graph
from q2pt_tasks.orchestration.inputs import inputs_of
from q2pt_tasks.orchestration.lock import Entry, LockMismatchError, check_consistent, write_lock
from q2pt_tasks.orchestration.plan import RunPlan
from q2pt_tasks.orchestration.remote import open_store
from q2pt_tasks.orchestration.settings import Settings
from q2pt_tasks.orchestration.store import MissingObjectError, Out, SharedCache
from q2pt_tasks.orchestration.unchanged import is_made_from


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
    return asdict(join(settings, RunPlan.from_json(request["plan"]), request["entries"]))


def join(settings: Settings, plan: RunPlan, entries: Mapping[str, Entry]) -> Joined:
    """Commits the entries on the run's branch, and on `latest` where all are there.

    Args:
        settings: where the repository and the data are.
        plan: what `configure` answered.
        entries: of the stages that were unchanged, restored or ran; of those after one that has none they are of an
            earlier try, and left out.

    Raises:
        LockMismatchError: a stage read something else than another one made, or than the run's commit holds.
        MissingObjectError: data of an entry is not in the store.
        GitError: the remote cannot be reached, or refuses the branches.
    """
    with private_clone(settings, plan.commit) as clone, chdir(clone):
        graph = read_graph(clone, settings.work_dir / "graphs")
        kept = _with_all_before(graph, entries)
        missing = tuple(address for address in plan.addresses if address not in kept)
        with Repo() as repo:
            store = open_store(settings, repo)
            check_consistent(graph.part(set(kept) & set(graph.addresses)), kept, store.manifest)
            _check_commit(repo, graph, kept, store)
            check_stored(store, [out for entry in kept.values() for out in entry.get("outs", [])])
        write_lock(clone / LOCK, kept)
        commit = _joined_before(settings, plan, clone) or commit_all(
            clone, [LOCK], f"Lock of {plan.run_id}{_missing_sentence(missing)}"
        )
        # With force: another try of this task, after more stages, makes a commit in place of the first one's.
        branches = (plan.branch,) if missing else (plan.branch, LATEST)
        push(clone, settings.git_remote, *(f"+{commit}:refs/heads/{branch}" for branch in branches))
    return Joined(commit, not missing, missing)


def _with_all_before(graph: Graph, entries: Mapping[str, Entry]) -> dict[str, Entry]:
    """The entries whose stages have those before them too; what is of no stage stays, to be refused."""
    kept = {address: entry for address, entry in entries.items() if address not in graph.addresses}
    for node in graph.nodes:
        if node.address in entries and kept.keys() >= set(node.upstream):
            kept[node.address] = entries[node.address]
    return kept


def _check_commit(repo: Repo, graph: Graph, entries: Mapping[str, Entry], store: SharedCache) -> None:
    """Checks that `entries` were made with the code, params and commands of this commit."""
    stages = {stage.addressing: stage for stage in repo.index.stages}
    others = []
    for node in graph.nodes:
        if entry := entries.get(node.address):
            before = {address: entries[address] for address in node.upstream}
            if not is_made_from(stages[node.address], inputs_of(stages[node.address], before, store), entry):
                others.append(node.address)
    if others:
        raise LockMismatchError(
            f"{', '.join(others)} were made from another commit than the run's, as after clearing configure alone: "
            "clear these tasks with those after them, or start a new run"
        )


def _joined_before(settings: Settings, plan: RunPlan, clone: Path) -> str | None:
    """The commit that an earlier try of this task made with the same lock."""
    commit = tip(settings.git_remote, plan.branch)
    if commit in (None, plan.commit):
        return None
    lock = file_at(settings, commit, LOCK, clone, depth=2)
    same = lock == (clone / LOCK).read_text(encoding="utf-8")
    return commit if same and run_git(clone, "rev-parse", f"{commit}^") == plan.commit else None


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
