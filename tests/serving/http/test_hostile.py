"""What no honest client sends: it is refused with a reason or cut, nothing is taken for something else, and the next
question is answered."""

import gzip
import json
import random
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from http_service import Running, ask, connected, serving_within, told

pytestmark = pytest.mark.enable_socket

QUESTION = b'{"query": "red hat", "locale": "en-GB"}'
KIND = b"Host: here\r\nContent-Type: application/json\r\n"
FIRST = b"POST /predict HTTP/1.1\r\n" + KIND
LENGTH = b"Content-Length: %d\r\n" % len(QUESTION)
END = b"\r\n\r\n"
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: here\r\n\r\n"

MALFORMED = {
    "a greeting of TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500),
    "a preface of HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "HTTP/9.9": b"GET / HTTP/9.9\r\n\r\n",
    "no method": b" / HTTP/1.1\r\n\r\n",
    "an unknown method": b"FETCH / HTTP/1.1\r\nHost: here\r\n\r\n",
    "a space in a header's name": b"GET / HTTP/1.1\r\nHo st: here\r\n\r\n",
    "a space before the colon": FIRST + b"Content-Length : 39" + END + QUESTION,
    "zero bytes in a header": b"GET / HTTP/1.1\r\nHost: he\x00re\r\n\r\n",
    "a header that goes on": b"GET / HTTP/1.1\r\nHost: here\r\n folded\r\nX\r\n\r\n",
    "a path of bytes": b"GET /\xff\xfe HTTP/1.1\r\nHost: here\r\n\r\n",
    "a negative length": FIRST + b"Content-Length: -1" + END + QUESTION,
    "a length in words": FIRST + b"Content-Length: many" + END + QUESTION,
    "a length of 5,000 digits": FIRST + b"Content-Length: " + b"9" * 5000 + END + QUESTION,
    "two lengths": FIRST + LENGTH + b"Content-Length: 5" + END + QUESTION,
    "two lengths in one": FIRST + b"Content-Length: 39, 5" + END + QUESTION,
    "length and chunks": FIRST + LENGTH + b"Transfer-Encoding: chunked" + END + b"0\r\n\r\n" + SMUGGLED,
    "chunks in another coding": FIRST + b"Transfer-Encoding: chunked, identity" + END + b"0\r\n\r\n" + SMUGGLED,
    "chunks of a wrong size": FIRST + b"Transfer-Encoding: chunked" + END + b"zz\r\n" + QUESTION + b"\r\n0\r\n\r\n",
    "a chunk of all memory": FIRST + b"Transfer-Encoding: chunked" + END + b"f" * 20 + b"\r\n" + QUESTION,
    "a chunk longer than it says": FIRST + b"Transfer-Encoding: chunked" + END + b"5\r\n" + QUESTION + b"\r\n0\r\n\r\n",
    "a tunnel": b"CONNECT 127.0.0.1:22 HTTP/1.1\r\nHost: 127.0.0.1:22\r\nConnection: close\r\n\r\n",
    "a socket of the web": (
        b"GET /predict HTTP/1.1\r\nHost: here\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    ),
}
NOT_FOUND = (
    "/predict/",
    "/predict/../model/",
    "/..%2f..%2fetc/passwd",
    "/%2e%2e/%2e%2e/etc/passwd",
    "//predict",
    "/page.js%00",
    "/page.js/",
    "/PREDICT",
    "/predict%0d%0aX-Injected:%20yes",
    "/%ff%fe",
    "/docs",
    "/redoc",
)
# A body, and what it is answered.
BODIES = {
    "not a number": (b'{"query": "hat", "locale": "en-GB", "near_misses": NaN}', 400),
    "infinite": (b'{"query": "hat", "locale": "en-GB", "near_misses": Infinity}', 400),
    "1e400": (b'{"query": "hat", "locale": "en-GB", "near_misses": 1e400}', 422),
    "a number of 5,000 digits": (b'{"query": "hat", "locale": "en-GB", "near_misses": ' + b"9" * 5000 + b"}", 400),
    "deep lists": (b'{"query": ' + b"[" * 500_000 + b"]" * 500_000 + b"}", 400),
    "deep documents": (b'{"query":' * 100_000 + b"1" + b"}" * 100_000, 400),
    "a mark of byte order": (b"\xef\xbb\xbf" + QUESTION, 400),
    "UTF-16": (QUESTION.decode().encode("utf-16"), 400),
    "bytes of Latin-1": ('{"query": "mütze", "locale": "en-GB"}'.encode("latin-1"), 400),
    "an overlong dot": (b'{"query": "\xc0\xae", "locale": "en-GB"}', 400),
    "half a character": (b'{"query": "hat\xe2\x82", "locale": "en-GB"}', 400),
    "two documents": (QUESTION + QUESTION, 400),
    "an open end": (QUESTION[:-1], 400),
    "a comment": (QUESTION + b" // a hat", 400),
    "a list": (b"[" + QUESTION + b"]", 422),
    "a word": (b'"hat"', 422),
    "a form": (b"query=hat&locale=en-GB", 400),
    "zip": (b"\x1f\x8b\x08\x00" + bytes(20), 400),
}


@pytest.fixture(scope="module")
def running(aware: Path) -> Iterator[Running]:
    with serving_within(aware, read_seconds=1) as running:
        yield running
        assert ask(running.url).status_code == 200
        assert running.stop() == 0
        assert running.process.stderr is not None
        assert "Traceback" not in running.process.stderr.read()


@pytest.mark.parametrize("sent", MALFORMED.values(), ids=MALFORMED)
def test_what_is_no_http_is_refused_or_cut(running: Running, sent: bytes) -> None:
    with connected(running) as connection:
        connection.sendall(sent)
        said = told(connection)
    # A tunnel or another protocol is never opened, and a second request in the first one's body never asked.
    assert not said or said.startswith(b"HTTP/1.1 4"), said[:200]
    assert said.count(b"HTTP/1.1") <= 1, said


def test_random_bytes_are_refused_or_cut(running: Running) -> None:
    chance = random.Random(1)  # noqa: S311 - no secret
    for _ in range(100):
        with connected(running) as connection:
            connection.sendall(chance.randbytes(chance.randrange(1, 2000)) + b"\r\n\r\n\r\n")
            assert told(connection)[9:10] in {b"", b"4"}


def test_a_request_with_changed_bytes_is_answered_or_refused(running: Running) -> None:
    chance, whole = random.Random(2), FIRST + b"Connection: close\r\n" + LENGTH + b"\r\n" + QUESTION  # noqa: S311
    for _ in range(200):
        sent = bytearray(whole)
        for _ in range(chance.randrange(1, 4)):
            sent[chance.randrange(len(sent))] = chance.randrange(256)
        with connected(running) as connection:
            connection.sendall(bytes(sent))
            connection.shutdown(1)
            assert told(connection)[9:10] in {b"", b"2", b"4"}, bytes(sent)


@pytest.mark.parametrize("path", NOT_FOUND)
def test_a_path_that_is_nearly_one_is_none(running: Running, path: str) -> None:
    with connected(running) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n".encode())
        said = told(connection)
    assert said.startswith(b"HTTP/1.1 404 "), said
    head = said.split(b"\r\n\r\n")[0].lower()
    assert b"x-injected" not in head
    assert b"evil.example" not in head, "nobody is sent to where a header says"


def test_a_path_may_be_written_in_percents(running: Running) -> None:
    for path in ("/%70redict", "/predict?x=1", "/predict?query=%00"):
        answered = httpx.post(f"{running.url}{path}", content=QUESTION, headers={"Content-Type": "application/json"})
        assert answered.status_code == 200


def test_other_methods_are_refused_and_heads_have_no_body(running: Running) -> None:
    for path, allowed in (("/predict", "POST"), ("/predict/batch", "POST"), ("/model", "GET"), ("/", "GET")):
        for method in ("GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"):
            if method != allowed:
                refused = httpx.request(method, f"{running.url}{path}")
                assert refused.status_code == 405, (method, path)
                assert allowed in refused.headers["Allow"]
    for path in ("/", "/page.js", "/healthz", "/readyz", "/model", "/metrics"):
        got, head = httpx.get(f"{running.url}{path}"), httpx.head(f"{running.url}{path}")
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["Content-Type"] == got.headers["Content-Type"]


@pytest.mark.parametrize("kind", ["application/json", "application/problem+json", "application/json; charset=utf-8"])
@pytest.mark.parametrize(("body", "status"), BODIES.values(), ids=BODIES)
def test_a_body_that_is_no_question_is_refused_with_a_reason(
    running: Running, body: bytes, status: int, kind: str
) -> None:
    refused = httpx.post(f"{running.url}/predict", content=body, headers={"Content-Type": kind})
    assert refused.status_code == status, refused.text
    assert refused.json()["detail"]


@pytest.mark.parametrize("kind", ["", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "json"])
def test_a_body_of_another_kind_is_refused_with_a_reason(running: Running, kind: str) -> None:
    """A page of another site can send these without being asked whether it may."""
    refused = httpx.post(f"{running.url}/predict", content=QUESTION, headers={"Content-Type": kind} if kind else {})
    assert refused.status_code == 422
    assert refused.json()["detail"]


def test_a_packed_body_is_not_unpacked(running: Running) -> None:
    packed = gzip.compress(b" " * 10**8)
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    assert httpx.post(f"{running.url}/predict", content=packed, headers=headers).status_code == 400


def test_a_key_that_comes_twice_is_refused(running: Running) -> None:
    body = b'{"query": "hat", "query": "sofa", "locale": "en-GB"}'
    refused = httpx.post(f"{running.url}/predict", content=body, headers={"Content-Type": "application/json"})
    assert refused.status_code == 400
    assert refused.json()["detail"] == "the body is no JSON: the key 'query' comes twice"


@pytest.mark.parametrize("query", ["\u202eevil", "\ufeff", "a\u0300" * 200, "\U000e0041", "👩‍👩‍👧", "%00", "\\u0000"])
def test_strange_text_is_a_query_like_any_other(running: Running, query: str) -> None:
    answered = ask(running.url, query)
    assert answered.status_code == 200
    assert answered.json()["query"] == query
    assert json.loads(answered.content) == answered.json()
