from collections.abc import Sequence

import pyarrow as pa
import pytest

from q2pt_tasks.data.floods import FLOOD, FloodRule, find_floods, mark_floods
from q2pt_tasks.data.row_rules import REASON

RULE = FloodRule(share=0.2, clicks=200)
Row = tuple[str, str, int, str | None]


def judged(rows: Sequence[Row]) -> pa.Table:
    columns = zip(*rows, strict=True)
    return pa.table(dict(zip(("locale", "query", "clicks", REASON), columns, strict=True)))


@pytest.mark.parametrize(
    ("clicks", "of_store", "is_flood"), [(200, 1_000, False), (201, 1_000, True), (200, 200, True), (201, 9_000, False)]
)
def test_a_flood_is_much_of_a_stores_clicks(clicks: float, of_store: float, is_flood: bool) -> None:
    stores = {"en-GB": of_store, "fr-BE": 9e9}
    queries = {("en-GB", "sofa"): clicks, ("fr-BE", "sofa"): 500.0}
    assert find_floods(queries, stores, RULE) == ({("en-GB", "sofa")} if is_flood else set())


def test_a_flood_is_marked_in_its_store_and_what_has_a_reason_keeps_it() -> None:
    rows: list[Row] = [
        ("en-GB", "hat", 50, None),
        ("en-GB", "sofa", -1, "bad"),
        ("en-GB", "sofa", 500, None),
        ("en-GB", "sofa", 1, None),
        ("fr-BE", "sofa", 1, None),
    ]
    marked = mark_floods(judged(rows), {("en-GB", "sofa")})
    assert marked.column_names == ["locale", "query", "clicks", REASON]
    assert marked[REASON].to_pylist() == [None, "bad", FLOOD[1], FLOOD[1], None]
    assert mark_floods(judged(rows), ()).equals(judged(rows))


def test_a_missing_query_is_no_flood() -> None:
    table = pa.table({"locale": ["en-GB", None], "query": pa.array([None, "sofa"], pa.string())}).append_column(
        REASON, pa.nulls(2, pa.string())
    )
    assert mark_floods(table, {("en-GB", "sofa")})[REASON].to_pylist() == [None, None]
