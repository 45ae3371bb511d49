import narwhals as nw
import pyarrow as pa
import pytest

from q2pt_tasks.data.labels import LabelRules, label_pairs, nest_labels
from q2pt_tasks.engine.opening import open_engine
from q2pt_tasks.engine.tables import collect

RULES = LabelRules(min_query_clicks=3, min_pair_clicks=2, min_share=0.1, min_top_share=0.4)


def _labels(clicks: list[tuple[str, str, str, int]], rules: LabelRules = RULES) -> list[tuple[object, ...]]:
    """(locale, query, type, clicks) -> (query, types, clicks) of what the rules accept."""
    columns = dict(
        zip(("locale", "query", "product_type", "clicks"), map(list, zip(*clicks, strict=True)), strict=True)
    )
    pairs = label_pairs(open_engine().frame(pa.table(columns)), rules).with_columns(worse=-nw.col("share"))
    nested = nest_labels(collect(pairs, ("locale", "query", "worse", "product_type")))
    return list(
        zip(
            nested["query"].to_pylist(),
            nested["product_types"].to_pylist(),
            nested["clicks"].to_pylist(),
            strict=True,
        )
    )


@pytest.mark.parametrize(
    ("clicks", "labels"),
    [
        pytest.param([("TROUSERS", 10)], [["TROUSERS"]], id="one type"),
        pytest.param([("A", 6), ("B", 4)], [["A", "B"]], id="two types, best first"),
        pytest.param([("B", 5), ("A", 5)], [["A", "B"]], id="equal shares by name"),
        pytest.param([("A", 19), ("B", 1)], [["A"]], id="a click too few for the pair"),
        pytest.param([("A", 97), ("B", 3)], [["A"]], id="a share too small"),
        pytest.param([("A", 3), ("B", 3), ("C", 3)], [], id="no type stands out"),
        pytest.param([("A", 2)], [], id="too few clicks on the query"),
        pytest.param([("A", 3)], [["A"]], id="just enough clicks"),
    ],
)
def test_a_query_is_labelled_with_the_types_that_its_clicks_support(
    clicks: list[tuple[str, int]], labels: list[list[str]]
) -> None:
    rows = [("en-US", "pants", product_type, count) for product_type, count in clicks]
    assert [types for _, types, _ in _labels(rows)] == labels


def test_clicks_of_one_locale_do_not_count_in_another() -> None:
    rows = [("en-US", "pants", "TROUSERS", 2), ("en-GB", "pants", "TROUSERS", 2)]
    assert _labels(rows) == []
    assert len(_labels([*rows, ("en-US", "pants", "SKIRT", 2)])) == 1


def test_the_clicks_of_a_query_are_all_its_clicks_not_only_the_labelled_ones() -> None:
    assert _labels([("en-US", "pants", "TROUSERS", 19), ("en-US", "pants", "SKIRT", 1)]) == [
        ("pants", ["TROUSERS"], 20)
    ]


def test_no_pairs_give_no_queries() -> None:
    assert _labels([("en-US", "pants", "TROUSERS", 1)]) == []
