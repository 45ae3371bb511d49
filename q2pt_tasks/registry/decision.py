"""Whether a candidate takes the champion's place: figures in, verdict and reasons out.

Validation chooses the candidate among the variants; only the test and forward sets decide about it. Every rule says
what it looked at in figures and in a sentence for the team that runs the search.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from q2pt_tasks.registry.case import Case, Metric, Rules
from q2pt_tasks.registry.circumstances import calibration, drift, latency, newer, size, spacing, stale
from q2pt_tasks.registry.evidence import ALL_LOCALES, VARIANTS, Evidence
from q2pt_tasks.registry.fairness import comparable, different, types
from q2pt_tasks.registry.locale_rules import locales, new_locales, parity, worse_locales
from q2pt_tasks.registry.rule import RuleResult, capital, reaches, words
from q2pt_tasks.registry.rules import better, forward, judgements, precision

Rule = Callable[[Case, str], RuleResult]


@dataclass(frozen=True)
class Decision:
    """The verdict.

    Attributes:
        promote: whether the candidate takes the champion's place.
        candidate: the variant that was judged; None where no variant could be.
        sentence: the verdict and its reasons.
        rules: each with what it saw.
        kept_locales: the stores that stay with the champion in the new release; the others go to the candidate.
    """

    promote: bool
    candidate: str | None
    sentence: str
    rules: tuple[RuleResult, ...]
    kept_locales: tuple[str, ...] = ()


def decide(evidence: Evidence, rules: Rules, variants: tuple[str, ...] = VARIANTS) -> Decision:
    """Chooses the candidate and judges it.

    Args:
        evidence: what evaluate found.
        rules: what the candidate must reach.
        variants: those that may become the candidate, the simplest first; those without rows and models are ignored.

    Raises:
        SummaryError: the evidence says the same thing twice, or lacks what evaluate writes of every variant.
    """
    case = Case.of(evidence, rules)
    obstacles = {variant: _obstacle(case, variant) for variant in variants if case.knows(variant)}
    eligible = {variant: _validation(case, variant) for variant, obstacle in obstacles.items() if not obstacle}
    if not eligible:
        return _no_candidate(obstacles, variants)
    best = max(value for value in eligible.values() if value is not None)
    # The first that reaches the best, so a tie goes to the simpler variant.
    candidate = next(variant for variant, value in eligible.items() if value is not None and reaches(value, best))
    results = tuple(_with_severity(rule(case, candidate), rules) for rule in _rules(case))
    promote = not any(result.refuses for result in results)
    return Decision(
        promote=promote,
        candidate=candidate,
        sentence=_verdict(candidate, results, ("comparable", *_SPEAK_FOR_IT) if case.obstacles else _SPEAK_FOR_IT),
        rules=(_with_others(_with_choice(results[0], eligible, rules.metric), obstacles), *results[1:]),
        kept_locales=tuple(worse_locales(case, candidate)) if promote else (),
    )


def _with_severity(result: RuleResult, rules: Rules) -> RuleResult:
    return replace(result, severity="warning") if result.name in rules.warn_only else result


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


# What a promotion is told by; the other rules say that nothing stands against it.
_SPEAK_FOR_IT = ("better", "precision", "locales", "forward", "judgements")
# Of a first model, and, with a few more, of one that replaces a champion that cannot be compared.
_FLOORS: tuple[Rule, ...] = (better, precision, locales, forward, size)
_AGAINST_CHAMPION: tuple[Rule, ...] = (
    comparable,
    different,
    better,
    precision,
    locales,
    new_locales,
    forward,
    types,
    spacing,
    calibration,
    size,
    newer,
    parity,
    drift,
    stale,
)


def _rules(case: Case) -> tuple[Rule, ...]:
    """Those that are asked: human judgements only where they have a floor, latency where it has a budget."""
    asked: tuple[Rule, ...] = (comparable, *_FLOORS, newer, stale) if case.obstacles else _FLOORS
    if case.champion:
        asked = _AGAINST_CHAMPION
    if case.rules.max_milliseconds is not None:
        asked = (*asked, latency)
    return (_trained, *asked) if case.rules.judgements_floor is None else (_trained, *asked, judgements)


def _verdict(candidate: str, results: tuple[RuleResult, ...], reasons: tuple[str, ...]) -> str:
    """Promoted: what the rules `reasons` say. Refused: what speaks against it. Warnings either way."""
    refused = [result.sentence for result in results if result.refuses]
    warned = [result.sentence for result in results if result.warns]
    warnings = f" Warnings: {' '.join(warned)}" if warned else ""
    if refused:
        return f"Do not promote {candidate}: {' '.join(refused)}{warnings}"
    said = [result.sentence for result in results if result.name in reasons]
    return f"Promote {candidate}: {' '.join(said)}{warnings}"


def _validation(case: Case, variant: str) -> float | None:
    return case.value(variant, ALL_LOCALES, "validation", case.rules.metric)
