"""Simulates years of nights and writes `docs/results/gate.md`: `python -m benchmarks.gate [--years N] [--seed N]`."""

import argparse
import sys
import time
from dataclasses import replace
from pathlib import Path

from benchmarks.gate.page import DEFAULT, NAIVE, SUPERIOR_ALONE, Asked, page
from benchmarks.gate.policy import GatePolicy, Policy, every_night, higher_is_better
from benchmarks.gate.world import World
from benchmarks.gate.years import simulate
from q2pt_tasks.params import read_section
from q2pt_tasks.stages.gate import GateParams

RESULT = Path("docs/results/gate.md")
_STORES = (6000, 3000, 1500, 800, 400, 200, 100, 50)
WORLDS = (
    World("a calm shop", _STORES, 0.0001),
    World("a usual shop", _STORES, 0.0005),
    World("a fast shop", _STORES, 0.002),
    World("a small usual shop", tuple(count // 10 for count in _STORES), 0.0005),
)
NEVER_OLD = 10**9


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--years", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    params = read_section(Path("params.yaml"), "gate", GateParams)
    started = time.monotonic()
    found = {
        world.name: {
            name: simulate(world, policy, options.years, options.seed) for name, policy in policies(params).items()
        }
        for world in WORLDS
    }
    command = f"python -m benchmarks.gate --years {options.years} --seed {options.seed}"
    asked = Asked(command, options.years, options.seed, time.monotonic() - started, default_policy(params))
    RESULT.write_text(page(asked, WORLDS, found), encoding="utf-8")
    sys.stdout.write(f"{RESULT}\n")


def default_policy(params: GateParams) -> GatePolicy:
    """The gate as `params.yaml` has it."""
    return GatePolicy(
        margin=params.margin,
        tolerance=params.tolerance,
        max_age_days=params.max_age_days,
        min_days_between_promotions=params.min_days_between_promotions,
        locale_tolerance=params.locale_tolerance,
        forward_tolerance=params.forward_tolerance,
        min_locale_support=params.min_locale_support,
    )


def policies(params: GateParams) -> dict[str, Policy]:
    """The gate, simpler rules, and the gate with one default changed."""
    gate = default_policy(params)
    return {
        DEFAULT: gate,
        NAIVE: higher_is_better,
        "every night's model": every_night,
        SUPERIOR_ALONE: replace(gate, max_age_days=NEVER_OLD),
        "margin 0.005": replace(gate, margin=0.005),
        "margin 0.032": replace(gate, margin=0.032),
        "tolerance 0.010": replace(gate, tolerance=0.01),
        "tolerance 0.020": replace(gate, tolerance=0.02),
        "max_age_days 14": replace(gate, max_age_days=14),
        "max_age_days 56": replace(gate, max_age_days=56),
        "min_days_between_promotions 1": replace(gate, min_days_between_promotions=1),
        "min_days_between_promotions 7": replace(gate, min_days_between_promotions=7),
    }


if __name__ == "__main__":
    main()
