"""Promotion with real git and real DVC: one champion at any time, and the next run can read it."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from night_repository import LOCALES, NEWEST, Shop, verdict

from q2pt_tasks.model.champion import champion_files, champion_folder, read_champion
from q2pt_tasks.orchestration import promote as promotion
from q2pt_tasks.orchestration.champion_file import ChampionFileError, parse_champion
from q2pt_tasks.orchestration.clone import private_clone
from q2pt_tasks.orchestration.decision_file import NoDecisionError
from q2pt_tasks.orchestration.git import GitError, run_git
from q2pt_tasks.orchestration.join import join
from q2pt_tasks.orchestration.promote import Promotion, PromotionRefusedError, promote, run
from q2pt_tasks.orchestration.store import MissingObjectError


def _named(shop: Shop, revision: str = "production") -> dict[str, Any]:
    document: dict[str, Any] = json.loads(shop.show(revision, "champion.json"))
    return document


def _log(shop: Shop, revision: str, pattern: str) -> list[str]:
    return run_git(shop.remote, "log", "-1", f"--format={pattern}", revision).split()


def _promote(shop: Shop) -> Promotion:
    return promote(shop.settings, shop.plan, shop.joined)


def test_the_first_promotion_makes_a_branch_and_a_tag(judged_shop: Shop) -> None:
    before = judged_shop.refs()
    promoted = _promote(judged_shop)
    assert (promoted.version, promoted.tag) == ("v1", "champion/v1")
    named = _named(judged_shop)
    assert named == {
        "version": "v1",
        "hash": promoted.hash,
        "path": "build/champion/v1",
        "outs": {".": judged_shop.entries["train_unified@unified_aware"]["outs"][0]["md5"]},
        "locales": list(LOCALES),
        "commit": judged_shop.joined.commit,
        "last_day": NEWEST,
    }
    assert set(judged_shop.refs()) - set(before) == {"refs/heads/production", "refs/tags/champion/v1"}
    assert _log(judged_shop, "production", "%P") == [judged_shop.joined.commit]
    assert run_git(judged_shop.remote, "rev-parse", "champion/v1^{commit}") == judged_shop.joined.commit
    assert "unified_aware of first" in run_git(judged_shop.remote, "cat-file", "tag", "champion/v1")


def test_the_promoted_commit_differs_from_the_runs_in_the_champion_alone(promoted_shop: Shop) -> None:
    changed = run_git(promoted_shop.remote, "diff", "--name-only", promoted_shop.joined.commit, "production")
    assert changed == "champion.json"


@pytest.mark.slow
@pytest.mark.parametrize("candidate", ["unified_aware", "non_unified"])
def test_evaluate_reads_the_champion_in_a_clone_of_the_next_run(new_shop: Shop, candidate: str) -> None:
    new_shop.commit(verdict=verdict(candidate=candidate))
    new_shop.night("first")
    _promote(new_shop)
    plan = new_shop.configure("second")
    with private_clone(new_shop.settings, plan.commit) as clone:
        champion = read_champion(clone / "champion.json")
        assert champion is not None
        files = champion_files(clone, champion)
        model_of = champion_folder(clone, champion)
        names = {str(file.relative_to(files)) for file in files.rglob("*") if file.is_file()}
        text = (model_of("fr-BE") or Path()).joinpath("metadata.json").read_text()
    if candidate == "unified_aware":
        assert (names, text.splitlines()[0]) == ({"metadata.json"}, "unified_aware")
    else:
        assert (names, text.splitlines()[0]) == (
            {"data/encoder/resolved.json", *(f"non_unified/{locale}/metadata.json" for locale in LOCALES)},
            "fr-BE",
        )


def test_a_second_promotion_follows_the_first(promoted_shop: Shop) -> None:
    first = promoted_shop.tip("production")
    promoted_shop.commit(name="second\n")
    promoted_shop.night("second")
    assert _promote(promoted_shop).version == "v2"
    assert _log(promoted_shop, "production", "%P") == [first, promoted_shop.joined.commit]
    assert _named(promoted_shop)["commit"] == promoted_shop.joined.commit
    assert _named(promoted_shop, "champion/v2")["version"] == "v1", "the run as it was, judged against v1"


def test_promoting_a_run_twice_promotes_it_once(promoted_shop: Shop) -> None:
    before = promoted_shop.refs()
    promoted = _promote(promoted_shop)
    assert (promoted.version, promoted.hash) == ("v1", _named(promoted_shop)["hash"])
    assert promoted_shop.refs() == before


def test_a_refused_decision_is_not_promoted(new_shop: Shop) -> None:
    new_shop.commit(verdict=verdict(promote=False))
    new_shop.night()
    before = new_shop.refs()
    with pytest.raises(PromotionRefusedError, match=r"the gate said no: Promote: False, unified_aware\."):
        _promote(new_shop)
    assert new_shop.refs() == before


def test_a_run_that_may_not_promote_does_not(judged_shop: Shop) -> None:
    plan = replace(judged_shop.plan, may_promote=False, why_not_promote="it leaves out the locales en-US")
    with pytest.raises(PromotionRefusedError, match="leaves out the locales en-US"):
        promote(judged_shop.settings, plan, judged_shop.joined)


def test_an_incomplete_run_is_not_promoted(judged_shop: Shop) -> None:
    joined = replace(judged_shop.joined, complete=False, missing=("report",))
    with pytest.raises(PromotionRefusedError, match="incomplete, it lacks report"):
        promote(judged_shop.settings, judged_shop.plan, joined)


def _two_windows(shop: Shop, *, promote: bool | None) -> Shop:
    """A night up to an early day that is not promoted, and one up to the newest; the plan is the early one's."""
    plan = shop.configure("early", last_day="2026-06-10", promote=promote)
    shop.reproduce(plan)
    early = join(shop.settings, plan, shop.entries)
    shop.night("late")
    shop.plan, shop.joined = plan, early
    return shop


