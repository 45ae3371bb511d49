"""A server on a free port that passes on what it gets to another one, until a test lets it be slow, broken or gone."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

_BROKEN = b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
_BYTES = 1 << 16


@dataclass
class FailingServer:
    """What lies between a client and the server behind it.

    Attributes:
        url: where it listens.
        failures: so many of the next requests are answered with 500; `math.inf` for all.
        delay: seconds that each piece of a request waits.
        asked: requests so far, those that failed too.
    """

    url: str
    failures: float = 0
    delay: float = 0.0
    asked: int = 0
    _turn: threading.Lock = field(default_factory=threading.Lock)

    def fails(self) -> bool:
        """Whether a request that has come fails; counts it."""
        with self._turn:
            self.asked += 1
            failing, self.failures = self.failures > 0, self.failures - 1
            return failing


@contextmanager
def failing_server(behind: str) -> Iterator[FailingServer]:
    """One in front of the server at the URL `behind`."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = FailingServer(f"http://127.0.0.1:{listener.getsockname()[1]}")
    target = urlsplit(behind)

    def accept() -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                threading.Thread(
                    target=_serve, args=(server, client, (target.hostname, target.port)), daemon=True
                ).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield server
    finally:
        listener.close()


def _serve(server: FailingServer, client: socket.socket, target: tuple[str, int]) -> None:
    with suppress(OSError), client, socket.create_connection(target) as behind:
        threading.Thread(target=_answers, args=(behind, client), daemon=True).start()
        while piece := client.recv(_BYTES):
            time.sleep(server.delay)
            if server.fails():
                client.sendall(_BROKEN)
                return
            behind.sendall(piece)


def _answers(behind: socket.socket, client: socket.socket) -> None:
    with suppress(OSError):
        while piece := behind.recv(_BYTES):
            client.sendall(piece)
        client.shutdown(socket.SHUT_RDWR)
