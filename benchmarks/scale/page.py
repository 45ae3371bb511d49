"""The page of results of the scale of the data path, in Markdown."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from benchmarks.scale.contestants import STAGES
from benchmarks.scale.log import DAYS, LOCALES, SEED, Made
from benchmarks.scale.measuring import Measured
from benchmarks.scale.night import Nights
from q2pt_tasks.studies.machine import describe_machine
from q2pt_tasks.studies.pages import code, table

NAMES = {"q2pt": "q2pt", "pandas": "plain pandas", "sql": "hand-written SQL"}


@dataclass(frozen=True)
class Size:
    """What was measured at one size of the log.

    Attributes:
        made: the log.
        measured: per contestant and stage.
        nights: q2pt's that remember days.
        starts: seconds that its processes take until they begin to work.
        rows: of each table, compared between the contestants.
    """

    made: Made
    measured: Mapping[str, Mapping[str, Measured]]
    nights: Nights
    starts: float
    rows: Mapping[str, int]

    def seconds(self, name: str) -> float:
        return _seconds(self.measured[name])

    def core_seconds(self, name: str) -> float:
        return sum(stage.core_seconds for stage in self.measured[name].values())

    @property
    def night_share(self) -> float:
        """Seconds of a night that adds a day, of those of all days."""
        return _seconds(self.nights.added) / self.seconds("q2pt")

    @property
    def night_core_share(self) -> float:
        """The same of processors' seconds."""
        return sum(stage.core_seconds for stage in self.nights.added.values()) / self.core_seconds("q2pt")

    @property
    def share_of_first_night(self) -> float:
        """Seconds of a night that adds a day, of those of the first night, which remembers all other days."""
        return _seconds(self.nights.added) / _seconds(self.nights.first)

    def megabytes(self, name: str) -> float:
        return max(stage.megabytes for stage in self.measured[name].values())


def _seconds(stages: Mapping[str, Measured]) -> float:
    return sum(stage.seconds for stage in stages.values())


def build_page(sizes: Sequence[Size], command: str) -> str:
    """The page that `command` writes; `sizes` ascending."""
    return "\n".join(
        [
            "# Scale of the data path",
            "",
            f"The project's synthetic log of {len(LOCALES)} stores and {DAYS} days, seed {SEED}, as a shop's own log: "
            "one Parquet file per day. The stages from ingest to split, each in a process of its own, beside the same "
            "tables made by plain pandas and by hand-written SQL for DuckDB, stage by stage as well; days, quarantine "
            "and splits were compared and have the same rows.",
            "",
            code(command),
            "",
            f"{describe_machine()}.",
            "",
            table(
                ["rows", "", *STAGES, "seconds", "of q2pt's", "core-seconds", "microseconds per row", "most MB"],
                [_row(size, name) for size in sizes for name in size.measured],
            ),
            "",
            "Seconds count each process from its start to its end, core-seconds are those of its processors; q2pt's "
            "validate holds the start of Great Expectations, and its ingest compares the log's hash with the one that "
            "was resolved, which the others do not do. MB are the most resident memory of any stage's process.",
            "",
            *_slopes(sizes),
            "## What it must show",
            "",
            table(["", "needed", "found", "met"], [row for size in sizes for row in _demands(size, sizes)]),
            "",
            "## A day added",
            "",
            f"The night before has left its results of all days but the newest in `Q2PT_STATE_DIR`; a window of {DAYS} "
            "days. The files that come out have the bytes of those without it. Starts are four processes with all that "
            "they import, without Great Expectations, whose own process takes seconds beside the days: they cost the "
            "same however long the log is. All days are computed fastest where nothing is remembered; the first night, "
            "of all days but the newest, remembers them.",
            "",
            table(
                [
                    "rows",
                    *STAGES,
                    "seconds",
                    "of which starts",
                    "of all days",
                    "core-seconds, of all days",
                    "seconds of the first night",
                    "of the first night",
                ],
                [_night(size) for size in sizes],
            ),
            "",
            "## The log",
            "",
            table(["rows", "seconds to make it", "MB", *sizes[0].rows], [_log(size) for size in sizes]),
            "",
        ]
    )


