from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from q2pt_tasks.data.splits import SPLIT
from q2pt_tasks.metrics.slices import Dimension
from q2pt_tasks.model.dimensions import (
    STORES,
    clicks_of_types,
    query_dimensions,
    seen_dimension,
    store_groups,
    support_dimension,
)


def table(*rows: tuple[str, Sequence[str], int, bool]) -> pa.Table:
    return pa.Table.from_pylist(
        [
            {"query": query, "product_types": types, "shares": [1 / len(types)] * len(types), "clicks": n, "seen": seen}
            for query, types, n, seen in rows
        ],
        schema=SPLIT,
    )


TRAIN = {"en-US": table(("boots", ["BOOTS"], 90, True)), "pl-PL": table(("kubek", ["MUGS"], 2, True))}
TEST = {
    "en-US": table(("red zenyx boots", ["BOOTS"], 5, False), ("mug", ["MUGS", "CUPS"], 5, True)),
    "pl-PL": table(("красный", ["BOOTS"], 5, False)),
}


def members(dimension: Dimension) -> list[str]:
    assert dimension.of_queries is not None
    return [dimension.slices[index] for index in dimension.of_queries]


def test_every_query_has_its_slices_in_the_order_of_the_locales() -> None:
    found = {dimension.name: members(dimension) for dimension in query_dimensions(TEST, TRAIN, ["zenyx"])}
    assert found == {
        "store": [STORES[0], STORES[0], STORES[2]],
        "length": ["11 to 20 characters", "1 to 5 characters", "6 to 10 characters"],
        "script": ["Latin", "Latin", "Cyrillic"],
        "meaning": ["one product type", "several", "one product type"],
        "brand": ["with a brand", "without", "without"],
    }


def test_where_no_brand_is_known_queries_are_not_divided_by_it() -> None:
    assert "brand" not in [dimension.name for dimension in query_dimensions(TEST, TRAIN, [])]


def test_a_split_without_queries_can_be_divided() -> None:
    assert (
        query_dimensions({"en-US": SPLIT.empty_table()}, TRAIN | {"en-US": SPLIT.empty_table()}, [])[0].slices == STORES
    )


def test_seen_queries_are_told_from_the_others() -> None:
    assert members(seen_dimension(TEST)) == ["not seen", "seen in training", "not seen"]


def test_types_are_divided_by_the_clicks_of_all_stores() -> None:
    support = support_dimension(["BOOTS", "CUPS", "MUGS"], TRAIN)
    assert support.of_types is not None
    assert [support.slices[index] for index in support.of_types] == ["head", "tail", "tail"]


def test_a_small_store_has_a_large_one_of_its_language_or_is_alone() -> None:
    clicks = {"en-US": 100.0, "en-SG": 9.0, "pl-PL": 9.9, "de-DE": 10.0, "de-AT": 0.0}
    assert store_groups(clicks) == {"en-US": 0, "en-SG": 1, "pl-PL": 2, "de-DE": 0, "de-AT": 1}


def test_clicks_of_types_are_added_up_in_the_order_of_the_rows() -> None:
    """To the last bit: a type at the border of two groups must not change sides."""
    random = np.random.default_rng(0)
    rows = [("q", ["A", "B"][: 1 + n % 2], int(random.integers(1, 10**9)), True) for n in range(200)]
    train = {"en-US": table(*rows[:90]), "en-GB": table(*rows[90:]), "fr-BE": SPLIT.empty_table()}
    expected = {"A": 0.0, "B": 0.0, "C": 0.0}
    for _, types, clicks, _ in rows:
        for name in types:
            expected[name] += 1 / len(types) * clicks
    assert clicks_of_types(("A", "B", "C"), train).tolist() == list(expected.values())
