"""What the study of Google's product taxonomy says: means over seeds, how far seeds lie apart, and intervals."""

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean

from q2pt_tasks.report.evidence import Difference
from q2pt_tasks.report.tables import ALL, Scores, Summary, in_order
from q2pt_tasks.studies.machine import describe_machine
from q2pt_tasks.studies.pages import bullet, code, figure, table
from q2pt_tasks.studies.seeds import Spread, mean_rows

INTRODUCTION = (
    "Query = the name of a category, product type = its ancestor at level 2 (192 of them), 17 locales. The test set is "
    "20 % of the queries, by a hash of their text, the same side in every locale, and is never thinned. Recall at "
    "precision 0.8, at thresholds chosen on validation; *curve*: the best point of the test curve, as in the paper. "
    "The seeds differ in their trainings alone: queries, labels and splits are the same. A figure is the mean over the "
    "seeds, and where they differ the lowest and the highest stand behind it."
)
DIFFERENCES = (
    "Micro recall on test, all at thresholds of validation: a variant less another one, over all locales together; the "
    "mean over the seeds [lowest .. highest]. Each seed's difference has a 95 % interval, from paired resamples of the "
    "queries, for what other queries would change; *intervals* go from the lowest end to the highest. *Above*, "
    "*below*: in how many seeds, and in how many pairs of a small locale and a seed, the whole interval lies above 0, "
    "or below."
)
UNIFIED = ("unified_agnostic", "unified_aware")
OWN = "non_unified"
PLOTTED = (*UNIFIED, OWN, "tfidf_unified")
PAIRS = (
    *((variant, other) for variant in UNIFIED for other in (OWN, "tfidf_unified")),
    ("unified_aware", "unified_agnostic"),
    (OWN, "tfidf_per_locale"),
)


@dataclass(frozen=True)
class Trained:
    """One seed: its evaluation, and the differences of any two that were evaluated."""

    summary: Summary
    differences: Sequence[Difference]

    @cached_property
    def scores(self) -> Scores:
        return Scores(self.summary.rows)

    def recall_difference(self, variant: str, against: str, locale: str) -> Difference:
        """Of micro recall on test.

        Raises:
            ValueError: the evaluation does not have it.
        """
        for one in self.differences:
            if (one.split, one.metric, one.locale) == ("test", "micro_recall", locale):
                if (one.variant, one.against) == (variant, against):
                    return one
                if (one.variant, one.against) == (against, variant):
                    return Difference(variant, against, one.split, locale, one.metric, -one.value, -one.high, -one.low)
        raise ValueError(f"the evaluation has no difference in micro recall of {variant} and {against} in {locale}")

    def seconds(self, variant: str) -> float:
        return sum(model.seconds for model in self.summary.models if model.variant == variant)


@dataclass(frozen=True)
class Findings:
    """Every seed, the rows that each locale trained on, and the groups of locales, the largest share kept first."""

    seeds: Sequence[Trained]
    training_rows: Mapping[str, int]
    groups: Mapping[str, tuple[str, ...]]

    @property
    def precision(self) -> float:
        return self.seeds[0].summary.precision

    @cached_property
    def means(self) -> Scores:
        return Scores(mean_rows([seed.summary.rows for seed in self.seeds]))

    @property
    def variants(self) -> tuple[str, ...]:
        return in_order(row.variant for row in self.seeds[0].summary.rows)

    @property
    def small(self) -> tuple[str, ...]:
        """The locales that keep the smallest share."""
        return list(self.groups.values())[-1]

    def spread(self, value: Callable[[Scores], float | None]) -> Spread | None:
        """What `value` reads, over the seeds."""
        return Spread.of([value(seed.scores) for seed in self.seeds])


def page(findings: Findings, command: str, changes: Mapping[str, object], plot: str) -> str:
    """The page as Markdown."""
    parts = [
        "# Google product taxonomy: does sharing lift small stores?",
        INTRODUCTION,
        code(command),
        f"{describe_machine()}. {_seconds(findings)} Changed against `params.yaml`:",
        code("\n".join(f"{key}: {json.dumps(value)}" for key, value in changes.items())),
        "## Over all locales",
        _headline(findings),
        "## Differences",
        DIFFERENCES,
        _difference_table(findings),
        "## By size of store",
        "Micro recall at precision 0.8 on test, mean over the group's locales.",
        _group_table(findings),
        "## Every locale",
        "Micro recall at precision 0.8 on test at thresholds of validation, mean over the seeds.",
        _locale_table(findings),
        figure("Micro recall per locale and variant", plot),
        "## What it says",
        *(bullet(line) for line in _conclusions(findings)),
    ]
    return "\n\n".join(parts) + "\n"


def _seconds(findings: Findings) -> str:
    """The seconds of each variant's trainings."""
    told = ", ".join(f"{variant} {_range(findings, variant)}" for variant in (*UNIFIED, OWN))
    cores = len(os.sched_getaffinity(0))
    return (
        f"A seed's trainings took, starts left out, mean [lowest .. highest]: {told}. The models of {OWN} are trained "
        f"side by side, as many at once as there are cores, {cores} here, on one thread each, and their "
        "seconds are added up."
    )


