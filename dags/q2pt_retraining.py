"""Retrains the models every night, and promotes one that is better.

A run also starts when a click log has landed (asset `q2pt_click_log`). The pipeline of `dvc.yaml` learns from the
newest days and judges its candidates against the model in production. This file only renders it: a task per stage, a
group per matrix stage, the edges that DVC sees.

- **configure** makes the run's commit on a branch `run/...` of the git remote: params with the form's changes, what the
  source holds, the model in production. Every task works in its own clone of that commit.
- **A stage** is skipped where nothing that it depends on has changed, else restored from the DVC cache, else run. The
  run's page *Results* says why one was skipped. Clear it, and it looks again.
- **join** commits one `dvc.lock` of all that has ended well, also after a failure: every night can be reproduced.
- **decide** follows the gate. **approval** waits for a person and in the end rejects by itself: where the form asks for
  it, and where it changes anything unless `Q2PT_APPROVAL_REQUIRED` is `no`. **promote** puts the candidate into
  production.

**The form:** an empty field means as committed. A run of fewer stores or variants, or of a past window, promotes only
where *promote* is on, and never without a store that the model in production serves.

**When a task fails,** shoppers keep the model in production. The task's log ends with the stage's own last lines: mend
the cause and clear the task; what has ended well is not computed again. A failed training stops neither the others nor
join, but there is no promotion.

**Before the first run:** a pool `gpu`, a worker on the queue `gpu`, the variables `Q2PT_*` on every worker. Unpausing
starts a run for the last tick of the schedule.
"""

from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path

from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import Asset, AssetOrTimeSchedule, BaseOperator, CronTriggerTimetable, Param, TaskGroup, dag
from airflow.sdk.execution_time.hitl import HITLUser

from q2pt_tasks.orchestration.alerts import FailureAlert, TimeoutAlert
from q2pt_tasks.orchestration.decide_operator import DecideOperator
from q2pt_tasks.orchestration.form import ENCODER_PATTERN
from q2pt_tasks.orchestration.graph import read_graph
from q2pt_tasks.orchestration.operators import ConfigureOperator, JoinOperator, PromoteOperator, StageOperator
from q2pt_tasks.orchestration.settings import read_rendering

RENDERING = read_rendering(Path(__file__))
GRAPH = read_graph(RENDERING.repository, RENDERING.graph_cache)
APPROVERS = [HITLUser(id=user.id, name=user.name) for user in RENDERING.approvers]

DEFAULT_ARGS = {
    "owner": "search",
    "retries": 1,
    "retry_delay": timedelta(minutes=1),
    "execution_timeout": timedelta(hours=6),
    "on_failure_callback": [FailureAlert()],
}


def field(description: str, kind: str, **schema: object) -> Param:
    # Empty by default: another default would overwrite params.yaml.
    return Param(None, description, schema={"type": ["null", kind], **schema})


def some_of(description: str, stage: str) -> Param:
    names = [node.item for node in GRAPH.stages.get(stage, ())]
    return field(description, "array", items={"enum": names}, examples=names, minItems=1, uniqueItems=True)


FORM = {
    "last_day": field("Last day of the window.", "string", format="date"),
    "locales": some_of("The stores to train and judge, of the committed ones.", "train_non_unified"),
    "variants": some_of("The unified variants to train, of the committed ones.", "train_unified"),
    "encoder": field(
        "scratch, or a pre-trained encoder by its name or directory.", "string", pattern=ENCODER_PATTERN, maxLength=1000
    ),
    "epochs": field("The most epochs of a training.", "integer", minimum=1, maximum=1000),
    "force": field("Run every stage, changed or not.", "boolean"),
    "approval": field("Ask a person before the promotion. A changed run may ask anyway.", "boolean"),
    "promote": field("On: a run of fewer stores or of a past window may promote too. Off again: never.", "boolean"),
    "why": field("The reason, for the run's commit.", "string", format="multiline", maxLength=1000),
}


def render_stages() -> dict[str, BaseOperator | TaskGroup]:
    """The tasks by address and the groups by stage, with the edges between them."""
    groups = {
        name: TaskGroup(name, tooltip=nodes[0].description) for name, nodes in GRAPH.stages.items() if nodes[0].item
    }
    tasks = {
        node.address: StageOperator(
            task_id=node.item or node.stage,
            task_group=groups.get(node.stage),
            address=node.address,
            doc_md=node.description,
            trigger_rule="none_failed",
            **asdict(node.hints),
        )
        for node in GRAPH.nodes
    }
    rendered: dict[str, BaseOperator | TaskGroup] = {**tasks, **groups}
    for above, below in GRAPH.edges():
        rendered[above] >> rendered[below]
    return rendered


@dag(
    schedule=AssetOrTimeSchedule(
        timetable=CronTriggerTimetable(RENDERING.schedule, timezone="UTC"), assets=Asset("q2pt_click_log")
    ),
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=23),
    on_failure_callback=[TimeoutAlert()],
    default_args=DEFAULT_ARGS,
    params=FORM,
    doc_md=__doc__,
    tags=["q2pt", "training"],
)
def q2pt_retraining() -> None:
    configure = ConfigureOperator(task_id="configure", rendered=GRAPH.upstream)
    stages = render_stages()
    # All stages, not the last one alone: after a failure it must wait for the trainings that go on.
    join = JoinOperator(task_id="join", trigger_rule="all_done")
    # The last stage as well as join: join ends well also where a stage has failed.
    decide = DecideOperator(task_id="decide", trigger_rule="none_failed")
    approval = ApprovalOperator(
        task_id="approval",
        subject="Put the candidate of {{ run_id }} into production?",
        body="{{ ti.xcom_pull(task_ids='decide')['page'] }}",
        assigned_users=APPROVERS,
        defaults=ApprovalOperator.REJECT,
        response_timeout=timedelta(hours=RENDERING.approval_hours),
    )
    promote = PromoteOperator(task_id="promote", trigger_rule="none_failed_min_one_success")

    configure >> [stages[address] for address in GRAPH.roots]
    [stages[name] for name in GRAPH.stages] >> join
    [join, *(stages[address] for address in GRAPH.leaves)] >> decide >> [approval, promote]
    approval >> promote


q2pt_retraining()
