"""A training in a process of its own, which a test stops, kills, or starts several of.

`python training_process.py JOB`, a JSON document: {"folder": ..., "epochs": ..., "pause": ..., "model": ...,
"objective": ...}.
"""

import json
import logging
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from q2pt_tasks.model import ngram_training, training
from q2pt_tasks.model.adam import Adam
from q2pt_tasks.model.encoder import EncoderParams, ScratchParams
from q2pt_tasks.model.fit import fit
from q2pt_tasks.model.job import FitJob
from q2pt_tasks.model.recipe import NGramRecipe, ObjectiveName, Recipe, Recipes
from q2pt_tasks.model.tokenizer import train_tokenizer
from q2pt_tasks.model.training_state import TrainingState

WORDS = ("hat", "shoe", "sofa", "lamp", "soap")
LOCALES = ("en-US", "en-GB")
NGRAMS = NGramRecipe(parts=100, longest=3, width=8, learning_rate=0.02, batch_size=16, min_steps_per_epoch=1, epochs=4)


def prepare(folder: Path, queries: int) -> None:
    """Writes tokens of queries of one to four words, each of which is a product type of its own."""
    generator = np.random.default_rng(0)
    tokenizer = train_tokenizer(list(WORDS), 100)
    tokenizer.save(folder / "tokens/tokenizer")
    (folder / "label_space.json").write_text(json.dumps({"product_types": sorted(WORDS), "split": {}}))
    for split, rows in (("train", queries), ("validation", queries // 4)):
        words = [sorted(set(generator.choice(WORDS, generator.integers(1, 5)))) for _ in range(rows)]
        table = pa.table(
            {
                "locale": [LOCALES[row % 3 == 0] for row in range(rows)],
                "query": [" ".join(own) for own in words],
                "token_ids": pa.array(tokenizer.encode([" ".join(own) for own in words], 16), pa.list_(pa.int32())),
                "product_types": words,
                "shares": [generator.dirichlet(np.ones(len(own))) for own in words],
            }
        )
        parquet.write_table(table, folder / f"tokens/{split}.parquet")


def job_in(folder: Path, epochs: int, objective: ObjectiveName = "binary_cross_entropy") -> FitJob:
    """Locale-aware, with dropout of values and of locales, and drawn locales: whatever is random takes part."""
    recipe = Recipe(
        objective=objective,
        prior_bias=True,
        learning_rates=(5e-3,),
        head_factor=2,
        dropout=0.1,
        batch_size=16,
        micro_tokens=32,
        min_steps_per_epoch=1,
        warmup_share=0.1,
        max_epochs=epochs,
        patience=epochs,
        ngrams=NGRAMS,
    )
    sizes = ScratchParams(layers=2, width=16, heads=2, unified_vocabulary=100, non_unified_vocabulary=100)
    return FitJob(
        variant="unified_aware",
        locales=LOCALES,
        tokens=folder / "tokens",
        label_space=folder / "label_space.json",
        encoder=EncoderParams(name="scratch", revision="main", max_tokens=16, scratch=sizes),
        encoder_files=folder / "encoder",
        recipes=Recipes(scratch=recipe, pretrained=recipe, min_train_rows=20),
        locale_dropout=0.2,
        locale_temperature=2.0,
        seed=1,
        params={"recipe": recipe.model_dump(mode="json")},
    )


def main(document: Mapping[str, Any]) -> None:
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    _slow_down(document["pause"])
    folder = Path(document["folder"])
    report = fit(job_in(folder, document["epochs"], document["objective"]), folder / document["model"])
    if os.environ.get("RANK", "0") == "0":
        print(report)  # noqa: T201


def _slow_down(pause: float) -> None:
    """Lets every step take `pause` seconds more, and tells of it, so that a test can stop the training within."""

    class SlowState(TrainingState):
        def end_step(self, loss: float) -> None:
            super().end_step(loss)
            time.sleep(pause)
            print("step", flush=True)  # noqa: T201

    class SlowAdam(Adam):
        def step(self, share: float) -> None:
            super().step(share)
            time.sleep(pause)
            print("step of n-grams", flush=True)  # noqa: T201

    setattr(training, "TrainingState", SlowState)  # noqa: B010
    setattr(ngram_training, "Adam", SlowAdam)  # noqa: B010


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
