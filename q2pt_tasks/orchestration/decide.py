"""The task after join: what follows the gate's decision, nothing, a person's approval or the promotion.

The gate judges models. Whether its yes may be followed in this run is the plan's to say.
"""

from collections.abc import Mapping
from contextlib import chdir
from dataclasses import asdict, dataclass
from typing import Any, Literal

from dvc.repo import Repo
from pydantic import TypeAdapter

from q2pt_tasks.orchestration.branches import LOCK
from q2pt_tasks.orchestration.clone import private_clone
from q2pt_tasks.orchestration.decision_file import Decision, Rule, read_decision
from q2pt_tasks.orchestration.join import Joined
from q2pt_tasks.orchestration.lock import read_lock
from q2pt_tasks.orchestration.plan import RunPlan
from q2pt_tasks.orchestration.remote import open_store
from q2pt_tasks.orchestration.settings import Settings
from q2pt_tasks.plain_text import in_markdown

# The tasks that may follow, by their ids.
Step = Literal["approval", "promote"]
# The rule of the gate that says that no night has been promoted for long.
OVERDUE = "stale"


class RunIncompleteError(RuntimeError):
    """The run's commit does not hold all of the run."""


@dataclass(frozen=True)
class Verdict:
    """What follows the decision.

    Attributes:
        step: the next task; None where none follows.
        sentence: why.
        page: the decision in Markdown, for the person who approves.
        alert: what the owner is told; empty where nothing is.
    """

    step: Step | None
    sentence: str
    page: str
    alert: str = ""


def run(settings: Settings, request: Mapping[str, Any]) -> dict[str, Any]:
    """The child process of the task: reads the decision of the commit that join made.

    Raises:
        GitError: the remote cannot be reached, or does not have the commit.
        RunIncompleteError: stages were missing when join ran.
        MissingObjectError: the decision is not in the store.
        DamagedCacheError: it is there with another content.
    """
    joined = TypeAdapter(Joined).validate_python(request["joined"])
    if not joined.complete:
        raise RunIncompleteError(
            f"when join ran, {', '.join(joined.missing)} had not ended: clear join with those after it, which records "
            "what is there by now"
        )
    with private_clone(settings, joined.commit) as clone, chdir(clone), Repo() as repo:
        decision = read_decision(read_lock(clone / LOCK), open_store(settings, repo))
    return asdict(decide(RunPlan.from_json(request["plan"]), decision))


def decide(plan: RunPlan, decision: Decision) -> Verdict:
    """What follows `decision` in the run of `plan`."""
    page = _page(plan, decision)
    if not decision.promote:
        return Verdict(None, f"The gate says no. {decision.sentence}", page, _alert(decision))
    if not plan.may_promote:
        return Verdict(None, f"The gate says yes; not promoted: {plan.why_not_promote}.", page)
    if plan.approval:
        return Verdict("approval", f"The gate says yes; a person is asked. {decision.sentence}", page)
    return Verdict("promote", f"The gate says yes. {decision.sentence}", page)


def _alert(decision: Decision) -> str:
    """Nights that the gate refused for long."""
    return " ".join(rule.sentence for rule in decision.rules if rule.name == OVERDUE and not rule.passed)


def _page(plan: RunPlan, decision: Decision) -> str:
    rows = [f"| {rule.name} | {_passed(rule)} | {in_markdown(rule.sentence)} |" for rule in decision.rules]
    table = ["| rule | passed | what it saw |", "|---|---|---|", *rows]
    return "\n".join(
        [
            in_markdown(decision.sentence),
            "",
            *table,
            "",
            f"Run {in_markdown(plan.run_id)}, commit `{plan.commit[:12]}`.",
        ]
    )


def _passed(rule: Rule) -> str:
    if rule.passed:
        return "yes"
    return "no" if rule.severity == "block" else "warning"
