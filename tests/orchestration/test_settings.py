"""The environment is read strictly, and an error names the variable."""

import subprocess
from pathlib import Path

import pytest

from q2pt_tasks.orchestration.settings import (
    Approver,
    Rendering,
    Settings,
    SettingsError,
    read_registries,
    read_rendering,
    read_settings,
)

APPROVED_BY_ADA = {"Q2PT_APPROVERS": "ada"}
REQUIRED = {"Q2PT_GIT_REMOTE": "/srv/git/q2pt.git", "Q2PT_WORK_DIR": "/var/q2pt"}


def test_one_variable_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.gettempdir", lambda: "/scratch")
    assert read_settings({"Q2PT_GIT_REMOTE": "/srv/git/q2pt.git"}) == Settings(
        git_remote="/srv/git/q2pt.git",
        git_branch="main",
        dvc_cache=Path("/scratch/q2pt/cache"),
        dvc_remote=None,
        dvc_remote_endpoint=None,
        work_dir=Path("/scratch/q2pt"),
        state_dir=None,
        keep_failed_hours=24.0,
        cache_type="reflink,copy",
        approval_required=True,
    )


def test_every_variable_is_read() -> None:
    environ = {
        "Q2PT_GIT_REMOTE": "git@git.example.org:search/q2pt.git",
        "Q2PT_GIT_BRANCH": "release/2026.1",
        "Q2PT_DVC_CACHE": "/mnt/cache",
        "Q2PT_DVC_REMOTE": "s3://bucket/q2pt",
        "Q2PT_DVC_REMOTE_ENDPOINT": "http://store:9000",
        "Q2PT_WORK_DIR": "/mnt/runs",
        "Q2PT_STATE_DIR": "s3://bucket/state",
        "Q2PT_KEEP_FAILED_HOURS": "0.5",
        "Q2PT_CACHE_TYPE": "hardlink,copy",
        "Q2PT_APPROVAL_REQUIRED": "no",
        "Q2PT_REPOSITORY": "/opt/q2pt",
        "Q2PT_APPROVERS": "3:Ada Lovelace,grace",
        "Q2PT_SCHEDULE": "30 3 * * 1-5",
        "Q2PT_APPROVAL_HOURS": "1.5",
        "Q2PT_PRUNE_SCHEDULE": "0 14 * * 0",
        "Q2PT_PRUNE_REGISTRIES": "git@git.example.org:search/q2pt.git, /srv/git/q2pt.git",
    }
    assert read_settings(environ) == Settings(
        git_remote="git@git.example.org:search/q2pt.git",
        git_branch="release/2026.1",
        dvc_cache=Path("/mnt/cache"),
        dvc_remote="s3://bucket/q2pt",
        dvc_remote_endpoint="http://store:9000",
        work_dir=Path("/mnt/runs"),
        state_dir="s3://bucket/state",
        keep_failed_hours=0.5,
        cache_type="hardlink,copy",
        approval_required=False,
    )
    assert read_rendering(Path("/elsewhere/dags/one.py"), environ) == Rendering(
        repository=Path("/opt/q2pt"),
        graph_cache=Path("/mnt/runs/graphs"),
        approvers=(Approver("3", "Ada Lovelace"), Approver("grace", "grace")),
        approval_hours=1.5,
        schedule="30 3 * * 1-5",
        prune_schedule="0 14 * * 0",
    )
    assert read_registries(environ) == ("git@git.example.org:search/q2pt.git", "/srv/git/q2pt.git")


def test_a_clone_may_be_kept_for_no_time_at_all() -> None:
    assert read_settings({**REQUIRED, "Q2PT_KEEP_FAILED_HOURS": "0"}).keep_failed_hours == 0


def test_the_dag_file_renders_the_checkout_that_it_lies_in() -> None:
    rendering = read_rendering(Path("/opt/q2pt/dags/q2pt_retraining.py"), APPROVED_BY_ADA)
    assert (rendering.repository, rendering.approvers) == (Path("/opt/q2pt"), (Approver("ada", "ada"),))
    assert (rendering.approval_hours, rendering.schedule) == (12, "0 2 * * *")
    assert rendering.prune_schedule is None


def test_nothing_is_pruned_before_somebody_has_said_whose_files_they_are() -> None:
    with pytest.raises(SettingsError, match=r"Q2PT_PRUNE_REGISTRIES is not set: name all git repositories"):
        read_registries({})
    with pytest.raises(SettingsError, match=r"Q2PT_PRUNE_REGISTRIES is '/srv/a\.git,'"):
        read_registries({"Q2PT_PRUNE_REGISTRIES": "/srv/a.git,"})


@pytest.mark.parametrize("environ", [{}, {"Q2PT_GIT_REMOTE": ""}], ids=["unset", "empty"])
def test_a_missing_remote_says_what_to_set(environ: dict[str, str]) -> None:
    with pytest.raises(SettingsError, match="Q2PT_GIT_REMOTE is not set: set it to the URL or the absolute path"):
        read_settings(environ)


