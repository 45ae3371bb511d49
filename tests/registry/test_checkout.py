"""From `dvc repro` in a checkout to production, without Airflow: the checkout stays as it is."""

import json
import shutil
import subprocess
from contextlib import chdir
from datetime import UTC, datetime
from pathlib import Path

import pytest
from dvc.repo import Repo
from night_repository import make_shop, verdict

from q2pt_tasks import cli
from q2pt_tasks.git import commit_all, run_git
from q2pt_tasks.registry.candidate import PromotionRefusedError
from q2pt_tasks.registry.checkout import CheckoutError, default_registry, promote_checkout, take_champion
from q2pt_tasks.registry.opening import open_release
from q2pt_tasks.registry.promotion import Promotion
from q2pt_tasks.registry.tags import RegistryError

NOW = datetime(2026, 11, 30, 2, 0, tzinfo=UTC)


@pytest.fixture(scope="session")
def _made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone with a git remote in which `dvc repro` has run."""
    folder = tmp_path_factory.mktemp("checkout")
    make_shop(folder / "shop")
    run_git(folder, "clone", "--quiet", str(folder / "shop/remote.git"), "clone")
    _reproduce(folder / "clone")
    return folder


@pytest.fixture
def root(_made: Path, tmp_path: Path) -> Path:
    shutil.copytree(_made, tmp_path / "work", symlinks=True)
    clone = tmp_path / "work/clone"
    run_git(clone, "remote", "set-url", "origin", str(tmp_path / "work/shop/remote.git"))
    return clone


def _reproduce(root: Path) -> None:
    with chdir(root), Repo() as repo:
        repo.reproduce()


def _promote(root: Path) -> Promotion:
    return promote_checkout(root, default_registry(root), NOW)


def _night(root: Path, name: str) -> None:
    """Another night: new code, which is committed, and a run against what serves."""
    (root / "name").write_text(f"{name}\n")
    commit_all(root, ["name"], name)
    take_champion(root, default_registry(root))
    _reproduce(root)


def test_the_last_run_is_promoted_and_the_checkout_stays_as_it_is(root: Path, tmp_path: Path) -> None:
    before = run_git(root, "status", "--porcelain"), run_git(root, "rev-parse", "HEAD")
    assert _promote(root).version == "v1"
    assert (run_git(root, "status", "--porcelain"), run_git(root, "rev-parse", "HEAD")) == before
    opened = open_release("prod", default_registry(root), tmp_path / "empty")
    folder = opened.checkpoint_of("fr-BE")
    assert folder is not None
    assert opened.manifest is not None
    assert (folder / "metadata.json").read_bytes() == (root / "models/unified_aware/metadata.json").read_bytes()
    assert opened.manifest.run.startswith("local-")
    assert opened.manifest.figures == {"micro_recall": 0.5, "macro_recall": None}


def test_a_clone_at_the_release_has_nothing_to_run(root: Path, tmp_path: Path) -> None:
    _promote(root)
    run_git(tmp_path, "clone", "--quiet", default_registry(root), "again")
    again = tmp_path / "again"
    run_git(again, "checkout", "--quiet", "q2pt@v1.0.0")
    (again / ".dvc/config.local").write_text(f"[cache]\n    dir = {root / '.dvc/cache'}\n")
    with chdir(again), Repo() as repo:
        repo.checkout()
        assert repo.status() == {}
        assert repo.reproduce(pull=True) == []
    assert run_git(again, "status", "--porcelain") == ""


def test_promoting_twice_promotes_once(root: Path) -> None:
    assert _promote(root) == _promote(root)


def test_the_next_night_is_judged_against_it_and_takes_its_place(root: Path) -> None:
    _promote(root)
    assert take_champion(root, default_registry(root)) == "In production is v1."
    _night(root, "second")
    assert json.loads((root / "reports/decision.json").read_text())["champion"]["version"] == "v1"
    done = _promote(root)
    assert (done.version, done.before) == ("v2", "v1")


def test_a_run_that_was_judged_against_nothing_does_not_take_the_place_of_a_release(root: Path) -> None:
    _promote(root)
    (root / "name").write_text("second\n")
    commit_all(root, ["name"], "Second")
    _reproduce(root)
    with pytest.raises(PromotionRefusedError, match="judged against no champion, in production is v1 by now"):
        _promote(root)


def test_a_changed_checkout_is_refused(root: Path) -> None:
    (root / "name").write_text("second\n")
    with pytest.raises(CheckoutError, match=r"train_unified@unified_aware.* changed since the last run: `dvc repro`"):
        _promote(root)
    _reproduce(root)
    with pytest.raises(CheckoutError, match="name differ from the commit, so nobody could make this run again"):
        _promote(root)
    commit_all(root, ["name"], "Second")
    (root / "notes.txt").write_text("of a person, which no stage reads")
    assert _promote(root).version == "v1"


def test_a_refused_candidate_is_not_promoted(root: Path) -> None:
    (root / "verdict.json").write_text(verdict(promote=False))
    commit_all(root, ["verdict.json"], "No")
    _reproduce(root)
    with pytest.raises(PromotionRefusedError, match="the gate said no"):
        _promote(root)


def test_without_a_git_remote_the_checkout_is_the_registry(root: Path, tmp_path: Path) -> None:
    run_git(root, "remote", "remove", "origin")
    assert default_registry(root) == str(root.resolve())
    assert _promote(root).version == "v1"
    assert open_release("prod", str(root), tmp_path / "empty").version == "v1"


def test_of_several_git_remotes_origin_is_the_registry_or_none_is(root: Path) -> None:
    origin = default_registry(root)
    run_git(root, "remote", "add", "other", "https://example.org/other.git")
    assert default_registry(root) == origin
    run_git(root, "remote", "rename", "origin", "mine")
    with pytest.raises(RegistryError, match="the git remotes mine, other: choose one with --registry URL"):
        default_registry(root)


def test_the_data_goes_to_dvcs_default_remote(root: Path, tmp_path: Path) -> None:
    subprocess.run(["dvc", "remote", "add", "--default", "store", str(tmp_path / "remote")], cwd=root, check=True)
    commit_all(root, [".dvc/config"], "A remote")
    _promote(root)
    shutil.rmtree(root / ".dvc/cache")
    assert open_release("prod", default_registry(root), tmp_path / "empty").version == "v1"


def test_the_commands_promote_answer_roll_back_and_tell(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(root)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    cli.main(["promote"])
    _night(root, "second")
    cli.main(["promote"])
    assert capsys.readouterr().out.splitlines()[-1] == "v2 is in production, after v1."
    registry = default_registry(root)
    monkeypatch.chdir(tmp_path)
    answers = []
    for model in ("prod", "v2", "v1"):
        cli.main(["predict", "--model", model, "--registry", registry, "--locale", "en-US", "red hat"])
        answers.append(json.loads(capsys.readouterr().out))
    assert answers[0] == answers[1] == answers[2], "the nights differ in a note alone"
    assert answers[0]["query"] == "red hat"
    cli.main(["rollback", "--registry", registry, "--why", "shoppers complain"])
    assert capsys.readouterr().out == "v1 is in production again, after v2.\n"
    cli.main(["history", "--registry", registry])
    said = capsys.readouterr().out
    assert "rollback  v2 -> v1" in said
    assert "shoppers complain" in said
    with pytest.raises(SystemExit):
        cli.main(["predict", "--model", "v7", "--registry", registry, "--locale", "en-US", "red hat"])
    assert "no release v7 is registered, but v1, v2" in capsys.readouterr().err
