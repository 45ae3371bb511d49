import json
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from event_files import DAY as LAST_DAY
from event_files import ROW
from sections import DATABASE, ENCODER, EVALUATE, LAKE

from q2pt_tasks.data.schema import CATALOG, COUNTS, EVENT_KEY, EVENTS
from q2pt_tasks.layout import Layout, catalog_file, day_file
from q2pt_tasks.sources.manifest import SourceError
from q2pt_tasks.sources.resolve import resolve
from q2pt_tasks.stages import ingest

PARAMS: dict[str, Any] = {
    "locales": ["en-GB"],
    "encoder": ENCODER,
    "ingest": {
        "source": "events",
        "window_days": 3,
        "last_day": None,
        "synthetic": {"seed": 1, "last_day": "2026-06-15", "searches_per_size_unit": 3, "query_draws": 1000},
        "google_taxonomy": {"path": "taxonomy", "level": 2, "clicks": 5, "noise": 0.05, "seed": 1},
        "events": {"path": "log", "catalog": "catalog.parquet"},
        "database": DATABASE,
        "lake": LAKE,
    },
    "evaluate": EVALUATE,
    "engine": {"memory_limit_mb": 200},
    "privacy": {"min_query_clicks": 3, "min_query_users": None},
}
TAXONOMY = "# Google_Product_Taxonomy_Version: 1\n1 - Home\n2 - Home > Garden\n3 - Home > Garden > Hoses & Reels\n"


def row(**values: object) -> dict[str, Any]:
    return ROW | values


def day(back: int) -> date:
    return LAST_DAY - timedelta(days=back)


def write_log(root: Path, **files: list[dict[str, Any]]) -> None:
    (root / "log").mkdir(exist_ok=True)
    for name, rows in files.items():
        pq.write_table(pa.Table.from_pylist(rows, schema=EVENTS), root / f"log/{name}.parquet")


def set_ingest(layout: Layout, **values: object) -> None:
    layout.params.write_text(json.dumps(PARAMS | {"ingest": PARAMS["ingest"] | values}))


def resolve_and_ingest(layout: Layout) -> ingest.IngestReport:
    resolve(layout, today=date(2026, 7, 1))
    return ingest.main(layout)


def read_day(layout: Layout, day: date | None) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pq.read_table(day_file(layout.raw, day), partitioning=None).to_pylist()
    return rows


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    write_log(tmp_path, a=[row(), row(event_date=day(1))], b=[row(query="boots"), row(event_date=day(2))])
    catalog = [{"product_id": name, "locale": "en-GB", "product_type": "SHOES"} for name in ("p2", "p1")]
    pq.write_table(pa.Table.from_pylist(catalog, schema=CATALOG), tmp_path / "catalog.parquet")
    layout = Layout(tmp_path)
    set_ingest(layout)
    return layout


def test_each_day_is_a_file_that_gathers_and_sorts_its_rows(layout: Layout) -> None:
    report = resolve_and_ingest(layout)
    assert read_day(layout, LAST_DAY) == [row(query="boots"), row()]
    assert read_day(layout, day(1)) == [row(event_date=day(1))]
    assert sorted(contents(layout.raw)) == [
        "brands.json",
        "catalog.parquet",
        "events/event_date=2026-06-28.parquet",
        "events/event_date=2026-06-29.parquet",
        "events/event_date=2026-06-30.parquet",
        "window.json",
    ]
    assert pq.read_table(catalog_file(layout.raw))["product_id"].to_pylist() == ["p1", "p2"]
    assert json.loads((layout.raw / "window.json").read_text()) == {"first_day": "2026-06-28", "last_day": "2026-06-30"}
    assert (report.days, report.rows, report.rows_outside, report.products) == (3, 4, 0, 2)


def test_only_rows_outside_the_window_are_left_out_and_they_are_counted(layout: Layout) -> None:
    write_log(layout.root, c=[row(event_date=day(3)), row(event_date=day(-1)), row(event_date=date(9999, 12, 31))])
    report = resolve_and_ingest(layout)
    assert (report.rows, report.rows_outside) == (4, 3)
    assert "4 rows on 3 days of 2026-06-28 to 2026-06-30" in str(report)
    assert "3 rows outside the window left out" in str(report)


