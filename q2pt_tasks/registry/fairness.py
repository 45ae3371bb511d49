"""The rules about what is compared: the same questions, two models, nothing lost on the way."""

from collections.abc import Sequence

from q2pt_tasks.registry.case import Case
from q2pt_tasks.registry.evidence import TypeSupport
from q2pt_tasks.registry.rule import Figures, RuleResult, capital, listed


def comparable(case: Case, candidate: str) -> RuleResult:
    """The champion can be scored fairly on tonight's queries, or a person has said that it may be replaced unseen."""
    champion, obstacles = case.evidence.champion, case.obstacles
    figures: Figures = {
        "obstacles": "; ".join(obstacles) or None,
        "replace_incomparable": case.rules.replace_incomparable,
    }
    if champion is None or not obstacles:
        return _scored_alike(case, figures)
    cannot = f"Champion {champion.version} cannot be compared: {'; '.join(obstacles)}."
    if case.rules.replace_incomparable == champion.version:
        sentence = f"{cannot} A person allowed to replace it all the same (gate.replace_incomparable)."
        return RuleResult("comparable", True, sentence, figures)
    sentence = (
        f"{cannot} A person has to decide: restore what changed, or set gate.replace_incomparable to "
        f"{champion.version}, which judges {candidate} by the floors of a first model."
    )
    return RuleResult("comparable", False, sentence, figures)


def _scored_alike(case: Case, figures: Figures) -> RuleResult:
    sentence = "Both are scored on the same queries, at thresholds chosen on tonight's validation split."
    shipped = None if case.evidence.facts is None else case.evidence.facts.shipped
    if shipped is None or shipped.micro_recall is None or shipped.micro_precision is None:
        return RuleResult("comparable", True, sentence, figures)
    sentence += (
        f" At the thresholds that it was shipped with the champion reaches micro recall {shipped.micro_recall:.3f} at "
        f"precision {shipped.micro_precision:.3f} on test."
    )
    reached = {"shipped_recall": shipped.micro_recall, "shipped_precision": shipped.micro_precision}
    return RuleResult("comparable", True, sentence, {**figures, **reached})


def different(case: Case, candidate: str) -> RuleResult:
    """It answers otherwise than the champion: the same model again is no promotion."""
    if case.facts(candidate).identical:
        sentence = f"{candidate} is the champion's own model, byte for byte."
        return RuleResult("different", False, sentence, {"identical": "yes"})
    return RuleResult("different", True, f"{candidate} is another model than the champion.", {"identical": "no"})


def types(case: Case, candidate: str) -> RuleResult:
    """No locale and no product type with traffic is lost."""
    facts, rules = case.facts(candidate), case.rules
    allowed = set(rules.retired_types)
    missed = [
        one for one in facts.lost_types if one.positives >= rules.min_type_support and one.product_type not in allowed
    ]
    gone, share = _gone(case)
    figures: Figures = {
        "added_types": len(facts.added_types),
        "lost_types": len(facts.lost_types),
        "lost_with_traffic": ", ".join(one.product_type for one in missed) or None,
        "lost_locales": ", ".join(facts.lost_locales) or None,
        "min_support": rules.min_type_support,
        "gone_share": share,
    }
    problems = []
    if facts.lost_locales:
        problems.append(f"{listed(facts.lost_locales)} would have no model")
    if missed:
        shown = listed(f"{one.product_type} ({one.positives} positives)" for one in missed)
        problems.append(f"the new model does not know {shown}: name those that may go in gate.retired_types")
    if share is not None and share > rules.gone_tolerance:
        problems.append(
            f"{share:.1%} of the champion's labels, tolerated to {rules.gone_tolerance:.1%}, are of product types that "
            f"nobody means tonight ({listed(gone)}): find out whether the catalog is broken; where they were renamed, "
            "name them in gate.retired_types, or types in gate.warn_only for this run"
        )
    changes = f"Product types: {_changed(facts.added_types)} new, {_changed(facts.lost_types)} gone."
    if problems:
        return RuleResult("types", False, f"{capital('; '.join(problems))}. {changes}", figures)
    return RuleResult("types", True, f"No product type with traffic is lost. {changes}", figures)


def _gone(case: Case) -> tuple[list[str], float | None]:
    """The champion's product types that are gone from the log, those of the most labels first, and their share."""
    found = None if case.evidence.facts is None else case.evidence.facts.gone
    if found is None or not found.labels:
        return [], None
    counted = [one for one in found.types if one.product_type not in case.rules.retired_types]
    counted.sort(key=lambda one: (-one.positives, one.product_type))
    return [one.product_type for one in counted], sum(one.positives for one in counted) / found.labels


def _changed(found: Sequence[TypeSupport]) -> str:
    names = [one.product_type for one in found]
    return f"{len(names)} ({listed(names)})" if names else "0"
