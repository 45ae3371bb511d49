"""`q2pt prune` in a checkout: its params, its stores, and what it says and asks."""

import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from q2pt_tasks.git import without_passwords
from q2pt_tasks.layout import Layout
from q2pt_tasks.params import read_section
from q2pt_tasks.registry.expired import about
from q2pt_tasks.registry.expired_branch import read_expired
from q2pt_tasks.registry.named import outputs_of
from q2pt_tasks.registry.prune import Place, Removal, look, remove
from q2pt_tasks.registry.release import Store
from q2pt_tasks.registry.retention import Policy, RetentionParams, Stored
from q2pt_tasks.registry.stored import PrunedStore

# Where Airflow on this machine keeps its runs, whose files are in the checkout's cache.
_LOCAL_AIRFLOW = "build/airflow/remote.git"
_SHOWN = 5


@dataclass(frozen=True)
class Request:
    """What a person asks for: other stores and registries than the checkout's, and how many releases to keep."""

    registries: tuple[str, ...]
    cache: str | None = None
    store: Store | None = None
    releases: int | None = None


def prune(root: Path, request: Request, now: datetime, *, yes: bool, dry_run: bool) -> str:
    """Shows what nothing needs, and removes it where a person says so; returns the last sentence.

    Raises:
        RegistryError, ReleaseError, StoreError, GitError: as `look` does.
    """
    policy, place = _policy(root, request.releases), _place(root, request)
    removal = look(place, policy, now)
    if removal.is_empty:
        return "Nothing to remove."
    sys.stdout.write("\n".join(_lines(place, removal)) + "\n")
    if dry_run or not (yes or _agreed()):
        return "Nothing was removed: `q2pt prune --yes` removes it."
    remove(place, removal, policy, now)
    _forget_remote(root)
    return "Removed."


def expired_here(root: Path, registries: Iterable[str]) -> str:
    """What of the outputs of the checkout's `dvc.lock` retention has removed, a line each.

    Raises:
        RegistryError: a list was changed by hand.
        GitError: a registry cannot be reached.
    """
    lock = root / "dvc.lock"
    outputs = outputs_of(lock.read_text(encoding="utf-8"), str(lock)) if lock.is_file() else []
    gone = [one for url in registries for one in read_expired(url)]
    found = about(gone, (output.md5 for output in outputs))
    return "\n".join(one.sentence() for one in found) or "Nothing that dvc.lock names has expired."


def with_local_airflow(root: Path, url: str) -> tuple[str, ...]:
    """A registry, and that of Airflow on this machine, where there is one: they share the checkout's cache."""
    local = root.resolve() / _LOCAL_AIRFLOW
    return (url, str(local)) if local.is_dir() and url != str(local) else (url,)


def _policy(root: Path, releases: int | None) -> Policy:
    from dvc.repo import Repo

    params = read_section(Layout(root).params, "retention", RetentionParams)
    with Repo(str(root)) as repo:
        marked = frozenset(out.def_path for out in repo.index.outs if (out.annot.meta or {}).get("queries"))
    return Policy(
        releases=releases or params.releases,
        grace=timedelta(days=params.grace_days),
        retention=None if params.retention_days is None else timedelta(days=params.retention_days),
        bear_queries=marked,
    )


def _place(root: Path, request: Request) -> Place:
    from dvc.repo import Repo

    with Repo(str(root)) as repo:
        cache = request.cache or str(Path(repo.cache.local.path).parents[1])
        name = repo.config["core"].get("remote")
        remote = repo.config["remote"][name] if name else None
        default = Store(str(remote["url"]), remote.get("endpointurl")) if remote else None
    stores = [Store(cache), *filter(None, [request.store or default])]
    return Place(request.registries, root, tuple(PrunedStore(store) for store in stores))


def _forget_remote(root: Path) -> None:
    """DVC remembers which directories a remote has."""
    from dvc.repo import Repo
    from dvc_data.hashfile.db import get_index

    with Repo(str(root)) as repo:
        if repo.config["core"].get("remote"):
            get_index(repo.cloud.get_remote_odb()).clear()


def _agreed() -> bool:
    return sys.stdin.isatty() and input("Remove this? [y/N] ").strip().lower() in ("y", "yes")


def _lines(place: Place, removal: Removal) -> Iterator[str]:
    for url, branches in removal.branches.items():
        if branches:
            yield f"{without_passwords(url)}: {len(branches)} branches of runs: {_some(list(branches))}"
    for store, surplus in zip(place.stores, removal.surplus, strict=True):
        yield (
            f"{store.url}: {_amount(surplus.objects.values(), 'objects')}, "
            f"{_amount(surplus.results.values(), 'results of the run-cache')}"
        )
    for url, gone in removal.gone.items():
        for why in sorted({one.why for one in gone}):
            these = [f"{one.path} of {one.of}" for one in gone if one.why == why]
            yield f"{without_passwords(url)}: {len(these)} outputs expire by {why}: {_some(these)}"


def _amount(stored: Iterable[Stored], what: str) -> str:
    stored = list(stored)
    return f"{len(stored):,} {what} of {sum(one.size for one in stored) / 1e6:,.1f} MB"


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
