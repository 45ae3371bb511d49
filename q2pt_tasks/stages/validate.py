"""Divides the raw tables into valid and quarantined rows, and refuses a log that is not fit to train on.

Reads `data/raw/`; writes `data/valid/`, `data/quarantine/` (each row with its reason) and `reports/validation/`.
Days are read, judged and written each for itself, so memory holds a few days of events, never all; a day that an
earlier run has judged by the same rules is not judged again.
"""

import json
import logging
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Annotated, Any

import narwhals as nw
import narwhals.selectors as ncs
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pydantic import Field, TypeAdapter, ValidationError

from q2pt_tasks.data import expectations as expect
from q2pt_tasks.data import row_rules as rules
from q2pt_tasks.data.expectations import Limits, Outcome
from q2pt_tasks.data.floods import FLOOD, find_floods, mark_floods
from q2pt_tasks.data.great_expectations_runner import evaluate
from q2pt_tasks.data.privacy import PrivacyParams, common_queries, hide_rare
from q2pt_tasks.data.row_rules import REASON, Frame, Tally, Window
from q2pt_tasks.data.schema import CATALOG, CATALOG_KEY, EVENT_KEY, Locales
from q2pt_tasks.data.volume import Volume, measure_volume
from q2pt_tasks.engine import (
    DEFAULT,
    ROW_GROUP_ROWS,
    Engine,
    EngineParams,
    collect,
    hash_rows,
    open_table,
    sorted_batches,
    write_table,
)
from q2pt_tasks.layout import Layout, catalog_file, day_file
from q2pt_tasks.memo import NOTHING, Key, Memo, md5_of, memo_of
from q2pt_tasks.params import read_section
from q2pt_tasks.report.validation_page import (
    MAX_TEXT_CHARS,
    RuleRows,
    TableRows,
    ValidationResult,
    day_rows,
    locale_rows,
    render_page,
    show_value,
    summarise,
)

MAX_EXAMPLES = 5
MAX_LOCALES = 5
MAX_LOCALE_CHARS = 40

# What a day is divided into.
_VALID, _QUARANTINED, _TALLIES = "valid.parquet", "quarantined.parquet", "tallies.json"
_TALLY_LIST = TypeAdapter(list[Tally])

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
    return run(layout, params, locales, privacy, read_section(layout.params, "engine", EngineParams), memo_of())


def run(
    layout: Layout,
    params: ValidateParams,
    locales: Sequence[str],
    privacy: PrivacyParams,
    engine_params: EngineParams = DEFAULT,
    memo: Memo = NOTHING,
) -> ValidateReport:
    """Judges the raw tables and writes what they are divided into; its page shows no query below the floor `privacy`.

    Raises:
        RawDataError: the window or the catalog is missing or unreadable.
        ValidationFailed: an expectation does not hold. The report and the quarantine are written all the same;
            `data/valid` is removed, so that no later stage can use a log that was refused.
    """
    _remove_earlier(layout)
    result = _validate(layout, params, locales, privacy, Engine(engine_params), memo)
    page = _publish(result, layout.validation_report)
    for outcome in result.warnings:
        logger.warning("%s", outcome)
    if result.failures:
        shutil.rmtree(layout.valid, ignore_errors=True)
        findings = [*map(str, result.failures), *_unlisted_locales(layout.quarantine, privacy)]
        raise ValidationFailed("\n- ".join([result.verdict, *findings]) + f"\nSee {page}")
    return ValidateReport(result.tables["events"], result.tables["catalog"], tuple(map(str, result.warnings)), page)


def _remove_earlier(layout: Layout) -> None:
    for folder in (layout.valid, layout.quarantine, layout.validation_report):
        shutil.rmtree(folder, ignore_errors=True)


