"""A day is judged once: again only where something that it depends on is another."""

import dataclasses
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from raw_tables import DAYS, FIRST_DAY, LOCALES, event, good_catalog

from q2pt_tasks.data.floods import FloodRule
from q2pt_tasks.data.row_rules import Window
from q2pt_tasks.data.schema import CATALOG, EVENTS
from q2pt_tasks.engine.opening import open_engine
from q2pt_tasks.engine.tables import write_table
from q2pt_tasks.memo import Memo
from q2pt_tasks.validation.day import Divided, EventRules, Part, PartDivision

RULES = EventRules(LOCALES, Window(DAYS[0], DAYS[-1]), 200, FloodRule(share=0.9, clicks=1_000), EVENTS)
ROWS = [event(), event(query="boots", product_id="P2"), event(clicks=-1)]


def divide(folder: Path, rules: EventRules = RULES, catalog: list[dict[str, Any]] | None = None) -> Divided:
    file, engine = folder / "day.parquet", open_engine()
    write_table(pa.Table.from_pylist(ROWS, EVENTS), file)
    products = engine.keep(engine.frame(pa.Table.from_pylist(catalog or good_catalog(), CATALOG)))
    division = PartDivision(rules, Memo(str(folder / "place")))
    number = len(list(folder.glob("divided-*")))
    return division.divide(engine, Part((file,), FIRST_DAY), products, folder / f"divided-{number}")


def divisions(folder: Path) -> int:
    """How many times a day was divided and remembered: the products of a day are remembered as well."""
    listings = (folder / "place").rglob("listing.json")
    return sum("tallies.json" in listing.read_text() for listing in listings)


def test_what_was_divided_is_not_divided_again(tmp_path: Path) -> None:
    first, again = divide(tmp_path), divide(tmp_path)
    assert divisions(tmp_path) == 1
    assert sorted((tally.reason or "", tally.rows) for tally in again.tallies) == [
        ("", 1),
        ("a count is negative", 1),
        ("the product is not in the catalog of its locale", 1),
    ]
    for one, two in ((first.valid, again.valid), (first.quarantined, again.quarantined)):
        assert one.read_bytes() == two.read_bytes()


@pytest.mark.parametrize(
    "change",
    [
        {"locales": LOCALES[:3]},
        {"max_query_chars": 4},
        {"flood": FloodRule(share=0.1, clicks=1)},
        {"exclusions": {"en-GB": "it is closed"}},
    ],
    ids=lambda change: next(iter(change)),
)
def test_other_rules_divide_it_again(tmp_path: Path, change: dict[str, Any]) -> None:
    divide(tmp_path)
    divide(tmp_path, dataclasses.replace(RULES, **change))
    assert divisions(tmp_path) == 2


def test_only_products_of_the_day_matter(tmp_path: Path) -> None:
    divide(tmp_path)
    product = good_catalog()[0]
    divide(tmp_path, catalog=[*good_catalog(), {**product, "product_id": "of another day"}])
    assert divisions(tmp_path) == 1
    divided = divide(tmp_path, catalog=[*good_catalog(), {**product, "product_id": "P2", "locale": "en-GB"}])
    assert divisions(tmp_path) == 2
    assert {tally.reason: tally.rows for tally in divided.tallies} == {None: 2, "a count is negative": 1}
