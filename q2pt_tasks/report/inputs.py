"""All that the page is made of."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from q2pt_tasks.report.evidence import Calibration, FigureInterval, Mistakes, ModelCard, Slices, Window
from q2pt_tasks.report.plots import CurvePoint
from q2pt_tasks.report.tables import StoreRecall, Summary


@dataclass(frozen=True)
class Rule:
    """One rule of the promotion decision, with the figures that it looked at, and whether it refuses or warns."""

    name: str
    passed: bool
    sentence: str
    figures: Mapping[str, Any]
    severity: Literal["block", "warning"]

    @property
    def result(self) -> str:
        """In words: one that only warns does not refuse."""
        if self.passed:
            return "✓ passed"
        return "✗ refused" if self.severity == "block" else "⚠ warning"


@dataclass(frozen=True)
class Decision:
    """`reports/decision.json`."""

    promote: bool
    candidate: str | None
    champion: Mapping[str, Any] | None
    sentence: str
    rules: tuple[Rule, ...]


@dataclass(frozen=True)
class TableRows:
    """Where the rows of one table went."""

    arrived: int
    valid: int
    quarantined: int


@dataclass(frozen=True)
class Validation:
    """What the report says of `reports/validation/result.json`."""

    verdict: str
    tables: Mapping[str, TableRows]


@dataclass(frozen=True)
class Inputs:
    """The files of the run. Names in it are other people's text: the page escapes every one."""

    summary: Summary
    intervals: tuple[FigureInterval, ...]
    calibration: tuple[Calibration, ...]
    curves: tuple[CurvePoint, ...]
    stores: tuple[StoreRecall, ...]
    slices: Slices
    mistakes: Mapping[str, Mistakes]
    card: ModelCard
    window: Window
    decision: Decision
    validation: Validation
