"""Load on a service, from a process of its own: `python -m benchmarks.serving.load JSON` prints what it saw as JSON.

Open: requests leave when their time has come, whatever became of those before, and an answer's time counts from the
moment at which its request should have left. Closed: each of some clients asks when it has its answer. Connections are
kept and used again; a new one is made where all are in use.
"""

import asyncio
import errno
import json
import math
import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

import httptools
import numpy as np
import uvloop

_TIMEOUT_SECONDS = 60
# A client of HTTP that does more than this for a request cannot ask thousands of times a second.
_HEAD = "POST /predict HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n"


@dataclass(frozen=True)
class Load:
    """What is asked.

    Attributes:
        url: of the service.
        queries: a file of queries, one a line.
        locale: the store of all of them.
        rate: requests a second, at random moments (Poisson); 0 for a closed loop.
        seconds: how long.
        clients: of the closed loop.
        requests: of the closed loop, all clients together; 0 where only the seconds count.
        seed: of the moments and of the queries' order.
    """

    url: str
    queries: str
    locale: str
    rate: float = 0.0
    seconds: float = math.inf
    clients: int = 32
    requests: int = 0
    seed: int = 1


@dataclass
class Seen:
    """What came back.

    Attributes:
        statuses: how many answers had each status; "lost" for requests without one.
        reasons: how many were lost why: what the system said of the connection, or that nothing came in time.
        milliseconds: of each answer with the status 200.
        refused_milliseconds: of each with 429.
        releases: how many answers each release gave.
        retry_after: what the refused were told.
        late: seconds by which a request left after its moment, at most.
        connections: that were made.
    """

    statuses: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    milliseconds: list[float] = field(default_factory=list)
    refused_milliseconds: list[float] = field(default_factory=list)
    releases: Counter[str] = field(default_factory=Counter)
    retry_after: set[str] = field(default_factory=set)
    late: float = 0.0
    connections: int = 0

    def lose(self, reason: str) -> None:
        self.statuses["lost"] += 1
        self.reasons[reason] += 1

    def note(self, status: int, milliseconds: float, body: bytes, retry_after: str) -> None:
        self.statuses[str(status)] += 1
        if status == 200:
            self.milliseconds.append(milliseconds)
            self.releases[json.loads(body)["release"]] += 1
        if status == 429:
            self.refused_milliseconds.append(milliseconds)
            self.retry_after.add(retry_after)


class _Line(asyncio.Protocol):
    """A connection that asks one request at a time; `free` is called when it can ask the next."""

    def __init__(self, seen: Seen, free: Callable[["_Line"], object]) -> None:
        self._seen, self._free = seen, free
        self.is_open = True
        self.answered: asyncio.Future[None] | None = None
        self.due = 0.0
        self._given_up = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._seen.connections += 1

    def ask(self, request: bytes, due: float) -> None:
        """Sends it; an answer's time counts from `due`."""
        self.due, self._body, self._retry_after = due, b"", ""
        self._parser = httptools.HttpResponseParser(self)
        self.answered = asyncio.get_running_loop().create_future()
        self._transport.write(request)

    def give_up(self, reason: str = "") -> None:
        self._given_up = reason
        self._transport.abort()

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() == b"retry-after":
            self._retry_after = value.decode()

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        milliseconds = 1000 * (time.perf_counter() - self.due)
        self._seen.note(self._parser.get_status_code(), milliseconds, self._body, self._retry_after)
        self._end()
        if self._parser.should_keep_alive():
            self._free(self)
        else:
            self._transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        self.is_open = False
        if self.answered:
            self._seen.lose(self._given_up or (_reason(error) if error else "connection closed"))
            self._end()

    def _end(self) -> None:
        assert self.answered  # noqa: S101 - a request was asked
        self.answered.set_result(None)
        self.answered = None


