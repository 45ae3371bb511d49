"""Who is told what when a task has failed."""

import json
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import DAG

from q2pt_tasks.orchestration.alerts import ADVICE, SHOPPERS, FailureAlert, TimeoutAlert, failure_message
from q2pt_tasks.orchestration.graph import compute_graph


def _context(task_id: str, **more: object) -> dict[str, Any]:
    instance = SimpleNamespace(dag_id="q2pt_retraining", task_id=task_id, run_id="scheduled__1")
    return {"task": SimpleNamespace(owner="search"), "ti": instance, **more}


def test_the_message_has_the_cause_the_owner_what_it_means_and_what_to_do() -> None:
    error = RuntimeError("train_unified@unified_aware ended with exit code 1")
    assert failure_message(_context("train_unified.unified_aware", exception=error)).splitlines() == [
        "q2pt_retraining: train_unified.unified_aware failed in scheduled__1: "
        "train_unified@unified_aware ended with exit code 1",
        "Owner: search",
        f"What it means: {SHOPPERS}",
        f"What to do: {ADVICE[None]}",
    ]


def test_a_task_whose_process_was_killed_has_a_message_too() -> None:
    assert "ended without a word" in failure_message(_context("ingest"))


@pytest.mark.parametrize("task_id", ["configure", "ingest", "validate", "join", "decide", "promote"])
def test_a_task_that_needs_other_steps_has_its_own_advice(task_id: str) -> None:
    assert failure_message(_context(task_id)).endswith(f"What to do: {ADVICE[task_id]}")


def test_advice_is_about_tasks_that_there_are() -> None:
    stages = set(compute_graph(Path.cwd()).stages)
    assert set(ADVICE) - {None} <= stages | {"configure", "join", "decide", "promote"}


@pytest.mark.parametrize(("reason", "is_told"), [("timed_out", True), ("task_failure", False)])
def test_a_run_that_took_too_long_is_told_once(capsys: pytest.CaptureFixture[str], reason: str, is_told: bool) -> None:
    dag = DAG("q2pt_retraining", schedule=None, dagrun_timeout=timedelta(hours=23))
    context: dict[str, Any] = {"dag": dag, "run_id": "scheduled__1", "reason": reason}
    TimeoutAlert()(context)
    said = "q2pt_retraining: scheduled__1 has not ended within 23:00:00" in capsys.readouterr().out
    assert said == is_told


class _Webhook(BaseHTTPRequestHandler):
    received: list[dict[str, str]] = []  # noqa: RUF012 - one server, one test

    def do_POST(self) -> None:
        length = int(self.headers["Content-Length"])
        self.received.append(json.loads(self.rfile.read(length)))
        self.send_response(200)
        self.end_headers()


def test_without_a_connection_the_message_is_in_the_log_alone(capsys: pytest.CaptureFixture[str]) -> None:
    FailureAlert()(_context("ingest"))
    assert "What it means: Shoppers keep" in capsys.readouterr().out


@pytest.mark.enable_socket
def test_with_a_connection_the_message_goes_to_the_webhook(monkeypatch: pytest.MonkeyPatch) -> None:
    server = HTTPServer(("127.0.0.1", 0), _Webhook)
    Thread(target=server.handle_request, daemon=True).start()
    connection = {"conn_type": "generic", "password": f"http://127.0.0.1:{server.server_port}/hook"}
    monkeypatch.setenv("AIRFLOW_CONN_Q2PT_ALERTS", json.dumps(connection))
    FailureAlert()(_context("ingest"))
    server.server_close()
    (sent,) = _Webhook.received
    assert sent["text"] == failure_message(_context("ingest"))
