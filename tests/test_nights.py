"""Nights in a row on a log that grows and is corrected: what earlier ones computed changes time alone, and no byte."""

import datetime
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from q2pt_tasks.data.schema import CATALOG, EVENTS
from q2pt_tasks.layout import Layout
from q2pt_tasks.memo import FOLDER
from q2pt_tasks.params_edit import edit_params
from q2pt_tasks.sources.resolve import resolve
from q2pt_tasks.sources.synthetic.source import SyntheticParams, make_catalog, make_days
from q2pt_tasks.stages import ingest, label, validate

LOCALES = ("en-US", "fr-BE")
# From a Monday on. The first night's history is a whole week, that of the others is not.
FIRST, DAYS = datetime.date(2026, 6, 1), 10
WINDOW = 8
STAGES: Iterable[Any] = (ingest, validate, label)
OUTPUTS = ("data/raw", "data/valid", "data/quarantine", "data/labeled", "reports/validation")


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The days of a log, a file each, and its catalog."""
    folder = tmp_path_factory.mktemp("log")
    last = FIRST + datetime.timedelta(days=DAYS - 1)
    params = SyntheticParams(seed=1, last_day=last, days=DAYS, searches_per_size_unit=10, query_draws=1_000)
    for day, events in make_days(params, LOCALES):
        pq.write_table(events, folder / f"{day}.parquet")
    pq.write_table(make_catalog(params, LOCALES), folder / "catalog.parquet")
    return folder


@pytest.fixture
def shop(tmp_path: Path, log: Path) -> Layout:
    """A shop that has the first nights' log, and params that read it."""
    layout = Layout(tmp_path / "shop")
    (layout.root / "log").mkdir(parents=True)
    shutil.copy("params.yaml", layout.params)
    changes = {
        "locales": list(LOCALES),
        "ingest.source": "events",
        "ingest.window_days": WINDOW,
        "ingest.events.path": "log",
        "ingest.events.catalog": "catalog.parquet",
        # A day that lands twice is half duplicates.
        "validate.max_dirty_share": 0.5,
        "label.min_queries": 1,
        "label.min_product_types": 1,
    }
    edit_params(layout.params, changes)
    shutil.copy(log / "catalog.parquet", layout.root)
    land(layout, log, WINDOW)
    return layout


def land(layout: Layout, log: Path, number: int, name: str | None = None) -> None:
    """The log of the first `number` days, dateless rows too."""
    days = [FIRST + datetime.timedelta(days=offset) for offset in range(number)]
    for day in [*days, None]:
        shutil.copy(log / f"{day}.parquet", layout.root / f"log/{name or day}.parquet")


