"""The service over HTTP: its paths, and how what goes wrong is said."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from importlib import resources
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import TypeAdapter
from starlette.routing import Route

from q2pt_tasks.model.prediction import LocaleNotServedError
from q2pt_tasks.serving.http.batcher import OverloadedError
from q2pt_tasks.serving.http.documents import Answer, Answers, Problem, Question, Questions, ReleaseDocument, State
from q2pt_tasks.serving.http.loaded import ModelNotServedError
from q2pt_tasks.serving.http.middleware import BodyLimit, Watched
from q2pt_tasks.serving.http.service import Service
from q2pt_tasks.serving.http.strict_json import StrictJsonRoute
from q2pt_tasks.serving.http.watcher import Watcher

_JSON = "application/json"
_PAGE = resources.files("q2pt_tasks.serving.http") / "page"
_FILES = {
    "/": ("page.html", "text/html"),
    "/page.css": ("page.css", "text/css"),
    "/page.js": ("page.js", "text/javascript"),
}
_ANSWER, _ANSWERS = TypeAdapter(Answer), TypeAdapter(Answers)
_PROBLEMS: Mapping[int | str, dict[str, Any]] = {
    400: {"model": Problem, "description": "The body is no JSON."},
    404: {"model": Problem, "description": "No such model, or it does not serve the store."},
    413: {"model": Problem, "description": "The body is too large."},
    422: {"model": Problem, "description": "The body is not what this document says."},
    429: {
        "model": Problem,
        "description": "Too many questions wait.",
        "headers": {"Retry-After": {"description": "Seconds.", "schema": {"type": "integer", "minimum": 1}}},
    },
}

router = APIRouter(route_class=StrictJsonRoute)


def create_app(service: Service, watcher: Watcher) -> FastAPI:
    """The application.

    Args:
        service: answers.
        watcher: switches its releases while it runs.
    """

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with service.batcher.running():
            watching = asyncio.create_task(watcher.run())
            try:
                yield
            finally:
                watching.cancel()

    app = FastAPI(
        title="q2pt",
        version="1",
        summary="Which product types a shopper's query means, in the store where it was typed.",
        lifespan=lifespan,
        # Their pages load scripts from elsewhere.
        docs_url=None,
        redoc_url=None,
        # To where the header Host says.
        redirect_slashes=False,
    )
    app.state.service = service
    app.include_router(router)
    for path, (name, kind) in _FILES.items():
        app.add_api_route(path, _file(name, kind), include_in_schema=False)
    app.add_middleware(BodyLimit, most=service.limits.body_bytes)
    paths = frozenset(route.path for route in app.routes if isinstance(route, Route))
    app.add_middleware(Watched, figures=service.figures, paths=paths)
    app.add_exception_handler(RequestValidationError, _refuse_document)
    for error in (ModelNotServedError, LocaleNotServedError):
        app.add_exception_handler(error, _not_found)
    app.add_exception_handler(OverloadedError, _refuse_for_now)
    return app


# Not a plain function: FastAPI gives each call of one to a thread, which under load is most of what a request costs.
async def _service(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


Served = Annotated[Service, Depends(_service)]


@router.post("/predict", response_model=Answer, responses={**_PROBLEMS})
async def predict(question: Question, service: Served) -> Response:
    """What one query means."""
    (answer,) = await service.answer([question])
    return Response(_ANSWER.dump_json(answer), media_type=_JSON)


@router.post("/predict/batch", response_model=Answers, responses={**_PROBLEMS})
async def predict_batch(body: Questions, service: Served) -> Response:
    """What each of many queries means, all answered by one release."""
    answers = await service.answer(body.questions)
    return Response(_ANSWERS.dump_json(Answers.model_construct(answers=answers)), media_type=_JSON)


@router.get("/model")
async def model(service: Served) -> ReleaseDocument:
    """The release that serves, with figures and thresholds."""
    return service.loaded.describe()


@router.get("/healthz")
async def healthz() -> State:
    """Whether the process lives."""
    return State(status="alive")


@router.get("/readyz", responses={503: {"model": State, "description": "It takes no more questions for now."}})
async def readyz(service: Served) -> Response:
    """Whether a question would be taken."""
    if service.is_full:
        return JSONResponse({"status": "full"}, 503)
    return JSONResponse({"status": "ready"})


@router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
async def metrics(service: Served) -> Response:
    """For Prometheus."""
    return Response(service.figures.text(), media_type="text/plain; version=1.0.0; charset=utf-8")


def _file(name: str, kind: str) -> Any:  # noqa: ANN401 - FastAPI reads its signature
    content = (_PAGE / name).read_bytes()

    async def file() -> Response:
        return Response(content, media_type=kind, headers={"Cache-Control": "no-cache"})

    return file


async def _refuse_document(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - it is registered for these
    first, *others = error.errors()
    place = ".".join(map(str, first["loc"]))
    more = f" (and {len(others)} more)" if others else ""
    # A key may be no text either.
    sentence = f"{place}: {first['msg']}{more}".encode("utf-8", "replace").decode()
    return JSONResponse({"detail": sentence}, 422)


async def _not_found(_: Request, error: Exception) -> Response:
    return JSONResponse({"detail": str(error)}, 404)


async def _refuse_for_now(_: Request, error: Exception) -> Response:
    assert isinstance(error, OverloadedError)  # noqa: S101 - it is registered for these
    return JSONResponse({"detail": str(error)}, 429, {"Retry-After": str(error.retry_after)})
