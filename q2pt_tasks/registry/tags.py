"""The registry's names in git, as gto reads them: a tag per version, and a numbered tag each time a stage moves.

`q2pt@v3.0.0` is on the commit of release v3. `q2pt#prod#5` is the fifth move of the stage `prod`, on the commit of the
release that it moved to. No tag is ever moved or deleted, so the moves are the history, and a number that is taken
refuses a second writer.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

ARTIFACT = "q2pt"
PROD = "prod"
PRODUCTION = "production"
# Patterns of `git ls-remote`.
PATTERNS = (f"refs/heads/{PRODUCTION}", f"refs/tags/{ARTIFACT}@*", f"refs/tags/{ARTIFACT}#*")
_VERSION = re.compile(rf"refs/tags/{ARTIFACT}@(?P<version>v[1-9][0-9]*)\.0\.0\^\{{\}}")
_STAGE = re.compile(rf"refs/tags/{ARTIFACT}#(?P<stage>[a-z]+)#(?P<number>[1-9][0-9]*)\^\{{\}}")
_SPOKEN = re.compile(r"(v[1-9][0-9]*)(\.0\.0)?")
_STAGE_NAME = re.compile(r"[a-z]+")


class RegistryError(RuntimeError):
    """The registry does not hold what is asked for, or contradicts itself."""


@dataclass(frozen=True)
class Refs:
    """What a git remote has of the registry.

    Attributes:
        production: the commit of the newest release that was promoted; None before the first.
        versions: the commit of every release that is registered, whether or not it was ever promoted.
        moves: per stage the commit of each move, by number.
    """

    production: str | None
    versions: Mapping[str, str]
    moves: Mapping[str, Mapping[int, str]]

    def commit_of(self, version: str) -> str:
        """The commit of a release.

        Raises:
            RegistryError: there is no such version.
        """
        if version not in self.versions:
            known = ", ".join(sorted(self.versions, key=number_of)) or "none"
            raise RegistryError(f"no release {version} is registered, but {known}")
        return self.versions[version]

    def serving(self, stage: str) -> str | None:
        """The version that a stage is at; None before its first move.

        Raises:
            RegistryError: it is at a commit that is no version's.
        """
        moves = self.moves.get(stage)
        if not moves:
            return None
        newest = max(moves)
        found = next((version for version, commit in self.versions.items() if commit == moves[newest]), None)
        if found is None:
            raise RegistryError(
                f"the tag {stage_tag(stage, newest)} is on the commit {moves[newest]}, which no tag {ARTIFACT}@... "
                "names: push the version's tag from a clone that has it"
            )
        return found

    def next_move(self, stage: str) -> int:
        return max(self.moves.get(stage, {}), default=0) + 1

    def next_version(self) -> str:
        """One more than any that was there: a number that was used once never means another model."""
        return f"v{max(map(number_of, self.versions), default=0) + 1}"


def parse_refs(listing: str) -> Refs:
    """What `git ls-remote URL PATTERNS` says; tags of other names and plain ones are none of ours."""
    production, versions = None, {}
    moves: dict[str, dict[int, str]] = {}
    for line in listing.splitlines():
        commit, _, name = line.partition("\t")
        if name == f"refs/heads/{PRODUCTION}":
            production = commit
        elif version := _VERSION.fullmatch(name):
            versions[version["version"]] = commit
        elif stage := _STAGE.fullmatch(name):
            moves.setdefault(stage["stage"], {})[int(stage["number"])] = commit
    return Refs(production, versions, moves)


def version_tag(version: str) -> str:
    return f"{ARTIFACT}@{version}.0.0"


def stage_tag(stage: str, number: int | Literal["*"]) -> str:
    """The tag of a move, or the pattern of all."""
    return f"{ARTIFACT}#{stage}#{number}"


def number_of(version: str) -> int:
    return int(version.removeprefix("v"))


def read_version(text: str) -> str | None:
    """The version that a person means by `v3` or `v3.0.0`; None for anything else."""
    found = _SPOKEN.fullmatch(text)
    return found[1] if found else None


def is_stage(text: str) -> bool:
    """Whether a person may mean a stage, such as `prod`."""
    return bool(_STAGE_NAME.fullmatch(text))
