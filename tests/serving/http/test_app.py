"""The service over HTTP, without a network."""

import json
import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from checkpoints import LOCALES, exact_predictor, random_checkpoint
from starlette.testclient import TestClient

from q2pt_tasks.model.metadata import load_metadata, save_metadata
from q2pt_tasks.serving.http.app import create_app
from q2pt_tasks.serving.http.directories import DirectoryReleases
from q2pt_tasks.serving.http.limits import NEAR_MISSES, QUERY_CHARACTERS, QUESTIONS, Limits
from q2pt_tasks.serving.http.loaded import LoadedRelease
from q2pt_tasks.serving.http.service import Service
from q2pt_tasks.serving.http.watcher import Watcher

ROUNDING = 0.1
MEGABYTE = 2**20


def ask(client: TestClient, **question: object) -> dict[str, object]:
    response = client.post("/predict", json={"query": "red hat", "locale": "en-GB", **question})
    assert response.status_code == 200, response.text
    answer: dict[str, object] = response.json()
    return answer


def serving(place: Path, limits: Limits | None = None) -> TestClient:
    releases = DirectoryReleases(place)
    service = Service(LoadedRelease.load(releases.current()), limits or Limits())
    return TestClient(create_app(service, Watcher(releases, service, 3600)), raise_server_exceptions=False)


@pytest.fixture
def per_locale(models: Path) -> Iterator[TestClient]:
    with serving(models / "non_unified") as client:
        yield client


def test_an_answer_is_that_of_the_predictor_but_for_rounding(client: TestClient, models: Path) -> None:
    answer = ask(client)
    exact = exact_predictor(models / "unified_aware").scores(["red hat"], "en-GB")[0]
    names = exact_predictor(models / "unified_aware").metadata.product_types
    scores = {found["product_type"]: found["score"] for found in answer["product_types"]}  # type: ignore[attr-defined]
    assert scores
    assert scores == pytest.approx({name: exact[names.index(name)] for name in scores}, abs=ROUNDING)
    assert list(scores.values()) == sorted(scores.values(), reverse=True)
    assert (answer["query"], answer["locale"], answer["model"]) == ("red hat", "en-GB", "unified_aware")
    assert answer["used_unknown_locale"] is False


def test_many_questions_have_the_answers_of_each_in_their_order(client: TestClient) -> None:
    questions = [
        {"query": f"{word} {number}", "locale": locale, "model": model}
        for number, word in enumerate(("pants", "hat", "", "sofa"))
        for locale in LOCALES[:2]
        for model in ("unified_aware", "unified_agnostic", "non_unified")
    ]
    response = client.post("/predict/batch", json={"questions": questions})
    answers = response.json()["answers"]
    assert [(answer["query"], answer["locale"], answer["model"]) for answer in answers] == [
        tuple(question.values()) for question in questions
    ]
    for question, answer in zip(questions, answers, strict=True):
        alone = ask(client, **question)
        assert {found["product_type"] for found in answer["product_types"]} == {
            found["product_type"]
            for found in alone["product_types"]  # type: ignore[attr-defined]
        }


def test_near_misses_are_the_best_types_below_their_thresholds(client: TestClient) -> None:
    answer = ask(client, near_misses=NEAR_MISSES)
    misses: list[dict[str, object]] = answer["near_misses"]  # type: ignore[assignment]
    meant = {found["product_type"] for found in answer["product_types"]}  # type: ignore[attr-defined]
    assert misses
    assert len(misses) + len(meant) == len(load_metadata_types(client))
    for miss in misses:
        assert miss["product_type"] not in meant
        # LAMP is never predicted.
        assert miss["threshold"] is None if miss["product_type"] == "LAMP" else miss["score"] < miss["threshold"]  # type: ignore[operator]
    assert ask(client)["near_misses"] == []
    # JSON does not tell one from the other.
    assert ask(client, near_misses=2.0) == ask(client, near_misses=2)


def load_metadata_types(client: TestClient) -> range:
    (checkpoint,) = client.get("/model").json()["models"]["unified_aware"]["checkpoints"]
    return range(checkpoint["product_types"])


def test_a_store_that_the_model_does_not_know_is_told(client: TestClient) -> None:
    assert ask(client, locale="fr-FR")["used_unknown_locale"] is True
    assert "q2pt_unknown_locale_questions_total 1.0" in client.get("/metrics").text


