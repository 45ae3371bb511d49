"""What `make airflow` sets and prepares; the integration tests start it."""

import os
import socket
import tempfile
from pathlib import Path

import pytest

from q2pt_tasks.git import GitError, commit_all, run_git
from q2pt_tasks.orchestration.local import Place, PortTakenError, check_port, publish
from q2pt_tasks.orchestration.settings import read_rendering, read_settings

# Airflow writes to its home when it is imported: not to the user's.
os.environ.setdefault("AIRFLOW_HOME", tempfile.mkdtemp(prefix="q2pt-airflow-"))

from airflow.configuration import conf


@pytest.fixture
def place(tmp_path: Path) -> Place:
    checkout = tmp_path / "the checkout"
    checkout.mkdir()
    run_git(checkout, "init", "--quiet")
    (checkout / "params.yaml").write_text("seed: 1\n")
    commit_all(checkout, ["params.yaml"], "First")
    return Place(checkout, 8080)


def test_everything_lies_in_the_checkout_and_the_projects_settings_are_right(place: Place) -> None:
    variables = place.variables()
    settings = read_settings(variables)
    assert settings.git_remote == str(place.remote)
    assert settings.dvc_cache == place.checkout / ".dvc/cache"
    assert settings.work_dir == place.checkout / "build/airflow/work"
    assert read_rendering(Path("dags/other.py"), variables).repository == place.checkout


def test_airflow_knows_every_setting_that_is_made(place: Place) -> None:
    names = [name.lower().split("__")[1:] for name in place.variables() if name.startswith("AIRFLOW__")]
    assert len(names) > 10
    for section, option in names:
        assert option in conf.configuration_description[section]["options"], f"[{section}] {option}"


def test_a_proxy_for_the_world_outside_is_not_asked_for_airflow_here(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", "shop.example")
    monkeypatch.delenv("no_proxy", raising=False)
    variables = place.variables()
    assert (variables["NO_PROXY"], variables["no_proxy"]) == ("shop.example,127.0.0.1", "127.0.0.1")


def test_the_runs_start_from_the_commit_of_the_checkout_whatever_its_branch(place: Place) -> None:
    publish(place)
    first = run_git(place.checkout, "rev-parse", "HEAD")
    assert run_git(place.remote, "rev-parse", "main") == first
    run_git(place.checkout, "checkout", "--quiet", "--orphan", "another")
    second = commit_all(place.checkout, ["params.yaml"], "Second")
    publish(place)
    assert run_git(place.remote, "rev-parse", "main") == second
    assert run_git(place.remote, "symbolic-ref", "HEAD") == "refs/heads/main"


def test_without_a_repository_there_is_nothing_to_run(tmp_path: Path) -> None:
    with pytest.raises(GitError):
        publish(Place(tmp_path, 8080))


@pytest.mark.enable_socket
def test_a_port_that_another_server_has_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(PortTakenError, match=f"port {port} is taken"):
            check_port(port)
    check_port(port)
