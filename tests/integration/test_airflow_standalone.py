"""Nights of the project's own pipeline, tiny, under the server of `make airflow`: only its REST API is asked."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest
from airflow_api import RETRAINING, WAITING, Airflow, Run
from airflow_local import LocalAirflow, local_airflow, local_remote, server_environment
from tiny import LOCALES

from q2pt_tasks.git import run_git
from q2pt_tasks.orchestration.local import Place
from q2pt_tasks.registry.history import Move
from q2pt_tasks.registry.promotion import retire
from q2pt_tasks.registry.repository import open_registry
from q2pt_tasks.registry.tags import PROD

pytestmark = [pytest.mark.slow, pytest.mark.enable_socket, pytest.mark.timeout(2400)]

# Idle, a night with every stage takes one to two minutes.
NIGHT_SECONDS = 1200.0
PRUNE, ROLLBACK = "q2pt_prune", "q2pt_rollback"
# Of an object that nothing names; nothing young is removed.
LONG_AGO = 1_600_000_000
# Long enough to answer on a busy machine, short enough to wait for.
APPROVAL_HOURS = 0.02
# Short trainings, and a gate that says no to their models for their figures on test alone.
CHANGES = {
    "train_unified.scratch.max_epochs": 10,
    "train_non_unified.scratch.max_epochs": 2,
    "gate.precision_tolerance": 0.8,
    "gate.forward_floor": 0.0,
    "gate.floor": 0.99,
}
# The champion's own model, trained again on the same window, is as good as itself.
SAME_MODEL_MAY_PASS = {"gate.margin": 0.0, "gate.training_noise": 0.0, "gate.warn_only": ["different", "spacing"]}
DATA = {"ingest", "encoder", "validate", "label", "split", "tokenize"}
TRAININGS = {
    *(f"train_non_unified.{locale}" for locale in LOCALES),
    *(f"train_unified.unified_{kind}" for kind in ("agnostic", "aware")),
}
JUDGED = {"evaluate", "gate", "report"}
STAGES = DATA | TRAININGS | JUDGED
# What a shell, git, a template or a path could take for more than text; `MARKER` is a file that it would make.
ATTACKS = ("; touch MARKER", "$(touch MARKER)", "`touch MARKER`", "--force", "../../x", "en-US\ntouch MARKER")
WHY_BACK = "shoppers miss the store"
WHY = "; touch MARKER\n$(touch MARKER) `touch MARKER`\n--force ../../x {{ 7 * 7 }} %(id)s"


@dataclass(frozen=True)
class Night:
    """What became of a run.

    Attributes:
        run: as the API has it after its end.
        states: of its tasks.
        plan: what configure answered.
        joined: what join answered.
        verdict: what decide answered.
        champion: the refs of the remote that say what is in production, after the run.
    """

    run: Run
    states: Mapping[str, str]
    plan: Mapping[str, Any]
    joined: Mapping[str, Any]
    verdict: Mapping[str, Any]
    champion: Mapping[str, str]

    @property
    def ran(self) -> set[str]:
        """The stages that were run or restored."""
        assert {self.states[stage] for stage in STAGES} <= {"success", "skipped"}
        return {stage for stage in STAGES if self.states[stage] == "success"}

    @property
    def end(self) -> list[str]:
        """The states of the tasks after join."""
        return [self.states[task] for task in ("decide", "approval", "promote")]


@dataclass(frozen=True)
class Refusal:
    """The server's answer to a form."""

    form: Mapping[str, Any]
    status: int
    text: str


@dataclass(frozen=True)
class Pruned:
    """What became of a run of the DAG that prunes, after all nights.

    Attributes:
        state: of the run.
        log: of its task.
        lost: objects of the cache that were there before it and not after it.
    """

    state: str
    log: str
    lost: Set[Path]


