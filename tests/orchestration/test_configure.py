"""The first task of a run, with real git and real DVC: the run's commit, what it refuses, and the plan."""

import json
import os
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from night_repository import LOCALES, NEWEST, PIPELINE, RENDERED, TRAININGS, UPSTREAM, Shop

from q2pt_tasks.git import GitError, run_git
from q2pt_tasks.orchestration.configure import GraphDiffersError, run
from q2pt_tasks.orchestration.form import FormError
from q2pt_tasks.orchestration.lock import read_lock
from q2pt_tasks.orchestration.plan import RunPlan
from q2pt_tasks.params import ParamsError, read_section


def _params(shop: Shop, revision: str, section: str, kind: Any) -> Any:  # noqa: ANN401 - YAML
    file = shop.settings.work_dir.parent / "params-of-a-run.yaml"
    file.write_text(shop.show(revision, "params.yaml"))
    return read_section(file, section, kind)


def _last_day(shop: Shop, revision: str) -> str | None:
    day = _params(shop, revision, "ingest", dict[str, Any])["last_day"]
    assert json.loads(shop.show(revision, "data/source.json"))["last_day"] == (day or NEWEST)
    return None if day is None else str(day)


def test_a_first_run_is_a_commit_on_a_branch_of_its_own(new_shop: Shop) -> None:
    before = new_shop.refs()
    plan = new_shop.configure("manual__2026-11-22T10:00:00+00:00", why="A first try.")
    assert new_shop.refs() == {**before, f"refs/heads/{plan.branch}": plan.commit}
    assert run_git(new_shop.remote, "rev-parse", f"{plan.commit}^") == new_shop.tip("main")
    assert run_git(new_shop.remote, "log", "-1", "--format=%an: %B", plan.commit).strip() == (
        "q2pt: Run manual__2026-11-22T10:00:00+00:00\n\nA first try."
    )
    assert (plan.addresses, plan.skipped, plan.unchanged, plan.last) == (RENDERED, (), {}, {})
    assert (plan.force, plan.approval, plan.may_promote, plan.why_not_promote) == (False, False, True, "")
    assert plan.summary == (
        "Source synthetic, 0 files of 0.0 MiB; the window's last day is 2026-06-30. Encoder scratch, 0 local files. "
        "No judgements. 2 of 2 locales, 2 of 2 unified variants. 0 of 8 stages are unchanged. "
        "Promotion is up to the gate."
    )
    assert list(new_shop.settings.work_dir.glob("clones/*-*")) == [], "the clone is gone"


def test_an_empty_form_leaves_the_params_as_committed(new_shop: Shop) -> None:
    plan = new_shop.configure()
    assert new_shop.show(plan.commit, "params.yaml") == new_shop.show("main", "params.yaml")


def test_the_form_changes_the_params_of_the_run_alone_and_keeps_their_comments(new_shop: Shop) -> None:
    plan = new_shop.configure(locales=["fr-BE"], variants=["unified_aware"], epochs=2, force=True, approval=True)
    lines = run_git(new_shop.remote, "diff", "--unified=0", "main", plan.commit, "--", "params.yaml").splitlines()
    changed = [line for line in lines if line[0] in "+-" and line[:3] not in ("+++", "---")]
    assert [line.partition(":")[0] for line in changed] == [
        "-  - en-US",
        "-  - unified_agnostic",
        *("-    max_epochs", "+    max_epochs") * 2,
    ]
    assert (plan.force, plan.approval) == (True, True)


