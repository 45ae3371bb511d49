"""What a predictor answers, and what it refuses."""

from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from checkpoints import LOCALES, THRESHOLDS, TYPES, WORDS, exact_predictor, random_checkpoint
from transformers import AutoModelForSequenceClassification, AutoTokenizer, pipeline

from q2pt_tasks.data.schema import LocaleError
from q2pt_tasks.model.checkpoint import load_checkpoint
from q2pt_tasks.model.examples import FloatMatrix, Packed
from q2pt_tasks.model.metadata import CheckpointError, NGramsBeside
from q2pt_tasks.model.network import Network
from q2pt_tasks.model.ngrams import NGrams
from q2pt_tasks.model.objectives import OBJECTIVES, sparsemax
from q2pt_tasks.model.precision import Hardware, detect_hardware
from q2pt_tasks.model.prediction import LocaleNotServedError, Predictor
from q2pt_tasks.model.recipe import ObjectiveName
from q2pt_tasks.model.text_parts import FORM, Typed

VARIANTS = ("non_unified", "unified_agnostic", "unified_aware")
QUERIES = [f"{first} {second}" for first in WORDS for second in WORDS]


@pytest.fixture(params=VARIANTS)
def predictor(request: pytest.FixtureRequest, tmp_path: Path) -> Predictor:
    return exact_predictor(random_checkpoint(tmp_path, request.param))


@pytest.mark.parametrize("locale", LOCALES)
def test_a_prediction_is_what_reaches_the_thresholds_of_the_locale(predictor: Predictor, locale: str) -> None:
    scores, limits = predictor.scores(QUERIES, locale), THRESHOLDS.for_locale(locale, TYPES)
    expected = [
        tuple((TYPES[i], float(row[i])) for i in np.argsort(-row, kind="stable") if row[i] >= limits[i])
        for row in scores
    ]
    assert [prediction.product_types for prediction in predictor.predict(QUERIES, locale)] == expected
    assert len({tuple(name for name, _ in types) for types in expected}) > 5


def test_questions_of_several_locales_are_answered_as_those_of_one(predictor: Predictor) -> None:
    queries, locales = [query for query in QUERIES for _ in LOCALES], list(LOCALES) * len(QUERIES)
    answers = predictor.answer(queries, locales)
    for index in range(0, len(queries), 7):
        (alone,) = predictor.predict([queries[index]], locales[index])
        found = answers.types.of(index).tolist()
        assert [TYPES[number] for number in found] == [name for name, _ in alone.product_types]


