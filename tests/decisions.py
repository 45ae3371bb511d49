"""A good candidate, a champion, and what evaluate would say of them: tests move one figure or fact of it."""

from dataclasses import replace
from datetime import date, timedelta
from typing import Any, Literal

from q2pt_tasks.registry.case import Rules
from q2pt_tasks.registry.decision import Decision, decide
from q2pt_tasks.registry.evidence import (
    Champion,
    ChampionFacts,
    Difference,
    Evidence,
    ModelState,
    Parity,
    Row,
    Shipped,
    VariantFacts,
)
from q2pt_tasks.registry.rule import RuleResult

RULES = Rules(
    precision=0.8,
    precision_tolerance=0.05,
    floor=0.3,
    margin=0.01,
    tolerance=0.005,
    max_age_days=30,
    min_days_between_promotions=3,
    alert_after_days=60,
    min_locale_support=100,
    locale_floor=0.1,
    locale_tolerance=0.05,
    per_locale_routing="off",
    min_type_support=20,
    retired_types=("TYPEWRITER",),
    gone_tolerance=0.05,
    min_forward_support=100,
    forward_floor=0.25,
    forward_tolerance=0.02,
    calibration_tolerance=0.02,
    parity_tolerance=0.05,
    drift_tolerance=0.1,
    max_megabytes=100.0,
    warn_only=("drift", "parity"),
)
LOCALES = {"de-DE": 500, "sv-SE": 100, "fr-FR": 20}
CHAMPION = Champion(version="v7", hash="abc")
TONIGHT = date(2026, 11, 28)
VARIANTS = ("unified_agnostic", "unified_aware", "non_unified")
Key = tuple[str, str, str, str]
Values = dict[Key, float | None]
Status = Literal["trained", "degenerate", "untrained"]


def figures_of(variant: str, recall: float) -> Values:
    """A variant that is equally good everywhere."""
    values: Values = {(variant, locale, "test", "micro_recall"): recall for locale in (*LOCALES, "all")}
    for split in ("validation", "forward"):
        values[variant, "all", split, "micro_recall"] = recall
    values[variant, "all", "test", "micro_precision"] = 0.8
    return values


def rows_of(values: Values) -> tuple[Row, ...]:
    return tuple(Row(*key, value, LOCALES.get(key[1], 1000)) for key, value in values.items())


def differences_of(values: Values, standard_error: float = 0.0) -> tuple[Difference, ...]:
    """From the champion, with 95 % intervals."""
    found = []
    for (variant, locale, split, metric), value in values.items():
        champion = values.get(("champion", locale, split, metric))
        if variant != "champion" and value is not None and champion is not None:
            own, room = value - champion, 1.96 * standard_error
            found.append(
                Difference(
                    variant,
                    split,
                    locale,
                    metric,
                    own=value,
                    champion=champion,
                    n=LOCALES.get(locale, 1000),
                    value=own,
                    low=own - room,
                    high=own + room,
                    standard_error=standard_error,
                )
            )
    return tuple(found)


def known_of(variant: str) -> VariantFacts:
    """Of a variant that differs from the champion in its answers alone."""
    return VariantFacts(variant, 5_000_000, 0.04, False, (), (), (), (), Parity("de-DE", "sv-SE", 0.1, 0.0, -0.1, 0.1))


def champion_of(age: int | None, **changes: Any) -> ChampionFacts:  # noqa: ANN401 - of any field
    last_day = None if age is None else TONIGHT - timedelta(days=age)
    return replace(ChampionFacts(last_day, (), 0.03, Shipped(0.5, 0.8)), **changes)


def evidence_of(values: Values, models: tuple[ModelState, ...], champion: Champion | None) -> Evidence:
    """A champion, where there is one, of ten days ago."""
    return Evidence(
        rows_of(values),
        models,
        champion,
        TONIGHT,
        differences_of(values),
        tuple(known_of(name) for name in VARIANTS),
        champion_of(10) if champion else None,
    )


def decided(values: Values, models: tuple[ModelState, ...], champion: Champion | None, rules: Rules) -> Decision:
    return decide(evidence_of(values, models, champion), rules)


def trained(*variants: str) -> tuple[ModelState, ...]:
    unified = [ModelState(variant, None, "trained", "") for variant in variants if variant != "non_unified"]
    return (
        *unified,
        *(ModelState("non_unified", locale, "trained", "") for locale in LOCALES if "non_unified" in variants),
    )


def judged(changes: Values, champion: bool, rules: Rules = RULES) -> Decision:
    """unified_aware at 0.6, a champion at 0.5, and `changes` to their figures."""
    values = figures_of("unified_aware", 0.6) | (figures_of("champion", 0.5) if champion else {}) | changes
    return decided(values, trained("unified_aware"), CHAMPION if champion else None, rules)


def failed(decision: Decision) -> list[str]:
    return [rule.name for rule in decision.rules if rule.refuses]


def rule(decision: Decision, name: str) -> RuleResult:
    return next(rule for rule in decision.rules if rule.name == name)


def at(
    locale: str, split: str, value: float | None, metric: str = "micro_recall", who: str = "unified_aware"
) -> Values:
    return {(who, locale, split, metric): value}
