"""The page of results of the engines, in Markdown."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmarks.scale.contestants import STAGES
from benchmarks.scale.log import DAYS, LOCALES, SEED
from benchmarks.scale.measuring import Measured
from q2pt_tasks.studies.machine import describe_machine
from q2pt_tasks.studies.pages import code, table


@dataclass(frozen=True)
class Row:
    """What one engine took for each stage; all have made the same bytes."""

    name: str
    measured: Mapping[str, Measured]

    @property
    def seconds(self) -> float:
        return sum(stage.seconds for stage in self.measured.values())


def build_page(rows: int, files: int, engines: Sequence[Row]) -> str:
    """The page.

    Args:
        rows: of the log.
        files: that each engine's stages left, compared with those of the first one.
        engines: what each took.
    """
    first = engines[0]
    return "\n".join(
        [
            "# DuckDB and Spark",
            "",
            f"The project's synthetic log of {len(LOCALES)} stores and {DAYS} days, seed {SEED}, {rows:,} rows, from "
            f"ingest to split by each engine. All {files} files that the stages left have the same bytes, also where "
            "one of Spark's two executors was killed in each of ingest, validate and label, after the stage had "
            "written its first file.",
            "",
            code("make bench-engines"),
            "",
            f"{describe_machine()}; load average of the last quarter of an hour, these runs included, "
            f"{os.getloadavg()[2]:.1f}.",
            "",
            table(["", *STAGES, "seconds", f"of {first.name}'s"], [_line(row, first) for row in engines]),
            "",
            "Seconds count each stage's process from its start to its end, Spark's own start included. All of Spark "
            "runs on this one machine: the figures say what it costs where it is not needed, nothing of a cluster.",
            "",
        ]
    )


def _line(row: Row, first: Row) -> list[object]:
    stages = [f"{row.measured[stage].seconds:.1f}" for stage in STAGES]
    return [row.name, *stages, f"{row.seconds:.1f}", f"{row.seconds / first.seconds:.1f}x"]
