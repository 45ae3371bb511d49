"""Promotion with real git and real DVC: one champion at any time, and the next run can read it."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from night_repository import LOCALES, Shop, verdict

from q2pt_tasks.git import GitError
from q2pt_tasks.model.champion import champion_folder, read_champion
from q2pt_tasks.orchestration import rollback
from q2pt_tasks.orchestration.clone import private_clone
from q2pt_tasks.orchestration.decision_file import NoDecisionError
from q2pt_tasks.orchestration.join import join
from q2pt_tasks.orchestration.promote import promote, run, store_of
from q2pt_tasks.orchestration.store import MissingObjectError
from q2pt_tasks.registry.candidate import PromotionRefusedError
from q2pt_tasks.registry.opening import open_release
from q2pt_tasks.registry.promotion import Promotion
from q2pt_tasks.registry.release import Release, Store
from q2pt_tasks.registry.repository import open_registry


def _serving(shop: Shop) -> Release:
    with open_registry(shop.settings.git_remote) as registry:
        release = registry.serving("prod")
    assert release is not None
    return release


def _promote(shop: Shop) -> Promotion:
    return promote(shop.settings, shop.plan, shop.joined)


def test_a_runs_candidate_becomes_a_release_that_serves(judged_shop: Shop) -> None:
    before = judged_shop.refs()
    promoted = _promote(judged_shop)
    assert (promoted.version, promoted.tag, promoted.before) == ("v1", "q2pt@v1.0.0", None)
    release = _serving(judged_shop)
    assert (release.run, release.commit, release.by) == ("first", judged_shop.joined.commit, "Airflow run first")
    assert (release.variant, release.locales, release.judged_against) == ("unified_aware", LOCALES, None)
    assert release.figures == {"micro_recall": 0.5, "macro_recall": None}
    assert release.last_day == "2026-06-30"
    (checkpoint,) = release.checkpoints
    assert checkpoint.model == judged_shop.entries["train_unified@unified_aware"]["outs"][0]["md5"]
    assert set(judged_shop.refs()) - set(before) == {
        "refs/heads/production",
        "refs/tags/q2pt@v1.0.0",
        "refs/tags/q2pt#prod#1",
    }


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
        assert champion.version == "v1"
        model_of = champion_folder(clone, champion)
        text = (model_of("fr-BE") or Path()).joinpath("night.txt").read_text()
        serves_others = model_of("sv-SE") is not None
    name = candidate if candidate == "unified_aware" else "fr-BE"
    assert (text.splitlines()[0], serves_others) == (name, candidate == "unified_aware")


def test_a_second_promotion_follows_the_first(promoted_shop: Shop) -> None:
    promoted_shop.commit(name="second\n")
    promoted_shop.night("second")
    assert _promote(promoted_shop).version == "v2"
    release = _serving(promoted_shop)
    assert (release.commit, release.judged_against) == (promoted_shop.joined.commit, "v1")


def test_a_store_stays_on_the_champions_checkpoint_where_the_gate_says_so(promoted_shop: Shop) -> None:
    kept = json.loads(verdict()) | {"kept_locales": ["fr-BE"]}
    promoted_shop.commit(name="second\n", verdict=json.dumps(kept))
    before = _serving(promoted_shop)
    promoted_shop.night("second")
    _promote(promoted_shop)
    release = _serving(promoted_shop)
    model = promoted_shop.entries["train_unified@unified_aware"]["outs"][0]["md5"]
    assert {locale: one.model for locale in LOCALES if (one := release.checkpoint_of(locale))} == {
        "en-US": model,
        "fr-BE": before.checkpoints[0].model,
    }


def test_promoting_a_run_twice_promotes_it_once(promoted_shop: Shop) -> None:
    before = promoted_shop.refs()
    promoted = _promote(promoted_shop)
    assert (promoted.version, promoted.hash) == ("v1", _serving(promoted_shop).hash)
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


@pytest.mark.chaos("clock-moved-back")
def test_a_run_whose_clock_hides_the_newest_days_does_not_replace_a_model_that_knows_them(promoted_shop: Shop) -> None:
    # To such a clock these days are still to come.
    promoted_shop.commit_params({"ingest.synthetic.last_day": "2026-06-27"})
    promoted_shop.commit(name="second\n")
    plan, _ = promoted_shop.night("second")
    assert plan.may_promote
    before = promoted_shop.refs()
    with pytest.raises(
        PromotionRefusedError, match="ends on 2026-06-27, and v1 in production learned up to 2026-06-30"
    ):
        _promote(promoted_shop)
    assert promoted_shop.refs() == before


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


def test_a_release_says_where_its_files_are(judged_shop: Shop, tmp_path: Path) -> None:
    settings = replace(judged_shop.settings, dvc_remote=str(tmp_path / "remote"))
    promote(settings, judged_shop.plan, judged_shop.joined)
    assert _serving(judged_shop).store == Store(str(tmp_path / "remote"))
    shutil.rmtree(judged_shop.settings.dvc_cache)
    folder = open_release("prod", judged_shop.settings.git_remote, tmp_path / "empty").checkpoint_of("fr-BE")
    assert folder is not None
    assert (folder / "night.txt").read_text().startswith("unified_aware")


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


def test_the_child_process_speaks_json(judged_shop: Shop) -> None:
    joined = {"commit": judged_shop.joined.commit, "complete": True, "missing": []}
    request = json.loads(json.dumps({"plan": judged_shop.plan.to_json(), "joined": joined}))
    answer = run(judged_shop.settings, request)
    assert answer == {"version": "v1", "tag": "q2pt@v1.0.0", "hash": _serving(judged_shop).hash, "before": None}


@pytest.mark.slow
def test_a_rollback_is_told_to_the_next_run(promoted_shop: Shop) -> None:
    promoted_shop.commit(name="second\n")
    promoted_shop.night("second")
    _promote(promoted_shop)
    answer = rollback.run(promoted_shop.settings, {"version": None, "why": "complaints", "by": "Ada in Airflow run r"})
    assert (answer["version"], answer["before"]) == ("v1", "v2")
    plan = promoted_shop.configure("third")
    assert json.loads(promoted_shop.show(plan.commit, "champion.json"))["version"] == "v1"
    promoted_shop.night("fourth")
    with pytest.raises(PromotionRefusedError, match="this model served as v2 until Ada in Airflow run r rolled it"):
        _promote(promoted_shop)


def test_without_a_remote_the_cache_is_the_store_and_has_no_endpoint(judged_shop: Shop) -> None:
    settings = replace(judged_shop.settings, dvc_remote=None, dvc_remote_endpoint="http://store:7070")
    assert store_of(settings) == Store(str(settings.dvc_cache))
    remote = replace(settings, dvc_remote="s3://bucket/data")
    assert store_of(remote) == Store("s3://bucket/data", "http://store:7070")
