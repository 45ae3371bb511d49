"""The pages of a run: what each stage did, the report, the validation page.

They have no rights of their own. What they know of a run they ask Airflow's REST API, in the name of whoever looks;
that names the files by their hashes, and the files come from the store of the run's data.
"""

import hashlib
import json
import re
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import fsspec
import httpx
from anyio import to_thread
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from q2pt_tasks.inside import ListingError, read_listing
from q2pt_tasks.layout import Layout
from q2pt_tasks.orchestration.idle import NOTHING_KNOWN, Idle, read_idle
from q2pt_tasks.orchestration.operators import CONFIGURE, PAGES, STAGE
from q2pt_tasks.orchestration.settings import Settings, read_settings
from q2pt_tasks.orchestration.store import DamagedCacheError, MissingObjectError

# Airflow's largest page.
_PAGE = 100
# The pages show text of the log's. Should any of it ever get past their escaping, no script runs.
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'self'; sandbox allow-same-origin"
    ),
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "private, no-cache",
}
_LAYOUT = Layout()
_TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"), autoescape=True, undefined=StrictUndefined
)


class RefusedError(RuntimeError):
    """Airflow's API did not answer as asked."""

    def __init__(self, status: int) -> None:
        super().__init__(f"Airflow answered {status}")
        self.status = status


class NoPageError(RuntimeError):
    """The run has no such page; the message says why."""


@dataclass(frozen=True)
class File:
    """A file that a stage makes.

    Attributes:
        stage: which is no matrix, so that its address and its task's id are its name.
        out: its output, as `dvc.lock` names it: the file, or the folder that it is in.
        name: its path below the output; empty where the output is the file.
    """

    stage: str
    out: str
    name: str = ""


REPORT = File("report", _LAYOUT.report_page.as_posix())
VALIDATION = File("validate", _LAYOUT.validation_report.as_posix(), "index.html")
SUMMARY = File("evaluate", _LAYOUT.summary.as_posix())


@dataclass(frozen=True)
class TaskLine:
    """What became of a task."""

    task_id: str
    state: str
    seconds: float | None
    rows: str


class Run:
    """A run as Airflow's REST API tells of it to the one who asks."""

    def __init__(self, api: httpx.AsyncClient, dag_id: str, run_id: str) -> None:
        self.run_id = run_id
        self._api = api
        self._path = f"/api/v2/dags/{quote(dag_id, safe='')}/dagRuns/{quote(run_id, safe='')}"

    async def tasks(self) -> list[dict[str, Any]]:
        """Its task instances, in the order in which they started."""
        found: list[dict[str, Any]] = []
        while True:
            part = await self._get(f"taskInstances?limit={_PAGE}&offset={len(found)}")
            found += part["task_instances"]
            if len(found) >= part["total_entries"] or not part["task_instances"]:
                return sorted(found, key=lambda task: (task["start_date"] is None, task["start_date"]))

    async def told(self, task_id: str, key: str = "return_value") -> Any:  # noqa: ANN401 - JSON
        """What a task told the others; None where it told nothing."""
        try:
            answer = await self._get(f"taskInstances/{quote(task_id, safe='')}/xcomEntries/{key}")
        except RefusedError as error:
            if error.status != httpx.codes.NOT_FOUND:
                raise
            return None
        return answer["value"]

    async def idle(self) -> Idle:
        """Its stages that have nothing to do, as far as they are known."""
        plan = await self.told(CONFIGURE)
        return read_idle(plan) if plan else NOTHING_KNOWN

    async def read(self, file: File, store: "PageStore") -> bytes:
        """The content of a file that one of its stages made.

        Raises:
            NoPageError: the stage has not made it, or not yet.
            MissingObjectError: the file is not in the store.
            DamagedCacheError: it is there with another content.
        """
        entry = (await self.idle()).entry_of(file.stage, await self.told(file.stage, STAGE))
        outs = entry["outs"] if entry else await self.told(file.stage, PAGES) or []
        hashes = [out["md5"] for out in outs if out["path"] == file.out]
        if not hashes:
            raise NoPageError(f"The task {file.stage} of this run has not made this page, or not yet.")
        return await to_thread.run_sync(store.read, hashes[0], file.name)

    async def _get(self, path: str) -> Any:  # noqa: ANN401
        answer = await self._api.get(f"{self._path}/{path}")
        if answer.is_error:
            raise RefusedError(answer.status_code)
        return answer.json()


