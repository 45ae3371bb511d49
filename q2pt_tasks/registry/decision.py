"""Whether a candidate takes the champion's place: figures in, verdict and reasons out.

Validation chooses the candidate among the variants; only the test and forward sets decide about it. Every rule says
what it looked at in figures and in a sentence for the team that runs the search. A figure that a rule needs and that is
missing fails the rule.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from pydantic import FiniteFloat

ALL_LOCALES = "all"
CHAMPION = "champion"
# The simplest first: a tie goes to the model that is easiest to run, one without a locale token, last one per locale.
VARIANTS = ("unified_agnostic", "unified_aware", "non_unified")
# Most product types have a handful of positives in one locale, so a locale is judged by all its pairs together.
LOCALE_METRIC = "micro_recall"
# Bars are sums such as 0.2 + 0.1, which is a little above 0.3.
ROUNDING = 1e-9

Metric = Literal["micro_recall", "macro_recall"]
Figures = Mapping[str, float | str | None]


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
        margin: how much better than the champion on test a candidate must be.
        min_locale_support: positives on test from which on a locale is judged.
        locale_floor: the lowest recall of a judged locale of a first model.
        locale_tolerance: how much worse than the champion a candidate may be in a judged locale.
        min_forward_support: positives from which on the forward set is judged.
        forward_floor: the lowest value on the forward set of a first model.
        forward_tolerance: how much worse than the champion a candidate may be on the forward set.
        metric: the figure that chooses the candidate and that `floor`, `margin` and the forward rules are about.
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


@dataclass(frozen=True)
class RuleResult:
    """One rule's verdict."""

    name: str
    passed: bool
    sentence: str
    figures: Figures


@dataclass(frozen=True)
class Decision:
    """The verdict; `candidate` is None where no variant could be one."""

    promote: bool
    candidate: str | None
    sentence: str
    rules: tuple[RuleResult, ...]


def decide(
    rows: tuple[Row, ...],
    models: tuple[ModelState, ...],
    champion: Champion | None,
    rules: Rules,
    variants: tuple[str, ...] = VARIANTS,
) -> Decision:
    """Chooses the candidate and judges it.

    Args:
        rows: the figures of every variant and, where there is a champion, of the champion on the same queries.
        models: the state of every model of the variants.
        champion: the model in production, None before the first one.
        rules: what the candidate must reach.
        variants: those that may become the candidate, the simplest first; those without rows and models are ignored.

    Raises:
        SummaryError: two rows or two models say the same thing twice.
    """
    case = _Case.of(rows, models, champion, rules)
    obstacles = {variant: _obstacle(case, variant) for variant in variants if case.knows(variant)}
    eligible = {variant: _validation(case, variant) for variant, obstacle in obstacles.items() if not obstacle}
    if not eligible:
        return _no_candidate(obstacles, variants)
    best = max(value for value in eligible.values() if value is not None)
    # The first that reaches the best, so a tie goes to the simpler variant.
    candidate = next(variant for variant, value in eligible.items() if value is not None and _reaches(value, best))
    results = tuple(rule(case, candidate) for rule in _RULES)
    return Decision(
        promote=all(result.passed for result in results),
        candidate=candidate,
        sentence=_verdict(candidate, results),
        rules=(_with_others(_with_choice(results[0], eligible, rules.metric), obstacles), *results[1:]),
    )


@dataclass(frozen=True)
class _Case:
    """The evidence, indexed."""

    rows: Mapping[tuple[str, str, str, str], Row]
    models: Mapping[tuple[str, str | None], ModelState]
    champion: Champion | None
    rules: Rules

    @classmethod
    def of(
        cls, rows: tuple[Row, ...], models: tuple[ModelState, ...], champion: Champion | None, rules: Rules
    ) -> "_Case":
        by_key = {(row.variant, row.locale, row.split, row.metric): row for row in rows}
        by_model = {(model.variant, model.locale): model for model in models}
        if len(by_key) != len(rows) or len(by_model) != len(models):
            raise SummaryError("the summary gives a figure or a model twice: evaluate again from a clean folder")
        return cls(by_key, by_model, champion, rules)

    def knows(self, variant: str) -> bool:
        return any(key[0] == variant for key in (*self.rows, *self.models))

    def value(self, variant: str, locale: str, split: str, metric: str) -> float | None:
        row = self.rows.get((variant, locale, split, metric))
        return row.value if row else None

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


def _obstacle(case: _Case, variant: str) -> str:
    """Why `variant` cannot be the candidate; empty where it can."""
    if broken := _broken_models(case, variant, case.judged_locales()):
        return "; ".join(broken)
    if _validation(case, variant) is None:
        return f"its {_words(case.rules.metric)} on validation is missing"
    return ""


