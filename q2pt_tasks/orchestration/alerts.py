"""Tells the owner of a failed task what it means for shoppers and what to do.

The message is in the task's log. Where an Airflow connection `q2pt_alerts` exists, it also goes to a webhook: the
connection's password is the webhook's URL, which gets `{"text": message}` as chat services take it.
"""

import logging
from collections.abc import Mapping
from typing import Any

from airflow.sdk import BaseNotifier, Connection, Context
from airflow.sdk.exceptions import AirflowNotFoundException

CONNECTION = "q2pt_alerts"
TIMEOUT_SECONDS = 10
# Airflow's reason for a run that took longer than its DAG's `dagrun_timeout`.
TIMED_OUT = "timed_out"

# A failure changes nothing in production: promotion is the last step, and a whole one or none.
SHOPPERS = (
    "Shoppers keep the model in production. It does not learn from the newest days until a run ends well, which costs "
    "little for a night and more each week."
)
# What to do about a task, or about all tasks of a stage; about the others what stands under None.
ADVICE: Mapping[str | None, str] = {
    None: (
        "The task's log ends with the stage's last lines and its exit code. Mend the cause and clear this task with "
        "those after it: what has ended well is not computed again. A cause in the code or in params.yaml needs a "
        "commit and a new run. The task's clone is kept for a while under Q2PT_WORK_DIR."
    ),
    "configure": (
        "Nothing has run. The task's log says what was refused: the form, the source, the git remote. A wrong form "
        "needs a new run; after anything else clear this task."
    ),
    "ingest": (
        "What the run wanted to read is not there as it was when the run began, or cannot be read: the task's log says "
        "which file. Mend it and start a new run; this one is bound to what it has seen."
    ),
    "validate": (
        "The log of clicks looks wrong as a whole. The task's log names the expectations that failed; compare with "
        "the team that delivers it before you loosen one in params.yaml. After a corrected delivery start a new run."
    ),
    "join": (
        "Every stage's result is safe in the DVC cache, but no commit holds them together yet. Mend what the task's "
        "log says and clear this task: nothing is computed again."
    ),
    "decide": (
        "The run's commit lacks a decision. Where the task's log says that stages were missing when join ran, clear "
        "join with those after it: nothing is computed again."
    ),
    "promote": (
        "The new model is better and not in production; nothing is half promoted. Mend what the task's log says and "
        "clear this task, or leave it: the next run decides anew."
    ),
}


class AlertError(RuntimeError):
    """The webhook was not told."""


class FailureAlert(BaseNotifier):
    """For `on_failure_callback` of tasks."""

    def notify(self, context: Context) -> None:
        self.tell(failure_message(context))

    def tell(self, message: str) -> None:
        self.log.error(message)
        if url := _webhook():
            _post(url, message)


class TimeoutAlert(FailureAlert):
    """For `on_failure_callback` of a DAG: of a run that took too long no task fails, they are all skipped."""

    def notify(self, context: Context) -> None:
        if context.get("reason") == TIMED_OUT:
            self.tell(timeout_message(context))


def failure_message(context: Mapping[str, Any]) -> str:
    """Owner, what it means, what to do."""
    task, instance = context["task"], context["ti"]
    # A task of a worker that died has no exception.
    cause = context.get("exception") or "its process ended without a word: killed, or out of memory"
    stage = instance.task_id.partition(".")[0]
    return "\n".join(
        [
            f"{instance.dag_id}: {instance.task_id} failed in {instance.run_id}: {cause}",
            f"Owner: {task.owner}",
            f"What it means: {SHOPPERS}",
            f"What to do: {ADVICE.get(stage, ADVICE[None])}",
        ]
    )


def timeout_message(context: Mapping[str, Any]) -> str:
    """Which run, what it means, what to do."""
    dag = context["dag"]
    return "\n".join(
        [
            f"{dag.dag_id}: {context['run_id']} has not ended within {dag.dagrun_timeout} and was stopped",
            f"What it means: {SHOPPERS}",
            "What to do: look in the run's grid which task took so long. What had ended well is in the DVC cache, but "
            "no commit holds it together: clear join, or start a new run, which computes none of it again.",
        ]
    )


def _post(url: str, message: str) -> None:
    # The DAG file is read often, and rarely needs it.
    import httpx

    # Whoever has the URL can write to the channel, and httpx writes it to its log and into its errors.
    logging.getLogger("httpx").setLevel(logging.WARNING)
    try:
        httpx.post(url, json={"text": message}, timeout=TIMEOUT_SECONDS).raise_for_status()
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        answer = error.response.status_code if isinstance(error, httpx.HTTPStatusError) else type(error).__name__
        raise AlertError(
            f"the webhook of the connection {CONNECTION} was not told ({answer}): correct the connection's password, "
            "which is the webhook's URL"
        ) from None


def _webhook() -> str | None:
    try:
        url: str | None = Connection.get(CONNECTION).password
    except AirflowNotFoundException:
        return None
    return url
