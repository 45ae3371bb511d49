"""Whether a candidate takes the champion's place: figures in, verdict and reasons out.

Validation chooses the candidate among the variants; only the test and forward sets decide about it. Every rule says
what it looked at in figures and in a sentence for the team that runs the search.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from q2pt_tasks.registry.evidence import ALL_LOCALES, VARIANTS, Case, Evidence, Metric, Rules
from q2pt_tasks.registry.rules import (
    RuleResult,
    better,
    capital,
    forward,
    judgements,
    locales,
    precision,
    reaches,
    words,
)


@dataclass(frozen=True)
class Decision:
    """The verdict; `candidate` is None where no variant could be one."""

    promote: bool
    candidate: str | None
    sentence: str
    rules: tuple[RuleResult, ...]


def decide(evidence: Evidence, rules: Rules, variants: tuple[str, ...] = VARIANTS) -> Decision:
    """Chooses the candidate and judges it.

    Args:
        evidence: what evaluate found.
        rules: what the candidate must reach.
        variants: those that may become the candidate, the simplest first; those without rows and models are ignored.

    Raises:
        SummaryError: two rows, two differences or two models say the same thing twice.
    """
    case = Case.of(evidence, rules)
    obstacles = {variant: _obstacle(case, variant) for variant in variants if case.knows(variant)}
    eligible = {variant: _validation(case, variant) for variant, obstacle in obstacles.items() if not obstacle}
    if not eligible:
        return _no_candidate(obstacles, variants)
    best = max(value for value in eligible.values() if value is not None)
    # The first that reaches the best, so a tie goes to the simpler variant.
    candidate = next(variant for variant, value in eligible.items() if value is not None and reaches(value, best))
    results = tuple(rule(case, candidate) for rule in _rules(rules))
    return Decision(
        promote=all(result.passed for result in results),
        candidate=candidate,
        sentence=_verdict(candidate, results),
        rules=(_with_others(_with_choice(results[0], eligible, rules.metric), obstacles), *results[1:]),
    )


def _obstacle(case: Case, variant: str) -> str:
    """Why `variant` cannot be the candidate; empty where it can."""
    if broken := _broken_models(case, variant, case.judged_locales()):
        return "; ".join(broken)
    if _validation(case, variant) is None:
        return f"its {words(case.rules.metric)} on validation is missing"
    return ""


def _broken_models(case: Case, variant: str, locales: list[str]) -> list[str]:
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
    result = RuleResult("trained", False, capital(reason), dict(obstacles))
    return Decision(False, None, f"Do not promote: {reason}", (result,))


def _trained(case: Case, candidate: str) -> RuleResult:
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
    sentence = f"{result.sentence} Chosen on validation by {words(metric)}, of equals the simplest: {shown}."
    return RuleResult(result.name, result.passed, sentence, {**result.figures, **figures})


def _with_others(result: RuleResult, obstacles: Mapping[str, str]) -> RuleResult:
    """The first rule, with the variants that were not eligible."""
    others = {variant: obstacle for variant, obstacle in obstacles.items() if obstacle}
    named = "".join(f" Not considered: {variant} ({obstacle})." for variant, obstacle in others.items())
    return RuleResult(result.name, result.passed, result.sentence + named, {**result.figures, **others})


_RULES: tuple[Callable[[Case, str], RuleResult], ...] = (_trained, better, precision, locales, forward)


def _rules(rules: Rules) -> tuple[Callable[[Case, str], RuleResult], ...]:
    """Those that are asked: human judgements only where they have a floor."""
    return _RULES if rules.judgements_floor is None else (*_RULES, judgements)


def _verdict(candidate: str, results: tuple[RuleResult, ...]) -> str:
    """Promoted: what speaks for it. Refused: what speaks against it."""
    failed = [result.sentence for result in results if not result.passed]
    if failed:
        return f"Do not promote {candidate}: {' '.join(failed)}"
    return f"Promote {candidate}: {' '.join(result.sentence for result in results[1:])}"


def _validation(case: Case, variant: str) -> float | None:
    return case.value(variant, ALL_LOCALES, "validation", case.rules.metric)
