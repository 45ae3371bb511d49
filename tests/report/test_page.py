import re
from html.parser import HTMLParser

import pytest

from q2pt_tasks.report.page import Decision, Inputs, Rule, TableRows, Validation, render
from q2pt_tasks.report.plots import CurvePoint
from q2pt_tasks.report.tables import VARIANTS, Model, Row, StoreRecall, Summary

HOSTILE = "<script>alert('x')</script>"
LOCALES = ["en-US", "de-DE", "pl-PL", HOSTILE]
SECTIONS = ["decision", "headline", "locales", "training-rows", "curves", "coverage", "models", "validation", "reading"]


class Page(HTMLParser):
    """The tags of a page, its text, and every attribute by name."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_data(self, data: str) -> None:
        self.text += data

    def values(self, *names: str) -> list[str]:
        return [value for name, value in self.attributes if name in names]


def row(variant: str, locale: str, metric: str, value: float | None, split: str = "test") -> Row:
    return Row(variant, locale, split, metric, value, 1200)


def rows() -> list[Row]:
    rows = [
        row(variant, locale, metric, None if (variant, locale) == ("majority", "pl-PL") else 0.1 * place + 0.01 * store)
        for place, variant in enumerate(VARIANTS)
        for store, locale in enumerate(["all", *LOCALES])
        for metric in ("micro_recall", "micro_precision")
    ]
    rows += [row("unified_aware", "all", "type_coverage", 0.8125), row("unified_aware", "all", "macro_recall", 0.4321)]
    rows += [row("unified_aware", "all", "micro_recall", 0.3339, split) for split in ("forward", "forward_seen")]
    return rows


def inputs(models: tuple[Model, ...] = ()) -> Inputs:
    figures = {"gain": 0.01234, "floor": None, HOSTILE: HOSTILE, "stores": ["en-US", HOSTILE], "enough": True}
    return Inputs(
        summary=Summary(0.8, tuple(rows()), models, {"version": "v7", "hash": "abc"}),
        curves=tuple(CurvePoint(v, r / 10, 1 - r / 20) for v in VARIANTS for r in range(11)),
        stores=tuple(
            StoreRecall(v, locale, 0.2, 10**n) for v in VARIANTS for n, locale in enumerate(reversed(LOCALES))
        ),
        decision=Decision(
            False,
            "unified_aware",
            {"version": "v7"},
            f"Refused: {HOSTILE}",
            (
                Rule("gain", False, "The gain is below the margin.", figures),
                Rule("floor", True, "Every store keeps its floor.", {}),
            ),
        ),
        validation=Validation("All expectations hold.", {"events": TableRows(1_000_000, 999_990, 10)}),
    )


@pytest.fixture(scope="module")
def html() -> str:
    failed = Model("non_unified", HOSTILE, "untrained", f"too few rows {HOSTILE}", 3, 0, 0.0)
    trained = Model("unified_aware", None, "trained", "", 34_249, 4, 61.2)
    return render("Report <of> tonight", inputs((failed, trained)))


def test_the_page_loads_nothing_and_runs_nothing(html: str) -> None:
    page = Page(html)
    assert not {"script", "iframe", "img", "object", "embed", "video", "audio", "base", "form"} & set(page.tags)
    assert page.values("src", "srcset", "background", "poster", "data", "action") == []
    assert "@import" not in html
    assert all(target.startswith("#") for target in re.findall(r"url\(([^)]*)\)", html))
    assert all(name[:2] != "on" for name, _ in page.attributes)


def test_only_two_links_leave_the_page(html: str) -> None:
    links = {link for link in Page(html).values("href", "xlink:href") if not link.startswith("#")}
    assert links == {"data:,", "validation/index.html", "https://arxiv.org/abs/2410.07121"}


def test_other_peoples_text_is_text(html: str) -> None:
    assert "<script" not in html
    # The locale in two tables and a plot; the model's reason; the decision's sentence; a rule's figures.
    assert Page(html).text.count(HOSTILE) >= 6


def test_sections_stand_in_the_order_of_interest(html: str) -> None:
    assert [section for section in Page(html).values("id") if section in SECTIONS] == SECTIONS


def test_ids_stand_once_and_references_find_them(html: str) -> None:
    ids = Page(html).values("id")
    assert len(ids) == len(set(ids))
    references = re.findall(r"url\(#([^)]*)\)", html) + re.findall(r'xlink:href="#([^"]*)"', html)
    assert references
    assert set(references) <= set(ids)


def test_rules_say_their_result_in_words_and_figures(html: str) -> None:
    text = Page(html).text
    assert "✗ Do not promote" in text
    assert text.index("✗ refused") < text.index("✓ passed")
    assert f"gain: 0.012; floor: –; {HOSTILE}: {HOSTILE}; stores: en-US, {HOSTILE}; enough: yes" in text


def test_every_model_that_did_not_train_is_named(html: str) -> None:
    models = html[html.index('<section id="models">') : html.index('<section id="validation">')]
    assert "untrained" in models
    assert "too few rows" in models
    assert "unified_aware" not in models


def test_without_problems_the_page_says_so() -> None:
    assert "None: every model trained." in render("t", inputs())


def test_validation_shows_where_the_rows_went(html: str) -> None:
    assert "rows in: 1,000,000; valid: 999,990; quarantined: 10." in Page(html).text


def test_equal_inputs_give_equal_pages(html: str) -> None:
    assert render("t", inputs()) == render("t", inputs())
    assert "<metadata" not in html


def test_a_first_run_has_neither_champion_nor_figures() -> None:
    nothing = Inputs(
        summary=Summary(0.8, (), (), None),
        curves=(),
        stores=(),
        decision=Decision(True, "unified_aware", None, "First model.", ()),
        validation=Validation("Good.", {}),
    )
    text = Page(render("t", nothing)).text
    assert "✓ Promote First model." in text
    assert "Champion: none yet." in text
    assert "Good." in text
