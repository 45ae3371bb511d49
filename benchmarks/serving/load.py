"""Load on a service, from a process of its own: `python -m benchmarks.serving.load JSON` prints what it saw as JSON.

Open: requests leave when their time has come, whatever became of those before, and an answer's time counts from the
moment at which its request should have left. Closed: each of some clients asks when it has its answer.
"""

import asyncio
import json
import math
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path

import aiohttp
import numpy as np

_TIMEOUT_SECONDS = 60


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
        milliseconds: of each answer with the status 200.
        refused_milliseconds: of each with 429.
        releases: how many answers each release gave.
    """

    statuses: Counter[str] = field(default_factory=Counter)
    milliseconds: list[float] = field(default_factory=list)
    refused_milliseconds: list[float] = field(default_factory=list)
    releases: Counter[str] = field(default_factory=Counter)
    retry_after: set[str] = field(default_factory=set)
    late: float = 0.0


async def run(load: Load) -> Seen:
    seen = Seen()
    connector = aiohttp.TCPConnector(limit=0)
    timeout = aiohttp.ClientTimeout(total=_TIMEOUT_SECONDS)
    async with aiohttp.ClientSession(load.url, connector=connector, timeout=timeout) as session:
        await (_open(load, session, seen) if load.rate else _closed(load, session, seen))
    return seen


async def _open(load: Load, session: aiohttp.ClientSession, seen: Seen) -> None:
    moments, bodies = random.Random(load.seed), _bodies(load)  # noqa: S311 - no secret
    tasks = set[asyncio.Task[None]]()
    start = due = time.perf_counter()
    while (due := due + moments.expovariate(load.rate)) < start + load.seconds:
        if (wait := due - time.perf_counter()) > 0:
            await asyncio.sleep(wait)
        seen.late = max(seen.late, time.perf_counter() - due)
        task = asyncio.create_task(_ask(session, next(bodies), due, seen))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
    await asyncio.gather(*tasks)


async def _closed(load: Load, session: aiohttp.ClientSession, seen: Seen) -> None:
    bodies, left = _bodies(load), load.requests or math.inf
    end = time.perf_counter() + load.seconds

    async def client() -> None:
        nonlocal left
        while left > 0 and time.perf_counter() < end:
            left -= 1
            await _ask(session, next(bodies), time.perf_counter(), seen)

    await asyncio.gather(*(client() for _ in range(load.clients)))


def _bodies(load: Load) -> Iterator[bytes]:
    queries = Path(load.queries).read_text(encoding="utf-8").splitlines()
    random.Random(load.seed).shuffle(queries)  # noqa: S311 - no secret
    return cycle([json.dumps({"query": query, "locale": load.locale}).encode() for query in queries])


async def _ask(session: aiohttp.ClientSession, body: bytes, due: float, seen: Seen) -> None:
    try:
        async with session.post("/predict", data=body, headers={"Content-Type": "application/json"}) as response:
            content = await response.read()
    except (aiohttp.ClientError, TimeoutError):
        seen.statuses["lost"] += 1
        return
    milliseconds = 1000 * (time.perf_counter() - due)
    seen.statuses[str(response.status)] += 1
    if response.status == 200:
        seen.milliseconds.append(milliseconds)
        seen.releases[json.loads(content)["release"]] += 1
    if response.status == 429:
        seen.refused_milliseconds.append(milliseconds)
        seen.retry_after.add(response.headers["Retry-After"])


def summary(seen: Seen, seconds: float) -> dict[str, object]:
    return {
        "statuses": dict(seen.statuses),
        "a_second": seen.statuses["200"] / seconds,
        "milliseconds": percentiles(seen.milliseconds),
        "refused_milliseconds": percentiles(seen.refused_milliseconds),
        "releases": dict(seen.releases),
        "retry_after": sorted(map(int, seen.retry_after)),
        "sent_late_milliseconds": 1000 * seen.late,
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
    seen = asyncio.run(run(load))
    json.dump(summary(seen, time.perf_counter() - started), sys.stdout)


if __name__ == "__main__":
    main()
