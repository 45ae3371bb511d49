"""The page of results: all contestants on the same queries, the differences with intervals, how each peer was tuned."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from statistics import fmean

from benchmarks.quality.figures import PLAN
from benchmarks.quality.findings import Findings
from benchmarks.quality.ours import alone
from benchmarks.quality.tasks import Answer
from q2pt_tasks.metrics.resampled import Difference
from q2pt_tasks.metrics.thresholds import PRECISION
from q2pt_tasks.model.variants import UNIFIED_VARIANTS
from q2pt_tasks.studies.pages import bullet, code, table
from q2pt_tasks.studies.seeds import Spread

INTRODUCTION = (
    "The queries, product types, locales and splits are those of [the study of Google's product taxonomy]"
    "(google-taxonomy.md), and so are our models: the default recipe, an n-gram model beside each encoder where "
    f"validation rewards it. Every figure is micro recall at precision {PRECISION} on test: at thresholds that "
    "validation chose, or, where it says *curve*, at the best point of the test curve. All contestants are measured by "
    "the same code. The figure of a group of locales is the mean of theirs. Ours are trained once per seed: their "
    "figures are means over the seeds, and in brackets stand the lowest and the highest. A peer is trained once: "
    "TF-IDF with a linear model, fastText on one thread and XR-Linear have fixed seeds, and give the same scores again."
)
DIFFERENCES = (
    "The first less the second, each at thresholds of validation, over the test queries of the named locales together; "
    f"{PLAN.level:.0%} intervals and two-sided p-values from {PLAN.resamples:,} paired resamples of the queries. Of "
    "ours, each query counts with the mean over the seeds of what was found: the difference is one of mean recalls, "
    "and the interval says what other queries would change. What another seed would change is in the brackets above. "
    "The same query in several locales is resampled as one. *Small locales*: those that keep the smallest share of "
    "their training rows."
)
NGRAMS = (
    "Each of our models with the n-gram model beside its encoder, against the same checkpoint's encoder alone, at "
    "thresholds chosen for it. Validation chooses the weight of the n-grams' logits for each model; with 0 there are "
    "none. *Weights*: behind each, how many models have it. Differences on test, as above."
)
TUNING = (
    f"Every setting was trained, and the one of the best recall at precision {PRECISION} on the validation curve of "
    "all locales together was taken; the per-locale models of a peer share their setting. All peers read the queries "
    "normalised as our models read them; none is told the locale. Other work ran on the machine, so that the seconds "
    "are upper bounds."
)


def page(findings: Findings) -> str:
    """The page as Markdown."""
    parts = [
        "# Peers on the same queries",
        INTRODUCTION,
        code(findings.command),
        f"{findings.machine}.",
        _headline(findings),
        "## Differences",
        DIFFERENCES,
        _difference_table(findings),
        f"In every locale against {findings.best_peer}, the best peer over all locales on test:",
        _locale_difference_table(findings),
        "Our variants against each other:",
        _own_difference_table(findings),
        "## An n-gram model beside the encoder",
        NGRAMS,
        _ngrams_table(findings),
        "## Every locale",
        _locale_table(findings),
        "## How the peers were tuned",
        TUNING,
        _tuning_table(findings.answers),
        "## What it says",
        *(bullet(line) for line in _conclusions(findings)),
    ]
    return "\n\n".join(parts) + "\n"


def _headline(findings: Findings) -> str:
    header = ["", "all", "precision", "all, curve"]
    header += [name for group in findings.groups for name in (group, f"{group}, curve")]
    metrics = ("micro_recall", "micro_precision", "micro_recall_curve")
    rows = [
        [
            name,
            *(_over_all(findings, name, metric) for metric in metrics),
            *(
                _over_group(findings, name, metric, locales)
                for locales in findings.groups.values()
                for metric in ("micro_recall", "micro_recall_curve")
            ),
        ]
        for name in findings.judged
    ]
    return table(header, rows)


def _over_all(findings: Findings, name: str, metric: str) -> Spread | None:
    return findings.spread(name, lambda scores: scores.value(name, metric))


def _over_group(findings: Findings, name: str, metric: str, locales: Sequence[str]) -> Spread | None:
    return findings.spread(name, lambda scores: fmean(scores.value(name, metric, one) or 0.0 for one in locales))


def _difference_table(findings: Findings) -> str:
    rows = [
        [ours, peer, place, *_cells(findings.differences.between(ours, peer, locales))]
        for place, locales in findings.places.items()
        for ours in UNIFIED_VARIANTS
        for peer in findings.peers
    ]
    return table(["ours", "against", "over", "difference", "interval", "p"], rows)


def _own_difference_table(findings: Findings) -> str:
    rows = [
        [ours, other, place, *_cells(findings.differences.between(ours, other, locales))]
        for place, locales in findings.places.items()
        for ours, other in combinations(reversed(findings.ours), 2)
    ]
    return table(["variant", "against", "over", "difference", "interval", "p"], rows)


def _ngrams_table(findings: Findings) -> str:
    header = ["", "weights", "encoder alone", "with n-grams"]
    rows = [_ngrams_row(findings, variant) for variant in findings.ours]
    return table([*header, *(name for place in findings.places for name in (place, "interval"))], rows)


def _ngrams_row(findings: Findings, variant: str) -> list[object]:
    recalls = [_over_all(findings, name, "micro_recall") for name in (alone(variant), variant)]
    differences = [
        findings.differences.between(variant, alone(variant), locales) for locales in findings.places.values()
    ]
    weights = ", ".join(f"{weight:g} ({count})" for weight, count in sorted(Counter(findings.weights[variant]).items()))
    return [variant, weights, *recalls, *(cell for one in differences for cell in _cells(one)[:2])]


def _locale_difference_table(findings: Findings) -> str:
    rows = [
        [
            locale,
            *(_interval(findings.differences.between(ours, findings.best_peer, [locale])) for ours in UNIFIED_VARIANTS),
        ]
        for locale in findings.truth.locales
    ]
    return table(["locale", *UNIFIED_VARIANTS], rows)


def _locale_table(findings: Findings) -> str:
    scores, names = findings.scores, [*findings.ours, *findings.peers]
    rows = [
        [locale, findings.truth.training_rows(locale), *(scores.value(name, "micro_recall", locale) for name in names)]
        for locales in findings.groups.values()
        for locale in locales
    ]
    return table(["locale", "training rows", *names], rows)


def _tuning_table(answers: Sequence[Answer]) -> str:
    rows = [
        [
            answer.task.name,
            len(answer.tried),
            "; ".join(_values(answer, key) for key in answer.best.setting),
            _settings(answer.best.setting),
            answer.best.recall,
            min(tried.recall for tried in answer.tried),
            round(answer.best.seconds),
        ]
        for answer in answers
    ]
    header = ["peer", "settings", "tried", "taken", "its recall on validation", "the worst", "seconds to train"]
    return table(header, rows)


def _values(answer: Answer, key: str) -> str:
    values = dict.fromkeys(str(tried.setting[key]) for tried in answer.tried)
    return f"{key.replace('_', ' ')} {', '.join(values)}"


def _settings(setting: Mapping[str, object]) -> str:
    return "; ".join(f"{key.replace('_', ' ')} {value}" for key, value in setting.items())


def _conclusions(findings: Findings) -> Iterator[str]:
    for ours in UNIFIED_VARIANTS:
        for place, locales in findings.places.items():
            lost = [
                peer for peer in findings.peers if findings.differences.between(ours, peer, locales).interval.low <= 0
            ]
            yield f"{ours} is better than every peer over {place}, with an interval above zero: {_but(lost)}."
        worse = [
            f"{locale} ({peer})"
            for peer in findings.peers
            for locale in findings.truth.locales
            if findings.differences.between(ours, peer, [locale]).interval.high < 0
        ]
        yield f"{ours} is in no locale worse than a peer with an interval below zero: {_but(worse)}."
    for place, locales in findings.places.items():
        lost = [
            ours for ours in findings.ours if findings.differences.between(ours, alone(ours), locales).interval.low <= 0
        ]
        yield f"n-grams add to every variant over {place}, with an interval above zero: {_but(lost)}."


def _but(exceptions: Sequence[str]) -> str:
    return f"not so: {', '.join(exceptions)}" if exceptions else "yes"


def _cells(difference: Difference) -> list[str | float]:
    bounds = difference.interval
    return [f"{difference.value:+.3f}", f"{bounds.low:+.3f} .. {bounds.high:+.3f}", f"{difference.p_value:.4f}"]


def _interval(difference: Difference) -> str:
    value, bounds, _ = _cells(difference)
    return f"{value} ({bounds})"
