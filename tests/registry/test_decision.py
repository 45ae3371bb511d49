"""The promotion decision as truth tables: one figure of a good candidate is moved, one rule must notice."""

from dataclasses import replace
from typing import Any, Literal

import pytest
from decisions import (
    CHAMPION,
    RULES,
    Status,
    Values,
    at,
    decided,
    differences_of,
    evidence_of,
    failed,
    figures_of,
    judged,
    known_of,
    rule,
    trained,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from q2pt_tasks.registry.decision import Decision, decide
from q2pt_tasks.registry.evidence import Evidence, JudgedFigure, ModelState, SummaryError

WITHOUT_CHAMPION = [
    ({}, []),
    (at("all", "test", 0.3), []),
    (at("all", "test", 0.299), ["better"]),
    (at("all", "test", None), ["better"]),
    (at("all", "test", 0.75, "micro_precision"), []),
    (at("all", "test", 0.749, "micro_precision"), ["precision"]),
    (at("all", "test", None, "micro_precision"), ["precision"]),
    (at("sv-SE", "test", 0.1), []),
    (at("sv-SE", "test", 0.099), ["locales"]),
    (at("sv-SE", "test", None), ["locales"]),
    (at("fr-FR", "test", 0.0), []),
    (at("fr-FR", "test", None), []),
    (at("all", "forward", 0.25), []),
    (at("all", "forward", 0.249), ["forward"]),
    (at("all", "forward", None), ["forward"]),
    (at("all", "test", 0.1) | at("de-DE", "test", 0.0), ["better", "locales"]),
]

WITH_CHAMPION = [
    ({}, []),
    (at("all", "test", 0.51), []),
    (at("all", "test", 0.509), ["better"]),
    (at("all", "test", None), ["better"]),
    (at("all", "test", None, who="champion"), ["better"]),
    (at("all", "test", 0.2, who="champion") | at("all", "test", 0.21), []),
    (at("all", "test", 0.7, "micro_precision"), ["precision"]),
    (at("sv-SE", "test", 0.45), []),
    (at("sv-SE", "test", 0.449), ["locales"]),
    (at("sv-SE", "test", None), ["locales"]),
    (at("sv-SE", "test", None, who="champion"), ["locales"]),
    (at("fr-FR", "test", 0.0), []),
    (at("all", "forward", 0.48), []),
    (at("all", "forward", 0.479), ["forward"]),
    (at("all", "forward", None), ["forward"]),
    (at("all", "forward", None, who="champion"), ["forward"]),
]


@pytest.mark.parametrize(("changes", "expected"), WITHOUT_CHAMPION)
def test_a_first_model_is_judged_by_floors(changes: Values, expected: list[str]) -> None:
    decision = judged(changes, champion=False)
    assert failed(decision) == expected
    assert decision.promote is (not expected)


@pytest.mark.parametrize(("changes", "expected"), WITH_CHAMPION)
def test_a_later_model_is_judged_by_the_champion(changes: Values, expected: list[str]) -> None:
    decision = judged(changes, champion=True)
    assert failed(decision) == expected
    assert decision.promote is (not expected)


def test_a_promotion_says_why() -> None:
    decision = judged({}, champion=True)
    assert decision.sentence.startswith("Promote unified_aware: Micro recall at precision 0.8 on test is 0.600")
    assert "champion v7 0.500: a difference of +0.100 (+0.100 to +0.100)" in decision.sentence
    assert "No store is shown to be worse" in decision.sentence
    assert [rule.name for rule in decision.rules] == [
        "trained",
        "comparable",
        "different",
        "better",
        "precision",
        "locales",
        "new_locales",
        "forward",
        "types",
        "spacing",
        "calibration",
        "size",
        "newer",
        "parity",
        "drift",
        "stale",
    ]


def test_a_refusal_says_only_what_failed() -> None:
    decision = judged(at("sv-SE", "test", 0.0), champion=True)
    assert decision.sentence == (
        "Do not promote unified_aware: sv-SE is shown to be worse than the champion by more than 0.050; "
        "1 of 2 judged are shown not to be; the lowest difference is that of sv-SE: -0.500 (-0.500 to -0.500)."
    )
    assert rule(decision, "locales").figures["worst_locale"] == "sv-SE"
    assert rule(decision, "locales").figures["difference"] == -0.5


def test_every_store_that_falls_behind_is_named() -> None:
    decision = judged(at("sv-SE", "test", 0.3) | at("de-DE", "test", 0.2), champion=True)
    assert rule(decision, "locales").sentence.startswith("de-DE, sv-SE are shown to be worse")
    assert rule(decision, "locales").figures["worst_locale"] == "de-DE"


def test_rules_carry_their_figures() -> None:
    found = rule(judged({}, champion=True), "better").figures
    assert found["metric"] == "micro_recall"
    assert found["reasons_to_renew"] is None
    numbers = {key: value for key, value in found.items() if key not in ("metric", "reasons_to_renew")}
    difference = {"difference": 0.1, "low": 0.1, "high": 0.1, "bar": 0.01, "tolerance": -0.005}
    age = {"age_days": 10, "max_age_days": 30}
    assert numbers == pytest.approx({"value": 0.6, "n": 1000, "champion": 0.5} | difference | age)
    assert rule(judged({}, champion=False), "better").figures["bar"] == 0.3


def test_a_figure_that_no_row_gives_fails_its_rule() -> None:
    for name, key in {
        "better": ("unified_aware", "all", "test", "micro_recall"),
        "precision": ("unified_aware", "all", "test", "micro_precision"),
        "forward": ("unified_aware", "all", "forward", "micro_recall"),
    }.items():
        values = {other: value for other, value in figures_of("unified_aware", 0.6).items() if other != key}
        assert failed(decided(values, trained("unified_aware"), None, RULES)) == [name]


def test_a_store_that_only_the_champion_has_figures_of_fails_the_rule() -> None:
    values = figures_of("unified_aware", 0.6) | figures_of("champion", 0.5)
    del values["unified_aware", "de-DE", "test", "micro_recall"]
    decision = decided(values, trained("unified_aware"), CHAMPION, RULES)
    assert failed(decision) == ["locales"]
    assert "unified_aware in de-DE" in decision.sentence


def test_without_figures_per_store_the_rule_fails() -> None:
    values = {key: value for key, value in figures_of("unified_aware", 0.6).items() if key[1] == "all"}
    assert failed(decided(values, trained("unified_aware"), None, RULES)) == ["locales"]


def test_stores_that_are_all_too_small_are_not_judged_and_that_is_said() -> None:
    decision = judged(at("de-DE", "test", 0.0), champion=False, rules=replace(RULES, min_locale_support=501))
    assert decision.promote
    assert "No store has 501 positives" in rule(decision, "locales").sentence


@pytest.mark.parametrize(("support", "expected"), [(1000, ["forward"]), (1001, [])])
def test_a_small_forward_set_is_not_judged_and_that_is_said(support: int, expected: list[str]) -> None:
    rules = replace(RULES, min_forward_support=support)
    decision = judged(at("all", "forward", 0.0), champion=True, rules=rules)
    assert failed(decision) == expected
    assert ("too small to judge" in rule(decision, "forward").sentence) is (not expected)


@pytest.mark.parametrize(
    ("validation", "expected"),
    [
        ({"unified_agnostic": 0.5, "unified_aware": 0.6, "non_unified": 0.4}, "unified_aware"),
        ({"unified_agnostic": 0.5, "unified_aware": 0.5, "non_unified": 0.6}, "non_unified"),
        ({"unified_agnostic": 0.5, "unified_aware": 0.5, "non_unified": 0.5}, "unified_agnostic"),
        ({"unified_agnostic": 0.4, "unified_aware": 0.5, "non_unified": 0.5}, "unified_aware"),
        ({"unified_agnostic": None, "unified_aware": 0.1, "non_unified": None}, "unified_aware"),
        ({"non_unified": 0.5}, "non_unified"),
        ({"unified_agnostic": 0.1, "tfidf_unified": 0.9, "champion": 0.9}, "unified_agnostic"),
    ],
)
def test_validation_chooses_among_the_variants_and_a_tie_goes_to_the_simpler(
    validation: dict[str, float | None], expected: str
) -> None:
    # On test the order is reversed: test must not choose.
    values: Values = {}
    for variant, value in validation.items():
        values |= figures_of(variant, 1 - (value or 0)) | at("all", "validation", value, who=variant)
    decision = decided(values, trained(*validation), None, RULES)
    assert decision.candidate == expected
    assert f"{expected} {validation[expected]:.3f}" in rule(decision, "trained").sentence


@pytest.mark.parametrize("status", ["degenerate", "untrained"])
def test_a_broken_model_is_no_candidate_however_good_its_figures(status: Status) -> None:
    values = figures_of("unified_aware", 0.9) | figures_of("unified_agnostic", 0.5)
    models = (*trained("unified_agnostic"), ModelState("unified_aware", None, status, "predicts one type"))
    decision = decided(values, models, None, RULES)
    assert decision.candidate == "unified_agnostic"
    assert f"unified_aware (its model is {status} (predicts one type))" in rule(decision, "trained").sentence


@pytest.mark.parametrize(
    ("locale", "eligible"),
    [("de-DE", False), ("sv-SE", False), ("fr-FR", True)],
)
@pytest.mark.parametrize("status", ["degenerate", "untrained", "missing"])
def test_per_store_models_may_be_broken_only_where_the_store_is_small(
    locale: str, eligible: bool, status: Literal["degenerate", "untrained", "missing"]
) -> None:
    others = tuple(model for model in trained("non_unified") if model.locale != locale)
    broken = () if status == "missing" else (ModelState("non_unified", locale, status, "3 rows"),)
    decision = decided(figures_of("non_unified", 0.6), (*others, *broken), None, RULES)
    assert decision.promote is eligible
    assert locale in rule(decision, "trained").sentence
    assert (decision.candidate is not None) is eligible


def test_without_an_eligible_variant_nothing_is_promoted_and_each_is_explained() -> None:
    models = (ModelState("unified_aware", None, "degenerate", "loss did not fall"),)
    values = figures_of("unified_aware", 0.9) | figures_of("unified_agnostic", 0.9)
    decision = decided(values, models, CHAMPION, RULES)
    assert (decision.promote, decision.candidate, failed(decision)) == (False, None, ["trained"])
    assert "loss did not fall" in decision.sentence
    assert "unified_agnostic: its model has no record of its training" in decision.sentence


def test_an_empty_summary_is_refused() -> None:
    decision = decided({}, (), None, RULES)
    assert not decision.promote
    assert decision.sentence == (
        "Do not promote: no variant can be a candidate: "
        "the summary has none of unified_agnostic, unified_aware, non_unified."
    )


def test_the_metric_of_the_rules_chooses_and_judges_while_stores_stay_micro() -> None:
    values = figures_of("unified_aware", 0.6) | figures_of("unified_agnostic", 0.5)
    for split, macro in (("validation", 0.5), ("test", 0.35), ("forward", 0.1)):
        values |= at("all", split, macro, "macro_recall", "unified_agnostic")
        values |= at("all", split, macro - 0.2, "macro_recall", "unified_aware")
    models = trained("unified_aware", "unified_agnostic")
    decision = decided(values, models, None, replace(RULES, metric="macro_recall"))
    assert decision.candidate == "unified_agnostic"
    assert failed(decision) == ["forward"]
    assert rule(decision, "better").figures["value"] == 0.35
    assert rule(decision, "locales").figures["value"] == 0.5


def _whole(values: Values) -> Evidence:
    return evidence_of(values, trained("unified_aware"), CHAMPION)


@pytest.mark.parametrize(("standard_error", "expected"), [(0.04, []), (0.05, ["better"])])
def test_a_candidate_that_may_be_better_by_chance_is_refused(standard_error: float, expected: list[str]) -> None:
    values = figures_of("unified_aware", 0.6) | figures_of("champion", 0.5)
    noisy = tuple(
        one if one.split == "forward" else two
        for one, two in zip(differences_of(values), differences_of(values, standard_error), strict=True)
    )
    decision = decide(replace(_whole(values), differences=noisy), RULES)
    assert failed(decision) == expected


def test_a_store_that_is_too_small_to_tell_does_not_refuse_and_is_named() -> None:
    values = figures_of("unified_aware", 0.6) | figures_of("champion", 0.5) | at("sv-SE", "test", 0.44)
    noisy = tuple(replace(one, standard_error=0.05) if one.locale == "sv-SE" else one for one in differences_of(values))
    decision = decide(replace(_whole(values), differences=noisy), RULES)
    assert failed(decision) == []
    assert rule(decision, "locales").figures["worst_locale"] == "sv-SE"
    assert rule(decision, "locales").figures["shown_not_worse"] == "de-DE"


def test_a_difference_that_the_summary_lacks_fails_its_rule() -> None:
    values = figures_of("unified_aware", 0.6) | figures_of("champion", 0.5)
    for locale, split, name in (("all", "test", "better"), ("sv-SE", "test", "locales"), ("all", "forward", "forward")):
        kept = tuple(one for one in differences_of(values) if (one.locale, one.split) != (locale, split))
        decision = decide(replace(_whole(values), differences=kept), RULES)
        assert failed(decision) == [name]


def _on_judgements(value: float, low: float, queries: int, champion: bool) -> Decision:
    """Two figures on human judgements, of which the rules ask for one, with a floor of 0.5."""
    values = figures_of("unified_aware", 0.6) | (figures_of("champion", 0.5) if champion else {})
    figures = (JudgedFigure("ndcg", 0.1, 0.0, 0.2, queries), JudgedFigure("micro_recall", value, low, 1.0, queries))
    evidence = evidence_of(values, trained("unified_aware"), CHAMPION if champion else None)
    facts = (replace(known_of("unified_aware"), judged=figures),)
    return decide(replace(evidence, variants=facts), replace(RULES, judgements_floor=0.5))


@pytest.mark.parametrize("champion", [False, True])
@pytest.mark.parametrize(("value", "low", "names"), [(0.7, 0.5, []), (0.7, 0.499, ["judgements"])])
def test_human_judgements_decide_by_the_lower_end_of_their_interval(
    value: float, low: float, names: list[str], champion: bool
) -> None:
    decision = _on_judgements(value, low, 40, champion)
    assert failed(decision) == names
    assert rule(decision, "judgements").figures["queries"] == 40


@pytest.mark.parametrize("champion", [False, True])
def test_human_judgements_are_asked_only_where_they_have_a_floor(champion: bool) -> None:
    assert "judgements" not in [result.name for result in judged({}, champion).rules]
    missing = judged({}, champion, replace(RULES, judgements_floor=0.5))
    assert failed(missing) == ["judgements"]
    assert "name their file in evaluate.judgements" in rule(missing, "judgements").sentence


def test_one_judged_query_cannot_decide_and_the_rule_says_what_to_do() -> None:
    sentence = rule(_on_judgements(1.0, 0.025, 1, champion=True), "judgements").sentence
    assert sentence == (
        "Micro recall on human judgements is 1.000 (0.025 to 1.000) in 1 query, needed 0.500 or more at its lower end. "
        "So few queries leave it open: judge more of them."
    )
    assert "judge more" not in rule(_on_judgements(0.4, 0.3, 90, champion=True), "judgements").sentence


def test_a_figure_given_twice_is_refused() -> None:
    values = figures_of("unified_aware", 0.6) | figures_of("champion", 0.5)
    whole = _whole(values)
    for twice in (
        {"rows": (*whole.rows, whole.rows[0])},
        {"differences": (*whole.differences, whole.differences[0])},
        {"models": whole.models * 2},
        {"variants": whole.variants * 2},
    ):
        with pytest.raises(SummaryError, match="twice"):
            decide(replace(whole, **twice), RULES)


@settings(deadline=None, max_examples=100)
@given(st.data(), st.booleans())
def test_the_order_of_rows_does_not_matter(data: st.DataObject, champion: bool) -> None:
    values = figures_of("unified_aware", 0.6) | figures_of("unified_agnostic", 0.6) | figures_of("champion", 0.61)
    models, who = trained("unified_aware", "unified_agnostic"), CHAMPION if champion else None
    whole = replace(evidence_of(values, models, who), differences=differences_of(values, 0.01))
    rows: tuple[Any, ...] = tuple(data.draw(st.permutations(whole.rows)))
    differences: tuple[Any, ...] = tuple(data.draw(st.permutations(whole.differences)))
    mixed = replace(whole, rows=rows, differences=differences, models=models[::-1], variants=whole.variants[::-1])
    assert decide(mixed, RULES) == decide(whole, RULES)


@settings(deadline=None, max_examples=200)
@given(st.data(), st.booleans())
def test_a_worse_or_missing_figure_never_turns_a_refusal_into_a_promotion(data: st.DataObject, champion: bool) -> None:
    shares = st.sampled_from([0.0, 0.1, 0.25, 0.3, 0.45, 0.5, 0.52, 0.8])
    keys = sorted(figures_of("unified_aware", 0))
    before: Values = {key: data.draw(shares) for key in keys}
    key = data.draw(st.sampled_from(keys))
    after = before | {key: data.draw(st.one_of(st.none(), shares.filter(lambda value: value <= (before[key] or 0))))}
    if judged(after, champion).promote and key[1] not in ("fr-FR",):
        assert judged(before, champion).promote
