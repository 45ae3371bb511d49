"""The page as people meet it: in Chromium, on a desk and on a phone, with and without a mouse."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from browser import CHROMIUM, CONTRAST, MISSING, opened
from playwright.sync_api import Page, expect
from report_inputs import HOSTILE_QUERY, first_run, inputs

from q2pt_tasks.report.page import render

pytestmark = [
    pytest.mark.slow,
    pytest.mark.enable_socket,
    pytest.mark.skipif(CHROMIUM is None, reason=MISSING),
]

WIDTHS = (1280, 390)


@dataclass
class Watched:
    """A page, what it asked for, and what it complained of."""

    page: Page
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("report")
    found = {"full": folder / "index.html", "first": folder / "first.html"}
    found["full"].write_text(render("Report", inputs()), encoding="utf-8")
    found["first"].write_text(render("Report", first_run()), encoding="utf-8")
    return found


@pytest.fixture(params=WIDTHS)
def full(request: pytest.FixtureRequest, files: dict[str, Path]) -> Iterator[Watched]:
    yield from watched(files["full"], request.param)


def watched(file: Path, width: int) -> Iterator[Watched]:
    with opened(width, 844) as page:
        found = Watched(page)
        page.on("request", lambda request: found.requests.append(request.url))
        page.on("console", lambda message: found.complaints.append(message.text))
        page.on("pageerror", lambda error: found.complaints.append(str(error)))
        page.on("dialog", lambda dialog: found.complaints.append(dialog.message))
        page.goto(file.as_uri())
        yield found
        assert found.complaints == []
        assert [url for url in found.requests if not url.startswith("data:")] == [file.as_uri()]


def test_the_page_does_not_scroll_sideways_and_wide_tables_do_so_in_their_own_box(full: Watched) -> None:
    width = full.page.viewport_size["width"]  # type: ignore[index]
    assert full.page.evaluate("document.documentElement.scrollWidth") <= width
    assert full.page.evaluate(
        "[...document.querySelectorAll('.scroll')].some(box => box.scrollWidth > box.clientWidth)"
    )


def test_what_shoppers_typed_is_shown_as_text(full: Watched) -> None:
    expect(full.page.get_by_text(HOSTILE_QUERY).first).to_be_visible()
    assert full.page.locator("img").count() == 0
    assert full.page.locator("script").count() == 1


def test_a_click_sorts_numbers_from_the_largest_and_a_second_one_turns_them_round(full: Watched) -> None:
    header = full.page.get_by_role("region", name="Surest mistakes").get_by_role("columnheader", name="Score")
    first = scores(full.page)
    header.get_by_role("button").click()
    assert scores(full.page) == sorted(first, reverse=True)
    expect(header).to_have_attribute("aria-sort", "descending")
    header.get_by_role("button").click()
    assert scores(full.page) == sorted(first)
    expect(header).to_have_attribute("aria-sort", "ascending")


def test_the_keyboard_reaches_a_header_and_sorts_words_from_a(full: Watched) -> None:
    box = full.page.get_by_role("region", name="Surest mistakes")
    box.focus()
    full.page.keyboard.press("Tab")
    focused = full.page.locator(":focus")
    expect(focused).to_have_text("Query")
    full.page.keyboard.press("Enter")
    queries = box.get_by_role("rowheader").all_inner_texts()
    assert queries == sorted(queries)
    expect(box.get_by_role("columnheader", name="Query")).to_have_attribute("aria-sort", "ascending")
    full.page.keyboard.press("Space")
    assert box.get_by_role("rowheader").all_inner_texts() == queries[::-1]


def test_what_is_not_known_stays_last_and_the_sum_first(full: Watched) -> None:
    box = full.page.get_by_role("region", name="Figures by locale and variant")
    header = box.get_by_role("columnheader", name="majority recall")
    for _ in range(2):
        header.get_by_role("button").click()
        assert box.get_by_role("rowheader").first.inner_text() == "all"
        assert box.get_by_role("rowheader").last.inner_text() == "pl-PL"


def test_every_header_of_every_table_sorts(full: Watched) -> None:
    assert full.page.locator("thead th").count() == full.page.locator("thead th button").count() > 40


def test_boxes_that_scroll_can_be_focused(full: Watched) -> None:
    assert full.page.locator(".scroll:not([tabindex='0'])").count() == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_and_shades_have_contrast(files: dict[str, Path], scheme: str) -> None:
    with opened(1280, 844) as page:
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        page.goto(files["full"].as_uri())
        low = page.evaluate(CONTRAST)
        assert low == []


def test_without_script_all_numbers_are_there(files: dict[str, Path]) -> None:
    with opened(390, 844, script=False) as page:
        page.goto(files["full"].as_uri())
        expect(page.get_by_role("region", name="Surest mistakes").get_by_text("0.999")).to_be_visible()
        assert page.locator("th button").count() == 0


@pytest.mark.parametrize("width", WIDTHS)
def test_a_first_run_has_a_page_as_well(files: dict[str, Path], width: int) -> None:
    for found in watched(files["first"], width):
        expect(found.page.get_by_text("✓ Promote")).to_be_visible()
        assert found.page.evaluate("document.documentElement.scrollWidth") <= width


def scores(page: Page) -> list[float]:
    rows = page.get_by_role("region", name="Surest mistakes").locator("tbody tr")
    return [float(text) for text in rows.locator("td:nth-child(4)").all_inner_texts()]