def test_a_run_is_not_promoted_after_one_of_a_later_window(new_shop: Shop) -> None:
    shop = _two_windows(new_shop, promote=None)
    # As on the day of its run, when it was the newest.
    shop.plan = replace(shop.plan, may_promote=True, why_not_promote="")
    with pytest.raises(PromotionRefusedError, match="ends on 2026-06-10, and a run up to 2026-06-30 has been judged"):
        _promote(shop)
    assert shop.tip("production") is None


def test_a_past_window_is_promoted_where_the_form_asks_for_it(new_shop: Shop) -> None:
    assert _promote(_two_windows(new_shop, promote=True)).version == "v1"


def test_main_may_move_on_meanwhile(judged_shop: Shop) -> None:
    main = judged_shop.commit(name="later\n")
    _promote(judged_shop)
    assert judged_shop.tip("main") == main
    assert judged_shop.show("production", "name") == "first"


@pytest.mark.slow
def test_a_run_that_was_judged_against_another_champion_is_not_promoted(judged_shop: Shop) -> None:
    late = judged_shop.plan, judged_shop.joined
    judged_shop.night("second")
    _promote(judged_shop)
    before = judged_shop.refs()
    with pytest.raises(PromotionRefusedError, match="judged against no champion, in production is v1 by now"):
        promote(judged_shop.settings, *late)
    assert judged_shop.refs() == before


@pytest.mark.slow
def test_of_two_promotions_at_once_the_second_is_refused(judged_shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    late = judged_shop.plan, judged_shop.joined
    judged_shop.night("second")
    publish = promotion._publish

    def publish_after_another(*arguments: Any) -> None:  # noqa: ANN401
        monkeypatch.setattr(promotion, "_publish", publish)
        promote(judged_shop.settings, *late)
        publish(*arguments)

    monkeypatch.setattr(promotion, "_publish", publish_after_another)
    with pytest.raises(GitError, match="git push failed"):
        _promote(judged_shop)
    assert _named(judged_shop)["commit"] == late[1].commit
    assert run_git(judged_shop.remote, "tag", "--list") == "champion/v1"


@pytest.mark.parametrize("refused", ["refs/heads/production", "refs/tags/champion/v1"])
def test_a_refused_push_leaves_neither_branch_nor_tag(judged_shop: Shop, refused: str) -> None:
    hook = judged_shop.remote / "hooks/update"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f'#!/bin/sh\ntest "$1" != {refused}\n')
    hook.chmod(0o755)
    before = judged_shop.refs()
    with pytest.raises(GitError, match="git push failed"):
        _promote(judged_shop)
    assert judged_shop.refs() == before
    hook.unlink()
    assert _promote(judged_shop).version == "v1", "the next try succeeds"


def test_a_model_that_is_not_in_the_store_is_not_promoted(judged_shop: Shop) -> None:
    (model,) = judged_shop.entries["train_unified@unified_aware"]["outs"]
    (judged_shop.settings.dvc_cache / "files/md5" / model["md5"][:2] / model["md5"][2:]).unlink()
    before = judged_shop.refs()
    with pytest.raises(MissingObjectError, match="models/unified_aware"):
        _promote(judged_shop)
    assert judged_shop.refs() == before


def test_data_goes_to_the_remote_before_anything_names_it(judged_shop: Shop, tmp_path: Path) -> None:
    settings = replace(judged_shop.settings, dvc_remote=str(tmp_path / "remote"))
    judged_shop.refuse_pushes()
    with pytest.raises(GitError):
        promote(settings, judged_shop.plan, judged_shop.joined)
    (model,) = judged_shop.entries["train_unified@unified_aware"]["outs"]
    assert (tmp_path / "remote/files/md5" / model["md5"][:2] / model["md5"][2:]).is_file()


def test_a_number_that_was_used_is_not_used_again(judged_shop: Shop) -> None:
    for name in ("champion/v2", "champion/v10", "champion/vX", "champion/v3-rc"):
        run_git(judged_shop.remote, "tag", name, "main")
    assert _promote(judged_shop).version == "v11"


@pytest.mark.slow
def test_a_candidate_without_a_model_is_named(new_shop: Shop) -> None:
    new_shop.commit(verdict=verdict(candidate="unified_other"))
    new_shop.night()
    with pytest.raises(PromotionRefusedError, match="models/unified_other"):
        _promote(new_shop)


@pytest.mark.slow
def test_a_run_without_a_decision_is_not_promoted(new_shop: Shop) -> None:
    pipeline = new_shop.show("main", "dvc.yaml")
    new_shop.commit(pipeline=pipeline[: pipeline.index("  gate:")])
    new_shop.night()
    with pytest.raises(NoDecisionError, match=r"no output reports/decision\.json"):
        _promote(new_shop)


@pytest.mark.parametrize(
    ("text", "message"), [("{", "not readable JSON"), ('{"version": "v1"}', "hash: Field required")]
)
def test_a_champion_file_that_names_none_is_refused(text: str, message: str) -> None:
    with pytest.raises(ChampionFileError, match=message):
        parse_champion(text)


def test_the_child_process_speaks_json(judged_shop: Shop) -> None:
    joined = {"commit": judged_shop.joined.commit, "complete": True, "missing": []}
    request = json.loads(json.dumps({"plan": judged_shop.plan.to_json(), "joined": joined}))
    answer = run(judged_shop.settings, request)
    assert answer == {"version": "v1", "tag": "champion/v1", "hash": _named(judged_shop)["hash"]}
