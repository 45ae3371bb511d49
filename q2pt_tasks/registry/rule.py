"""What one rule says: its verdict, in figures and in a sentence for the team that runs the search."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

# Bars are sums such as 0.2 + 0.1, which is a little above 0.3.
ROUNDING = 1e-9

Figures = Mapping[str, float | str | None]


@dataclass(frozen=True)
class RuleResult:
    """One rule's verdict; one that only warns does not refuse a candidate."""

    name: str
    passed: bool
    sentence: str
    figures: Figures
    severity: Literal["block", "warning"] = "block"

    @property
    def refuses(self) -> bool:
        return not self.passed and self.severity == "block"

    @property
    def warns(self) -> bool:
        return not self.passed and self.severity == "warning"


def reaches(value: float, bar: float) -> bool:
    return value >= bar - ROUNDING


def stores(failed: list[str]) -> str:
    if not failed:
        return "No store is"
    return f"{', '.join(failed)} {'is' if len(failed) == 1 else 'are'}"


def listed(names: Iterable[str], most: int = 5) -> str:
    """The first names, and how many more there are."""
    every = list(names)
    more = f" and {len(every) - most} more" if len(every) > most else ""
    return ", ".join(every[:most]) + more


def words(metric: str) -> str:
    return metric.replace("_", " ")


def capital(text: str) -> str:
    return text[:1].upper() + text[1:]
