"""The list of what retention has removed, on its branch of a git remote."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from q2pt_tasks.git import commit_tree, push, run_git, tip
from q2pt_tasks.registry.expired import EXPIRED, EXPIRED_FILE, Gone, about, parse_expired, to_text

# Git knows the tree without files everywhere.
_NOTHING = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"


def read_expired(url: str) -> list[Gone]:
    """What retention has removed of the runs and releases of a git remote, the oldest first.

    Raises:
        RegistryError: the list was changed by hand.
        GitError: the remote cannot be reached.
    """
    commit = tip(url, EXPIRED)
    if commit is None:
        return []
    with TemporaryDirectory(prefix="q2pt-expired-") as folder:
        return parse_expired(_fetch(Path(folder), url, commit))


def expired_among(url: str, hashes: Iterable[str]) -> str:
    """What retention has removed of these, to go on with a sentence that says that something is missing.

    Raises:
        RegistryError, GitError: as `read_expired` does.
    """
    return "".join(f"; {one.sentence()}" for one in about(read_expired(url), hashes))


def append_expired(url: str, gone: Sequence[Gone], message: str) -> None:
    """Adds to the list; what it says already stays as it is.

    Raises:
        GitError: the remote cannot be reached, or another process has added something at this moment.
    """
    before = tip(url, EXPIRED)
    with TemporaryDirectory(prefix="q2pt-expired-") as folder:
        clone = Path(folder)
        text = _fetch(clone, url, before) if before else _init(clone)
        files = {EXPIRED_FILE: text + to_text(gone)}
        commit = commit_tree(clone, before or _NOTHING, files, [before] if before else [], message)
        push(clone, url, f"{commit}:refs/heads/{EXPIRED}")


def _fetch(clone: Path, url: str, commit: str) -> str:
    _init(clone)
    run_git(clone, "fetch", "--quiet", "--depth=1", "--no-tags", "--", url, commit)
    return run_git(clone, "show", f"{commit}:{EXPIRED_FILE}") + "\n"


def _init(clone: Path) -> str:
    run_git(clone, "init", "--quiet", "--bare")
    return ""
