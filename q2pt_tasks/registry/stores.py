"""Many stores compared with the champion at once, so that the chance of one false alarm does not grow with them."""

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import NormalDist

from q2pt_tasks.metrics.holm import holm
from q2pt_tasks.registry.evidence import Difference

# The chance that at least one store is called worse where none is.
ALPHA = 0.05
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Comparison:
    """Which stores are shown to be worse than the champion by more than a tolerance, which are shown not to be.

    The rest are too small to tell. `p_values`: corrected, of being worse; `lowest`: the smallest difference.
    """

    worse: list[str]
    not_worse: list[str]
    p_values: Mapping[str, float]
    lowest: Difference


def compare_stores(differences: Mapping[str, Difference], tolerance: float) -> Comparison:
    """Tests each store's difference from the champion against `-tolerance`, with Holm's correction over the stores.

    The resampled differences of a store are close to normal, so its standard error says how likely a difference this
    low or high would be if the true one were `-tolerance`; counting resamples could not tell chances below 1 in
    their number, which 20 corrected stores need.
    """
    below = {where: _chance_below(one, tolerance) for where, one in differences.items()}
    worse = dict(zip(below, holm(list(below.values())), strict=True))
    not_worse = dict(zip(below, holm([1 - chance for chance in below.values()]), strict=True))
    return Comparison(
        [where for where, p_value in worse.items() if p_value <= ALPHA],
        [where for where, p_value in not_worse.items() if p_value <= ALPHA],
        worse,
        min(differences.values(), key=lambda one: (one.value, one.locale)),
    )


def _chance_below(difference: Difference, tolerance: float) -> float:
    """How likely so low a difference is if the true one is `-tolerance`."""
    distance = difference.value + tolerance
    if difference.standard_error == 0:
        # Every resample says the same.
        return 1.0 if distance >= -_ROUNDING else 0.0
    return NormalDist().cdf(distance / difference.standard_error)
