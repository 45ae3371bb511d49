"""What the report reads of the metrics, and what its tables say about them. Numbers and words, no HTML."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from q2pt_tasks.report.evidence import Difference, FigureInterval, Judged, Slice
from q2pt_tasks.report.formats import DASH, count, number, span
from q2pt_tasks.report.marks import Bar, share_bar

ALL = "all"
# The dimension of the newest days' slices, and its slices.
SEEN, SEEN_QUERIES, UNSEEN_QUERIES = "seen", "seen in training", "not seen"
# The order of columns and of colours. A variant that is not named here comes last, by name.
VARIANTS = (
    "non_unified",
    "unified_agnostic",
    "unified_aware",
    "majority",
    "tfidf_per_locale",
    "tfidf_unified",
    "champion",
)


@dataclass(frozen=True)
class Row:
    """One figure of `metrics/summary.json`. `n`: positives behind a micro value, types behind a macro value."""

    variant: str
    locale: str
    split: str
    metric: str
    value: float | None
    n: float | None


@dataclass(frozen=True)
class Model:
    """One trained model; `locale` is None where it serves all of them. `status`: trained, degenerate or untrained."""

    variant: str
    locale: str | None
    status: str
    reason: str
    training_rows: int
    epochs: int
    seconds: float


@dataclass(frozen=True)
class Summary:
    """`metrics/summary.json`; `precision` is the one that recall is measured at."""

    precision: float
    rows: tuple[Row, ...]
    models: tuple[Model, ...]
    champion: Mapping[str, Any] | None
    judgements: Judged | None = None
    differences: tuple[Difference, ...] = ()


@dataclass(frozen=True)
class StoreRecall:
    """One entry of `metrics/locales.json`: micro recall on test, and the rows that the locale gave to training."""

    variant: str
    locale: str
    micro_recall: float | None
    training_rows: int


@dataclass(frozen=True)
class Figure:
    """A value with its interval, None where either is not known."""

    value: float | None
    low: float | None
    high: float | None


class Scores:
    """Looks figures up. A figure that the summary does not have reads as not defined, like one that it has as null."""

    def __init__(self, rows: Iterable[Row], intervals: Iterable[FigureInterval] = ()) -> None:
        rows = tuple(rows)
        self._intervals = {(one.variant, one.locale, one.split, one.metric): one for one in intervals}
        self._rows = {(row.variant, row.locale, row.split, row.metric): row for row in rows}
        if len(self._rows) < len(rows):
            raise ValueError(f"the summary has {len(rows)} rows for {len(self._rows)} figures; give each once")

    def value(self, variant: str, metric: str, locale: str = ALL, split: str = "test") -> float | None:
        row = self._rows.get((variant, locale, split, metric))
        return row.value if row else None

    def figure(self, variant: str, metric: str, locale: str = ALL, split: str = "test") -> Figure:
        """The value with its interval."""
        value, own = self.value(variant, metric, locale, split), self._intervals.get((variant, locale, split, metric))
        return Figure(value, None, None) if own is None else Figure(value, own.low, own.high)

    def n(self, variant: str, metric: str, locale: str = ALL, split: str = "test") -> float | None:
        row = self._rows.get((variant, locale, split, metric))
        return row.n if row else None


@dataclass(frozen=True)
class HeadlineRow:
    """One variant over all locales: on test at the thresholds of validation, on the test curve, and forward."""

    variant: str
    bar: Bar | None
    micro_recall: Figure
    macro_recall: Figure
    micro_precision: Figure
    macro_precision: Figure
    micro_recall_curve: Figure
    macro_recall_curve: Figure
    micro_average_precision: Figure
    macro_average_precision: Figure
    forward: Figure
    forward_seen: Figure
    forward_unseen: Figure


@dataclass(frozen=True)
class RankingRow:
    """How high one variant ranks the right types of a query, over all locales on test."""

    variant: str
    precision_at_1: Figure
    recall_at_5: Figure
    ndcg: Figure


@dataclass(frozen=True)
class TrainingRow:
    """What it took to train one variant: how many of its models came out well, on how many rows, in which time."""

    variant: str
    trained: int
    models: int
    training_rows: int
    epochs: str
    seconds: float


@dataclass(frozen=True)
class Cell:
    """One variant in one locale. `best`: no variant has more recall there, at the three decimals shown."""

    recall: Figure
    precision: Figure
    best: bool


@dataclass(frozen=True)
class LocaleRow:
    """One locale on test, with a cell per variant."""

    locale: str
    training_rows: int | None
    n: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class CoverageRow:
    """How much of a locale's test set macro recall speaks for; a range where the variants differ."""

    locale: str
    types: str
    type_coverage: str
    traffic_coverage: str


def in_order(variants: Iterable[str]) -> tuple[str, ...]:
    """The different `variants`, in the order of the report."""
    return tuple(sorted(set(variants), key=lambda name: (VARIANTS.index(name) if name in VARIANTS else 99, name)))


