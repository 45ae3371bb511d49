"""`q2pt prune`: looks what nothing needs any more, in git remotes and stores, says so, and removes it.

A process that is killed at any point leaves nothing that names what is gone unsaid, and the next one finishes: first
branches, then the list of what expires, then results of the run-cache, then manifests, then files.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from q2pt_tasks.git import run_git
from q2pt_tasks.registry.expired import Gone, parse_expired, why_gone
from q2pt_tasks.registry.expired_branch import read_expired, write_expired
from q2pt_tasks.registry.named import Commits, list_refs
from q2pt_tasks.registry.retention import (
    Named,
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


@dataclass(frozen=True)
class Place:
    """Where to look.

    Attributes:
        registries: URLs of the git repositories whose runs and releases keep their files in `stores`.
        checkout: a working copy, whose branches and tags are kept with what they need.
        stores: the DVC cache, and the remote where there is one.
    """

    registries: tuple[str, ...]
    checkout: Path
    stores: tuple[PrunedStore, ...]


@dataclass(frozen=True)
class StoreContent:
    """What a store has."""

    objects: Mapping[str, Stored]
    results: Mapping[Result, Stored]
