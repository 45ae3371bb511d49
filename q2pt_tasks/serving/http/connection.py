"""A connection to a client, who may be too many, too slow, or never done.

uvicorn makes a task of every request and lets a client take any time and any number of bytes for one. What is refused
here costs a tenth of that: it is answered as soon as it has been read, without a task.
"""

import asyncio
import json
import re
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from q2pt_tasks.serving.http.crowd import Crowd
from q2pt_tasks.serving.http.limits import Limits
from q2pt_tasks.serving.http.service import Service

_RETRY_SECONDS = 1
# A line of the first and a few of others are what a request has; proxies allow 8 to 64 kilobytes.
_HEAD_BYTES = 2**16
# Java's own client offers HTTP/2 with its first request. Nothing else than HTTP/1 is spoken here, and where the parser
# sees an offer, it reads no body.
_OFFER = re.compile(rb"\r\nupgrade:", re.IGNORECASE)
# Chunks of one byte have six around them, and a refused body is not worth its reading.
_OVERHEAD = 8


def _rendered(status: HTTPStatus, sentence: str, *, keep: bool) -> bytes:
    """An answer as it goes over the wire."""
    body = json.dumps({"detail": sentence}).encode()
    lines = [
        f"HTTP/1.1 {status.value} {status.phrase}",
        "content-type: application/json",
        f"content-length: {len(body)}",
        "cache-control: no-store",
        "x-content-type-options: nosniff",
    ]
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        lines.append(f"retry-after: {_RETRY_SECONDS}")
    if not keep:
        lines.append("connection: close")
    return "\r\n".join([*lines, "", ""]).encode() + body


_TOO_MANY = "too many requests are under way, no more are taken: ask again in 1 s"
_REFUSED = {keep: _rendered(HTTPStatus.TOO_MANY_REQUESTS, _TOO_MANY, keep=keep) for keep in (True, False)}
_LONG_HEAD = f"the head of the request has more than {_HEAD_BYTES} bytes"


def connections_to(service: Service) -> type[HttpToolsProtocol]:
    """The connections to a service, as uvicorn makes them."""

    class Bounded(Connection):
        def __init__(
            self,
            config: Config,
            server_state: ServerState,
            app_state: dict[str, Any],
            _loop: asyncio.AbstractEventLoop | None = None,
        ) -> None:
            super().__init__(config, server_state, app_state, _loop)
            self.limits, self.crowd, self.count = service.limits, service.crowd, service.figures.count_refused
            self.crowd.tasks = self.tasks

    return Bounded


class Connection(HttpToolsProtocol):
    """Refuses what is more than `crowd` takes, and ends with who takes too long.

    A request has `limits.read_seconds` from its first byte to its last, a connection as long until its first request.
    Who does not take an answer away is cut when the connection has been idle. Questions are asked by POST alone: all
    else is answered under load, too.
    """

    limits: Limits
    crowd: Crowd
    count: Callable[[int], object]
    _deadline: asyncio.TimerHandle | None = None
    # Bytes of a request that has not ended.
    _unfinished = 0
    _begun = False
    _in_head = True
    _ended = False
    _reads_body = False
    _is_refused = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > self.limits.connections:
            transport.abort()
            return
        self._expect()

    def connection_lost(self, exc: Exception | None) -> None:
        self._expect_no_more()
        self._unset_keepalive_if_required()
        self._body_is_read()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._ended = False
        if self._in_head:
            head, end, rest = data.partition(b"\r\n\r\n")
            data = _OFFER.sub(b"\r\nx-upgrade:", head) + end + rest
        super().data_received(data)
        self._unfinished = 0 if self._ended else self._unfinished + len(data)
        if self.transport.is_closing():
            return
        # Most requests come in one piece, and need no timer.
        if self._begun or not self._ended:
            self._expect()
        if self._in_head and self._unfinished > _HEAD_BYTES:
            self._end(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, _LONG_HEAD)
        elif self._unfinished > _OVERHEAD * self.limits.body_bytes:
            self.transport.abort()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._begun = True

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._is_refused = self.crowd.is_full and self.parser.get_method() == b"POST" and not self._answers()
        if not self._is_refused:
            self._reads_body = True
            self.crowd.reading += 1
            super().on_headers_complete()
        elif self.expect_100_continue:
            # Who asks first has not sent a body, and may never.
            self._end(HTTPStatus.TOO_MANY_REQUESTS, _TOO_MANY)

    def on_body(self, body: bytes) -> None:
        if not self._is_refused:
            super().on_body(body)

    def on_message_complete(self) -> None:
        self._ended = self._in_head = True
        self._begun = False
        self._expect_no_more()
        if self._is_refused:
            self._refuse()
        else:
            self._body_is_read()
            super().on_message_complete()

    def timeout_keep_alive_handler(self) -> None:
        if self.transport.get_write_buffer_size():
            self.transport.abort()
        super().timeout_keep_alive_handler()

    def _answers(self) -> bool:
        """Whether a request before, on the same connection, has no answer yet, which must come first."""
        return self.cycle is not None and not self.cycle.response_complete

    def _is_answered_early(self) -> bool:
        """Whether the request whose body is being read has its whole answer, such as 404."""
        return self._reads_body and self.cycle is not None and self.cycle.response_complete

    def _refuse(self) -> None:
        if self.flow.write_paused:
            self.transport.abort()
            return
        if self.transport.is_closing():
            return
        keep = self.parser.should_keep_alive() and self.parser.get_http_version() == "1.1"
        self.count(HTTPStatus.TOO_MANY_REQUESTS)
        self.transport.write(_REFUSED[keep])
        if not keep:
            self.transport.close()
            return
        # Of the refusal before, where both came in one piece.
        self._unset_keepalive_if_required()
        self.timeout_keep_alive_task = self.loop.call_later(self.timeout_keep_alive, self.timeout_keep_alive_handler)

    def _expect(self) -> None:
        if self._deadline is None:
            self._deadline = self.loop.call_later(self.limits.read_seconds, self._give_up)

    def _expect_no_more(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _body_is_read(self) -> None:
        if self._reads_body:
            self._reads_body = False
            self.crowd.reading -= 1

    def _give_up(self) -> None:
        self._deadline = None
        if self.pipeline:
            # It is not read on before those that came with it are answered, and so cannot be late.
            self._expect()
            return
        if not self._begun:
            self.transport.abort()
            return
        if self._answers() and not self._reads_body:
            # The answer to the request before comes first; then this one is idle.
            return
        seconds = self.limits.read_seconds
        self._end(HTTPStatus.REQUEST_TIMEOUT, f"the request did not come as a whole within {seconds:g} s")

    def _end(self, status: HTTPStatus, sentence: str) -> None:
        """Says why, where nothing has been said, and closes."""
        if self.transport.is_closing():
            return
        is_said = self._answers() and self.cycle.response_started
        if not is_said and not self._is_answered_early():
            self.count(status)
            self.transport.write(_rendered(status, sentence, keep=False))
        if self._answers():
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        self.transport.close()
