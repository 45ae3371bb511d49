from pathlib import Path

import pyarrow.parquet as pq
from raw_tables import LOCALES, Row, event, good_catalog, write_raw

from q2pt_tasks.data.schema import CATALOG
from q2pt_tasks.data.tallies import TableRows
from q2pt_tasks.engine.opening import open_engine
from q2pt_tasks.layout import Layout, catalog_file
from q2pt_tasks.validation.catalog import DividedCatalog, divide_catalog


def divide(folder: Path, catalog: list[Row]) -> tuple[Layout, DividedCatalog]:
    layout = write_raw(folder, [event()], catalog)
    return layout, divide_catalog(open_engine(), layout, LOCALES)


def test_stores_that_nobody_asked_for_are_no_dirt(tmp_path: Path) -> None:
    product = good_catalog()[0]
    others = [{**product, "locale": "nl-NL"}, {**product, "product_type": None}, product]
    layout, divided = divide(tmp_path, [*good_catalog(), *others])
    assert divided == DividedCatalog(TableRows(7, 4, 3), dirty_share=2 / 6)
    reasons = pq.read_table(catalog_file(layout.quarantine))["reason"].to_pylist()
    assert sorted(reasons) == [
        "the locale is not among the locales of the params",
        "the product type is missing or blank",
        "the row repeats a locale and product",
    ]
    assert pq.read_schema(catalog_file(layout.valid)).equals(CATALOG)


def test_the_order_of_arrival_changes_no_byte(tmp_path: Path) -> None:
    rows = [*good_catalog(), {**good_catalog()[0], "product_type": "boot"}]
    for name, catalog in (("one", rows), ("two", rows[::-1])):
        divide(tmp_path / name, catalog)
    for part in ("valid", "quarantine"):
        one, two = (catalog_file(tmp_path / name / "data" / part).read_bytes() for name in ("one", "two"))
        assert one == two


def test_an_empty_catalog_has_no_dirt(tmp_path: Path) -> None:
    assert divide(tmp_path, [])[1] == DividedCatalog(TableRows(0, 0, 0), 0.0)
