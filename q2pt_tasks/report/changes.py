"""What is different from the model in production: over all, in each locale, in each part of the queries."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from q2pt_tasks.report.evidence import Slice, Slices
from q2pt_tasks.report.marks import Bar, change_bar, direction, share_bar
from q2pt_tasks.report.tables import ALL, Figure, Scores, Summary

CHAMPION = "champion"
# The dimension whose slices are the stores.
LOCALE = "locale"
# A metric on a split, and its name for readers.
METRICS = (
    ("micro_recall", "test", "Micro recall on test"),
    ("macro_recall", "test", "Macro recall on test"),
    ("micro_precision", "test", "Precision reached on test"),
    ("micro_average_precision", "test", "Average precision on test"),
    ("micro_recall", "forward", "Micro recall on the newest days, by traffic"),
    ("micro_recall", "judgements", "Micro recall on human judgements"),
)


@dataclass(frozen=True)
class MetricChange:
    """One figure over all locales: of the candidate and, where there is one, of the champion; the change has a word."""

    name: str
    value: Figure
    champion: Figure
    change: float | None
    change_low: float | None
    change_high: float | None
    change_bar: Bar | None
    word: str


@dataclass(frozen=True)
class PartChange:
    """A slice of the candidate with its bar, and its change against the champion with a word and a bar."""

    dimension: str
    slice: str
    positives: int
    recall: float | None
    low: float | None
    high: float | None
    bar: Bar | None
    change: float | None
    change_low: float | None
    change_high: float | None
    change_bar: Bar | None
    word: str


def metric_changes(summary: Summary, scores: Scores, candidate: str) -> list[MetricChange]:
    """The figures over all locales that the candidate or the champion has."""
    against = {
        (one.metric, one.split): one
        for one in summary.differences
        if (one.variant, one.against, one.locale) == (candidate, CHAMPION, ALL)
    }
    reach = _largest([end for key in METRICS if (one := against.get(key[:2])) for end in (one.low, one.high)])
    rows = []
    for metric, split, name in METRICS:
        value, champion = (scores.figure(variant, metric, split=split) for variant in (candidate, CHAMPION))
        if value.value is None and champion.value is None:
            continue
        change = None if value.value is None or champion.value is None else value.value - champion.value
        found = against.get((metric, split))
        low, high = (None, None) if found is None else (found.low, found.high)
        bar = None if found is None else change_bar(change, low, high, reach)
        # Without an interval nobody knows whether the change is one.
        word = "" if found is None else direction(change, low, high)
        rows.append(MetricChange(name, value, champion, change, low, high, bar, word))
    return rows


def whole(slices: Slices, variant: str, split: str) -> Slice | None:
    """All of a split."""
    found = (row for row in slices.rows if (row.variant, row.split, row.dimension) == (variant, split, ALL))
    return next(found, None)


def locale_changes(slices: Slices, candidate: str, locales: Sequence[str]) -> list[PartChange]:
    """One row per locale, in the order of `locales`."""
    rows = {row.slice: row for row in slices.rows if row.variant == candidate and row.dimension == LOCALE}
    return _changes(slices, [rows[locale] for locale in locales if locale in rows])


def part_changes(slices: Slices, candidate: str) -> list[PartChange]:
    """One row per part of the queries or types, in the order of the evaluation."""
    skipped = (LOCALE, ALL)
    return _changes(slices, [r for r in slices.rows if r.variant == candidate and r.dimension not in skipped])


def _changes(slices: Slices, rows: Sequence[Slice]) -> list[PartChange]:
    champions = {(row.split, row.dimension, row.slice): row.recall for row in slices.rows if row.variant == CHAMPION}
    reach = _reach(rows)
    return [
        PartChange(
            row.dimension,
            row.slice,
            row.positives,
            row.recall,
            row.low,
            row.high,
            share_bar(row.recall, row.low, row.high, champions.get((row.split, row.dimension, row.slice))),
            row.change,
            row.change_low,
            row.change_high,
            change_bar(row.change, row.change_low, row.change_high, reach),
            direction(row.change, row.change_low, row.change_high),
        )
        for row in rows
    ]


def _reach(rows: Iterable[Slice]) -> float:
    """The largest end of an interval of a change: all bars of a table have one scale."""
    return _largest([end for row in rows for end in (row.change, row.change_low, row.change_high)])


def _largest(ends: Iterable[float | None]) -> float:
    return max((abs(end) for end in ends if end is not None), default=0.0)
