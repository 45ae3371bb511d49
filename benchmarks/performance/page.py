"""The page of results: one table, what bounds the rows that are not met, and how it was measured."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import median

from jinja2 import StrictUndefined, Template
from ruamel.yaml import YAML

from benchmarks.performance.contestants import Results, Run
from benchmarks.performance.contract import Line, lines
from benchmarks.performance.data import Facts
from benchmarks.performance.sizes import Sizes
from q2pt_tasks.studies.pages import bullet, code, table

NOTES, METHODS = (Path(__file__).with_name(name) for name in ("notes.yaml", "methods.md"))
COMMAND = "make bench TAXONOMY=path/to/google-product-taxonomy ENCODER=path/to/multilingual-e5-small-trimmed"
_HEADER = ("measured", "model", "ours", "against", "theirs", "ratio or difference", "promised", "met")


def read_notes() -> dict[str, str]:
    """Why rows are not met, by their names."""
    notes = YAML(typ="safe").load(NOTES.read_text(encoding="utf-8"))
    return dict(notes or {})


def page(results: Results, sizes: Sizes, notes: Mapping[str, str]) -> str:
    """The page as Markdown."""
    measured = list(lines(results, sizes))
    parts = [
        "# Performance, side by side",
        code(COMMAND),
        _when(results),
        table(_HEADER, [_cells(line) for line in measured]),
        *_bounds(measured, notes),
        "## How it was measured",
        _methods(results.facts, sizes),
        "## Runs",
        table(("group", "contestant", "runs", "seconds of a run, median"), _runs(results.runs)),
        _total(results.runs),
    ]
    return "\n\n".join(parts) + "\n"


def _when(results: Results) -> str:
    days = sorted({run.day for run in results.runs}) or ["nothing measured yet"]
    return (
        f"{results.machine}. {' to '.join(dict.fromkeys((days[0], days[-1])))}. Every run is a process of its own; the "
        "contestants of a group run in turn, each turn with the next seed, from 1. A ratio is the median over the "
        "turns [lowest .. highest], ours over theirs, and the figures beside it are medians; a difference and the "
        "figures beside it are means. Every run is in [performance.json](performance.json)."
    )


def _cells(line: Line) -> Sequence[str]:
    ours, theirs, *verdict = line.comparison.cells()
    return [line.row.measured, line.model, ours, line.row.against, theirs, *verdict]


def _bounds(measured: Sequence[Line], notes: Mapping[str, str]) -> Iterator[str]:
    """What bounds each row that is not met."""
    unmet = [line for line in measured if not line.comparison.is_met]
    if unmet:
        yield "## What is not met, and why"
        yield "\n".join(bullet(f"{_title(line)}: {notes.get(line.name, 'not explained yet.')}") for line in unmet)


def _title(line: Line) -> str:
    return f"{line.row.measured}, {line.model}, against {line.row.against}"


def _methods(facts: Facts, sizes: Sizes) -> str:
    template = Template(METHODS.read_text(encoding="utf-8"), undefined=StrictUndefined)
    return str(template.render(facts=facts, sizes=sizes))


def _runs(runs: Sequence[Run]) -> Iterator[Sequence[object]]:
    walls: dict[tuple[str, str], list[float]] = {}
    for run in runs:
        walls.setdefault((run.group, run.contestant), []).append(run.wall)
    for (group, contestant), seconds in walls.items():
        yield group, contestant, len(seconds), f"{median(seconds):.0f}"


def _total(runs: Sequence[Run]) -> str:
    load = max((run.load for run in runs), default=0.0)
    minutes = sum(run.wall for run in runs) / 60
    return f"All runs together took {minutes:.0f} minutes; the load average before a run was at most {load}."
