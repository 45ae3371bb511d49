"""Two models on what both know: a product type or store that only one of them has seen must not decide between them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from q2pt_tasks.metrics.intervals import Resampling, Sample
from q2pt_tasks.metrics.measurements import ALL_LOCALES, Counts, Measured, Measurement, count
from q2pt_tasks.metrics.observed import Answers
from q2pt_tasks.metrics.resampled import differences, resample
from q2pt_tasks.metrics.scored import Bools


@dataclass(frozen=True)
class SharedFigure:
    """A figure of a model and of the champion over the pairs that both know, and their difference with its interval.

    `n` counts the positives of a micro figure, the types of a macro figure.
    """

    locale: str
    metric: str
    own: float
    champion: float
    n: int
    value: float
    low: float
    high: float
    standard_error: float


def shared_figures(
    model: Measured, champion: Measured, known: Bools, sample: Sample, plan: Resampling
) -> list[SharedFigure]:
    """Micro and macro recall and precision of all locales and of each, where both are defined.

    Args:
        model: a split, measured.
        champion: the same split, measured likewise.
        known: (L, T) which product types both know in each locale.
        sample: the split's queries.
        plan: of the resamples.
    """
    own, other = restrict(model, known), restrict(champion, known)
    places = {(one.locale, one.metric): one for one in own.measurements}
    resampled, against = resample(own, sample, plan), resample(other, sample, plan)
    return [
        SharedFigure(
            *figure,
            own=resampled.seen[figure],
            champion=against.seen[figure],
            n=places[figure].n,
            value=found.value,
            low=found.interval.low,
            high=found.interval.high,
            standard_error=found.interval.standard_error,
        )
        for figure, found in differences(resampled, against, plan.level).items()
    ]


def restrict(measured: Measured, known: Bools) -> Measured:
    """The same without the pairs that are not `known`, (L, T); of the figures only recall and precision are left."""
    answers = measured.observed.answers
    kept = known[answers.locale[answers.query], answers.type]
    rest = replace(
        answers,
        query=answers.query[kept],
        type=answers.type[kept],
        predicted=answers.predicted[kept],
        right=answers.right[kept],
    )
    counts = count(rest)
    figures = list(_figures(rest, counts, measured.min_support))
    return replace(measured, measurements=figures, observed=replace(measured.observed, answers=rest), counts=counts)


def _figures(answers: Answers, counts: Counts, min_support: int) -> Iterator[Measurement]:
    parts: Mapping[str, Counts] = {
        ALL_LOCALES: counts.pooled(),
        **{locale: counts.of_locale(index) for index, locale in enumerate(answers.locales)},
    }
    for locale, own in parts.items():
        hits, n = own.hits.sum(), int(own.support.sum())
        yield Measurement(locale, "micro_recall", _ratio(hits, own.positives.sum()), n)
        yield Measurement(locale, "micro_precision", _ratio(hits, own.predicted.sum()), n)
        covered = own.covered(min_support)
        predicted = covered & (own.predicted > 0)
        for metric, types, whole in (
            ("macro_recall", covered, own.positives),
            ("macro_precision", predicted, own.predicted),
        ):
            values = own.hits[types] / whole[types]
            yield Measurement(locale, metric, float(np.mean(values)) if len(values) else None, len(values))


def _ratio(part: float, whole: float) -> float | None:
    return float(part / whole) if whole else None
