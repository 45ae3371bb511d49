"""What the project adds to Airflow's own pages: on the page of a run, a click away, its results, report and validation.

Every process of Airflow loads this module, so it imports next to nothing.
"""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from airflow.sdk.plugins_manager import AirflowPlugin

_PREFIX = "/q2pt"
_RUN = f"{_PREFIX}/{{DAG_ID}}/{{RUN_ID}}"

Message = MutableMapping[str, Any]


async def run_pages(
    scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
) -> None:
    """The pages, as an ASGI application below that of Airflow's API server."""
    from q2pt_tasks.orchestration.run_pages import application

    # The application puts itself in the place of Airflow's, which it asks.
    await application({**scope, "airflow": scope["app"]}, receive, send)


def _tab(name: str, page: str) -> dict[str, str]:
    return {"name": name, "href": f"{_RUN}/{page}", "url_route": f"q2pt-{name.lower()}", "destination": "dag_run"}


class RunPagesPlugin(AirflowPlugin):
    """Named by `pyproject.toml`, so that it is there wherever the project is installed."""

    name = "q2pt"
    fastapi_apps = [{"name": "q2pt", "app": run_pages, "url_prefix": _PREFIX}]  # noqa: RUF012 - as Airflow declares it
    external_views = [  # noqa: RUF012
        _tab("Results", ""),
        _tab("Report", "reports/index.html"),
        _tab("Validation", "reports/validation/index.html"),
    ]
