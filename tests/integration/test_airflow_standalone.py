"""Nights of the project's own pipeline, tiny, under the server of `make airflow`: only its REST API is asked."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from airflow_local import server_environment
from airflow_nights import (
    APPROVAL_HOURS,
    DATA,
    JUDGED,
    STAGES,
    TRAININGS,
    WHY,
    WHY_BACK,
    Night,
    Nights,
    aimed,
    champion_refs,
    run_nights,
)

from q2pt_tasks.git import run_git
from q2pt_tasks.orchestration.local import Place

pytestmark = [pytest.mark.slow, pytest.mark.enable_socket, pytest.mark.timeout(2400)]


@pytest.fixture(scope="module")
def nights(tmp_path_factory: pytest.TempPathFactory) -> Nights:
    return run_nights(tmp_path_factory.mktemp("airflow"))


def test_the_first_night_runs_every_stage_and_the_gate_says_no(
    nights: Nights, record_testsuite_property: Callable[[str, object], None]
) -> None:
    record_testsuite_property("first night, seconds", nights.refused.run.seconds)
    assert nights.refused.ran == STAGES
    assert nights.refused.end == ["success", "skipped", "skipped"]
    assert nights.refused.champion == {}
    assert "The gate says no." in nights.refused.verdict["sentence"]


@pytest.mark.chaos("two-runs")
def test_of_several_runs_at_once_one_runs_and_the_others_queue(nights: Nights) -> None:
    assert nights.queued == ("running", "queued", "queued")
    runs = [night.run for night in (nights.refused, nights.approved, nights.again)]
    for before, after in pairwise(runs):
        assert before.end
        assert after.start
        assert before.end <= after.start


def test_a_changed_param_runs_only_what_depends_on_it(nights: Nights) -> None:
    assert nights.approved.ran == {"gate", "report"}
    assert nights.rejected.ran == {"gate", "report"}


def test_what_a_person_approves_is_in_production(nights: Nights) -> None:
    night = nights.approved
    assert night.end == ["success", "success", "success"]
    assert set(night.champion) == {"refs/heads/production", "refs/tags/q2pt@v1.0.0", "refs/tags/q2pt#prod#1"}
    remote = nights.place.remote
    named = json.loads(run_git(remote, "show", "q2pt#prod#1:release.json"))
    assert (named["version"], named["commit"]) == ("v1", night.joined["commit"])


def test_the_second_night_is_judged_against_the_same_model_and_not_promoted(nights: Nights) -> None:
    night = nights.again
    assert night.ran == JUDGED, "everything up to the trainings is unchanged"
    assert night.end == ["success", "skipped", "skipped"]
    assert "The gate says no." in night.verdict["sentence"]
    assert night.champion == nights.approved.champion
    assert "is the champion's own model" in night.verdict["sentence"]
    # Its own figure against its own: the margin is missing.
    pattern = r"is ([\d.]+), champion v1 ([\d.]+): a difference of ([+-][\d.]+) .*?, needed ([+-][\d.]+) or more"
    figures = re.search(pattern, night.verdict["sentence"])
    assert figures, night.verdict
    assert figures[1] == figures[2]
    assert float(figures[3]) == 0 < float(figures[4])


def test_the_third_night_skips_every_stage(
    nights: Nights, record_testsuite_property: Callable[[str, object], None]
) -> None:
    record_testsuite_property("unchanged night, seconds", nights.third.run.seconds)
    assert nights.third.ran == set()
    assert nights.third.verdict["sentence"] == nights.again.verdict["sentence"]


@pytest.mark.chaos("cache-lost")
def test_a_skipped_stage_that_a_person_clears_looks_again_and_runs_where_its_data_is_lost(nights: Nights) -> None:
    night = nights.lost
    assert night.plan["commit"] == nights.third.plan["commit"]
    assert night.ran == {"report"}, "the gate has looked again, and is unchanged"
    assert night.joined["complete"]
    assert night.end == nights.third.end


def test_a_run_whose_configure_a_person_clears_skips_its_stages_again(nights: Nights) -> None:
    night = nights.planned_again
    assert night.plan["commit"] != nights.third.plan["commit"]
    assert night.ran == set(), "what the report has handed on for the commit before does not count"
    assert night.joined["complete"]
    assert night.end == nights.third.end


def test_a_rejected_candidate_leaves_the_champion(nights: Nights) -> None:
    assert nights.rejected.verdict["step"] == "approval"
    assert nights.rejected.end == ["success", "success", "skipped"]
    assert nights.rejected.champion == nights.approved.champion


def test_an_approval_that_nobody_answers_rejects(nights: Nights) -> None:
    assert nights.expired.ran == set()
    assert nights.expired.verdict["step"] == "approval"
    assert nights.expired.end == ["success", "success", "skipped"]
    assert nights.expired.run.seconds > APPROVAL_HOURS * 3600
    assert nights.expired.champion == nights.approved.champion


@pytest.mark.parametrize("name", ["approved", "again", "planned_again"])
def test_in_a_clean_clone_of_a_night_there_is_nothing_to_do(nights: Nights, tmp_path: Path, name: str) -> None:
    night: Night = getattr(nights, name)
    assert run_git(nights.place.remote, "rev-parse", night.plan["branch"]) == night.joined["commit"]
    _check_reproducible(nights.place, night.plan["branch"], tmp_path / "clean")


def _check_reproducible(place: Place, branch: str, folder: Path) -> None:
    """Whoever has nothing but git and the cache gets a night's data, and DVC finds nothing to do."""
    run_git(folder.parent, "clone", "--quiet", "--branch", branch, str(place.remote), str(folder))
    (folder / ".dvc/config.local").write_text(f"[cache]\n    dir = {place.variables()['Q2PT_DVC_CACHE']}\n")
    assert "Running stage" not in _dvc(folder, "repro", "--pull")
    assert _dvc(folder, "status") == "Data and pipelines are up to date.\n"
    assert run_git(folder, "status", "--porcelain") == ""