def test_types_that_a_store_does_not_sell_are_never_given(tmp_path: Path) -> None:
    place = random_checkpoint(tmp_path / "model")
    with serving(place) as client:
        answer = ask(client, near_misses=NEAR_MISSES)
    sold: str = answer["product_types"][0]["product_type"]  # type: ignore[index]
    save_metadata(place, replace(load_metadata(place), unsold={"en-GB": [sold]}))
    with serving(place) as client:
        masked = ask(client, near_misses=NEAR_MISSES)
        assert sold not in json.dumps(masked)
        assert len(masked["near_misses"]) == len(answer["near_misses"])  # type: ignore[arg-type]
        assert sold in json.dumps(ask(client, locale="fr-FR", near_misses=NEAR_MISSES))


def test_a_blank_query_means_nothing(client: TestClient) -> None:
    for blank in ("", "   ", "\u200b"):
        answer = ask(client, query=blank, near_misses=3)
        assert answer["product_types"] == answer["near_misses"] == []


def test_each_store_is_answered_by_its_own_model_and_others_are_refused(per_locale: TestClient) -> None:
    american, british = (ask(per_locale, locale=locale, near_misses=NEAR_MISSES) for locale in LOCALES[:2])
    assert american["near_misses"] != british["near_misses"]
    refused = per_locale.post("/predict", json={"query": "hat", "locale": "de-DE"})
    assert refused.status_code == 404
    assert "does not serve de-DE: it serves en-GB, en-US" in refused.json()["detail"]


def test_a_model_that_is_not_there_is_refused(client: TestClient) -> None:
    refused = client.post("/predict", json={"query": "hat", "locale": "en-GB", "model": "bert"})
    assert refused.status_code == 404
    assert "it has unified_aware, unified_agnostic, non_unified" in refused.json()["detail"]


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        ({"query": "hat"}, "body.locale: Field required"),
        ({"query": "hat", "locale": "english"}, "body.locale"),
        ({"query": "hat", "locale": "../../etc"}, "body.locale"),
        ({"query": 5, "locale": "en-GB"}, "body.query"),
        ({"query": "a" * (QUERY_CHARACTERS + 1), "locale": "en-GB"}, "should have at most 500 characters"),
        ({"query": "hat\u0000", "locale": "en-GB"}, "the control character U+0000 at place 3"),
        ({"query": "hat\nshoe", "locale": "en-GB"}, "the control character U+000A"),
        ({"query": "hat", "locale": "en-GB", "near_misses": NEAR_MISSES + 1}, "body.near_misses"),
        ({"query": "hat", "locale": "en-GB", "near_misses": "3"}, "body.near_misses"),
        ({"query": "hat", "locale": "en-GB", "near_misses": 1.5}, "body.near_misses"),
        ({"query": "hat", "locale": "en-GB", "near_misses": True}, "body.near_misses"),
        ({"query": "hat", "locale": "en-GB", "near_mises": 1}, "body.near_mises: Extra inputs"),
        ([], "body"),
        (None, "body"),
    ],
)
def test_what_is_no_question_is_refused_with_its_place(client: TestClient, document: object, reason: str) -> None:
    refused = client.post("/predict", json=document)
    assert refused.status_code == 422
    assert reason in refused.json()["detail"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"{'query': 1}",
        b"\xff\xfe",
        b"[" * 100_000,
        b"1" * 9999,
        b'{"query": "\\ud800", "locale": "en-GB"}',
        b'{"query": "hat", "locale": "\\ud800"}',
        b'{"query": "hat", "locale": "en-GB", "\\ud800": 1}',
    ],
)
def test_what_is_no_json_is_refused(client: TestClient, body: bytes) -> None:
    refused = client.post("/predict", content=body, headers={"Content-Type": "application/json"})
    assert refused.status_code in {400, 422}
    assert refused.json()["detail"]


def test_ten_megabytes_are_refused_whether_they_are_announced_or_not(client: TestClient) -> None:
    body = json.dumps({"query": "a" * 10 * MEGABYTE, "locale": "en-GB"}).encode()
    pieces = (body[start : start + MEGABYTE] for start in range(0, len(body), MEGABYTE))
    for content in (body, pieces):
        refused = client.post("/predict", content=content, headers={"Content-Type": "application/json"})
        assert refused.status_code == 413
        assert "more than 4194304 bytes" in refused.json()["detail"]


