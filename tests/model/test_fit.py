"""From tokens to a checkpoint: what becomes of a model that learns, of one that does not, and of too little data."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from q2pt_tasks.model.checkpoint import load_checkpoint
from q2pt_tasks.model.encoder import EncoderParams, ScratchParams
from q2pt_tasks.model.fit import fit
from q2pt_tasks.model.job import FitJob
from q2pt_tasks.model.metadata import load_metadata
from q2pt_tasks.model.objectives import OBJECTIVES
from q2pt_tasks.model.prediction import Predictor
from q2pt_tasks.model.recipe import NGramRecipe, ObjectiveName, Recipe, Recipes
from q2pt_tasks.model.tokenizer import train_tokenizer

WORDS = ["hat", "shoe"]
MEANING = [("hat", "HAT"), ("shoe", "SHOES")]
RECIPE = Recipe(
    objective="binary_cross_entropy",
    prior_bias=True,
    learning_rates=(1e-2,),
    head_factor=1,
    dropout=0.0,
    batch_size=8,
    micro_tokens=64,
    min_steps_per_epoch=1,
    warmup_share=0.0,
    max_epochs=4,
    patience=4,
    ngrams=None,
)

NGRAMS = NGramRecipe(parts=100, longest=3, width=8, learning_rate=0.05, batch_size=8, min_steps_per_epoch=1, epochs=8)


@pytest.fixture
def job(tmp_path: Path) -> FitJob:
    """A store with forty training queries."""
    tokens, label_space = tmp_path / "tokens", tmp_path / "label_space.json"
    train_tokenizer(WORDS, 100).save(tokens / "tokenizer")
    label_space.write_text(json.dumps({"product_types": [product_type for _, product_type in MEANING], "split": {}}))
    job = FitJob(
        variant="non_unified",
        locales=("en-US",),
        tokens=tokens,
        label_space=label_space,
        encoder=EncoderParams(
            name="scratch",
            revision="main",
            max_tokens=8,
            scratch=ScratchParams(layers=1, width=16, heads=2, unified_vocabulary=100, non_unified_vocabulary=100),
        ),
        encoder_files=tmp_path / "none",
        recipes=Recipes(scratch=RECIPE, pretrained=RECIPE, min_train_rows=20),
        locale_dropout=0.0,
        locale_temperature=1.0,
        seed=1,
        params={},
    )
    _write(job, "train", MEANING, rows=40)
    _write(job, "validation", MEANING, rows=10)
    return job


def _write(job: FitJob, split: str, meaning: Sequence[tuple[str, str]], rows: int) -> None:
    tokenizer = train_tokenizer(WORDS, 100)
    chosen = [meaning[row % len(meaning)] for row in range(rows)]
    table = pa.table(
        {
            "locale": ["en-US"] * rows,
            "query": [query for query, _ in chosen],
            "token_ids": pa.array(tokenizer.encode([query for query, _ in chosen], 8), pa.list_(pa.int32())),
            "product_types": [[product_type] for _, product_type in chosen],
            "shares": [[1.0]] * rows,
        }
    )
    parquet.write_table(table, job.tokens / f"{split}.parquet")


def test_a_model_that_learns_is_trained(job: FitJob, tmp_path: Path) -> None:
    report = fit(job, tmp_path / "model")
    assert (report.status, report.training_rows) == ("trained", 40)
    metadata = load_checkpoint(tmp_path / "model").metadata
    assert (metadata.status, metadata.reason) == ("trained", "")
    assert metadata.metrics["majority_average_precision"] == 0.5
    assert metadata.metrics["average_precision"] == max(epoch["average_precision"] for epoch in metadata.history)
    assert report.average_precision is not None
    assert report.average_precision > 0.5
    assert len(metadata.history) == report.epochs


@pytest.mark.parametrize("objective", list(OBJECTIVES))
def test_n_grams_that_know_what_the_network_cannot_are_stored_with_their_weight(
    job: FitJob, tmp_path: Path, objective: ObjectiveName
) -> None:
    blind = RECIPE.model_copy(update={"objective": objective, "learning_rates": (1e-9,), "ngrams": NGRAMS})
    recipes = Recipes(scratch=blind, pretrained=RECIPE, min_train_rows=20)
    fit(replace(job, recipes=recipes), tmp_path / "model")
    checkpoint = load_checkpoint(tmp_path / "model")
    assert checkpoint.ngrams is not None
    assert checkpoint.metadata.ngrams is not None
    assert checkpoint.metadata.ngrams.weight > 0
    assert checkpoint.metadata.metrics["average_precision"] == 1.0
    predictor = Predictor.load(tmp_path / "model")
    predicted = [prediction.product_types[0][0] for prediction in predictor.predict(WORDS, "en-US")]
    assert predicted == ["HAT", "SHOES"]
    alone = np.concatenate([predictor.scores([query], "en-US") for query in ["hat", "", "👟", "a hat" * 999]])
    np.testing.assert_allclose(alone, predictor.scores(["hat", "", "👟", "a hat" * 999], "en-US"), atol=1e-3)


def test_n_grams_that_do_not_help_are_not_stored(job: FitJob, tmp_path: Path) -> None:
    recipe = RECIPE.model_copy(update={"max_epochs": 8, "ngrams": NGRAMS})
    fit(replace(job, recipes=Recipes(scratch=recipe, pretrained=RECIPE, min_train_rows=20)), tmp_path / "model")
    metadata = load_metadata(tmp_path / "model")
    assert metadata.metrics["micro_recall"] == 1.0
    assert metadata.ngrams is None
    assert load_checkpoint(tmp_path / "model").ngrams is None
    assert not (tmp_path / "model/ngrams.safetensors").exists()


@pytest.mark.parametrize("prior_bias", [True, False])
@pytest.mark.parametrize("objective", list(OBJECTIVES))
def test_every_objective_learns_and_the_checkpoint_says_which_it_was(
    job: FitJob, tmp_path: Path, objective: ObjectiveName, prior_bias: bool
) -> None:
    recipe = RECIPE.model_copy(update={"objective": objective, "prior_bias": prior_bias, "max_epochs": 8})
    recipes = Recipes(scratch=recipe, pretrained=RECIPE, min_train_rows=20)
    assert fit(replace(job, recipes=recipes), tmp_path / "model").status == "trained"
    predictor = Predictor.load(tmp_path / "model")
    assert predictor.metadata.objective == objective
    scores = predictor.scores(WORDS, "en-US")
    assert (scores.argmax(axis=1) == [0, 1]).all()
    if objective != "binary_cross_entropy":
        np.testing.assert_allclose(scores.sum(axis=1), 1, atol=1e-5)
    predicted = [prediction.product_types[0][0] for prediction in predictor.predict(WORDS, "en-US")]
    assert predicted == ["HAT", "SHOES"]


def test_a_model_of_a_store_that_does_not_sell_a_type_is_not_asked_for_it(job: FitJob, tmp_path: Path) -> None:
    assortment = tmp_path / "assortment.json"
    assortment.write_text(json.dumps({"en-US": ["HAT"]}))
    fit(replace(job, assortment=assortment), tmp_path / "model")
    predictor = Predictor.load(tmp_path / "model")
    assert list(predictor.metadata.unsold["en-US"]) == ["SHOES"]
    assert "assortment.json" in predictor.metadata.data_hashes
    scores = predictor.scores(WORDS, "en-US")
    assert (scores[:, 1] == 0).all()
    assert (scores[:, 0] > 0).all()


def test_a_model_no_better_than_the_majority_class_is_degenerate_and_says_why(job: FitJob, tmp_path: Path) -> None:
    # Every query means each type as often: whatever is learnt, half of what is answered is right.
    _write(job, "validation", [("hat", "HAT"), ("hat", "SHOES"), ("shoe", "HAT"), ("shoe", "SHOES")], rows=12)
    assert fit(job, tmp_path / "model").status == "degenerate"
    metadata = load_checkpoint(tmp_path / "model").metadata
    assert metadata.status == "degenerate"
    assert "that of the majority class 0.5000" in metadata.reason


@pytest.mark.parametrize(
    ("min_train_rows", "validation", "reason"),
    [
        (41, MEANING, "40 training queries, at least 41 are needed"),
        (20, [("sofa", "SOFA")], "no validation query has a product type of the label space"),
    ],
)
def test_too_little_data_is_a_checkpoint_without_weights(
    job: FitJob, tmp_path: Path, min_train_rows: int, validation: Sequence[tuple[str, str]], reason: str
) -> None:
    _write(job, "validation", validation, rows=10)
    recipes = job.recipes.model_copy(update={"min_train_rows": min_train_rows})
    report = fit(replace(job, recipes=recipes), tmp_path / "model")
    assert (report.status, report.epochs, report.average_precision) == ("untrained", 0, None)
    metadata = load_metadata(tmp_path / "model")
    assert (metadata.status, metadata.reason) == ("untrained", reason)
    assert not list((tmp_path / "model").glob("*.safetensors"))


def test_the_best_of_several_learning_rates_is_kept(job: FitJob, tmp_path: Path) -> None:
    recipe = RECIPE.model_copy(update={"learning_rates": (1e-8, 1e-2), "max_epochs": 2})
    fit(replace(job, recipes=job.recipes.model_copy(update={"scratch": recipe})), tmp_path / "model")
    assert load_metadata(tmp_path / "model").metrics["learning_rate"] == 1e-2
