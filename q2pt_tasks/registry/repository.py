"""The registry in a git remote: releases and moves are read from it and pushed to it through a clone of one's own."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from q2pt_tasks.git import GitError, commit_tree, push, run_git, tag
from q2pt_tasks.registry.candidate import PromotionRefusedError
from q2pt_tasks.registry.history import Move, parse_move
from q2pt_tasks.registry.release import RELEASE_FILE, Release, parse_release
from q2pt_tasks.registry.tags import PATTERNS, PRODUCTION, Refs, RegistryError, parse_refs, stage_tag, version_tag


@dataclass(frozen=True)
class Registry:
    """The git remote at `url`, by way of the repository `clone`, into which objects are fetched."""

    url: str
    clone: Path

    def refs(self) -> Refs:
        """What the remote has now.

        Raises:
            GitError: it cannot be reached.
        """
        return parse_refs(run_git(self.clone, "ls-remote", "--quiet", "--", self.url, *PATTERNS))

    def release(self, refs: Refs, version: str) -> Release:
        """A release that is registered.

        Raises:
            RegistryError: there is none, or its tag has moved.
            ReleaseError: its commit holds another thing.
        """
        commit = refs.commit_of(version)
        self._fetch(f"refs/tags/{version_tag(version)}")
        release = parse_release(run_git(self.clone, "show", f"{commit}:{RELEASE_FILE}"))
        if release.version != version:
            raise RegistryError(
                f"the tag {version_tag(version)} is on the commit of release {release.version}: it was moved; push it "
                "again from a clone that has it"
            )
        return release

    def serving(self, stage: str) -> Release | None:
        """The release that a stage is at; None before its first move.

        Raises:
            RegistryError: the registry contradicts itself.
            GitError: it cannot be reached.
        """
        refs = self.refs()
        version = refs.serving(stage)
        return self.release(refs, version) if version else None

    def moves(self, refs: Refs, stage: str) -> list[Move]:
        """All moves of a stage, in their order.

        Raises:
            RegistryError: one is missing, or was set by hand.
        """
        numbers = sorted(refs.moves.get(stage, {}))
        if numbers != list(range(1, len(numbers) + 1)):
            missing = min(set(range(1, len(numbers) + 1)) - set(numbers))
            raise RegistryError(
                f"the tag {stage_tag(stage, missing)} is missing: bring it back from a clone that has it"
            )
        if not numbers:
            return []
        every = f"refs/tags/{stage_tag(stage, '*')}"
        self._fetch(f"{every}:{every}")
        listed = run_git(self.clone, "for-each-ref", "--format=%(refname:strip=2)%00%(contents)%00", every).split("\0")
        messages = {name.strip(): message for name, message in zip(listed[::2], listed[1::2], strict=False)}
        return [_move(stage_tag(stage, number), messages, number) for number in numbers]

    def register(self, refs: Refs, release: Release) -> None:
        """Commits a release on top of production and of its run, and tags it.

        Nothing serves it before `move`. The number of the version is taken then.

        Raises:
            PromotionRefusedError: another release has taken the number meanwhile.
            GitError: the remote cannot be reached, or refuses the tag.
        """
        parents = [commit for commit in (refs.production, release.commit) if commit]
        for commit in parents:
            self._fetch(commit)
        message = f"Release {release.version}: {release.variant} of {release.run}\n\n{release.why}"
        commit = commit_tree(self.clone, release.commit, {RELEASE_FILE: release.to_text()}, parents, message)
        name = version_tag(release.version)
        tag(self.clone, name, commit, message, datetime.fromisoformat(release.created))
        try:
            push(self.clone, self.url, f"refs/tags/{name}")
        except GitError as error:
            if release.version in self.refs().versions:
                raise PromotionRefusedError(
                    f"another promotion has registered {release.version} at this moment: run this again, which looks "
                    "at what is in production by then"
                ) from error
            raise

    def registered(self, refs: Refs, run_commit: str) -> Release | None:
        """The release that an earlier try has registered for a run, on top of today's production."""
        promoted = {commit for moves in refs.moves.values() for commit in moves.values()}
        for version in (one for one, commit in refs.versions.items() if commit not in promoted):
            commit = refs.versions[version]
            self._fetch(f"refs/tags/{version_tag(version)}", depth=2)
            parents = run_git(self.clone, "rev-list", "--parents", "--max-count=1", commit).split()[1:]
            if parents == [one for one in (refs.production, run_commit) if one]:
                return self.release(refs, version)
        return None

    def move(self, refs: Refs, stage: str, move: Move) -> None:
        """Moves a stage to a release that is registered, and with a promotion the branch, in one push: both or neither.

        Raises:
            PromotionRefusedError: another promotion or rollback came first.
            GitError: the remote cannot be reached, or refuses the push.
        """
        name, commit = stage_tag(stage, move.number), self._commit_of(move.version)
        tag(self.clone, name, commit, move.to_message(), move.moment)
        branch = [f"{commit}:refs/heads/{PRODUCTION}"] if move.kind == "promotion" else []
        try:
            push(self.clone, self.url, *branch, f"refs/tags/{name}")
        except GitError as error:
            now = self.refs()
            if now.moves.get(stage) != refs.moves.get(stage) or now.production != refs.production:
                raise PromotionRefusedError(
                    f"another promotion or rollback came first: {stage} is at {now.serving(stage) or 'nothing'} by "
                    f"now, and not at {move.before or 'nothing'} any more"
                ) from error
            raise

    def _commit_of(self, version: str) -> str:
        """The commit of a release, with its parents: git compares them with the branch before it pushes."""
        self._fetch(f"refs/tags/{version_tag(version)}", depth=2)
        return run_git(self.clone, "rev-parse", "FETCH_HEAD^{commit}")

    def _fetch(self, *names: str, depth: int = 1) -> None:
        run_git(self.clone, "fetch", "--quiet", f"--depth={depth}", "--no-tags", "--", self.url, *names)


def _move(name: str, messages: Mapping[str, str], number: int) -> Move:
    move = parse_move(name, messages[name])
    if move.number != number:
        raise RegistryError(f"the tag {name} tells of move {move.number}: it was copied; look who pushed it")
    return move


@contextmanager
def open_registry(url: str) -> Iterator[Registry]:
    """The registry for reading and for moving stages, by way of a repository that is removed at the end."""
    with TemporaryDirectory(prefix="q2pt-registry-") as folder:
        run_git(Path(folder), "init", "--quiet", "--bare")
        yield Registry(url, Path(folder))
