import json

import pytest
from markdown_it import MarkdownIt

from q2pt_tasks.layout import Layout
from q2pt_tasks.sources.synthetic.source import PlantedQuery
from q2pt_tasks.studies.divergence import KINDS, Divergence, Meaning
from q2pt_tasks.studies.locale_pairs import SHOWN, VARIANTS, farthest, measure, page, planted_pairs, shares_right
from q2pt_tasks.studies.study import Figures, Run


@pytest.fixture(scope="module")
def figures(finished: Layout) -> Figures:
    found: Figures = json.loads(json.dumps(measure(Run("all", {}), finished)))
    return found


def test_planted_words_are_found_and_a_variant_that_is_not_told_the_store_knows_none_of_them(figures: Figures) -> None:
    planted = figures["planted"]
    judged, _, dialect = planted["rankings"].values()
    assert judged["found"] > 0.8 * judged["true"]
    assert judged["average_precision"] > 0.5
    assert dialect["average_precision"] > 0.5
    assert planted["knows"]["n"] > 0
    assert planted["knows"]["unified_agnostic"] == 0


def test_a_variant_knows_what_it_gets_right_in_both_stores() -> None:
    meanings = (Meaning({"A": 1.0}, 5), Meaning({"B": 1.0}, 5))
    pants, vest = (Divergence(query, ("en-GB", "en-US"), meanings, 0.5, "dialect") for query in ("pants", "vest"))
    right = {("en-GB", "pants"): "A", ("en-US", "pants"): "B", ("en-GB", "vest"): "A", ("en-US", "vest"): "A"}
    assert shares_right([pants, vest], {"one": right}) == {"n": 2, "one": 0.5}
    assert shares_right([], {"one": right}) == {"n": 0, "one": None}


def test_a_divergence_is_shown_with_what_each_variant_predicts(figures: Figures) -> None:
    first = figures["shown"][0]
    assert first["means"][0] != first["means"][1]
    assert first["kind"] in KINDS
    assert set(first["predicted"]) == set(VARIANTS)
    assert len(set(first["predicted"]["unified_agnostic"])) == 1


def test_the_page_tells_kinds_ranking_and_conclusion(figures: Figures) -> None:
    told = page({"all": figures})
    assert list(told.sections) == ["Against what was planted", "What kinds", "The farthest apart"]
    assert figures["shown"][0]["query"] in told.sections["The farthest apart"]
    assert "planted ones" in told.conclusion[1]
    assert told.plot.startswith("<svg")


def test_what_shoppers_typed_stays_text_on_the_page(figures: Figures) -> None:
    hostile = {"query": "<img src=x onerror=alert(1)> | [hat](javascript:x)", "means": ["![](https://x)", "A|B"]}
    first, *others = figures["shown"]
    shown = page({"all": {**figures, "shown": [{**first, **hostile}, *others]}}).sections["The farthest apart"]
    tokens = MarkdownIt("gfm-like", {"linkify": False}).parse(shown)
    inside = [token.type for block in tokens for token in block.children or ()]
    assert set(inside) <= {"text"}
    assert shown.splitlines()[2].replace("\\|", "").count("|") == shown.splitlines()[0].count("|")


def test_a_log_of_ones_own_has_nothing_planted(figures: Figures) -> None:
    told = page({"all": {**figures, "planted": None}})
    assert list(told.sections) == ["What kinds", "The farthest apart"]
    assert len(told.conclusion) == 1


def test_planted_pairs_are_those_of_other_meanings() -> None:
    planted = [
        PlantedQuery("Pants", "en-US", "TROUSERS"),
        PlantedQuery("Pants", "en-GB", "UNDERPANTS"),
        PlantedQuery("Pants", "en-AU", "TROUSERS"),
    ]
    assert planted_pairs(planted) == {("pants", ("en-GB", "en-US")), ("pants", ("en-AU", "en-GB"))}


def test_a_query_is_shown_once_where_it_is_farthest_apart() -> None:
    meanings = (Meaning({"A": 1.0}, 5), Meaning({"B": 1.0}, 5))
    ranking = [
        Divergence(query, locales, meanings, 0.5, kind)
        for query, locales, kind in [
            ("a", ("en-GB", "en-US"), "dialect"),
            ("a", ("en-AU", "en-US"), "dialect"),
            ("b", ("de-DE", "en-US"), "language"),
            *((f"c{number}", ("en-GB", "en-US"), "dialect") for number in range(SHOWN)),
        ]
    ]
    shown = farthest(ranking, "dialect")
    assert len(shown) == SHOWN
    assert [(one.query, one.locales) for one in shown[:2]] == [("a", ("en-GB", "en-US")), ("c0", ("en-GB", "en-US"))]
