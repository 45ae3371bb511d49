"""Removes what nothing needs any more, as `q2pt prune` does in a checkout.

Section `retention` of `params.yaml` on the branch that runs start from says what is kept. Looked at are the git remotes
that `Q2PT_PRUNE_REGISTRIES` names, the DVC cache of the worker that takes the task, and the DVC remote.

It starts by itself where `Q2PT_PRUNE_SCHEDULE` says when, and then removes. Triggered by hand it shows what it would
remove, in its log, unless the form says otherwise. A run of `q2pt_retraining` may be in progress: what is young stays.

**When it fails,** nothing is half removed, and the next run finishes. The task's log says why, such as a directory that
a release names and no store has: look there before anything else is removed.
"""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from airflow.sdk import CronTriggerTimetable, Param, dag

from q2pt_tasks.orchestration.alerts import FailureAlert
from q2pt_tasks.orchestration.operators import PruneOperator
from q2pt_tasks.orchestration.settings import read_rendering

SCHEDULE = read_rendering(Path(__file__)).prune_schedule


@dag(
    schedule=CronTriggerTimetable(SCHEDULE, timezone="UTC") if SCHEDULE else None,
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=23),
    default_args={
        "owner": "search",
        "retries": 1,
        "retry_delay": timedelta(minutes=1),
        "execution_timeout": timedelta(hours=6),
        "on_failure_callback": [FailureAlert()],
    },
    params={"remove": Param(SCHEDULE is not None, "Remove it; else it is shown only.", type="boolean")},
    doc_md=__doc__,
    tags=["q2pt", "data"],
)
def q2pt_prune() -> None:
    PruneOperator(task_id="prune")


q2pt_prune()
