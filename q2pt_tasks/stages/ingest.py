"""Brings events and catalog into the repository: one file per day of the window, the same bytes for the same rows."""

import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import pyarrow as pa
from pydantic import Field

from q2pt_tasks.data.privacy import PrivacyParams
from q2pt_tasks.data.queries import normalise_query
from q2pt_tasks.data.schema import CATALOG, CATALOG_KEY, USERS, Locales
from q2pt_tasks.engine.opening import open_engine
from q2pt_tasks.engine.params import DEFAULT, EngineParams
from q2pt_tasks.engine.tables import write_table
from q2pt_tasks.layout import Layout, catalog_file
from q2pt_tasks.memo import NOTHING, Memo, memo_of
from q2pt_tasks.params import Section, read_section
from q2pt_tasks.sources import database, events, google_taxonomy, lake
from q2pt_tasks.sources.bucket import is_on_s3
from q2pt_tasks.sources.days import write_days
from q2pt_tasks.sources.landing import is_catalog
from q2pt_tasks.sources.manifest import (
    RESOLVE_AGAIN,
    SourceError,
    SourceManifest,
    Window,
    locate,
    read_manifest,
    verify_files,
    window,
    window_file,
    write_json,
    write_window,
)
from q2pt_tasks.sources.parts import Part
from q2pt_tasks.sources.synthetic import source as synthetic
from q2pt_tasks.sources.unsorted import Census


class IngestParams(Section):
    """The section `ingest`."""

    source: Literal["synthetic", "google_taxonomy", "events", "database", "lake"]
    window_days: Annotated[int, Field(ge=1, le=366)]
    last_day: date | None
    synthetic: synthetic.SyntheticParams
    google_taxonomy: google_taxonomy.TaxonomyParams
    events: events.EventsParams
    database: database.DatabaseParams
    lake: lake.LakeParams


@dataclass(frozen=True)
class IngestReport:
    """What came in: rows per fate, products, and what of the source was not read."""

    source: str
    window: Window
    days: int
    rows: int
    rows_without_date: int
    rows_outside: int
    products: int
    ignored_columns: tuple[str, ...]

    def __str__(self) -> str:
        ignored = f"; columns ignored: {', '.join(self.ignored_columns)}" if self.ignored_columns else ""
        return (
            f"{self.source}: {self.rows:,} rows on {self.days} days of {self.window}, of which "
            f"{self.rows_without_date:,} without a date; {self.rows_outside:,} rows outside the window left out; "
            f"{self.products:,} products{ignored}"
        )


@dataclass(frozen=True)
class _Source:
    """An opened source: all of its catalog, the parts of its log, its brands, columns that nobody reads.

    A source that does not know brands has none.
    """

    catalog: pa.Table
    parts: Sequence[Part]
    brands: Iterable[str] = ()
    ignored_columns: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Counts:
    days: int
    rows: int
    without_date: int
    outside: int


def main(layout: Layout) -> IngestReport:
    """Runs the stage with the params of `layout`."""
    params = read_section(layout.params, "ingest", IngestParams)
    locales = read_section(layout.params, "locales", Locales)
    privacy = read_section(layout.params, "privacy", PrivacyParams)
    memo = memo_of()
    report = run(layout, params, locales, privacy, read_section(layout.params, "engine", EngineParams), memo)
    # `resolve` sweeps too, but perhaps on another machine, with a directory of its own.
    memo.sweep()
    return report


def run(
    layout: Layout,
    params: IngestParams,
    locales: Sequence[str],
    privacy: PrivacyParams,
    engine_params: EngineParams = DEFAULT,
    memo: Memo = NOTHING,
) -> IngestReport:
    """Writes the window's events by day, the catalog, the brands and the window itself below `layout.raw`.

    Nothing is left out for privacy here, what its floor has to know is read: a day's file is the same in every window.

    Raises:
        SourceError: the source is not what was resolved, is unreadable, or holds nothing in the window.
    """
    manifest = read_manifest(layout.source_manifest)
    _check_manifest(manifest, params)
    days = window(manifest.last_day, params.window_days)
    source = _open_source(layout.root, manifest, params, locales, privacy.events)
    if not source.catalog.num_rows:
        raise SourceError(f"the catalog of the source {params.source} is empty: it must name every product's type")
    shutil.rmtree(layout.raw, ignore_errors=True)
    census = write_days(source.parts, privacy.events, days, layout.raw, open_engine(engine_params), memo)
    counts = _count(census, days)
    if counts.rows == counts.without_date:
        raise SourceError(
            f"the source {params.source} holds no events from {days} ({counts.without_date:,} rows have no date, "
            f"{counts.outside:,} lie outside): check the source, ingest.last_day and ingest.window_days"
        )
    write_table(_sorted(source.catalog, (*CATALOG_KEY, "product_type")), catalog_file(layout.raw))
    write_json(sorted({normalise_query(brand) for brand in source.brands} - {""}), layout.brands)
    write_window(days, window_file(layout.raw))
    return _report(params, days, counts, source)


