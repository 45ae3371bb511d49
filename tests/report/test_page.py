import base64
import hashlib
import re
from html.parser import HTMLParser

import pytest
from report_inputs import CANDIDATE, HOSTILE, HOSTILE_QUERY, STORES, first_run, inputs, large_shop

from q2pt_tasks.report.page import render
from q2pt_tasks.report.tables import VARIANTS, Model

SECTIONS = [
    "changes",
    "decision",
    "slices",
    "mistakes",
    "headline",
    "locales",
    "curves",
    "coverage",
    "models",
    "validation",
    "card",
    "reading",
]
# Of the page of twenty stores, as docs/decisions/2026-11-28-slices-judgements-and-the-report.md says.
MOST_BYTES = 256_000


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


@pytest.fixture(scope="module")
def html() -> str:
    failed = Model("non_unified", HOSTILE, "untrained", f"too few rows {HOSTILE}", 3, 0, 0.0)
    trained = Model("unified_aware", None, "trained", "", 34_249, 4, 61.2)
    return render("Report <of> tonight", inputs((failed, trained)))


def test_the_page_loads_nothing_and_runs_its_own_script_alone(html: str) -> None:
    page = Page(html)
    assert page.tags.count("script") == page.tags.count("style") == 1
    assert not {"iframe", "img", "object", "embed", "video", "audio", "base", "form"} & set(page.tags)
    assert page.values("src", "srcset", "background", "poster", "data", "action") == []
    assert "@import" not in html
    assert all(target.startswith("#") for target in re.findall(r"url\(([^)]*)\)", html))
    assert all(name[:2] != "on" and name != "style" for name, _ in page.attributes)


@pytest.mark.parametrize("element", ["style", "script"])
def test_the_security_policy_allows_the_page_s_own_text_alone_by_its_hash(html: str, element: str) -> None:
    (text,) = re.findall(f"<{element}>(.*?)</{element}>", html, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    (policy,) = [value for value in Page(html).values("content") if value.startswith("default-src")]
    assert policy.startswith("default-src 'none'; ")
    assert f"{element}-src 'sha256-{digest}';" in policy
    assert "unsafe" not in policy


def test_only_two_links_leave_the_page(html: str) -> None:
    links = {link for link in Page(html).values("href", "xlink:href") if not link.startswith("#")}
    assert links == {"data:,", "validation/index.html", "https://arxiv.org/abs/2410.07121"}


def test_other_peoples_text_is_text(html: str) -> None:
    assert html.count("<script") == 1
    assert "<img" not in html
    # Locales in tables and plots; the model's reason; the decision's sentence; a rule's figures; types; params.
    assert Page(html).text.count(HOSTILE) >= 12
    assert Page(html).text.count(HOSTILE_QUERY) == 2


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
    assert text.index("✗ refused") < text.index("✓ passed") < text.index("⚠ warning")
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
    text = Page(render("t", first_run())).text
    assert "✓ Promote First model." in text
    assert "Champion: none yet." in text
    assert "Good." in text


def section(html: str, name: str) -> str:
    return Page(html[html.index(f'<section id="{name}">') :].partition("</section>")[0]).text


def test_what_changed_says_so_in_words_beside_every_number(html: str) -> None:
    text = section(html, "changes")
    assert "+0.030 against the champion" in text
    for words in ("▲ better", "▼ worse", "≈ no clear change"):
        assert words in text
    assert "a gap of\n0.600 (0.500 to 0.700)" in text
    assert "−0.050 (−0.080 to −0.020)" in text


def test_a_figure_over_all_locales_has_the_interval_of_its_change_against_the_champion_alone(html: str) -> None:
    text = " ".join(section(html, "changes").split())
    assert "−0.400 −0.420 to −0.380 ▼ worse" in text.replace("−0.380▼", "−0.380 ▼")
    assert "9.000" not in text


def test_every_number_of_a_bar_stands_beside_it(html: str) -> None:
    bars = html.count('<svg class="bar"')
    assert bars > 20
    assert len(re.findall(r"<td[^>]* data-v[^>]*>[^<]*\d[^<]*(<span[^<]*</span>)?\s*<svg class=\"bar\"", html)) == bars


def test_few_positives_are_marked_in_the_heat_map_by_more_than_a_shade(html: str) -> None:
    cells = re.findall(r'<td class="h(\d)( few)?[^"]*" data-v="[^"]*">([^<]*)</td>', html)
    assert {bool(few) for _, few, _ in cells} == {True, False}
    assert all(text.endswith("°") == bool(few) for _, few, text in cells)
    assert len({shade for shade, _, _ in cells}) > 3


def test_the_model_card_has_window_rows_params_thresholds_and_judgements(html: str) -> None:
    text = section(html, "card")
    for part in (
        "2026-06-23 to 2026-06-30",
        "train 19,823, test 5,875",
        f"{CANDIDATE} (candidate)",
        "layers: 2",
        "Threshold 0.410; 38 types have one of their own, of which 2 are never predicted",
        "200 queries, scored apart and never trained on; 12 of them are training queries",
    ):
        assert part in text


def test_calibration_is_drawn_and_said_in_numbers(html: str) -> None:
    text = section(html, "curves")
    assert "mean score of the best type" in text
    assert "0.120" in text
    assert "Expected calibration error" not in render("t", first_run())


def test_headline_figures_have_their_intervals(html: str) -> None:
    text = section(html, "headline")
    assert text.count("0.123 to 0.456") == 3
    assert text.count("0.570 to 0.630") == 2  # seen and unseen queries of the newest days, from the slices
    assert "95" in text


def test_the_precision_reached_and_human_judgements_have_an_interval_as_a_tile_and_in_the_table(html: str) -> None:
    tiles, _, table = section(html, "changes").partition("Over all locales")
    for interval in ("0.211 to 0.222", "0.066 to 0.777"):
        assert interval in tiles
        assert interval in table.partition("In each locale")[0]
    assert "0.588 to 0.612" in table  # the champion's


def test_every_variant_in_a_locale_has_the_interval_that_is_known(html: str) -> None:
    assert section(html, "locales").count("0.288 to 0.299") == 1


def test_how_high_types_rank_is_said_of_every_variant_that_ranks(html: str) -> None:
    text = section(html, "headline").partition("How high the right types rank")[2]
    assert "P@1: how often the first type is right." in text
    assert text.count("0.700") == 6
    assert text.count("0.611 to 0.722") == 1
    assert "How high" not in render("t", first_run())


def test_the_page_of_twenty_stores_is_light_enough_to_be_forwarded() -> None:
    html = render("t", large_shop())
    # Recall and precision of every variant in every store and in all of them, each with its interval.
    assert section(html, "locales").count("0.111 to 0.222") == 2 * len(VARIANTS) * (len(STORES) + 1)
    assert len(html.encode()) < MOST_BYTES
