"""Takes the pictures in `docs/screenshots/` from a running system with all committed stores: `make screenshots`.

Data and networks are those of the tests, small, so that a run takes minutes.
"""

import logging
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from airflow_api import RETRAINING, WAITING, Airflow
from airflow_local import local_airflow
from browser import logged_in, run_path, take_picture
from playwright.sync_api import Page

from q2pt_tasks.params import read_section

FOLDER = Path("docs/screenshots")
RUN_SECONDS = 3600.0


@dataclass(frozen=True)
class Scene:
    """A picture: the size of the window, and what is done there before it is taken."""

    width: int
    height: int
    act: Callable[[Page, str], None]


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    FOLDER.mkdir(parents=True, exist_ok=True)
    locales = read_section(Path("params.yaml"), "locales", tuple[str, ...])
    with (
        tempfile.TemporaryDirectory(prefix="q2pt-screenshots-") as folder,
        local_airflow(Path(folder), {"locales": list(locales)}) as server,
    ):
        run_id = _run_up_to_the_approval(server.api)
        for name, scene in SCENES.items():
            logging.info("Picture: %s", name)
            with logged_in(server.api, scene.width, scene.height) as page:
                scene.act(page, run_id)
                take_picture(page, FOLDER / f"{name}.png")


def _run_up_to_the_approval(api: Airflow) -> str:
    # The schedule starts a run of its own, which would promote without a question.
    api.remove(api.scheduled_run(RUN_SECONDS))
    run_id = api.trigger({"approval": True, "why": "All stores, with a person's approval"})
    logging.info("Run %s", run_id)
    api.wait_for_task(run_id, "approval", WAITING, RUN_SECONDS)
    return run_id


def _open_form(page: Page, _: str) -> None:
    page.goto(f"/dags/{RETRAINING}")
    page.get_by_role("button", name="Trigger Dag").click()
    page.get_by_text("Ask a person before the promotion.").wait_for()


def _open_graph(page: Page, run_id: str) -> None:
    page.goto(run_path(run_id))
    page.get_by_role("button", name="Show Graph").click()
    page.get_by_role("button", name="Collapse Details Panel").click()
    page.get_by_role("button", name="Options").click()
    # A long chain: from left to right its names would be small.
    page.get_by_role("combobox").filter(has_text="Left to Right").click()
    page.get_by_role("option", name="Top to Bottom").click()
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Fit View").click()
    page.get_by_role("option", name="Top to Bottom").wait_for(state="hidden")


def _open_grid(page: Page, run_id: str) -> None:
    page.goto(run_path(run_id))
    page.get_by_role("button", name="Expand all task groups").click()


def _open_approval(page: Page, run_id: str) -> None:
    page.goto(f"{run_path(run_id)}/tasks/approval/required_actions")
    page.get_by_role("button", name="Approve").wait_for()


def _open_tab(name: str) -> Callable[[Page, str], None]:
    def act(page: Page, run_id: str) -> None:
        page.goto(run_path(run_id))
        page.get_by_role("link", name=name, exact=True).click()
        page.frame_locator("iframe").get_by_role("heading").first.wait_for()

    return act


SCENES: Mapping[str, Scene] = {
    "form": Scene(1100, 1650, _open_form),
    "graph": Scene(900, 1400, _open_graph),
    "grid": Scene(1300, 1050, _open_grid),
    "approval": Scene(1300, 850, _open_approval),
    "results": Scene(1300, 1000, _open_tab("Results")),
    "report": Scene(1300, 1000, _open_tab("Report")),
}


if __name__ == "__main__":
    main()
