"""Clients that are too many, too slow, or never done: they have an answer or are cut, and others notice nothing."""

import contextlib
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from http_service import Running, answer, ask, connected, serving_within, told

from q2pt_tasks.serving.http.limits import Limits

pytestmark = pytest.mark.enable_socket

READ_SECONDS = 1.0
REQUESTS, CONNECTIONS = 4, 60
WAITING = Limits().waiting
HEAD_BYTES = 2**16
QUESTION = b'{"query": "red hat", "locale": "en-GB"}'
FIRST = b"POST /predict HTTP/1.1\r\nHost: here\r\n"
KIND = b"Content-Type: application/json\r\n"
CHUNKED = FIRST + KIND + b"Transfer-Encoding: chunked\r\n\r\n"


def asked(body: bytes = QUESTION, more: bytes = b"") -> bytes:
    return FIRST + KIND + more + b"Content-Length: %d\r\n\r\n" % len(body) + body


LAST = asked(more=b"Connection: close\r\n")


@pytest.fixture(scope="module")
def running(aware: Path) -> Iterator[Running]:
    """A service that soon has had enough."""
    with serving_within(aware, read_seconds=READ_SECONDS, requests=REQUESTS, connections=CONNECTIONS) as running:
        yield running
        assert running.stop() == 0


