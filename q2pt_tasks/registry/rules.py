"""The rules, one function each: what it looked at in figures, and in a sentence for the team that runs the search.

A figure that a rule needs and that is missing fails the rule. Against a champion intervals decide, not the figures that
one sample of queries happened to give.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from q2pt_tasks.registry.evidence import ALL_LOCALES, CHAMPION, LOCALE_METRIC, Case
from q2pt_tasks.registry.stores import Comparison, compare_stores

# Bars are sums such as 0.2 + 0.1, which is a little above 0.3.
ROUNDING = 1e-9

Figures = Mapping[str, float | str | None]


@dataclass(frozen=True)
class RuleResult:
    """One rule's verdict."""

    name: str
    passed: bool
    sentence: str
    figures: Figures


def better(case: Case, candidate: str) -> RuleResult:
    """On test it is surely better than the champion by the margin, or reaches the floor of a first model."""
    rules = case.rules
    return _value_rule(case, candidate, "better", _Bar("test", rules.floor, rules.margin))


def forward(case: Case, candidate: str) -> RuleResult:
    """On the forward set, where it is large enough, it is surely not much worse, or reaches a first model's floor."""
    rules, support = case.rules, case.support(ALL_LOCALES, "forward")
    if support is not None and support < rules.min_forward_support:
        sentence = (
            f"The forward set is too small to judge: {support} positives of the {rules.min_forward_support} needed."
        )
        return RuleResult("forward", True, sentence, {"n": support, "min_support": rules.min_forward_support})
    return _value_rule(case, candidate, "forward", _Bar("forward", rules.forward_floor, -rules.forward_tolerance))


@dataclass(frozen=True)
class _Bar:
    """What a value on a split must reach: `floor` without a champion, `offset` from the champion's value with one."""

    split: str
    floor: float
    offset: float


def _value_rule(case: Case, candidate: str, name: str, bar: _Bar) -> RuleResult:
    metric = case.rules.metric
    value = case.value(candidate, ALL_LOCALES, bar.split, metric)
    figures: Figures = {"metric": metric, "value": value, "n": case.support(ALL_LOCALES, bar.split)}
    what = f"{words(metric)} at precision {case.rules.precision:g} on {bar.split}"
    if value is None:
        return RuleResult(name, False, f"{candidate} has no {what}: the figure is missing.", figures)
    if case.champion is None:
        sentence = f"{capital(what)} is {value:.3f}, floor {bar.floor:.3f}."
        return RuleResult(name, reaches(value, bar.floor), sentence, {**figures, "bar": bar.floor})
    return _against_champion(case, candidate, RuleResult(name, False, what, figures), bar)


def _against_champion(case: Case, candidate: str, started: RuleResult, bar: _Bar) -> RuleResult:
    metric, what = case.rules.metric, started.sentence
    champion = case.value(CHAMPION, ALL_LOCALES, bar.split, metric)
    found = case.difference(candidate, ALL_LOCALES, bar.split, metric)
    figures = {**started.figures, "champion": champion, "bar": bar.offset}
    if champion is None or found is None or case.champion is None:
        sentence = f"There is no difference from the champion's {what}: the figure is missing."
        return RuleResult(started.name, False, sentence, figures)
    figures |= {"difference": found.value, "low": found.low, "high": found.high}
    sentence = (
        f"{capital(what)} is {started.figures['value']:.3f}, champion {case.champion.version} {champion:.3f}: "
        f"a difference of {found.value:+.3f} ({found.low:+.3f} to {found.high:+.3f}), "
        f"needed {bar.offset:+.3f} or more at its lower end."
    )
    return RuleResult(started.name, reaches(found.low, bar.offset), sentence, figures)


def precision(case: Case, candidate: str) -> RuleResult:
    """The thresholds that validation chose keep their precision on test."""
    rules = case.rules
    value = case.value(candidate, ALL_LOCALES, "test", "micro_precision")
    bar = rules.precision - rules.precision_tolerance
    figures = {"value": value, "bar": bar, "precision": rules.precision}
    if value is None:
        return RuleResult(
            "precision", False, f"{candidate} has no precision on test: it is missing or nothing is predicted.", figures
        )
    sentence = (
        f"Precision on test is {value:.3f}, wanted {rules.precision:.3f}, tolerated from {bar:.3f} on: "
        f"{value:.0%} of the predicted product types are right."
    )
    return RuleResult("precision", reaches(value, bar), sentence, figures)


