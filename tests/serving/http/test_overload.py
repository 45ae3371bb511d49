"""Far more than it can do, for seconds, from a process of its own: what cannot be answered is refused at once."""

import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from checkpoints import WORDS
from http_service import Running, ask, started

from benchmarks.serving.load import Load

pytestmark = pytest.mark.enable_socket

# A batch takes as long as this and no core, whatever the machine: what can be answered is known.
BATCH_SECONDS, TOGETHER, REQUESTS = 0.2, 8, 40
CAPACITY = TOGETHER / BATCH_SECONDS
QUEUE_SECONDS = REQUESTS / CAPACITY
_SERVER = f"""
import logging, pathlib, sys, time
from q2pt_tasks.model.quick_prediction import Int8Predictor
from q2pt_tasks.serving.http import loaded
from q2pt_tasks.serving.http.directories import DirectoryReleases
from q2pt_tasks.serving.http.limits import Limits
from q2pt_tasks.serving.http.server import Place, serve

class Slow(Int8Predictor):
    def judge(self, queries, locales):
        time.sleep({BATCH_SECONDS})
        return super().judge(queries, locales)

loaded.Int8Predictor = Slow
logging.basicConfig(level=logging.INFO)
limits = Limits(requests={REQUESTS}, together={TOGETHER})
serve(DirectoryReleases(pathlib.Path(sys.argv[1])), Place(port=0), limits)
"""


@pytest.mark.slow
@pytest.mark.parametrize("times", [3, 20])
def test_overload_is_refused_at_once_and_costs_no_answers(aware: Path, tmp_path: Path, times: int) -> None:
    seconds = 5.0
    with started([sys.executable, "-c", _SERVER, str(aware)]) as running:
        seen = load(running, tmp_path, rate=times * CAPACITY, seconds=seconds)
        assert set(seen["statuses"]) == {"200", "429"}
        # The queue is full all the time, and is answered to its end.
        assert seen["statuses"]["200"] >= 0.8 * CAPACITY * seconds
        assert seen["refused_milliseconds"]["p99"] < seen["milliseconds"]["p50"]
        assert seen["milliseconds"]["p99"] < 1000 * 2 * QUEUE_SECONDS
        assert seen["retry_after"] == [1]
        assert ask(running.url).status_code == 200
        after = load(running, tmp_path, clients=TOGETHER // 2, requests=20)
        assert after["statuses"] == {"200": 20}
        assert after["milliseconds"]["p50"] < 1000 * QUEUE_SECONDS
        assert running.stop() == 0


def load(running: Running, folder: Path, **asked: float) -> dict[str, Any]:
    queries = folder / "queries.txt"
    queries.write_text("\n".join(WORDS) + "\n")
    document = json.dumps(asdict(Load(running.url, str(queries), "en-GB", **asked)))  # type: ignore[arg-type]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.serving.load", document], check=True, capture_output=True, text=True
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found