@contextlib.contextmanager
def crowded(running: Running) -> Iterator[None]:
    """More requests than are allowed are being answered, all of this time."""
    # Written once: the clients share one core with the service, which is to be the busier one.
    questions = [
        {"query": f"red hat {number} of a long winter", "locale": "en-GB"} for number in range(WAITING // REQUESTS)
    ]
    body = json.dumps({"questions": questions}).encode()
    done = threading.Event()

    def client() -> None:
        with httpx.Client(base_url=running.url, timeout=60) as http:
            while not done.is_set():
                http.post("/predict/batch", content=body, headers={"Content-Type": "application/json"})

    clients = [threading.Thread(target=client) for _ in range(4 * REQUESTS)]
    for one in clients:
        one.start()
    try:
        yield
    finally:
        done.set()
        for one in clients:
            one.join()


def test_what_comes_in_pieces_is_answered(running: Running) -> None:
    with connected(running) as connection:
        for piece in (LAST[:9], LAST[9:50], LAST[50:-5], LAST[-5:]):
            connection.sendall(piece)
            time.sleep(0.05)
        assert told(connection).startswith(b"HTTP/1.1 200")


def test_several_requests_in_one_piece_are_answered_in_their_order(running: Running) -> None:
    bodies = [json.dumps({"query": f"hat {number}", "locale": "en-GB"}).encode() for number in range(20)]
    with connected(running) as connection:
        connection.sendall(b"".join(map(asked, bodies)) + LAST)
        said = told(connection)
    assert said.count(b"HTTP/1.1 200") == 21
    places = [said.index(b'"hat %d"' % number) for number in range(20)]
    assert places == sorted(places)


def test_an_offer_of_http_2_is_answered_in_http_1(running: Running) -> None:
    """As Java's own client makes it with its first request."""
    offer = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAAAAIAAAAB\r\n"
    with connected(running) as connection:
        connection.sendall(asked(more=offer))
        assert connection.recv(2**16).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize(
    "sent",
    [b"POST /pre", FIRST + b"X-Slow: ", asked()[:-3], CHUNKED + b"5\r\nabc"],
    ids=["first line", "header", "body", "chunk"],
)
def test_a_request_that_never_ends_is_told_so_and_closed(running: Running, sent: bytes) -> None:
    with connected(running) as connection:
        connection.sendall(sent)
        started = time.monotonic()
        said = told(connection)
    assert said.startswith(b"HTTP/1.1 408 Request Timeout\r\n")
    assert b"did not come as a whole within 1 s" in said
    assert READ_SECONDS - 0.5 < time.monotonic() - started < READ_SECONDS + 20


@pytest.mark.parametrize(
    ("before", "sent"),
    [(b"", b""), (b"", b"\r\n"), (asked(), b"\r\n")],
    ids=["nothing", "a blank line", "a blank line after an answer"],
)
def test_a_connection_that_asks_nothing_is_closed_without_a_word(running: Running, before: bytes, sent: bytes) -> None:
    with connected(running) as connection:
        connection.sendall(before + sent)
        assert told(connection).count(b"HTTP/1.1") == (1 if before else 0)


def test_a_drop_now_and_then_gives_no_more_time(running: Running) -> None:
    with connected(running) as connection:
        started = time.monotonic()
        with contextlib.suppress(OSError):
            for byte in FIRST + b"X: " + b"a" * 1000:
                connection.sendall(bytes([byte]))
                time.sleep(0.1)
        assert time.monotonic() - started < READ_SECONDS + 20


def test_slow_bodies_leave_room_for_others(running: Running) -> None:
    with contextlib.ExitStack() as slow:
        for _ in range(5 * REQUESTS):
            slow.enter_context(connected(running)).sendall(asked()[:-1])
        assert ask(running.url).status_code == 200
    assert ask(running.url).status_code == 200


@pytest.mark.parametrize(
    "sent",
    [b"GET /" + b"a" * 4 * HEAD_BYTES, FIRST + b"X: " + b"a" * 4 * HEAD_BYTES, FIRST + b"X: a\r\n" * HEAD_BYTES],
    ids=["path", "header", "headers"],
)
def test_a_head_without_an_end_is_refused(running: Running, sent: bytes) -> None:
    with connected(running) as connection:
        # It closes before it has read all.
        with contextlib.suppress(OSError):
            connection.sendall(sent)
        said = told(connection)
    assert not said or said.startswith(b"HTTP/1.1 431 ")
    assert ask(running.url).status_code == 200


def test_a_long_head_that_ends_is_answered(running: Running) -> None:
    with connected(running) as connection:
        connection.sendall(asked(more=b"Cookie: " + b"a" * 30_000 + b"\r\nConnection: close\r\n"))
        assert told(connection).startswith(b"HTTP/1.1 200")


@pytest.mark.slow
def test_trailers_without_an_end_are_cut(running: Running) -> None:
    with connected(running) as connection:
        connection.sendall(CHUNKED + b"%x\r\n" % len(QUESTION) + QUESTION + b"\r\n0\r\n")
        sent = 0
        with contextlib.suppress(OSError):
            while sent < 2**27:
                connection.sendall(b"X: a\r\n" * 10_000)
                sent += 60_000
        assert sent < 2**27
    assert ask(running.url).status_code == 200


def test_connections_are_bounded_and_room_comes_back(running: Running) -> None:
    with contextlib.ExitStack() as many:
        made = [many.enter_context(connected(running)) for _ in range(2 * CONNECTIONS)]
        time.sleep(0.5)
        for connection in made:
            connection.setblocking(False)
        cut = 0
        for connection in made:
            with contextlib.suppress(BlockingIOError):
                with contextlib.suppress(ConnectionResetError):
                    assert connection.recv(1) == b""
                cut += 1
        assert CONNECTIONS - 5 <= cut <= CONNECTIONS + 5
    time.sleep(0.5)
    assert ask(running.url).status_code == 200


@pytest.mark.slow
def test_a_crowd_is_refused_on_its_own_connections_which_go_on(running: Running) -> None:
    with crowded(running), connected(running) as connection:
        statuses, ready = list[bytes](), set[int]()
        deadline = time.monotonic() + 60
        while statuses[-2:] != [b"429", b"429"] and time.monotonic() < deadline:
            connection.sendall(asked())
            head, body = answer(connection)
            statuses.append(head[9:12])
            if statuses[-1] == b"429":
                assert b"\r\nretry-after: 1\r\n" in head + b"\r\n"
                assert json.loads(body)["detail"].startswith("too many requests are under way")
                assert b"connection: close" not in head
                ready.add(httpx.get(f"{running.url}/readyz").status_code)
        assert statuses[-2:] == [b"429", b"429"]
        assert 503 in ready
        # How the service is, is said all the same.
        for path in ("/healthz", "/metrics", "/"):
            assert httpx.get(f"{running.url}{path}").status_code == 200
    assert ask(running.url).status_code == 200
    figures = httpx.get(f"{running.url}/metrics").text
    assert 'q2pt_refused_requests_total{status="429"}' in figures


@pytest.mark.slow
@pytest.mark.parametrize(
    "sent",
    [
        LAST,
        asked().replace(b"HTTP/1.1", b"HTTP/1.0"),
        FIRST + KIND + b"Expect: 100-continue\r\nContent-Length: 39\r\n\r\n",
    ],
    ids=["close", "HTTP/1.0", "expect"],
)
def test_who_wants_no_further_answer_is_refused_and_let_go(running: Running, sent: bytes) -> None:
    with crowded(running):
        deadline = time.monotonic() + 60
        said = b""
        while not said.startswith(b"HTTP/1.1 429") and time.monotonic() < deadline:
            with connected(running) as connection:
                connection.sendall(sent)
                if said := connection.recv(2**16):
                    rest = b"" if said.startswith(b"HTTP/1.1 100") else told(connection)
        assert said.startswith(b"HTTP/1.1 429 Too Many Requests\r\n")
        assert b"\r\nconnection: close\r\n" in said
        assert rest == b""


@pytest.mark.slow
def test_who_takes_no_answers_harms_nobody(running: Running) -> None:
    with crowded(running), connected(running) as connection:
        connection.settimeout(1)
        # Its answers fill the system's buffers, and then it is cut, or not read any more.
        with contextlib.suppress(OSError):
            for _ in range(2000):
                connection.sendall(asked() * 100)
    assert ask(running.url).status_code == 200


@pytest.mark.slow
def test_a_flood_of_nonsense_fills_no_log(aware: Path) -> None:
    with serving_within(aware) as running:
        for _ in range(50):
            with connected(running) as connection:
                connection.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
                told(connection)
        assert running.stop() == 0
        assert running.process.stderr is not None
        assert "Invalid" not in running.process.stderr.read()
