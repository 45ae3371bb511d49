"""What the operator of the system decides, read from the environment: the only place that does."""

import os
import re
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")
D = TypeVar("D")


class SettingsError(ValueError):
    """A variable of the environment is missing or malformed."""


@dataclass(frozen=True)
class Settings:
    """Where runs read and write.

    Attributes:
        git_remote: URL or path of the git remote that holds the code and gets the runs' commits.
        git_branch: the branch of it that a run starts from.
        dvc_cache: the cache directory that the tasks of a host share.
        dvc_remote: URL of a DVC remote that hosts share; None where the cache directory is the only store.
        dvc_remote_endpoint: URL of the S3 service of `dvc_remote`, where it is not Amazon's.
        work_dir: where private clones are made.
        state_dir: directory or S3 URL of the trainings' resume files; None where a training starts over.
        keep_failed_hours: how long a failed task's clone is kept.
        cache_type: DVC's link types from the cache to a clone, the first possible one counts.
        approval_required: a person approves what a run promotes that is not as committed, whether its form asks or not.
    """

    git_remote: str
    git_branch: str
    dvc_cache: Path
    dvc_remote: str | None
    dvc_remote_endpoint: str | None
    work_dir: Path
    state_dir: str | None
    keep_failed_hours: float
    cache_type: str
    approval_required: bool


@dataclass(frozen=True)
class Approver:
    """A user who may answer an approval: the id that Airflow's auth manager knows, and the name that the page shows."""

    id: str
    name: str


@dataclass(frozen=True)
class Rendering:
    """What the DAG file needs, which no run needs.

    Attributes:
        repository: the checkout whose `dvc.yaml` is rendered.
        graph_cache: the folder of the cached graphs.
        schedule: when a run starts by itself, as a cron expression in UTC.
        approvers: who may answer an approval; at least one, for else every user who may edit the run could.
        approval_hours: how long an approval waits for an answer.
        prune_schedule: when what nothing needs is removed, as a cron expression in UTC; None: only by hand.
    """

    repository: Path
    graph_cache: Path
    schedule: str
    approvers: tuple[Approver, ...]
    approval_hours: float
    prune_schedule: str | None


def read_settings(environ: Mapping[str, str] = os.environ) -> Settings:
    """The settings of a run; a variable that is empty counts as not set.

    Raises:
        SettingsError: a required variable is missing, or one is malformed.
    """
    git_remote = _read(environ, "Q2PT_GIT_REMOTE", _git_remote, None)
    if git_remote is None:
        raise SettingsError(
            "Q2PT_GIT_REMOTE is not set: set it to the URL or the absolute path of the git repository that holds the "
            "code and gets the runs' commits"
        )
    work_dir = _work_dir(environ)
    return Settings(
        git_remote=git_remote,
        git_branch=_read(environ, "Q2PT_GIT_BRANCH", _branch, "main"),
        dvc_cache=_read(environ, "Q2PT_DVC_CACHE", _folder, work_dir / "cache"),
        dvc_remote=_read(environ, "Q2PT_DVC_REMOTE", _store, None),
        dvc_remote_endpoint=_read(environ, "Q2PT_DVC_REMOTE_ENDPOINT", _endpoint, None),
        work_dir=work_dir,
        state_dir=_read(environ, "Q2PT_STATE_DIR", _store, None),
        keep_failed_hours=_read(environ, "Q2PT_KEEP_FAILED_HOURS", _hours, 24.0),
        cache_type=_read(environ, "Q2PT_CACHE_TYPE", _link_types, "reflink,copy"),
        approval_required=_read(environ, "Q2PT_APPROVAL_REQUIRED", _yes_or_no, True),
    )


def read_rendering(dag_file: Path, environ: Mapping[str, str] = os.environ) -> Rendering:
    """What the DAG file needs; by default it lies in the folder `dags` of the checkout that it renders.

    Raises:
        SettingsError: a required variable is missing, or one is malformed.
    """
    approvers = _read(environ, "Q2PT_APPROVERS", _approvers, ())
    if not approvers:
        raise SettingsError(
            "Q2PT_APPROVERS is not set, and whoever may start a run could approve it: set it to the users who may, as "
            "ID or ID:NAME with commas between them"
        )
    return Rendering(
        repository=_read(environ, "Q2PT_REPOSITORY", _folder, dag_file.resolve().parents[1]),
        graph_cache=_work_dir(environ) / "graphs",
        schedule=_read(environ, "Q2PT_SCHEDULE", _schedule, "0 2 * * *"),
        approvers=approvers,
        approval_hours=_read(environ, "Q2PT_APPROVAL_HOURS", _approval_hours, 12.0),
        prune_schedule=_read(environ, "Q2PT_PRUNE_SCHEDULE", _schedule, None),
    )