def _validate(
    layout: Layout,
    params: ValidateParams,
    locales: Sequence[str],
    privacy: PrivacyParams,
    engine: Engine,
    memo: Memo,
) -> ValidationResult:
    window = read_window(layout.raw / "window.json")
    columns = evaluate(expect.column_expectations(privacy.events), _column_figures(engine, layout.raw))
    if any(outcome.fails for outcome in columns):
        return ValidationResult(str(window), columns, tables={})
    return _Division(engine, layout, params, tuple(locales), privacy, window, memo).run(columns)


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


def _day_files(raw: Path) -> list[Path]:
    return sorted((raw / "events").glob("event_date=*.parquet"))


def _column_figures(engine: Engine, raw: Path) -> dict[str, expect.Figure]:
    if not catalog_file(raw).exists():
        raise RawDataError(f"{catalog_file(raw)} not found: run the stage ingest first")
    return {
        # One file with other columns is enough to make the descriptions differ from what is expected.
        expect.EVENT_COLUMNS: " | ".join(sorted({_columns(engine, file) for file in _day_files(raw)})) or "no files",
        expect.CATALOG_COLUMNS: _columns(engine, catalog_file(raw)),
    }


def _columns(engine: Engine, file: Path) -> str:
    return expect.describe_columns(engine.scan([file]).collect_schema())


class LostRowsError(AssertionError):
    """The rows that arrived are not the valid and the quarantined ones together: a mistake of ours."""


@dataclass(frozen=True)
class _Part:
    """Events that are judged together; without a day those that lie on no day of the window."""

    files: tuple[Path, ...]
    day: date | None = None