class _Pool:
    """Connections to one service."""

    def __init__(self, url: str, seen: Seen) -> None:
        where = urlsplit(url)
        self._host, self._port, self._seen = str(where.hostname), where.port or 80, seen
        self._free: list[_Line] = []
        self._all = set[_Line]()

    async def ask(self, request: bytes, due: float) -> None:
        """Asks, and returns when there is an answer or will be none."""
        try:
            line = self._idle() or await self._connect()
        except (OSError, TimeoutError) as error:
            self._seen.lose(f"no connection: {_reason(error)}")
            return
        line.ask(request, due)
        assert line.answered  # noqa: S101 - it was asked this moment
        await line.answered

    def close(self) -> None:
        for line in self._all:
            line.give_up()

    def give_up_late(self) -> None:
        """Ends those that have waited for too long."""
        late = time.perf_counter() - _TIMEOUT_SECONDS
        for line in list(self._all):
            if not line.is_open:
                self._all.discard(line)
            elif line.answered and line.due < late:
                line.give_up(f"nothing in {_TIMEOUT_SECONDS} s")

    def _idle(self) -> _Line | None:
        while self._free:
            if (line := self._free.pop()).is_open:
                return line
        return None

    async def _connect(self) -> _Line:
        loop = asyncio.get_running_loop()
        made = loop.create_connection(lambda: _Line(self._seen, self._free.append), self._host, self._port)
        _, line = await asyncio.wait_for(made, _TIMEOUT_SECONDS)
        self._all.add(line)
        return line


def _reason(error: Exception) -> str:
    return errno.errorcode.get(error.errno or 0, str(error)) if isinstance(error, OSError) else type(error).__name__


async def run(load: Load) -> Seen:
    seen = Seen()
    pool = _Pool(load.url, seen)
    watching = asyncio.create_task(_watch(pool))
    await (_open(load, pool, seen) if load.rate else _closed(load, pool))
    watching.cancel()
    pool.close()
    return seen


async def _watch(pool: _Pool) -> None:
    while True:
        await asyncio.sleep(1)
        pool.give_up_late()


async def _open(load: Load, pool: _Pool, seen: Seen) -> None:
    moments, requests = random.Random(load.seed), _requests(load)  # noqa: S311 - no secret
    tasks = set[asyncio.Task[None]]()
    start = due = time.perf_counter()
    while (due := due + moments.expovariate(load.rate)) < start + load.seconds:
        # Also when it is late: answers must be read.
        await asyncio.sleep(max(due - time.perf_counter(), 0))
        seen.late = max(seen.late, time.perf_counter() - due)
        task = asyncio.create_task(pool.ask(next(requests), due))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
    await asyncio.gather(*tasks)


async def _closed(load: Load, pool: _Pool) -> None:
    requests, left = _requests(load), load.requests or math.inf
    end = time.perf_counter() + load.seconds

    async def client() -> None:
        nonlocal left
        while left > 0 and time.perf_counter() < end:
            left -= 1
            await pool.ask(next(requests), time.perf_counter())

    await asyncio.gather(*(client() for _ in range(load.clients)))


def _requests(load: Load) -> Iterator[bytes]:
    queries = Path(load.queries).read_text(encoding="utf-8").splitlines()
    random.Random(load.seed).shuffle(queries)  # noqa: S311 - no secret
    host = urlsplit(load.url).netloc
    bodies = [json.dumps({"query": query, "locale": load.locale}).encode() for query in queries]
    return cycle([_HEAD.format(host, len(body)).encode() + body for body in bodies])


def summary(seen: Seen, seconds: float) -> dict[str, Any]:
    return {
        "statuses": dict(seen.statuses),
        "reasons": dict(seen.reasons),
        "a_second": seen.statuses["200"] / seconds,
        "milliseconds": percentiles(seen.milliseconds),
        "refused_milliseconds": percentiles(seen.refused_milliseconds),
        "releases": dict(seen.releases),
        "retry_after": sorted(map(int, seen.retry_after)),
        "sent_late_milliseconds": 1000 * seen.late,
        "connections": seen.connections,
    }


def percentiles(milliseconds: list[float]) -> dict[str, float]:
    if not milliseconds:
        return {}
    return {
        name: float(np.quantile(milliseconds, share))
        for name, share in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99), ("max", 1.0))
    }


def main() -> None:
    load = Load(**json.loads(sys.argv[1]))
    started = time.perf_counter()
    seen = uvloop.run(run(load))
    json.dump(summary(seen, time.perf_counter() - started), sys.stdout)


if __name__ == "__main__":
    main()
