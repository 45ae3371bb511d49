"""The stages that have nothing to do in a run: no worker hears of them, Airflow's server marks their tasks skipped.

Other tasks and the pages of the run ask here what a task would have told.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from q2pt_tasks.orchestration.graph import task_id
from q2pt_tasks.orchestration.plan import Entries, Entry

UNCHANGED = "unchanged"
LEFT_OUT = "left out"


@dataclass(frozen=True)
class Idle:
    """What `configure` knows of the stages that need not run.

    Attributes:
        commit: the run's.
        unchanged: entries of those that would make again what they made last time, by address.
        left_out: addresses of those that the run does without.
    """

    commit: str
    unchanged: Entries
    left_out: tuple[str, ...]

    @property
    def tasks(self) -> dict[str, str]:
        """Why each of their tasks is skipped, by its id."""
        known = {task_id(address): UNCHANGED for address in self.unchanged}
        return known | {task_id(address): LEFT_OUT for address in self.left_out}

    def entry_of(self, address: str, told: Mapping[str, Any] | None) -> Entry | None:
        """The lock entry of a stage, idle or not; None where it has none, or not yet.

        Args:
            address: the stage.
            told: what its task has told last, a result or a doubt; None where it has told nothing.
        """
        if address in self.left_out:
            return None
        known = self.unchanged.get(address)
        # The task of an unchanged stage has told something where a person cleared it, so that it looked again, or of
        # another commit, before configure was cleared. That is handed on where nothing else is known: join refuses it.
        if told and (known is None or told.get("commit") == self.commit):
            entry: Entry | None = told["entry"]
            return entry
        return known

    def doubt(self, address: str) -> dict[str, Any]:
        """What the task of an unchanged stage tells before it looks again: there is no entry until it has."""
        return {"commit": self.commit, "address": address, "entry": None}


# Before there is a plan.
NOTHING_KNOWN = Idle("", {}, ())


def read_idle(plan: Mapping[str, Any]) -> Idle:
    """The idle stages of a plan, as `configure` hands it on."""
    return Idle(plan["commit"], plan["unchanged"], tuple(plan["skipped"]))
