"""The bare repository of docker-compose.yml, served as there: who may write what."""

import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from night_shop import START, NightShop

from q2pt_tasks.git import GitError, commit_all, fetch_commit, push, run_git, tag, tip
from q2pt_tasks.registry.expired import Gone
from q2pt_tasks.registry.expired_branch import append_expired, read_expired
from q2pt_tasks.registry.prune import Place, look, remove
from q2pt_tasks.registry.release import Store
from q2pt_tasks.registry.retention import Policy

pytestmark = [pytest.mark.enable_socket]

# As docker-compose.yml starts it.
READ_ONLY = ["git", "daemon", "--reuseaddr", "--informative-errors", "--export-all"]
# Around the two days after which no run is in progress any more.
_OLD, _YOUNG = timedelta(days=2, minutes=10), timedelta(days=1, hours=23)


@dataclass(frozen=True)
class Service:
    """A clone, the URL that runs push to, and the repository behind it."""

    clone: Path
    url: str
    repository: Path

    def commit(self, *, age: timedelta = timedelta()) -> str:
        (self.clone / "file").write_text(str(time.monotonic()))
        commit_all(self.clone, ["file"], "A commit")
        when = f"@{int((datetime.now(UTC) - age).timestamp())} +0000"
        run_git(self.clone, "commit", "--quiet", "--amend", "--no-edit", GIT_COMMITTER_DATE=when)
        return run_git(self.clone, "rev-parse", "HEAD")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_until_served(port: int) -> None:
    deadline = time.monotonic() + 60
    while True:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _serve(command: list[str], port: int) -> Iterator[str]:
    with subprocess.Popen([*command, "--listen=127.0.0.1", f"--port={port}"]) as server:
        _wait_until_served(port)
        yield f"git://127.0.0.1:{port}/q2pt.git"
        server.terminate()


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    root = tmp_path / "served"
    root.mkdir()
    for url in _serve(["deploy/git-write.sh", str(root)], _free_port()):
        clone = tmp_path / "clone"
        clone.mkdir()
        run_git(clone, "init", "--quiet")
        yield Service(clone, url, root / "q2pt.git")


@pytest.fixture
def read_only(service: Service) -> Iterator[str]:
    """The URL of the other git service."""
    yield from _serve([*READ_ONLY, f"--base-path={service.repository.parent}"], _free_port())


def _push_from_inside(service: Service, refspec: str) -> None:
    """What the head of docker-compose.yml tells people to do, with `env` in place of `docker compose exec`."""
    remote = f"ext::env %S {service.repository}"
    run_git(service.clone, "-c", "protocol.ext.allow=always", "push", "--quiet", remote, refspec)


def test_people_write_main_and_runs_do_not(service: Service) -> None:
    commit = service.commit()
    with pytest.raises(GitError):
        push(service.clone, service.url, f"{commit}:refs/heads/main")
    assert tip(service.url, "main") is None
    _push_from_inside(service, f"{commit}:refs/heads/main")
    assert tip(service.url, "main") == commit


def test_a_run_writes_its_branch_and_latest_again_and_again(service: Service) -> None:
    for commit in (service.commit(), service.commit()):
        push(service.clone, service.url, f"+{commit}:refs/heads/run/a", f"+{commit}:refs/heads/latest")
        assert tip(service.url, "run/a") == tip(service.url, "latest") == commit
        run_git(service.clone, "checkout", "--quiet", "--orphan", "unrelated")


def test_production_moves_forward_only(service: Service) -> None:
    first, second = service.commit(), service.commit()
    for commit in (first, second):
        push(service.clone, service.url, f"{commit}:refs/heads/production")
    with pytest.raises(GitError):
        push(service.clone, service.url, f"+{first}:refs/heads/production")
    assert tip(service.url, "production") == second


def test_a_releases_tag_stays(service: Service) -> None:
    service.commit()
    tag(service.clone, "q2pt@v1.0.0", "HEAD", "First", datetime(2026, 11, 30, tzinfo=UTC))
    push(service.clone, service.url, "refs/tags/q2pt@v1.0.0")
    first = tip(service.url, "refs/tags/q2pt@v1.0.0")
    service.commit()
    with pytest.raises(GitError):
        push(service.clone, service.url, "+HEAD:refs/tags/q2pt@v1.0.0")
    assert tip(service.url, "refs/tags/q2pt@v1.0.0") == first


@pytest.mark.parametrize("ref", ["refs/heads/other", "refs/tags/v1", "refs/notes/x", "refs/heads/running"])
def test_a_run_writes_nothing_else(service: Service, ref: str) -> None:
    commit = service.commit()
    with pytest.raises(GitError):
        push(service.clone, service.url, f"{commit}:{ref}")
    assert tip(service.url, ref) is None