def test_rows_that_validate_must_catch_are_kept(layout: Layout) -> None:
    hostile = [
        row(clicks=-4),
        row(locale="../../etc"),
        row(locale=None),
        row(query="nul\x00nul"),
        row(query="x" * 1_000_000),
        row(query="👟"),
        row(query=None),
        row(impressions=None),
    ]
    write_log(layout.root, c=[*hostile, row(event_date=None)])
    report = resolve_and_ingest(layout)
    kept = read_day(layout, LAST_DAY)
    assert all(each in kept for each in hostile)
    assert len(kept) == len(hostile) + 2
    assert read_day(layout, None) == [row(event_date=None)]
    assert (report.rows_without_date, report.rows, report.days) == (1, 13, 3)


def test_the_bytes_depend_on_the_rows_and_not_on_the_files_that_hold_them(layout: Layout) -> None:
    rows = [row(clicks=clicks, query=query) for query in "abc" for clicks in (5, 3, 4)]
    write_log(layout.root, a=rows, b=[row(event_date=None)])
    resolve_and_ingest(layout)
    first = contents(layout.raw)
    write_log(layout.root, a=rows[:1:-1], b=[row(event_date=None), *rows[:2]])
    resolve_and_ingest(layout)
    assert contents(layout.raw) == first
    table = pq.read_table(day_file(layout.raw, LAST_DAY), partitioning=None)
    assert table.schema == EVENTS
    assert table == table.sort_by([(name, "ascending") for name in (*EVENT_KEY, *COUNTS)])


def test_a_window_that_moves_on_leaves_the_days_it_keeps_as_they_were(layout: Layout) -> None:
    set_ingest(layout, last_day="2026-06-29")
    resolve_and_ingest(layout)
    kept = day_file(layout.raw, day(1)).read_bytes()
    set_ingest(layout, window_days=2)
    resolve_and_ingest(layout)
    assert day_file(layout.raw, day(1)).read_bytes() == kept
    assert not day_file(layout.raw, day(2)).exists()


def test_columns_that_nobody_reads_are_reported(layout: Layout) -> None:
    table = pa.Table.from_pylist([row()], schema=EVENTS).append_column("session", pa.array(["s"]))
    pq.write_table(table, layout.root / "log/c.parquet")
    report = resolve_and_ingest(layout)
    assert report.ignored_columns == ("events.session",)
    assert str(report).endswith("2 products; columns ignored: events.session")


def brands(layout: Layout) -> Any:  # noqa: ANN401 - JSON
    return json.loads(layout.brands.read_text())


def test_the_catalog_may_name_brands_and_they_are_kept_in_their_normal_form(layout: Layout) -> None:
    resolve_and_ingest(layout)
    assert brands(layout) == []
    names = pa.array(["Zenyx ", None])
    table = pq.read_table(layout.root / "catalog.parquet").append_column("brand", names)
    pq.write_table(table, layout.root / "catalog.parquet")
    assert resolve_and_ingest(layout).ignored_columns == ()
    assert brands(layout) == ["zenyx"]


def test_the_synthetic_log_knows_its_brands(layout: Layout) -> None:
    set_ingest(layout, source="synthetic", window_days=2)
    resolve_and_ingest(layout)
    assert "zenyx" in brands(layout)


@pytest.mark.chaos("day-late")
def test_a_file_that_came_after_resolve_waits_for_the_next_run(layout: Layout) -> None:
    resolve(layout, today=date(2026, 7, 1))
    write_log(layout.root, late=[row(query="late")])
    assert ingest.main(layout).rows == 4


def forget_manifest(layout: Layout) -> None:
    layout.source_manifest.unlink()


def change_file(layout: Layout) -> None:
    write_log(layout.root, a=[row(clicks=2)])


def remove_file(layout: Layout) -> None:
    (layout.root / "log/a.parquet").unlink()


def move_log(layout: Layout) -> None:
    set_ingest(layout, events={"path": "other", "catalog": "catalog.parquet"})


def change_catalog(layout: Layout) -> None:
    (layout.root / "b.csv").write_text("product_id,locale,product_type\n")
    set_ingest(layout, events={"path": "log", "catalog": "b.csv"})


@pytest.mark.chaos("world-changed")
@pytest.mark.parametrize(
    ("change", "said"),
    [
        (forget_manifest, "source.json not found: run `q2pt resolve`"),
        (change_file, "a.parquet has changed since it was resolved: run `q2pt resolve` again"),
        (remove_file, "a.parquet is gone since it was resolved"),
        (move_log, "a.parquet is not among what params name and what was resolved: run `q2pt resolve` again"),
        (change_catalog, "is not among what params name and what was resolved: run `q2pt resolve` again"),
        (lambda layout: set_ingest(layout, source="synthetic"), "ingest.source is synthetic, but events was resolved"),
        (lambda layout: set_ingest(layout, last_day="2026-06-29"), "last day is 2026-06-29, but 2026-06-30 was resolv"),
    ],
)
def test_a_world_that_changed_since_resolve_is_refused_and_the_output_kept(
    layout: Layout, change: Callable[[Layout], None], said: str
) -> None:
    resolve_and_ingest(layout)
    before = contents(layout.raw)
    change(layout)
    with pytest.raises(SourceError) as error:
        ingest.main(layout)
    assert said in str(error.value)
    assert contents(layout.raw) == before


