"""A tiny pipeline's checkpoints: their contract, their scores, and who else can open them."""

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from checkpoints import exact_predictor
from tiny import LOCALES, copy_folder, project_copy
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from q2pt_tasks.layout import Layout
from q2pt_tasks.metrics.thresholds import Thresholds
from q2pt_tasks.model.checkpoint import load_checkpoint
from q2pt_tasks.model.metadata import CheckpointError, load_metadata
from q2pt_tasks.model.prediction import Predictor
from q2pt_tasks.serving import ask
from q2pt_tasks.serving.export import export
from q2pt_tasks.stages import tokenize, train_unified


def test_a_checkpoint_opens_as_a_plain_hugging_face_model(finished: Layout) -> None:
    folder = finished.unified_model("unified_aware")
    network = AutoModelForSequenceClassification.from_pretrained(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    types = json.loads(finished.label_space(None).read_text())["product_types"]
    assert [network.config.id2label[index] for index in range(len(types))] == types
    assert {"[en-US]", "[unknown-locale]"} <= set(tokenizer.get_vocab())


def test_the_predictor_and_plain_hugging_face_agree(finished: Layout) -> None:
    folder = finished.unified_model("unified_aware")
    network = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    encoded = AutoTokenizer.from_pretrained(folder)("[en-GB] pants", return_tensors="pt")
    plain = network(input_ids=encoded["input_ids"], attention_mask=encoded["attention_mask"]).logits.sigmoid()
    ours = Predictor.load_encoder_alone(folder).scores(["  Pants "], "en-GB")
    np.testing.assert_allclose(ours[0], plain[0].detach().numpy(), atol=0.02)


def test_a_query_has_the_same_scores_alone_and_among_others(finished: Layout) -> None:
    predictor = Predictor.load(finished.unified_model("unified_agnostic"))
    queries = ["shoes", "red shoes for women", "x", "a much longer query about a coffee machine"]
    together = predictor.scores(queries, "en-US")
    alone = np.concatenate([predictor.scores([query], "en-US") for query in queries])
    np.testing.assert_allclose(together, alone, atol=0.02)


def test_the_predictor_says_when_it_does_not_know_the_store(finished: Layout) -> None:
    aware = Predictor.load(finished.unified_model("unified_aware"))
    assert aware.predict(["pants"], "en-IE")[0].used_unknown_locale
    assert not aware.predict(["pants"], "en-GB")[0].used_unknown_locale
    with pytest.raises(TypeError, match="give a list"):
        aware.predict("pants", "en-GB")
    queries = pq.ParquetFile(finished.split("en-GB", "test")).read()["query"].to_pylist()
    assert not np.array_equal(aware.scores(queries, "en-IE"), aware.scores(queries, "en-GB"))
    assert not Predictor.load(finished.unified_model("unified_agnostic")).uses_unknown_locale("en-IE")


def test_predictions_are_above_the_stored_thresholds_and_best_first(finished: Layout) -> None:
    predictor = Predictor.load(finished.unified_model("unified_aware"))
    queries = pq.ParquetFile(finished.split("en-US", "test")).read()["query"].to_pylist()
    predictions = predictor.predict(queries, "en-US")
    assert any(prediction.product_types for prediction in predictions)
    for prediction in predictions:
        scores = [score for _, score in prediction.product_types]
        assert scores == sorted(scores, reverse=True)


def test_a_prediction_is_every_type_whose_score_reaches_the_checkpoints_threshold(finished: Layout) -> None:
    folder = finished.unified_model("unified_aware")
    predictor, metadata = Predictor.load(folder), load_metadata(folder)
    queries = pq.ParquetFile(finished.split("en-US", "test")).read()["query"].to_pylist()
    limits = Thresholds.from_dict(dict(metadata.thresholds)).for_locale("en-US", metadata.product_types)
    scores = predictor.scores(queries, "en-US")
    for prediction, own in zip(predictor.predict(queries, "en-US"), scores, strict=True):
        expected = {metadata.product_types[index] for index in np.flatnonzero(own >= limits)}
        assert {name for name, _ in prediction.product_types} == expected


@pytest.mark.parametrize("query", ["", " ", "\u200f", "👟👟", "a" * 100_000, "\x00", "日本語の検索", "<script>"])
def test_any_text_gets_scores_that_are_probabilities(finished: Layout, query: str) -> None:
    scores = Predictor.load(finished.unified_model("unified_aware")).scores([query], "en-US")
    assert ((scores >= 0) & (scores <= 1)).all()


def test_no_queries_get_no_scores(finished: Layout) -> None:
    predictor = Predictor.load(finished.unified_model("unified_aware"))
    assert predictor.scores([], "en-US").shape == (0, len(predictor.metadata.product_types))


def test_metadata_names_what_the_model_was_made_from(finished: Layout) -> None:
    metadata = load_metadata(finished.unified_model("unified_aware"))
    assert metadata.locales == LOCALES
    assert metadata.split == {"salt": "q2pt-1", "validation": 0.1, "test": 0.2}
    assert metadata.objective == "binary_cross_entropy"
    assert set(metadata.data_hashes) == {"train.parquet", "validation.parquet", "label_space.json"}
    assert metadata.ngrams is not None
    reached = metadata.metrics["average_precision"]
    assert reached is not None
    assert reached > max(epoch["average_precision"] for epoch in metadata.history)


def test_the_n_grams_beside_the_encoder_change_the_scores(finished: Layout) -> None:
    folder = finished.unified_model("unified_aware")
    both, alone = (
        predictor.scores(["pants", "red hat"], "en-GB")
        for predictor in (Predictor.load(folder), Predictor.load_encoder_alone(folder))
    )
    assert not np.allclose(both, alone, atol=0.001)


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("schema_version", 99, "the checkpoint has schema version 99, this code reads 6: train the model again"),
        ("normalisation", "lower", "query normalisation do not fit"),
        ("product_types", ["A"], "product types do not fit"),
        ("ngrams", {"weight": 0.5, "form": "letters", "longest": 5}, "parts of queries do not fit"),
        ("locales", ["en-US", "xx-XX"], r"missing locale tokens do not fit: the checkpoint has \['\[xx-XX\]'\]"),
        ("surprise", 1, "metadata keys do not fit"),
    ],
)
def test_a_checkpoint_that_breaks_its_contract_is_refused(
    finished: Layout, tmp_path: Path, key: str, value: object, words: str
) -> None:
    folder = copy_folder(finished.unified_model("unified_aware"), tmp_path / "model")
    metadata = json.loads((folder / "metadata.json").read_text())
    (folder / "metadata.json").write_text(json.dumps({**metadata, key: value}))
    with pytest.raises(CheckpointError, match=words):
        load_checkpoint(folder)


