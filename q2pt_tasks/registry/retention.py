"""What to keep and what to remove: releases, run branches, objects and results. Sets go in, sets come out.

A hash is DVC's: of a file its MD5, of a directory the MD5 of its manifest and `.dir`.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated

from pydantic import Field, model_validator

from q2pt_tasks.params import Section
from q2pt_tasks.registry.tags import Refs, number_of

RUN_BRANCHES = "run/"
_DIRECTORY = ".dir"


class RetentionParams(Section):
    """The section `retention` of `params.yaml`, which no stage reads."""

    releases: Annotated[int, Field(ge=1)]
    # A run lasts up to 23 hours, and what it has made is named by no commit before its end.
    grace_days: Annotated[int, Field(ge=2)]
    retention_days: Annotated[int, Field(ge=1)] | None

    @model_validator(mode="after")
    def _after_grace(self) -> "RetentionParams":
        if self.retention_days is not None and self.retention_days < self.grace_days:
            raise ValueError(f"retention_days of at least grace_days, which is {self.grace_days}, or null")
        return self


@dataclass(frozen=True)
class Policy:
    """What is kept.

    Attributes:
        releases: how many of the newest releases.
        grace: what is younger is kept, whoever needs it.
        retention: how long outputs that bear queries are kept; None: as long as anything needs them.
        bear_queries: the paths of these outputs.
    """

    releases: int
    grace: timedelta
    retention: timedelta | None
    bear_queries: frozenset[str]


@dataclass(frozen=True, order=True)
class Output:
    """A file or a directory that a commit names, by its path there, and its hash."""

    path: str
    md5: str


@dataclass(frozen=True)
class Named:
    """What a commit names: `dvc.lock`, and the checkpoints of its release or champion.

    Attributes:
        by: who it is, for people: a release, a branch or a tag.
        made: when.
        outputs: what it names.
    """

    by: str
    made: datetime
    outputs: frozenset[Output]


@dataclass(frozen=True)
class Stored:
    """An object or a result in a store: bytes, and since when it is there, or when it was last used."""

    size: int
    modified: datetime


@dataclass(frozen=True)
class Result:
    """What DVC's run-cache knows under a key: the outputs of a command on certain inputs."""

    key: str
    value: str
    outputs: frozenset[Output]


@dataclass(frozen=True)
class Verdict:
    """Of all outputs that are named by what is kept: those to keep, and those whose time is over."""

    kept: frozenset[Output]
    expired: frozenset[Output]


def kept_versions(refs: Refs, newest: int) -> set[str]:
    """The `newest` releases, what every stage serves, and what it served before, which a rollback goes back to."""
    kept = set(sorted(refs.versions, key=number_of)[-newest:])
    version_of = {commit: version for version, commit in refs.versions.items()}
    for moves in refs.moves.values():
        last_two = [moves[number] for number in sorted(moves)[-2:]]
        kept |= {version_of[commit] for commit in last_two if commit in version_of}
    return kept


def old_runs(
    branches: Mapping[str, str], made: Mapping[str, datetime], kept: Collection[str], cutoff: datetime
) -> set[str]:
    """The branches of runs that nothing needs any more.

    Args:
        branches: the commit of every branch.
        made: when a commit was made.
        kept: commits of what is kept: of `latest`, and of the runs of releases.
        cutoff: what is younger may still be in progress.
    """
    return {
        name
        for name, commit in branches.items()
        if name.startswith(RUN_BRANCHES) and commit not in kept and made[commit] < cutoff
    }


def judge(keep: Iterable[Named], stored_since: Mapping[str, datetime], policy: Policy, now: datetime) -> Verdict:
    """Which outputs of what is kept are kept, too.

    An output that bears queries expires `retention` after the first sign of it: the oldest commit that names it, or
    the oldest copy of it in a store. What a commit younger than `grace` names does not expire: a run may read it now.
    """
    keep = list(keep)
    outputs = {output for named in keep for output in named.outputs}
    if policy.retention is None:
        return Verdict(frozenset(outputs), frozenset())
    in_use = {output.md5 for named in keep if named.made >= now - policy.grace for output in named.outputs}
    first = first_seen(keep, stored_since)
    deadline = now - policy.retention
    expired = {
        output
        for output in outputs
        if output.path in policy.bear_queries and output.md5 not in in_use and first[output.md5] < deadline
    }
    return Verdict(frozenset(outputs - expired), frozenset(expired))


def first_seen(keep: Iterable[Named], stored_since: Mapping[str, datetime]) -> dict[str, datetime]:
    """When each hash was named, or stored, first."""
    first: dict[str, datetime] = {}
    for named in keep:
        for output in named.outputs:
            moments = [named.made, *(found[output.md5] for found in (first, stored_since) if output.md5 in found)]
            first[output.md5] = min(moments)
    return first


def with_files(outputs: Iterable[Output], files: Mapping[str, Collection[str]]) -> set[str]:
    """The hashes of outputs, and of the files of those that are directories.

    Args:
        outputs: files and directories.
        files: the hashes that each directory's manifest lists; a directory that is not there has none to keep.
    """
    hashes = {output.md5 for output in outputs}
    return hashes.union(*(files.get(md5, ()) for md5 in hashes))


def unneeded(objects: Mapping[str, Stored], needed: Collection[str], cutoff: datetime) -> set[str]:
    """The objects of a store that nothing needs, and that are older than `cutoff`."""
    return {md5 for md5, stored in objects.items() if md5 not in needed and stored.modified < cutoff}


def unneeded_results(results: Mapping[Result, Stored], kept: Collection[str], cutoff: datetime) -> set[Result]:
    """The results that could not be restored, as an output of theirs is not kept, and that are older than `cutoff`."""
    return {
        result
        for result, stored in results.items()
        if stored.modified < cutoff and any(output.md5 not in kept for output in result.outputs)
    }


def in_order(hashes: Iterable[str]) -> Sequence[Sequence[str]]:
    """In which order objects are removed: a manifest says that its files are there, so it goes before them."""
    hashes = sorted(hashes)
    return [[md5 for md5 in hashes if is_directory(md5)], [md5 for md5 in hashes if not is_directory(md5)]]


def is_directory(md5: str) -> bool:
    return md5.endswith(_DIRECTORY)
