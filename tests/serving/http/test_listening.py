"""Connections are taken as they come, however long a turn of the loop is, and however few files there are."""

import socket
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import httpx
import pytest
from http_service import Running, connected, started

pytestmark = pytest.mark.enable_socket

TURN_SECONDS, FILES = 0.02, 60
# Of connections that are open, and of files with those that are being opened or cut.
BOUND, BOUND_FILES = 20, 350
_SERVER = f"""
import asyncio, resource, socket, sys, time
from types import SimpleNamespace
import uvicorn
from q2pt_tasks.serving.http.connection import connections_to
from q2pt_tasks.serving.http.crowd import Crowd
from q2pt_tasks.serving.http.limits import Limits
from q2pt_tasks.serving.http.listening import Server

async def never_idle():
    while True:
        time.sleep({TURN_SECONDS})
        await asyncio.sleep(0)

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        busy = asyncio.create_task(never_idle()) if sys.argv[1] == "busy" else None
        await send({{"type": "lifespan.startup.complete"}})
        await receive()
        await send({{"type": "lifespan.shutdown.complete"}})
    else:
        time.sleep(1 if scope["path"] == "/block" else 0)
        await send({{"type": "http.response.start", "status": 204, "headers": []}})
        await send({{"type": "http.response.body"}})

files = {{"poor": {FILES}, "bounded": {BOUND_FILES}}}.get(sys.argv[1])
if files:
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
figures = SimpleNamespace(count_refused=id)
service = SimpleNamespace(limits=Limits(connections={BOUND}), crowd=Crowd(999), figures=figures)
http = connections_to(service) if sys.argv[1] == "bounded" else "httptools"
listening = socket.create_server(("127.0.0.1", 0), backlog=1000)
print(f"its page: http://127.0.0.1:{{listening.getsockname()[1]}}/", file=sys.stderr)
Server(uvicorn.Config(app, loop="uvloop", http=http, log_config=None), listening).run()
"""
ASKED = b"GET / HTTP/1.1\r\nHost: here\r\n\r\n"


@contextmanager
def server(kind: str) -> Iterator[Running]:
    with started([sys.executable, "-c", _SERVER, kind]) as running:
        assert httpx.get(running.url).status_code == 204
        yield running


def test_long_turns_let_all_in_at_once() -> None:
    """One in a turn would take `many * TURN_SECONDS` at least."""
    many = 300
    with server("busy") as running, ExitStack() as open_:
        begun = time.monotonic()
        clients = [open_.enter_context(connected(running)) for _ in range(many)]
        for client in clients:
            client.sendall(ASKED)
        assert all(client.recv(100).startswith(b"HTTP/1.1 204") for client in clients)
        assert time.monotonic() - begun < many * TURN_SECONDS


def test_who_finds_no_file_left_is_taken_when_there_are_some_again() -> None:
    with server("poor") as running:
        with ExitStack() as open_:
            for _ in range(2 * FILES):
                open_.enter_context(connected(running))
            with pytest.raises(httpx.TimeoutException):
                httpx.get(running.url, timeout=0.5)
        assert httpx.get(running.url, timeout=60).status_code == 204


def test_a_burst_of_too_many_needs_no_file_for_each() -> None:
    """They are cut, some turns after they were taken."""
    with server("bounded") as running:
        with ExitStack() as open_:
            open_.enter_context(connected(running)).sendall(ASKED.replace(b"/", b"/block", 1))
            time.sleep(0.2)
            for _ in range(2 * BOUND_FILES):
                open_.enter_context(connected(running))
            time.sleep(2)
        assert httpx.get(running.url, timeout=60).status_code == 204
        assert running.stop() == -15
        assert running.process.stderr is not None
        assert "no connection can be taken" not in running.process.stderr.read()


def test_it_ends_when_it_is_told_to_though_there_is_no_file_left() -> None:
    with server("poor") as running, ExitStack() as open_:
        for _ in range(2 * FILES):
            open_.enter_context(connected(running))
        with pytest.raises(httpx.TimeoutException):
            httpx.get(running.url, timeout=0.5)
        assert running.stop() == -15
        assert running.process.stderr is not None
        assert "Traceback" not in running.process.stderr.read()


def test_it_ends_when_it_is_told_to_with_clients_that_ask_nothing() -> None:
    with server("idle") as running, connected(running), connected(running):
        assert running.stop() == -15
        with pytest.raises(ConnectionRefusedError), socket.create_connection(address(running)):
            pass


def address(running: Running) -> tuple[str, int]:
    host, port = running.url.removeprefix("http://").split(":")
    return host, int(port)
