"""Queries and labels from files of the taxonomy."""

from pathlib import Path

import pytest

from benchmarks.performance.data import Query, Taxonomy

REFERENCE = """# Google_Product_Taxonomy_Version: 2021-09-21
1 - Home
2 - Home > Lamps
3 - Home > Lamps > Desk Lamps
4 - Home > Lamps > Desk Lamps > Clamp Lamps & Clip Lamps
5 - Home > Vases
6 - Garden
7 - Garden > Tools
8 - Garden > Tools > Rakes
"""
GERMAN = """# Google_Product_Taxonomy_Version: 2021-09-21
3 - Haus > Lampen > Tischlampen
5 - Haus > Vasen
99 - Haus > Nur hier
"""


@pytest.fixture
def taxonomy(tmp_path: Path) -> Taxonomy:
    for locale, text in {"en-US": REFERENCE, "de-DE": GERMAN, "en-AU": REFERENCE}.items():
        (tmp_path / f"taxonomy-with-ids.{locale}.txt").write_text(text, encoding="utf-8")
    return Taxonomy.of(tmp_path)


def test_a_label_is_the_ancestor_at_level_three_or_the_end_of_a_branch_above(taxonomy: Taxonomy) -> None:
    assert taxonomy.labels == {"3": "3", "4": "3", "5": "5", "8": "8"}
    assert taxonomy.types == ["3", "5", "8"]
    assert taxonomy.branches == {"3": "Home", "5": "Home", "8": "Garden"}


def test_queries_are_names_in_every_locale_but_repeated_ones(taxonomy: Taxonomy) -> None:
    found = {(query.locale, query.text): query.labels for query in taxonomy.queries()}
    assert found == {
        ("en-US", "desk lamps"): ("3",),
        ("en-US", "clamp lamps"): ("3",),
        ("en-US", "clip lamps"): ("3",),
        ("en-US", "vases"): ("5",),
        ("en-US", "rakes"): ("8",),
        ("de-DE", "tischlampen"): ("3",),
        ("de-DE", "vasen"): ("5",),
    }


def test_a_query_has_names_of_product_types() -> None:
    assert Query("en-US", "lamps", ("3", "5")).product_types == ["GPC_3", "GPC_5"]
