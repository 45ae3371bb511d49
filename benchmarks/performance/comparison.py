"""Ratios and differences of figures that were measured in turn, and whether they are what they should be (pure)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean, median, stdev
from typing import Literal

# Of the difference of two means of three runs each: by chance 95 % of all differences are smaller (Student's t with 4
# degrees of freedom).
_T_OF_THREE_AND_THREE = 2.776


@dataclass(frozen=True)
class Unit:
    """How a figure is shown: `factor` times, with so many `decimals`."""

    name: str
    factor: float = 1.0
    decimals: int = 0

    def show(self, value: float) -> str:
        return f"{value * self.factor:,.{self.decimals}f} {self.name}".strip()


@dataclass(frozen=True)
class Limit:
    """What a ratio should be."""

    words: Literal["at least", "at most"]
    value: float

    def is_met_by(self, ratio: float) -> bool:
        return ratio >= self.value if self.words == "at least" else ratio <= self.value

    def __str__(self) -> str:
        return f"{self.words} {self.value:.3g}"


@dataclass(frozen=True)
class Ratio:
    """One figure of two contestants, run by run."""

    ours: Sequence[float]
    peers: Sequence[float]
    unit: Unit
    limit: Limit

    @property
    def ratios(self) -> list[float]:
        """Each of two neighbouring runs."""
        return [ours / peer for ours, peer in zip(self.ours, self.peers, strict=True)]

    @property
    def is_met(self) -> bool:
        return self.limit.is_met_by(median(self.ratios))

    def cells(self) -> list[str]:
        """Ours, the peer's, the ratio with its spread, what it should be, whether it is."""
        ratios = self.ratios
        spread = f"{median(ratios):.3g} [{min(ratios):.3g} .. {max(ratios):.3g}]"
        shown = (self.unit.show(median(values)) for values in (self.ours, self.peers))
        return [*shown, spread, str(self.limit), yes_or_no(self.is_met)]


@dataclass(frozen=True)
class Difference:
    """A share of two contestants, run by run.

    Attributes:
        tolerance: how far the means may lie apart; None: as far as the noise of the runs explains.
    """

    ours: Sequence[float]
    peers: Sequence[float]
    tolerance: float | None

    @property
    def differences(self) -> list[float]:
        return [ours - peer for ours, peer in zip(self.ours, self.peers, strict=True)]

    @property
    def limit(self) -> float:
        return noise(self.ours, self.peers) if self.tolerance is None else self.tolerance

    @property
    def is_met(self) -> bool:
        return abs(mean(self.differences)) <= self.limit

    def cells(self) -> list[str]:
        """Ours, the peer's, the difference with its spread, what it may be, whether it is."""
        found = self.differences
        spread = f"{mean(found):+.4f} [{min(found):+.4f} .. {max(found):+.4f}]"
        kind = "seed noise, " if self.tolerance is None else ""
        shown = (f"{mean(values):.4f}" for values in (self.ours, self.peers))
        return [*shown, spread, f"within {kind}{self.limit:.4f}", yes_or_no(self.is_met)]


Comparison = Ratio | Difference


def noise(ours: Sequence[float], peers: Sequence[float]) -> float:
    """How far the means of two lots of runs may lie apart by chance: half of a 95 % interval, for three runs each."""
    if len(ours) < 2 or len(peers) < 2:
        return math.nan
    return _T_OF_THREE_AND_THREE * math.sqrt(stdev(ours) ** 2 / len(ours) + stdev(peers) ** 2 / len(peers))


def yes_or_no(is_met: bool) -> str:
    return "yes" if is_met else "no"
