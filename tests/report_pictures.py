"""Takes the pictures of the report in `docs/screenshots/` from `reports/index.html`: `make demo`, then this."""

from pathlib import Path

from browser import opened, take_picture

REPORT = Path("reports/index.html")
FOLDER = Path("docs/screenshots")
SIZES = {"report-desktop": (1280, 1600), "report-phone": (390, 1600)}


def main(report: Path = REPORT, folder: Path = FOLDER) -> None:
    for name, (width, height) in SIZES.items():
        with opened(width, height) as page:
            page.goto(report.resolve().as_uri())
            take_picture(page, folder / f"{name}.png")


if __name__ == "__main__":
    main()
