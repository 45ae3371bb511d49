"""Divides the raw tables into valid and quarantined rows, and refuses a log that is not fit to train on.

Reads `data/raw/`; writes `data/valid/`, `data/quarantine/` (each row with its reason) and `reports/validation/`.
"""

import logging
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

from pydantic import Field, TypeAdapter, ValidationError

from q2pt_tasks.data import expectations as expect
from q2pt_tasks.data import row_rules as rules
from q2pt_tasks.data.expectations import Limits
from q2pt_tasks.data.floods import FLOOD
from q2pt_tasks.data.great_expectations_runner import Verdicts, evaluate, verdicts_of
from q2pt_tasks.data.privacy import PrivacyParams
from q2pt_tasks.data.row_rules import Window
from q2pt_tasks.data.schema import Locales
from q2pt_tasks.data.tallies import TableRows
from q2pt_tasks.data.volume import Volume, measure_volume
from q2pt_tasks.engine.interface import Engine
from q2pt_tasks.engine.opening import open_engine
from q2pt_tasks.engine.params import DEFAULT, EngineParams
from q2pt_tasks.layout import Layout, catalog_file, day_files
from q2pt_tasks.memo import NOTHING, Memo, memo_of
from q2pt_tasks.params import read_section
from q2pt_tasks.report.quarantine import event_rule_rows, rule_rows, unlisted_locales
from q2pt_tasks.report.validation_page import (
    RuleRows,
    ValidationResult,
    day_rows,
    locale_rows,
    write_result,
)
from q2pt_tasks.validation.catalog import divide_catalog
from q2pt_tasks.validation.day import EventRules
from q2pt_tasks.validation.events import count_events, divide_events, newest_days
from q2pt_tasks.validation.expectations_apart import ExpectationsApart

# Of valid events: queries of the page that are not common in the newest ones are hidden, however long the log is.
_SEARCHED_ROWS = 10_000_000

logger = logging.getLogger(__name__)


class ValidationFailed(ValueError):  # noqa: N818 - it reads as what happened to the log
    """The log is not fit to train on; the message names each expectation that failed with its figures."""


class RawDataError(ValueError):
    """What `ingest` writes is not there or not readable."""


class ValidateParams(Limits):
    """The section `validate` of params.yaml: the limits of the tables and those of a row."""

    max_query_chars: Annotated[int, Field(ge=1)] = 200


@dataclass(frozen=True)
class ValidateReport:
    """Where the rows went, and where to read why."""

    events: TableRows
    catalog: TableRows
    warnings: tuple[str, ...]
    page: Path

    def __str__(self) -> str:
        return (
            f"{self.events.valid:,} of {self.events.arrived:,} events and {self.catalog.valid:,} of"
            f" {self.catalog.arrived:,} catalog rows are valid, {len(self.warnings)} warnings; see {self.page}"
        )


def main(layout: Layout) -> ValidateReport:
    """Runs the stage with the params file of `layout`."""
    params = read_section(layout.params, "validate", ValidateParams)
    locales = read_section(layout.params, "locales", Locales)
    privacy = read_section(layout.params, "privacy", PrivacyParams)
    engine = read_section(layout.params, "engine", EngineParams)
    with ExpectationsApart() as apart:
        return run(layout, params, locales, privacy, engine, memo_of(), apart.verdicts)


def run(
    layout: Layout,
    params: ValidateParams,
    locales: Sequence[str],
    privacy: PrivacyParams,
    engine_params: EngineParams = DEFAULT,
    memo: Memo = NOTHING,
    verdicts: Verdicts = verdicts_of,
) -> ValidateReport:
    """Judges the raw tables and writes what they are divided into; its page shows no query below the floor `privacy`.

    Raises:
        RawDataError: the window or the catalog is missing or unreadable.
        ValidationFailed: an expectation does not hold. The report and the quarantine are written all the same;
            `data/valid` is removed, so that no later stage can use a log that was refused.
    """
    for folder in (layout.valid, layout.quarantine, layout.validation_report):
        shutil.rmtree(folder, ignore_errors=True)
    window, engine = read_window(layout.raw / "window.json"), open_engine(engine_params)
    figures = _column_figures(engine, layout.raw)
    if expect.has_columns(figures, privacy.events):
        by = EventRules(tuple(locales), window, params.max_query_chars, params.flood, privacy.events)
        result = _validate(engine, layout, params, privacy, by, memo, verdicts)
    else:
        outcomes = evaluate(expect.column_expectations(privacy.events), figures, verdicts)
        result = ValidationResult(str(window), outcomes, tables={})
    page = write_result(result, layout.validation_report)
    for outcome in result.warnings:
        logger.warning("%s", outcome)
    if result.failures:
        shutil.rmtree(layout.valid, ignore_errors=True)
        findings = [*map(str, result.failures), *unlisted_locales(engine, layout, privacy)]
        raise ValidationFailed("\n- ".join([result.verdict, *findings]) + f"\nSee {page}")
    return ValidateReport(result.tables["events"], result.tables["catalog"], tuple(map(str, result.warnings)), page)


