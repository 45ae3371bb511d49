"""Says that a click log has landed, which starts the retraining.

Whoever delivers the log triggers this DAG when the files of a day are complete, by hand or through the REST API:
`POST /api/v2/dags/q2pt_click_log/dagRuns` with `{"logical_date": null, "conf": {"what": "2026-06-30"}}`. That updates
the asset `q2pt_click_log`.

An update is a hint. What is new the retraining learns from the data itself, so that an update too many does no harm.

**When it fails,** nothing is lost: the nightly run finds the log. Trigger it again, or start `q2pt_retraining` by hand.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from airflow.sdk import Asset, Metadata, Param, dag, get_current_context, task

from q2pt_tasks.orchestration.alerts import FailureAlert

CLICK_LOG = Asset("q2pt_click_log")


@dag(
    schedule=None,
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    default_args={
        "owner": "search",
        "retries": 1,
        "retry_delay": timedelta(minutes=1),
        "execution_timeout": timedelta(minutes=5),
        "on_failure_callback": [FailureAlert()],
    },
    params={"what": Param(None, "What has landed, such as a day.", type=["null", "string"], maxLength=200)},
    doc_md=__doc__,
    tags=["q2pt", "data"],
)
def q2pt_click_log() -> None:
    @task(outlets=[CLICK_LOG])
    def announce() -> Iterator[Metadata]:
        yield Metadata(CLICK_LOG, {"what": get_current_context()["params"]["what"]})

    announce()


q2pt_click_log()