@dataclass(frozen=True)
class Nights:
    """All that was seen, and the place of the server, which has ended.

    Attributes:
        place: the checkout and all that the server left.
        marker: the file that an attack would have made.
        refusals: of forms that are an attack.
        queued: the states of the first three runs while the first one was running.
        after_refusals: ids of all runs right after the attacks.
        refused: the first night, which the schedule started; its gate said no.
        approved: the same with another floor, approved by a person.
        again: the same again, against the champion that it has made.
        third: the same for the third time.
        lost: the third night after the report was lost from the cache, and gate with all after it was cleared.
        planned_again: the same after configure with all after it was cleared.
        rejected: with another margin, rejected by a person.
        expired: the same, not answered.
        stray: an old object in the cache that nothing names.
        no_form: the server's answer to a form of the DAG that prunes.
        shown: a run of that DAG as the page offers it.
        removed: one whose form says to remove.
        history: the moves of production after all this, a store's retirement and a rollback by the DAG.
    """

    place: Place
    marker: Path
    refusals: tuple[Refusal, ...]
    after_refusals: tuple[str, ...]
    queued: tuple[str, ...]
    refused: Night
    approved: Night
    again: Night
    third: Night
    lost: Night
    planned_again: Night
    rejected: Night
    expired: Night
    stray: Path
    no_form: Refusal
    shown: Pruned
    removed: Pruned
    history: Sequence[Move]


@pytest.fixture(scope="module")
def nights(tmp_path_factory: pytest.TempPathFactory) -> Nights:
    """All runs of one server."""
    folder = tmp_path_factory.mktemp("airflow")
    marker = folder / "marker"
    told = {"Q2PT_APPROVAL_HOURS": str(APPROVAL_HOURS), "Q2PT_PRUNE_REGISTRIES": str(local_remote(folder))}
    with local_airflow(folder, CHANGES, told) as server:
        api = server.api
        first = api.scheduled_run(NIGHT_SECONDS)
        refusals = tuple(_refusal(api, form) for form in attacks(marker))
        after_refusals = tuple(run.id for run in api.runs())
        api.wait_for_task(first, "configure", "success", NIGHT_SECONDS)
        # The first run has its commit; those after it start from this one.
        server.commit_params({"gate.floor": 0.0})
        approved = api.trigger({"approval": True, "why": _aimed(WHY, marker)})
        again = api.trigger({})
        queued = tuple(api.run(run_id).state for run_id in (first, approved, again))
        refused_night = _finish(server, first)
        approved_night = _answer(server, approved, "Approve")
        again_night = _finish(server, again)
        third = _finish(server, api.trigger({}))
        _lose(server.place, third.plan["unchanged"]["report"]["outs"][0]["md5"])
        lost = _clear(server, third.run.id, "gate")
        planned_again = _clear(server, third.run.id, "configure")
        server.commit_params(SAME_MODEL_MAY_PASS)
        rejected = _answer(server, api.trigger({"approval": True}), "Reject")
        expired = _finish(server, api.trigger({"approval": True}))
        stray = make_stray(server)
        no_form = _refusal(api, {"remove": "; touch MARKER"}, PRUNE)
        shown, removed = (prune(server, form) for form in ({}, {"remove": True}))
        history = roll_back(server)
    return Nights(
        place=server.place,
        marker=marker,
        refusals=refusals,
        after_refusals=after_refusals,
        queued=queued,
        refused=refused_night,
        approved=approved_night,
        again=again_night,
        third=third,
        lost=lost,
        planned_again=planned_again,
        rejected=rejected,
        expired=expired,
        stray=stray,
        no_form=no_form,
        shown=shown,
        removed=removed,
        history=history,
    )


def attacks(marker: Path) -> list[dict[str, Any]]:
    """Forms with an attack in one field."""
    texts = [_aimed(text, marker) for text in ATTACKS]
    plain = [{field: text} for field in ("encoder", "last_day") for text in texts]
    lists = [{field: [text]} for field in ("locales", "variants") for text in texts]
    others: list[dict[str, Any]] = [{"encoder": "e5\n"}, {"last_day": "2026-06-30\n"}, {"epochs": "2; touch MARKER"}]
    return [*plain, *lists, *others]