@dataclass(frozen=True)
class _Division:
    """One run over tables whose columns are right."""

    engine: Engine
    layout: Layout
    params: ValidateParams
    locales: tuple[str, ...]
    privacy: PrivacyParams
    window: Window
    memo: Memo

    def run(self, columns: tuple[Outcome, ...]) -> ValidationResult:
        """Writes the valid and the quarantined rows, and tells how many of which there were."""
        catalog = self._divide_catalog()
        tallies = self._divide_events({})
        volume = self._volume(tallies)
        exclusions = self._exclusions(volume)
        # How few rows a locale has is known only when all are judged: a second pass, on the rare night that needs one.
        final_tallies = self._divide_events(exclusions) if exclusions else tallies
        return ValidationResult(
            window=str(self.window),
            outcomes=columns + self._outcomes(tallies, volume, catalog),
            tables={"events": self._count_events(), "catalog": catalog},
            rules=self._rule_rows(exclusions),
            locales=locale_rows(final_tallies, volume),
            days=day_rows(final_tallies, volume),
        )

    def _divide_catalog(self) -> TableRows:
        raw = self.engine.scan([catalog_file(self.layout.raw)])
        judged = _collect(rules.judge_catalog(raw, rules.catalog_rules(self.locales)), CATALOG)
        write_table(_valid(judged), self._valid_catalog)
        write_table(_quarantined(judged), self._quarantined_catalog)
        rows = TableRows(_count(raw), _written([self._valid_catalog]), _written([self._quarantined_catalog]))
        return _check_none_lost("catalog", rows)

    def _divide_events(self, exclusions: Mapping[str, str]) -> tuple[Tally, ...]:
        """Writes the events, those of the locales in `exclusions` all to quarantine; replaces an earlier pass."""
        shutil.rmtree(self.layout.valid / "events", ignore_errors=True)
        catalog = self.engine.keep(self.engine.scan([self._valid_catalog]))
        tallies: list[Tally] = []
        with (
            open_table(self._quarantined_events, _with_reason(self.privacy.events)) as quarantine,
            tempfile.TemporaryDirectory(dir=self.layout.valid, prefix=".judged-") as folder,
        ):

            def judge(engine: Engine, part: _Part) -> tuple[_Part, Path]:
                judged = Path(folder) / str(part.day)
                self._judge(engine, part, engine.kept(catalog), exclusions, judged)
                return part, judged

            for part, judged in self.engine.map(judge, self._parts()):
                tallies += _TALLY_LIST.validate_json((judged / _TALLIES).read_bytes())
                _append_groups(quarantine, judged / _QUARANTINED)
                # No file is written for a day without valid rows.
                if part.day and _written([judged / _VALID]):
                    target = day_file(self.layout.valid, part.day)
                    target.parent.mkdir(exist_ok=True)
                    (judged / _VALID).replace(target)
                shutil.rmtree(judged)
        self.engine.drop(catalog)
        return tuple(tallies)

    def _parts(self) -> Iterator[_Part]:
        """The file of each day of the window, then all others: rows without such a day."""
        files = _day_files(self.layout.raw)
        for each in self.window.days:
            file = day_file(self.layout.raw, each)
            if file in files:
                files.remove(file)
                yield _Part((file,), each)
        if files:
            yield _Part(tuple(files))

    def _judge(self, engine: Engine, part: _Part, catalog: Frame, exclusions: Mapping[str, str], folder: Path) -> None:
        """Fills `folder` with what `part` is divided into, unless an earlier run has divided the same."""
        events, day = engine.scan(part.files), nw.col("event_date")
        of_part = day == part.day if part.day else day.is_null() | ~self.window.contains("event_date")

        def make(folder: Path) -> None:
            judged = rules.judge_events(events.filter(of_part), catalog, self._event_rules, self.privacy.events)
            kept = self._mark_floods(engine, engine.keep(rules.exclude_locales(judged, exclusions)))
            self._write_judged(kept, folder)
            engine.drop(kept)

        def key() -> Key:
            return {
                "judged": [md5_of(file) for file in part.files],
                "columns": self.privacy.events.names,
                "locales": self.locales,
                "max_query_chars": self.params.max_query_chars,
                "flood": str(self.params.flood),
                "exclusions": exclusions,
                # All that the day has of the catalog: products that come or go elsewhere change nothing here.
                "unknown": hash_rows(rules.unknown_products(events, catalog), CATALOG_KEY),
            }

        # The others depend on the window.
        memo = self.memo if part.day else NOTHING
        memo.fill(key, folder, make)

    def _mark_floods(self, engine: Engine, part: Frame) -> Frame:
        """`part` with the floods of its day marked; one without any, as most are, is not computed again."""
        floods = engine.keep(find_floods(part, self.params.flood))
        if not _count(floods):
            engine.drop(floods)
            return part
        marked = engine.keep(mark_floods(part, floods))
        engine.drop(floods)
        engine.drop(part)
        return marked

    def _write_judged(self, judged: Frame, folder: Path) -> None:
        """Writes valid and quarantined rows in order, and their tallies."""
        columns = self.privacy.events
        schema, tallies = _with_reason(columns), []
        with open_table(folder / _VALID, columns) as valid, open_table(folder / _QUARANTINED, schema) as quarantined:
            for table in sorted_batches(judged, (*self._event_order, REASON), schema):
                for writer, rows in ((valid, _valid(table)), (quarantined, _quarantined(table))):
                    if rows.num_rows:
                        writer.write_table(rows, row_group_size=ROW_GROUP_ROWS)
                tally = rules.tally_rows(nw.from_native(table, eager_only=True), self.locales, self.window)
                tallies += [Tally(**each) for each in tally.to_native().to_pylist()]
        (folder / _TALLIES).write_bytes(_TALLY_LIST.dump_json(tallies))

    def _volume(self, tallies: Sequence[Tally]) -> Volume:
        return measure_volume(
            tallies,
            self.locales,
            self.window,
            min_locale_rows=self.params.min_locale_rows,
            min_newest_day_share=self.params.min_newest_day_share,
        )

    def _count_events(self) -> TableRows:
        files = _day_files(self.layout.raw)
        valid, quarantined = _written(_day_files(self.layout.valid)), _written([self._quarantined_events])
        return _check_none_lost("events", TableRows(_written(files), valid, quarantined))

    def _exclusions(self, volume: Volume) -> dict[str, str]:
        """Why each locale with too few rows is left out, if the params say so."""
        if self.params.on_low_volume != "exclude":
            return {}
        minimum = self.params.min_locale_rows
        return {locale: rules.exclusion_reason(volume.locales[locale], minimum) for locale in volume.low}

    def _outcomes(self, tallies: Sequence[Tally], volume: Volume, catalog: TableRows) -> tuple[Outcome, ...]:
        reasons = rules.dirt(rules.reasons_by_name(self._event_rules, rules.DUPLICATE_EVENT))
        figures = expect.row_figures(tallies, reasons, volume, self._dirty_catalog_share(catalog))
        return evaluate(expect.row_expectations(self.params, reasons, volume), figures)

    def _dirty_catalog_share(self, catalog: TableRows) -> float:
        quarantined = self.engine.scan([self._quarantined_catalog])
        unlisted = _count(quarantined.filter(nw.col(REASON) == rules.LOCALE_UNLISTED))
        return expect.share(catalog.quarantined - unlisted, catalog.arrived - unlisted)

    def _rule_rows(self, exclusions: Mapping[str, str]) -> tuple[RuleRows, ...]:
        event_reasons = rules.reasons_by_name(self._event_rules, rules.DUPLICATE_EVENT) | dict([FLOOD])
        excluded = {f"excluded_{locale}": reason for locale, reason in exclusions.items()}
        catalog_reasons = rules.reasons_by_name(rules.catalog_rules(self.locales), rules.DUPLICATE_PRODUCT)
        return (
            *_count_reasons("events", self._shown_events(), event_reasons | excluded),
            *_count_reasons("catalog", self.engine.scan([self._quarantined_catalog]), catalog_reasons),
        )

    def _shown_events(self) -> Frame:
        """The quarantined events with the queries that may be seen: those of which enough valid rows are left."""
        quarantined, valid = self.engine.scan([self._quarantined_events]), _day_files(self.layout.valid)
        asked = quarantined.select("locale", "query").unique()
        # Where no valid row is left, of those that cannot exist.
        clicks = self.engine.scan(valid) if valid else quarantined.filter(nw.col(REASON).is_null())
        common = common_queries(clicks.join(asked, on=["locale", "query"], how="inner"), self.privacy)
        return hide_rare(quarantined, self.engine.keep(common))

    @property
    def _event_rules(self) -> tuple[rules.Rule, ...]:
        return rules.event_rules(self.locales, self.window, self.params.max_query_chars, self.privacy.events)

    @property
    def _event_order(self) -> list[str]:
        return _order(self.privacy.events, EVENT_KEY)

    @property
    def _valid_catalog(self) -> Path:
        return catalog_file(self.layout.valid)

    @property
    def _quarantined_catalog(self) -> Path:
        return self.layout.quarantine / "catalog.parquet"

    @property
    def _quarantined_events(self) -> Path:
        return self.layout.quarantine / "events.parquet"


