from collections.abc import Sequence

import pyarrow as pa
import pytest

from q2pt_tasks.data.floods import FLOOD, FloodRule, find_floods, mark_floods
from q2pt_tasks.data.row_rules import REASON, Frame
from q2pt_tasks.engine import Engine, collect

RULE = FloodRule(share=0.2, clicks=200)
ENGINE = Engine()
Row = tuple[str, str, int, str | None]
ORDINARY: tuple[Row, ...] = tuple(("en-GB", f"hat {number}", 50, None) for number in range(16))  # 800 clicks


def judged(rows: Sequence[Row]) -> Frame:
    columns = zip(*rows, strict=True)
    return ENGINE.frame(pa.table(dict(zip(("locale", "query", "clicks", REASON), columns, strict=True))))


def found(*rows: Row) -> list[str]:
    queries: list[str] = collect(find_floods(judged([*ORDINARY, *rows]), RULE), ("query",))["query"].to_pylist()
    return queries


@pytest.mark.parametrize(
    ("rows", "floods"),
    [
        ([("en-GB", "sofa", 201, None)], ["sofa"]),
        ([("en-GB", "sofa", 200, None)], []),
        # Of many rows, on many products.
        ([("en-GB", "sofa", 1, None)] * 300, ["sofa"]),
        # In a small store a query soon has most of the clicks.
        ([("fr-BE", "sofa", 199, None)], []),
        ([("fr-BE", "sofa", 200, None)], ["sofa"]),
        # What is quarantined already floods nothing.
        ([("en-GB", "sofa", 9000, "a count is wrong")], []),
        ([("en-GB", "sofa", 2**62, None), ("en-GB", "sofa", 2**62, None)], ["sofa"]),
    ],
)
def test_a_flood_is_much_of_a_stores_clicks(rows: list[Row], floods: list[str]) -> None:
    assert found(*rows) == floods


def test_a_flood_is_marked_in_its_store_and_what_has_a_reason_keeps_it() -> None:
    rows: list[Row] = [
        *ORDINARY,
        ("en-GB", "sofa", 500, None),
        ("fr-BE", "sofa", 1, None),
        ("en-GB", "sofa", -1, "bad"),
    ]
    table = judged(rows)
    marked = collect(mark_floods(table, find_floods(table, RULE)), ("locale", "query", "clicks"))
    assert marked.column_names == ["locale", "query", "clicks", REASON]
    assert marked.num_rows == len(rows)
    shown = [tuple(row.values()) for row in marked.to_pylist() if row["query"] == "sofa"]
    assert shown == [("en-GB", "sofa", -1, "bad"), ("en-GB", "sofa", 500, FLOOD[1]), ("fr-BE", "sofa", 1, None)]
