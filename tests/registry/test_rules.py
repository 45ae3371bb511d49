"""Beside the figures: what is compared, when, and what must not be lost; one fact is moved, one rule must notice."""

from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from decisions import (
    CHAMPION,
    RULES,
    TONIGHT,
    at,
    champion_of,
    evidence_of,
    failed,
    figures_of,
    known_of,
    rule,
    trained,
)

from q2pt_tasks.registry.case import Rules
from q2pt_tasks.registry.decision import Decision, decide
from q2pt_tasks.registry.evidence import (
    ChampionFacts,
    Evidence,
    GoneTypes,
    LocaleDrift,
    Parity,
    SummaryError,
    TypeSupport,
)

SAME = figures_of("unified_aware", 0.5) | figures_of("champion", 0.5)
BETTER = figures_of("unified_aware", 0.6) | figures_of("champion", 0.5)


def whole(values: Any = BETTER, **facts: Any) -> Evidence:  # noqa: ANN401 - of any field
    evidence = evidence_of(values, trained("unified_aware"), CHAMPION)
    return replace(evidence, variants=(replace(known_of("unified_aware"), **facts),))


def against(evidence: Evidence, champion: ChampionFacts, rules: Rules = RULES) -> Decision:
    return decide(replace(evidence, facts=champion), rules)


@pytest.mark.parametrize(
    ("recall", "age", "names"),
    [
        (0.495, 30, []),
        (0.494, 30, ["better"]),
        (0.495, 29, ["better"]),
        (0.5, None, []),
        (0.51, 3, []),
        (0.51, 2, ["spacing"]),
        (0.51, 0, ["spacing"]),
    ],
)
def test_not_inferior_is_enough_where_the_champion_is_old(recall: float, age: int | None, names: list[str]) -> None:
    values = SAME | at("all", "test", recall)
    assert failed(against(whole(values), champion_of(age))) == names


@pytest.mark.parametrize(
    ("facts", "names", "words"),
    [
        ({"added_types": (TypeSupport("SCOOTER", 20),)}, [], "the champion does not know SCOOTER"),
        ({"added_types": (TypeSupport("SCOOTER", 19),)}, ["better"], "neither old nor lacks"),
        ({"added_locales": ("fr-FR",)}, [], "the champion does not serve fr-FR"),
        ({}, ["better"], "not inferior, the champion is neither old nor lacks product types or locales"),
    ],
)
def test_not_inferior_is_enough_where_the_champion_lacks_something(facts: Any, names: list[str], words: str) -> None:  # noqa: ANN401
    decision = decide(whole(SAME, **facts), RULES)
    assert failed(decision) == names
    assert words in rule(decision, "better").sentence


@pytest.mark.parametrize(
    ("facts", "names"),
    [
        ({"lost_types": (TypeSupport("LAMP", 20),)}, ["types"]),
        ({"lost_types": (TypeSupport("LAMP", 19),)}, []),
        ({"lost_types": (TypeSupport("TYPEWRITER", 500),)}, []),
        ({"lost_locales": ("nl-NL",)}, ["types"]),
        ({"identical": True}, ["different"]),
        ({"bytes": 100_000_001}, ["size"]),
        ({"expected_error": 0.05}, []),
        ({"expected_error": 0.0501}, ["calibration"]),
        ({"expected_error": None}, ["calibration"]),
    ],
)
def test_a_fact_of_the_candidate_fails_its_rule(facts: Any, names: list[str]) -> None:  # noqa: ANN401 - of any field
    assert failed(decide(whole(**facts), RULES)) == names


def test_added_and_lost_types_are_named() -> None:
    facts = {
        "added_types": (TypeSupport("SCOOTER", 3),),
        "lost_types": (TypeSupport("LAMP", 40), TypeSupport("SOFA", 0)),
    }
    sentence = rule(decide(whole(**facts), RULES), "types").sentence
    assert "The new model does not know LAMP (40 positives): name those that may go in gate.retired_types" in sentence
    assert "Product types: 1 (SCOOTER) new, 2 (LAMP, SOFA) gone." in sentence


@pytest.mark.chaos("types-renamed")
@pytest.mark.parametrize(("gone", "names"), [(50, []), (51, ["types"])])
def test_product_types_that_nobody_means_any_more_are_a_persons_decision(gone: int, names: list[str]) -> None:
    # One that may go does not count.
    types = (TypeSupport("SOFA", 1), TypeSupport("LAMP", gone - 1), TypeSupport("TYPEWRITER", 500))
    evidence = whole()
    assert evidence.facts is not None
    facts = replace(evidence.facts, gone=GoneTypes(types, 1000))
    decision = decide(replace(evidence, facts=facts), RULES)
    assert failed(decision) == names
    if names:
        sentence = rule(decision, "types").sentence
        assert sentence.startswith("5.1% of the champion's labels, tolerated to 5.0%, are of product types that nobody")
        assert "means tonight (LAMP, SOFA): find out" in sentence
        assert "gate.retired_types" in sentence


