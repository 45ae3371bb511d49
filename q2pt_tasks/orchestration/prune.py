"""The task of the prune DAG: what nothing needs any more is shown, and removed where the run is to."""

import sys
from collections.abc import Mapping
from contextlib import chdir
from datetime import UTC, datetime
from typing import Any

from q2pt_tasks.git import GitError, tip
from q2pt_tasks.orchestration.clone import private_clone
from q2pt_tasks.orchestration.settings import Settings, read_registries
from q2pt_tasks.registry import pruning


def run(settings: Settings, request: Mapping[str, Any]) -> dict[str, Any]:
    """The child process of the task.

    Args:
        settings: whose cache and remote are looked at, and whose branch has the params.
        request: `remove`, whether to.

    Raises:
        SettingsError: nobody has said which git remotes have their files there.
        RegistryError, ReleaseError, StoreError, GitError: as `registry.pruning.prune` does.
    """
    registries = read_registries()
    base = tip(settings.git_remote, settings.git_branch)
    if base is None:
        raise GitError(f"the git remote has no branch {settings.git_branch}: set Q2PT_GIT_BRANCH, or push it")
    # Its configuration names the cache and the remote.
    with private_clone(settings, base) as clone, chdir(clone):
        asked = pruning.Request(registries)
        remove = bool(request["remove"])
        said = pruning.prune(clone, asked, datetime.now(UTC), yes=remove, dry_run=not remove)
        # Below what it has shown, in the task's log.
        sys.stdout.write(f"{said}\n")
        return {"said": said}