def test_of_refs_that_are_pushed_together_all_or_none_are_taken(service: Service) -> None:
    commit = service.commit()
    with pytest.raises(GitError):
        push(service.clone, service.url, f"{commit}:refs/heads/run/a", f"{commit}:refs/heads/main")
    assert tip(service.url, "run/a") is None


@pytest.mark.parametrize("ref", ["heads/latest", "heads/production", "heads/expired", "tags/q2pt@v1"])
def test_what_is_to_stay_is_not_deleted_however_old(service: Service, ref: str) -> None:
    commit = service.commit(age=_OLD)
    push(service.clone, service.url, f"{commit}:refs/{ref}")
    with pytest.raises(GitError):
        push(service.clone, service.url, f":refs/{ref}")
    assert tip(service.url, f"refs/{ref}") == commit


def test_the_branch_of_a_run_that_may_be_in_progress_is_not_deleted_and_that_of_an_old_one_is(service: Service) -> None:
    old, young = service.commit(age=_OLD), service.commit(age=_YOUNG)
    push(service.clone, service.url, f"{old}:refs/heads/run/old", f"{young}:refs/heads/run/young")
    with pytest.raises(GitError):
        push(service.clone, service.url, ":refs/heads/run/old", ":refs/heads/run/young")
    assert (tip(service.url, "run/old"), tip(service.url, "run/young")) == (old, young)
    push(service.clone, service.url, ":refs/heads/run/old")
    assert tip(service.url, "run/old") is None


def test_the_list_of_what_expired_only_grows(service: Service) -> None:
    gone = [Gone("2026-11-28", f"{number:032}", "data/raw", "release v1", "retention_days 30") for number in (1, 2)]
    append_expired(service.url, gone[:1], "1 output expires")
    first = tip(service.url, "expired")
    append_expired(service.url, gone[1:], "1 output expires")
    for shorter in (first, service.commit()):
        run_git(service.clone, "fetch", "--quiet", service.url, "expired")
        with pytest.raises(GitError):
            push(service.clone, service.url, f"+{shorter}:refs/heads/expired")
    assert read_expired(service.url) == gone


def test_what_nothing_needs_is_pruned_through_the_service(service: Service, tmp_path: Path) -> None:
    shop = NightShop(tmp_path / "shop", Store(str(tmp_path / "shop/remote"))).make()
    for name, day in (("old", 10), ("released", 20), ("latest", 30)):
        shop.night(name, day)
    shop.release("released", 20)
    # From inside the container.
    run_git(Path(shop.url), "push", "--quiet", "--mirror", str(service.repository))
    place = Place((service.url,), shop.project, shop.place().stores)
    policy, now = Policy(1, timedelta(days=7), timedelta(days=30), frozenset({"data/raw"})), START + timedelta(days=100)
    remove(place, look(place, policy, now), policy, now)
    assert look(place, policy, now).is_empty
    assert tip(service.url, "run/old") is None
    assert tip(service.url, "run/released") == shop.commits["released"]
    assert shop.outs("released")["data/raw"] in {one.md5 for one in read_expired(service.url)}
    for store in place.stores:
        assert not {shop.outs("old")["models/m"], shop.outs("released")["data/raw"]} & store.objects().keys()
        assert shop.whole(store, shop.outs("released")["models/m"])


def test_a_task_gets_a_commit_that_is_no_tip_and_pushes_from_its_clone(service: Service, tmp_path: Path) -> None:
    first, second = service.commit(), service.commit()
    push(service.clone, service.url, f"{second}:refs/heads/run/a")
    fetch_commit(service.url, first, tmp_path / "task")
    (tmp_path / "task/file").write_text("joined")
    joined = commit_all(tmp_path / "task", ["file"], "Joined")
    push(tmp_path / "task", service.url, f"+{joined}:refs/heads/run/a")
    assert tip(service.url, "run/a") == joined


def test_the_other_service_is_read_only(service: Service, read_only: str, tmp_path: Path) -> None:
    commit = service.commit()
    push(service.clone, service.url, f"{commit}:refs/heads/run/a")
    assert fetch_commit(read_only, "run/a", tmp_path / "task") == commit
    with pytest.raises(GitError):
        push(service.clone, read_only, f"{commit}:refs/heads/run/b")
    assert tip(service.url, "run/b") is None


def test_a_second_start_keeps_what_is_there(service: Service) -> None:
    commit = service.commit()
    push(service.clone, service.url, f"{commit}:refs/heads/run/a")
    for url in _serve(["deploy/git-write.sh", str(service.repository.parent)], _free_port()):
        assert tip(url, "run/a") == commit
