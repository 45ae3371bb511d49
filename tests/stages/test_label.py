"""The floor of privacy in the stage that makes labels: what is below it is learned by nobody."""

import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from q2pt_tasks.data.privacy import PrivacyParams
from q2pt_tasks.data.schema import CATALOG
from q2pt_tasks.engine.tables import write_table
from q2pt_tasks.layout import Layout, catalog_file, day_file
from q2pt_tasks.stages import label
from q2pt_tasks.stages.label import LabelParams

LAST_DAY = date(2026, 6, 30)
PARAMS = LabelParams(
    forward_days=1,
    min_query_clicks=1,
    min_pair_clicks=1,
    forward_min_clicks=1,
    min_share=0.1,
    min_top_share=0.4,
    min_queries=1,
    min_product_types=1,
)

Row = dict[str, Any]


def row(query: str, clicks: int, days_back: int = 1, **values: object) -> Row:
    day = LAST_DAY - timedelta(days=days_back)
    good: Row = {"event_date": day, "locale": "en-GB", "query": query, "product_id": "1", "clicks": clicks}
    return {**good, "impressions": 99, "carts": 0, "purchases": 0, **values}


def labelled(folder: Path, rows: list[Row], floor: PrivacyParams) -> tuple[set[str], set[str], label.LabelReport]:
    """The queries of the history, those of the forward day, and what the stage says."""
    layout = Layout(folder)
    everybody = [row("pants", 50), row("pants", 50, days_back=0)]
    for each in everybody if floor.min_query_users else ():
        each["users"] = 50
    rows = [*everybody, *rows]
    for day in {each["event_date"] for each in rows}:
        of_day = [each for each in rows if each["event_date"] == day]
        write_table(pa.Table.from_pylist(of_day, floor.events), day_file(layout.valid, day))
    catalog = [{"product_id": "1", "locale": locale, "product_type": "TROUSERS"} for locale in ("en-GB", "de-DE")]
    write_table(pa.Table.from_pylist(catalog, CATALOG), catalog_file(layout.valid))
    layout.raw.mkdir()
    layout.window.write_text(json.dumps({"first_day": str(LAST_DAY - timedelta(days=3)), "last_day": str(LAST_DAY)}))
    report = label.run(layout, PARAMS, ("en-GB", "de-DE"), floor)
    history, forward = (
        {
            query
            for file in sorted((layout.labeled / period).iterdir())
            for query in pq.ParquetFile(file).read()["query"].to_pylist()
        }
        for period in ("history", "forward")
    )
    return history - {"pants"}, forward - {"pants"}, report


def test_a_query_counts_its_clicks_over_the_whole_window_and_in_all_its_spellings(tmp_path: Path) -> None:
    rows = [
        row("Ann Meier", 1, days_back=2),
        row("ann  meier", 1),
        row("ann meier", 1, days_back=0),
        row("ben", 2),
        row("carl", 2, days_back=0),
    ]
    history, forward, report = labelled(tmp_path, rows, PrivacyParams(min_query_clicks=3))
    assert (history, forward) == ({"ann meier"}, {"ann meier"})
    assert report.rare_queries == 2
    assert "2 queries below the floor of privacy left out" in str(report)


def test_clicks_in_one_store_do_not_count_in_another(tmp_path: Path) -> None:
    rows = [row("ann", 2), row("ann", 2, locale="de-DE")]
    history, _, report = labelled(tmp_path, rows, PrivacyParams(min_query_clicks=3))
    assert (history, report.rare_queries) == (set(), 2)


def test_a_floor_of_one_click_keeps_all(tmp_path: Path) -> None:
    history, _, report = labelled(tmp_path, [row("ann", 1)], PrivacyParams(min_query_clicks=1))
    assert (history, report.rare_queries) == ({"ann"}, 0)


def test_many_clicks_of_few_people_are_not_enough_where_the_log_tells_the_people(tmp_path: Path) -> None:
    rows = [
        # One person on three days, which rows cannot tell from three people.
        *(row("ann", 40, days_back=back, users=1) for back in range(3)),
        row("ben", 5, users=5),
        row("Ben", 5, users=1),
        row("carl", 5, users=4),
    ]
    history, forward, report = labelled(tmp_path, rows, PrivacyParams(min_query_clicks=3, min_query_users=5))
    assert (history, forward, report.rare_queries) == ({"ben"}, set(), 2)


def test_no_query_is_left_where_all_are_rare(tmp_path: Path) -> None:
    with pytest.raises(label.TooFewLabelsError, match="0 labelled queries are left"):
        labelled(tmp_path, [], PrivacyParams(min_query_clicks=1_000))
