"""Figures on human judgements with their intervals, which few queries leave wide.

Resamples know only the queries that they draw from: where five of five are found, five are found in every resample, and
the interval has no width. People judge a few dozen queries, so an interval here is never narrower than that of a share
of as many independent queries (Clopper and Pearson 1934, "The use of confidence or fiducial limits illustrated in the
case of the binomial"): from 0.025 on for one query of one, from 0.478 on for five of five, at 95 %.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import betaincinv

from q2pt_tasks.metrics.intervals import Interval, Resampling, Sample
from q2pt_tasks.metrics.measurements import ALL_LOCALES, Measured
from q2pt_tasks.metrics.resampled import figure_intervals, resample

# Every judged query takes part in these. A precision rests on the queries that are answered, which are fewer.
METRICS = ("micro_recall", "macro_recall", "precision_at_1", "recall_at_5", "ndcg")


@dataclass(frozen=True)
class JudgedFigure:
    """A figure of `METRICS` on judged queries; `queries` are counted once, in however many stores they are judged."""

    locale: str
    metric: str
    value: float
    interval: Interval
    queries: int


def judged_figures(measured: Measured, sample: Sample, plan: Resampling) -> list[JudgedFigure]:
    """The figures of all locales and of each that are defined.

    Args:
        measured: the judgements, measured.
        sample: their queries; parts are their locales.
        plan: of the resamples.
    """
    resampled = resample(measured, sample, plan)
    queries = _queries(measured.observed.answers.locales, sample)
    return [
        JudgedFigure(locale, metric, value, _at_least(found, value, queries[locale], plan.level), queries[locale])
        for (locale, metric), found in figure_intervals(resampled, plan.level).items()
        if metric in METRICS
        for value in (resampled.seen[locale, metric],)
    ]


def share_interval(share: float, n: int, level: float) -> tuple[float, float]:
    """Both ends of the exact interval of a `share` found in `n` independent trials; `share` * `n` need not be whole."""
    hits, tail = share * n, (1 - level) / 2
    low = 0.0 if hits <= 0 else float(betaincinv(hits, n - hits + 1, tail))
    high = 1.0 if hits >= n else float(betaincinv(hits + 1, n - hits, 1 - tail))
    return low, high


def _at_least(found: Interval, value: float, queries: int, level: float) -> Interval:
    """The interval of the resamples, made as wide as `share_interval` where it is narrower."""
    low, high = share_interval(value, queries, level)
    return Interval(min(found.low, low), max(found.high, high), found.standard_error)


def _queries(locales: tuple[str, ...], sample: Sample) -> dict[str, int]:
    each = {locale: len(np.unique(sample.group[sample.part == index])) for index, locale in enumerate(locales)}
    return {ALL_LOCALES: sample.groups, **each}