def read_registries(environ: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """All git repositories whose runs and releases have their files in the cache and the remote.

    Raises:
        SettingsError: nobody has named them, or one is malformed.
    """
    found = _read(environ, "Q2PT_PRUNE_REGISTRIES", _git_remotes, None)
    if found is None:
        raise SettingsError(
            "Q2PT_PRUNE_REGISTRIES is not set: name all git repositories whose runs have their files in the DVC cache "
            "and the DVC remote, with commas between them, for what one needs that is not named is removed. Where a "
            "checkout shares its cache, as with `make airflow`, run `q2pt prune` there"
        )
    return found


def _work_dir(environ: Mapping[str, str]) -> Path:
    return _read(environ, "Q2PT_WORK_DIR", _folder, Path(tempfile.gettempdir()) / "q2pt")


def _read(environ: Mapping[str, str], name: str, parse: Callable[[str], T], default: D) -> T | D:
    text = environ.get(name, "")
    if not text:
        return default
    try:
        return parse(text)
    except ValueError as allowed:
        # It ends in a log.
        shown = re.sub(r"//[^/@\s]*@", "//***@", text)
        raise SettingsError(f"{name} is {shown!r}; set it to {allowed}") from None


def _text(pattern: str, allowed: str) -> Callable[[str], str]:
    """A reader of values that match `pattern` as a whole; `allowed` says so in words."""

    def read(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise ValueError(allowed)
        return text

    return read


# Printable characters only: the values become arguments and lines of a configuration file.
_git_remote = _text(
    r"(/|[a-z][a-z0-9+.-]*://|[\w.-]+(@[\w.-]+)?:)[^\x00-\x1f]+",
    "the URL or the absolute path of a git repository",
)
# Runs, promotions and `q2pt prune` write these branches: a run cannot start from one.
_branch = _text(
    r"(?!(expired|latest|production)$|run/)(?!.*(\.\.|//|/$|\.lock$))[A-Za-z0-9][A-Za-z0-9._/-]*",
    "the name of a branch, and not expired, latest, production or run/...",
)
# Every release names it, so it has no password in it.
_store = _text(
    r"(/|[a-z][a-z0-9]*://(?![^/]*:[^/]*@))[^\x00-\x1f]+",
    "an absolute path or a URL such as s3://bucket/folder, without a password",
)
_schedule = _text(r"[0-9*,/-]+( [0-9*,/-]+){4}", "a cron expression of five fields such as 0 2 * * *, in UTC")
_endpoint = _text(r"https?://(?![^/]*@)[^\s]+", "a URL such as http://store:9000, without a password")
_link_types = _text(
    r"(reflink|hardlink|symlink|copy)(,(reflink|hardlink|symlink|copy))*",
    "one or more of reflink, hardlink, symlink and copy with commas between them",
)


def _git_remotes(text: str) -> tuple[str, ...]:
    return tuple(_git_remote(part.strip()) for part in text.split(","))


def _folder(text: str) -> Path:
    # A relative one would mean another folder in each process.
    return Path(_text(r"/[^\x00-\x1f]*", "an absolute path")(text))


def _yes_or_no(text: str) -> bool:
    return _text("yes|no", "yes or no")(text) == "yes"


def _hours(text: str) -> float:
    if not re.fullmatch(r"[0-9]+(\.[0-9]+)?", text):
        raise ValueError("a number of hours from 0 on")
    return float(text)


def _approval_hours(text: str) -> float:
    # A run is stopped after 23 hours, before the next night.
    if not re.fullmatch(r"[0-9]+(\.[0-9]+)?", text) or not 0 < float(text) < 23:
        raise ValueError("a number of hours above 0 and below 23")
    return float(text)


def _approvers(text: str) -> tuple[Approver, ...]:
    if not re.fullmatch(r"[^,:\s]+(:[^,:]+)?(,[^,:\s]+(:[^,:]+)?)*", text):
        raise ValueError("users as ID or ID:NAME with commas between them")
    pairs = [approver.partition(":") for approver in text.split(",")]
    return tuple(Approver(user, name or user) for user, _, name in pairs)
