"""The tasks of the DAGs: each runs one command of `python -m q2pt_tasks.orchestration` as a child process.

What tasks tell each other goes through XCom: the plan of `configure`, and of each stage its result with its lock entry.
A stage that `configure` skips tells nothing: its entry is in the plan.
"""

import json
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from airflow.sdk import BaseOperator, Context
from airflow.sdk.bases.xcom import BaseXCom
from airflow.sdk.exceptions import AirflowSkipException, DownstreamTasksSkipped

from q2pt_tasks.orchestration.graph import task_id
from q2pt_tasks.orchestration.idle import Idle, read_idle
from q2pt_tasks.orchestration.plan import Entry
from q2pt_tasks.orchestration.process import Command

CONFIGURE = "configure"
JOIN = "join"
APPROVAL = "approval"
# An answer to it.
APPROVE = "Approve"
# The XCom of a stage that has run, also where it skips itself: a return value is only kept of a task that succeeds.
STAGE = "stage"
# The XCom of a stage that has failed: the pages that it wrote, which say why.
PAGES = "pages"


class NotApprovedError(RuntimeError):
    """A person should have approved, and has not."""


class ChildFailedError(RuntimeError):
    """A child process did not do its work; the message is its own, or how it ended.

    Attributes:
        pages: outputs of a stage that say why, as `dvc.lock` would list them.
    """

    def __init__(self, message: str, pages: Sequence[Mapping[str, str]] = ()) -> None:
        super().__init__(message)
        self.pages = list(pages)


