"""What a run is asked for, and what `configure` answers: both travel between tasks as JSON."""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from pydantic import ConfigDict, TypeAdapter

from q2pt_tasks.orchestration.form import Form, read_form

Entry = dict[str, Any]
Entries = dict[str, Entry]


@dataclass(frozen=True)
class RunRequest:
    """A run as its trigger describes it.

    Attributes:
        run_id: Airflow's name of the run.
        logical_date: the moment that a scheduled run or a backfill stands for; None for other runs.
        form: what a person asked for.
        rendered: the addresses of the tasks that the DAG has, each with those directly before it.
    """

    run_id: str
    logical_date: datetime | None
    form: Form
    rendered: Mapping[str, tuple[str, ...]]


def read_request(document: Mapping[str, Any]) -> RunRequest:
    """The request of a child process.

    Raises:
        FormError: the form asks for something that a run cannot do.
    """
    logical_date = document["logical_date"]
    return RunRequest(
        run_id=document["run_id"],
        logical_date=None if logical_date is None else datetime.fromisoformat(logical_date),
        form=read_form(document["form"]),
        rendered={address: tuple(upstream) for address, upstream in document["rendered"].items()},
    )


@dataclass(frozen=True, kw_only=True)
class RunPlan:
    """What is the same for all tasks of a run.

    Attributes:
        run_id: Airflow's name of the run.
        commit: what every task clones.
        branch: where it lies in the git remote.
        addresses: the stages of this run, each after those that it depends on.
        skipped: tasks of the DAG that this run has no stage for.
        unchanged: entries of the stages that need not run.
        last: entries of the last complete run, as far as the stages are of this run.
        force: run every stage, whether or not anything changed.
        approval: ask a person before the promotion.
        may_promote: whether a yes of the gate may be followed.
        why_not_promote: why it may not; empty where it may.
        any_window: the form asks to promote, however old the window is.
        summary: the run in sentences.
    """

    __pydantic_config__ = ConfigDict(extra="forbid", strict=True)

    run_id: str
    commit: str
    branch: str
    addresses: tuple[str, ...]
    skipped: tuple[str, ...]
    unchanged: Entries
    last: Entries
    force: bool
    approval: bool
    may_promote: bool
    why_not_promote: str
    any_window: bool
    summary: str

    def to_json(self) -> dict[str, Any]:
        """A document of JSON's own types."""
        document: dict[str, Any] = _PLAN.dump_python(self, mode="json")
        return document

    @staticmethod
    def from_json(document: Mapping[str, Any]) -> "RunPlan":
        return _PLAN.validate_json(json.dumps(document))


_PLAN = TypeAdapter(RunPlan)


@dataclass(frozen=True)
class Scope:
    """What a run learns from and trains."""

    locales: tuple[str, ...]
    variants: tuple[str, ...]
    last_day: date


def why_not_promote(form: Form, whole: Scope, run: Scope, champion_locales: Collection[str]) -> str:
    """Why a yes of the gate must not be followed in this run; empty where it may be.

    Args:
        form: what a person asked for.
        whole: what is committed, up to the newest complete day.
        run: what this run does.
        champion_locales: those that the model in production serves.
    """
    if missing := _without(champion_locales, run.locales):
        return f"the champion serves {missing}, which this run does not train: their shoppers would lose their model"
    if form.promote is False:
        return "the form says not to promote"
    if form.promote:
        return ""
    reasons = []
    if left_out := _without(whole.locales, run.locales):
        reasons.append(f"it leaves out the locales {left_out}")
    if left_out := _without(whole.variants, run.variants):
        reasons.append(f"it leaves out the variants {left_out}")
    if run.last_day < whole.last_day:
        reasons.append(f"its window ends on {run.last_day}, the newest complete day is {whole.last_day}")
    return f"the form does not ask to promote, and {'; '.join(reasons)}" if reasons else ""


def _without(names: Collection[str], others: Collection[str]) -> str:
    return ", ".join(sorted(set(names) - set(others)))
