"""A private clone for each task: nobody else writes there, and the DVC cache is all that tasks share.

Each clone lies in a folder of its own below `work_dir/clones`, and the process that made it holds a lock on a file
there. The lock ends with the process, so a clone without one is left over.
"""

import fcntl
import os
import platform
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dvc.config import Config

from q2pt_tasks.git import fetch_commit
from q2pt_tasks.orchestration.settings import Settings

# The name of the DVC remote in a clone.
REMOTE = "store"
# In a clone's folder: locked as long as its process lives, and holds the host's name; what a failed one is kept for.
_ALIVE = "alive"
_NOTE = "why.txt"
_CLAIM = "lock"
_FAILED = "failed-"


@contextmanager
def private_clone(settings: Settings, commit: str) -> Iterator[Path]:
    """A clone of the git remote at exactly `commit`, set up for DVC, without data.

    It is removed at the end, and kept for a while where an error comes out. Until then temporary files of this process,
    and of those that it starts, lie beside it: what a stage spills holds shoppers' queries, and a sweep that removes
    the clone of a dead process removes them with it.

    Raises:
        GitError: the remote does not have the commit.
    """
    with _own_folder(settings.work_dir / "clones") as home:
        try:
            checkout = home / "checkout"
            with _temporary_files_in(home):
                fetch_commit(settings.git_remote, commit, checkout)
                _configure_dvc(settings, checkout, home / "site-cache")
                yield checkout
        except BaseException as error:
            (home / _NOTE).write_text(f"Commit {commit}: {type(error).__name__}: {error}\n", encoding="utf-8")
            home.rename(home.with_name(f"{_FAILED}{home.name}"))
            raise
        # What cannot be removed now is left over, and a sweep removes it.
        shutil.rmtree(home, ignore_errors=True)


def sweep(settings: Settings) -> list[str]:
    """Removes the clones that dead processes left, and failed ones after their time; returns their folders' names."""
    clones = settings.work_dir / "clones"
    with _claim(clones):
        leftovers = [home for home in clones.iterdir() if home.name != _CLAIM and _is_left_over(home, settings)]
    for home in leftovers:
        shutil.rmtree(home, ignore_errors=True)
    return sorted(home.name for home in leftovers)


def _is_left_over(home: Path, settings: Settings) -> bool:
    try:
        expired = time.time() - home.stat().st_mtime > settings.keep_failed_hours * 3600
    except FileNotFoundError:
        # Its own process has removed it just now.
        return False
    return expired if home.name.startswith(_FAILED) else _is_dead(home / _ALIVE, expired=expired)


def _is_dead(alive: Path, *, expired: bool) -> bool:
    try:
        # For writing, as network file systems want it for a lock.
        file = alive.open("r+", encoding="utf-8")
    except FileNotFoundError:
        # Its process died before it had made it, or is about to end.
        return True
    with file:
        # The lock of a process on another host may not be seen here.
        return _try_lock(file.fileno()) and (expired or file.read() == platform.node())


@contextmanager
def _own_folder(clones: Path) -> Iterator[Path]:
    """A new folder below `clones`, alive until the block ends."""
    with _claim(clones):
        home = Path(tempfile.mkdtemp(prefix=f"{os.getpid()}-{platform.node()}-", dir=clones))
        alive = (home / _ALIVE).open("w", encoding="utf-8")
        _try_lock(alive.fileno())
    with alive:
        alive.write(platform.node())
        alive.flush()
        yield home


@contextmanager
def _temporary_files_in(home: Path) -> Iterator[None]:
    """Inside, a folder in `home` is the temporary directory; it is removed at the end, whatever happened."""
    variable, known = os.environ.get("TMPDIR"), tempfile.tempdir
    with tempfile.TemporaryDirectory(prefix="tmp-", dir=home, ignore_cleanup_errors=True) as folder:
        os.environ["TMPDIR"] = tempfile.tempdir = folder
        try:
            yield
        finally:
            tempfile.tempdir = known
            if variable is None:
                del os.environ["TMPDIR"]
            else:
                os.environ["TMPDIR"] = variable


@contextmanager
def _claim(clones: Path) -> Iterator[None]:
    """Keeps a sweep from taking a folder that is being made for one that is left over."""
    clones.mkdir(parents=True, exist_ok=True)
    with (clones / _CLAIM).open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _try_lock(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _configure_dvc(settings: Settings, checkout: Path, site_cache: Path) -> None:
    with Config(str(checkout / ".dvc")).edit("local") as config:
        config["core"] = {"analytics": "false", "autostage": "false", "check_update": "false"}
        # Shared, it would hold what other clones claim their files to be.
        config["core"]["site_cache_dir"] = str(site_cache)
        config["cache"] = {"dir": str(settings.dvc_cache), "type": settings.cache_type, "slow_link_warning": "false"}
        if settings.dvc_remote:
            config["core"]["remote"] = REMOTE
            config["remote"][REMOTE] = {"url": settings.dvc_remote, "verify": "true"}
            if settings.dvc_remote_endpoint:
                config["remote"][REMOTE]["endpointurl"] = settings.dvc_remote_endpoint
