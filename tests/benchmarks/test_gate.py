"""The simulated gate is the real one, its noise is what it claims, and its page says what was found."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
from decisions import CHAMPION, RULES, TONIGHT, champion_of, evidence_of, figures_of, trained

from benchmarks.gate.page import Asked, page
from benchmarks.gate.policy import HALF_INTERVAL, GatePolicy, Seen, every_night, higher_is_better, look, store_errors
from benchmarks.gate.world import FORWARD_FACTOR, World, age_one_day, train
from benchmarks.gate.years import NIGHTS, simulate
from q2pt_tasks.registry.decision import decide
from q2pt_tasks.registry.evidence import Difference

WORLD = World("a shop", (6000, 800, 60), 0.0005)
POLICY = GatePolicy(0.01, 0.005, 30, 3, 0.05, 0.02, 100)


def _difference(locale: str, split: str, value: float, error: float) -> Difference:
    room = HALF_INTERVAL * error
    return Difference(
        "unified_aware", split, locale, "micro_recall", 0.5 + value, 0.5, 100, value, value - room, value + room, error
    )


def _really_promoted(difference: np.ndarray, forward: float, age: int) -> bool:
    """What the gate says of one year of `Seen`; the rules are those of `POLICY`."""
    names, errors = ("de-DE", "fr-FR", "sv-SE"), store_errors(WORLD)
    total = float(np.sqrt(np.sum((WORLD.shares * errors) ** 2)))
    differences = [
        _difference("all", "test", float(difference @ WORLD.shares), total),
        _difference("all", "forward", forward, total * float(np.sqrt(FORWARD_FACTOR))),
        *(
            _difference(*one)
            for one in zip(names, ["test"] * 3, map(float, difference), map(float, errors), strict=True)
        ),
    ]
    values = figures_of("unified_aware", 0.6) | figures_of("champion", 0.5)
    whole = evidence_of(values, trained("unified_aware"), CHAMPION)
    counts = {"all": 6860, **dict(zip(names, WORLD.positives, strict=True))}
    rows = tuple(replace(row, n=counts[row.locale]) for row in whole.rows)
    evidence = replace(whole, rows=rows, differences=tuple(differences), facts=champion_of(age))
    return decide(evidence, RULES).promote


def test_many_years_at_once_are_judged_as_the_gate_judges_one() -> None:
    random = np.random.default_rng(1)
    seen = Seen(
        random.normal(0.008, 0.02, (400, 3)), random.normal(0.0, 0.02, 400), random.integers(0, 60, 400, dtype=np.int64)
    )
    expected = [_really_promoted(*one) for one in zip(seen.difference, seen.forward, map(int, seen.age), strict=True)]
    assert POLICY(WORLD, seen).tolist() == expected
    assert 20 < sum(expected) < 380


def test_days_are_those_of_the_gate() -> None:
    assert champion_of(12).last_day == TONIGHT - timedelta(days=12)
    good = np.full((3, 3), 0.1)
    seen = Seen(good, np.full(3, 0.1), np.array([0, 2, 3]))
    assert POLICY(WORLD, seen).tolist() == [False, False, True]


def test_a_models_luck_keeps_its_spread_however_long_it_serves() -> None:
    random = np.random.default_rng(2)
    models = train(WORLD, 4000, 0, random)
    for _ in range(60):
        models = age_one_day(WORLD, models, random)
    np.testing.assert_allclose(models.luck.std(axis=0), WORLD.sampling_noise, rtol=0.05)


def test_over_all_stores_trainings_differ_by_the_training_noise() -> None:
    calm = replace(WORLD, bad_chance=0.0, bad_store_chance=0.0)
    models = train(calm, 4000, 0, np.random.default_rng(4))
    np.testing.assert_allclose((models.quality @ calm.shares).std(), calm.training_noise, rtol=0.05)


def test_differences_have_the_error_that_the_gate_is_told() -> None:
    random = np.random.default_rng(3)
    candidates, champions = (train(WORLD, 4000, 0, random) for _ in range(2))
    shown = look(WORLD, candidates, champions).difference - (candidates.quality - champions.quality)
    np.testing.assert_allclose(shown.std(axis=0), store_errors(WORLD), rtol=0.05)


def test_a_shop_that_does_not_move_and_has_no_noise_regrets_nothing() -> None:
    still = replace(
        WORLD,
        daily_loss=0.0,
        jump_chance=0.0,
        training_noise=0.0,
        store_noise=0.0,
        bad_chance=0.0,
        bad_store_chance=0.0,
    )
    outcome = simulate(still, every_night, 5, seed=1)
    assert (outcome.promotions, outcome.wrong, outcome.regret, outcome.oldest) == (NIGHTS, 0.0, 0.0, 0.0)


def test_the_gate_is_less_often_wrong_than_the_naive_rule_and_renews_the_champion() -> None:
    gate, naive = (simulate(WORLD, policy, 60, seed=1) for policy in (POLICY, higher_is_better))
    assert gate.promotions < naive.promotions
    assert gate.flip_flops < naive.flip_flops
    alone = simulate(WORLD, replace(POLICY, max_age_days=10**9), 60, seed=1)
    assert gate.age < alone.age


def test_the_page_shows_every_shop_and_rule() -> None:
    found = {
        name: simulate(WORLD, policy, 3, seed=1)
        for name, policy in (
            ("the defaults", POLICY),
            ("higher is better", higher_is_better),
            ("superiority alone", replace(POLICY, max_age_days=10**9)),
        )
    }
    text = page(Asked("the command", 3, 1, 0.5, POLICY), [WORLD], {WORLD.name: found})
    assert "the command" in text
    assert f"| higher is better | {found['higher is better'].promotions:.1f} |" in text