@pytest.mark.parametrize("name", ["Q2PT_GIT_BRANCH", "Q2PT_DVC_REMOTE", "Q2PT_STATE_DIR", "Q2PT_KEEP_FAILED_HOURS"])
def test_an_empty_variable_counts_as_not_set(name: str) -> None:
    assert read_settings({**REQUIRED, name: ""}) == read_settings(REQUIRED)


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("Q2PT_GIT_REMOTE", "q2pt.git", "the URL or the absolute path of a git repository"),
        ("Q2PT_GIT_REMOTE", "--upload-pack=touch /tmp/x", "the URL or the absolute path of a git repository"),
        ("Q2PT_GIT_REMOTE", "/srv/git\n[remote]", "the URL or the absolute path of a git repository"),
        ("Q2PT_GIT_BRANCH", "--force", "the name of a branch"),
        ("Q2PT_GIT_BRANCH", "a..b", "the name of a branch"),
        ("Q2PT_GIT_BRANCH", "latest", "and not expired, latest, production or run/..."),
        ("Q2PT_GIT_BRANCH", "run/x", "and not expired, latest, production or run/..."),
        ("Q2PT_DVC_CACHE", "cache", "an absolute path"),
        ("Q2PT_DVC_CACHE", "/a\n[remote]", "an absolute path"),
        ("Q2PT_DVC_REMOTE", "../store", "an absolute path or a URL such as s3://bucket/folder"),
        ("Q2PT_DVC_REMOTE_ENDPOINT", "store:9000", "a URL such as http://store:9000"),
        ("Q2PT_WORK_DIR", "~/q2pt", "an absolute path"),
        ("Q2PT_STATE_DIR", "state", "an absolute path or a URL such as s3://bucket/folder"),
        ("Q2PT_KEEP_FAILED_HOURS", "a day", "a number of hours from 0 on"),
        ("Q2PT_KEEP_FAILED_HOURS", "-1", "a number of hours from 0 on"),
        ("Q2PT_KEEP_FAILED_HOURS", "nan", "a number of hours from 0 on"),
        ("Q2PT_APPROVAL_REQUIRED", "false", "yes or no"),
        ("Q2PT_CACHE_TYPE", "reflink copy", "one or more of reflink, hardlink, symlink and copy"),
    ],
)
def test_a_malformed_variable_is_named_with_what_is_allowed(name: str, value: str, allowed: str) -> None:
    with pytest.raises(SettingsError) as caught:
        read_settings({**REQUIRED, name: value})
    assert str(caught.value).startswith(f"{name} is {value!r}; set it to ")
    assert allowed in str(caught.value)


@pytest.mark.parametrize("value", ["nightly", "0 2 * *", "0 2 * * *\n", "@daily"])
def test_a_malformed_schedule_is_named(value: str) -> None:
    with pytest.raises(SettingsError, match="set it to a cron expression of five fields"):
        read_rendering(Path("dags/one.py"), APPROVED_BY_ADA | {"Q2PT_SCHEDULE": value})


@pytest.mark.parametrize("value", ["ada:", ",ada", "ada,,grace", "a b"])
def test_malformed_approvers_are_named(value: str) -> None:
    with pytest.raises(SettingsError, match=r"Q2PT_APPROVERS is .* set it to users as ID or ID:NAME"):
        read_rendering(Path("/opt/q2pt/dags/one.py"), {"Q2PT_APPROVERS": value})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Q2PT_DVC_REMOTE", "https://ada:hunter2@store/q2pt"),
        ("Q2PT_STATE_DIR", "s3://ada:hunter2@bucket/state"),
        ("Q2PT_DVC_REMOTE_ENDPOINT", "http://ada:hunter2@store:9000"),
        ("Q2PT_GIT_REMOTE", "ftps+://ada:hunter2@host/q2pt\n"),
    ],
)
def test_no_password_comes_into_a_release_or_a_log(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=name) as refusal:
        read_settings({**REQUIRED, name: value})
    assert "hunter2" not in str(refusal.value)


@pytest.mark.parametrize("environ", [{}, {"Q2PT_APPROVERS": ""}])
def test_somebody_is_named_who_may_approve(environ: dict[str, str]) -> None:
    with pytest.raises(SettingsError, match="Q2PT_APPROVERS is not set, and whoever may start a run could approve it"):
        read_rendering(Path("/opt/q2pt/dags/one.py"), environ)


@pytest.mark.parametrize("value", ["0", "23", "-1", "a day", "nan", "1e9"])
def test_an_approval_ends_before_the_next_night(value: str) -> None:
    with pytest.raises(SettingsError, match=r"Q2PT_APPROVAL_HOURS is .* hours above 0 and below 23"):
        read_rendering(Path("/opt/q2pt/dags/one.py"), APPROVED_BY_ADA | {"Q2PT_APPROVAL_HOURS": value})


@pytest.mark.parametrize(
    "remote", ["ssh://git@host:22/q2pt.git", "https://host/q2pt.git", "file:///srv/q2pt", "host:q2pt"]
)
def test_every_kind_of_git_address_is_accepted(remote: str) -> None:
    assert read_settings({"Q2PT_GIT_REMOTE": remote}).git_remote == remote


@pytest.mark.parametrize("branch", ["main", "feature/x-1.2_y", "latest-but-one", "production2"])
def test_a_branch_that_git_knows_is_accepted(branch: str) -> None:
    subprocess.run(["git", "check-ref-format", "--branch", branch], check=True, capture_output=True)
    assert read_settings({**REQUIRED, "Q2PT_GIT_BRANCH": branch}).git_branch == branch