def _slopes(sizes: Sequence[Size]) -> list[str]:
    """What a row costs beyond what every run costs, between one size and the next, where there are two."""
    rows = [
        [f"{small.made.rows:,} to {large.made.rows:,}", NAMES[name], f"{_slope(small, large, name):.2f}"]
        for small, large in pairwise(sizes)
        for name in large.measured
        if name in small.measured
    ]
    if not rows:
        return []
    said = "What a row costs more: the starts of four processes with what they import are in both sizes."
    return [said, "", table(["rows", "", "microseconds of a core for each row more"], rows), ""]


def _slope(small: Size, large: Size, name: str) -> float:
    seconds = large.core_seconds(name) - small.core_seconds(name)
    return seconds / (large.made.rows - small.made.rows) * 1e6


def _row(size: Size, name: str) -> list[object]:
    seconds = size.seconds(name)
    stages = [f"{size.measured[name][stage].seconds:.1f}" for stage in STAGES]
    share, per_row = seconds / size.seconds("q2pt"), seconds / size.made.rows * 1e6
    return [size.made.rows, NAMES[name], *stages, f"{seconds:.1f}", f"{share:.2f}x",
            f"{size.core_seconds(name):.1f}", f"{per_row:.2f}",
            f"{size.megabytes(name):,.0f}"]  # fmt: skip


def _log(size: Size) -> list[object]:
    return [size.made.rows, f"{size.made.seconds:.1f}", f"{size.made.bytes / 1e6:,.0f}", *size.rows.values()]


def _night(size: Size) -> list[object]:
    stages = [f"{size.nights.added[stage].seconds:.1f}" for stage in STAGES]
    return [size.made.rows, *stages, f"{_seconds(size.nights.added):.1f}", f"{size.starts:.1f}",
            f"{size.night_share:.2f}x", f"{size.night_core_share:.2f}x",
            f"{_seconds(size.nights.first):.1f}", f"{size.share_of_first_night:.2f}x"]  # fmt: skip


def _demands(size: Size, sizes: Sequence[Size]) -> list[list[object]]:
    """What the data path promises at ten million rows and more, and whether it holds."""
    rows = f"{size.made.rows:,} rows: "
    demands: list[list[object]] = []
    others = [
        ("pandas", "q2pt against plain pandas", 1 / 5, "at most 0.20x"),
        ("sql", "q2pt against hand-written SQL", 1.5, "at most 1.50x"),
    ]
    for name, said, most, needed in others:
        if name in size.measured:
            ratio = size.seconds("q2pt") / size.seconds(name)
            demands.append([rows + said, needed, f"{ratio:.2f}x", _met(ratio, most)])
    gigabytes = size.megabytes("q2pt") / 1000
    demands.append([rows + "memory", "under 4 GB", f"{gigabytes:.1f} GB", _met(gigabytes, 4)])
    demands.append([rows + "a day added", "under 0.20x", f"{size.night_share:.2f}x", _met(size.night_share, 1 / 5)])
    share = size.night_core_share
    demands.append([rows + "a day added, in core-seconds", "under 0.20x", f"{share:.2f}x", _met(share, 1 / 5)])
    share = size.share_of_first_night
    demands.append([rows + "a day added, of the first night", "under 0.20x", f"{share:.2f}x", _met(share, 1 / 5)])
    making = size.made.seconds / size.seconds("q2pt")
    demands.append([rows + "making the log against q2pt", "at most 1.00x", f"{making:.2f}x", _met(making, 1)])
    if (at := sizes.index(size)) > 0:
        before = sizes[at - 1]
        growth = size.seconds("q2pt") / size.made.rows / (before.seconds("q2pt") / before.made.rows)
        said = f"{rows}time of a row against {before.made.rows:,} rows"
        demands.append([said, "at most 1.50x", f"{growth:.2f}x", _met(growth, 1.5)])
    return demands


def _met(found: float, most: float) -> str:
    return "yes" if found <= most else "no"
