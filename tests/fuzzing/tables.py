"""Readers of tables: events, judgements, queries to predict; and the stages that judge and label whatever rows hold."""

import contextlib
import gzip
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from fuzzing.strategies import (
    CATALOG_VALUES,
    CSV_PIECES,
    DAY,
    ENCODABLE,
    EVENT_VALUES,
    JUDGEMENT_VALUES,
    damaged,
    tables,
)
from fuzzing.target import Target, folder, own_errors
from hypothesis import strategies as st

from q2pt_tasks.data.judgements import JUDGEMENTS, read_judgements
from q2pt_tasks.data.privacy import PrivacyParams
from q2pt_tasks.data.schema import CATALOG, EVENTS
from q2pt_tasks.engine.tables import write_table
from q2pt_tasks.layout import Layout, catalog_file
from q2pt_tasks.serving.input_files import check_rows, describe, list_input
from q2pt_tasks.sources.bucket import fetch, list_log
from q2pt_tasks.sources.events import (
    EventsParams,
    list_event_files,
    newest_day,
    read_batches,
    read_brands,
    read_catalog,
)
from q2pt_tasks.sources.judgements import read_judged_rows, write_judgements_manifest
from q2pt_tasks.sources.manifest import SourceError
from q2pt_tasks.stages import label, validate


def _events_of_parquet(table: pa.Table) -> None:
    with folder() as root, own_errors():
        pq.write_table(table, root / "a.parquet")
        _read_events(root / "a.parquet")


def _events_of_bytes(content: bytes) -> None:
    with folder() as root, own_errors():
        (root / "a.parquet").write_bytes(content)
        _read_events(root / "a.parquet")


def _events_of_csv(content: bytes) -> None:
    with folder() as root:
        (root / "a.csv").write_bytes(content)
        (root / "b.csv.gz").write_bytes(gzip.compress(content))
        # Compressed or not, it is the same file.
        assert _rows(root / "a.csv") == _rows(root / "b.csv.gz")


def _rows(file: Path) -> list[dict[str, Any]] | None:
    with own_errors():
        return _read_events(file)
    return None


def _read_events(file: Path) -> list[dict[str, Any]]:
    found = pa.concat_tables([EVENTS.empty_table(), *read_batches(file, EVENTS)])
    assert found.schema.equals(EVENTS)
    found.validate(full=True)
    newest_day([file], before=DAY)
    rows: list[dict[str, Any]] = found.to_pylist()
    return rows


def _gzip_of_bytes(content: bytes) -> None:
    with folder() as root, own_errors():
        (root / "a.csv.gz").write_bytes(content)
        _read_events(root / "a.csv.gz")


def _judged(root: Path, name: str) -> None:
    manifest = root / "judgements.json"
    write_judgements_manifest(name, root, manifest)
    rows = read_judged_rows(name, root, manifest)
    assert rows is not None
    read_judgements(rows, ("en-GB",))


def _judgements_of_parquet(table: pa.Table) -> None:
    with folder() as root, own_errors():
        pq.write_table(table, root / "a.parquet")
        _judged(root, "a.parquet")


def _judgements_of_csv(content: bytes) -> None:
    with folder() as root, own_errors():
        (root / "a.csv").write_bytes(b"locale,query,product_types\n" + content)
        _judged(root, "a.csv")


def _catalog_of_parquet(table: pa.Table) -> None:
    with folder() as root, own_errors():
        pq.write_table(table, root / "catalog.parquet")
        _read_catalog(root / "catalog.parquet")


def _catalog_of_csv(content: bytes) -> None:
    with folder() as root, own_errors():
        (root / "catalog.csv").write_bytes(b"product_id,locale,product_type,brand\n" + content)
        _read_catalog(root / "catalog.csv")


def _read_catalog(file: Path) -> None:
    found = read_catalog(file)
    assert found.schema.equals(CATALOG)
    found.validate(full=True)
    read_brands(file)


def _objects(names: list[str]) -> None:
    """Objects on S3 of any names: what is landed lies in the folder, each object in a file of its own."""
    with folder() as root, own_errors():
        (root / "landing").mkdir()
        bucket = _Bucket({f"bucket/log/{name}": {"ETag": f"tag of {name}"} for name in names})
        log = list_log(bucket, "s3://bucket/log")
        landed = {fetch(bucket, key, tag, root / "landing", PurePosixPath(key).name) for key, tag in log.items()}
        assert landed == set((root / "landing").iterdir())
        assert len(landed) == len(log)
        assert sorted(file.read_bytes() for file in landed) == sorted(key.encode() for key in log)


