"""The evidence, indexed, beside the rules that are applied to it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from q2pt_tasks.registry.evidence import (
    ALL_LOCALES,
    LOCALE_METRIC,
    Champion,
    Difference,
    Evidence,
    JudgedFigure,
    ModelState,
    Row,
    SummaryError,
    VariantFacts,
)

Metric = Literal["micro_recall", "macro_recall"]
# The rules that may be told to warn only.
Warnable = Literal["different", "types", "spacing", "calibration", "size", "latency", "newer", "parity", "drift"]


@dataclass(frozen=True)
class Rules:
    """What a candidate must reach; values, margins and tolerances are shares between 0 and 1.

    Attributes:
        precision: the precision that the thresholds were chosen for.
        precision_tolerance: how far below it the precision on test may end.
        floor: the lowest value on test of a first model.
        margin: how much better than the champion on test a superior candidate is: the lower end of the interval.
        tolerance: how much worse than the champion on test one that is not inferior may be: the lower end.
        max_age_days: from how many days on the champion's last day is old, so that not to be inferior is enough.
        min_days_between_promotions: how many days of data lie between the champion's last day and a candidate's.
        alert_after_days: from how many days on without a promotion the decision warns.
        min_locale_support: positives on test from which on a locale is judged.
        locale_floor: the lowest recall of a judged locale of a first model, and of one that the champion lacks.
        locale_tolerance: how much worse than the champion a candidate may be in a judged locale: in none may it be
            shown to be worse than that.
        per_locale_routing: whether a locale that got worse may stay with the champion in the new release.
        min_type_support: positives from which on a product type that only one of both knows counts.
        retired_types: product types that may be lost.
        gone_tolerance: the most of the champion's labels that may be of product types which nobody means any more.
        min_forward_support: positives from which on the forward set is judged.
        forward_floor: the lowest value on the forward set of a first model.
        forward_tolerance: how much worse than the champion a candidate may at most be on the forward set: the lower end
            of the interval.
        calibration_tolerance: how much larger than the champion's the expected calibration error may be.
        parity_tolerance: by how much the gap between stores may be shown to have grown.
        drift_tolerance: how far a locale's training data may be from the champion's.
        max_megabytes: the most that the files of the candidate's models may take; None: not asked.
        max_milliseconds: the longest that one query alone may take, as a median; None: not asked.
        metric: the figure that chooses the candidate and that `margin` and all floors but the locales' are about.
        judgements_floor: what the lower end of the interval on human judgements reaches, champion or not;
            None: they are not asked.
        replace_incomparable: the version of a champion that may be replaced although it cannot be compared.
        warn_only: rules that warn and do not refuse.
    """

    precision: float
    precision_tolerance: float
    floor: float
    margin: float
    tolerance: float
    max_age_days: int
    min_days_between_promotions: int
    alert_after_days: int
    min_locale_support: int
    locale_floor: float
    locale_tolerance: float
    per_locale_routing: Literal["on", "off"]
    min_type_support: int
    retired_types: tuple[str, ...]
    gone_tolerance: float
    min_forward_support: int
    forward_floor: float
    forward_tolerance: float
    calibration_tolerance: float
    parity_tolerance: float
    drift_tolerance: float
    max_megabytes: float | None
    metric: Metric = "micro_recall"
    max_milliseconds: float | None = None
    judgements_floor: float | None = None
    replace_incomparable: str | None = None
    warn_only: tuple[Warnable, ...] = ()


@dataclass(frozen=True)
class Case:
    """The evidence, indexed, and the rules."""

    evidence: Evidence
    rules: Rules
    rows: Mapping[tuple[str, str, str, str], Row]
    differences: Mapping[tuple[str, str, str, str], Difference]
    models: Mapping[tuple[str, str | None], ModelState]
    variants: Mapping[str, VariantFacts]

    @classmethod
    def of(cls, evidence: Evidence, rules: Rules) -> "Case":
        """Indexes the evidence.

        Raises:
            SummaryError: it says the same thing twice, or not what it must say of a champion.
        """
        rows = {(row.variant, row.locale, row.split, row.metric): row for row in evidence.rows}
        differences = {(one.variant, one.locale, one.split, one.metric): one for one in evidence.differences}
        models = {(model.variant, model.locale): model for model in evidence.models}
        variants = {one.variant: one for one in evidence.variants}
        found = (len(rows), len(differences), len(models), len(variants))
        if found != (len(evidence.rows), len(evidence.differences), len(evidence.models), len(evidence.variants)):
            raise SummaryError("the evaluation gives a figure or a model twice: evaluate again from a clean folder")
        if (evidence.champion is None) != (evidence.facts is None):
            raise SummaryError("summary and comparison are of two evaluations: one has a champion; evaluate again")
        return cls(evidence, rules, rows, differences, models, variants)

    @property
    def champion(self) -> Champion | None:
        """The champion that figures are compared with; None before the first, and where that would be unfair."""
        return None if self.obstacles else self.evidence.champion

    @property
    def obstacles(self) -> tuple[str, ...]:
        """Why there is a champion that cannot be compared."""
        return () if self.evidence.facts is None else self.evidence.facts.incomparable

    @property
    def age(self) -> int | None:
        """Days from the champion's last day to that of this run; None where one is not known."""
        facts = self.evidence.facts
        return None if facts is None or facts.last_day is None else (self.evidence.last_day - facts.last_day).days

    def knows(self, variant: str) -> bool:
        return any(key[0] == variant for key in (*self.rows, *self.models))

    def value(self, variant: str, locale: str, split: str, metric: str) -> float | None:
        row = self.rows.get((variant, locale, split, metric))
        return row.value if row else None

    def difference(self, variant: str, locale: str, split: str, metric: str) -> Difference | None:
        """The variant's figure minus the champion's."""
        return self.differences.get((variant, locale, split, metric))

    def facts(self, variant: str) -> VariantFacts:
        """What is known of a variant beside its figures.

        Raises:
            SummaryError: nothing is.
        """
        if variant not in self.variants:
            raise SummaryError(f"the comparison says nothing of {variant}: evaluate again")
        return self.variants[variant]

    def judged(self, variant: str, metric: str) -> JudgedFigure | None:
        """The variant's figure on human judgements."""
        return next((one for one in self.facts(variant).judged if one.metric == metric), None)

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
