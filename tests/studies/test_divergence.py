import pyarrow as pa
import pytest

from q2pt_tasks.data.labels import LABELS
from q2pt_tasks.studies.divergence import Meaning, distance, find_divergences, judge, kind_of, read_meanings

TROUSERS, UNDERPANTS = Meaning({"TROUSERS": 1.0}, 1000), Meaning({"UNDERPANTS": 1.0}, 1000)
SOLD = {"en-US": {"TROUSERS", "UNDERPANTS"}, "en-GB": {"TROUSERS", "UNDERPANTS"}, "de-DE": {"TROUSERS", "UNDERPANTS"}}


def test_the_distance_is_that_of_the_shares_where_clicks_are_many_and_less_where_they_are_few() -> None:
    assert distance(TROUSERS, UNDERPANTS) == pytest.approx(1000 / 1010)
    assert distance(TROUSERS, TROUSERS) == 0
    few = Meaning({"UNDERPANTS": 1.0}, 2)
    assert distance(TROUSERS, few) < 0.2
    assert distance(few, TROUSERS) == distance(TROUSERS, few)


def test_meanings_are_read_per_query_and_store() -> None:
    row = {"query": "pants", "product_types": ["A", "B"], "shares": [0.75, 0.25], "clicks": 8}
    table = pa.Table.from_pylist([row], schema=LABELS)
    assert read_meanings({"en-US": table}) == {"pants": {"en-US": Meaning({"A": 0.75, "B": 0.25}, 8)}}


def test_queries_whose_best_types_differ_are_ranked_by_distance() -> None:
    meanings = {
        "pants": {"en-US": TROUSERS, "en-GB": UNDERPANTS},
        "trousers": {"en-US": TROUSERS, "en-GB": TROUSERS},
        "wear": {"en-US": Meaning({"TROUSERS": 0.6, "UNDERPANTS": 0.4}, 50), "en-GB": UNDERPANTS},
        "only here": {"en-US": TROUSERS},
    }
    found = find_divergences(meanings, SOLD)
    assert [(one.query, one.locales, one.kind) for one in found] == [
        ("pants", ("en-GB", "en-US"), "dialect"),
        ("wear", ("en-GB", "en-US"), "culture"),
    ]
    assert found[0].meanings == (UNDERPANTS, TROUSERS)


@pytest.mark.parametrize(
    ("locales", "sold", "kind"),
    [
        (("en-US", "en-GB"), SOLD, "dialect"),
        (("de-DE", "en-US"), SOLD, "language"),
        (("en-US", "en-GB"), {**SOLD, "en-GB": {"UNDERPANTS"}}, "assortment"),
    ],
)
def test_a_kind_is_told_from_languages_and_catalogs(
    locales: tuple[str, str], sold: dict[str, set[str]], kind: str
) -> None:
    assert kind_of(locales, (TROUSERS, UNDERPANTS), sold) == kind


def test_a_ranking_is_judged_by_precision_and_recall() -> None:
    judged = judge(["a", "x", "b", "y"], {"a", "b", "c"}, places=(1, 3, 10))
    assert (judged.true, judged.found) == (3, 2)
    assert judged.at == {1: (1.0, 1 / 3), 3: (2 / 3, 2 / 3), 10: (0.5, 2 / 3)}
    assert judged.average_precision == pytest.approx((1 + 2 / 3) / 3)


def test_an_empty_ranking_finds_nothing() -> None:
    judged = judge([], {"a"}, places=(1,))
    assert (judged.found, judged.average_precision, judged.at) == (0, 0.0, {})