def training_rows_of(stores: Iterable[StoreRecall]) -> dict[str, int]:
    """Locale -> the rows it gave to training, most rows first.

    Variants may differ, because the champion saw another window: the first one in the report's order counts.
    """
    by_variant = {(store.variant, store.locale): store.training_rows for store in stores if store.locale != ALL}
    rows: dict[str, int] = {}
    for variant in in_order(variant for variant, _ in by_variant):
        rows |= {locale: n for (name, locale), n in by_variant.items() if name == variant and locale not in rows}
    return dict(sorted(rows.items(), key=lambda item: (-item[1], item[0])))


def locales_in_order(rows: Iterable[Row], training_rows: Mapping[str, int]) -> tuple[str, ...]:
    """The locales of the summary, most training rows first, those without a count last."""
    found = {row.locale for row in rows} - {ALL}
    return tuple(sorted(found, key=lambda locale: (-training_rows.get(locale, -1), locale)))


def headline_rows(scores: Scores, variants: Iterable[str], slices: Iterable[Slice]) -> tuple[HeadlineRow, ...]:
    """One row per variant, over all locales; the newest days by seen and unseen queries are `slices`."""
    seen = {(one.variant, one.slice): one for one in slices if one.dimension == SEEN}
    return tuple(_headline_row(scores, variant, seen) for variant in variants)


def ranking_rows(scores: Scores, variants: Iterable[str]) -> list[RankingRow]:
    """One row per variant that ranks."""
    rows = [
        RankingRow(variant, *(scores.figure(variant, metric) for metric in ("precision_at_1", "recall_at_5", "ndcg")))
        for variant in variants
    ]
    return [row for row in rows if row.ndcg.value is not None]


def training_table(models: Iterable[Model]) -> tuple[TrainingRow, ...]:
    """One row per variant that has models."""
    models = tuple(models)
    variants = in_order(model.variant for model in models)
    return tuple(_training_row(name, [model for model in models if model.variant == name]) for name in variants)


def locale_rows(scores: Scores, variants: Sequence[str], training_rows: Mapping[str, int | None]) -> list[LocaleRow]:
    """One row per locale of `training_rows`, in its order."""
    return [_locale_row(scores, variants, locale, rows) for locale, rows in training_rows.items()]


def coverage_rows(scores: Scores, variants: Sequence[str], locales: Iterable[str]) -> list[CoverageRow]:
    """One row per locale for which any variant has a macro value's coverage."""
    rows = [_coverage_row(scores, variants, locale) for locale in locales]
    return [row for row in rows if row.type_coverage != DASH or row.traffic_coverage != DASH]


def _headline_row(scores: Scores, variant: str, seen: Mapping[tuple[str, str], Slice]) -> HeadlineRow:
    def forward(split: str, part: str) -> Figure:
        value, own = scores.value(variant, "micro_recall", split=split), seen.get((variant, part))
        return Figure(value, None, None) if own is None else Figure(value, own.low, own.high)

    recall = scores.figure(variant, "micro_recall")
    return HeadlineRow(
        variant,
        share_bar(recall.value, recall.low, recall.high),
        recall,
        scores.figure(variant, "macro_recall"),
        scores.figure(variant, "micro_precision"),
        scores.figure(variant, "macro_precision"),
        scores.figure(variant, "micro_recall_curve"),
        scores.figure(variant, "macro_recall_curve"),
        scores.figure(variant, "micro_average_precision"),
        scores.figure(variant, "macro_average_precision"),
        scores.figure(variant, "micro_recall", split="forward"),
        forward("forward_seen", SEEN_QUERIES),
        forward("forward_unseen", UNSEEN_QUERIES),
    )


def _training_row(variant: str, models: Sequence[Model]) -> TrainingRow:
    return TrainingRow(
        variant=variant,
        trained=sum(model.status == "trained" for model in models),
        models=len(models),
        training_rows=sum(model.training_rows for model in models),
        epochs=span((model.epochs for model in models), count),
        seconds=sum(model.seconds for model in models),
    )


def _locale_row(scores: Scores, variants: Sequence[str], locale: str, training_rows: int | None) -> LocaleRow:
    recalls = {variant: scores.figure(variant, "micro_recall", locale) for variant in variants}
    values = (recall.value for recall in recalls.values() if recall.value is not None)
    best = number(max(values, default=None))
    cells = (
        Cell(
            recall,
            scores.figure(variant, "micro_precision", locale),
            recall.value is not None and number(recall.value) == best,
        )
        for variant, recall in recalls.items()
    )
    n = span((scores.n(variant, "micro_recall", locale) for variant in variants), count)
    return LocaleRow(locale, training_rows, n, tuple(cells))


def _coverage_row(scores: Scores, variants: Sequence[str], locale: str) -> CoverageRow:
    return CoverageRow(
        locale,
        types=span((scores.n(variant, "macro_recall", locale) for variant in variants), count),
        type_coverage=span((scores.value(variant, "type_coverage", locale) for variant in variants), number),
        traffic_coverage=span((scores.value(variant, "traffic_coverage", locale) for variant in variants), number),
    )
