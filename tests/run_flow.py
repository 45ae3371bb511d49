"""Runs the retraining DAG once per scenario under Airflow, with child processes that only answer; prints task states.

A script of its own: it needs Airflow's database, which Airflow opens where it is imported.
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from airflow.dag_processing.dagbag import DagBag
from airflow.models.xcom import XComModel
from airflow.sdk import DAG
from airflow.utils.session import create_session

from q2pt_tasks.orchestration.operators import ChildFailedError, ChildOperator

ADDRESSES = [
    "ingest",
    "train_unified@unified_aware",
    "train_non_unified@en-US",
    "train_non_unified@fr-BE",
    "report",
]


class Children:
    """Answers in place of the child processes of one run; keeps what join was asked."""

    def __init__(self, scenario: Mapping[str, Any]) -> None:
        self.scenario = scenario
        self.joined: list[str] = []

    def answer(self, operator: ChildOperator, request: Mapping[str, Any]) -> dict[str, Any]:
        if operator.task_id in self.scenario.get("fail", []):
            raise ChildFailedError("it was to fail")
        answer: dict[str, Any] = getattr(self, operator.command)(request)
        return answer

    def configure(self, _: object) -> dict[str, Any]:
        skipped = self.scenario.get("skipped", [])
        return {
            "addresses": [address for address in ADDRESSES if address not in skipped],
            "skipped": skipped,
            "unchanged": {address: {"cmd": address} for address in self.scenario.get("unchanged", [])},
            "last": {},
            "commit": "0" * 40,
            "force": False,
            "approval": False,
            "summary": "A run.",
        }

    def stage(self, request: Mapping[str, Any]) -> dict[str, Any]:
        address, commit = request["address"], request["commit"]
        entry = {"cmd": address}
        return {"commit": commit, "address": address, "state": "ran", "entry": entry, "seconds": 1.0, "rows": {}}

    def join(self, request: Mapping[str, Any]) -> dict[str, Any]:
        self.joined = sorted(request["entries"])
        missing = [address for address in request["plan"]["addresses"] if address not in request["entries"]]
        return {"commit": "1" * 40, "complete": not missing, "missing": missing}

    def decide(self, _: object) -> dict[str, Any]:
        return {"step": self.scenario.get("step"), "sentence": "So be it.", "page": "A table.", "alert": ""}

    def promote(self, _: object) -> dict[str, Any]:
        return {"version": "v1", "tag": "q2pt@v1.0.0", "hash": "2" * 64, "before": None}


def run(dag: DAG, scenario: Mapping[str, Any]) -> dict[str, Any]:
    children = Children(scenario)
    # A plain function in the class becomes a method of each operator.
    setattr(ChildOperator, "run_child", lambda operator, request: children.answer(operator, request))  # noqa: B010
    finished = dag.test(logical_date=None)
    states = {instance.task_id: str(instance.state) for instance in finished.get_task_instances()}
    decided = read_result(finished.run_id, "decide")
    return {"run": str(finished.state), "tasks": states, "joined": children.joined, "decided": decided}


def read_result(run_id: str, task_id: str) -> Any:  # noqa: ANN401 - JSON
    """What a task's page shows as its result; None where it has none."""
    with create_session() as session:
        kept = session.scalar(XComModel.get_many(run_id=run_id, task_ids=task_id, key="return_value"))
        return kept and XComModel.deserialize_value(kept)


def main() -> None:
    dag = DagBag(Path.cwd() / "dags", bundle_name="dags-folder").dags["q2pt_retraining"]
    for task in dag.tasks:
        # Another try would come after a minute.
        task.retries = 0
    scenarios = json.loads(sys.argv[1])
    results = {name: run(dag, scenario) for name, scenario in scenarios.items()}
    Path(sys.argv[2]).write_text(json.dumps(results))


if __name__ == "__main__":
    main()
