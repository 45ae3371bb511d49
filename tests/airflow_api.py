"""The REST API of a running Airflow, as far as tests ask it."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any
from urllib.parse import quote

import httpx

RETRAINING = "q2pt_retraining"
ENDED = ("success", "failed")
# A task that waits for a person.
WAITING = "awaiting_input"
_POLL_SECONDS = 1.0
# On a busy machine with SQLite an answer takes seconds.
_TIMEOUT = 60.0


@dataclass(frozen=True)
class Run:
    """A run of a DAG."""

    id: str
    kind: str
    state: str
    start: datetime | None
    end: datetime | None

    @property
    def seconds(self) -> float:
        """How long it took; it has ended."""
        assert self.start
        assert self.end
        return (self.end - self.start).total_seconds()


@dataclass(frozen=True)
class Airflow:
    """The REST API of a running Airflow, as user admin."""

    url: str
    user: str
    password: str

    def trigger(self, form: Mapping[str, Any], dag: str = RETRAINING) -> str:
        """Starts a run and returns its id.

        Raises:
            httpx.HTTPStatusError: the form is refused.
        """
        body = {"logical_date": None, "conf": dict(form)}
        return str(self._call("POST", f"dags/{dag}/dagRuns", body)["dag_run_id"])

    def runs(self, dag: str = RETRAINING) -> list[Run]:
        """All runs, the oldest first."""
        found = self._call("GET", f"dags/{dag}/dagRuns?order_by=id&limit=100")["dag_runs"]
        return [_run(document) for document in found]

    def scheduled_run(self, seconds: float) -> str:
        """The run for the last tick of the schedule: a new DAG that is not paused starts it by itself."""
        wait_until(lambda: bool(self.runs()), seconds, lambda: "no run has started")
        (run,) = self.runs()
        assert run.kind == "scheduled"
        return run.id

    def run(self, run_id: str, dag: str = RETRAINING) -> Run:
        return _run(self._call("GET", _path(dag, run_id)))

    def wait_for_dag(self, seconds: float, dag: str = RETRAINING) -> None:
        """Returns when Airflow has read the DAG and not paused it: from then on it can be triggered."""

        def listed() -> bool:
            found = self._call("GET", f"dags?dag_id_pattern={dag}&paused=false")["dags"]
            return dag in {document["dag_id"] for document in found}

        wait_until(listed, seconds, lambda: f"{dag} was not loaded: {self._call('GET', 'importErrors')}")

    def wait_for_run(self, run_id: str, seconds: float, dag: str = RETRAINING) -> str:
        """The run's final state.

        Raises:
            TimeoutError: with the states of its tasks.
        """
        wait_until(
            lambda: self.run(run_id, dag).state in ENDED,
            seconds,
            lambda: f"{run_id} is {self.run(run_id, dag).state}: {self.states(run_id, dag)}",
        )
        return self.run(run_id, dag).state

    def wait_for_task(self, run_id: str, task_id: str, state: str, seconds: float, dag: str = RETRAINING) -> None:
        """Returns when a task is in `state`, such as `awaiting_input`.

        Raises:
            TimeoutError: with the states of all tasks.
            AssertionError: the run has ended, and the task is in another state.
        """
        wait_until(
            lambda: self.states(run_id, dag).get(task_id) == state or self.run(run_id, dag).state in ENDED,
            seconds,
            lambda: f"{task_id} of {run_id} did not become {state}: {self.states(run_id, dag)}",
        )
        states = self.states(run_id, dag)
        assert states[task_id] == state, f"{task_id} of {run_id} did not become {state}: {states}"

    def states(self, run_id: str, dag: str = RETRAINING) -> dict[str, str]:
        """The state of each task by its id; `None` for one that has not been scheduled."""
        return {task["task_id"]: str(task["state"]) for task in self._tasks(run_id, dag)}

    def result(self, run_id: str, task_id: str, key: str = "return_value", dag: str = RETRAINING) -> Any:  # noqa: ANN401 - JSON
        """What a task has handed on."""
        path = f"{_path(dag, run_id)}/taskInstances/{quote(task_id)}/xcomEntries/{quote(key)}?deserialize=true"
        return self._call("GET", path)["value"]

    def log(self, run_id: str, task_id: str, dag: str = RETRAINING) -> str:
        """The text of a task's last try."""
        (tries,) = (task["try_number"] for task in self._tasks(run_id, dag) if task["task_id"] == task_id)
        path = f"{_path(dag, run_id)}/taskInstances/{quote(task_id)}/logs/{tries}?full_content=true"
        return "\n".join(_line(entry) for entry in self._call("GET", path)["content"])

    def answer(self, run_id: str, task_id: str, option: str, dag: str = RETRAINING) -> None:
        """A person's answer to a task that waits for one, such as `Approve`."""
        self._wait_until_scheduler_knows()
        path = f"{_path(dag, run_id)}/taskInstances/{quote(task_id)}/-1/hitlDetails"
        self._call("PATCH", path, {"chosen_options": [option], "params_input": {}})

    def clear(self, run_id: str, task_id: str, dag: str = RETRAINING) -> None:
        """Has a task and those after it run again, as a person does in the page."""
        body = {"dag_run_id": run_id, "task_ids": [task_id], "include_downstream": True, "dry_run": False}
        self._call("POST", f"dags/{dag}/clearTaskInstances", {**body, "only_failed": False, "reset_dag_runs": True})

    def remove(self, run_id: str, dag: str = RETRAINING) -> None:
        """Ends a run, whatever its tasks do, and forgets it."""
        self._call("PATCH", _path(dag, run_id), {"state": "failed"})
        self._client.delete(f"/api/v2/{_path(dag, run_id)}").raise_for_status()

    def _wait_until_scheduler_knows(self) -> None:
        """Returns when the scheduler has heard that the process of a task that waits has ended.

        No person is as fast: Airflow 3.3 takes a task that goes on before that for one that has failed, and the answer
        is lost. Two heartbeats, since the process may end after the first one.
        """
        self._wait_for_heartbeat()
        self._wait_for_heartbeat()

    def _wait_for_heartbeat(self) -> None:
        before = self._scheduler_heartbeat()
        wait_until(lambda: self._scheduler_heartbeat() != before, _TIMEOUT, lambda: f"none since {before}")

    def _scheduler_heartbeat(self) -> str:
        return str(self._call("GET", "monitor/health")["scheduler"]["latest_scheduler_heartbeat"])

    def _tasks(self, run_id: str, dag: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._call("GET", f"{_path(dag, run_id)}/taskInstances?limit=100")[
            "task_instances"
        ]
        return found

    def _call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:  # noqa: ANN401 - JSON
        answer = self._client.request(method, f"/api/v2/{path}", json=body)
        try:
            return answer.raise_for_status().json()
        except httpx.HTTPStatusError as error:
            error.add_note(answer.text)
            raise

    @cached_property
    def _client(self) -> httpx.Client:
        # Without the environment: a proxy is not meant for this machine's own addresses.
        client = httpx.Client(base_url=self.url, timeout=_TIMEOUT, trust_env=False)
        token = client.post("/auth/token", json={"username": self.user, "password": self.password}).raise_for_status()
        client.headers["Authorization"] = f"Bearer {token.json()['access_token']}"
        return client


def wait_until(condition: Callable[[], bool], seconds: float, story: Callable[[], str]) -> None:
    """Returns when `condition` holds.

    Raises:
        TimeoutError: it does not in time; with the `story` of then.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"after {seconds:.0f} s {story()}")
        time.sleep(_POLL_SECONDS)


def _path(dag: str, run_id: str) -> str:
    return f"dags/{dag}/dagRuns/{quote(run_id, safe='')}"


def _run(document: Mapping[str, Any]) -> Run:
    return Run(
        id=document["dag_run_id"],
        kind=document["run_type"],
        state=document["state"],
        start=_moment(document["start_date"]),
        end=_moment(document["end_date"]),
    )


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _line(entry: str | Mapping[str, Any]) -> str:
    """A line of a log; why a task was skipped or has failed is told beside its sentence."""
    if isinstance(entry, str):
        return entry
    return " ".join([entry["event"], *(str(entry[key]) for key in ("info", "error_detail") if key in entry)])
