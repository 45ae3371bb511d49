"""`q2pt serve --model prod`, as a process, follows what is promoted and rolled back while shoppers ask, and stays with
what it has where there is nothing better."""

import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from http_service import Running, ask, serving
from release_shop import ReleaseShop

from q2pt_tasks.git import run_git

pytestmark = [pytest.mark.slow, pytest.mark.enable_socket]

CLIENTS = 3


@contextmanager
def following(shop: ReleaseShop, cache: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    with serving("prod", "--registry", shop.url, "--poll-seconds", "0.2") as running:
        yield running


@contextmanager
def shoppers(running: Running) -> Iterator[list[tuple[int, str]]]:
    """Clients that ask without a pause; statuses and releases of their answers."""
    found: list[tuple[int, str]] = []
    done = threading.Event()

    def shopper() -> None:
        with httpx.Client(base_url=running.url, timeout=60) as http:
            while not done.is_set():
                answer = http.post("/predict", json={"query": "red hat", "locale": "en-GB"})
                found.append((answer.status_code, answer.json()["release"]))

    clients = [threading.Thread(target=shopper) for _ in range(CLIENTS)]
    for client in clients:
        client.start()
    try:
        yield found
    finally:
        done.set()
        for client in clients:
            client.join()


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def serves(running: Running, version: str) -> bool:
    return bool(ask(running.url).json()["release"] == version)


def failed_looks(running: Running) -> float:
    text = httpx.get(f"{running.url}/metrics").text
    return float(re.findall(r"(?m)^q2pt_failed_switches_total (\S+)$", text)[0])


def test_promotions_and_rollbacks_reach_shoppers_without_a_lost_request(
    shop: ReleaseShop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with following(shop, tmp_path / "cache", monkeypatch) as running, shoppers(running) as found:
        assert serves(running, "v1")
        shop.promote(shop.run("tuesday", seed=2), day=1)
        until(lambda: serves(running, "v2"))
        shop.roll_back(day=2)
        until(lambda: serves(running, "v1"))
        shop.promote(shop.run("wednesday", seed=3, kept=("de-DE",)), day=3)
        until(lambda: serves(running, "v3"))
    assert Counter(status for status, _ in found) == {200: len(found)}
    assert {release for _, release in found} == {"v1", "v2", "v3"}


def test_what_serves_goes_on_where_the_registry_or_a_file_is_lost(
    shop: ReleaseShop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    promoted, away = Path(shop.url), shop.folder / "away.git"
    run_git(shop.folder, "clone", "--quiet", "--mirror", shop.url, "mirror.git")
    shop.url = str(shop.folder / "mirror.git")
    with following(shop, tmp_path / "cache", monkeypatch) as running:
        mirror = Path(shop.url).rename(away)
        until(lambda: failed_looks(running) > 0)
        assert serves(running, "v1")
        mirror.rename(shop.url)

        shop.url = str(promoted)
        candidate = shop.run("tuesday", seed=2)
        shop.promote(candidate, day=1)
        weights = shop.object(candidate.models.by_locale[""])
        whole = weights.read_bytes()
        weights.chmod(0o644)
        weights.write_text("[]")
        before = failed_looks(running)
        run_git(shop.folder / "mirror.git", "remote", "update")
        until(lambda: failed_looks(running) > before)
        assert serves(running, "v1")
        weights.write_bytes(whole)
        until(lambda: serves(running, "v2"))
