"""A tiny pipeline's data: what is split, labelled and handed on to trainings."""

import pyarrow.parquet as pq
from tiny import LOCALES

from q2pt_tasks.data.queries import normalise_query
from q2pt_tasks.data.splits import HISTORY_SPLITS
from q2pt_tasks.layout import SPLITS, Layout


def test_no_query_is_in_two_of_the_history_splits_of_any_locale(finished: Layout) -> None:
    sides: dict[str, str] = {}
    for locale in LOCALES:
        for split in HISTORY_SPLITS:
            for query in pq.ParquetFile(finished.split(locale, split)).read()["query"].to_pylist():
                assert sides.setdefault(query, split) == split
    assert set(sides.values()) == set(HISTORY_SPLITS)


def test_all_queries_are_in_their_normal_form(finished: Layout) -> None:
    for locale in LOCALES:
        for split in SPLITS:
            for query in pq.ParquetFile(finished.split(locale, split)).read()["query"].to_pylist():
                assert normalise_query(query) == query


def test_the_shares_of_clicks_reach_the_training(finished: Layout) -> None:
    labelled = {
        (locale, row["query"]): (row["product_types"], row["shares"])
        for locale in LOCALES
        for row in pq.ParquetFile(finished.split(locale, "train")).read().to_pylist()
    }
    rows = pq.ParquetFile(finished.unified_tokens() / "train.parquet").read().to_pylist()
    assert {(row["locale"], row["query"]): (row["product_types"], row["shares"]) for row in rows} == labelled
    assert any(share < 1 for _, shares in labelled.values() for share in shares)


def test_the_forward_days_are_kept_out_of_the_history(finished: Layout) -> None:
    forward = pq.ParquetFile(finished.split("en-US", "forward")).read()
    assert {True, False} == set(forward["seen"].to_pylist())
    train = set(pq.ParquetFile(finished.split("en-US", "train")).read()["query"].to_pylist())
    assert all((row["query"] in train) == row["seen"] for row in forward.to_pylist())
