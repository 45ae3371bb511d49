"""`q2pt prune`: looks what nothing needs any more, in git remotes and in stores, says so, and removes it.

In an order in which a process that is killed leaves nothing half, and the next one finishes: the branches of runs, the
list of what expires, results of the run-cache, manifests, files.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory

from q2pt_tasks.git import run_git
from q2pt_tasks.registry.expired import EXPIRED, Gone
from q2pt_tasks.registry.expired_branch import append_expired, read_expired
from q2pt_tasks.registry.named import AllRefs, Commits, list_refs, outputs_of
from q2pt_tasks.registry.retention import (
    RUN_BRANCHES,
    Named,
    Output,
    Policy,
    Result,
    Stored,
    Verdict,
    is_directory,
    judge,
    kept_versions,
    old_runs,
    unneeded,
    unneeded_results,
    with_files,
)
from q2pt_tasks.registry.stored import PrunedStore
from q2pt_tasks.registry.tags import RegistryError, number_of

_LOCK = "dvc.lock"


@dataclass(frozen=True)
class Place:
    """Where to look.

    Attributes:
        registries: URLs of all git repositories whose runs and releases have their files in `stores`.
        checkout: a working copy of the project: its branches, its tags and its `dvc.lock` are kept.
        stores: the DVC cache, and the remote where there is one.
    """

    registries: tuple[str, ...]
    checkout: Path
    stores: tuple[PrunedStore, ...]


@dataclass(frozen=True)
class Surplus:
    """What is surplus in a store."""

    objects: Mapping[str, Stored]
    results: Mapping[Result, Stored]


@dataclass(frozen=True)
class Removal:
    """What nothing needs any more.

    Attributes:
        branches: by registry the branches of old runs, with their commits.
        gone: by registry what its releases and branches name and will not be had again.
        surplus: by store, in the order of the place's.
    """

    branches: Mapping[str, Mapping[str, str]]
    gone: Mapping[str, Sequence[Gone]]
    surplus: tuple[Surplus, ...]

    @property
    def is_empty(self) -> bool:
        return not any(self.branches.values()) and not any(one.objects or one.results for one in self.surplus)


@dataclass(frozen=True)
class _Repository:
    """What a git repository names: what is kept, releases that are not, and branches of old runs with their commits."""

    keep: Sequence[Named]
    drop: Sequence[Named]
    old: Mapping[str, str]


def look(place: Place, policy: Policy, now: datetime) -> Removal:
    """Looks what nothing needs, and changes nothing.

    Raises:
        RegistryError: a registry contradicts itself, or what is kept names a directory that is in no store.
        ReleaseError: a release is none.
        StoreError: a store cannot be read.
        GitError: a registry cannot be reached.
    """
    cutoff = now - policy.grace
    # Stores first: what a run stores later than this is not listed, and what it names later is in the second look.
    listed = [Surplus(store.objects(), store.results()) for store in place.stores]
    repositories = {url: _read(url, policy, cutoff) for url in place.registries}
    keep = [named for one in repositories.values() for named in one.keep] + _of_checkout(place)
    verdict = judge(keep, _stored_since(listed), policy, now)
    used = {
        out
        for one in listed
        for result, stored in one.results.items()
        if stored.modified >= cutoff
        for out in result.outputs
    }
    files = _files(place, listed, verdict, keep) | _files_here(place, listed, used)
    needed = with_files(verdict.kept | used, files)
    kept = {output.md5 for output in verdict.kept}
    surplus = tuple(_surplus(one, needed, kept, cutoff) for one in listed)
    leaving = set(chain.from_iterable(one.objects for one in surplus))
    gone = {url: _gone([*one.keep, *one.drop], leaving, verdict, policy, now) for url, one in repositories.items()}
    return Removal({url: one.old for url, one in repositories.items()}, gone, surplus)


def remove(place: Place, removal: Removal, policy: Policy, now: datetime) -> None:
    """Removes what `look` has found, but what was used or named since.

    Raises:
        RegistryError, ReleaseError, StoreError, GitError: as `look` does; what was removed until then stays removed.
    """
    for url, branches in removal.branches.items():
        _delete_branches(url, branches)
    for url, gone in removal.gone.items():
        _tell(url, gone, now)
    for store, surplus in zip(place.stores, removal.surplus, strict=True):
        store.remove_results(surplus.results, now - policy.grace)
    # A run that has begun meanwhile may have restored a result before it went, and says so by now.
    again = look(place, policy, now)
    for store, first, second in zip(place.stores, removal.surplus, again.surplus, strict=True):
        store.remove_objects(first.objects.keys() & second.objects.keys())


def _read(url: str, policy: Policy, cutoff: datetime) -> _Repository:
    with TemporaryDirectory(prefix="q2pt-prune-") as folder:
        run_git(Path(folder), "init", "--quiet", "--bare")
        refs, commits = list_refs(Path(folder), url), Commits(url, Path(folder))
        names = _names(refs)
        runs = {branch: commit for branch, commit in refs.branches.items() if branch.startswith(RUN_BRANCHES)}
        commits.fetch([*(commit for _, commit in names), *runs.values(), *refs.registry.versions.values()])
        versions = sorted(refs.registry.versions, key=number_of)
        last = kept_versions(refs.registry, policy.releases)
        kept_commits = {commit for _, commit in names}
        kept_commits |= {commits.run_of(refs.registry.versions[version]) for version in last}
        made = {commit: commits.made(commit) for commit in runs.values()}
        old = old_runs(runs, made, kept_commits, cutoff)
        keep = [commits.named(by, commit) for by, commit in names]
        keep += [commits.named(branch, commit) for branch, commit in runs.items() if branch not in old]
        releases = {one: commits.named(f"release {one}", refs.registry.versions[one]) for one in versions}
        return _Repository(
            [*keep, *(named for one, named in releases.items() if one in last)],
            [named for one, named in releases.items() if one not in last],
            {branch: runs[branch] for branch in sorted(old)},
        )


def _names(refs: AllRefs) -> list[tuple[str, str]]:
    """Branches and tags that keep what they name, with their commits; runs and releases have rules of their own."""
    branches = [
        (f"branch {name}", commit)
        for name, commit in refs.branches.items()
        if not name.startswith(RUN_BRANCHES) and name != EXPIRED
    ]
    return branches + [(f"tag {name}", commit) for name, commit in refs.tags.items()]


def _of_checkout(place: Place) -> list[Named]:
    lock = place.checkout / _LOCK
    keep = []
    if lock.is_file():
        made = datetime.fromtimestamp(lock.stat().st_mtime, UTC)
        outputs = frozenset(outputs_of(lock.read_text(encoding="utf-8"), str(lock)))
        keep.append(Named("the checkout", made, outputs))
    with TemporaryDirectory(prefix="q2pt-prune-") as folder:
        run_git(Path(folder), "init", "--quiet", "--bare")
        url = str(place.checkout.resolve())
        names, commits = _names(list_refs(Path(folder), url)), Commits(url, Path(folder))
        commits.fetch(commit for _, commit in names)
        return keep + [commits.named(f"the checkout's {by}", commit) for by, commit in names]


def _stored_since(listed: Iterable[Surplus]) -> dict[str, datetime]:
    since: dict[str, datetime] = {}
    for one in listed:
        for md5, stored in one.objects.items():
            since[md5] = min(stored.modified, since.get(md5, stored.modified))
    return since


def _files(
    place: Place, listed: Sequence[Surplus], verdict: Verdict, keep: Iterable[Named]
) -> dict[str, frozenset[str]]:
    """The files of the directories that are kept, by the hash of each.

    Raises:
        RegistryError: nobody can tell them.
    """
    found = _files_here(place, listed, verdict.kept)
    lost = {output.md5 for output in verdict.kept if is_directory(output.md5)} - found.keys()
    if lost:
        lost -= {one.md5 for url in place.registries for one in read_expired(url)}
    for named in keep:
        for output in sorted(named.outputs):
            if output.md5 in lost:
                raise RegistryError(
                    f"{named.by} needs {output.path} ({output.md5}), whose manifest is in none of "
                    f"{', '.join(store.url for store in place.stores)}, so nobody can tell which files it needs, and "
                    "nothing is removed: name the store that has it with --store, or bring it back (`dvc fetch`)"
                )
    return found


def _files_here(place: Place, listed: Sequence[Surplus], outputs: Iterable[Output]) -> dict[str, frozenset[str]]:
    found = {}
    for md5 in {output.md5 for output in outputs if is_directory(output.md5)}:
        store = next((store for store, one in zip(place.stores, listed, strict=True) if md5 in one.objects), None)
        if store is not None:
            found[md5] = store.files(md5)
    return found


def _surplus(listed: Surplus, needed: set[str], kept: set[str], cutoff: datetime) -> Surplus:
    objects, results = unneeded(listed.objects, needed, cutoff), unneeded_results(listed.results, kept, cutoff)
    return Surplus({one: listed.objects[one] for one in objects}, {one: listed.results[one] for one in results})


def _gone(named: Iterable[Named], leaving: set[str], verdict: Verdict, policy: Policy, now: datetime) -> list[Gone]:
    day = now.astimezone(UTC).date().isoformat()
    expired = {output.md5 for output in verdict.expired}
    days = policy.retention.days if policy.retention else None
    found: dict[str, Gone] = {}
    for one in named:
        for output in sorted(one.outputs):
            if output.md5 in leaving:
                why = f"retention_days {days}" if output.md5 in expired else f"releases {policy.releases}"
                found.setdefault(output.md5, Gone(day, output.md5, output.path, one.by, why))
    return sorted(found.values(), key=lambda gone: (gone.of, gone.path, gone.md5))


def _tell(url: str, gone: Sequence[Gone], now: datetime) -> None:
    """Adds to the list of a registry what it does not say already, as where an earlier process was killed after it."""
    told = {one.md5 for one in read_expired(url)} if gone else set()
    if new := [one for one in gone if one.md5 not in told]:
        append_expired(url, new, f"{len(new)} outputs expire on {now.astimezone(UTC).date()}")


def _delete_branches(url: str, branches: Mapping[str, str]) -> None:
    """Deletes branches that are still where they were seen: all of them, or none."""
    if not branches:
        return
    with TemporaryDirectory(prefix="q2pt-prune-") as folder:
        run_git(Path(folder), "init", "--quiet", "--bare")
        seen = [f"--force-with-lease=refs/heads/{branch}:{commit}" for branch, commit in branches.items()]
        deleted = [f":refs/heads/{branch}" for branch in branches]
        run_git(Path(folder), "push", "--quiet", "--atomic", *seen, "--", url, *deleted)