def test_a_champion_that_cannot_be_compared_needs_a_person_who_names_it() -> None:
    values = figures_of("unified_aware", 0.6)
    evidence = replace(whole(values), differences=())
    strange = champion_of(10, incomparable=("it was trained on another split",), expected_error=None, shipped=None)
    refused = against(evidence, strange)
    assert failed(refused) == ["comparable"]
    assert "set gate.replace_incomparable to v7" in refused.sentence
    for named, promote in (("v7", True), ("v6", False)):
        decision = against(evidence, strange, replace(RULES, replace_incomparable=named))
        assert decision.promote is promote
    allowed = replace(RULES, replace_incomparable="v7")
    assert "cannot be compared" in against(evidence, strange, allowed).sentence
    weak = replace(evidence, rows=tuple(replace(row, value=0.2) for row in evidence.rows))
    assert "better" in failed(against(weak, strange, allowed)), "the floors of a first model hold"
    # Its age is known all the same.
    for age, name in ((-1, "newer"), (400, "stale")):
        assert not rule(against(evidence, replace(strange, last_day=champion_of(age).last_day), allowed), name).passed
    assert rule(against(evidence, strange, allowed), "newer").passed


def test_a_locale_that_the_champion_lacks_reaches_the_floor_and_is_not_compared() -> None:
    for recall, names in ((0.1, []), (0.099, ["new_locales"])):
        values = BETTER | at("sv-SE", "test", recall) | at("sv-SE", "test", 0.0, who="champion")
        evidence = whole(values, added_locales=("sv-SE",))
        assert failed(decide(evidence, RULES)) == names
        assert rule(decide(evidence, RULES), "locales").figures["judged"] == 1


ROUTED = replace(RULES, per_locale_routing="on")


def test_a_locale_that_got_worse_stays_with_the_champion_where_that_is_wanted() -> None:
    evidence = whole(BETTER | at("sv-SE", "test", 0.3))
    refused, routed = decide(evidence, RULES), decide(evidence, ROUTED)
    assert (failed(refused), refused.kept_locales) == (["locales"], ())
    assert (failed(routed), routed.kept_locales) == ([], ("sv-SE",))
    assert "sv-SE stays with the champion." in routed.sentence


def test_a_release_that_keeps_every_locale_is_none() -> None:
    worse = BETTER | at("sv-SE", "test", 0.3) | at("de-DE", "test", 0.3)
    decision = decide(whole(worse), ROUTED)
    assert (failed(decision), decision.kept_locales) == (["locales"], ())


def test_nothing_is_routed_where_nothing_is_promoted() -> None:
    decision = decide(whole(BETTER | at("sv-SE", "test", 0.3), identical=True), ROUTED)
    assert (failed(decision), decision.kept_locales) == (["different"], ())


def test_warnings_are_told_and_do_not_refuse() -> None:
    grown = Parity("de-DE", "sv-SE", 0.3, 0.2, 0.051, 0.3)
    evidence = replace(whole(parity=grown), drift=(LocaleDrift("de-DE", 0.2, None), LocaleDrift("sv-SE", 0.01, 0.02)))
    decision = decide(evidence, RULES)
    assert decision.promote
    assert [result.name for result in decision.rules if result.warns] == ["parity", "drift"]
    assert "Warnings: Between de-DE and sv-SE lie 0.300 of recall" in decision.sentence
    assert "de-DE moved by more than 0.100" in decision.sentence
    assert failed(decide(evidence, replace(RULES, warn_only=()))) == ["parity", "drift"]


def test_latency_is_asked_where_it_has_a_budget_and_must_then_be_known() -> None:
    rules = replace(RULES, max_milliseconds=5.0)
    assert not [result for result in decide(whole(), RULES).rules if result.name == "latency"]
    for milliseconds, passed in ((5.0, True), (5.1, False), (None, False)):
        decision = decide(whole(milliseconds=milliseconds), rules)
        assert (rule(decision, "latency").passed, decision.promote) == (passed, passed)
    assert "set evaluate.timed_queries" in rule(decide(whole(), rules), "latency").sentence
    warned = decide(whole(milliseconds=5.1), replace(rules, warn_only=("latency",)))
    assert warned.promote
    assert "One query alone takes 5.1 ms of 5.0 ms" in warned.sentence
    first = replace(whole(), champion=None, facts=None, differences=())
    assert failed(decide(first, rules)) == ["latency"]


@pytest.mark.chaos("log-stopped")
def test_a_champion_that_no_night_replaced_for_long_is_told_and_never_refuses() -> None:
    overdue, fresh = (against(whole(), champion_of(age)) for age in (60, 59))
    assert rule(overdue, "stale").warns
    assert overdue.promote
    assert rule(fresh, "stale").passed


@pytest.mark.chaos("clock-moved-back")
@pytest.mark.parametrize(("age", "passed"), [(-1, False), (0, True), (1, True), (None, True)])
def test_older_data_than_the_champions_is_noticed(age: int | None, passed: bool) -> None:
    decision = against(whole(), champion_of(age), replace(RULES, min_days_between_promotions=0))
    assert rule(decision, "newer").passed is passed
    assert f"learned up to {TONIGHT}" in rule(decision, "newer").sentence or age is None


@pytest.mark.chaos("clock-moved-back")
def test_dates_and_not_the_clock_say_how_old_the_champion_is() -> None:
    evidence = replace(whole(SAME), last_day=date(1999, 1, 31))
    old = replace(champion_of(0), last_day=date(1999, 1, 1))
    assert against(evidence, old).promote


def test_evidence_of_two_evaluations_is_refused() -> None:
    with pytest.raises(SummaryError, match="of two evaluations"):
        decide(replace(whole(), facts=None), RULES)
    with pytest.raises(SummaryError, match="says nothing of unified_aware"):
        decide(replace(whole(), variants=()), RULES)