def _check_manifest(manifest: SourceManifest, params: IngestParams) -> None:
    if manifest.source != params.source:
        raise SourceError(f"ingest.source is {params.source}, but {manifest.source} was resolved: {RESOLVE_AGAIN}")
    synthetic_day = params.synthetic.last_day if params.source == "synthetic" else None
    wanted = params.last_day or synthetic_day
    if wanted and wanted != manifest.last_day:
        raise SourceError(f"the window's last day is {wanted}, but {manifest.last_day} was resolved: {RESOLVE_AGAIN}")


def _open_source(
    root: Path, manifest: SourceManifest, params: IngestParams, locales: Sequence[str], schema: pa.Schema
) -> _Source:
    if params.source in ("synthetic", "google_taxonomy") and USERS in schema.names:
        raise SourceError(
            f"the source {params.source} does not tell how many users typed a query: set privacy.min_query_users to "
            "null"
        )
    if params.source == "synthetic":
        return _open_synthetic(params.synthetic, locales)
    if params.source == "google_taxonomy":
        return _open_google_taxonomy(root, manifest, params.google_taxonomy, locales)
    if params.source in ("database", "lake") or is_on_s3(params.events):
        return _open_landed(root, manifest, schema)
    return _open_events(root, manifest, params.events, schema)


def _open_synthetic(params: synthetic.SyntheticParams, locales: Sequence[str]) -> _Source:
    log = Part(lambda: (table for _, table in synthetic.make_days(params, locales)))
    return _Source(synthetic.make_catalog(params, locales), [log], synthetic.all_brands())


def _open_google_taxonomy(
    root: Path, manifest: SourceManifest, params: google_taxonomy.TaxonomyParams, locales: Sequence[str]
) -> _Source:
    # Downloads in a fresh clone what `resolve` downloaded elsewhere; the manifest vouches for the bytes.
    files = google_taxonomy.taxonomy_files(params, locales, root)
    _check_same_files(set(files.values()), set(verify_files(manifest, root)))
    catalog = google_taxonomy.make_catalog(files, locales, params.level)
    return _Source(catalog, [Part(lambda: google_taxonomy.make_events(files, locales, params))])


def _open_landed(root: Path, manifest: SourceManifest, schema: pa.Schema) -> _Source:
    """What `resolve` fetched; what it fetched on other nights lies beside it."""
    verified = verify_files(manifest, root)
    catalogs = [file for file in verified if is_catalog(file)]
    if len(catalogs) != 1:
        raise SourceError(f"{len(catalogs)} catalogs were resolved, expected one: {RESOLVE_AGAIN}")
    return _open_files(verified, catalogs[0], schema)


def _open_events(root: Path, manifest: SourceManifest, params: events.EventsParams, schema: pa.Schema) -> _Source:
    """The files that were resolved: one that came later belongs to the next run."""
    verified = verify_files(manifest, root)
    catalog, log = events.catalog_path(params, root), locate(root, params.path)
    _check_same_files({catalog, *(file for file in verified if file.is_relative_to(log))}, set(verified))
    return _open_files(verified, catalog, schema)


def _open_files(hashes: Mapping[Path, str], catalog: Path, schema: pa.Schema) -> _Source:
    logs = [file for file in hashes if file != catalog]
    ignored = [
        *(f"events.{name}" for name in events.ignored_columns(logs, schema)),
        *(f"catalog.{name}" for name in events.ignored_columns([catalog], CATALOG) if name != events.BRAND),
    ]
    brands = events.read_brands(catalog)
    # The name's ending says how it is read.
    parts = [
        Part(
            partial(events.read_events, [log], schema),
            f"{hashes[log]}{log.suffix}",
            log if events.is_as_events(log, schema) else None,
        )
        for log in logs
    ]
    return _Source(events.read_catalog(catalog), parts, brands, tuple(ignored))


def _check_same_files(wanted: set[Path], resolved: set[Path]) -> None:
    if differing := sorted(wanted ^ resolved):
        raise SourceError(f"{differing[0]} is not among what params name and what was resolved: {RESOLVE_AGAIN}")


def _count(census: Census, days: Window) -> _Counts:
    """What of the log lies where: rows without a date are taken, so that `validate` sees them."""
    inside = {day: rows for day, rows in census.items() if day is not None and days.first_day <= day <= days.last_day}
    without_date = census.get(None, 0)
    taken = sum(inside.values()) + without_date
    return _Counts(len(inside), taken, without_date, sum(census.values()) - taken)


def _report(params: IngestParams, days: Window, counts: _Counts, source: _Source) -> IngestReport:
    return IngestReport(
        source=params.source,
        window=days,
        days=counts.days,
        rows=counts.rows,
        rows_without_date=counts.without_date,
        rows_outside=counts.outside,
        products=source.catalog.num_rows,
        ignored_columns=source.ignored_columns,
    )


def _sorted(table: pa.Table, columns: Iterable[str]) -> pa.Table:
    return table.sort_by([(column, "ascending") for column in columns])