class PageStore:
    """The store of the runs' data, read only: the DVC remote, or the cache directory where there is none."""

    def __init__(self, settings: Settings) -> None:
        options = {"endpoint_url": settings.dvc_remote_endpoint} if settings.dvc_remote_endpoint else {}
        self._fs, self._root = fsspec.url_to_fs(settings.dvc_remote or str(settings.dvc_cache), **options)

    def read(self, md5: str, name: str = "") -> bytes:
        """The object of a hash, or the file `name` of the directory of that hash.

        Raises:
            MissingObjectError: it is not in the store.
            DamagedCacheError: it is there with another content.
        """
        content = self._object(md5)
        if not name:
            return content
        try:
            return self._object(read_listing(content.decode())[name])
        except (ListingError, UnicodeDecodeError, KeyError) as error:
            raise MissingObjectError(f"the object {md5} lists no {name!r}: {error}") from None

    def _object(self, md5: str) -> bytes:
        # It becomes a path.
        if not re.fullmatch(r"[0-9a-f]{32}(\.dir)?", md5):
            raise MissingObjectError(f"{md5!r} is no hash")
        path = f"{self._root}/files/md5/{md5[:2]}/{md5[2:]}"
        try:
            content: bytes = self._fs.cat_file(path)
        except FileNotFoundError:
            raise MissingObjectError(f"{path} is not in the store") from None
        found = hashlib.md5(content, usedforsecurity=False).hexdigest()
        if found != md5.removesuffix(".dir"):
            raise DamagedCacheError(f"{path} has the hash {found}")
        return content


@asynccontextmanager
async def _asked_run(request: Request) -> AsyncIterator[Run]:
    """The run of a request's path, asked in the name of who makes the request."""
    dag_id, run_id = request.path_params["dag_id"], request.path_params["run_id"]
    # To Airflow's API they mean all DAGs, all runs, and other paths.
    if {dag_id, run_id} & {"~", ".", ".."}:
        raise RefusedError(httpx.codes.NOT_FOUND)
    credentials = {name: request.headers[name] for name in ("cookie", "authorization") if name in request.headers}
    airflow = httpx.ASGITransport(app=request.scope["airflow"])
    async with httpx.AsyncClient(transport=airflow, base_url="http://airflow", headers=credentials) as api:
        yield Run(api, dag_id, run_id)


async def _report(request: Request) -> Response:
    return await _file(request, REPORT)


async def _validation(request: Request) -> Response:
    return await _file(request, VALIDATION)


async def _file(request: Request, file: File) -> Response:
    async with _asked_run(request) as run:
        return HTMLResponse(await run.read(file, PageStore(read_settings())), headers=HEADERS)


async def _results(request: Request) -> Response:
    async with _asked_run(request) as run:
        idle = await run.idle()
        tasks = [await _line(run, idle, task) for task in await run.tasks()]
        try:
            summary = json.loads(await run.read(SUMMARY, PageStore(read_settings())))
        except NoPageError:
            summary = {"headline": {}}
        page = _TEMPLATES.get_template("run.html").render(
            run_id=run.run_id,
            tasks=tasks,
            decision=await run.told("decide"),
            metrics=_metrics(summary["headline"].values()),
            headline=summary["headline"],
        )
    return HTMLResponse(page, headers=HEADERS)


async def _line(run: Run, idle: Idle, task: Mapping[str, Any]) -> TaskLine:
    task_id, state = task["task_id"], task["state"]
    if state == "skipped" and task_id in idle.tasks:
        return TaskLine(task_id, idle.tasks[task_id], None, "")
    # What a task has told before it was cleared is not what became of it.
    ended = task["operator"] == "StageOperator" and state in ("success", "skipped")
    told = await run.told(task_id, STAGE) if ended else None
    # One that failed its second look, and that a person then marked as a success, has told no result.
    result = told if told and told["entry"] else {"state": state or "waits", "rows": {}}
    rows = ", ".join(f"{out} {count:,}" for out, count in result["rows"].items())
    return TaskLine(task_id, result["state"], task["duration"], rows)


def _metrics(headline: Iterable[Mapping[str, float | None]]) -> list[str]:
    """The names of all figures, each once."""
    return list(dict.fromkeys(name for figures in headline for name in figures))


async def _say_refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, RefusedError)  # noqa: S101 - Starlette calls it for no other
    if error.status == httpx.codes.UNAUTHORIZED:
        return RedirectResponse(f"/auth/login?next={quote(str(request.url), safe='')}")
    if error.status in (httpx.codes.FORBIDDEN, httpx.codes.NOT_FOUND):
        return _sentence("There is no such run, or you may not see it.", error.status)
    return _sentence(str(error), httpx.codes.BAD_GATEWAY)


async def _say_why_not(_: Request, error: Exception) -> Response:
    return _sentence(str(error), httpx.codes.NOT_FOUND)


def _sentence(text: str, status: int) -> Response:
    return HTMLResponse(_TEMPLATES.get_template("sentence.html").render(text=text), status, headers=HEADERS)


application = Starlette(
    routes=[
        Route("/{dag_id}/{run_id}/", _results),
        Route(f"/{{dag_id}}/{{run_id}}/{_LAYOUT.report_page}", _report),
        Route(f"/{{dag_id}}/{{run_id}}/{_LAYOUT.validation_report}/index.html", _validation),
    ],
    exception_handlers={
        RefusedError: _say_refused,
        NoPageError: _say_why_not,
        MissingObjectError: _say_why_not,
        DamagedCacheError: _say_why_not,
    },
)
