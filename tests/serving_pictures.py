"""Takes the pictures of the service's page in `docs/screenshots/`: of the models in `models/`, so `make demo` first."""

import sys
from pathlib import Path

from browser import opened, take_picture
from http_service import serving
from playwright.sync_api import expect

FOLDER = Path("docs/screenshots")
SIZES = {"desktop": (1280, 1100), "phone": (390, 1100)}
QUESTION = "/#locale=en-GB&query=pants"


def main(models: Path = Path("models"), folder: Path = FOLDER) -> None:
    # In pictures the one that reads the store's name is the champion, and the one that does not challenges it.
    beside = ("--beside", str(models / "unified_agnostic"))
    for name, model, options in (("serving", models, ()), ("beside", models / "unified_aware", beside)):
        with serving(model, *options) as running:
            for size, (width, height) in SIZES.items():
                with opened(width, height, url=running.url) as page:
                    page.goto(QUESTION)
                    expect(page.locator("#stores tr").first).to_be_visible()
                    take_picture(page, folder / f"{name}-{size}.png")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