def test_a_night_on_which_nothing_is_new_sweeps_what_earlier_ones_remembered_too_long_ago(
    judged_shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, young = (tmp_path / "state/days" / (letter * 64) / "rows.parquet" for letter in "ab")
    for file in (old, young):
        file.parent.mkdir(parents=True)
        file.write_text("queries")
    os.utime(old, (0, 0))
    monkeypatch.setenv("Q2PT_STATE_DIR", str(tmp_path / "state"))
    assert "ingest" in judged_shop.configure("second").unchanged
    assert [old.exists(), young.exists()] == [False, True]


@pytest.mark.parametrize(
    "form",
    [
        {"encoder": "scratch", "promote": True},
        {"epochs": 1},
        {"variants": ["unified_aware"], "promote": True},
        {"last_day": "2026-06-28", "promote": True, "approval": False},
        {"force": True},
    ],
)
def test_who_changes_a_run_does_not_choose_whether_somebody_approves_it(new_shop: Shop, form: dict[str, Any]) -> None:
    new_shop.settings = replace(new_shop.settings, approval_required=True)
    assert new_shop.configure(**form).approval


def test_a_night_as_committed_is_not_approved_by_a_person(new_shop: Shop) -> None:
    new_shop.settings = replace(new_shop.settings, approval_required=True)
    assert not new_shop.configure("scheduled", at=datetime(2026, 7, 9, 2, tzinfo=UTC)).approval
    assert not new_shop.configure("by hand", why="the night was down").approval


def test_what_the_form_leaves_out_is_skipped_and_not_promoted(new_shop: Shop) -> None:
    plan = new_shop.configure(locales=["fr-BE"], variants=["unified_aware"])
    assert plan.addresses == (
        "ingest",
        "encoder",
        "train_unified@unified_aware",
        "train_non_unified@fr-BE",
        "evaluate",
        "gate",
    )
    assert plan.skipped == ("train_unified@unified_agnostic", "train_non_unified@en-US")
    assert not plan.may_promote
    assert "the locales en-US; it leaves out the variants unified_agnostic" in plan.why_not_promote
    assert new_shop.configure("asked", locales=["fr-BE"], promote=True).may_promote


@pytest.mark.parametrize("value", ["; rm -rf /", "$(touch hacked)", "--force", "../../x", "en-US\nfr-BE", "de-DE"])
def test_a_locale_that_is_not_committed_is_refused_and_nothing_is_pushed(new_shop: Shop, value: str) -> None:
    before = new_shop.refs()
    with pytest.raises(FormError, match="the form's locales"):
        new_shop.configure(locales=["en-US", value])
    assert new_shop.refs() == before


def test_a_reason_arrives_as_plain_text(new_shop: Shop, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    why = "--force\n; rm -rf /\n$(touch hacked)\n`touch hacked`\n../../x\n-F/etc/passwd\n# no comment\n| touch hacked"
    plan = new_shop.configure(why=why)
    assert run_git(new_shop.remote, "log", "-1", "--format=%b", plan.commit).strip() == why
    assert list(tmp_path.rglob("hacked")) == []


def test_run_ids_that_differ_in_signs_alone_have_branches_of_their_own(new_shop: Shop) -> None:
    ids = [f"scheduled__2026-11-22T02:00:00{zone}" for zone in ("+00:00", "-00:00", "")] + ["a/../b"]
    branches = {new_shop.configure(run_id).branch for run_id in ids}
    assert len(branches) == len(ids)
    assert {f"refs/heads/{branch}" for branch in branches} < set(new_shop.refs())


def test_a_second_try_of_the_same_run_takes_the_place_of_the_first(new_shop: Shop) -> None:
    new_shop.configure(why="first")
    plan = new_shop.configure(why="second")
    assert new_shop.tip(plan.branch) == plan.commit


@pytest.mark.parametrize(
    ("form", "at", "day", "past"),
    [
        (None, None, None, False),
        (None, datetime(2026, 6, 27, 2, tzinfo=UTC), "2026-06-27", True),
        (None, datetime(2026, 7, 9, 2, tzinfo=UTC), None, False),
        ("2026-06-28", datetime(2026, 6, 27, 2, tzinfo=UTC), "2026-06-28", True),
    ],
)
def test_the_window_ends_with_the_form_the_logical_date_or_the_newest_day(
    new_shop: Shop, form: str | None, at: datetime | None, day: str | None, past: bool
) -> None:
    plan = new_shop.configure(at=at, last_day=form)
    assert _last_day(new_shop, plan.commit) == day
    assert ("its window ends on" in plan.why_not_promote) == past == (not plan.may_promote)


def test_a_day_that_is_committed_holds_for_every_run_and_the_forms_for_one(new_shop: Shop) -> None:
    new_shop.commit_params({"ingest.last_day": "2026-06-25"})
    at = datetime(2026, 6, 27, 2, tzinfo=UTC)
    assert _last_day(new_shop, new_shop.configure(at=at).commit) == "2026-06-25"
    assert _last_day(new_shop, new_shop.configure(at=at, last_day="2026-06-28").commit) == "2026-06-28"
    assert _last_day(new_shop, new_shop.configure(at=at, last_day="2026-06-30").commit) == "2026-06-30"


def test_a_day_that_is_not_there_yet_is_refused(new_shop: Shop) -> None:
    with pytest.raises(FormError, match="newest complete day of the source is 2026-06-30"):
        new_shop.configure(last_day="2026-07-01")


def test_a_commit_with_stages_that_the_dag_lacks_is_refused_with_both_sides(new_shop: Shop) -> None:
    new_shop.commit_params({"locales": [*LOCALES, "de-DE"]})
    before = new_shop.refs()
    with pytest.raises(GraphDiffersError, match=r"has train_non_unified@de-DE, .* DAG has no tasks; it has ingest, "):
        new_shop.configure()
    assert new_shop.refs() == before


def test_a_commit_with_other_edges_between_the_same_stages_is_refused(new_shop: Shop) -> None:
    new_shop.commit(pipeline=PIPELINE.replace("deps: [gate.py, metrics/summary.json", "deps: [gate.py, data/raw"))
    before = new_shop.refs()
    with pytest.raises(GraphDiffersError, match="gate comes after ingest, in the DAG after evaluate: bring"):
        new_shop.configure()
    assert new_shop.refs() == before


def test_nothing_new_leaves_nothing_to_run(judged_shop: Shop) -> None:
    plan = judged_shop.configure("second")
    assert plan.unchanged == plan.last == judged_shop.entries
    assert read_lock_of(judged_shop, plan) == judged_shop.entries
    assert "8 of 8 stages are unchanged" in plan.summary


def read_lock_of(shop: Shop, plan: RunPlan) -> dict[str, Any]:
    file = shop.settings.work_dir.parent / "lock-of-a-run"
    file.write_text(shop.show(plan.commit, "dvc.lock"))
    return read_lock(file)


def test_a_changed_param_leaves_what_does_not_depend_on_it(judged_shop: Shop) -> None:
    judged_shop.commit_params({"train_non_unified.min_train_rows": 21})
    assert set(judged_shop.configure("second").unchanged) == {"ingest", "encoder", *TRAININGS[:2]}


def test_another_day_leaves_nothing_but_the_encoder_unchanged(judged_shop: Shop) -> None:
    plan = judged_shop.configure("second", last_day="2026-06-29")
    assert set(plan.unchanged) == {"encoder"}
    assert set(plan.last) == set(RENDERED)


def test_force_runs_what_is_unchanged(judged_shop: Shop) -> None:
    plan = judged_shop.configure("second", force=True)
    assert (plan.unchanged, plan.force) == ({}, True)


def test_a_stage_whose_output_the_store_has_lost_is_not_unchanged(judged_shop: Shop) -> None:
    (model,) = judged_shop.entries["train_unified@unified_aware"]["outs"]
    (judged_shop.settings.dvc_cache / "files/md5" / model["md5"][:2] / model["md5"][2:]).unlink()
    lost = {"train_unified@unified_aware"}
    assert set(judged_shop.configure("second").unchanged) == {"ingest", "encoder", *TRAININGS} - lost


def test_a_narrowed_run_keeps_the_entries_of_its_own_stages(judged_shop: Shop) -> None:
    plan = judged_shop.configure("second", locales=["fr-BE"])
    assert "train_non_unified@en-US" not in {*plan.last, *plan.addresses, *read_lock_of(judged_shop, plan)}
    assert "train_non_unified@fr-BE" in plan.last


def test_the_model_in_production_is_the_next_runs_champion(promoted_shop: Shop) -> None:
    plan = promoted_shop.configure("second")
    named = promoted_shop.show(plan.commit, "champion.json")
    assert named == promoted_shop.show("q2pt#prod#1", "release.json")
    assert json.loads(named)["version"] == "v1"
    assert set(plan.unchanged) == {"ingest", "encoder", *TRAININGS}, "evaluate has another champion"


def test_a_champion_that_is_committed_serves_until_the_first_promotion(new_shop: Shop) -> None:
    new_shop.commit(champion=json.dumps({"version": "mine", "hash": "0a", "path": "champion", "locales": ["nl-NL"]}))
    plan = new_shop.configure(promote=True)
    assert json.loads(new_shop.show(plan.commit, "champion.json"))["version"] == "mine"
    assert "the champion serves nl-NL" in plan.why_not_promote


def test_a_run_without_a_store_of_the_champion_never_promotes(promoted_shop: Shop) -> None:
    plan = promoted_shop.configure("second", locales=["fr-BE"], promote=True)
    assert not plan.may_promote
    assert "the champion serves en-US, which this run does not train" in plan.why_not_promote


@pytest.mark.chaos("git-remote-refuses")
def test_a_remote_that_refuses_leaves_no_run(new_shop: Shop) -> None:
    new_shop.refuse_pushes()
    before = new_shop.refs()
    with pytest.raises(GitError, match="git push failed"):
        new_shop.configure()
    assert new_shop.refs() == before


def test_a_missing_main_branch_is_named(new_shop: Shop) -> None:
    run_git(new_shop.remote, "update-ref", "-d", "refs/heads/main")
    with pytest.raises(GitError, match="has no branch main"):
        new_shop.configure()


def test_the_child_process_speaks_json(new_shop: Shop) -> None:
    request = {"run_id": "a", "logical_date": None, "form": {"epochs": 2}, "rendered": UPSTREAM}
    answer = json.loads(json.dumps(run(new_shop.settings, request)))
    assert RunPlan.from_json(answer).addresses == RENDERED


def test_a_slip_in_the_section_of_a_late_stage_is_found_before_anything_is_pushed(new_shop: Shop) -> None:
    slip = new_shop.show("main", "params.yaml").replace("  forward_tolerance:", "  forward_tolerence:")
    new_shop.commit(**{"params.yaml": slip})
    before = new_shop.refs()
    with pytest.raises(ParamsError, match=r"unknown key 'gate\.forward_tolerence'"):
        new_shop.configure()
    assert new_shop.refs() == before
