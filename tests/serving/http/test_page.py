"""The page as people meet it: in Chromium, on a desk and on a phone, with a mouse and without."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from browser import CHROMIUM, CONTRAST, MISSING, opened
from checkpoints import random_checkpoint
from http_service import Running, serving
from playwright.sync_api import Page, Route, expect

pytestmark = [
    pytest.mark.slow,
    pytest.mark.enable_socket,
    pytest.mark.skipif(CHROMIUM is None, reason=MISSING),
]

WIDTHS = (1280, 390)
HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>"


@dataclass
class Watched:
    """A page, what it asked for, and what it complained of."""

    page: Page
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def running(models: Path) -> Iterator[Running]:
    with serving(models) as running:
        yield running


@pytest.fixture(params=WIDTHS)
def opened_page(request: pytest.FixtureRequest, running: Running) -> Iterator[Watched]:
    with opened(request.param, 844, url=running.url) as page:
        found = Watched(page)
        page.on("request", lambda request: found.requests.append(request.url))
        page.on("console", lambda message: found.complaints.append(message.text))
        page.on("pageerror", lambda error: found.complaints.append(str(error)))
        page.on("dialog", lambda dialog: found.complaints.append(dialog.message))
        page.goto("/")
        expect(page.get_by_text(re.compile("^Release models-"))).to_be_visible()
        yield found
        assert found.complaints == []
        assert all(url.startswith((running.url, "data:")) for url in found.requests)


def choose(page: Page, locale: str) -> None:
    page.get_by_label("Store", exact=True).select_option(locale)


def test_product_types_come_as_a_person_types(opened_page: Watched) -> None:
    page = opened_page.page
    choose(page, "en-GB")
    page.get_by_label("Query", exact=True).press_sequentially("red hat")
    expect(page.get_by_role("status")).to_contain_text("in United Kingdom, English (en-GB)")
    expect(page.locator("article h3")).to_have_text(["unified_awareserves", "unified_agnostic", "non_unified"])
    expect(page.locator("article").first.locator("li").first).to_contain_text(re.compile(r"[A-Z]+0\.\d{3}"))
    stores = page.get_by_role("region", name="The same query in other stores")
    expect(stores.get_by_role("rowheader")).to_have_count(3)
    headers = ["Store", "unified_aware", "unified_agnostic", "non_unified"]
    expect(stores.get_by_role("columnheader")).to_have_text(headers)
    expect(stores.get_by_role("row", name="United States").get_by_role("cell").first).to_contain_text(
        re.compile("[A-Z]+")
    )


def test_it_never_scrolls_sideways(opened_page: Watched) -> None:
    page = opened_page.page
    page.get_by_label("Query", exact=True).fill("red hat " * 60)
    expect(page.locator("article")).to_have_count(3)
    width = page.viewport_size["width"]  # type: ignore[index]
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_what_is_typed_stays_text(opened_page: Watched) -> None:
    page = opened_page.page
    page.get_by_label("Query", exact=True).fill(HOSTILE)
    expect(page.locator("article")).to_have_count(3)
    page.reload()
    expect(page.get_by_label("Query", exact=True)).to_have_value(HOSTILE)
    expect(page.locator("article")).to_have_count(3)
    assert page.locator("script").count() == 1
    assert page.locator("img").count() == 0


def test_the_keyboard_is_enough(opened_page: Watched) -> None:
    page = opened_page.page
    expect(page.get_by_label("Query", exact=True)).to_be_focused()
    page.keyboard.type("sofa")
    region = page.get_by_role("region", name="The same query in other stores")
    expect(region).to_be_visible()
    page.keyboard.press("Tab")
    expect(region).to_be_focused()
    page.keyboard.press("Tab")
    button = region.get_by_role("button").first
    expect(button).to_be_focused()
    name = button.inner_text()
    page.keyboard.press("Enter")
    expect(page.get_by_label("Store", exact=True)).to_be_focused()
    expect(page.get_by_role("status")).to_contain_text(name)


def test_a_store_that_the_model_does_not_know_is_told(opened_page: Watched) -> None:
    page = opened_page.page
    page.get_by_label("Query", exact=True).fill("hat")
    choose(page, "und-ZZ")
    expect(page.get_by_text("The model does not know this store")).to_have_count(1)
    # A model of one store each does not serve it.
    expect(page.locator("article")).to_have_count(2)


def test_a_link_leads_to_a_question(opened_page: Watched, running: Running) -> None:
    page = opened_page.page
    page.goto("about:blank")
    page.goto(f"{running.url}/#locale=de-DE&query=lamp")
    expect(page.get_by_label("Query", exact=True)).to_have_value("lamp")
    expect(page.get_by_label("Store", exact=True)).to_have_value("de-DE")
    expect(page.locator("article")).to_have_count(2)


@pytest.mark.parametrize("width", WIDTHS)
def test_champion_and_challenger_stand_side_by_side(place: Path, models: Path, width: int) -> None:
    with serving(place, "--beside", str(models)) as running, opened(width, 844, url=running.url) as page:
        page.goto("/#locale=en-GB&query=red hat")
        shown = re.compile("^Release first-[0-9a-f]+ beside models-[0-9a-f]+: champion, challenger$")
        expect(page.get_by_text(shown)).to_be_visible()
        expect(page.locator("article h3")).to_have_text(["championserves", "challenger"])
        stores = page.get_by_role("region", name="The same query in other stores")
        expect(stores.get_by_role("columnheader")).to_have_text(["Store", "champion", "challenger"])
        champion, challenger = (page.locator("article").nth(place).bounding_box() for place in (0, 1))
        assert champion is not None
        assert challenger is not None
        # Where there is room: on a phone one is below the other.
        assert (champion["y"] == challenger["y"]) == (width == WIDTHS[0])
        assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("width", WIDTHS)
def test_a_busy_service_is_asked_again_and_a_refusal_is_shown(running: Running, width: int) -> None:
    answers = [429, 422]

    def refuse(route: Route) -> None:
        if not answers:
            route.continue_()
            return
        route.fulfill(status=answers.pop(0), json={"detail": "<b>no</b>"}, headers={"Retry-After": "1"})

    with opened(width, 844, url=running.url) as page:
        page.route("**/predict/batch", refuse)
        page.goto("/")
        page.get_by_label("Query", exact=True).fill("hat")
        expect(page.get_by_role("status")).to_have_text("The service is busy: asking again in 1 s.")
        expect(page.get_by_role("alert")).to_have_text("<b>no</b>")
        page.get_by_label("Query", exact=True).press("Enter")
        expect(page.locator("article")).to_have_count(3)
        expect(page.get_by_role("alert")).to_be_hidden()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_contrast(running: Running, scheme: str) -> None:
    with opened(1280, 844, url=running.url) as page:
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        page.goto("/#locale=en-GB&query=red hat")
        expect(page.locator("article")).to_have_count(3)
        assert page.evaluate(CONTRAST) == []


def test_a_new_release_is_shown_without_a_reload(tmp_path: Path) -> None:
    for seed, name in enumerate(("first", "second")):
        random_checkpoint(tmp_path / name, seed=seed)
    (tmp_path / "current").symlink_to("first")
    with serving(tmp_path / "current", "--poll-seconds", "0.1") as running, opened(390, 844, url=running.url) as page:
        page.goto("/")
        expect(page.get_by_text(re.compile("^Release first-"))).to_be_visible()
        (tmp_path / "next").symlink_to("second")
        (tmp_path / "next").replace(tmp_path / "current")
        shown = page.get_by_text(re.compile("^Release second-"))
        # It is noticed with an answer.
        for letter in "shoes for women" * 20:
            page.get_by_label("Query", exact=True).press_sequentially(letter, delay=200)
            if shown.is_visible():
                break
        expect(shown).to_be_visible()
        expect(page.locator("article")).to_have_count(1)


def test_without_script_it_says_how_to_ask(running: Running) -> None:
    with opened(390, 844, url=running.url, script=False) as page:
        page.goto("/")
        expect(page.get_by_text("This page needs JavaScript")).to_be_visible()
