"""How many valid rows each locale and day has, and where they are too few or have fallen."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import TypeVar

from q2pt_tasks.data.row_rules import Window
from q2pt_tasks.data.tallies import Tally

K = TypeVar("K")


@dataclass(frozen=True)
class Volume:
    """Valid rows per locale and day, and where they are too few."""

    locales: Mapping[str, int]
    """Every locale of the shop, those without rows too."""
    days: Mapping[object, int]
    """Every day of the window."""
    low: tuple[str, ...]
    """Locales with fewer valid rows than needed."""
    newest: Mapping[str, float]
    """The rows of the newest day as a share of a usual day's, of each locale that is large enough to tell."""
    fallen: tuple[str, ...]
    """Locales where this share is smaller than needed."""

    @property
    def missing_days(self) -> tuple[str, ...]:
        return tuple(str(day) for day, rows in self.days.items() if not rows)


def measure_volume(
    tallies: Sequence[Tally],
    locales: Sequence[str],
    window: Window,
    *,
    min_locale_rows: int,
    min_newest_day_share: float,
) -> Volume:
    """Counts the valid rows of each locale and day; locales and days without any count as 0."""
    valid = [tally for tally in tallies if tally.reason is None]
    per_locale = sum_rows((tally.locale, tally.rows) for tally in valid)
    per_day = sum_rows((tally.day, tally.rows) for tally in valid)
    rows = {locale: per_locale[locale] for locale in locales}
    shares = _newest_day_shares(valid, locales, window, min_newest_day_share)
    return Volume(
        locales=rows,
        days={day: per_day[day] for day in window.days},
        low=tuple(locale for locale, count in rows.items() if count < min_locale_rows),
        newest=shares,
        fallen=tuple(locale for locale, share in shares.items() if share < min_newest_day_share),
    )


def _newest_day_shares(
    valid: Sequence[Tally], locales: Sequence[str], window: Window, least: float
) -> dict[str, float]:
    """What the newest day has of a usual one, the median of the others.

    A locale that is left out has so few rows a day that less than one of them would be needed.
    """
    *others, newest = window.days
    counts = sum_rows(((tally.locale, tally.day), tally.rows) for tally in valid)
    usual = {locale: median([counts[locale, day] for day in others] or [0]) for locale in locales}
    return {locale: counts[locale, newest] / rows for locale, rows in usual.items() if rows * least >= 1}


def sum_rows(pairs: Iterable[tuple[K, int]]) -> Counter[K]:
    """The rows of equal keys together."""
    totals: Counter[K] = Counter()
    for key, rows in pairs:
        totals[key] += rows
    return totals
