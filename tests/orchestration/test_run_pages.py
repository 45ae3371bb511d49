"""The pages of a run, below a stand-in for Airflow's REST API; test_approval_page.py has the real one."""

import asyncio
import hashlib
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route

from q2pt_tasks.orchestration.plugin import RunPagesPlugin, run_pages

RUN = "manual__2026-11-22T10:00:00+00:00"
PAGE = "<h1>Query to product type</h1>"
COOKIE = {"cookie": "_token=admin"}


@dataclass
class Airflow:
    """Answers those who have its cookie, with the tasks and the XComs of one run."""

    tasks: list[dict[str, Any]] = field(default_factory=list)
    told: dict[tuple[str, str], Any] = field(default_factory=dict)

    def application(self) -> Starlette:
        run = "/api/v2/dags/{dag_id}/dagRuns/{run_id}/taskInstances"
        routes = [
            Route(run, self._tasks),
            Route(run + "/{task_id}/xcomEntries/{key}", self._xcom),
            Mount("/q2pt", app=run_pages),
        ]
        return Starlette(routes=routes)

    async def _tasks(self, request: Request) -> Response:
        if refusal := _refusal(request):
            return refusal
        part = self.tasks[int(request.query_params["offset"]) :][: int(request.query_params["limit"])]
        return JSONResponse({"task_instances": part, "total_entries": len(self.tasks)})

    async def _xcom(self, request: Request) -> Response:
        told = self.told.get((request.path_params["task_id"], request.path_params["key"]))
        if refusal := _refusal(request):
            return refusal
        return JSONResponse({"value": told}) if told is not None else JSONResponse({}, 404)


def _refusal(request: Request) -> Response | None:
    if request.headers.get("cookie") != COOKIE["cookie"]:
        return JSONResponse({}, 401)
    if request.path_params["dag_id"] != "q2pt_retraining":
        return JSONResponse({}, 403)
    return None if request.path_params["run_id"] == RUN else JSONResponse({}, 404)


