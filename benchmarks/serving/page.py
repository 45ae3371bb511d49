"""The page of results, in Markdown."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmarks.serving.parts import REQUESTS, Figures
from q2pt_tasks.studies.machine import describe_machine
from q2pt_tasks.studies.pages import code, table

Found = Mapping[str, Mapping[str, Figures]]

_NOTES = Path(__file__).with_name("notes.md")
_TITLES = {
    "demo": "The demo's `unified_aware`, a small encoder",
    "distilbert": "A network of multilingual DistilBERT's size, 1,401 product types",
}


def build_page(found: Found) -> str:
    """The page from the figures of all parts of all models."""
    lines = [
        "# The service under load",
        "",
        code("make demo && make bench TAXONOMY=... ENCODER=... && make bench-serving"),
        "",
        f"{describe_machine()}. The load comes from a second process on the same two cores: an open loop, in which "
        "requests leave at random moments (Poisson, seed 1) whatever became of those before, and the time of an answer "
        "counts from the moment at which its request should have left. One query a request.",
        "",
        _NOTES.read_text(encoding="utf-8"),
    ]
    for name, parts in found.items():
        lines += [f"## {_TITLES[name]}", "", *_rates(parts), *_switch(parts), *_overload(parts), *_batches(parts)]
        if "memory" in parts:
            lines += _memory(parts["memory"])
    return "\n".join(lines).rstrip() + "\n"


def _rates(parts: Mapping[str, Figures]) -> Iterator[str]:
    plain = parts["plain"]
    rows = [["plain loop over `Predictor`, no HTTP", f"{plain['a_second']:.0f}", *_times(plain), "", "", "1.0", ""]]
    for one in parts["rates"].values():
        rows.append(
            [
                f"{one['rate']:.0f} requests a second",
                f"{one['a_second']:.0f}",
                *_times(one),
                _share(one, "429"),
                _share(one, "lost"),
                f"{one['together']:.1f}",
                f"{one['sent_late_milliseconds']:.0f}",
            ]
        )
    header = ["", "answers a second", "p50 ms", "p95", "p99", "longest", "refused", "lost", "together", "sent late ms"]
    yield table(header, rows)
    yield ""


def _switch(parts: Mapping[str, Figures]) -> Iterator[str]:
    one = parts["switch"]
    steady, answers = one["steady"]["milliseconds"], one["statuses"]
    yield (
        f"**Switching**: {one['switches']:.0f} switches of the release while {one['rate']:.0f} requests a second came "
        f"in: {_counts(answers)}. p99 {one['milliseconds']['p99']:.0f} ms, {steady['p99']:.0f} ms without switches; "
        f"longest {one['milliseconds']['max']:.0f} and {steady['max']:.0f} ms."
    )
    yield ""


def _overload(parts: Mapping[str, Figures]) -> Iterator[str]:
    found = parts["overload"]
    after = found["after"]
    yield (
        f"**Overload**: 64 clients that never pause have {found['most']['a_second']:.0f} answers a second, "
        f"p99 {found['most']['milliseconds']['p99']:.0f} ms."
    )
    yield ""
    yield from (f"- {_crowd(one)}" for one in found["during"])
    yield ""
    yield (
        f"Right after it, at a quarter of the plain loop's rate: {_counts(after['statuses'])}, "
        f"p50 {after['milliseconds']['p50']:.1f} ms, longest {after['milliseconds']['max']:.0f} ms."
    )
    yield ""


def _crowd(one: Mapping[str, Any]) -> str:
    refused = one["refused_milliseconds"]
    told = (
        f"refused within {refused['p50']:.0f} ms (p50) and {refused['p99']:.0f} ms (p99), "
        f"told to come back in {_span(one['retry_after'])} s"
        if refused
        else "none refused"
    )
    return (
        f"{one['times']:.0f} times as many requests, {one['rate']:.0f} a second: {_counts(one['statuses'])}. "
        f"{one['a_second']:.0f} answers a second, p99 {one['milliseconds']['p99']:.0f} ms; {told}. "
        f"Sent late by {one['sent_late_milliseconds']:.0f} ms at most."
    )


def _batches(parts: Mapping[str, Figures]) -> Iterator[str]:
    ways = parts["batches"]
    sizes = list(next(iter(ways.values()))["milliseconds"])
    yield "Milliseconds of a batch, without HTTP, and how many answers name other types than fp32 does (batches of 32):"
    yield ""
    rows = [
        [
            name,
            *(f"{one['milliseconds'][size]:.1f}" for size in sizes),
            f"{100 * one['other_answers']['32']:.2f} %",
        ]
        for name, one in ways.items()
    ]
    yield table(["queries", *sizes, "other answers"], rows)
    yield ""


def _memory(memory: Figures) -> Iterator[str]:
    looks = memory["megabytes"]
    yield (
        f"**Memory** over {REQUESTS:,} requests of 32 clients that never pause ({_counts(memory['statuses'])}, "
        f"{sum(memory['statuses'].values()) / memory['seconds']:.0f} a second): {looks[0]:.0f} MB before the first, "
        f"then, after each twentieth, {', '.join(f'{look:.0f}' for look in looks[1:])} MB (anonymous, of the service's "
        "process)."
    )
    yield ""


def _times(one: Mapping[str, Any]) -> list[str]:
    return [f"{one['milliseconds'][name]:.1f}" for name in ("p50", "p95", "p99", "max")]


def _share(one: Mapping[str, Any], status: str) -> str:
    count = one["statuses"].get(status, 0)
    return f"{100 * count / sum(one['statuses'].values()):.0f} %" if count else "none"


def _counts(statuses: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} x {status}" for status, count in sorted(statuses.items()))


def _span(seconds: list[int]) -> str:
    return f"{seconds[0]} to {seconds[-1]}" if seconds[0] != seconds[-1] else str(seconds[0])
