"""Nights of the tiny pipeline under the server of `make airflow`, driven through its REST API."""

import os
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from airflow_api import RETRAINING, WAITING, Airflow, Run
from airflow_local import LocalAirflow, local_airflow, local_remote
from tiny import LOCALES

from q2pt_tasks.git import run_git
from q2pt_tasks.orchestration.local import Place
from q2pt_tasks.registry.history import Move
from q2pt_tasks.registry.promotion import retire
from q2pt_tasks.registry.repository import open_registry
from q2pt_tasks.registry.tags import PROD

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


def run_nights(folder: Path) -> Nights:
    """All runs of one server that lives in `folder`."""
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
        approved = api.trigger({"approval": True, "why": aimed(WHY, marker)})
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
    texts = [aimed(text, marker) for text in ATTACKS]
    plain = [{field: text} for field in ("encoder", "last_day") for text in texts]
    lists = [{field: [text]} for field in ("locales", "variants") for text in texts]
    others: list[dict[str, Any]] = [{"encoder": "e5\n"}, {"last_day": "2026-06-30\n"}, {"epochs": "2; touch MARKER"}]
    return [*plain, *lists, *others]


def aimed(text: str, marker: Path) -> str:
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
    return Night(api.run(run_id), api.states(run_id), plan, joined, verdict, champion_refs(server.remote))


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


def champion_refs(remote: Path) -> dict[str, str]:
    patterns = ("refs/heads/production", "refs/tags")
    listed = run_git(remote, "for-each-ref", "--format=%(refname) %(objectname)", *patterns)
    return dict(line.split() for line in listed.splitlines())
