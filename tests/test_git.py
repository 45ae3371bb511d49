"""Git with argument lists: exact commits, atomic pushes, names that cannot be options."""

import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from q2pt_tasks.git import (
    GitError,
    commit_all,
    commit_tree,
    fetch_commit,
    push,
    run_git,
    tag,
    tip,
    without_passwords,
)
from q2pt_tasks.orchestration.branches import branch_name

MONDAY = datetime(2026, 11, 30, 2, 0, tzinfo=UTC)


@pytest.fixture
def remote(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A bare repository with one commit on main; there is no configuration of the user's own."""
    monkeypatch.setenv("HOME", str(tmp_path / "nobody"))
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "a-hooks-own"))
    remote = tmp_path / "remote.git"
    run_git(tmp_path, "init", "--quiet", "--bare", str(remote))
    author = tmp_path / "author"
    author.mkdir()
    run_git(author, "init", "--quiet")
    (author / "file").write_text("one\n")
    commit_all(author, ["file"], "One")
    push(author, str(remote), "HEAD:refs/heads/main")
    return str(remote)


def test_a_clone_is_at_exactly_the_commit_also_when_the_branch_has_moved(remote: str, tmp_path: Path) -> None:
    first = fetch_commit(remote, "main", tmp_path / "one")
    (tmp_path / "one/file").write_text("two\n")
    second = commit_all(tmp_path / "one", ["file"], "Two")
    push(tmp_path / "one", remote, f"{second}:refs/heads/main")
    assert fetch_commit(remote, first, tmp_path / "again") == first
    assert (tmp_path / "again/file").read_text() == "one\n"
    assert tip(remote, "main") == second
    assert fetch_commit(remote, "main", tmp_path / "newest") == second


def test_a_commit_that_the_remote_does_not_have_is_refused_in_gits_words(remote: str, tmp_path: Path) -> None:
    with pytest.raises(GitError, match=r"git fetch failed in .*: .*0123"):
        fetch_commit(remote, "0123" * 10, tmp_path / "clone")