def _broken_models(case: _Case, variant: str, locales: list[str]) -> list[str]:
    """What is wrong with the models that serve `locales`, one text per model."""
    wanted: list[str | None] = [*locales] if variant == "non_unified" else [None]
    found = []
    for locale in wanted:
        model, name = case.models.get((variant, locale)), locale or "its model"
        if model is None:
            found.append(f"{name} has no record of its training")
        elif model.status != "trained":
            found.append(f"{name} is {model.status} ({model.reason})")
    if variant == "non_unified" and not any(key[0] == variant for key in case.models):
        found.append("no model has a record of its training")
    return found


def _no_candidate(obstacles: Mapping[str, str], variants: tuple[str, ...]) -> Decision:
    because = "; ".join(f"{variant}: {obstacle}" for variant, obstacle in obstacles.items())
    reason = f"no variant can be a candidate: {because or 'the summary has none of ' + ', '.join(variants)}."
    result = RuleResult("trained", False, _capital(reason), dict(obstacles))
    return Decision(False, None, f"Do not promote: {reason}", (result,))


def _trained(case: _Case, candidate: str) -> RuleResult:
    """The candidate's models are trained and not degenerate; models of locales too small to be judged are named."""
    judged = case.judged_locales()
    small = [locale for locale in case.locales() if locale not in judged]
    weak = _broken_models(case, candidate, small) if candidate == "non_unified" else []
    sentence = f"{candidate} is trained and predicts more than a constant."
    if weak:
        sentence += f" Stores too small to be judged have no usable model: {'; '.join(weak)}."
    return RuleResult("trained", True, sentence, {"small_locales_without_model": "; ".join(weak) or None})


def _with_choice(result: RuleResult, eligible: Mapping[str, float | None], metric: Metric) -> RuleResult:
    """The first rule, with the figures on validation that chose the candidate."""
    shown = ", ".join(f"{variant} {value:.3f}" for variant, value in eligible.items() if value is not None)
    figures = {f"validation_{variant}": value for variant, value in eligible.items()}
    sentence = f"{result.sentence} Chosen on validation by {_words(metric)}, of equals the simplest: {shown}."
    return RuleResult(result.name, result.passed, sentence, {**result.figures, **figures})


def _with_others(result: RuleResult, obstacles: Mapping[str, str]) -> RuleResult:
    """The first rule, with the variants that were not eligible."""
    others = {variant: obstacle for variant, obstacle in obstacles.items() if obstacle}
    named = "".join(f" Not considered: {variant} ({obstacle})." for variant, obstacle in others.items())
    return RuleResult(result.name, result.passed, result.sentence + named, {**result.figures, **others})


def _better(case: _Case, candidate: str) -> RuleResult:
    """The value on test reaches the champion's and a margin, or the floor of a first model."""
    rules = case.rules
    return _value_rule(case, candidate, "better", _Bar("test", rules.floor, rules.margin))


def _forward(case: _Case, candidate: str) -> RuleResult:
    """The value on the forward set, where it is large enough, is near the champion's or above a first model's floor."""
    rules, support = case.rules, case.support(ALL_LOCALES, "forward")
    if support is not None and support < rules.min_forward_support:
        sentence = (
            f"The forward set is too small to judge: {support} positives of the {rules.min_forward_support} needed."
        )
        return RuleResult("forward", True, sentence, {"n": support, "min_support": rules.min_forward_support})
    return _value_rule(case, candidate, "forward", _Bar("forward", rules.forward_floor, -rules.forward_tolerance))


@dataclass(frozen=True)
class _Bar:
    """What a value on a split must reach: `floor` without a champion, the champion's value plus `offset` with one."""

    split: str
    floor: float
    offset: float


def _value_rule(case: _Case, candidate: str, name: str, bar: _Bar) -> RuleResult:
    metric = case.rules.metric
    value = case.value(candidate, ALL_LOCALES, bar.split, metric)
    champion = case.value(CHAMPION, ALL_LOCALES, bar.split, metric) if case.champion else None
    figures: dict[str, float | str | None] = {
        "metric": metric,
        "value": value,
        "n": case.support(ALL_LOCALES, bar.split),
    }
    what = f"{_words(metric)} at precision {case.rules.precision:g} on {bar.split}"
    if value is None:
        return RuleResult(name, False, f"{candidate} has no {what}: the figure is missing.", figures)
    if case.champion is None:
        sentence = f"{_capital(what)} is {value:.3f}, floor {bar.floor:.3f}."
        return RuleResult(name, _reaches(value, bar.floor), sentence, {**figures, "bar": bar.floor})
    figures |= {"champion": champion, "bar": None if champion is None else champion + bar.offset}
    if champion is None:
        return RuleResult(name, False, f"The champion has no {what}: the figure is missing.", figures)
    sentence = (
        f"{_capital(what)} is {value:.3f}, champion {case.champion.version} {champion:.3f}, "
        f"needed {champion + bar.offset:.3f}."
    )
    return RuleResult(name, _reaches(value, champion + bar.offset), sentence, figures)


