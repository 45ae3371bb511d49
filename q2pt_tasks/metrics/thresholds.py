"""The scores from which on a type is predicted, chosen on validation for a precision."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from q2pt_tasks.metrics.curves import Wanted, count_curves
from q2pt_tasks.metrics.positives import find_positives
from q2pt_tasks.metrics.recall_at_precision import Curve
from q2pt_tasks.metrics.scored import Scored, Scores

# The operating point of the paper's headline metric: recall at precision 0.8 (arXiv 2410.07121).
PRECISION = 0.8


class ThresholdsError(ValueError):
    """Stored thresholds cannot be read."""


@dataclass(frozen=True)
class Thresholds:
    """A pair is predicted where its score is at or above its type's threshold, else its locale's, else the overall.

    +inf means never: the precision could not be reached on validation.
    """

    by_type: dict[str, float]
    by_locale: dict[str, float]
    overall: float

    def for_locale(self, locale: str, types: tuple[str, ...]) -> Scores:
        """The threshold of each of `types` in a locale, (T,) float32."""
        otherwise = self.by_locale.get(locale, self.overall)
        return np.array([self.by_type.get(name, otherwise) for name in types], dtype=np.float32)

    def to_dict(self) -> dict[str, object]:
        """For JSON, which has no infinity: null stands for it."""
        return {
            "by_type": {name: _to_json(value) for name, value in self.by_type.items()},
            "by_locale": {name: _to_json(value) for name, value in self.by_locale.items()},
            "overall": _to_json(self.overall),
        }

    @classmethod
    def from_dict(cls, stored: Mapping[str, object]) -> "Thresholds":
        """The thresholds that `to_dict` gave.

        Raises:
            ThresholdsError: a key is missing or unknown, or a threshold is neither a number nor null.
        """
        if set(stored) != {"by_type", "by_locale", "overall"}:
            raise ThresholdsError(f"thresholds have by_type, by_locale and overall; found {sorted(stored)}")
        return cls(
            _mapping("by_type", stored["by_type"]),
            _mapping("by_locale", stored["by_locale"]),
            _from_json("overall", stored["overall"]),
        )


def choose_thresholds(validation: Iterable[Scored], precision: float, min_positives: int = 20) -> Thresholds:
    """The thresholds of the highest recall on `validation` at a precision of at least `precision`.

    - A type with `min_positives` positives or more has its own threshold, pooled over the locales: in one locale most
      types have a handful. Where it cannot reach the precision at any threshold, it is never predicted (+inf): its
      own positives say more than the other types' do.
    - Every other type takes the threshold of its locale, where the locale has `min_positives` positives or more. It is
      chosen on all pairs of the locale, not on the rare types' pairs alone, which would leave few positives to
      choose on just where they are fewest.
    - Else the threshold over all pairs.

    `weights` count as in every metric. All thresholds are scores that occur, so float32 holds them exactly. The blocks
    are asked for twice, and must be the same both times.
    """
    if min_positives < 1:
        raise ValueError(f"min_positives is 1 or more, found {min_positives}")
    positives = find_positives(validation)
    types, locales = positives.types, positives.locales
    wanted = Wanted(
        types=np.bincount(positives.type, minlength=len(types)) >= min_positives,
        locales=np.bincount(positives.locale, minlength=len(locales)) >= min_positives,
        cells=np.zeros((len(locales), len(types)), dtype=np.bool_),
    )
    curves = count_curves(positives, validation, wanted)
    return Thresholds(
        {types[index]: _threshold(curves.types[int(index)], precision) for index in np.flatnonzero(wanted.types)},
        {locales[index]: _threshold(curves.locales[int(index)], precision) for index in np.flatnonzero(wanted.locales)},
        _threshold(curves.overall, precision),
    )


def _threshold(curve: Curve, precision: float) -> float:
    return curve.operating_point(precision).threshold


def _to_json(threshold: float) -> float | None:
    return None if math.isinf(threshold) else threshold


def _from_json(name: str, threshold: object) -> float:
    if threshold is None:
        return math.inf
    if isinstance(threshold, bool) or not isinstance(threshold, int | float) or not math.isfinite(threshold):
        raise ThresholdsError(f"the threshold {name} is {threshold!r}; expected a number, or null for never")
    return float(threshold)


def _mapping(name: str, stored: object) -> dict[str, float]:
    if not isinstance(stored, Mapping):
        raise ThresholdsError(f"{name} is {type(stored).__name__}; expected names with a threshold each")
    return {str(key): _from_json(f"{name}.{key}", value) for key, value in stored.items()}
