"""The service keeps to its own OpenAPI document, whatever is asked."""


import pytest
import schemathesis
from checkpoints import random_checkpoint
from hypothesis import HealthCheck, settings

from q2pt_tasks.serving.http.app import create_app
from q2pt_tasks.serving.http.directories import DirectoryReleases
from q2pt_tasks.serving.http.limits import Limits
from q2pt_tasks.serving.http.loaded import LoadedRelease
from q2pt_tasks.serving.http.service import Service
from q2pt_tasks.serving.http.watcher import Watcher

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> schemathesis.BaseSchema:
    releases = DirectoryReleases(random_checkpoint(tmp_path_factory.mktemp("contract") / "model"))
    service = Service(LoadedRelease.load(releases.current()), Limits())
    return schemathesis.openapi.from_asgi("/openapi.json", create_app(service, Watcher(releases, service, 3600)))


schema = schemathesis.pytest.from_fixture("api")


@schema.parametrize()
@settings(max_examples=200, suppress_health_check=list(HealthCheck))
def test_every_answer_is_what_the_document_says(case: schemathesis.Case) -> None:
    case.call_and_validate()


def test_the_document_has_an_example_of_each_question(api: schemathesis.BaseSchema) -> None:
    documents = api.raw_schema["components"]["schemas"]
    for name in ("Question", "Questions"):
        assert documents[name]["examples"]
    assert set(api.raw_schema["paths"]) == {"/predict", "/predict/batch", "/model", "/healthz", "/readyz", "/metrics"}