def empty_catalog(layout: Layout) -> None:
    pq.write_table(CATALOG.empty_table(), layout.root / "catalog.parquet")


def only_old_rows(layout: Layout) -> None:
    write_log(layout.root, a=[row(event_date=day(9))], b=[row(event_date=None)])
    set_ingest(layout, last_day="2026-06-30")


def truncated_log(layout: Layout) -> None:
    file = layout.root / "log/b.parquet"
    file.write_bytes(file.read_bytes()[:-9])
    set_ingest(layout, last_day="2026-06-30")


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (empty_catalog, "the catalog of the source events is empty: it must name every product's type"),
        (only_old_rows, "holds no events from 2026-06-28 to 2026-06-30 (1 rows have no date, 1 lie outside): check"),
        (truncated_log, "b.parquet is not readable Parquet, perhaps cut off while it was copied"),
    ],
)
def test_a_source_that_holds_nothing_usable_is_refused(
    layout: Layout, damage: Callable[[Layout], None], said: str
) -> None:
    damage(layout)
    with pytest.raises(SourceError) as error:
        resolve_and_ingest(layout)
    assert said in str(error.value)


def test_the_synthetic_source_fills_its_window(layout: Layout) -> None:
    set_ingest(layout, source="synthetic")
    report = resolve_and_ingest(layout)
    assert (report.source, str(report.window), report.days) == ("synthetic", "2026-06-13 to 2026-06-15", 3)
    assert {each["event_date"] for each in read_day(layout, date(2026, 6, 15))} == {date(2026, 6, 15)}


def test_the_taxonomy_fills_its_window_and_is_verified(layout: Layout) -> None:
    (layout.root / "taxonomy").mkdir()
    for locale in ("en-GB", "en-US"):
        (layout.root / f"taxonomy/taxonomy-with-ids.{locale}.txt").write_text(TAXONOMY)
    set_ingest(layout, source="google_taxonomy", window_days=8)
    report = resolve_and_ingest(layout)
    assert str(report.window) == "2026-06-23 to 2026-06-30"
    queries = [each["query"] for path in layout.raw.glob("events/*") for each in pq.read_table(path).to_pylist()]
    assert set(queries) == {"Garden", "Hoses", "Reels"}
    (layout.root / "taxonomy/taxonomy-with-ids.en-US.txt").write_text(TAXONOMY + "4 - Toys\n")
    with pytest.raises(SourceError, match=r"en-US\.txt has changed since it was resolved"):
        ingest.main(layout)


def set_privacy(layout: Layout, min_query_users: int | None) -> None:
    privacy = {"min_query_clicks": 3, "min_query_users": min_query_users}
    layout.params.write_text(json.dumps(json.loads(layout.params.read_text()) | {"privacy": privacy}))


def test_the_column_of_users_is_read_where_privacy_asks_for_it(layout: Layout) -> None:
    for name, rows in {"a": [row(), row(event_date=day(1))], "b": [row(query="boots"), row(event_date=day(2))]}.items():
        table = pa.Table.from_pylist(rows, schema=EVENTS)
        pq.write_table(table.append_column("users", pa.array([7] * len(rows))), layout.root / f"log/{name}.parquet")
    report = resolve_and_ingest(layout)
    assert report.ignored_columns == ("events.users",)
    assert "users" not in read_day(layout, LAST_DAY)[0]
    set_privacy(layout, 5)
    report = resolve_and_ingest(layout)
    assert report.ignored_columns == ()
    assert read_day(layout, LAST_DAY) == [row(query="boots", users=7), row(users=7)]


def test_a_floor_of_users_refuses_what_does_not_tell_them(layout: Layout) -> None:
    set_privacy(layout, 5)
    with pytest.raises(SourceError, match=r"the column 'users' is missing"):
        resolve_and_ingest(layout)
    set_ingest(layout, source="synthetic")
    set_privacy(layout, 5)
    with pytest.raises(SourceError, match=r"synthetic does not tell how many users.*min_query_users to null"):
        resolve_and_ingest(layout)