def _range(findings: Findings, variant: str) -> str:
    seconds = [seed.seconds(variant) for seed in findings.seeds]
    return f"{fmean(seconds):,.0f} s [{min(seconds):,.0f} .. {max(seconds):,.0f}]"


def _headline(findings: Findings) -> str:
    metrics = (
        "micro_recall",
        "micro_precision",
        "micro_recall_curve",
        "macro_recall",
        "macro_recall_curve",
        "micro_average_precision",
    )
    rows = [[name, *(_over_all(findings, name, metric) for metric in metrics)] for name in findings.variants]
    return table(["variant", *(metric.replace("_", " ") for metric in metrics)], rows)


def _over_all(findings: Findings, variant: str, metric: str) -> Spread | None:
    return findings.spread(lambda scores: scores.value(variant, metric))


def _difference_table(findings: Findings) -> str:
    rows = [_difference_row(findings, variant, against) for variant, against in PAIRS]
    header = ["variant", "less", "difference", "intervals", "seeds above", "seeds below"]
    return table([*header, "small locales above", "small locales below"], rows)


def _difference_row(findings: Findings, variant: str, against: str) -> list[object]:
    whole = [seed.recall_difference(variant, against, ALL) for seed in findings.seeds]
    small = [seed.recall_difference(variant, against, locale) for seed in findings.seeds for locale in findings.small]
    values = [one.value for one in whole]
    spread = f"{fmean(values):+.3f} [{min(values):+.3f} .. {max(values):+.3f}]"
    intervals = f"{min(one.low for one in whole):+.3f} .. {max(one.high for one in whole):+.3f}"
    return [variant, against, spread, intervals, *_above_and_below(whole), *_above_and_below(small)]


def _above_and_below(differences: Sequence[Difference]) -> list[str]:
    above, below = sum(one.low > 0 for one in differences), sum(one.high < 0 for one in differences)
    return [f"{above} of {len(differences)}", f"{below} of {len(differences)}"]


def _group_table(findings: Findings) -> str:
    rows: list[list[object]] = []
    for group, locales in findings.groups.items():
        for metric, word in (("micro_recall", "thresholds of validation"), ("micro_recall_curve", "curve")):
            cells = [_over_group(findings, name, metric, locales) for name in findings.variants]
            rows.append([group, word, len(locales), *cells])
    return table(["group", "at", "locales", *findings.variants], rows)


def _over_group(findings: Findings, variant: str, metric: str, locales: Sequence[str]) -> Spread | None:
    return findings.spread(lambda scores: fmean(scores.value(variant, metric, one) or 0.0 for one in locales))


def _locale_table(findings: Findings) -> str:
    means = findings.means
    rows = [
        [
            locale,
            findings.training_rows[locale],
            int(means.n(OWN, "micro_recall", locale) or 0),
            *(means.value(name, "micro_recall", locale) for name in findings.variants),
        ]
        for group in findings.groups.values()
        for locale in group
    ]
    return table(["locale", "training rows", "test positives", *findings.variants], rows)


def _conclusions(findings: Findings) -> Iterator[str]:
    every = sorted(findings.training_rows)
    for metric, at in (("micro_recall", "at validation's thresholds"), ("micro_recall_curve", "on the test curve")):
        for variant in UNIFIED:
            ahead = _ahead(findings, metric, variant, OWN, findings.small)
            yield f"{at}, {variant} above per-locale training in every small locale: {ahead}."
            ahead = _ahead(findings, metric, variant, "tfidf_unified", [ALL])
            yield f"{at}, {variant} above all-locale TF-IDF over all locales: {ahead}."
        ahead = _ahead(findings, metric, OWN, "tfidf_per_locale", every)
        yield f"{at}, per-locale fine-tuning above per-locale TF-IDF in every locale: {ahead}."


def _ahead(findings: Findings, metric: str, variant: str, other: str, locales: Sequence[str]) -> str:
    """Whether the mean of `variant` is above that of `other` in all of `locales`, else where not; in how many seeds."""
    lost = _not_ahead(findings.means, metric, variant, other, locales)
    won = sum(not _not_ahead(seed.scores, metric, variant, other, locales) for seed in findings.seeds)
    where = "" if list(locales) == [ALL] else f", not in {', '.join(lost)}"
    answer = f"no{where}" if lost else "yes"
    return f"on the mean {answer}; in {won} of {len(findings.seeds)} seeds"


def _not_ahead(scores: Scores, metric: str, variant: str, other: str, locales: Sequence[str]) -> list[str]:
    def value(name: str, locale: str) -> float:
        return scores.value(name, metric, locale) or 0.0

    return [locale for locale in locales if value(variant, locale) <= value(other, locale)]
