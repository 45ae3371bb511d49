"""The service as a process of its own, on a free port of this machine."""

import json
import os
import re
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx

_START_SECONDS = 120
_WITHIN = """
import json, logging, pathlib, sys
from q2pt_tasks.serving.http.directories import DirectoryReleases
from q2pt_tasks.serving.http.limits import Limits
from q2pt_tasks.serving.http.server import Place, serve

logging.basicConfig(level=logging.INFO)
model, limits = pathlib.Path(sys.argv[1]), json.loads(sys.argv[2])
serve(DirectoryReleases(model), Place(port=0), Limits(**limits))
"""


@dataclass
class Running:
    """A process that serves at `url`."""

    process: subprocess.Popen[str]
    url: str

    def stop(self) -> int:
        """Tells it to stop, and gives its exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(_START_SECONDS)


@contextmanager
def serving(model: Path | str, *options: str) -> Iterator[Running]:
    """`q2pt serve` of `model`, ready to answer; ended when this is left."""
    command = [sys.executable, "-m", "q2pt_tasks", "serve", "--model", str(model), "--port", "0", *options]
    with started(command) as running:
        yield running


@contextmanager
def started(command: Sequence[str]) -> Iterator[Running]:
    """A process that serves, ready to answer; ended, with those that it has started, when this is left."""
    environment = os.environ | {"PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(
        command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment, start_new_session=True
    )
    try:
        yield Running(process, _url(process))
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


@contextmanager
def serving_within(model: Path, **limits: float) -> Iterator[Running]:
    """The service of `model` with other limits than those of `q2pt serve`."""
    command = [sys.executable, "-c", _WITHIN, str(model), json.dumps(limits)]
    with started(command) as running:
        yield running


@contextmanager
def connected(running: Running) -> Iterator[socket.socket]:
    """A connection on which a test says what no client of HTTP would."""
    host, port = running.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=_START_SECONDS) as made:
        yield made


def answer(connection: socket.socket) -> tuple[bytes, bytes]:
    """Head and body of the next answer, in however many pieces it comes; nothing else has been asked for."""
    said = b""
    while b"\r\n\r\n" not in said:
        said += _piece(connection)
    head, _, body = said.partition(b"\r\n\r\n")
    length = re.search(rb"\r\ncontent-length: (\d+)", head)
    assert length is not None, head
    while len(body) < int(length[1]):
        body += _piece(connection)
    return head, body


def _piece(connection: socket.socket) -> bytes:
    piece = connection.recv(2**16)
    assert piece, "the connection was closed"
    return piece


def told(connection: socket.socket) -> bytes:
    """All that the service says until it closes the connection."""
    said = b""
    # Closed with data that nobody has read.
    with suppress(ConnectionResetError):
        while piece := connection.recv(2**16):
            said += piece
    return said


def ask(url: str, query: str = "red hat", locale: str = "en-GB") -> httpx.Response:
    return httpx.post(f"{url}/predict", json={"query": query, "locale": locale}, timeout=60)


def _url(process: subprocess.Popen[str]) -> str:
    """The address that it prints once it listens."""
    assert process.stderr is not None
    said = b""
    # Read without a buffer: what lies in one is not seen by `select`.
    while select.select([process.stderr], [], [], _START_SECONDS)[0]:
        piece = os.read(process.stderr.fileno(), 2**16)
        said += piece
        if found := re.search(rb"its page: (http://[\d.]+:\d+)/", said):
            return found[1].decode()
        if not piece:
            break
    raise AssertionError(f"it does not serve: {said.decode()}")


def turn(place: Path, name: str) -> None:
    """Lets a link point at its neighbour `name`, in one step."""
    (place.parent / "next").symlink_to(name)
    (place.parent / "next").replace(place)
