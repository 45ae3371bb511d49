from collections import Counter
from datetime import date

import narwhals as nw
import pyarrow as pa
import pytest

from q2pt_tasks.data.row_rules import REASON, Window
from q2pt_tasks.data.schema import EVENTS
from q2pt_tasks.data.tallies import LostRowsError, TableRows, tally_rows

LOCALES = ("de-DE", "en-GB")
WINDOW = Window(date(2026, 5, 1), date(2026, 5, 3))
GOOD = {"event_date": date(2026, 5, 1), "locale": "en-GB", "query": "red shoes", "impressions": 10, "clicks": 2}


def test_a_tally_counts_possible_clicks_only_and_forgets_foreign_locales() -> None:
    rows = [
        GOOD,
        {**GOOD, "query": "x", "clicks": 11},
        {**GOOD, "query": "y", "impressions": 2**62, "clicks": 2**53 + 1},
        {**GOOD, "locale": "xx-XX"},
        {**GOOD, "event_date": None},
    ]
    judged = pa.Table.from_pylist(rows, EVENTS).append_column(REASON, pa.nulls(len(rows), pa.string()))
    tally = tally_rows(nw.from_native(judged, eager_only=True), LOCALES, WINDOW).to_native().to_pylist()
    assert Counter((row["locale"], row["day"], row["rows"], row["clicks"]) for row in tally) == {
        ("en-GB", date(2026, 5, 1), 3, 2.0): 1,
        (None, date(2026, 5, 1), 1, 2.0): 1,
        ("en-GB", None, 1, 2.0): 1,
    }


def test_rows_that_do_not_add_up_are_a_mistake_of_ours() -> None:
    assert TableRows(3, 2, 1).check_none_lost("events") == TableRows(3, 2, 1)
    with pytest.raises(
        LostRowsError, match=r"^events: 3 rows arrived, but 2 valid and 0 quarantined rows were written"
    ):
        TableRows(3, 2, 0).check_none_lost("events")
