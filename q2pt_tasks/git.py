"""Git, as far as runs and releases need it: argument lists, no shell, and nothing of the user's own configuration."""

import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

_IDENTITY = "q2pt"
# What a run must not inherit: another author, signatures that ask for a key, hooks, and a clean-up in the background
# that would still write into a clone while it is removed.
_CONFIGURATION = {
    "user.name": _IDENTITY,
    "user.email": f"{_IDENTITY}@localhost",
    "commit.gpgsign": "false",
    "tag.gpgsign": "false",
    "core.hooksPath": os.devnull,
    "core.autocrlf": "false",
    "gc.auto": "0",
    "maintenance.auto": "false",
    "init.defaultBranch": "main",
}
# A hook sets these; they would point every command at the hook's own repository.
_REDIRECTIONS = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_COMMON_DIR", "GIT_PREFIX")


class GitError(RuntimeError):
    """Git refused a command; the message ends with git's own last line."""


def fetch_commit(remote: str, commit_or_branch: str, folder: Path) -> str:
    """Checks out a commit, or the tip of a branch, of `remote` into the new repository `folder`; returns its hash.

    Raises:
        GitError: the remote cannot be reached or does not have it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    run_git(folder, "init", "--quiet")
    run_git(folder, "fetch", "--quiet", "--depth=1", "--no-tags", "--", remote, commit_or_branch)
    run_git(folder, "checkout", "--quiet", "--detach", "FETCH_HEAD")
    return run_git(folder, "rev-parse", "HEAD")


def commit_all(folder: Path, paths: list[str], message: str) -> str:
    """Commits `paths` as they are now, deleted ones too, and returns the commit's hash.

    A commit is made even where nothing differs: every run has its own.

    Raises:
        GitError: a path is unknown to git and not there.
    """
    run_git(folder, "add", "--all", "--force", "--", *paths)
    run_git(folder, "commit", "--quiet", "--allow-empty", f"--message={message}")
    return run_git(folder, "rev-parse", "HEAD")


def commit_tree(folder: Path, tree: str, files: Mapping[str, str], parents: Sequence[str], message: str) -> str:
    """Makes a commit of the files of the commit `tree` and of `files`, texts by path, and returns its hash.

    Neither the index nor the files of `folder` are touched.

    Raises:
        GitError: `folder` does not have one of the commits.
    """
    with TemporaryDirectory() as scratch:
        index = str(Path(scratch) / "index")
        run_git(folder, "read-tree", tree, GIT_INDEX_FILE=index)
        for path, text in files.items():
            (Path(scratch) / "file").write_text(text, encoding="utf-8")
            blob = run_git(folder, "hash-object", "-w", "--", str(Path(scratch) / "file"))
            run_git(folder, "update-index", "--add", "--cacheinfo", f"100644,{blob},{path}", GIT_INDEX_FILE=index)
        whole = run_git(folder, "write-tree", GIT_INDEX_FILE=index)
    arguments = [argument for parent in parents for argument in ("-p", parent)]
    return run_git(folder, "commit-tree", *arguments, "-m", message, whole)


def tag(folder: Path, name: str, commit: str, message: str, when: datetime) -> None:
    """Puts an annotated tag on a commit that `folder` has.

    Raises:
        GitError: the tag exists already, or its name is none.
    """
    date = f"@{int(when.timestamp())} +0000"
    run_git(folder, "tag", "--annotate", f"--message={message}", "--", name, commit, GIT_COMMITTER_DATE=date)


def push(folder: Path, remote: str, *refspecs: str) -> None:
    """Pushes all of `refspecs`, or none of them.

    Raises:
        GitError: the remote refused one, such as a branch that has moved meanwhile.
    """
    run_git(folder, "push", "--quiet", "--atomic", "--", remote, *refspecs)


def tip(remote: str, ref: str) -> str | None:
    """The commit, or the tag object, at a branch or at a full name such as `refs/tags/q2pt@v1.0.0`; None: no such ref.

    Raises:
        GitError: the remote cannot be reached.
    """
    full = ref if ref.startswith("refs/") else f"refs/heads/{ref}"
    listed = [line.split("\t") for line in run_git(Path.cwd(), "ls-remote", "--quiet", "--", remote, full).splitlines()]
    # Git also lists refs that only end with this name.
    return next((commit for commit, name in listed if name == full), None)


def run_git(folder: Path, *arguments: str, **variables: str) -> str:
    """Runs `git ARGUMENTS` in `folder` and returns what it printed, without the last line break.

    Args:
        folder: where.
        arguments: of git.
        variables: of its environment, beside this process's own.

    Raises:
        GitError: it failed.
    """
    settings = [part for key, value in _CONFIGURATION.items() for part in ("-c", f"{key}={value}")]
    environment = {name: value for name, value in os.environ.items() if name not in _REDIRECTIONS}
    # Errors in English, and no question that nobody would answer.
    environment |= {"LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0"} | variables
    command = ["git", *settings, *arguments]
    done = subprocess.run(  # noqa: S603 - an argument list
        command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise GitError(f"git {arguments[0]} failed in {folder}: {_last_line(done.stderr or done.stdout)}")
    return done.stdout.rstrip("\n")


def _last_line(text: str) -> str:
    """The last line that says something; where git gives up the first that says why, and so of a refused push."""
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("hint:")]
    refused = [line for line in lines if line.startswith("! ") and "(atomic" not in line]
    given_up = [line for line in lines if line.startswith(("ssh: ", "fatal: "))][:1]
    # Of most URLs git itself leaves a password out.
    return without_passwords([*lines, *given_up, *refused][-1]) if lines else "it printed nothing"


def without_passwords(text: str) -> str:
    """A text in which URLs may stand, for whoever may read it."""
    return re.sub(r"[^/@\s]*:[^/@\s]*@", "***@", text)
