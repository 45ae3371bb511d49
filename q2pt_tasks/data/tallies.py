"""How many rows went where: of each table, and of each reason, locale and day."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import narwhals as nw

from q2pt_tasks.data.row_rules import MAX_COUNT, REASON, AnyFrame, Window


class LostRowsError(AssertionError):
    """The rows that arrived are not the valid and the quarantined ones together: a mistake of ours."""


@dataclass(frozen=True)
class TableRows:
    """Where the rows of a table went. `arrived`, `valid` and `quarantined` are counted separately."""

    arrived: int
    valid: int
    quarantined: int

    def check_none_lost(self, table: str) -> "TableRows":
        """These rows; `table` is its name in the message.

        Raises:
            LostRowsError: the numbers do not add up.
        """
        if self.arrived != self.valid + self.quarantined:
            raise LostRowsError(
                f"{table}: {self.arrived} rows arrived, but {self.valid} valid and {self.quarantined} quarantined rows"
                " were written; please report this with the raw tables"
            )
        return self


@dataclass(frozen=True)
class Tally:
    """How many rows share a reason, locale and day."""

    reason: str | None
    locale: str | None
    """None where the locale is not the shop's, so that a log full of garbage still has a small tally."""
    day: date | None
    """None where the date is missing or outside the window."""
    rows: int
    clicks: float
    """Clicks of the rows in which they are possible, valid or not: what a locale is worth to the shop."""


def tally_rows(judged: AnyFrame, locales: Sequence[str], window: Window) -> AnyFrame:
    """One row per reason, locale and day, with the columns of `Tally`."""
    clicks = nw.col("clicks")
    possible = (clicks > 0) & (clicks <= nw.col("impressions")) & (clicks <= MAX_COUNT)
    return (
        judged.select(
            REASON,
            nw.when(nw.col("locale").is_in(list(locales))).then(nw.col("locale")).alias("locale"),
            nw.when(window.contains("event_date")).then(nw.col("event_date")).alias("day"),
            # Floating point: a sum of 64-bit counts may not fit into 64 bits.
            nw.when(possible).then(clicks).otherwise(nw.lit(0)).cast(nw.Float64).alias("clicks"),
        )
        .group_by(REASON, "locale", "day")
        .agg(rows=nw.len(), clicks=nw.col("clicks").sum())
    )
