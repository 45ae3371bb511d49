"""Who is told what when a task has failed."""

import json
import logging
import traceback
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import DAG

from q2pt_tasks.orchestration.alerts import ADVICE, SHOPPERS, AlertError, FailureAlert, TimeoutAlert, failure_message
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
        self.send_response(404 if self.path.endswith("gone") else 200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Says nothing: what the sender says is looked at."""


@pytest.fixture
def webhook() -> Iterator[str]:
    """The address of a server that takes one message."""
    server = HTTPServer(("127.0.0.1", 0), _Webhook)
    Thread(target=server.handle_request, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.server_close()


def _connect(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_Q2PT_ALERTS", json.dumps({"conn_type": "generic", "password": url}))


def test_without_a_connection_the_message_is_in_the_log_alone(capsys: pytest.CaptureFixture[str]) -> None:
    FailureAlert()(_context("ingest"))
    assert "What it means: Shoppers keep" in capsys.readouterr().out


@pytest.mark.enable_socket
def test_with_a_connection_the_message_goes_to_the_webhook(monkeypatch: pytest.MonkeyPatch, webhook: str) -> None:
    _connect(monkeypatch, f"{webhook}/hook")
    FailureAlert()(_context("ingest"))
    assert _Webhook.received[-1]["text"] == failure_message(_context("ingest"))


@pytest.mark.enable_socket
@pytest.mark.parametrize("path", ["token-of-the-channel", "token-of-the-channel/gone"])
def test_the_address_of_the_webhook_is_in_no_log_and_no_error(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    webhook: str,
    path: str,
) -> None:
    """Airflow hides what it knows to be a password; this does not count on it."""
    caplog.set_level(logging.INFO, logger="httpx")
    _connect(monkeypatch, f"{webhook}/{path}")
    if path.endswith("gone"):
        with pytest.raises(AlertError, match=r"connection q2pt_alerts was not told \(404\): correct") as refusal:
            FailureAlert().tell("It failed.")
        assert "token-of-the-channel" not in _said(refusal.value)
    else:
        FailureAlert().tell("It failed.")
    assert "token-of-the-channel" not in caplog.text + "".join(capsys.readouterr())


@pytest.mark.parametrize("url", ["token-of-the-channel", "http://token-of-the-channel:port/"])
def test_an_address_that_is_none_is_not_shown(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    _connect(monkeypatch, url)
    with pytest.raises(AlertError, match="which is the webhook's URL") as refusal:
        FailureAlert().tell("It failed.")
    assert "token" not in _said(refusal.value)


def _said(error: BaseException) -> str:
    """What a log says of an error: its words and those of the errors shown with it, without the code's lines."""
    summary = traceback.TracebackException.from_exception(error)
    summary.stack.clear()
    return "".join(summary.format())
