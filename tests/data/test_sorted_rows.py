from collections.abc import Sequence
from datetime import date
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from q2pt_tasks.data.row_rules import DUPLICATE_EVENT, REASON
from q2pt_tasks.data.schema import EVENTS
from q2pt_tasks.data.sorted_rows import clicks_of_queries, mark_repeats, whole_queries

DAY = date(2026, 5, 1)
SCHEMA = EVENTS.append(pa.field(REASON, pa.string()))
BAD = "a count is wrong"


def row(query: str | None, product: str = "P1", clicks: int = 1, reason: str | None = None, **more: Any) -> Any:  # noqa: ANN401
    good = {"event_date": DAY, "locale": "en-GB", "impressions": 9, "carts": 0, "purchases": 0}
    return {**good, "query": query, "product_id": product, "clicks": clicks, REASON: reason, **more}


def judged(rows: Sequence[Any]) -> pa.Table:
    return pa.Table.from_pylist(list(rows), SCHEMA)


def reasons(rows: Sequence[Any]) -> list[str | None]:
    found: list[str | None] = mark_repeats(judged(rows))[REASON].to_pylist()
    return found


def test_the_last_valid_row_of_a_key_stays() -> None:
    twice = DUPLICATE_EVENT[1]
    assert reasons([row("a", clicks=1), row("a", clicks=2), row("a", clicks=3)]) == [twice, twice, None]
    assert reasons([row("a"), row("a", reason=BAD), row("a", reason=BAD)]) == [None, BAD, BAD]
    assert reasons([row("a"), row("a", reason=BAD), row("a")]) == [twice, BAD, None]
    assert reasons([row("a"), row("a", "P2"), row("b"), row("b", locale="fr-FR")]) == [None] * 4
    assert reasons([row(None), row(None)]) == [None, None]
    assert reasons([]) == []


@pytest.mark.parametrize("size", [1, 2, 3, 5, 9])
def test_tables_are_cut_between_queries_alone(size: int) -> None:
    rows = judged([row(query, product) for query in "abbbbc" for product in ("P1", "P2")])
    tables = list(whole_queries(rows.slice(start, size) for start in range(0, len(rows), size)))
    assert pa.concat_tables(tables).equals(rows)
    queries = [set(table["query"].to_pylist()) for table in tables]
    assert sum(map(len, queries)) == 3
    assert list(whole_queries([])) == []


def test_queries_with_many_clicks_are_added_up_by_store() -> None:
    rows = [row("a", clicks=2), row("a", "P2", clicks=3), row("b", clicks=4), row("b", locale="fr-FR", clicks=5)]
    assert clicks_of_queries(judged(rows), 5) == {("en-GB", "a"): 5.0, ("fr-FR", "b"): 5.0}
    assert clicks_of_queries(judged([]), 5) == {}
    large = [row("a", clicks=2**62), row("a", "P2", clicks=2**62)]
    assert clicks_of_queries(judged(large), 5) == {("en-GB", "a"): 2.0**63}


ROWS = st.lists(
    st.tuples(st.sampled_from([None, "a", "b"]), st.sampled_from(["P1", "P2"]), st.sampled_from([None, None, BAD])),
    max_size=12,
)


@settings(deadline=None, max_examples=50)
@given(ROWS, st.integers(1, 5))
def test_repeats_are_the_same_however_rows_come_in_tables(rows: list[tuple[Any, ...]], size: int) -> None:
    ordered = sorted(rows, key=lambda each: tuple((part is None, part or "") for part in each))
    whole = judged([row(query, product, reason=reason) for query, product, reason in ordered])
    pieces = whole_queries(whole.slice(start, size) for start in range(0, len(whole), size))
    marked = [reason for piece in pieces for reason in mark_repeats(piece)[REASON].to_pylist()]
    assert marked == mark_repeats(whole)[REASON].to_pylist()