def _with_reason(schema: pa.Schema) -> pa.Schema:
    return schema.append(pa.field(REASON, pa.string()))


def _collect(judged: Frame, schema: pa.Schema) -> pa.Table:
    """The judged rows in one order whatever the engine does: rows that tie are equal."""
    return collect(judged, (*_order(schema, CATALOG_KEY), REASON)).cast(_with_reason(schema))


def _order(schema: pa.Schema, key: Sequence[str]) -> list[str]:
    return [*key, *(name for name in schema.names if name not in key)]


def _valid(judged: pa.Table) -> pa.Table:
    return judged.filter(pc.is_null(judged[REASON])).drop_columns([REASON])


def _quarantined(judged: pa.Table) -> pa.Table:
    return judged.filter(pc.is_valid(judged[REASON]))


def _append_groups(writer: pq.ParquetWriter, file: Path) -> None:
    with pq.ParquetFile(file) as table:
        for group in range(table.num_row_groups):
            writer.write_table(table.read_row_group(group), row_group_size=ROW_GROUP_ROWS)


def _rows(frame: Frame) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = frame.collect(backend="pyarrow").to_native().to_pylist()
    return rows


def _count(frame: Frame) -> int:
    return int(_rows(frame.select(rows=nw.len()))[0]["rows"])


