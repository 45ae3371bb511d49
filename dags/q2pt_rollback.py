"""Makes production serve an earlier release again.

Trigger it by hand, with a reason. Without a version it goes back to the release that served before the one that serves
now; `q2pt history` lists them.

- **approval** asks a person, and rejects by itself in the end.
- **rollback** fetches that release as those who serve do, asks it what it must answer, and moves the stage `prod` to
  it. The move goes into the history with the reason and the name of who approved.

The next run of `q2pt_retraining` compares its candidate with what serves then. A model that was rolled back is not
promoted again by a run; `q2pt rollback --to VERSION` brings it back.

**When it fails,** shoppers keep the release that serves. The task's log says why, such as files that are gone from the
store: choose another version.
"""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import Param, dag
from airflow.sdk.execution_time.hitl import HITLUser

from q2pt_tasks.orchestration.alerts import FailureAlert
from q2pt_tasks.orchestration.form import FILTERS
from q2pt_tasks.orchestration.operators import RollbackOperator
from q2pt_tasks.orchestration.settings import read_rendering

RENDERING = read_rendering(Path(__file__))
FORM = {
    "version": Param(
        None, "Such as v3; empty: the one that served before.", type=["null", "string"], pattern=r"^v[1-9][0-9]*(?!\n)$"
    ),
    "why": Param("", "The reason, for the history.", type="string", minLength=1, maxLength=1000),
}


@dag(
    schedule=None,
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=23),
    default_args={
        "owner": "search",
        "retries": 1,
        "retry_delay": timedelta(minutes=1),
        "execution_timeout": timedelta(hours=1),
        "on_failure_callback": [FailureAlert()],
    },
    params=FORM,
    user_defined_filters=FILTERS,
    doc_md=__doc__,
    tags=["q2pt", "release"],
)
def q2pt_rollback() -> None:
    approval = ApprovalOperator(
        task_id="approval",
        subject="Roll production back to {{ params.version or 'the release that served before' }}?",
        body="{{ params.why | in_markdown }}",
        assigned_users=[HITLUser(id=user.id, name=user.name) for user in RENDERING.approvers],
        defaults=ApprovalOperator.REJECT,
        response_timeout=timedelta(hours=RENDERING.approval_hours),
        execution_timeout=timedelta(hours=RENDERING.approval_hours + 1),
    )
    approval >> RollbackOperator(task_id="rollback")


q2pt_rollback()
