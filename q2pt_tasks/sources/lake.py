"""A shop's own log in a lake house: two tables of Delta Lake or Apache Iceberg, each as of one version."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal, Protocol

from pydantic import Field

from q2pt_tasks.params import Section
from q2pt_tasks.sources.addresses import check_place
from q2pt_tasks.sources.delta_table import open_delta
from q2pt_tasks.sources.iceberg_table import open_iceberg
from q2pt_tasks.sources.landed_tables import Asked, Landed, Table, land_tables
from q2pt_tasks.sources.manifest import locate


class LakeParams(Section):
    """Where the two tables are.

    Attributes:
        format: of both.
        events: the table with the columns of `EVENTS`: a folder, or a URL such as `s3://bucket/events`; with Iceberg
            also the path of a metadata file, or a name such as `shop.events` in the catalog that PyIceberg's settings
            name.
        catalog: likewise the table with the columns of `CATALOG`.
        events_version: the version (Delta) or snapshot (Iceberg) that is read; None: the newest. It may have days of
            which that night took no notice yet: `ingest.last_day` says the window.
        catalog_version: likewise.
        landing: the folder where `resolve` leaves what it read, and `ingest` finds it.
        max_age_days: days before today from which on the newest day is too old.
    """

    format: Literal["delta", "iceberg"]
    events: Annotated[str, Field(min_length=1)]
    catalog: Annotated[str, Field(min_length=1)]
    events_version: Annotated[int, Field(ge=0)] | None
    catalog_version: Annotated[int, Field(ge=0)] | None
    landing: Annotated[str, Field(min_length=1)]
    max_age_days: Annotated[int, Field(ge=1)] | None = None


class _VersionedTable(Table, Protocol):
    @property
    def version(self) -> int: ...


def land(params: LakeParams, root: Path, asked: Asked) -> Landed:
    """Leaves the log as files in `params.landing`, and says of which versions they are.

    Raises:
        SourceError: a table cannot be read, or has other columns than it should; or a param holds a password.
    """
    check_place("ingest.lake.events", params.events)
    check_place("ingest.lake.catalog", params.catalog)
    events = _open(params, params.events, params.events_version, root)
    catalog = _open(params, params.catalog, params.catalog_version, root)
    landed = land_tables(events, catalog, root, params.landing, asked)
    return replace(landed, versions={"events": events.version, "catalog": catalog.version})


def _open(params: LakeParams, place: str, version: int | None, root: Path) -> _VersionedTable:
    located = place if "://" in place else str(locate(root, place))
    if params.format == "delta":
        return open_delta(place, located, version)
    return open_iceberg(place, located, version)
