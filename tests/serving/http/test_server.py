"""The service as a process: how it starts, changes its release under load, and stops."""

import asyncio
import json
import re
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import httpx
import pytest
from http_service import ask, serving, started, turn

pytestmark = pytest.mark.enable_socket


def test_it_serves_and_ends_when_it_is_told_to(place: Path) -> None:
    body = json.dumps({"query": "a" * 10 * 2**20, "locale": "en-GB"}).encode()
    with serving(place) as running:
        assert "What does a query mean?" in httpx.get(running.url).text
        refused = httpx.post(f"{running.url}/predict", content=body, headers={"Content-Type": "application/json"})
        assert refused.status_code == 413
        assert ask(running.url).status_code == 200
        code, said = fails("--model", str(place), "--port", re.findall(r"\d+$", running.url)[0])
        assert code == 1
        assert "cannot be listened on (Address already in use)" in said
        assert running.stop() == 0


def test_make_serve_prints_where_its_page_is(place: Path) -> None:
    # The environment is there: this is it.
    with started(["make", "--old-file=install", "serve", f"MODEL={place}", "PORT=0"]) as running:
        assert "What does a query mean?" in httpx.get(f"{running.url}/").text
        assert ask(running.url).status_code == 200


def test_a_service_for_all_addresses_names_one_that_a_browser_here_can_open(place: Path) -> None:
    with serving(place, "--host", "0.0.0.0") as running:  # noqa: S104 - of a test's machine
        assert running.url.startswith("http://127.0.0.1:")
        assert ask(running.url).status_code == 200


@pytest.mark.slow
def test_a_request_that_was_taken_is_answered_though_it_is_told_to_stop(place: Path) -> None:
    questions = [{"query": f"red hat {number}", "locale": "en-GB"} for number in range(1000)]

    async def story(url: str, stop: "asyncio.Future[int]") -> list[httpx.Response]:
        async with httpx.AsyncClient(timeout=60) as client:
            asked = [
                asyncio.create_task(client.post(f"{url}/predict/batch", json={"questions": questions}))
                for _ in range(2)
            ]
            while "q2pt_waiting_questions 0.0" in (await client.get(f"{url}/metrics")).text:
                assert not any(task.done() for task in asked)
            stop.set_result(0)
            return await asyncio.gather(*asked)

    async def run() -> list[httpx.Response]:
        stop: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        stop.add_done_callback(lambda _: running.process.terminate())
        return await story(running.url, stop)

    with serving(place) as running:
        answers = asyncio.run(run())
        assert [len(answer.json()["answers"]) for answer in answers] == [1000, 1000]
        assert running.process.wait(60) == 0


@pytest.mark.slow
def test_far_too_many_requests_are_refused_in_time_and_then_all_is_as_before(place: Path) -> None:
    """3,000 at once: those that are taken wait for no more than the others that were taken."""

    async def story(url: str) -> Counter[int]:
        limits = httpx.Limits(max_connections=3000)
        async with httpx.AsyncClient(timeout=120, limits=limits) as client:
            question = {"query": "red hat", "locale": "en-GB"}
            answers = await asyncio.gather(*(client.post(f"{url}/predict", json=question) for _ in range(3000)))
            refused = [answer for answer in answers if answer.status_code == 429]
            assert all(int(answer.headers["Retry-After"]) >= 1 for answer in refused)
            assert (await client.post(f"{url}/predict", json=question)).status_code == 200
            assert (await client.get(f"{url}/readyz")).status_code == 200
        return Counter(answer.status_code for answer in answers)

    with serving(place) as running:
        statuses = asyncio.run(story(running.url))
        assert set(statuses) == {200, 429}
        assert statuses.total() == 3000
        assert running.stop() == 0


@pytest.mark.slow
def test_a_switch_under_load_loses_no_request(place: Path) -> None:
    """Four clients ask without a pause while the release changes six times."""
    found: list[tuple[int, str]] = []

    async def client(url: str, done: asyncio.Event) -> None:
        async with httpx.AsyncClient(timeout=60) as http:
            while not done.is_set():
                answer = await http.post(f"{url}/predict", json={"query": "red hat", "locale": "en-GB"})
                found.append((answer.status_code, answer.json()["release"]))

    async def story(url: str) -> None:
        done = asyncio.Event()
        clients = [asyncio.create_task(client(url, done)) for _ in range(4)]
        before = ""
        for name in (None, *("second", "first") * 3):
            if name:
                turn(place, name)
            deadline = time.monotonic() + 60
            while not found or found[-1][1] == before:
                assert time.monotonic() < deadline
                await asyncio.sleep(0.01)
            before = found[-1][1]
        done.set()
        await asyncio.gather(*clients)

    with serving(place, "--poll-seconds", "0.05") as running:
        asyncio.run(story(running.url))
        assert running.stop() == 0
    assert Counter(status for status, _ in found) == {200: len(found)}
    assert len({release for _, release in found}) == 2


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--model", "./nowhere"], "holds no trained checkpoint"),
        (["--model", "{place}", "--port", "70000"], "port"),
        (["--model", "{place}", "--poll-seconds", "0"], "above 0"),
    ],
)
def test_what_cannot_be_served_ends_with_a_sentence(place: Path, options: list[str], reason: str) -> None:
    code, said = fails(*(option.format(place=place) for option in options))
    assert code != 0
    assert reason in said


def fails(*options: str) -> tuple[int, str]:
    """The exit status and the error of a service that does not start."""
    command = [sys.executable, "-m", "q2pt_tasks", "serve", *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr
    return done.returncode, done.stderr