def test_ten_thousand_queries_are_refused_and_a_thousand_answered(client: TestClient) -> None:
    questions = [{"query": f"red hat {number}", "locale": "en-GB"} for number in range(10 * QUESTIONS)]
    refused = client.post("/predict/batch", json={"questions": questions})
    assert refused.status_code == 422
    assert "at most 1000 items" in refused.json()["detail"]
    assert len(client.post("/predict/batch", json={"questions": questions[:QUESTIONS]}).json()["answers"]) == QUESTIONS


def test_the_largest_request_that_is_allowed_fits(client: TestClient) -> None:
    # Characters of four bytes.
    questions = [{"query": "\U0001f456" * QUERY_CHARACTERS, "locale": "en-GB"}] * QUESTIONS
    body = json.dumps({"questions": questions}, ensure_ascii=False).encode()
    answered = client.post("/predict/batch", content=body, headers={"Content-Type": "application/json"})
    assert answered.status_code == 200


def test_a_full_queue_is_told_when_to_come_back_and_takes_questions_again(client: TestClient, service: Service) -> None:
    question = {"query": "hat", "locale": "en-GB"}
    service.batcher.admitted = service.limits.waiting
    refused = client.post("/predict", json=question)
    assert refused.status_code == 429
    assert int(refused.headers["Retry-After"]) >= 1
    assert "2048 questions are waiting" in refused.json()["detail"]
    assert client.get("/readyz").status_code == 503
    assert client.get("/healthz").status_code == 200
    service.batcher.admitted = 0
    assert client.post("/predict", json=question).status_code == client.get("/readyz").status_code == 200


def test_the_release_is_described(client: TestClient, models: Path) -> None:
    described = client.get("/model").json()
    assert described["release"] == DirectoryReleases(models).current().version
    assert [name for name, model in described["models"].items() if model["serves"]] == ["unified_aware"]
    aware, per_locale = (described["models"][name] for name in ("unified_aware", "non_unified"))
    assert (aware["locales"], aware["other_locales"]) == (list(LOCALES), True)
    assert (sorted(per_locale["locales"]), per_locale["other_locales"]) == (["en-GB", "en-US"], False)
    assert aware["checkpoints"][0]["thresholds"]["by_type"] == {"HAT": 0.4, "LAMP": None}
    assert len(per_locale["checkpoints"]) == 2


def test_requests_are_counted_by_known_paths(client: TestClient) -> None:
    ask(client)
    for path in ("/nothing", "/wp-admin"):
        assert client.get(path).status_code == 404
    figures = client.get("/metrics").text
    assert 'q2pt_requests_total{path="/predict",status="200"} 1.0' in figures
    assert 'q2pt_requests_total{path="other",status="404"} 2.0' in figures
    assert "q2pt_batch_questions_sum 1.0" in figures
    assert f'q2pt_release_info{{version="{client.get("/model").json()["release"]}"}} 1.0' in figures


def test_a_browser_is_told_to_load_nothing_from_elsewhere(client: TestClient) -> None:
    for path, kind in (("/", "text/html"), ("/page.js", "text/javascript"), ("/page.css", "text/css")):
        page = client.get(path)
        assert page.headers["Content-Type"].startswith(kind)
        policy = page.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert page.headers["X-Content-Type-Options"] == "nosniff"
        assert "http" not in page.text.replace("http-equiv", "")


def test_a_model_that_fails_fails_its_own_requests_alone(
    client: TestClient, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise MemoryError("no memory")

    with monkeypatch.context() as patched:
        patched.setattr(service.loaded.predictor(None, "en-GB"), "judge", broken)
        assert client.post("/predict", json={"query": "hat", "locale": "en-GB"}).status_code == 500
    assert ask(client)["product_types"]
    assert service.batcher.admitted == 0


def test_no_query_is_in_a_figure_or_in_a_log(client: TestClient, caplog: pytest.LogCaptureFixture) -> None:
    typed = "ann meier berlin"
    with caplog.at_level(logging.DEBUG):
        ask(client, query=typed)
        for body in ({"query": typed}, {"query": f"{typed}\x00", "locale": "en-GB"}, {"query": typed, "locale": typed}):
            assert client.post("/predict", json=body).status_code == 422
        client.post("/predict", content=typed)
        client.post(f"/{typed}", json={})
        client.get("/predict", params={"query": typed})
    # The client of this test tells what it asks.
    told = "".join(record.getMessage() for record in caplog.records if not record.name.startswith("httpx"))
    assert "ann" not in told
    assert "ann" not in client.get("/metrics").text