def _aimed(text: str, marker: Path) -> str:
    return text.replace("MARKER", str(marker))


def _refusal(api: Airflow, form: Mapping[str, Any], dag: str = RETRAINING) -> Refusal:
    with pytest.raises(httpx.HTTPStatusError) as caught:
        api.trigger(form, dag)
    return Refusal(form, caught.value.response.status_code, caught.value.response.text)


def _answer(server: LocalAirflow, run_id: str, option: str) -> Night:
    server.api.wait_for_task(run_id, "approval", WAITING, NIGHT_SECONDS)
    server.api.answer(run_id, "approval", option)
    return _finish(server, run_id)


def _finish(server: LocalAirflow, run_id: str) -> Night:
    api = server.api
    assert api.wait_for_run(run_id, NIGHT_SECONDS) == "success", api.states(run_id)
    plan, joined, verdict = (api.result(run_id, task) for task in ("configure", "join", "decide"))
    return Night(api.run(run_id), api.states(run_id), plan, joined, verdict, _champion(server.remote))


def _lose(place: Place, md5: str) -> None:
    """Takes an object out of the cache."""
    (Path(place.variables()["Q2PT_DVC_CACHE"]) / "files/md5" / md5[:2] / md5[2:]).unlink()


def _clear(server: LocalAirflow, run_id: str, task_id: str) -> Night:
    server.api.clear(run_id, task_id)
    return _finish(server, run_id)


def make_stray(server: LocalAirflow) -> Path:
    """An object that nothing names, in a cache of which all is old."""
    cache = Path(server.place.variables()["Q2PT_DVC_CACHE"])
    stray = cache / "files/md5/00" / ("1" * 30)
    stray.parent.mkdir(parents=True, exist_ok=True)
    stray.write_text("of nobody")
    for path in cache.rglob("*"):
        os.utime(path, (LONG_AGO, LONG_AGO))
    return stray


def prune(server: LocalAirflow, form: Mapping[str, Any]) -> Pruned:
    """A run of the DAG that prunes."""
    cache = Path(server.place.variables()["Q2PT_DVC_CACHE"])
    before = _objects(cache)
    run_id = server.api.trigger(form, PRUNE)
    state = server.api.wait_for_run(run_id, NIGHT_SECONDS, PRUNE)
    return Pruned(state, server.api.log(run_id, "prune", PRUNE), before - _objects(cache))


def roll_back(server: LocalAirflow) -> Sequence[Move]:
    """A release that takes a store away, and then the DAG that brings the one before it back, approved by a person."""
    with open_registry(str(server.remote)) as registry:
        retire(registry, LOCALES[-1], "ada@desk", "the store has closed", datetime.now(UTC))
        run_id = server.api.trigger({"why": WHY_BACK}, ROLLBACK)
        server.api.wait_for_task(run_id, "approval", WAITING, NIGHT_SECONDS, ROLLBACK)
        server.api.answer(run_id, "approval", "Approve", ROLLBACK)
        assert server.api.wait_for_run(run_id, NIGHT_SECONDS, ROLLBACK) == "success"
        return registry.moves(registry.refs(), PROD)


def _objects(cache: Path) -> set[Path]:
    return {path for path in (cache / "files").rglob("*") if path.is_file()}


def _champion(remote: Path) -> dict[str, str]:
    patterns = ("refs/heads/production", "refs/tags")
    listed = run_git(remote, "for-each-ref", "--format=%(refname) %(objectname)", *patterns)
    return dict(line.split() for line in listed.splitlines())


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
    assert message.strip() == f"Run {nights.approved.run.id}\n\n{_aimed(WHY, nights.marker)}"
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
    before, champion = _run_branches(place.remote), _champion(place.remote)
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
    assert _champion(place.remote) == champion
    _check_reproducible(place, branch, tmp_path / "clean")


def _run_branches(remote: Path) -> set[str]:
    return set(run_git(remote, "for-each-ref", "--format=%(refname:short)", "refs/heads/run").splitlines())
