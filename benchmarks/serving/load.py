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
# The smallest time that the loop sleeps for, and how many requests leave at once when it is late.
_STEP_SECONDS, _TOGETHER = 0.001, 32
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
    """A connection that asks one request at a time; `end` is called when that has its answer, or will have none."""

    def __init__(self, seen: Seen, end: Callable[["_Line"], object]) -> None:
        self._seen, self._end = seen, end
        self._parser = httptools.HttpResponseParser(self)
        self.is_open, self.is_asked, self.due = True, False, 0.0
        self._given_up = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._seen.connections += 1

    def ask(self, request: bytes, due: float) -> None:
        """Sends it; an answer's time counts from `due`."""
        self.is_asked, self.due, self._body, self._retry_after = True, due, b"", ""
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
        self.is_asked, self.is_open = False, self._parser.should_keep_alive()
        if not self.is_open:
            self._transport.close()
        self._end(self)

    def connection_lost(self, error: Exception | None) -> None:
        self.is_open = False
        if self.is_asked:
            self.is_asked = False
            self._seen.lose(self._given_up or (_reason(error) if error else "connection closed"))
            self._end(self)


class _Pool:
    """Connections to one service.

    A task of its own for each request would cost more than all the rest that is done for it here: only those that need
    a new connection have one.
    """

    def __init__(self, url: str, seen: Seen, end: Callable[[], object]) -> None:
        """`end` is called at the end of each request."""
        where = urlsplit(url)
        self._host, self._port, self._seen, self._end = str(where.hostname), where.port or 80, seen, end
        self._free: list[_Line] = []
        self._all = set[_Line]()
        self._connecting = set[asyncio.Task[None]]()

    def ask(self, request: bytes, due: float) -> None:
        if line := self._idle():
            line.ask(request, due)
            return
        task = asyncio.create_task(self._ask_on_another(request, due))
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)

    def close(self) -> None:
        for line in self._all:
            line.give_up()

    def give_up_late(self) -> None:
        """Ends those that have waited for too long."""
        late = time.perf_counter() - _TIMEOUT_SECONDS
        for line in list(self._all):
            if not line.is_open:
                self._all.discard(line)
            elif line.is_asked and line.due < late:
                line.give_up(f"nothing in {_TIMEOUT_SECONDS} s")

    def _idle(self) -> _Line | None:
        while self._free:
            if (line := self._free.pop()).is_open:
                return line
        return None

    async def _ask_on_another(self, request: bytes, due: float) -> None:
        try:
            line = await self._connect()
        except (OSError, TimeoutError) as error:
            self._seen.lose(f"no connection: {_reason(error)}")
            self._end()
            return
        line.ask(request, due)

    async def _connect(self) -> _Line:
        loop = asyncio.get_running_loop()
        made = loop.create_connection(lambda: _Line(self._seen, self._ended), self._host, self._port)
        _, line = await asyncio.wait_for(made, _TIMEOUT_SECONDS)
        self._all.add(line)
        return line

    def _ended(self, line: _Line) -> None:
        if line.is_open:
            self._free.append(line)
        self._end()


def _reason(error: Exception) -> str:
    return errno.errorcode.get(error.errno or 0, str(error)) if isinstance(error, OSError) else type(error).__name__


async def run(load: Load) -> Seen:
    seen = Seen()
    asking = _Open(load, seen) if load.rate else _Closed(load, seen)
    watching = asyncio.create_task(_watch(asking.pool))
    await asking.run()
    watching.cancel()
    asking.pool.close()
    return seen


async def _watch(pool: _Pool) -> None:
    while True:
        await asyncio.sleep(1)
        pool.give_up_late()


class _Open:
    """Asks whenever a moment has come."""

    def __init__(self, load: Load, seen: Seen) -> None:
        self._load, self._seen, self.pool = load, seen, _Pool(load.url, seen, self._note)
        self._waiting, self._all_ended = 0, asyncio.Event()

    async def run(self) -> None:
        """Returns when the last request has ended."""
        requests, start = _requests(self._load), time.perf_counter()
        for number, moment in enumerate(_moments(self._load)):
            due = start + moment
            # In steps: who sleeps for less than the loop can measure takes a core away from the service. When it is
            # late it does not sleep, but answers must be read.
            if (early := due - time.perf_counter()) > 0:
                await asyncio.sleep(max(early, _STEP_SECONDS))
            elif number % _TOGETHER == 0:
                await asyncio.sleep(0)
            self._seen.late = max(self._seen.late, time.perf_counter() - due)
            self._waiting += 1
            self.pool.ask(next(requests), due)
        while self._waiting:
            self._all_ended.clear()
            await self._all_ended.wait()

    def _note(self) -> None:
        self._waiting -= 1
        if not self._waiting:
            self._all_ended.set()


class _Closed:
    """Asks when one of the clients has had its answer."""

    def __init__(self, load: Load, seen: Seen) -> None:
        self._load, self.pool = load, _Pool(load.url, seen, self._next)
        self._requests, self._left = _requests(load), load.requests or math.inf
        self._end = time.perf_counter() + load.seconds
        self._clients, self._all_ended = load.clients, asyncio.Event()

    async def run(self) -> None:
        """Returns when the last client has its last answer."""
        for _ in range(self._load.clients):
            self._next()
        await self._all_ended.wait()

    def _next(self) -> None:
        now = time.perf_counter()
        if self._left > 0 and now < self._end:
            self._left -= 1
            self.pool.ask(next(self._requests), now)
            return
        self._clients -= 1
        if not self._clients:
            self._all_ended.set()


def _moments(load: Load) -> Iterator[float]:
    """The seconds after the start at which requests leave."""
    moments, moment = random.Random(load.seed), 0.0  # noqa: S311 - no secret
    while (moment := moment + moments.expovariate(load.rate)) < load.seconds:
        yield moment


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
