"""The parts of the benchmark: each measures one thing of one model and gives its figures."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.serving.load import Load
from benchmarks.serving.service import Measured, running

Figures = dict[str, Any]

# Of what the plain loop does in a second.
SHARES = (0.5, 1.0, 2.0, 4.0, 8.0, 12.0)
_RATE_SECONDS = 10
_SWITCH_SECONDS, _SWITCHES = 24, 6
# Of what 64 clients have that never pause.
_OVERLOADS, _OVERLOAD_SECONDS = (3.0, 5.0), 10
REQUESTS, _LOOKS = 200_000, 20


@dataclass(frozen=True)
class Subject:
    """A model and what it is asked.

    Attributes:
        model: its checkpoint.
        queries: a file of queries, one a line.
        locale: their store.
        folder: for logs, and for copies of the model.
    """

    model: Path
    queries: Path
    locale: str
    folder: Path


def plain(subject: Subject, _: Mapping[str, Figures]) -> Figures:
    return _process("benchmarks.serving.scoring", "plain", subject.model, subject.queries, subject.locale)


def batches(subject: Subject, _: Mapping[str, Figures]) -> Figures:
    return _process("benchmarks.serving.scoring", "batches", subject.model, subject.queries, subject.locale)


def rates(subject: Subject, before: Mapping[str, Figures]) -> Figures:
    """The open loop at several rates; the highest rate last."""
    found: Figures = {}
    with running(subject.model, subject.folder / "rates.log") as service:
        _load(service, subject, clients=1, seconds=3)
        for share in SHARES:
            rate = share * before["plain"]["a_second"]
            questions, scored = (f"q2pt_batch_questions_{name}" for name in ("sum", "count"))
            earlier = service.figure(questions), service.figure(scored)
            seen = _load(service, subject, rate=rate, seconds=_RATE_SECONDS)
            count = service.figure(scored) - earlier[1]
            together = (service.figure(questions) - earlier[0]) / count
            found[str(share)] = {"rate": rate, "together": together, **seen}
    return found


def switch(subject: Subject, before: Mapping[str, Figures]) -> Figures:
    """The open loop at half of what the plain loop does, while releases change."""
    places = [_copy(subject, name) for name in ("one", "other")]
    link = subject.folder / "current"
    _turn(link, places[0])
    with running(link, subject.folder / "switch.log") as service:
        rate = before["plain"]["a_second"] / 2
        steady = _load(service, subject, rate=rate, seconds=_SWITCH_SECONDS / 2)
        loading = _start(service, subject, rate=rate, seconds=_SWITCH_SECONDS)
        for number in range(1, _SWITCHES + 1):
            time.sleep(_SWITCH_SECONDS / (_SWITCHES + 1))
            _turn(link, places[number % 2])
        found = _finish(loading)
        switches = service.figure("q2pt_switches_total")
    return {"rate": rate, "turned": _SWITCHES, "switches": switches, "steady": steady, **found}


def overload(subject: Subject, before: Mapping[str, Figures]) -> Figures:
    """Several times what it can do, and right after it what it can do well."""
    with running(subject.model, subject.folder / "overload.log") as service:
        most = _load(service, subject, clients=64, seconds=_OVERLOAD_SECONDS / 2)
        during: list[Figures] = []
        for times in _OVERLOADS:
            rate = times * most["a_second"]
            seen = _load(service, subject, rate=rate, seconds=_OVERLOAD_SECONDS)
            during.append({"times": times, "rate": rate, **seen})
        after = _load(service, subject, rate=before["plain"]["a_second"] / 4, seconds=_OVERLOAD_SECONDS / 2)
    return {"most": most, "during": during, "after": after}


def memory(subject: Subject, _: Mapping[str, Figures]) -> Figures:
    """The closed loop of 32 clients; memory after each twentieth of the requests."""
    with running(subject.model, subject.folder / "memory.log") as service:
        started, looks = time.monotonic(), [service.megabytes]
        parts = []
        for seed in range(_LOOKS):
            parts.append(_load(service, subject, requests=REQUESTS // _LOOKS, seed=seed))
            looks.append(service.megabytes)
            sys.stderr.write(f"{(seed + 1) * REQUESTS // _LOOKS} requests: {looks[-1]:.1f} MB\n")
        seconds = time.monotonic() - started
    statuses = {status for part in parts for status in part["statuses"]}
    return {
        "statuses": {status: sum(part["statuses"].get(status, 0) for part in parts) for status in statuses},
        "seconds": seconds,
        "megabytes": looks,
    }


def _copy(subject: Subject, name: str) -> Path:
    """The same model under another version."""
    place = subject.folder / name
    shutil.copytree(subject.model, place, dirs_exist_ok=True)
    file = place / "metadata.json"
    document = json.loads(file.read_text(encoding="utf-8"))
    file.write_text(json.dumps({**document, "git_sha": name}), encoding="utf-8")
    return place.resolve()


def _turn(link: Path, place: Path) -> None:
    following = link.with_name("next")
    following.unlink(missing_ok=True)
    following.symlink_to(place)
    following.replace(link)


def _load(service: Measured, subject: Subject, **load: Any) -> Figures:  # noqa: ANN401 - as `Load` has them
    return _finish(_start(service, subject, **load))


def _start(service: Measured, subject: Subject, **load: Any) -> "subprocess.Popen[str]":  # noqa: ANN401
    document = asdict(Load(service.url, str(subject.queries), subject.locale, **load))
    command = [sys.executable, "-m", "benchmarks.serving.load", json.dumps(document)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ)


def _finish(loading: "subprocess.Popen[str]") -> Figures:
    output, _ = loading.communicate()
    if loading.returncode:
        raise RuntimeError(f"the load ended with {loading.returncode}")
    found: Figures = json.loads(output)
    return found


def _process(module: str, *words: object) -> Figures:
    done = subprocess.run(
        [sys.executable, "-m", module, *map(str, words)], check=True, stdout=subprocess.PIPE, text=True
    )
    found: Figures = json.loads(done.stdout)
    return found
