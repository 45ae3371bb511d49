"""The page of results: all contestants on the same queries, the differences with intervals, how each peer was tuned."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import mean

from benchmarks.quality.figures import PLAN, Differences, Judged
from benchmarks.quality.tasks import Answer
from q2pt_tasks.metrics.resampled import Difference
from q2pt_tasks.metrics.thresholds import PRECISION
from q2pt_tasks.model.truth import Truth
from q2pt_tasks.model.variants import NON_UNIFIED, UNIFIED_VARIANTS
from q2pt_tasks.report.tables import Scores
from q2pt_tasks.studies.pages import bullet, code, table

OURS = (NON_UNIFIED, *UNIFIED_VARIANTS)
COMMAND = "make bench-quality TAXONOMY=path/to/google-product-taxonomy ENCODER=path/to/multilingual-e5-small-trimmed"
INTRODUCTION = (
    "The queries, product types, locales and splits are those of [the study of Google's product taxonomy]"
    f"(google-taxonomy.md). Every figure is micro recall at precision {PRECISION} on test: at thresholds that "
    "validation chose, or, where it says *curve*, at the best point of the test curve. All contestants are measured by "
    "the same code. The figure of a group of locales is the mean of theirs."
)
DIFFERENCES = (
    "Ours less theirs, both at their thresholds of validation, over the test queries of the named locales together; "
    f"{PLAN.level:.0%} intervals and two-sided p-values from {PLAN.resamples:,} paired resamples of the queries. The "
    "same query in several locales is resampled as one. *Small locales*: those that keep the smallest share of their "
    "training rows. One training each: what another seed would change is not in the intervals."
)
TUNING = (
    f"Every setting was trained, and the one of the best recall at precision {PRECISION} on the validation curve of "
    "all locales together was taken; the per-locale models of a peer share their setting. All peers read the queries "
    "normalised as our models read them; none is told the locale. fastText runs on one thread. Other work ran on the "
    "machine, so that the seconds are upper bounds."
)

FUSION = (
    "Log-odds of one of ours, and those of an n-gram model times a weight, added up. The weight is that of the best "
    "recall on the validation curve; the models are those above, trained apart. The differences are to ours alone, on "
    "test, as above."
)
# Peers of all locales whose scores are probabilities, or between 0 and 1 like them.
PROBABILISTIC = ("fasttext_unified", "xr_linear_unified")


def fused_name(ours: str, other: str) -> str:
    return f"{ours} + {other}"


@dataclass(frozen=True, eq=False)
class Findings:
    """What the page says.

    Attributes:
        judged: per contestant, ours first.
        ours: names of our variants among them.
        weights: per fusion, by its name among `judged`, the weight that validation chose.
        groups: locales by the share of their training rows that they keep, the largest share first.
    """

    judged: Mapping[str, Judged]
    answers: Sequence[Answer]
    ours: Sequence[str]
    weights: Mapping[str, float]
    groups: Mapping[str, tuple[str, ...]]
    differences: Differences
    truth: Truth
    machine: str

    @property
    def scores(self) -> Scores:
        return Scores(row for one in self.judged.values() for row in one.rows)

    @property
    def peers(self) -> list[str]:
        return [answer.task.name for answer in self.answers]

    @property
    def unified(self) -> list[str]:
        """Our variants that compete for all locales."""
        return [name for name in self.ours if name in UNIFIED_VARIANTS]

    @property
    def best_peer(self) -> str:
        """By recall over all locales on test: the hardest to beat, whatever validation says."""
        scores = self.scores
        return max(self.peers, key=lambda name: scores.value(name, "micro_recall") or 0.0)

    @property
    def places(self) -> dict[str, tuple[str, ...]]:
        """All locales together, and the small ones."""
        return {"all locales": self.truth.locales, "small locales": list(self.groups.values())[-1]}


def page(findings: Findings) -> str:
    """The page as Markdown."""
    parts = [
        "# Peers on the same queries",
        INTRODUCTION,
        code(_command(findings.ours)),
        f"{findings.machine}.",
        _headline(findings),
        "## Differences",
        DIFFERENCES,
        _difference_table(findings),
        f"In every locale against {findings.best_peer}, the best peer over all locales on test:",
        _locale_difference_table(findings),
        "## An n-gram model beside the encoder",
        FUSION,
        _fusion_table(findings),
        "## Every locale",
        _locale_table(findings),
        "## How the peers were tuned",
        TUNING,
        _tuning_table(findings.answers),
        "## What it says",
        *(bullet(line) for line in _conclusions(findings)),
    ]
    return "\n\n".join(parts) + "\n"


def _command(ours: Sequence[str]) -> str:
    """With the option that leaves variants out, where some are."""
    return COMMAND if set(ours) == set(OURS) else f'{COMMAND} QUALITY="--ours {" ".join(ours)}"'


def _headline(findings: Findings) -> str:
    scores = findings.scores
    header = ["", "all", "precision", "all, curve"]
    header += [name for group in findings.groups for name in (group, f"{group}, curve")]
    metrics = ("micro_recall", "micro_precision", "micro_recall_curve")
    rows = [
        [
            name,
            *(scores.value(name, metric) for metric in metrics),
            *(
                mean(scores.value(name, metric, locale) or 0.0 for locale in locales)
                for locales in findings.groups.values()
                for metric in ("micro_recall", "micro_recall_curve")
            ),
        ]
        for name in findings.judged
    ]
    return table(header, rows)


def _difference_table(findings: Findings) -> str:
    rows = [
        [ours, peer, place, *_cells(findings.differences.between(ours, peer, locales))]
        for place, locales in findings.places.items()
        for ours in findings.unified
        for peer in findings.peers
    ]
    return table(["ours", "against", "over", "difference", "interval", "p"], rows)


def _fusion_table(findings: Findings) -> str:
    rows = [
        _fusion_row(findings, fused_name(ours, other), ours) for ours in findings.unified for other in PROBABILISTIC
    ]
    header = ["", "weight", "validation curve", "ours alone"]
    return table([*header, *(name for place in findings.places for name in (place, "interval"))], rows)


def _fusion_row(findings: Findings, fused: str, ours: str) -> list[object]:
    scores = findings.scores
    curves = [scores.value(name, "micro_recall_curve", split="validation") for name in (fused, ours)]
    differences = [findings.differences.between(fused, ours, locales) for locales in findings.places.values()]
    return [fused, findings.weights[fused], *curves, *(cell for one in differences for cell in _cells(one)[:2])]


def _locale_difference_table(findings: Findings) -> str:
    rows = [
        [
            locale,
            *(_interval(findings.differences.between(ours, findings.best_peer, [locale])) for ours in findings.unified),
        ]
        for locale in findings.truth.locales
    ]
    return table(["locale", *findings.unified], rows)


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
    for ours in findings.unified:
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


def _but(exceptions: Sequence[str]) -> str:
    return f"not so: {', '.join(exceptions)}" if exceptions else "yes"


def _cells(difference: Difference) -> list[str | float]:
    bounds = difference.interval
    return [f"{difference.value:+.3f}", f"{bounds.low:+.3f} .. {bounds.high:+.3f}", f"{difference.p_value:.4f}"]


def _interval(difference: Difference) -> str:
    value, bounds, _ = _cells(difference)
    return f"{value} ({bounds})"
