"""Years of nights under one policy: how often it promotes, how often it is wrong, how old its champion gets."""

from dataclasses import dataclass

import numpy as np

from benchmarks.gate.policy import Policy, look
from benchmarks.gate.world import World, age_one_day, train

NIGHTS = 365
# A promotion so soon after another, in days, is a flip-flop.
SOON = 7
# Recall over all stores, and of one store, from which on a promotion of a worse model does harm.
HARM = 0.01
STORE_HARM = 0.05


@dataclass(frozen=True)
class Outcome:
    """Means over the years.

    Attributes:
        promotions: a year.
        flip_flops: promotions a year that follow another within `SOON` days.
        wrong: share of the promotions whose model is truly worse than the champion was, over all stores.
        harmful: promotions a year of a model truly worse by more than `HARM` over all, or `STORE_HARM` in a store.
        age: days of the champion, mean over nights.
        oldest: days, mean over years of the oldest champion of a year.
        regret: recall that shoppers miss against a fresh model without noise every night, mean over nights.
        store_regret: the same in the store where it is largest.
    """

    promotions: float
    flip_flops: float
    wrong: float
    harmful: float
    age: float
    oldest: float
    regret: float
    store_regret: float


def simulate(world: World, policy: Policy, years: int, seed: int) -> Outcome:
    """`years` years side by side, each of `NIGHTS` nights, that begin with a champion of tonight."""
    random = np.random.default_rng(seed)
    champions = train(world, years, 0, random)
    last = np.full(years, -NIGHTS)
    counts = dict.fromkeys(("promotions", "flip_flops", "wrong", "harmful"), 0)
    sums = dict.fromkeys(("age", "regret", "store_regret"), 0.0)
    oldest = np.zeros(years, dtype=np.int64)
    for day in range(1, NIGHTS + 1):
        champions = age_one_day(world, champions, random)
        candidates = train(world, years, day, random)
        promoted = policy(world, look(world, candidates, champions))
        true = candidates.quality - champions.quality
        is_harmful = (true @ world.shares < -HARM) | (true.min(axis=1) < -STORE_HARM)
        counts["promotions"] += int(promoted.sum())
        counts["flip_flops"] += int((promoted & (day - last <= SOON)).sum())
        counts["wrong"] += int((promoted & (true @ world.shares < 0)).sum())
        counts["harmful"] += int((promoted & is_harmful).sum())
        last = np.where(promoted, day, last)
        champions = champions.where(promoted, candidates)
        age = day - champions.born
        oldest = np.maximum(oldest, age)
        sums["age"] += float(age.mean())
        sums["regret"] -= float((champions.quality @ world.shares).mean())
        sums["store_regret"] -= float(champions.quality.min(axis=1).mean())
    return Outcome(
        promotions=counts["promotions"] / years,
        flip_flops=counts["flip_flops"] / years,
        wrong=counts["wrong"] / max(counts["promotions"], 1),
        harmful=counts["harmful"] / years,
        age=sums["age"] / NIGHTS,
        oldest=float(oldest.mean()),
        regret=sums["regret"] / NIGHTS,
        store_regret=sums["store_regret"] / NIGHTS,
    )