def test_a_checkpoint_of_the_version_before_is_read_where_it_means_the_same(finished: Layout, tmp_path: Path) -> None:
    folder = copy_folder(finished.unified_model("unified_aware"), tmp_path / "model")
    metadata = json.loads((folder / "metadata.json").read_text())
    (folder / "metadata.json").write_text(json.dumps({**metadata, "schema_version": 5}))
    with pytest.raises(CheckpointError, match="schema version 5, this code reads 6"):
        load_checkpoint(folder)
    (folder / "metadata.json").write_text(json.dumps({**metadata, "schema_version": 5, "ngrams": None}))
    (folder / "ngrams.safetensors").unlink()
    assert load_checkpoint(folder).ngrams is None


def test_a_model_with_n_grams_is_exported_with_them(finished: Layout, tmp_path: Path) -> None:
    model = finished.unified_model("unified_aware")
    assert load_metadata(model).ngrams is not None
    export(model, tmp_path / "onnx")
    exported, exact = ask.Model(tmp_path / "onnx"), exact_predictor(model)
    queries = ["Crimson  Boots", "pants", "日本語", "a word that nobody typed"]
    for locale in (*LOCALES, "de-DE"):
        for query, scores in zip(queries, exact.scores(queries, locale), strict=True):
            assert list(exported.scores(query, locale).values()) == pytest.approx(scores.tolist(), abs=1e-4)


def test_a_missing_n_gram_model_is_refused(finished: Layout, tmp_path: Path) -> None:
    folder = copy_folder(finished.unified_model("unified_aware"), tmp_path / "model")
    (folder / "ngrams.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"model cannot be loaded: .*ngrams"):
        load_checkpoint(folder)


def test_a_directory_without_metadata_is_not_a_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="not a finished checkpoint"):
        load_checkpoint(tmp_path)


def test_same_seed_same_weights(finished: Layout, tmp_path: Path) -> None:
    first = project_copy(finished, tmp_path)
    tokenize.main(first)
    train_unified.main(first, "unified_aware")
    weights = [layout.unified_model("unified_aware") / "model.safetensors" for layout in (finished, first)]
    assert weights[0].read_bytes() == weights[1].read_bytes()
    beside = [weight.with_name("ngrams.safetensors") for weight in weights]
    assert beside[0].read_bytes() == beside[1].read_bytes()
