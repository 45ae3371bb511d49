"""Figures of trainings that differ in their seed alone: their mean, the lowest and the highest."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Self

from q2pt_tasks.report.tables import Row


@dataclass(frozen=True)
class Spread:
    """One figure over several trainings."""

    mean: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float | None]) -> Self | None:
        """None where no training has the figure; a training that lacks it is left out."""
        known = [value for value in values if value is not None]
        return cls(fmean(known), min(known), max(known)) if known else None

    def __str__(self) -> str:
        """The mean, and how far apart the trainings are where that can be seen at three decimals."""
        mean, low, high = (f"{value:.3f}" for value in (self.mean, self.low, self.high))
        return mean if low == high else f"{mean} [{low} .. {high}]"


def mean_rows(trainings: Sequence[Iterable[Row]]) -> tuple[Row, ...]:
    """Every figure as its mean over the trainings that have it."""
    found: dict[tuple[str, str, str, str], list[Row]] = {}
    for rows in trainings:
        for row in rows:
            found.setdefault((row.variant, row.locale, row.split, row.metric), []).append(row)
    return tuple(
        replace(same[0], value=_mean([row.value for row in same]), n=_mean([row.n for row in same]))
        for same in found.values()
    )


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fmean(known) if known else None
