"""What training queries consist of, without what they say."""

import json
from dataclasses import asdict

import pyarrow as pa

from q2pt_tasks.data.census import WORD_BUCKETS, take_census


def _table(queries: list[str], types: list[list[str]]) -> pa.Table:
    return pa.table({"query": pa.array(queries, pa.string()), "product_types": pa.array(types, pa.list_(pa.string()))})


def test_labels_and_words_are_counted() -> None:
    census = take_census(_table(["red shoes", "red hat", "日本語の検索"], [["SHOES"], ["HAT", "SHOES"], ["HAT"]]))
    assert census.labels == {"HAT": 2, "SHOES": 2}
    assert sum(census.words) == 5
    assert len(census.words) == WORD_BUCKETS


def test_the_same_word_is_always_in_the_same_bucket() -> None:
    once, often = take_census(_table(["red"], [["HAT"]])), take_census(_table(["red red", "red"], [["HAT"], ["HAT"]]))
    assert [3 * count for count in once.words] == list(often.words)


def test_no_text_of_a_query_is_kept() -> None:
    census = take_census(_table(["my secret name"], [["HAT"]]))
    assert "secret" not in json.dumps(asdict(census))


def test_a_store_without_queries_has_counted_nothing() -> None:
    census = take_census(_table([], []))
    assert (census.labels, sum(census.words)) == ({}, 0)