def _written(files: Sequence[Path]) -> int:
    return sum(pq.read_metadata(file).num_rows for file in files)


def _check_none_lost(table: str, rows: TableRows) -> TableRows:
    if rows.arrived != rows.valid + rows.quarantined:
        raise LostRowsError(
            f"{table}: {rows.arrived} rows arrived, but {rows.valid} valid and {rows.quarantined} quarantined rows"
            " were written; please report this with the raw tables"
        )
    return rows


def _count_reasons(table: str, quarantined: Frame, reasons: Mapping[str, str]) -> tuple[RuleRows, ...]:
    counts = {row[REASON]: row["rows"] for row in _rows(quarantined.group_by(REASON).agg(rows=nw.len()))}
    return tuple(
        RuleRows(table, name, reason, counts.get(reason, 0), _examples(quarantined, reason))
        for name, reason in reasons.items()
    )


def _examples(quarantined: Frame, reason: str) -> tuple[dict[str, str], ...]:
    """The first rows with `reason`, as text. Cut in the engine: a query may be of any length."""
    rows = quarantined.filter(nw.col(REASON) == reason).drop(REASON)
    beginning = ncs.string().str.slice(0, MAX_TEXT_CHARS + 1)
    shown = rows.with_columns(beginning).sort(*rows.collect_schema().names(), nulls_last=True).head(MAX_EXAMPLES)
    return tuple({column: show_value(value) for column, value in row.items()} for row in _rows(shown))


def _unlisted_locales(quarantine: Path, privacy: PrivacyParams) -> list[str]:
    """A line for each table with rows of unlisted locales, mostly misspelt or forgotten in the params."""
    lines = []
    # Where a log's columns are confused, queries stand in the place of locales.
    for table, min_rows in (("events", privacy.min_query_clicks), ("catalog", 1)):
        file = quarantine / f"{table}.parquet"
        # Where the columns are wrong no row is judged, and there is no quarantine.
        shown = _commonest_unlisted(file, min_rows) if file.exists() else []
        if shown:
            lines.append(f"commonest unlisted locales of {table}, with their rows: {', '.join(shown)}")
    return lines


def _commonest_unlisted(file: Path, min_rows: int) -> list[str]:
    strange = [rules.LOCALE_MALFORMED, rules.LOCALE_UNLISTED]
    unlisted = Engine().scan([file]).filter(nw.col(REASON).is_in(strange))
    counts = unlisted.group_by("locale").agg(rows=nw.len())
    commonest = (
        counts.filter(nw.col("rows") >= min_rows).sort("rows", "locale", descending=[True, False]).head(MAX_LOCALES)
    )
    # `head` of an ordered lazy table keeps its rows, not always their order.
    rows = sorted(_rows(commonest), key=lambda row: (-row["rows"], row["locale"]))
    return [f"{_escape(row['locale'])} ({row['rows']:,})" for row in rows]


def _escape(locale: str) -> str:
    text = repr(locale)
    return text if len(text) <= MAX_LOCALE_CHARS else text[: MAX_LOCALE_CHARS - 1] + "…"


def _publish(result: ValidationResult, folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    summary = json.dumps(summarise(result), indent=2, sort_keys=True, ensure_ascii=False)
    (folder / "result.json").write_text(summary + "\n", encoding="utf-8")
    page = folder / "index.html"
    page.write_text(render_page(result), encoding="utf-8")
    return page
