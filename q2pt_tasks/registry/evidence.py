"""What a decision looks at: the figures of an evaluation, indexed, and the rules that are applied to them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from pydantic import FiniteFloat

ALL_LOCALES = "all"
CHAMPION = "champion"
# The simplest first: a tie goes to the model that is easiest to run, one without a locale token, last one per locale.
VARIANTS = ("unified_agnostic", "unified_aware", "non_unified")
# Most product types have a handful of positives in one locale, so a locale is judged by all its pairs together.
LOCALE_METRIC = "micro_recall"

Metric = Literal["micro_recall", "macro_recall"]


class SummaryError(ValueError):
    """The summary of the evaluation cannot be decided on."""


@dataclass(frozen=True)
class Row:
    """One figure of a variant on a split, of one locale or of all; `n` positives, or types of a macro figure."""

    variant: str
    locale: str
    split: str
    metric: str
    value: FiniteFloat | None
    n: int


@dataclass(frozen=True)
class Difference:
    """A figure of `variant` minus that of `against` on the same queries; `low` to `high` is its interval."""

    variant: str
    against: str
    locale: str
    split: str
    metric: str
    value: FiniteFloat
    low: FiniteFloat
    high: FiniteFloat
    standard_error: FiniteFloat


@dataclass(frozen=True)
class ModelState:
    """What training said of one model; `locale` is None for a model of all locales."""

    variant: str
    locale: str | None
    status: Literal["trained", "degenerate", "untrained"]
    reason: str


@dataclass(frozen=True)
class Champion:
    """The model in production."""

    version: str
    hash: str


@dataclass(frozen=True)
class Rules:
    """What a candidate must reach; values, margins and tolerances are shares between 0 and 1.

    Attributes:
        precision: the precision that the thresholds were chosen for.
        precision_tolerance: how far below it the precision on test may end.
        floor: the lowest value on test of a first model.
        margin: how much better than the champion on test a candidate must at least be: the lower end of the interval.
        min_locale_support: positives on test from which on a locale is judged.
        locale_floor: the lowest recall of a judged locale of a first model.
        locale_tolerance: how much worse than the champion a candidate may be in a judged locale: in none may it be
            shown to be worse than that.
        min_forward_support: positives from which on the forward set is judged.
        forward_floor: the lowest value on the forward set of a first model.
        forward_tolerance: how much worse than the champion a candidate may at most be on the forward set: the lower end
            of the interval.
        metric: the figure that chooses the candidate and that `margin` and all floors but the locales' are about.
        judgements_floor: the lowest value on human judgements, champion or not; None: they are not asked.
    """

    precision: float
    precision_tolerance: float
    floor: float
    margin: float
    min_locale_support: int
    locale_floor: float
    locale_tolerance: float
    min_forward_support: int
    forward_floor: float
    forward_tolerance: float
    metric: Metric = "micro_recall"
    judgements_floor: float | None = None


@dataclass(frozen=True)
class Evidence:
    """What evaluate found.

    Attributes:
        rows: the figures of every variant and, where there is a champion, of the champion on the same queries.
        differences: between any two of them; those from the champion are looked at.
        models: the state of every model of the variants.
        champion: the model in production, None before the first one.
    """

    rows: tuple[Row, ...]
    differences: tuple[Difference, ...]
    models: tuple[ModelState, ...]
    champion: Champion | None


@dataclass(frozen=True)
class Case:
    """The evidence, indexed."""

    rows: Mapping[tuple[str, str, str, str], Row]
    differences: Mapping[tuple[str, str, str, str], Difference]
    models: Mapping[tuple[str, str | None], ModelState]
    champion: Champion | None
    rules: Rules

    @classmethod
    def of(cls, evidence: "Evidence", rules: Rules) -> "Case":
        from_champion = [one for one in evidence.differences if one.against == CHAMPION]
        by_key = {(row.variant, row.locale, row.split, row.metric): row for row in evidence.rows}
        by_difference = {(one.variant, one.locale, one.split, one.metric): one for one in from_champion}
        by_model = {(model.variant, model.locale): model for model in evidence.models}
        found = (len(by_key), len(by_difference), len(by_model))
        if found != (len(evidence.rows), len(from_champion), len(evidence.models)):
            raise SummaryError("the summary gives a figure or a model twice: evaluate again from a clean folder")
        return cls(by_key, by_difference, by_model, evidence.champion, rules)

    def knows(self, variant: str) -> bool:
        return any(key[0] == variant for key in (*self.rows, *self.models))

    def value(self, variant: str, locale: str, split: str, metric: str) -> float | None:
        row = self.rows.get((variant, locale, split, metric))
        return row.value if row else None

    def difference(self, variant: str, locale: str, split: str, metric: str) -> Difference | None:
        """The variant's figure minus the champion's."""
        return self.differences.get((variant, locale, split, metric))

    def support(self, locale: str, split: str) -> int | None:
        """Positives of a locale, the same for every variant; None where no variant has figures."""
        found = [row.n for key, row in self.rows.items() if key[1:] == (locale, split, LOCALE_METRIC)]
        return max(found, default=None)

    def locales(self) -> list[str]:
        return sorted({locale for _, locale, split, _ in self.rows if split == "test"} - {ALL_LOCALES})

    def judged_locales(self) -> list[str]:
        return [locale for locale in self.locales() if self._is_judged(locale)]

    def _is_judged(self, locale: str) -> bool:
        return (self.support(locale, "test") or 0) >= self.rules.min_locale_support