def test_the_network_reads_a_query_once_where_it_is_not_told_the_locale(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[int] = []

    def logits_of(_: Network, tokens: Packed, __: Hardware) -> FloatMatrix:
        read.append(len(tokens))
        return np.zeros((len(tokens), len(TYPES)), np.float32)

    monkeypatch.setattr("q2pt_tasks.model.prediction.logits_of", logits_of)
    locales = [*LOCALES, "fr-FR", "fr-BE"]
    for variant in VARIANTS:
        exact_predictor(random_checkpoint(tmp_path / variant, variant)).answer(["hat"] * 5, locales)
    # The two stores that the locale-aware model does not know are one to it.
    assert read == [1, 1, 4]


@pytest.mark.parametrize("objective", list(OBJECTIVES))
def test_scores_are_the_probabilities_of_what_the_model_was_trained_for(
    tmp_path: Path, objective: ObjectiveName
) -> None:
    folder = random_checkpoint(tmp_path, "unified_agnostic", objective=objective)
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    with torch.inference_mode():
        logits = model(**tokenizer(QUERIES, return_tensors="pt", padding=True)).logits
    scores = exact_predictor(folder).scores(QUERIES, "en-US")
    np.testing.assert_allclose(scores, OBJECTIVES[objective].probabilities(logits), atol=1e-5)
    if objective == "sparsemax":
        assert ((scores == 0) == (sparsemax(logits) == 0).numpy()).mean() > 0.99
        assert (scores == 0).any()


@pytest.mark.parametrize("objective", ["binary_cross_entropy", "softmax"])
def test_hugging_faces_pipeline_gives_the_same_scores(tmp_path: Path, objective: ObjectiveName) -> None:
    folder = random_checkpoint(tmp_path, "unified_agnostic", objective=objective)
    classify = pipeline("text-classification", model=str(folder), top_k=None, device="cpu")
    ours = exact_predictor(folder).scores(QUERIES[:5], "en-US")
    for row, answer in zip(ours, classify(QUERIES[:5]), strict=True):
        found = {label["label"]: label["score"] for label in cast(list[dict[str, Any]], answer)}
        np.testing.assert_allclose(row, [found[name] for name in TYPES], atol=1e-5)


def test_a_checkpoint_of_an_unknown_objective_is_refused(tmp_path: Path) -> None:
    folder = random_checkpoint(tmp_path)
    metadata = (folder / "metadata.json").read_text()
    (folder / "metadata.json").write_text(metadata.replace('"binary_cross_entropy"', '"hinge"'))
    with pytest.raises(CheckpointError, match="trained for 'hinge', this code knows binary_cross_entropy, softmax"):
        Predictor.load(folder)


def test_a_blank_query_has_no_product_types(predictor: Predictor) -> None:
    first, blank, invisible, last = predictor.predict(["red hat", "  ", "\u200f", "Red  HAT"], "en-US")
    assert blank.product_types == invisible.product_types == ()
    assert first.product_types == last.product_types != ()


def test_no_queries_get_no_predictions(predictor: Predictor) -> None:
    assert predictor.predict([], "en-US") == []


def test_a_query_of_unknown_pieces_is_asked_like_any_other(predictor: Predictor) -> None:
    (prediction,) = predictor.predict(["日本語"], "en-US")
    scores = predictor.scores(["日本語"], "en-US")[0]
    assert dict(prediction.product_types).items() <= dict(zip(TYPES, scores.tolist(), strict=True)).items()


def test_a_locale_that_is_none_is_refused(predictor: Predictor) -> None:
    with pytest.raises(LocaleError, match="a language and a region such as en-GB, found 'uk'"):
        predictor.predict(["hat"], "uk")


def test_a_per_locale_model_refuses_another_locale(tmp_path: Path) -> None:
    predictor = exact_predictor(random_checkpoint(tmp_path, "non_unified", ["en-GB"]))
    assert predictor.predict(["hat"], "en-GB")
    with pytest.raises(LocaleNotServedError, match="trained on en-GB alone, found the locale 'en-US'"):
        predictor.predict(["hat"], "en-US")


@pytest.mark.parametrize("variant", ["unified_agnostic", "unified_aware"])
def test_a_unified_model_answers_any_locale_and_says_where_it_does_not_know_it(tmp_path: Path, variant: str) -> None:
    (prediction,) = exact_predictor(random_checkpoint(tmp_path, variant)).predict(["hat"], "fr-FR")
    assert prediction.used_unknown_locale == (variant == "unified_aware")


@pytest.mark.parametrize(
    ("variant", "told"), [("unified_aware", [["[en-GB]"], [""]]), ("unified_agnostic", [[""], [""]])]
)
def test_the_n_grams_are_told_the_store_as_the_network_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variant: str, told: list[list[str]]
) -> None:
    heard = []

    def probabilities(_: NGrams, typed: Typed) -> torch.Tensor:
        heard.append(list(typed.stores))
        return torch.full((len(typed), len(TYPES)), 1 / len(TYPES))

    monkeypatch.setattr(NGrams, "probabilities", probabilities)
    checkpoint = load_checkpoint(random_checkpoint(tmp_path, variant))
    metadata = replace(checkpoint.metadata, ngrams=NGramsBeside(weight=1.0, form=FORM, longest=5))
    ngrams = NGrams(5, *[torch.zeros(0)] * 4)
    predictor = Predictor(replace(checkpoint, ngrams=ngrams, metadata=metadata), detect_hardware())
    for locale in ("en-GB", "zz-ZZ"):
        predictor.scores(["pants"], locale)
    assert heard == told