@dataclass(frozen=True)
class _Bucket:
    """What s3fs is asked of a bucket."""

    objects: Mapping[str, Mapping[str, str]]

    def find(self, _: str, *, detail: bool) -> Mapping[str, Mapping[str, str]]:
        assert detail
        return self.objects

    def info(self, key: str, *, refresh: bool) -> Mapping[str, str]:
        assert refresh
        return self.objects[key]

    def get_file(self, key: str, file: str) -> None:
        Path(file).write_bytes(key.encode())


def _data_stages(rows: list[Mapping[str, Any]]) -> None:
    """No row is lost, whatever it holds, and what is labelled was typed."""
    with folder() as root, own_errors():
        layout = Layout(root)
        catalog = [{"product_id": "1", "locale": "en-GB", "product_type": "HAT"}]
        write_table(pa.Table.from_pylist(rows, EVENTS), layout.raw / "events/event_date=2026-06-30.parquet")
        write_table(pa.Table.from_pylist(catalog, CATALOG), catalog_file(layout.raw))
        layout.window.write_text(json.dumps({"first_day": "2026-06-28", "last_day": str(DAY)}))
        params = validate.ValidateParams(
            min_locale_rows=1, max_dirty_share=1, min_known_product_share=0, max_low_volume_share=1, max_missing_days=3
        )
        found = validate.run(layout, params, ("en-GB",), PrivacyParams())
        assert found.events.arrived == len(rows) == found.events.valid + found.events.quarantined
        rules = label.LabelParams(
            forward_days=1,
            min_query_clicks=1,
            min_pair_clicks=1,
            forward_min_clicks=1,
            min_share=0,
            min_top_share=0,
            min_queries=1,
            min_product_types=1,
        )
        label.run(layout, rules, ("en-GB",), PrivacyParams())


def _asked_files(table: pa.Table) -> None:
    def refuse(locale: str) -> None:
        if locale != "en-GB":
            raise SourceError("another store")

    with folder() as root, own_errors():
        pq.write_table(table, root / "a.parquet")
        for file in list_input(root):
            describe(root, file)
            check_rows(file, refuse)


def _names_of_files(names: list[str]) -> None:
    with folder() as root, own_errors():
        for name in names:
            with contextlib.suppress(OSError, ValueError):
                (root / "log" / name.lstrip("/")).parent.mkdir(parents=True, exist_ok=True)
                if (root / "log" / name.lstrip("/")).resolve().is_relative_to(root):
                    (root / "log" / name.lstrip("/")).touch()
        (root / "catalog.csv").touch()
        list_event_files(EventsParams(path=names[0] or "log", catalog="catalog.csv"), root)


def _parquet_bytes() -> bytes:
    row = {"event_date": DAY, "locale": "en-GB", "query": "hat", "product_id": "1", "impressions": 1, "clicks": 1}
    file = io.BytesIO()
    pq.write_table(pa.Table.from_pylist([row | {"carts": 0, "purchases": 0}] * 3, EVENTS), file)
    return file.getvalue()


_HEADER = ",".join(EVENTS.names).encode() + b"\n"
_CSV_ROW = b"2026-06-30,en-GB,hat,1,1,1,0,0\n"
CSV = st.lists(CSV_PIECES, max_size=30).map(b"".join)
OBJECTS = st.lists(
    st.builds(str.__add__, ENCODABLE, st.sampled_from([".csv", ".parquet", ".CSV.gz", "", "/"])),
    max_size=4,
    unique=True,
)
ROWS = st.lists(st.fixed_dictionaries({name: st.none() | EVENT_VALUES[name] for name in EVENTS.names}), max_size=6)

TARGETS = (
    Target("events: Parquet of any columns", tables(EVENTS, EVENT_VALUES), _events_of_parquet),
    Target("events: damaged Parquet", damaged(_parquet_bytes()), _events_of_bytes),
    Target("events: CSV", st.one_of(CSV, CSV.map(lambda text: _HEADER + _CSV_ROW + text)), _events_of_csv),
    Target("events: damaged gzip", damaged(gzip.compress(_HEADER + _CSV_ROW * 9)), _gzip_of_bytes),
    Target("events: names of files", st.lists(ENCODABLE, min_size=1, max_size=3), _names_of_files),
    Target("log on S3: names of objects", OBJECTS, _objects),
    Target("catalog: Parquet of any columns", tables(CATALOG, CATALOG_VALUES), _catalog_of_parquet),
    Target("catalog: CSV", CSV, _catalog_of_csv),
    Target("judgements: Parquet of any columns", tables(JUDGEMENTS, JUDGEMENT_VALUES), _judgements_of_parquet),
    Target("judgements: CSV", CSV, _judgements_of_csv),
    Target("validate and label: rows of any content", ROWS, _data_stages, examples=5),
    Target(
        "predict: Parquet of any columns",
        tables(pa.schema([("query", pa.string()), ("locale", pa.string())]), EVENT_VALUES),
        _asked_files,
    ),
)
