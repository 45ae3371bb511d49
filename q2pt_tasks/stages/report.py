"""Stage `report`: everything that the run found, on one page."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pydantic import Field, TypeAdapter, ValidationError

from q2pt_tasks.layout import Layout
from q2pt_tasks.params import Section, read_section
from q2pt_tasks.report.evidence import Calibration, FigureInterval, Mistakes, ModelCard, Slices, Window
from q2pt_tasks.report.inputs import Decision, Inputs, Validation
from q2pt_tasks.report.page import render
from q2pt_tasks.report.plots import CurvePoint
from q2pt_tasks.report.tables import StoreRecall, Summary

T = TypeVar("T")


class ReportParams(Section):
    """The section `report` of params.yaml."""

    title: str = Field(min_length=1)


class ReportError(ValueError):
    """A file that the report is made of is missing or says something else than agreed."""


@dataclass(frozen=True)
class ReportReport:
    """Where the page is."""

    page: Path

    def __str__(self) -> str:
        return str(self.page)


def main(layout: Layout) -> ReportReport:
    """Runs the stage with the params of `layout`."""
    return run(layout, read_section(layout.params, "report", ReportParams))


def run(layout: Layout, params: ReportParams) -> ReportReport:
    """Writes the page.

    Raises:
        ReportError: an input file is missing, or a key of it is missing or mistyped.
    """
    inputs = Inputs(
        summary=_read(layout.summary, Summary),
        intervals=_read(layout.intervals, tuple[FigureInterval, ...]),
        calibration=_read(layout.calibration, tuple[Calibration, ...]),
        curves=_read(layout.precision_recall, tuple[CurvePoint, ...]),
        stores=_read(layout.locales, tuple[StoreRecall, ...]),
        slices=_read(layout.slices, Slices),
        mistakes=_read(layout.mistakes, Mapping[str, Mistakes]),  # type: ignore[type-abstract]
        card=_read(layout.model_card, ModelCard),
        window=_read(layout.window, Window),
        decision=_read(layout.decision, Decision),
        validation=_read(layout.validation_report / "result.json", Validation),
    )
    layout.report_page.write_text(render(params.title, inputs), encoding="utf-8", newline="\n")
    return ReportReport(layout.report_page)


def _read(path: Path, kind: type[T]) -> T:
    try:
        return TypeAdapter(kind).validate_json(path.read_bytes())
    except FileNotFoundError:
        raise ReportError(f"{path} not found; run the stage that writes it, or `dvc repro`") from None
    except ValidationError as error:
        problems = (
            f"{'.'.join(map(str, problem['loc'])) or 'the document'}: {problem['msg']}"
            for problem in error.errors(include_url=False)[:5]
        )
        raise ReportError(f"{path} is not what the report expects: {'; '.join(problems)}; run `dvc repro`") from None