def read_window(path: Path) -> Window:
    """The days that `ingest` was asked for.

    Raises:
        RawDataError: the file is missing, or does not say first_day and last_day in this order.
    """
    try:
        return TypeAdapter(Window).validate_json(path.read_bytes())
    except FileNotFoundError:
        raise RawDataError(f"{path} not found: run the stage ingest first") from None
    except ValidationError as error:
        raise RawDataError(f"{path} does not name the window's first_day and last_day: {error}") from None


def _column_figures(engine: Engine, raw: Path) -> dict[str, expect.Figure]:
    if not catalog_file(raw).exists():
        raise RawDataError(f"{catalog_file(raw)} not found: run the stage ingest first")
    return {
        # One file with other columns is enough to make the descriptions differ from what is expected.
        expect.EVENT_COLUMNS: " | ".join(sorted({_columns(engine, file) for file in day_files(raw)})) or "no files",
        expect.CATALOG_COLUMNS: _columns(engine, catalog_file(raw)),
    }


def _columns(engine: Engine, file: Path) -> str:
    return expect.describe_columns(engine.scan([file]).collect_schema())


def _validate(
    engine: Engine,
    layout: Layout,
    params: ValidateParams,
    privacy: PrivacyParams,
    by: EventRules,
    memo: Memo,
    verdicts: Verdicts,
) -> ValidationResult:
    """Writes the valid and the quarantined rows of tables whose columns are right, and judges their numbers."""
    catalog = divide_catalog(engine, layout, by.locales)
    tallies = divide_events(engine, layout, by, memo)
    volume = measure_volume(
        tallies,
        by.locales,
        by.window,
        min_locale_rows=params.min_locale_rows,
        min_newest_day_share=params.min_newest_day_share,
    )
    exclusions = _exclusions(params, volume)
    # How few rows a locale has is known only when all are judged: a second pass, on the rare night that needs one.
    final_tallies = divide_events(engine, layout, replace(by, exclusions=exclusions), memo) if exclusions else tallies
    reasons = rules.dirt(by.reasons)
    figures = expect.row_figures(tallies, reasons, volume, catalog.dirty_share)
    expectations = expect.column_expectations(by.columns) + expect.row_expectations(params, reasons, volume)
    return ValidationResult(
        window=str(by.window),
        outcomes=evaluate(expectations, {**_column_figures(engine, layout.raw), **figures}, verdicts),
        tables={"events": count_events(layout), "catalog": catalog.rows},
        rules=_rule_rows(engine, layout, privacy, by, exclusions),
        locales=locale_rows(final_tallies, volume),
        days=day_rows(final_tallies, volume),
    )


def _exclusions(params: ValidateParams, volume: Volume) -> dict[str, str]:
    """Why each locale with too few rows is left out, if the params say so."""
    if params.on_low_volume != "exclude":
        return {}
    return {locale: rules.exclusion_reason(volume.locales[locale], params.min_locale_rows) for locale in volume.low}


def _rule_rows(
    engine: Engine, layout: Layout, privacy: PrivacyParams, by: EventRules, exclusions: Mapping[str, str]
) -> tuple[RuleRows, ...]:
    valid = engine.scan_any(newest_days(layout, _SEARCHED_ROWS), privacy.events)
    catalog = engine.scan([catalog_file(layout.valid)])
    events = engine.keep(engine.scan([layout.quarantined_events]))
    excluded = {f"excluded_{locale}": reason for locale, reason in exclusions.items()}
    catalog_reasons = rules.reasons_by_name(rules.catalog_rules(by.locales), rules.DUPLICATE_PRODUCT)
    return (
        *event_rule_rows(events, valid, catalog, privacy, by.reasons | dict([FLOOD]) | excluded),
        *rule_rows("catalog", engine.scan([catalog_file(layout.quarantine)]), catalog_reasons),
    )
