"""Looks at the world before the graph runs: which files the source has, which days are complete, which encoder.

No stage: it may read the clock and the network. What it finds is written down and committed with the run.
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow as pa

from q2pt_tasks.data.privacy import PrivacyParams
from q2pt_tasks.data.schema import Locales
from q2pt_tasks.layout import Layout
from q2pt_tasks.memo import memo_of
from q2pt_tasks.model.encoder import EncoderParams
from q2pt_tasks.params import read_section
from q2pt_tasks.sources import database, lake
from q2pt_tasks.sources.bucket import is_on_s3, land_objects
from q2pt_tasks.sources.encoder_files import write_encoder_manifest
from q2pt_tasks.sources.events import catalog_path, list_event_files, newest_day
from q2pt_tasks.sources.google_taxonomy import LAST_DAY, taxonomy_files, taxonomy_folder
from q2pt_tasks.sources.judgements import write_judgements_manifest
from q2pt_tasks.sources.landed_tables import Asked
from q2pt_tasks.sources.landing import is_catalog
from q2pt_tasks.sources.manifest import SourceError, SourceManifest, describe_files, write_manifest
from q2pt_tasks.stages.evaluate import EvaluateParams
from q2pt_tasks.stages.ingest import IngestParams


def resolve(layout: Layout, today: date | None = None) -> str:
    """Writes the manifests of the source, the encoder and the judgements; returns what it found in readable sentences.

    Args:
        layout: where params are read and manifests written.
        today: the day that is still in progress; by default the clock's day in UTC.

    Raises:
        SourceError: the source, the encoder or the judgements cannot be used as params say.
        MemoPlaceError: `Q2PT_STATE_DIR` is neither a directory nor an S3 URL.
    """
    # Every night passes here, also one on which nothing is new, or the source is refused.
    memo_of().sweep()
    params = read_section(layout.params, "ingest", IngestParams)
    encoder = read_section(layout.params, "encoder", EncoderParams)
    locales = read_section(layout.params, "locales", Locales)
    evaluate = read_section(layout.params, "evaluate", EvaluateParams)
    today = today or datetime.now(UTC).date()
    privacy = read_section(layout.params, "privacy", PrivacyParams)
    manifest = _manifest(params, locales, privacy.events, layout.root, today)
    write_manifest(manifest, layout.source_manifest)
    sentences = (
        _sentence(manifest, today),
        write_encoder_manifest(encoder, layout.root, layout.encoder_manifest),
        write_judgements_manifest(evaluate.judgements, layout.root, layout.judgements_manifest),
    )
    return " ".join(sentences)


def _manifest(
    params: IngestParams, locales: Sequence[str], columns: pa.Schema, root: Path, today: date
) -> SourceManifest:
    if params.source == "synthetic":
        return SourceManifest("synthetic", params.last_day or params.synthetic.last_day, ())
    if params.source == "google_taxonomy":
        taxonomies = taxonomy_files(params.google_taxonomy, locales, root).values()
        files = describe_files(root, taxonomy_folder(params.google_taxonomy), taxonomies)
        return SourceManifest("google_taxonomy", params.last_day or LAST_DAY, files)
    if params.source in ("database", "lake"):
        return _tables_manifest(params, columns, root, today)
    return _events_manifest(params, root, today)


def _events_manifest(params: IngestParams, root: Path, today: date) -> SourceManifest:
    own = params.events
    if is_on_s3(own):
        landed = land_objects(own, root)
        log, files = [file for file in landed if not is_catalog(file)], describe_files(root, own.landing, landed)
    else:
        log = list_event_files(own, root)
        files = describe_files(root, own.path, log)
        files += describe_files(root, own.catalog, [catalog_path(own, root)])
    place = f"{own.path} ({len(log)} files)"
    last_day = params.last_day or _check_age(
        newest_day(log, before=today), place, "ingest.events.max_age_days", own.max_age_days, today
    )
    _check_over(last_day, today)
    return SourceManifest("events", last_day, tuple(sorted(files, key=lambda file: file.path)))


def _tables_manifest(params: IngestParams, columns: pa.Schema, root: Path, today: date) -> SourceManifest:
    if params.last_day:
        _check_over(params.last_day, today)
    asked = Asked(columns, params.last_day, today, params.window_days)
    own = params.database if params.source == "database" else params.lake
    landed = lake.land(own, root, asked) if isinstance(own, lake.LakeParams) else database.land(own, root, asked)
    key = f"ingest.{params.source}.max_age_days"
    last_day = params.last_day or _check_age(landed.last_day, f"the table {own.events}", key, own.max_age_days, today)
    return SourceManifest(params.source, last_day, describe_files(root, own.landing, landed.files), landed.versions)


def _check_over(last_day: date, today: date) -> None:
    if last_day > today:
        raise SourceError(f"ingest.last_day is {last_day}, after today, {today}: give a day that is over, or null")


def _check_age(newest: date | None, place: str, key: str, most: int | None, today: date) -> date:
    """The newest day of `place`, where there is one that is not older than `most` days, which the param `key` says."""
    if newest is None:
        raise SourceError(
            f"{place} holds no event dated before today, {today}: check the column 'event_date', or set ingest.last_day"
        )
    age = (today - newest).days
    if most is not None and age > most:
        raise SourceError(
            f"{place} has stopped: its newest day is {newest}, {_days(age)} before today, {today}, and {key} is {most}"
            ": ask who delivers it, check this machine's clock, or set ingest.last_day"
        )
    return newest


def _sentence(manifest: SourceManifest, today: date) -> str:
    size = sum(file.size for file in manifest.files)
    # The other sources have a last day of their own, which says nothing about deliveries.
    is_own = manifest.source in ("events", "database", "lake")
    age = f", {_days((today - manifest.last_day).days)} before today" if is_own else ""
    versions = "".join(f", {table} as of version {version}" for table, version in sorted(manifest.versions.items()))
    return (
        f"Source {manifest.source}, {len(manifest.files)} files of {size / 2**20:.1f} MiB{versions}; "
        f"the window's last day is {manifest.last_day}{age}."
    )


def _days(count: int) -> str:
    return f"{count} day{'' if count == 1 else 's'}"