def test_what_is_ignored_new_or_deleted_is_committed_when_it_is_named(remote: str, tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    fetch_commit(remote, "main", clone)
    (clone / ".git/info/exclude").write_text("dvc.lock\n")
    (clone / "dvc.lock").write_text("lock\n")
    (clone / "other").write_text("not named\n")
    (clone / "file").unlink()
    commit_all(clone, ["dvc.lock", "file"], "# a message that looks like a comment")
    assert run_git(clone, "ls-tree", "--name-only", "HEAD") == "dvc.lock"
    assert run_git(clone, "log", "-1", "--format=%s|%an") == "# a message that looks like a comment|q2pt"


def test_a_commit_is_made_also_when_nothing_differs(remote: str, tmp_path: Path) -> None:
    before = fetch_commit(remote, "main", tmp_path / "clone")
    assert commit_all(tmp_path / "clone", ["file"], "Nothing new") != before


def test_a_push_is_all_or_nothing(remote: str, tmp_path: Path) -> None:
    clone, other = tmp_path / "clone", tmp_path / "other"
    main = fetch_commit(remote, "main", clone)
    fetch_commit(remote, "main", other)
    moved = commit_all(other, ["file"], "Elsewhere")
    push(other, remote, f"{moved}:refs/heads/main")
    own = commit_all(clone, ["file"], "Own")
    with pytest.raises(GitError, match="git push failed"):
        push(clone, remote, f"{own}:refs/heads/run/1", f"{own}:refs/heads/main")
    assert (tip(remote, "main"), tip(remote, "run/1")) == (moved, None)
    assert main != moved


def test_the_tip_of_a_name_is_not_that_of_one_that_ends_like_it(remote: str, tmp_path: Path) -> None:
    commit = fetch_commit(remote, "main", tmp_path / "clone")
    push(tmp_path / "clone", remote, f"{commit}:refs/heads/run/production", f"{commit}:refs/heads/x/refs/heads/latest")
    assert tip(remote, "production") is None
    assert tip(remote, "latest") is None
    assert tip(remote, "run/production") == commit


def test_a_tag_is_annotated_and_is_not_moved(remote: str, tmp_path: Path) -> None:
    commit = fetch_commit(remote, "main", tmp_path / "clone")
    tag(tmp_path / "clone", "q2pt@v1.0.0", commit, "The first", MONDAY)
    push(tmp_path / "clone", remote, "refs/tags/q2pt@v1.0.0")
    assert tip(remote, "refs/tags/q2pt@v1.0.0") not in (None, commit)
    assert tip(remote, "refs/tags/q2pt@v1.0.0^{}") == commit
    dated = run_git(tmp_path / "clone", "for-each-ref", "--format=%(taggerdate:iso-strict)", "refs/tags/q2pt@v1.0.0")
    assert datetime.fromisoformat(dated) == MONDAY
    with pytest.raises(GitError, match="already exists"):
        tag(tmp_path / "clone", "q2pt@v1.0.0", commit, "Another", MONDAY)


def test_a_commit_of_files_leaves_the_clone_as_it_is(remote: str, tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    first = fetch_commit(remote, "main", clone)
    commit = commit_tree(clone, first, {"new/file.json": "{}\n"}, [first], "With a file")
    assert run_git(clone, "show", f"{commit}:new/file.json") == "{}"
    assert run_git(clone, "show", f"{commit}:file") == "one"
    assert run_git(clone, "log", "-1", "--format=%P|%s", commit) == f"{first}|With a file"
    assert run_git(clone, "status", "--porcelain") == ""
    assert not (clone / "new").exists()


def test_a_refused_push_says_why(remote: str, tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    for clone in (one, two):
        fetch_commit(remote, "main", clone)
    push(one, remote, f"{commit_all(one, ['file'], 'One')}:refs/heads/main")
    with pytest.raises(GitError, match=r"\[rejected\].* main \(fetch first\)"):
        push(two, remote, f"{commit_all(two, ['file'], 'Two')}:refs/heads/main")


def test_an_unreachable_remote_is_named(tmp_path: Path) -> None:
    with pytest.raises(GitError, match=r"git ls-remote failed in .*nowhere\.git' does not appear to be a git rep"):
        tip(str(tmp_path / "nowhere.git"), "main")


@pytest.mark.parametrize("name", ["--upload-pack=touch owned", "$(touch owned)", "; touch owned", "main\nowned"])
def test_a_name_is_never_an_option_nor_a_command(remote: str, tmp_path: Path, name: str) -> None:
    with pytest.raises(GitError):
        fetch_commit(remote, name, tmp_path / "clone")
    with pytest.raises(GitError):
        fetch_commit(f"{remote}/{name}", "main", tmp_path / "clone")
    assert not list(tmp_path.rglob("owned"))


@pytest.mark.parametrize(
    "run_id",
    [
        "nightly",
        "scheduled__2026-07-01T02:00:00+00:00",
        "asset_triggered__2026-07-01T02:00:00.123456+00:00_Ab3x",
        "../../main",
        "a..b.lock",
        "-D",
        "@{-1}",
        "x\ny; rm -rf / $(id)",
        "Größe 日本",
        "n" * 400,
    ],
)
def test_every_run_id_becomes_a_branch_name(run_id: str) -> None:
    name = branch_name(run_id)
    assert name.startswith("run/")
    checked = subprocess.run(["git", "check-ref-format", f"refs/heads/{name}"], check=False)
    assert checked.returncode == 0


def test_two_run_ids_do_not_meet_on_one_branch() -> None:
    run_ids = ["a b", "a:b", "a+b", "a-b", "a..b", "n" * 400, "n" * 401]
    assert len({branch_name(run_id) for run_id in run_ids}) == len(run_ids)
    assert branch_name("nightly") == "run/nightly"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://ada:secret@git.example.org/q2pt.git", "https://***@git.example.org/q2pt.git"),
        ("git@git.example.org:search/q2pt.git", "git@git.example.org:search/q2pt.git"),
        ("ssh://git@git.example.org:22/q2pt.git", "ssh://git@git.example.org:22/q2pt.git"),
        ("/srv/git/q2pt.git", "/srv/git/q2pt.git"),
    ],
)
def test_a_url_is_shown_without_a_password(url: str, shown: str) -> None:
    assert without_passwords(url) == shown
