"""A person in a browser: reads what a run found, and approves the promotion with a click."""

from collections.abc import Iterator
from contextlib import ExitStack, chdir

import pytest
from airflow_api import WAITING
from airflow_local import LocalAirflow, local_airflow
from browser import CHROMIUM, MISSING, logged_in, run_path
from fast_project import make_fast_project
from playwright.sync_api import Page, expect

from q2pt_tasks.git import tip
from q2pt_tasks.registry.tags import PRODUCTION

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1800),
    pytest.mark.enable_socket,
    pytest.mark.skipif(CHROMIUM is None, reason=MISSING),
]

RUN_SECONDS = 900
PARAMS = {"locales": ["en-US", "en-GB"]}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAirflow]:
    folder = tmp_path_factory.mktemp("airflow")
    project = make_fast_project(folder / "project", PARAMS)
    # The server's checkout is made of the project that is the working directory.
    with ExitStack() as stack:
        with chdir(project):
            server = stack.enter_context(local_airflow(folder / "server", PARAMS))
        yield server


def test_a_person_reads_the_report_and_approves_with_a_click(server: LocalAirflow) -> None:
    api = server.api
    assert api.wait_for_run(api.scheduled_run(RUN_SECONDS), RUN_SECONDS) == "success"
    before = tip(str(server.remote), PRODUCTION)
    run_id = api.trigger({"approval": True, "why": "to see it asked"})
    api.wait_for_task(run_id, "approval", WAITING, RUN_SECONDS)
    assert tip(str(server.remote), PRODUCTION) == before
    with logged_in(api) as page:
        page.goto(run_path(run_id))
        _reads_the_results(page)
        _reads_the_report(page)
        _approves(page)
        assert api.wait_for_run(run_id, RUN_SECONDS) == "success"
    assert api.states(run_id)["promote"] == "success"
    assert api.result(run_id, "promote")["version"] == "v2"
    assert tip(str(server.remote), PRODUCTION) != before


def _reads_the_results(page: Page) -> None:
    page.get_by_role("link", name="Results", exact=True).click()
    results = page.frame_locator("iframe")
    expect(results.get_by_role("row", name="unified_aware 0.500")).to_be_visible()
    expect(results.get_by_role("row", name="label unchanged")).to_be_visible()
    expect(results.get_by_role("row", name="report ran")).to_be_visible()


def _reads_the_report(page: Page) -> None:
    page.get_by_role("link", name="Report", exact=True).click()
    report = page.frame_locator("iframe")
    expect(report.get_by_role("heading", name="Query to product type")).to_be_visible()
    report.get_by_role("link", name="Validation").click()
    expect(report.get_by_role("heading", name="The log was accepted")).to_be_visible()


def _approves(page: Page) -> None:
    page.get_by_role("button", name="Required Actions").click()
    expect(page.get_by_text("unified_aware is good enough.")).to_be_visible()
    page.get_by_role("button", name="Approve").click()
