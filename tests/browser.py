"""A headless Chromium, by itself or logged in to Airflow's pages."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from airflow_api import RETRAINING, Airflow
from playwright.sync_api import Page, sync_playwright

CHROMIUM = shutil.which("chromium")
# Why a test that needs it is skipped.
MISSING = "Chromium is not installed: apt-get install chromium"
# Other work on the machine makes pages slow.
_TIMEOUT_SECONDS = 60.0


@contextmanager
def opened(width: int, height: int, *, url: str | None = None, script: bool = True) -> Iterator[Page]:
    """An empty page of a new browser."""
    with sync_playwright() as playwright:
        # A sandbox of its own Chromium does not start for root, and it sees no page but ours.
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": width, "height": height}, base_url=url, java_script_enabled=script)
        page.set_default_timeout(_TIMEOUT_SECONDS * 1000)
        yield page
        browser.close()


@contextmanager
def logged_in(airflow: Airflow, width: int = 1440, height: int = 900) -> Iterator[Page]:
    """A page of a new browser, logged in as the user of `airflow`."""
    with opened(width, height, url=airflow.url) as page:
        page.goto("/")
        page.get_by_label("Username").fill(airflow.user)
        page.get_by_label("Password").fill(airflow.password)
        page.get_by_role("button", name="Sign in").click()
        page.get_by_role("link", name="Home").first.wait_for()
        yield page


def run_path(run_id: str, dag: str = RETRAINING) -> str:
    """The page of a run, below Airflow's URL."""
    return f"/dags/{dag}/runs/{quote(run_id, safe='')}"


def take_picture(page: Page, path: Path) -> None:
    """What the window shows, when nothing moves any more."""
    page.wait_for_load_state("networkidle")
    page.screenshot(path=path, animations="disabled")