def _precision(case: _Case, candidate: str) -> RuleResult:
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
    return RuleResult("precision", _reaches(value, bar), sentence, figures)


def _locales(case: _Case, candidate: str) -> RuleResult:
    """No locale with enough positives falls behind the champion, or below the floor of a first model."""
    judged = case.judged_locales()
    figures: dict[str, float | str | None] = {"judged": len(judged), "min_support": case.rules.min_locale_support}
    if not case.locales():
        return RuleResult("locales", False, "The summary has no figures per store.", figures)
    if not judged:
        sentence = f"No store has {case.rules.min_locale_support} positives on test: none is judged by itself."
        return RuleResult("locales", True, sentence, figures)
    by_variant = {who: _recalls(case, who) for who in ((candidate, CHAMPION) if case.champion else (candidate,))}
    missing = [f"{who} in {where}" for where in judged for who, recalls in by_variant.items() if where not in recalls]
    if missing:
        sentence = f"Recall on test is missing: {', '.join(missing)}."
        return RuleResult("locales", False, sentence, {**figures, "missing": ", ".join(missing)})
    return _worst_fall(case, candidate, figures) if case.champion else _lowest(case, candidate, figures)


def _worst_fall(case: _Case, candidate: str, figures: Figures) -> RuleResult:
    recalls, champions = _recalls(case, candidate), _recalls(case, CHAMPION)
    differences = {locale: recall - champions[locale] for locale, recall in recalls.items()}
    worst, tolerance = min(differences, key=differences.__getitem__), case.rules.locale_tolerance
    value, champion = recalls[worst], champions[worst]
    failed = [locale for locale, difference in differences.items() if not _reaches(difference, -tolerance)]
    sentence = (
        f"{_stores(failed)} worse than the champion by more than {tolerance:.3f}; "
        f"the worst of {len(differences)} judged is {worst}: {value:.3f}, champion {champion:.3f}."
    )
    found: Figures = {"worst_locale": worst, "value": value, "champion": champion, "difference": differences[worst]}
    return RuleResult("locales", not failed, sentence, {**figures, **found, "tolerance": tolerance})


def _lowest(case: _Case, candidate: str, figures: Figures) -> RuleResult:
    values = _recalls(case, candidate)
    lowest, floor = min(values, key=values.__getitem__), case.rules.locale_floor
    failed = [locale for locale, value in values.items() if not _reaches(value, floor)]
    sentence = (
        f"{_stores(failed)} below {floor:.3f}; the lowest of {len(values)} judged is {lowest}: {values[lowest]:.3f}."
    )
    found: Figures = {"worst_locale": lowest, "value": values[lowest], "bar": floor}
    return RuleResult("locales", not failed, sentence, {**figures, **found})


_RULES: tuple[Callable[[_Case, str], RuleResult], ...] = (_trained, _better, _precision, _locales, _forward)


def _verdict(candidate: str, results: tuple[RuleResult, ...]) -> str:
    """Promoted: what speaks for it. Refused: what speaks against it."""
    failed = [result.sentence for result in results if not result.passed]
    if failed:
        return f"Do not promote {candidate}: {' '.join(failed)}"
    return f"Promote {candidate}: {' '.join(result.sentence for result in results[1:])}"


def _validation(case: _Case, variant: str) -> float | None:
    return case.value(variant, ALL_LOCALES, "validation", case.rules.metric)


def _recalls(case: _Case, variant: str) -> dict[str, float]:
    """The recall on test of each judged locale, of those where it is known."""
    found = {locale: case.value(variant, locale, "test", LOCALE_METRIC) for locale in case.judged_locales()}
    return {locale: value for locale, value in found.items() if value is not None}


def _reaches(value: float, bar: float) -> bool:
    return value >= bar - ROUNDING


def _stores(failed: list[str]) -> str:
    if not failed:
        return "No store is"
    return f"{', '.join(failed)} {'is' if len(failed) == 1 else 'are'}"


def _words(metric: str) -> str:
    return metric.replace("_", " ")


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