def _dvc(clone: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "dvc", *arguments],
        cwd=clone,
        env=server_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_form_that_is_an_attack_is_refused_with_the_fields_name(nights: Nights) -> None:
    assert len(nights.refusals) > 20
    for refusal in nights.refusals:
        (field,) = refusal.form
        assert 400 <= refusal.status < 500, refusal
        assert field in refusal.text, refusal
    assert nights.after_refusals == (nights.refused.run.id,), "no run was made"
    assert not nights.marker.exists()


def test_a_reason_is_text_and_nothing_else(nights: Nights) -> None:
    message = run_git(nights.place.remote, "log", "-1", "--format=%B", nights.approved.plan["commit"])
    assert message.strip() == f"Run {nights.approved.run.id}\n\n{aimed(WHY, nights.marker)}"
    assert not nights.marker.exists()


def test_what_nothing_needs_is_shown_by_one_run_and_removed_by_the_next(nights: Nights) -> None:
    """The nights that are reproduced above are those of the pruned cache."""
    assert (nights.shown.state, nights.removed.state) == ("success", "success")
    for run in (nights.shown, nights.removed):
        assert re.search(r"\.dvc/cache: [\d,]+ objects of [\d.]+ MB", run.log), run.log
    assert "Nothing was removed" in nights.shown.log
    assert "\nRemoved." in nights.removed.log
    assert nights.shown.lost == set()
    assert nights.stray in nights.removed.lost
    assert nights.no_form.status == 400
    assert "remove" in nights.no_form.text


def test_what_a_person_approves_is_rolled_back_with_a_reason_in_the_history(nights: Nights) -> None:
    assert [(move.kind, move.version) for move in nights.history] == [
        ("promotion", "v1"),
        ("promotion", "v2"),
        ("rollback", "v1"),
    ]
    assert nights.history[-1].by.startswith("admin in Airflow run manual")
    assert nights.history[-1].why == WHY_BACK


def test_airflow_dags_test_runs_a_night_of_one_variant_without_a_server(nights: Nights, tmp_path: Path) -> None:
    place, form = nights.place, {"variants": ["unified_aware"]}
    before, champion = _run_branches(place.remote), champion_refs(place.remote)
    done = subprocess.run(
        [sys.executable, "-m", "airflow", "dags", "test", "q2pt_retraining", "--conf", json.dumps(form)],
        cwd=place.checkout,
        env=server_environment(place.variables()),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-5000:]
    (branch,) = _run_branches(place.remote) - before
    log = done.stdout + done.stderr
    left_out = "train_unified.unified_agnostic"
    skipped = re.search(r"Skipped: ([^\n]*\))", log)
    assert skipped, log
    unchanged = {f"{stage} (unchanged)" for stage in (DATA | TRAININGS) - {left_out}}
    assert set(skipped[1].split(", ")) == unchanged | {f"{left_out} (left out)"}
    for address in JUDGED:
        assert f"{address}: ran in" in log
    assert "No promotion: the form does not ask to promote, and it leaves out the variants unified_agnostic." in log
    assert champion_refs(place.remote) == champion
    _check_reproducible(place, branch, tmp_path / "clean")


def _run_branches(remote: Path) -> set[str]:
    return set(run_git(remote, "for-each-ref", "--format=%(refname:short)", "refs/heads/run").splitlines())