class ChildOperator(BaseOperator):
    """Runs one command: no shell, stdin closed, its own process group, which ends with the task."""

    command: ClassVar[str]
    _child: Command | None = None

    def run_child(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """What the command answers to `request`.

        Raises:
            ChildFailedError: it failed, or was stopped.
        """
        with tempfile.TemporaryDirectory(prefix="q2pt-task-") as folder:
            asked, answered = Path(folder) / "request.json", Path(folder) / "result.json"
            asked.write_text(json.dumps(request), encoding="utf-8")
            arguments = [self.command, "--request", str(asked), "--result", str(answered)]
            self._child = Command(
                [sys.executable, "-m", "q2pt_tasks.orchestration", *arguments],
                on_line=lambda line: self.log.info("%s", line),
                cwd=Path(folder),
                env=os.environ,
            )
            exit_code = self._child.run()
            result: dict[str, Any] = json.loads(answered.read_text(encoding="utf-8")) if answered.exists() else {}
        if exit_code or "error" in result:
            how = f"it ended with exit code {exit_code}" if exit_code >= 0 else f"signal {-exit_code} ended it"
            message = result.get("error") or f"no result: {how}\n" + "\n".join(self._child.last_lines)
            raise ChildFailedError(message, result.get("pages", []))
        return result

    def on_kill(self) -> None:
        if self._child is not None:
            self._child.stop()


class ConfigureOperator(ChildOperator):
    """Makes the run's commit, plans the run, and skips the tasks of stages that have nothing to do.

    Args:
        rendered: the addresses of the stages that the DAG has tasks for, each with those before it.
    """

    command = "configure"

    def __init__(self, *, rendered: Mapping[str, Sequence[str]], **kwargs: Any) -> None:  # noqa: ANN401 - Airflow's own
        super().__init__(**kwargs)
        self.rendered = {address: list(upstream) for address, upstream in rendered.items()}

    def execute(self, context: Context) -> dict[str, Any]:
        plan = self.run_child(self._request(context))
        self.log.info("%s", plan["summary"])
        if tasks := read_idle(plan).tasks:
            self.log.info("Skipped: %s", ", ".join(f"{name} ({why})" for name, why in tasks.items()))
            # The exception ends the task well, but a returned value would be lost.
            context["ti"].xcom_push(key=BaseXCom.XCOM_RETURN_KEY, value=plan)
            raise DownstreamTasksSkipped(tasks=list(tasks))  # type: ignore[no-untyped-call]
        return plan

    def _request(self, context: Context) -> dict[str, Any]:
        logical_date = context["dag_run"].logical_date
        return {
            "run_id": context["run_id"],
            "logical_date": logical_date and logical_date.isoformat(),
            "form": dict(context["params"]),
            "rendered": self.rendered,
        }


class StageOperator(ChildOperator):
    """Runs one stage, where something that it depends on has changed; it is skipped where nothing has.

    Of a stage that `configure` has skipped it only runs when a person clears the task.

    Args:
        address: the stage, as DVC addresses it.
    """

    command = "stage"

    def __init__(self, *, address: str, **kwargs: Any) -> None:  # noqa: ANN401
        super().__init__(**kwargs)
        self.address = address

    def execute(self, context: Context) -> None:
        task = context["ti"]
        plan = task.xcom_pull(task_ids=CONFIGURE)
        idle = read_idle(plan)
        if self.address in idle.left_out:
            raise AirflowSkipException(
                f"{self.address} is not part of this run: the form leaves it out, or it has gone from main"
            )
        if self.address in idle.unchanged:
            # Should the second look fail, the stage must not count as unchanged all the same.
            task.xcom_push(key=STAGE, value=idle.doubt(self.address))
        result = self._run_stage(context, plan)
        # Before the task may be skipped: the stages after it need the entry.
        task.xcom_push(key=STAGE, value=result)
        if result["state"] == "unchanged":
            raise AirflowSkipException(f"{self.address} is unchanged: its outputs are those of an earlier run")
        self.log.info("%s: %s in %.1f s; rows: %s", self.address, result["state"], result["seconds"], result["rows"])

    def _run_stage(self, context: Context, plan: Mapping[str, Any]) -> dict[str, Any]:
        request = {
            "commit": plan["commit"],
            "address": self.address,
            "upstream": entries_before(self, context, read_idle(plan)),
            "last": plan["last"].get(self.address),
            "force": plan["force"],
        }
        try:
            return self.run_child(request)
        except ChildFailedError as failure:
            if failure.pages:
                context["ti"].xcom_push(key=PAGES, value=failure.pages)
            raise


class JoinOperator(ChildOperator):
    """Commits the lock of all stages that are directly before this task and have ended well."""

    command = "join"

    def execute(self, context: Context) -> dict[str, Any]:
        plan = context["ti"].xcom_pull(task_ids=CONFIGURE)
        if plan is None:
            raise AirflowSkipException("there is nothing to join: the run has no commit, configure has failed")
        return self.run_child({"plan": plan, "entries": entries_before(self, context, read_idle(plan))})


class PromoteOperator(ChildOperator):
    """Makes the candidate of the run the champion, with a person's yes where the plan asks for one."""

    command = "promote"

    def execute(self, context: Context) -> dict[str, Any]:
        task = context["ti"]
        plan, joined = task.xcom_pull(task_ids=CONFIGURE), task.xcom_pull(task_ids=JOIN)
        # Not the task's state, which whoever may edit the run can set.
        answer = task.xcom_pull(task_ids=APPROVAL) if plan["approval"] else {"chosen_options": [APPROVE]}
        if not answer or answer["chosen_options"] != [APPROVE]:
            raise NotApprovedError("the run needs an approval, and nobody has approved: clear the task approval")
        return self.run_child({"plan": plan, "joined": joined})


class RollbackOperator(ChildOperator):
    """Production serves an earlier release again, with a person's yes, in whose name it happens."""

    command = "rollback"

    def execute(self, context: Context) -> dict[str, Any]:
        answer = context["ti"].xcom_pull(task_ids=APPROVAL)
        if not answer or answer["chosen_options"] != [APPROVE]:
            raise NotApprovedError("nobody has approved: clear the task approval")
        form, user = context["params"], answer["responded_by_user"] or {}
        # With the run's name, by which another try of this task knows what the first one did.
        by = f"{user.get('name') or 'somebody'} in Airflow run {context['run_id']}"
        return self.run_child({"version": form["version"], "why": form["why"], "by": by})


class PruneOperator(ChildOperator):
    """Shows what nothing needs any more, and removes it where the form says so."""

    command = "prune"

    def execute(self, context: Context) -> dict[str, Any]:
        return self.run_child({"remove": context["params"]["remove"]})


def entries_before(operator: BaseOperator, context: Context, idle: Idle) -> dict[str, Entry]:
    """The lock entries of the stages directly before a task, by address, of those that have one."""
    stages = sorted(operator.upstream_task_ids)
    results = context["ti"].xcom_pull(task_ids=stages, key=STAGE) if stages else []
    told = {result["address"]: result for result in results if result}
    unchanged = {address for address in idle.unchanged if task_id(address) in stages}
    entries = {address: idle.entry_of(address, told.get(address)) for address in unchanged | told.keys()}
    return {address: entry for address, entry in sorted(entries.items()) if entry is not None}
