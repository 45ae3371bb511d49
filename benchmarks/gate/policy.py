"""Who is promoted: the gate's rules about quality and time, for many years at once, and simpler ones to compare with.

The rules are those of `q2pt_tasks/registry`; tests/benchmarks/test_gate.py holds both against each other.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from benchmarks.gate.world import FORWARD_FACTOR, Floats, Models, World
from q2pt_tasks.registry.stores import ALPHA

# Half a 95 % interval in standard errors.
HALF_INTERVAL = 1.96
Bools = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Seen:
    """What a night shows of candidates and champions.

    Attributes:
        difference: (Y, S) on test, candidate less champion.
        forward: (Y,) the same on the forward days, over all stores.
        age: (Y,) days from the champion's last day to the candidate's.
    """

    difference: Floats
    forward: Floats
    age: NDArray[np.int64]


Policy = Callable[[World, Seen], Bools]


def look(world: World, candidates: Models, champions: Models) -> Seen:
    """What the test set and the forward days show."""
    true = candidates.quality - champions.quality
    forward = true + candidates.forward_luck - champions.forward_luck
    return Seen(true + candidates.luck - champions.luck, forward @ world.shares, candidates.born - champions.born)


@dataclass(frozen=True)
class GatePolicy:
    """The gate's rules; see `Rules` in `q2pt_tasks/registry/case.py`."""

    margin: float
    tolerance: float
    max_age_days: float
    min_days_between_promotions: int
    locale_tolerance: float
    forward_tolerance: float
    min_locale_support: int

    def __call__(self, world: World, seen: Seen) -> Bools:
        """Which years promote tonight's candidate."""
        room = HALF_INTERVAL * total_error(world)
        low = seen.difference @ world.shares - room
        forward_low = seen.forward - np.sqrt(FORWARD_FACTOR) * room
        is_better = (low >= self.margin) | ((low >= -self.tolerance) & (seen.age >= self.max_age_days))
        is_in_time = seen.age >= self.min_days_between_promotions
        passed = is_better & is_in_time & (forward_low >= -self.forward_tolerance) & ~self._is_store_worse(world, seen)
        return np.asarray(passed)

    def _is_store_worse(self, world: World, seen: Seen) -> Bools:
        """Holm's first step: whether any judged store is shown to be worse than tolerated."""
        judged = np.asarray(world.positives) >= self.min_locale_support
        distance = (seen.difference + self.locale_tolerance)[:, judged] / store_errors(world)[judged]
        return np.asarray(norm.cdf(distance).min(axis=1) * judged.sum() <= ALPHA)


def higher_is_better(world: World, seen: Seen) -> Bools:
    """Naive: the figure over all stores is higher than the champion's."""
    return np.asarray(seen.difference @ world.shares > 0)


def every_night(_: World, seen: Seen) -> Bools:
    """Tonight's model, whatever it is."""
    return np.ones(len(seen.age), dtype=np.bool_)


def store_errors(world: World) -> Floats:
    """(S,) standard errors of a difference on test, as a bootstrap over the queries finds them."""
    return np.asarray(np.sqrt(2) * world.sampling_noise)


def total_error(world: World) -> float:
    return float(np.sqrt(np.sum((world.shares * store_errors(world)) ** 2)))
