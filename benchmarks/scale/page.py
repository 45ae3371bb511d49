"""The page of results of the scale of the data path, in Markdown."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmarks.scale.contestants import STAGES
from benchmarks.scale.log import DAYS, LOCALES, SEED, Made
from q2pt_tasks.studies.machine import describe_machine
from q2pt_tasks.studies.pages import code, table

NAMES = {"q2pt": "q2pt", "pandas": "plain pandas", "sql": "hand-written SQL"}


@dataclass(frozen=True)
class Measured:
    """One stage of one contestant, in a process of its own."""

    seconds: float
    megabytes: float
    """Most resident memory of the process."""


@dataclass(frozen=True)
class Size:
    """What was measured at one size of the log.

    Attributes:
        made: the log.
        measured: per contestant and stage.
        rows: of each table, compared between the contestants.
    """

    made: Made
    measured: Mapping[str, Mapping[str, Measured]]
    rows: Mapping[str, int]

    def seconds(self, name: str) -> float:
        return sum(stage.seconds for stage in self.measured[name].values())

    def megabytes(self, name: str) -> float:
        return max(stage.megabytes for stage in self.measured[name].values())


def build_page(sizes: Sequence[Size]) -> str:
    """The page; `sizes` ascending."""
    return "\n".join(
        [
            "# Scale of the data path",
            "",
            f"The project's synthetic log of {len(LOCALES)} stores and {DAYS} days, seed {SEED}, as a shop's own log: "
            "one Parquet file per day. The stages from ingest to split, each in a process of its own, beside the same "
            "tables made by plain pandas and by hand-written SQL for DuckDB, stage by stage as well; days, quarantine "
            "and splits were compared and have the same rows.",
            "",
            code("make bench-scale"),
            "",
            f"{describe_machine()}.",
            "",
            table(
                ["rows", "", *STAGES, "seconds", "of q2pt's", "microseconds per row", "most MB"],
                [_row(size, name) for size in sizes for name in size.measured],
            ),
            "",
            "Seconds count a process from its imports on; q2pt's validate holds the start of Great Expectations, and "
            "its ingest compares the log's hash with the one that was resolved, which the others do not do. MB are the "
            "most resident memory of any stage's process.",
            "",
            "## The log",
            "",
            table(["rows", "seconds to make it", "MB", *sizes[0].rows], [_log(size) for size in sizes]),
            "",
            *_growth(sizes),
        ]
    )


def _row(size: Size, name: str) -> list[object]:
    seconds = size.seconds(name)
    stages = [f"{size.measured[name][stage].seconds:.1f}" for stage in STAGES]
    share, per_row = seconds / size.seconds("q2pt"), seconds / size.made.rows * 1e6
    return [size.made.rows, NAMES[name], *stages, f"{seconds:.1f}", f"{share:.2f}x", f"{per_row:.2f}",
            f"{size.megabytes(name):,.0f}"]  # fmt: skip


def _log(size: Size) -> list[object]:
    return [size.made.rows, f"{size.made.seconds:.1f}", f"{size.made.bytes / 1e6:,.0f}", *size.rows.values()]


def _growth(sizes: Sequence[Size]) -> list[str]:
    if len(sizes) < 2:
        return []
    per_row = [size.seconds("q2pt") / size.made.rows for size in sizes]
    rows = [f"{size.made.rows:,}" for size in sizes]
    sentences = [
        f"A row of {rows[at]} takes q2pt {per_row[at] / per_row[at - 1]:.2f} times as long as one of {rows[at - 1]}."
        for at in range(1, len(sizes))
    ]
    return [" ".join(sentences), ""]
