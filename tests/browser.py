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


# Elements with text of their own whose contrast with what is behind them is below 4.5 to 1 (WCAG AA).
CONTRAST = """
() => {
  const parse = (color) => (color.match(/[0-9.]+/g) || []).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((v) => v / 255)
    .map((v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (element) => {
    for (let e = element; e; e = e.parentElement) {
      const color = parse(getComputedStyle(e).backgroundColor);
      if (color.length === 3 || color[3] > 0) return color;
    }
    return [255, 255, 255];
  };
  const found = [];
  for (const element of document.querySelectorAll("body *:not(svg *):not(script)")) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
    if (!own) continue;
    const [a, b] = [light(parse(getComputedStyle(element).color)), light(behind(element))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) found.push(`${element.tagName} ${element.textContent.trim().slice(0, 20)} ${ratio.toFixed(2)}`);
  }
  return found;
}
"""
