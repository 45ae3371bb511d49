"""What `dvc repro` has made in a checkout, as a run: committed on a branch of its own, and promoted from there.

Neither the checkout's branch nor its index is touched, and the release's commit holds all that the run was made from.
"""

import getpass
import hashlib
import json
import os
import platform
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from q2pt_tasks.git import commit_all, push, run_git, tip
from q2pt_tasks.layout import Layout
from q2pt_tasks.params import read_section
from q2pt_tasks.registry.candidate import Candidate, PromotionRefusedError, models_of
from q2pt_tasks.registry.promotion import Promotion, promote
from q2pt_tasks.registry.release import Store
from q2pt_tasks.registry.repository import Registry, open_registry
from q2pt_tasks.registry.tags import PROD, RegistryError

LOCK = "dvc.lock"
# What a run adds to the commit that it starts from.
WORLD = ("params.yaml", "data/source.json", "data/encoder.json", "data/judgements.json", "champion.json", LOCK)


class CheckoutError(ValueError):
    """A checkout does not hold one whole run."""


@dataclass(frozen=True)
class _Made:
    """DVC's view of the checkout: the hash of every output by its path, what stages read, and where the files go."""

    outs: Mapping[str, str]
    deps: frozenset[str]
    store: Store


def promote_checkout(root: Path, registry_url: str, now: datetime) -> Promotion:
    """Promotes the candidate of the last `dvc repro`, where the gate said yes.

    The data goes to DVC's default remote, or stays in the checkout's cache where there is none; the run's commit and
    the release go to the registry.

    Raises:
        CheckoutError: the checkout was changed since, or code is not committed.
        PromotionRefusedError, RegistryError, StoreError, GoldenAnswerError, GitError: as `promote` does.
    """
    made = _read(root)
    decision = json.loads(Layout(root).decision.read_text(encoding="utf-8"))
    if not decision["promote"]:
        raise PromotionRefusedError(f"the gate said no: {decision['sentence']}")
    _check_committed(root, made)
    _push_data(root)
    with _commit(root, registry_url) as (clone, run, commit):
        return promote(Registry(registry_url, clone), _candidate(root, made, decision, run, commit), now)


def default_registry(root: Path) -> str:
    """The git remote of a checkout, or itself where it has none.

    Raises:
        RegistryError: it has several, none of which is called origin.
    """
    remotes = run_git(root, "remote").split()
    if not remotes:
        return str(root.resolve())
    if len(remotes) > 1 and "origin" not in remotes:
        raise RegistryError(f"the checkout has the git remotes {', '.join(remotes)}: choose one with --registry URL")
    url = run_git(root, "remote", "get-url", "--", "origin" if "origin" in remotes else remotes[0])
    return str((root / url).resolve()) if (root / url).exists() else url


def take_champion(root: Path, registry_url: str) -> str:
    """Writes what is in production to `champion.json`, for the next evaluation; returns a sentence.

    Raises:
        RegistryError, ReleaseError, GitError: as `Registry.serving` does.
    """
    with open_registry(registry_url) as registry:
        release = registry.serving(PROD)
    text = release.to_text() if release else json.dumps({"version": None}) + "\n"
    Layout(root).champion.write_text(text, encoding="utf-8")
    return f"In production is {release.version}." if release else "Nothing is in production yet."


def operator() -> str:
    """The person at this machine."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):
        # In a container a user may have a number alone.
        name = f"user {os.getuid()}"
    return f"{name}@{platform.node()}"


def _read(root: Path) -> _Made:
    from dvc.repo import Repo

    with Repo(str(root)) as repo:
        if changed := sorted(repo.status()):
            raise CheckoutError(f"{', '.join(changed)} changed since the last run: `dvc repro` first")
        outs = {_below(root, out.fs_path): out.hash_info.value for out in repo.index.outs if out.hash_info}
        deps = frozenset(_below(root, dep.fs_path) for dep in repo.index.deps)
        return _Made(outs, deps - outs.keys(), _store(repo))


def _store(repo: Any) -> Store:  # noqa: ANN401 - DVC has no types
    name = repo.config["core"].get("remote")
    if not name:
        return Store(str(Path(repo.cache.local.path).parents[1]))
    remote = repo.config["remote"][name]
    return Store(str(remote["url"]), remote.get("endpointurl"))


def _push_data(root: Path) -> None:
    from dvc.repo import Repo

    with Repo(str(root)) as repo:
        if repo.config["core"].get("remote"):
            repo.push()


def _check_committed(root: Path, made: _Made) -> None:
    """Checks that the commit has the code that the run was made with."""
    listed = run_git(root, "status", "--porcelain", "--untracked-files=all", "-z").split("\0")
    changed = [line[3:] for line in listed if line and line[3:] not in WORLD and _matters(line, made)]
    if changed:
        raise CheckoutError(
            f"{', '.join(changed[:5])} differ from the commit, so nobody could make this run again: commit them first"
        )


def _matters(line: str, made: _Made) -> bool:
    """Whether a changed file is tracked, or is read by a stage."""
    return line[:2] != "??" or any(line[3:] == dep or line[3:].startswith(f"{dep}/") for dep in made.deps)


@contextmanager
def _commit(root: Path, registry_url: str) -> Iterator[tuple[Path, str, str]]:
    """The run's commit in the registry: a clone that has it, the run's name, its hash.

    The name is that of the content, so another try finds the commit of the first.
    """
    head = run_git(root, "rev-parse", "HEAD")
    with TemporaryDirectory(prefix="q2pt-promote-") as folder:
        clone = Path(folder) / "clone"
        run_git(
            Path(folder),
            "clone",
            "--quiet",
            "--shared",
            "--no-tags",
            "--no-checkout",
            "--",
            str(root.resolve()),
            str(clone),
        )
        run_git(clone, "checkout", "--quiet", "--detach", head)
        names = [name for name in WORLD if (root / name).is_file()]
        for name in names:
            shutil.copyfile(root / name, clone / name)
        run = f"local-{_digest(head, clone, names)}"
        commit = tip(registry_url, f"run/{run}")
        if commit is None:
            commit = commit_all(clone, names, f"Run {run}")
            push(clone, registry_url, f"{commit}:refs/heads/run/{run}")
        yield clone, run, commit


def _digest(head: str, clone: Path, names: list[str]) -> str:
    total = hashlib.sha256(head.encode())
    for name in names:
        total.update(f"\0{name}\0".encode() + (clone / name).read_bytes())
    return total.hexdigest()[:12]


def _candidate(root: Path, made: _Made, decision: Mapping[str, Any], run: str, commit: str) -> Candidate:
    variant, judged = decision["candidate"], decision["champion"]
    summary = json.loads(Layout(root).summary.read_text(encoding="utf-8"))
    return Candidate(
        run=run,
        commit=commit,
        variant=variant,
        models=models_of(made.outs, variant),
        locales=read_section(Layout(root).params, "locales", tuple[str, ...]),
        kept=tuple(decision.get("kept_locales", ())),
        last_day=json.loads(Layout(root).source_manifest.read_text(encoding="utf-8"))["last_day"],
        judged_against=(judged["version"], judged["hash"]) if judged else None,
        by=operator(),
        why=decision["sentence"],
        figures=summary["headline"][variant],
        store=made.store,
    )


def _below(root: Path, path: str) -> str:
    return os.path.relpath(path, root.resolve())
