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

# These rest on the queries that mean something. A precision rests on those that are answered, which are fewer.
METRICS = ("micro_recall", "macro_recall", "precision_at_1", "recall_at_5", "ndcg")


@dataclass(frozen=True)
class JudgedFigure:
    """A figure of `METRICS` and the judged queries that it rests on, each once, in however many stores it is judged."""

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
    return [
        JudgedFigure(locale, metric, value, _at_least(found, value, queries, plan.level), queries)
        for (locale, metric), found in figure_intervals(resampled, plan.level).items()
        if metric in METRICS
        for value, queries in ((resampled.seen[locale, metric], _queries(measured, sample, locale, metric)),)
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


def _queries(measured: Measured, sample: Sample, locale: str, metric: str) -> int:
    """How many different queries the figure rests on: a mean over types on those that mean a type that it covers."""
    answers, counts = measured.observed.answers, measured.counts.pooled()
    asked = np.ones(len(sample.part), dtype=np.bool_)
    if locale != ALL_LOCALES:
        index = answers.locales.index(locale)
        asked, counts = sample.part == index, measured.counts.of_locale(index)
    if metric == "macro_recall":
        covered = counts.covered(measured.min_support)
        asked = asked & (answers.per_query(answers.right & covered[answers.type]) > 0)
    return len(np.unique(sample.group[asked]))
