"""Requests that come on a connection before those ahead of them have been answered."""

import re
import sys
import time
from collections.abc import Iterator

import pytest
from http_service import Running, connected, started, told

pytestmark = pytest.mark.enable_socket

READ_SECONDS = IDLE_SECONDS = 1
# Answers when the seconds have passed that the path says; one request at a time is no crowd.
_SERVER = f"""
import asyncio, socket, sys
from types import SimpleNamespace
import uvicorn
from q2pt_tasks.serving.http.connection import connections_to
from q2pt_tasks.serving.http.crowd import Crowd
from q2pt_tasks.serving.http.limits import Limits
from q2pt_tasks.serving.http.listening import Server

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        for said in ("startup", "shutdown"):
            await receive()
            await send({{"type": f"lifespan.{{said}}.complete"}})
        return
    seconds = float(scope["path"][1:])
    await asyncio.sleep(seconds)
    while seconds and (await receive()).get("more_body"):
        pass
    await send({{"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]}})
    await send({{"type": "http.response.body"}})

figures = SimpleNamespace(count_refused=lambda status: None)
service = SimpleNamespace(limits=Limits(read_seconds={READ_SECONDS}), crowd=Crowd(0), figures=figures)
listening = socket.create_server(("127.0.0.1", 0))
print(f"its page: http://127.0.0.1:{{listening.getsockname()[1]}}/", file=sys.stderr)
Server(
    uvicorn.Config(
        app, loop="uvloop", http=connections_to(service), log_config=None, timeout_keep_alive={IDLE_SECONDS}
    ),
    listening,
).run()
"""


def asked(seconds: float, method: str = "GET", head: str = "", body: str = "") -> bytes:
    return f"{method} /{seconds} HTTP/1.1\r\nHost: here\r\n{head}\r\n{body}".encode()


def posted(seconds: float) -> bytes:
    return asked(seconds, "POST", "Content-Length: 1\r\n", "x")


LAST = asked(0, head="Connection: close\r\n")


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    with started([sys.executable, "-c", _SERVER]) as running:
        yield running


def statuses(said: bytes) -> list[int]:
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d+)", said)]


def test_refusals_that_came_in_one_piece_cut_no_later_answer(running: Running) -> None:
    """A connection that has been idle is closed, not one on which something is asked meanwhile."""
    with connected(running) as other, connected(running) as connection:
        other.sendall(asked(1))
        time.sleep(0.1)
        connection.sendall(2 * posted(0))
        time.sleep(0.2)
        refused = connection.recv(2**16)
        other.recv(2**16)
        connection.sendall(asked(2.5 * IDLE_SECONDS))
        answered = connection.recv(2**16)
    assert (statuses(refused), statuses(answered)) == ([429, 429], [200])


def test_a_request_that_waits_for_the_one_before_it_is_not_late(running: Running) -> None:
    """Nothing more of it is read before the first one has its answer."""
    second = asked(0.1, "POST", "Content-Length: 10\r\n", "abc")
    with connected(running) as connection:
        connection.sendall(asked(2 * READ_SECONDS) + second)
        time.sleep(0.1)
        connection.sendall(b"defghij")
        connection.sendall(LAST)
        assert statuses(told(connection)) == [200, 200, 200]


def test_a_body_that_never_ends_is_not_answered_twice(running: Running) -> None:
    with connected(running) as connection:
        connection.sendall(asked(0, "POST", "Content-Length: 10\r\n", "abc"))
        assert statuses(told(connection)) == [200]