def locales(case: Case, candidate: str) -> RuleResult:
    """No locale with enough positives is shown to fall behind the champion, or is below the floor of a first model."""
    judged = case.judged_locales()
    figures: Figures = {"judged": len(judged), "min_support": case.rules.min_locale_support}
    if not case.locales():
        return RuleResult("locales", False, "The summary has no figures per store.", figures)
    if not judged:
        sentence = f"No store has {case.rules.min_locale_support} positives on test: none is judged by itself."
        return RuleResult("locales", True, sentence, figures)
    missing = [f"{who} in {where}" for where in judged for who in _without_recall(case, candidate, where)]
    if missing:
        sentence = f"Recall on test is missing: {', '.join(missing)}."
        return RuleResult("locales", False, sentence, {**figures, "missing": ", ".join(missing)})
    return _falls(case, candidate, figures) if case.champion else _lowest(case, candidate, figures)


def _without_recall(case: Case, candidate: str, locale: str) -> list[str]:
    asked = (candidate, CHAMPION) if case.champion else (candidate,)
    missing = [who for who in asked if case.value(who, locale, "test", LOCALE_METRIC) is None]
    if case.champion and not missing and case.difference(candidate, locale, "test", LOCALE_METRIC) is None:
        return ["the difference"]
    return missing


def _falls(case: Case, candidate: str, figures: Figures) -> RuleResult:
    found = {where: case.difference(candidate, where, "test", LOCALE_METRIC) for where in case.judged_locales()}
    tolerance = case.rules.locale_tolerance
    compared = compare_stores({where: one for where, one in found.items() if one is not None}, tolerance)
    worst = compared.lowest
    sentence = (
        f"{stores(compared.worse)} shown to be worse than the champion by more than {tolerance:.3f}; "
        f"{len(compared.not_worse)} of {len(found)} judged are shown not to be; the lowest difference is that of "
        f"{worst.locale}: {worst.value:+.3f} ({worst.low:+.3f} to {worst.high:+.3f})."
    )
    return RuleResult(
        "locales", not compared.worse, sentence, {**figures, **_figures(compared), "tolerance": tolerance}
    )


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


def _lowest(case: Case, candidate: str, figures: Figures) -> RuleResult:
    found = {where: case.value(candidate, where, "test", LOCALE_METRIC) for where in case.judged_locales()}
    values = {where: value for where, value in found.items() if value is not None}
    lowest, floor = min(values, key=values.__getitem__), case.rules.locale_floor
    failed = [where for where, value in values.items() if not reaches(value, floor)]
    sentence = (
        f"{stores(failed)} below {floor:.3f}; the lowest of {len(values)} judged is {lowest}: {values[lowest]:.3f}."
    )
    return RuleResult(
        "locales", not failed, sentence, {**figures, "worst_locale": lowest, "value": values[lowest], "bar": floor}
    )


def judgements(case: Case, candidate: str) -> RuleResult:
    """On human judgements it reaches a floor, champion or not: people's labels do not move with the log."""
    metric, floor = case.rules.metric, case.rules.judgements_floor
    value = case.value(candidate, ALL_LOCALES, "judgements", metric)
    figures: Figures = {
        "metric": metric,
        "value": value,
        "n": case.support(ALL_LOCALES, "judgements"),
        "bar": floor,
    }
    if value is None or floor is None:
        sentence = f"{candidate} has no {words(metric)} on human judgements: name their file in evaluate.judgements."
        return RuleResult("judgements", False, sentence, figures)
    sentence = f"{capital(words(metric))} on human judgements is {value:.3f}, floor {floor:.3f}."
    return RuleResult("judgements", reaches(value, floor), sentence, figures)


def reaches(value: float, bar: float) -> bool:
    return value >= bar - ROUNDING


def stores(failed: list[str]) -> str:
    if not failed:
        return "No store is"
    return f"{', '.join(failed)} {'is' if len(failed) == 1 else 'are'}"


def words(metric: str) -> str:
    return metric.replace("_", " ")


def capital(text: str) -> str:
    return text[:1].upper() + text[1:]
