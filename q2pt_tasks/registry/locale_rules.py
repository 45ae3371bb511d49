"""The rules about single locales: none may pay for the others."""

from q2pt_tasks.registry.case import Case
from q2pt_tasks.registry.evidence import CHAMPION, LOCALE_METRIC
from q2pt_tasks.registry.rule import Figures, RuleResult, reaches, stores
from q2pt_tasks.registry.stores import Comparison, compare_stores


def locales(case: Case, candidate: str) -> RuleResult:
    """No locale with enough positives is shown to fall behind the champion, or is below the floor of a first model.

    With routing, one that falls behind stays with the champion.
    """
    judged = shared_locales(case, candidate)
    figures: Figures = {"judged": len(judged), "min_support": case.rules.min_locale_support}
    if not case.locales():
        return RuleResult("locales", False, "The evaluation has no figures per store.", figures)
    if not judged:
        sentence = f"No store has {case.rules.min_locale_support} positives on test: none is judged by itself."
        return RuleResult("locales", True, sentence, figures)
    missing = [f"{who} in {where}" for where in judged for who in _without_recall(case, candidate, where)]
    if missing:
        sentence = f"Recall on test is missing: {', '.join(missing)}."
        return RuleResult("locales", False, sentence, {**figures, "missing": ", ".join(missing)})
    if case.champion is None:
        return _above_floor(case, candidate, judged, "locales", figures)
    return _falls(case, candidate, judged, figures)


def shared_locales(case: Case, candidate: str) -> list[str]:
    """The locales that are compared: those with enough positives that the champion serves, or all without one."""
    added = case.facts(candidate).added_locales if case.champion else ()
    return [locale for locale in case.judged_locales() if locale not in added]


def worse_locales(case: Case, candidate: str) -> list[str]:
    """The locales that are shown to be worse than the champion."""
    judged = shared_locales(case, candidate) if case.champion else []
    return _compared(case, candidate, judged).worse if judged else []


def _without_recall(case: Case, candidate: str, locale: str) -> list[str]:
    if case.champion and case.difference(candidate, locale, "test", LOCALE_METRIC) is None:
        asked = (candidate, CHAMPION)
        return [who for who in asked if case.value(who, locale, "test", LOCALE_METRIC) is None] or ["the difference"]
    return [] if case.value(candidate, locale, "test", LOCALE_METRIC) is not None else [candidate]


def _compared(case: Case, candidate: str, judged: list[str]) -> Comparison:
    found = {where: case.difference(candidate, where, "test", LOCALE_METRIC) for where in judged}
    known = {where: one for where, one in found.items() if one is not None}
    return compare_stores(known, case.rules.locale_tolerance)


def _falls(case: Case, candidate: str, judged: list[str], figures: Figures) -> RuleResult:
    tolerance, compared = case.rules.locale_tolerance, _compared(case, candidate, judged)
    worst, worse = compared.lowest, compared.worse
    sentence = (
        f"{stores(worse)} shown to be worse than the champion by more than {tolerance:.3f}; "
        f"{len(compared.not_worse)} of {len(judged)} judged are shown not to be; the lowest difference is that of "
        f"{worst.locale}: {worst.value:+.3f} ({worst.low:+.3f} to {worst.high:+.3f})."
    )
    # A release that keeps every store as it was is none.
    is_routed = bool(worse) and case.rules.per_locale_routing == "on" and len(worse) < len(judged)
    if is_routed:
        sentence += f" {', '.join(worse)} {'stays' if len(worse) == 1 else 'stay'} with the champion."
    figures = {
        **figures,
        **_figures(compared),
        "tolerance": tolerance,
        "routed": ", ".join(worse) if is_routed else None,
    }
    return RuleResult("locales", is_routed or not worse, sentence, figures)


def _figures(compared: Comparison) -> Figures:
    worst = compared.lowest
    return {
        "worst_locale": worst.locale,
        "difference": worst.value,
        "low": worst.low,
        "high": worst.high,
        "p_value": compared.p_values[worst.locale],
        "shown_worse": ", ".join(compared.worse) or None,
        "shown_not_worse": ", ".join(compared.not_worse) or None,
    }


def new_locales(case: Case, candidate: str) -> RuleResult:
    """A locale that the champion does not serve cannot be compared: it reaches the floor of a first model."""
    added = case.facts(candidate).added_locales
    judged = [locale for locale in case.judged_locales() if locale in added]
    figures: Figures = {"added": ", ".join(added) or None, "judged": len(judged)}
    if not judged:
        small = f": {', '.join(added)} {'has' if len(added) == 1 else 'have'} too few positives" if added else ""
        return RuleResult("new_locales", True, f"No new store is judged{small}.", figures)
    return _above_floor(case, candidate, judged, "new_locales", figures)


def _above_floor(case: Case, candidate: str, judged: list[str], name: str, figures: Figures) -> RuleResult:
    found = {where: case.value(candidate, where, "test", LOCALE_METRIC) for where in judged}
    values = {where: value or 0.0 for where, value in found.items()}
    lowest, floor = min(values, key=values.__getitem__), case.rules.locale_floor
    failed = [where for where, value in values.items() if not reaches(value, floor)]
    sentence = (
        f"{stores(failed)} below {floor:.3f}; the lowest of {len(values)} judged is {lowest}: {values[lowest]:.3f}."
    )
    return RuleResult(
        name, not failed, sentence, {**figures, "worst_locale": lowest, "value": values[lowest], "bar": floor}
    )


def parity(case: Case, candidate: str) -> RuleResult:
    """The gap between the stores with the best and the worst recall is not shown to have grown much."""
    found, tolerance = case.facts(candidate).parity, case.rules.parity_tolerance
    if found is None:
        return RuleResult("parity", True, "Fewer than two stores are large enough to compare.", {"gap": None})
    figures: Figures = {"best": found.best, "worst": found.worst, "gap": found.gap, "tolerance": tolerance}
    gap = f"Between {found.best} and {found.worst} lie {found.gap:.3f} of recall"
    if found.change is None or found.change_low is None or found.change_high is None:
        return RuleResult("parity", True, f"{gap}; the champion's gap is not known.", {**figures, "change": None})
    sentence = (
        f"{gap}; the champion's gap changes by {found.change:+.3f} ({found.change_low:+.3f} to "
        f"{found.change_high:+.3f}), tolerated to {tolerance:+.3f}."
    )
    figures = {**figures, "change": found.change, "low": found.change_low, "high": found.change_high}
    return RuleResult("parity", reaches(tolerance, found.change_low), sentence, figures)
