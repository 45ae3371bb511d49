"""The HTTP service under load, beside a plain loop over `Predictor` on the same cores.

Run as `make bench-serving`; it writes `docs/results/serving.md`. What is measured already (`build/serving/`) is kept,
so that it can be run piece by piece: `--only NAME/PART`.
"""

import argparse
import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pyarrow.parquet as pq

from benchmarks.serving import parts
from benchmarks.serving.page import build_page
from benchmarks.serving.parts import Figures, Subject
from q2pt_tasks.layout import Layout

PAGE, FOLDER = Path("docs/results/serving.md"), Path("build/serving")
SMALL, LARGE = "demo", "distilbert"
_EVERY: Mapping[str, Callable[[Subject, Mapping[str, Figures]], Figures]] = {
    "plain": parts.plain,
    "batches": parts.batches,
    "rates": parts.rates,
    "switch": parts.switch,
    "overload": parts.overload,
}
# What the service around a model keeps does not depend on the model: the quick one.
_PARTS = {SMALL: {**_EVERY, "memory": parts.memory}, LARGE: _EVERY}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--demo", type=Path, default=Path(), help="root of a finished demo")
    parser.add_argument("--locale", default="en-GB")
    parser.add_argument("--bench", type=Path, default=Path("build/bench"), help="what `make bench` made")
    parser.add_argument("--only", nargs="+", help="such as demo/rates")
    asked = parser.parse_args()
    subjects = {
        SMALL: Subject(
            asked.demo / "models/unified_aware", _demo_queries(asked.demo, asked.locale), asked.locale, FOLDER / SMALL
        ),
        LARGE: Subject(
            asked.bench / "models/distilbert", asked.bench / "data/queries.txt", asked.locale, FOLDER / LARGE
        ),
    }
    for name, subject in subjects.items():
        for part, measure in _PARTS[name].items():
            if not asked.only or f"{name}/{part}" in asked.only:
                _measure(name, part, subject, measure)
    if all(_file(name, part).is_file() for name, own in _PARTS.items() for part in own):
        PAGE.write_text(build_page({name: _found(name) for name in _PARTS}), encoding="utf-8")


def _measure(
    name: str, part: str, subject: Subject, measure: Callable[[Subject, Mapping[str, Figures]], Figures]
) -> None:
    file = _file(name, part)
    if file.is_file():
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    figures = measure(subject, _found(name))
    file.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    sys.stderr.write(f"{name}/{part}: {json.dumps(figures)[:2000]}\n")


def _found(name: str) -> dict[str, Figures]:
    return {part: json.loads(_file(name, part).read_text()) for part in _PARTS[name] if _file(name, part).is_file()}


def _file(name: str, part: str) -> Path:
    return FOLDER / name / f"{part}.json"


def _demo_queries(root: Path, locale: str) -> Path:
    """The test queries of a store, one a line."""
    file = FOLDER / "demo-queries.txt"
    if not file.is_file():
        file.parent.mkdir(parents=True, exist_ok=True)
        queries = pq.read_table(Layout(root).split(locale, "test"), columns=["query"])["query"].to_pylist()
        file.write_text("\n".join(queries) + "\n", encoding="utf-8")
    return file


if __name__ == "__main__":
    main()
