"""The rules about what surrounds a promotion: its time, its data, what it costs to run.

Time is counted in days of data, from the last day of one window to that of another: a stage has no clock, and a run of
an old window says the same today as it did then.
"""

from q2pt_tasks.registry.case import Case
from q2pt_tasks.registry.evidence import CHAMPION, LocaleDrift
from q2pt_tasks.registry.rule import Figures, RuleResult, reaches

MEGABYTE = 1e6


def spacing(case: Case, _: str) -> RuleResult:
    """Promotions are some days apart, so that two models do not take turns by chance."""
    age, least = case.age, case.rules.min_days_between_promotions
    figures: Figures = {"age_days": age, "min_days": least}
    if age is None:
        return RuleResult("spacing", True, "Nobody wrote down how old the champion is.", figures)
    if age < 0:
        # A run of an older window: whether it may promote is asked elsewhere.
        return RuleResult("spacing", True, f"The champion's last day is {-age} days ahead.", figures)
    sentence = f"The champion's last day is {age} days back, {least} are needed between promotions."
    return RuleResult("spacing", age >= least, sentence, figures)


def newer(case: Case, candidate: str) -> RuleResult:
    """It learned from data at least as new as the champion's."""
    age = case.age
    figures: Figures = {"age_days": age, "last_day": case.evidence.last_day.isoformat()}
    if age is None:
        return RuleResult("newer", True, "Nobody wrote down how old the champion's data is.", figures)
    beside = f"{abs(age)} days {'more' if age > 0 else 'less'} than the champion" if age else "as the champion did"
    sentence = f"{candidate} learned up to {case.evidence.last_day}, {beside}."
    return RuleResult("newer", age >= 0, sentence, figures)


def stale(case: Case, _: str) -> RuleResult:
    """Nights without a promotion do not add up unnoticed; never refuses."""
    age, most = case.age, case.rules.alert_after_days
    figures: Figures = {"age_days": age, "alert_after_days": most}
    if age is None or age < most:
        return RuleResult("stale", True, "The champion is not overdue.", figures, "warning")
    sentence = (
        f"No night of {age} days was promoted: shoppers' newer words are not learned. Look at which rule refuses, in "
        "the decisions of these nights."
    )
    return RuleResult("stale", False, sentence, figures, "warning")


def calibration(case: Case, candidate: str) -> RuleResult:
    """Its scores are not much further from the share that is right than the champion's."""
    own, tolerance = case.facts(candidate).expected_error, case.rules.calibration_tolerance
    champion = None if case.evidence.facts is None else case.evidence.facts.expected_error
    figures: Figures = {"value": own, "champion": champion, "tolerance": tolerance}
    if own is None or champion is None:
        who = candidate if own is None else CHAMPION
        return RuleResult("calibration", False, f"The calibration error of {who} is missing.", figures)
    sentence = (
        f"The expected calibration error is {own:.3f}, the champion's {champion:.3f}, tolerated to "
        f"{champion + tolerance:.3f}."
    )
    return RuleResult("calibration", reaches(champion + tolerance, own), sentence, figures)


def size(case: Case, candidate: str) -> RuleResult:
    """Its files fit the budget of whoever runs it."""
    found, most = case.facts(candidate).bytes / MEGABYTE, case.rules.max_megabytes
    figures: Figures = {"megabytes": round(found, 3), "max_megabytes": most}
    if most is None:
        return RuleResult("size", True, f"Its files take {found:,.1f} MB; there is no budget.", figures)
    return RuleResult("size", found <= most, f"Its files take {found:,.1f} MB of {most:,.1f} MB.", figures)


def latency(case: Case, candidate: str) -> RuleResult:
    """One query alone is answered within the budget of whoever serves it, on the machine that evaluated."""
    found, most = case.facts(candidate).milliseconds, case.rules.max_milliseconds
    figures: Figures = {"milliseconds": None if found is None else round(found, 3), "max_milliseconds": most}
    if found is None or most is None:
        sentence = f"Nobody measured how long {candidate} takes for a query: set evaluate.timed_queries."
        return RuleResult("latency", False, sentence, figures)
    sentence = f"One query alone takes {found:.1f} ms of {most:.1f} ms, where it was evaluated."
    return RuleResult("latency", found <= most, sentence, figures)


def drift(case: Case, _: str) -> RuleResult:
    """No locale's product types or words are far from those that the champion learned from."""
    tolerance, known = case.rules.drift_tolerance, [one for one in case.evidence.drift if _farthest(one) is not None]
    if not known:
        sentence = "Nobody wrote down what the champion's data consisted of."
        return RuleResult("drift", True, sentence, {"judged": 0, "tolerance": tolerance})
    moved = sorted(one.locale for one in known if (_farthest(one) or 0.0) > tolerance)
    worst = max(known, key=lambda one: (_farthest(one) or 0.0, one.locale))
    sentence = (
        f"{', '.join(moved) if moved else 'No store'} moved by more than {tolerance:.3f} from the champion's data; "
        f"the farthest of {len(known)} is {worst.locale}: product types {_shown(worst.labels)}, words "
        f"{_shown(worst.words)}."
    )
    figures: Figures = {
        "judged": len(known),
        "worst_locale": worst.locale,
        "labels": worst.labels,
        "words": worst.words,
        "moved": ", ".join(moved) or None,
        "tolerance": tolerance,
    }
    return RuleResult("drift", not moved, sentence, figures)


def _farthest(one: LocaleDrift) -> float | None:
    return max((distance for distance in (one.labels, one.words) if distance is not None), default=None)


def _shown(distance: float | None) -> str:
    return "unknown" if distance is None else f"{distance:.3f}"
