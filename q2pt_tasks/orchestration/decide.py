"""The task after join: what follows the gate's decision, nothing, a person's approval or the promotion.

The gate judges models. Whether its yes may be followed in this run is the plan's to say.
"""

from collections.abc import Mapping
from contextlib import chdir
from dataclasses import asdict, dataclass
from typing import Any, Literal

from dvc.repo import Repo
from pydantic import TypeAdapter

from q2pt_tasks.layout import Layout
from q2pt_tasks.orchestration.branches import LOCK
from q2pt_tasks.orchestration.clone import private_clone
from q2pt_tasks.orchestration.lock import read_lock
from q2pt_tasks.orchestration.plan import RunPlan
from q2pt_tasks.orchestration.remote import open_store
from q2pt_tasks.orchestration.settings import Settings

# The tasks that may follow, by their ids.
Step = Literal["approval", "promote"]


@dataclass(frozen=True)
class Rule:
    """One rule of the gate; its figures are in its sentence."""

    name: str
    passed: bool
    sentence: str


@dataclass(frozen=True)
class Decision:
    """What a person wants to know of `reports/decision.json`; the file holds more."""

    promote: bool
    sentence: str
    rules: tuple[Rule, ...]


@dataclass(frozen=True)
class Verdict:
    """What follows the decision.

    Attributes:
        step: the next task; None where none follows.
        sentence: why.
        page: the decision in Markdown, for the person who approves.
    """

    step: Step | None
    sentence: str
    page: str


def run(settings: Settings, request: Mapping[str, Any]) -> dict[str, Any]:
    """The child process of the task: reads the decision of the commit that join made."""
    decision = read_decision(settings, request["joined"]["commit"])
    return asdict(decide(RunPlan.from_json(request["plan"]), decision))


def read_decision(settings: Settings, commit: str) -> Decision:
    """The decision of a complete run, by its joined commit.

    Raises:
        GitError: the remote cannot be reached, or does not have the commit.
        MissingObjectError: the decision is not in the store.
        DamagedCacheError: it is there with another content.
    """
    path = Layout().decision.as_posix()
    with private_clone(settings, commit) as clone, chdir(clone), Repo() as repo:
        outs = (out for entry in read_lock(clone / LOCK).values() for out in entry.get("outs", []))
        (md5,) = (out["md5"] for out in outs if out["path"] == path)
        store = open_store(settings, repo)
        store.fetch({path: md5})
        store.check(store.path(md5), md5)
        return TypeAdapter(Decision).validate_json(store.path(md5).read_bytes())


def decide(plan: RunPlan, decision: Decision) -> Verdict:
    """What follows `decision` in the run of `plan`."""
    page = _page(plan, decision)
    if not decision.promote:
        return Verdict(None, f"The gate says no. {decision.sentence}", page)
    if not plan.may_promote:
        return Verdict(None, f"The gate says yes; not promoted: {plan.why_not_promote}.", page)
    if plan.approval:
        return Verdict("approval", f"The gate says yes; a person is asked. {decision.sentence}", page)
    return Verdict("promote", f"The gate says yes. {decision.sentence}", page)


def _page(plan: RunPlan, decision: Decision) -> str:
    rows = [f"| {rule.name} | {'yes' if rule.passed else 'no'} | {_cell(rule.sentence)} |" for rule in decision.rules]
    table = ["| rule | passed | what it saw |", "|---|---|---|", *rows]
    return "\n".join(
        [_cell(decision.sentence), "", *table, "", f"Run {_cell(plan.run_id)}, commit `{plan.commit[:12]}`."]
    )


def _cell(text: str) -> str:
    """Text that stays in its cell of a table."""
    return " ".join(text.split()).replace("|", "\\|")