def _get(airflow: Airflow, path: str, headers: Mapping[str, str] = COOKIE) -> httpx.Response:
    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(app=airflow.application())
        async with httpx.AsyncClient(transport=transport, base_url="http://shop", headers=headers) as client:
            return await client.get(f"/q2pt/{path}")

    return asyncio.run(ask())


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("Q2PT_GIT_REMOTE", "/srv/git/q2pt.git")
    monkeypatch.setenv("Q2PT_DVC_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def _object(cache: Path, content: str, ending: str = "") -> str:
    md5 = hashlib.md5(content.encode(), usedforsecurity=False).hexdigest() + ending
    path = cache / "files/md5" / md5[:2] / md5[2:]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    return md5


def _result(state: str, **outs: str) -> dict[str, Any]:
    names = {"report": "reports/index.html", "validation": "reports/validation", "summary": "metrics/summary.json"}
    entry = {"cmd": "x", "outs": [{"path": names[name], "md5": md5} for name, md5 in outs.items()]}
    return {"state": state, "seconds": 1.5, "rows": {}, "entry": entry}


def _task(task_id: str, state: str | None = "success", start: str | None = "2026-11-22T10:00:00Z") -> dict[str, Any]:
    operator = "StageOperator" if task_id not in ("configure", "promote") else "OtherOperator"
    seconds = None if start is None else 3.25
    return {"task_id": task_id, "state": state, "duration": seconds, "start_date": start, "operator": operator}


def _plan(unchanged: Mapping[str, Any], skipped: Sequence[str] = ()) -> dict[str, Any]:
    return {"commit": "c1", "unchanged": dict(unchanged), "skipped": list(skipped), "summary": "A run."}


def _rows(page: str) -> dict[str, list[str]]:
    """The cells of every row, by its heading."""
    cells = [row.split("<td") for row in page.split("<tr>")]
    return {row[0].split(">")[1].split("<")[0]: [cell.split(">")[1].split("<")[0] for cell in row[1:]] for row in cells}


@pytest.fixture
def airflow(cache: Path) -> Airflow:
    """A run whose validation and report are there."""
    listed = json.dumps([{"md5": _object(cache, "<h1>Accepted</h1>"), "relpath": "index.html"}])
    told = {
        ("validate", "stage"): _result("unchanged", validation=_object(cache, listed, ".dir")),
        ("report", "stage"): _result("ran", report=_object(cache, PAGE)),
    }
    return Airflow([_task("validate"), _task("report")], told)


def test_the_report_of_a_run_is_shown_as_its_stage_wrote_it(airflow: Airflow) -> None:
    answer = _get(airflow, f"q2pt_retraining/{RUN}/reports/index.html")
    assert (answer.status_code, answer.text) == (200, PAGE)
    assert answer.headers["content-type"] == "text/html; charset=utf-8"


def test_no_script_runs_in_a_page(airflow: Airflow) -> None:
    for page in ("", "reports/index.html", "reports/validation/index.html"):
        policy = _get(airflow, f"q2pt_retraining/{RUN}/{page}").headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "script" not in policy


def test_the_validation_page_is_there_also_where_the_stage_refused_the_log(airflow: Airflow, cache: Path) -> None:
    path = f"q2pt_retraining/{RUN}/reports/validation/index.html"
    assert _get(airflow, path).text == "<h1>Accepted</h1>"
    listed = json.dumps([{"md5": _object(cache, "<h1>Refused</h1>"), "relpath": "index.html"}])
    pages = [{"path": "reports/validation", "md5": _object(cache, listed, ".dir")}]
    airflow.told = {("validate", "pages"): pages}
    assert _get(airflow, path).text == "<h1>Refused</h1>"


def test_a_page_that_is_not_there_is_missed_in_a_sentence(airflow: Airflow) -> None:
    airflow.told = {}
    answer = _get(airflow, f"q2pt_retraining/{RUN}/reports/index.html")
    assert answer.status_code == 404
    assert "The task report of this run has not made this page, or not yet." in answer.text


def test_who_is_not_logged_in_is_sent_there_and_back(airflow: Airflow) -> None:
    answer = _get(airflow, f"q2pt_retraining/{RUN}/reports/index.html", headers={})
    assert answer.is_redirect
    asked = f"http://shop/q2pt/q2pt_retraining/{RUN}/reports/index.html"
    assert answer.headers["location"] == f"/auth/login?next={quote(asked, safe='')}"


@pytest.mark.parametrize("path", [f"another_dag/{RUN}/", f"another_dag/{RUN}/reports/index.html"])
def test_airflow_decides_who_sees_a_run(airflow: Airflow, path: str) -> None:
    answer = _get(airflow, path)
    assert answer.status_code == 403
    assert "you may not see it" in answer.text


@pytest.mark.parametrize(
    "path",
    [
        "q2pt_retraining/another/reports/index.html",
        # To Airflow's API: all DAGs, all runs.
        "q2pt_retraining/~/",
        f"~/{RUN}/reports/index.html",
        "q2pt_retraining/%2e%2e%2f%2e%2e/reports/index.html",
        f"q2pt_retraining/{RUN}/reports/decision.json",
        f"q2pt_retraining/{RUN}/reports/validation/result.json",
        f"q2pt_retraining/{RUN}/reports/validation/%2e%2e/index.html",
        f"q2pt_retraining/{RUN}/%2fetc%2fpasswd",
    ],
)
def test_nothing_but_the_pages_of_runs_is_shown(airflow: Airflow, path: str) -> None:
    assert _get(airflow, path).status_code == 404


@pytest.mark.parametrize("md5", ["../../../../etc/passwd", "A" * 32, "", f"{'a' * 32}.dir/x", f"{'a' * 32}\n"])
def test_what_is_no_hash_names_no_file(airflow: Airflow, md5: str) -> None:
    airflow.told["report", "stage"] = _result("ran", report=md5)
    answer = _get(airflow, f"q2pt_retraining/{RUN}/reports/index.html")
    assert answer.status_code == 404
    assert "is no hash" in answer.text


def test_a_page_that_is_not_what_its_hash_says_is_not_shown(airflow: Airflow, cache: Path) -> None:
    md5 = _object(cache, PAGE)
    (cache / "files/md5" / md5[:2] / md5[2:]).write_text("<h1>Another</h1>")
    answer = _get(airflow, f"q2pt_retraining/{RUN}/reports/index.html")
    assert answer.status_code == 404
    assert "has the hash" in answer.text
    assert "Another" not in answer.text


def test_the_results_show_durations_rows_figures_and_the_decision(airflow: Airflow, cache: Path) -> None:
    figures = {"unified_aware": {"micro_recall": 0.51234, "macro_recall": None}, "majority": {"micro_recall": 0.1}}
    airflow.tasks = [_task("promote", None, None), _task("evaluate"), _task("label", "failed"), _task("configure")]
    airflow.told |= {
        ("evaluate", "stage"): _result("restored", summary=_object(cache, json.dumps({"headline": figures})))
        | {"rows": {"data/labeled": 12345}},
        ("decide", "return_value"): {"step": None, "sentence": "The gate says no. <b>Too few</b>", "page": ""},
    }
    page = _get(airflow, f"q2pt_retraining/{RUN}/").text
    assert "The gate says no. &lt;b&gt;Too few&lt;/b&gt;" in page
    rows = _rows(page)
    assert rows["unified_aware"] == ["0.512", "–"]
    assert rows["majority"] == ["0.100", "–"]
    assert rows["evaluate"] == ["restored", "3.2", "data/labeled 12,345"]
    assert rows["label"] == ["failed", "3.2", ""]
    assert rows["promote"] == ["waits", "–", ""]
    assert list(rows)[-1] == "promote", "what has not started comes last"


def test_the_results_say_why_a_stage_was_skipped_that_never_ran(airflow: Airflow) -> None:
    looked_again = _result("unchanged") | {"commit": "c1"}
    airflow.tasks = [
        _task("label", "skipped"),
        _task("train_non_unified.fr-BE", "skipped"),
        _task("split", "skipped"),
        _task("evaluate", "skipped"),
        _task("ingest"),
        _task("tokenize"),
        _task("gate", "failed"),
        _task("report", None, None),
    ]
    airflow.told = {
        ("configure", "return_value"): _plan(
            {name: {"cmd": "x", "outs": []} for name in ("label", "ingest", "gate")}, ["train_non_unified@fr-BE"]
        ),
        ("split", "stage"): looked_again,
        ("ingest", "stage"): _result("ran") | {"commit": "c1"},
        ("tokenize", "stage"): {"commit": "c1", "address": "tokenize", "entry": None},
        # Of a try before it was cleared.
        ("report", "stage"): _result("ran") | {"commit": "c0"},
    }
    rows = _rows(_get(airflow, f"q2pt_retraining/{RUN}/").text)
    assert rows["label"] == ["unchanged", "–", ""]
    assert rows["train_non_unified.fr-BE"] == ["left out", "–", ""]
    assert rows["split"] == ["unchanged", "3.2", ""]
    assert rows["evaluate"] == ["skipped", "3.2", ""], "as where the run took too long"
    assert rows["ingest"] == ["ran", "3.2", ""], "a person cleared it, and what it had made was lost"
    assert rows["tokenize"] == ["success", "3.2", ""], "it failed, and a person marked it as a success"
    assert rows["gate"] == ["failed", "3.2", ""]
    assert rows["report"] == ["waits", "–", ""]


def test_the_pages_of_stages_that_never_ran_are_those_of_an_earlier_run(airflow: Airflow, cache: Path) -> None:
    entries = {address: told["entry"] for (address, _), told in airflow.told.items()}
    airflow.told = {("configure", "return_value"): _plan(entries)}
    assert _get(airflow, f"q2pt_retraining/{RUN}/reports/index.html").text == PAGE
    assert _get(airflow, f"q2pt_retraining/{RUN}/reports/validation/index.html").text == "<h1>Accepted</h1>"
    remade = _result("ran", report=_object(cache, "<h1>Remade</h1>"))
    airflow.told["report", "stage"] = remade | {"commit": "c1"}
    assert _get(airflow, f"q2pt_retraining/{RUN}/reports/index.html").text == "<h1>Remade</h1>"
    airflow.told["report", "stage"] = remade | {"commit": "c0"}
    assert _get(airflow, f"q2pt_retraining/{RUN}/reports/index.html").text == PAGE


def test_a_run_of_many_tasks_is_shown_whole(airflow: Airflow) -> None:
    airflow.tasks = [_task(f"train_non_unified.{number}") for number in range(250)]
    page = _get(airflow, f"q2pt_retraining/{RUN}/").text
    assert all(f">train_non_unified.{number}<" in page for number in range(250))


def test_the_plugin_adds_a_tab_for_each_page_of_a_run(airflow: Airflow) -> None:
    assert [view["name"] for view in RunPagesPlugin.external_views] == ["Results", "Report", "Validation"]
    for view in RunPagesPlugin.external_views:
        assert view["destination"] == "dag_run"
        path = view["href"].replace("{DAG_ID}", "q2pt_retraining").replace("{RUN_ID}", RUN)
        assert _get(airflow, path.removeprefix("/q2pt/")).status_code == 200


def test_airflow_finds_the_plugin_where_the_project_is_installed() -> None:
    assert entry_points(group="airflow.plugins")["q2pt"].load() is RunPagesPlugin


def test_the_plugin_costs_the_other_processes_of_airflow_nothing(tmp_path: Path) -> None:
    code = (
        "import sys, airflow.sdk.plugins_manager\n"
        "before = set(sys.modules)\n"
        "import q2pt_tasks.orchestration.plugin\n"
        "print(sorted(set(sys.modules) - before))\n"
    )
    environment = {"PATH": "/usr/bin:/bin", "AIRFLOW_HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    own = ["q2pt_tasks", "q2pt_tasks.orchestration", "q2pt_tasks.orchestration.plugin"]
    assert done.stdout.splitlines()[-1] == str(own)
