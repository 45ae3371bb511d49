"""Around every request: its size, its figures, and what a browser is told about the answer."""

import time

from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from q2pt_tasks.serving.http.figures import Figures

# The page's own files and this service, nothing else; no script or style inside a document.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


class BodyLimit:
    """Refuses a request whose body has more than `most` bytes: before it is read where it says so itself."""

    def __init__(self, app: ASGIApp, most: int) -> None:
        self._app, self._most = app, most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        declared = dict(scope["headers"]).get(b"content-length", b"0")
        if declared.isdigit() and int(declared) > self._most:
            answer = JSONResponse({"detail": self._sentence}, 413, {"connection": "close"})
            await answer(scope, receive, send)
            return
        read = 0

        async def counted() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read > self._most:
                raise HTTPException(413, self._sentence, {"connection": "close"})
            return message

        await self._app(scope, counted, send)

    @property
    def _sentence(self) -> str:
        return f"the body has more than {self._most} bytes: ask fewer or shorter queries at once"


class Watched:
    """Counts and times requests by the paths that are known; others together, as anybody can make them up."""

    def __init__(self, app: ASGIApp, figures: Figures, paths: frozenset[str]) -> None:
        self._app, self._figures, self._paths = app, figures, paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path = scope["path"] if scope["path"] in self._paths else "other"
        started, status = time.monotonic(), 500

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                _say_to_browsers(MutableHeaders(scope=message))
            await send(message)

        # The server leaves out the body of an answer to HEAD.
        asked = {**scope, "method": "GET"} if scope["method"] == "HEAD" else scope
        try:
            await self._app(asked, receive, noted)
        finally:
            self._figures.requests.labels(path, str(status)).inc()
            self._figures.seconds.labels(path).observe(time.monotonic() - started)


def _say_to_browsers(headers: MutableHeaders) -> None:
    headers["Content-Security-Policy"] = _POLICY
    headers["X-Content-Type-Options"] = "nosniff"
    headers["Referrer-Policy"] = "no-referrer"
    headers.setdefault("Cache-Control", "no-store")