def night(layout: Layout, place: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    """Runs the stages up to the labels; returns how many results the place has more than before."""
    before = len(list(place.rglob("listing.json")))
    monkeypatch.setenv("Q2PT_STATE_DIR", str(place))
    resolve(layout, today=datetime.date(2026, 7, 1))
    for stage in STAGES:
        stage.main(layout)
    return len(list(place.rglob("listing.json"))) - before


def outputs(layout: Layout) -> dict[str, bytes]:
    files = [file for output in OUTPUTS for file in (layout.root / output).rglob("*") if file.is_file()]
    return {str(file.relative_to(layout.root)): file.read_bytes() for file in files}


def test_a_night_computes_one_day_alone_and_the_bytes_are_those_of_a_first_night(
    shop: Layout, log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "place"
    # Per file the days that it has; per day and for the dateless rows what is raw; per day what is valid, its clicks,
    # and twice its products; the clicks of the week.
    assert night(shop, place, monkeypatch) == (WINDOW + 1) + (WINDOW + 1) + 4 * WINDOW + 1
    assert night(shop, place, monkeypatch) == 0
    for days in (WINDOW + 1, WINDOW + 2):
        land(shop, log, days)
        assert night(shop, place, monkeypatch) == 6
        remembered = outputs(shop)
        night(shop, tmp_path / f"empty {days}", monkeypatch)
        assert outputs(shop) == remembered
    shutil.rmtree(place / FOLDER)
    night(shop, place, monkeypatch)
    assert outputs(shop) == remembered


@pytest.mark.chaos("memo-damaged")
def test_what_is_damaged_of_earlier_nights_is_computed_again_to_the_same_bytes(
    shop: Layout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "place"
    night(shop, place, monkeypatch)
    expected = outputs(shop)
    files = sorted(file for file in place.rglob("*") if file.is_file())
    for file in files:
        content = bytearray(file.read_bytes())
        content[len(content) // 2] ^= 1
        file.write_bytes(content)
    assert len(files) > WINDOW
    night(shop, place, monkeypatch)
    assert outputs(shop) == expected


def correct_a_day(layout: Layout) -> None:
    file = layout.root / f"log/{FIRST + datetime.timedelta(days=1)}.parquet"
    table = pq.read_table(file)
    clicks = pc.add(table["clicks"], pa.scalar(1))
    pq.write_table(table.set_column(table.schema.get_field_index("clicks"), "clicks", clicks), file)


def bring_late_rows(layout: Layout) -> None:
    table = pq.read_table(layout.root / f"log/{FIRST + datetime.timedelta(days=2)}.parquet")
    late = table.slice(0, 5).set_column(2, "query", pa.array([f"Späte Anfrage {number}" for number in range(5)]))
    pq.write_table(late.cast(EVENTS), layout.root / "log/late.parquet")


def forget_a_product(layout: Layout) -> None:
    """One that only some days have."""
    catalog, days = pq.read_table(layout.root / "catalog.parquet"), []
    for product in catalog["product_id"].to_pylist():
        days = [
            product in pq.read_table(file)["product_id"].to_pylist() for file in sorted((layout.root / "log").iterdir())
        ]
        if any(days) and not all(days[:WINDOW]):
            break
    pq.write_table(catalog.filter(pc.not_equal(catalog["product_id"], product)), layout.root / "catalog.parquet")


def retype_all(layout: Layout) -> None:
    catalog = pq.read_table(layout.root / "catalog.parquet")
    types = pa.array([f"{name} OF TODAY" for name in catalog["product_type"].to_pylist()])
    table = catalog.set_column(catalog.schema.get_field_index("product_type"), "product_type", types)
    pq.write_table(table.cast(CATALOG), layout.root / "catalog.parquet")


def add_a_product(layout: Layout) -> None:
    catalog = pq.read_table(layout.root / "catalog.parquet").select(CATALOG.names)
    new = pa.table([["new"], [LOCALES[0]], ["NEWEST_THING"]], schema=CATALOG)
    pq.write_table(pa.concat_tables([catalog, new]), layout.root / "catalog.parquet")


@pytest.mark.parametrize(
    ("change", "computed"),
    [
        # The file's days, the day's raw, valid and counted rows, twice its products, and the clicks of its week.
        (correct_a_day, range(7, 8)),
        # As above; the file of the day that was there is read again, and has the same days.
        (bring_late_rows, range(7, 8)),
        # The valid rows and the clicks of the days that have it, and not of those that do not; those of the week.
        (forget_a_product, range(2, 2 * WINDOW + 1)),
        # The clicks of every day and of the week.
        (retype_all, range(WINDOW + 1, WINDOW + 2)),
        (add_a_product, range(1)),
    ],
)
def test_only_what_depends_on_a_change_is_computed(
    shop: Layout,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[[Layout], None],
    computed: range,
) -> None:
    night(shop, tmp_path / "place", monkeypatch)
    before = outputs(shop)
    change(shop)
    assert night(shop, tmp_path / "place", monkeypatch) in computed
    remembered = outputs(shop)
    assert remembered != before
    night(shop, tmp_path / "empty", monkeypatch)
    assert outputs(shop) == remembered


def test_a_day_that_lands_twice_is_the_same_as_one_that_holds_its_rows_twice(
    shop: Layout, log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "place"
    night(shop, place, monkeypatch)
    shutil.copy(log / f"{FIRST}.parquet", shop.root / "log/again.parquet")
    # Its days are known. The day itself, its products, its valid rows; not its clicks: of equal rows one is valid.
    assert night(shop, place, monkeypatch) == 3
    remembered = outputs(shop)
    night(shop, tmp_path / "empty", monkeypatch)
    assert outputs(shop) == remembered
