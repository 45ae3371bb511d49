"""Decides whether the night's best candidate takes the champion's place, and says why.

Reads `metrics/summary.json` and `metrics/comparison.json`, writes `reports/decision.json`. A refusal is a result: the
stage ends well either way.
"""

import json
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Annotated, Literal, Self, TypeVar

from pydantic import Field, TypeAdapter, ValidationError, model_validator

from q2pt_tasks.layout import Layout
from q2pt_tasks.params import Section, read_section
from q2pt_tasks.registry.case import Metric, Rules, Warnable
from q2pt_tasks.registry.decision import Decision, decide
from q2pt_tasks.registry.evidence import (
    Champion,
    ChampionFacts,
    Difference,
    Evidence,
    LocaleDrift,
    ModelState,
    Row,
    SummaryError,
    VariantFacts,
)

Share = Annotated[float, Field(ge=0, le=1)]
Support = Annotated[int, Field(ge=1)]
Days = Annotated[int, Field(ge=0)]
T = TypeVar("T")


class GateParams(Section):
    """The rules of the decision, all but the precision, which the summary brings; see `Rules` for each."""

    metric: Metric
    floor: Share
    margin: Share
    training_noise: Share
    tolerance: Share
    max_age_days: Days
    min_days_between_promotions: Days
    alert_after_days: Days
    precision_tolerance: Share
    min_locale_support: Support
    locale_floor: Share
    locale_tolerance: Share
    per_locale_routing: Literal["on", "off"]
    min_type_support: Support
    retired_types: tuple[str, ...]
    gone_tolerance: Share
    min_forward_support: Support
    forward_floor: Share
    forward_tolerance: Share
    calibration_tolerance: Share
    parity_tolerance: Share
    drift_tolerance: Share
    max_megabytes: Annotated[float, Field(gt=0)] | None
    max_milliseconds: Annotated[float, Field(gt=0)] | None
    judgements_floor: Share | None
    replace_incomparable: Annotated[str, Field(min_length=1)] | None
    warn_only: tuple[Warnable, ...]

    @model_validator(mode="after")
    def _margin_exceeds_noise(self) -> Self:
        if self.margin < 2 * self.training_noise:
            raise ValueError(
                f"a margin of at least twice the training noise, which is {self.training_noise:g}: margin is "
                f"{self.margin:g}, so that another seed alone could pass it; raise gate.margin to "
                f"{2 * self.training_noise:g} or more"
            )
        return self

    @model_validator(mode="after")
    def _old_when_promotion_is_allowed(self) -> Self:
        if self.max_age_days < self.min_days_between_promotions:
            raise ValueError(
                f"max_age_days of at least min_days_between_promotions, found {self.max_age_days} and "
                f"{self.min_days_between_promotions}: a champion would be old before it may be replaced"
            )
        return self

    def rules(self, precision: float) -> Rules:
        return Rules(precision=precision, **self.model_dump(exclude={"training_noise"}))


@dataclass(frozen=True)
class Summary:
    """What the gate reads of `metrics/summary.json`; it holds more, for others."""

    precision: Annotated[float, Field(gt=0, le=1)]
    rows: tuple[Row, ...]
    models: tuple[ModelState, ...]
    champion: Champion | None


@dataclass(frozen=True)
class Comparison:
    """`metrics/comparison.json`: see `model/comparison.py`."""

    last_day: date
    champion: ChampionFacts | None
    variants: tuple[VariantFacts, ...]
    differences: tuple[Difference, ...]
    drift: tuple[LocaleDrift, ...]


@dataclass(frozen=True)
class GateReport:
    """The verdict and where it stands."""

    decision: Decision
    path: Path

    def __str__(self) -> str:
        rules = self.decision.rules
        passed, warned = sum(rule.passed for rule in rules), sum(rule.warns for rule in rules)
        counted = f"{passed} of {len(rules)} rules passed" + (f", {warned} warned" if warned else "")
        return f"{self.decision.sentence} ({counted}; {self.path})"


def run(layout: Layout, params: GateParams) -> GateReport:
    """Writes the decision about the candidates of `layout.summary`.

    Raises:
        SummaryError: a file is missing or not what evaluate writes.
    """
    # A decision of an earlier summary must not outlive a failure here: someone would promote by it.
    layout.decision.unlink(missing_ok=True)
    summary, comparison = _read(layout.summary, Summary), _read(layout.comparison, Comparison)
    decision = decide(_evidence(summary, comparison), params.rules(summary.precision))
    write_decision(decision, summary.champion, layout.decision)
    return GateReport(decision, layout.decision)


def main(layout: Layout) -> GateReport:
    """Runs the stage with the section `gate` of the params file."""
    return run(layout, read_section(layout.params, "gate", GateParams))


def _evidence(summary: Summary, comparison: Comparison) -> Evidence:
    return Evidence(
        rows=summary.rows,
        models=summary.models,
        champion=summary.champion,
        last_day=comparison.last_day,
        differences=comparison.differences,
        variants=comparison.variants,
        facts=comparison.champion,
        drift=comparison.drift,
    )


def _read(path: Path, kind: type[T]) -> T:
    """The file at `path`.

    Raises:
        SummaryError: the file is missing, not JSON, or a key is missing or of the wrong type.
    """
    try:
        return TypeAdapter(kind).validate_json(path.read_bytes(), strict=True)
    except FileNotFoundError:
        raise SummaryError(f"{path} not found: run the stage evaluate first") from None
    except ValidationError as error:
        # A wrong file is wrong in every row: the first few say enough.
        problems = error.errors(include_url=False)[:5]
        found = "; ".join(f"{_key(problem['loc'])}: {problem['msg']}" for problem in problems)
        raise SummaryError(f"{path} is not what evaluate writes: {found}. Run the stage evaluate again") from None


def write_decision(decision: Decision, champion: Champion | None, path: Path) -> None:
    """Writes JSON that is the same, byte for byte, for the same decision."""
    document = {**asdict(decision), "champion": None if champion is None else asdict(champion)}
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(document, sort_keys=True, indent=2, ensure_ascii=False, allow_nan=False)
    path.write_text(text + "\n", encoding="utf-8")


def _key(location: tuple[int | str, ...]) -> str:
    return ".".join(map(str, location)) or "the file"
