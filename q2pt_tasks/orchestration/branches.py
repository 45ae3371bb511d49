"""The branches that runs write, beside each run's own: what the last run left for the next."""

import hashlib
import re
from pathlib import Path

from q2pt_tasks.git import run_git
from q2pt_tasks.orchestration.settings import Settings

# The joined commit of the last complete run: the next one starts from its `dvc.lock`.
LATEST = "latest"
LOCK = "dvc.lock"
_MAX_RUN_NAME = 100


def branch_name(run_id: str) -> str:
    """The branch of a run. Run ids hold `:` and `+`, which branch names may not.

    A run id that had to be changed gets a hash of itself, so that two run ids do not meet on one branch.
    """
    name = re.sub(r"[^A-Za-z0-9_-]+", "-", run_id)[:_MAX_RUN_NAME]
    if name != run_id:
        name += f"-{hashlib.sha256(run_id.encode()).hexdigest()[:8]}"
    return f"run/{name}"


def file_at(settings: Settings, commit: str, path: str, clone: Path, *, depth: int = 1) -> str:
    """The text of a file of another commit of the git remote, which is brought into `clone` with `depth` - 1 before it.

    Raises:
        GitError: the remote cannot be reached, or does not have the commit, or the commit not the file.
    """
    run_git(clone, "fetch", "--quiet", f"--depth={depth}", "--no-tags", "--", settings.git_remote, commit)
    return run_git(clone, "show", f"{commit}:{path}") + "\n"
