"""What the commits of git repositories name: the outputs in `dvc.lock`, and checkpoints of releases and champions."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from q2pt_tasks.git import run_git
from q2pt_tasks.registry.release import RELEASE_FILE, directories, is_release, parse_release
from q2pt_tasks.registry.retention import Named, Output
from q2pt_tasks.registry.tags import ARTIFACT, Refs, RegistryError, parse_refs

_LOCK = re.compile(r"(.*/)?dvc\.lock")
_DVC_FILE = re.compile(r".*\.dvc")
_CHAMPION = "champion.json"
# A command line has an end.
_AT_ONCE = 500


@dataclass(frozen=True)
class AllRefs:
    """What a git repository has.

    Attributes:
        branches: the commit of each.
        tags: the commit of each that is not the registry's own.
        registry: releases and moves.
    """

    branches: Mapping[str, str]
    tags: Mapping[str, str]
    registry: Refs


def list_refs(folder: Path, url: str) -> AllRefs:
    """Every branch and tag.

    Raises:
        GitError: the repository cannot be reached.
    """
    listing = run_git(folder, "ls-remote", "--quiet", "--", url)
    lines = [line.partition("\t") for line in listing.splitlines()]
    branches = {name.removeprefix("refs/heads/"): commit for commit, _, name in lines if name.startswith("refs/heads/")}
    # The commit of an annotated tag comes after the tag, under a name that ends like this.
    tags = {name.removesuffix("^{}"): commit for commit, _, name in lines if name.startswith("refs/tags/")}
    own = (f"refs/tags/{ARTIFACT}@", f"refs/tags/{ARTIFACT}#")
    others = {name.removeprefix("refs/tags/"): commit for name, commit in tags.items() if not name.startswith(own)}
    return AllRefs(branches, others, parse_refs(listing))


@dataclass(frozen=True)
class Commits:
    """Commits of the git repository at `url`, which are fetched into the repository `clone`."""

    url: str
    clone: Path

    def fetch(self, commits: Iterable[str]) -> None:
        """Brings commits without those before them.

        Raises:
            GitError: the repository does not have one.
        """
        wanted = sorted(set(commits))
        for start in range(0, len(wanted), _AT_ONCE):
            some = wanted[start : start + _AT_ONCE]
            run_git(self.clone, "fetch", "--quiet", "--depth=1", "--no-tags", "--", self.url, *some)

    def made(self, commit: str) -> datetime:
        """When a commit that was fetched was made."""
        seconds = run_git(self.clone, "show", "--no-patch", "--format=%ct", f"{commit}^{{commit}}")
        return datetime.fromtimestamp(int(seconds), UTC)

    def run_of(self, commit: str) -> str:
        """The run's commit that the release of a commit that was fetched comes from."""
        return parse_release(self._text(commit, RELEASE_FILE)).commit

    def named(self, by: str, commit: str) -> Named:
        """What a commit that was fetched names.

        Raises:
            RegistryError: a file of it cannot be read as what it is.
            ReleaseError: it holds a release that is none.
        """
        return Named(by, self.made(commit), frozenset(self._outputs(by, commit)))

    def _outputs(self, by: str, commit: str) -> Iterator[Output]:
        for path in run_git(self.clone, "ls-tree", "-r", "-z", "--name-only", commit).split("\0"):
            if _LOCK.fullmatch(path) or _DVC_FILE.fullmatch(path):
                yield from outputs_of(self._text(commit, path), f"{path} of {by}")
            elif path in (RELEASE_FILE, _CHAMPION):
                yield from checkpoints_of(self._text(commit, path))

    def _text(self, commit: str, path: str) -> str:
        return run_git(self.clone, "show", f"{commit}:{path}")


def outputs_of(text: str, what: str) -> list[Output]:
    """The outputs of a `dvc.lock` or a `.dvc` file.

    Raises:
        RegistryError: it is something else.
    """
    from dvc.utils.serialize import YAMLFileCorruptedError, parse_yaml

    try:
        document: Mapping[str, Any] = parse_yaml(text, what) or {}
        # A .dvc file is a stage by itself.
        stages = document.get("stages", {}).values() if "schema" in document else [document]
        outs = [out for stage in stages for out in stage.get("outs", ())]
        return [Output(out["path"], out["md5"]) for out in outs if "md5" in out]
    except (YAMLFileCorruptedError, AttributeError, KeyError, TypeError) as error:
        raise RegistryError(f"{what} cannot be read, so nobody can tell what it needs: {error}") from error


def checkpoints_of(text: str) -> list[Output]:
    """The directories of a release; none where a champion is no release.

    Raises:
        ReleaseError: it is a damaged one.
    """
    document = json.loads(text)
    if not isinstance(document, dict) or not is_release(document):
        return []
    release = parse_release(text)
    return [Output(f"release {release.version}: {where}", md5) for where, md5 in directories(release).items()]
