"""A task of Airflow's without Airflow: what its operator is given, and what it pushes."""

from collections.abc import Iterable, Mapping
from typing import Any

from airflow.sdk import BaseOperator, Context
from airflow.sdk.bases.operator import ExecutorSafeguard

ENTRY = {"cmd": "x", "outs": []}


class Task:
    """A task instance with the XComs of the others; it keeps what is pushed."""

    def __init__(self, xcoms: Mapping[tuple[str, str], Any]) -> None:
        self.xcoms = dict(xcoms)
        self.pushed: dict[str, Any] = {}

    def xcom_pull(self, task_ids: str | Iterable[str], key: str = "return_value") -> Any:  # noqa: ANN401
        if isinstance(task_ids, str):
            return self.xcoms.get((task_ids, key))
        return [self.xcoms.get((task_id, key)) for task_id in task_ids]

    def xcom_push(self, key: str, value: Any) -> None:  # noqa: ANN401
        self.pushed[key] = value


def make_plan(commit: str = "c0", **changes: Any) -> dict[str, Any]:  # noqa: ANN401
    plan = {"commit": commit, "addresses": ["ingest", "label"], "skipped": [], "unchanged": {}, "last": {}}
    return {**plan, "force": False, "summary": "the plan", **changes}


def execute(operator: BaseOperator, task: Task, **context: Any) -> Any:  # noqa: ANN401
    ExecutorSafeguard.tracker.set(operator)
    return operator.execute(Context(ti=task, **context))  # type: ignore[typeddict-item]
