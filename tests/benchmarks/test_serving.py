"""What the benchmark of the service counts, and what its page says of it."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from checkpoints import WORDS, random_checkpoint
from http_service import serving

from benchmarks.serving.load import Load, Seen, percentiles, run, summary
from benchmarks.serving.page import build_page

MILLISECONDS = {"p50": 1.25, "p95": 2.5, "p99": 4.0, "max": 9.0}


def seen(**changes: object) -> dict[str, Any]:
    figures: dict[str, Any] = {
        "statuses": {"200": 90},
        "a_second": 45.0,
        "milliseconds": MILLISECONDS,
        "refused_milliseconds": {},
        "retry_after": [],
        "sent_late_milliseconds": 4.0,
    }
    return figures | changes


def test_the_page_says_what_was_measured() -> None:
    way = {"milliseconds": {"1": 5.0, "8": 20.0}, "other_answers": {"1": 0.0, "8": 0.0, "32": 0.0031}}
    crowded = seen(statuses={"200": 60, "429": 30, "lost": 10})
    refused: dict[str, object] = {"refused_milliseconds": MILLISECONDS, "retry_after": [3, 7]}
    parts: dict[str, dict[str, Any]] = {
        "plain": {"a_second": 40.0, "milliseconds": MILLISECONDS},
        "batches": {"bf16": way, "int8": way},
        "rates": {
            "1.0": {"rate": 40.0, "together": 1.5, **seen()},
            "4.0": {"rate": 160.0, "together": 20.0, **crowded},
        },
        "switch": {"rate": 20.0, "turned": 8, "switches": 8.0, "steady": seen(), **seen()},
        "overload": {
            "most": seen(),
            "during": [
                {"times": 3.0, "rate": 135.0, **seen(statuses={"200": 60, "429": 40}, **refused)},
                {"times": 5.0, "rate": 225.0, **seen(statuses={"200": 60, "lost": 1})},
            ],
            "after": seen(),
        },
    }
    memory: dict[str, Any] = {"statuses": {"200": 200_000}, "seconds": 100.0, "megabytes": [300.0, 301.0, 301.0]}
    page = build_page({"demo": {**parts, "memory": memory}, "distilbert": parts})
    assert "| 160 requests a second | 45 | 1.2 | 2.5 | 4.0 | 9.0 | 30 % | 10 % | 20.0 | 4 |" in page
    assert "| 40 requests a second | 45 | 1.2 | 2.5 | 4.0 | 9.0 | none | none | 1.5 | 4 |" in page
    assert "8 switches of the release while 20 requests a second came in: 90 x 200" in page
    assert "- 3 times as many requests, 135 a second: 60 x 200, 40 x 429. 45 answers a second, p99 4 ms; " in page
    assert "refused within 1 ms (p50) and 4 ms (p99), told to come back in 3 to 7 s. Sent late by 4 ms at most." in page
    assert "- 5 times as many requests, 225 a second: 60 x 200, 1 x lost. 45 answers a second, p99 4 ms; none" in page
    assert "0.31 %" in page
    assert "(200,000 x 200, 2000 a second): 300 MB before the first, then, after each twentieth, 301, 301 MB" in page


def test_an_open_loop_counts_the_time_that_a_request_had_to_wait_to_be_sent() -> None:
    found = Seen()
    found.statuses["200"] = 2
    found.milliseconds = [1.0, 3.0]
    assert summary(found, 4.0)["a_second"] == 0.5
    assert percentiles([1.0, 3.0])["p50"] == 2.0


@pytest.mark.slow
@pytest.mark.enable_socket
def test_both_loops_see_every_answer(tmp_path: Path) -> None:
    queries = tmp_path / "queries.txt"
    queries.write_text("\n".join(WORDS) + "\n")
    with serving(random_checkpoint(tmp_path / "model")) as running:
        loads = [
            Load(running.url, str(queries), "en-GB", rate=50.0, seconds=2.0),
            Load(running.url, str(queries), "en-GB", clients=4, requests=100),
        ]
        opened, closed = (asyncio.run(run(load)) for load in loads)
        refused = asyncio.run(run(Load(running.url, str(queries), "no locale", clients=1, requests=3)))
    assert set(opened.statuses) == {"200"}
    # Poisson: 100 on average, within five standard deviations.
    assert 50 < opened.statuses["200"] < 150
    assert closed.statuses == {"200": 100}
    assert len(closed.milliseconds) == sum(closed.releases.values()) == 100
    assert refused.statuses == {"422": 3}
