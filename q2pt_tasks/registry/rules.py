"""The rules about figures over all locales, one function each.

A figure that a rule needs and that is missing fails the rule. Against a champion and on human judgements intervals
decide, not the figures that one sample of queries happened to give.
"""

from q2pt_tasks.registry.case import Case
from q2pt_tasks.registry.evidence import ALL_LOCALES, Difference
from q2pt_tasks.registry.rule import Figures, RuleResult, capital, listed, reaches, words


def better(case: Case, candidate: str) -> RuleResult:
    """On test it is superior to the champion, or not inferior to one that is old or lacks something.

    Consecutive nights share most of their days: superiority alone would never replace a champion that shoppers' words
    have slowly left behind. A first model reaches a floor.
    """
    if case.champion is None:
        return _reaches_floor(case, candidate, "better", "test", case.rules.floor)
    found = case.difference(candidate, ALL_LOCALES, "test", case.rules.metric)
    if found is None:
        return _without_difference(case, "better", "test")
    rules, reasons = case.rules, reasons_to_renew(case, candidate)
    is_superior, is_equal = reaches(found.low, rules.margin), reaches(found.low, -rules.tolerance)
    if is_superior:
        verdict = "superior"
    elif not is_equal:
        verdict = "neither superior nor shown not to be inferior"
    else:
        because = "; ".join(reasons) or "the champion is neither old nor lacks product types or locales"
        verdict = f"not inferior, {because}"
    needed = f"needed {rules.margin:+.3f} or more at its lower end, or {-rules.tolerance:+.3f} with a reason to renew"
    figures = {
        **_figures(case, found),
        "bar": rules.margin,
        "tolerance": -rules.tolerance,
        "age_days": case.age,
        "max_age_days": rules.max_age_days,
        "reasons_to_renew": "; ".join(reasons) or None,
    }
    passed = is_superior or (is_equal and bool(reasons))
    return RuleResult("better", passed, f"{_difference(case, found)}, {needed}: {verdict}.", figures)


def reasons_to_renew(case: Case, candidate: str) -> list[str]:
    """Why a candidate that is not inferior is enough: the champion is old, or lacks product types or locales."""
    rules, facts, age = case.rules, case.facts(candidate), case.age
    new = [one.product_type for one in facts.added_types if one.positives >= rules.min_type_support]
    found = []
    if age is None:
        found.append("nobody wrote down how old the champion is")
    elif age >= rules.max_age_days:
        found.append(f"the champion's last day is {age} days back, old from {rules.max_age_days} on")
    if new:
        found.append(f"the champion does not know {listed(new)}")
    if facts.added_locales:
        found.append(f"the champion does not serve {listed(facts.added_locales)}")
    return found


def forward(case: Case, candidate: str) -> RuleResult:
    """On the forward set, where it is large enough, it is surely not much worse, or reaches a first model's floor."""
    rules, support = case.rules, case.support(ALL_LOCALES, "forward")
    if support is not None and support < rules.min_forward_support:
        sentence = (
            f"The forward set is too small to judge: {support} positives of the {rules.min_forward_support} needed."
        )
        return RuleResult("forward", True, sentence, {"n": support, "min_support": rules.min_forward_support})
    if case.champion is None:
        return _reaches_floor(case, candidate, "forward", "forward", rules.forward_floor)
    found = case.difference(candidate, ALL_LOCALES, "forward", rules.metric)
    if found is None:
        return _without_difference(case, "forward", "forward")
    bar = -rules.forward_tolerance
    sentence = f"{_difference(case, found)}, needed {bar:+.3f} or more at its lower end."
    return RuleResult("forward", reaches(found.low, bar), sentence, {**_figures(case, found), "bar": bar})


def _reaches_floor(case: Case, candidate: str, name: str, split: str, floor: float) -> RuleResult:
    metric, what = case.rules.metric, _what(case, split)
    value = case.value(candidate, ALL_LOCALES, split, metric)
    figures: Figures = {"metric": metric, "value": value, "n": case.support(ALL_LOCALES, split)}
    if value is None:
        return RuleResult(name, False, f"{candidate} has no {what}: the figure is missing.", figures)
    sentence = f"{capital(what)} is {value:.3f}, floor {floor:.3f}."
    return RuleResult(name, reaches(value, floor), sentence, {**figures, "bar": floor})


def _without_difference(case: Case, name: str, split: str) -> RuleResult:
    sentence = f"There is no difference from the champion's {_what(case, split)}: the figure is missing."
    return RuleResult(name, False, sentence, {"metric": case.rules.metric, "difference": None})


def _difference(case: Case, found: Difference) -> str:
    version = case.champion.version if case.champion else ""
    return (
        f"{capital(_what(case, found.split))} is {found.own:.3f}, champion {version} {found.champion:.3f}: "
        f"a difference of {found.value:+.3f} ({found.low:+.3f} to {found.high:+.3f})"
    )


def _figures(case: Case, found: Difference) -> Figures:
    return {
        "metric": case.rules.metric,
        "value": found.own,
        "champion": found.champion,
        "n": found.n,
        "difference": found.value,
        "low": found.low,
        "high": found.high,
    }


def _what(case: Case, split: str) -> str:
    return f"{words(case.rules.metric)} at precision {case.rules.precision:g} on {split}"


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


def judgements(case: Case, candidate: str) -> RuleResult:
    """On human judgements it surely reaches a floor, champion or not: people's labels do not move with the log."""
    metric, floor = case.rules.metric, case.rules.judgements_floor
    found = case.judged(candidate, metric)
    if found is None or floor is None:
        sentence = f"{candidate} has no {words(metric)} on human judgements: name their file in evaluate.judgements."
        return RuleResult("judgements", False, sentence, {"metric": metric, "value": None, "bar": floor})
    figures: Figures = {
        "metric": metric,
        "value": found.value,
        "low": found.low,
        "high": found.high,
        "queries": found.queries,
        "bar": floor,
    }
    passed = reaches(found.low, floor)
    sentence = (
        f"{capital(words(metric))} on human judgements is {found.value:.3f} ({found.low:.3f} to {found.high:.3f}) in "
        f"{found.queries} {'query' if found.queries == 1 else 'queries'}, needed {floor:.3f} or more at its lower end."
    )
    if not passed and reaches(found.value, floor):
        sentence += " So few queries leave it open: judge more of them."
    return RuleResult("judgements", passed, sentence, figures)
