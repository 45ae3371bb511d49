"""Google's product taxonomy with a pre-trained encoder: the params that studies on it share."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from q2pt_tasks.studies.study import Options

# Tuned for `google_taxonomy`: the paper's batch of 2048 starves data of this size.
RECIPES: Mapping[str, Any] = {
    "train_unified.pretrained.learning_rates": [1.5e-4],
    "train_unified.pretrained.batch_size": 128,
    "train_unified.pretrained.max_epochs": 3,
    "train_non_unified.pretrained.learning_rates": [3.0e-4],
    "train_non_unified.pretrained.batch_size": 64,
    "train_non_unified.pretrained.min_steps_per_epoch": 10,
    "train_non_unified.pretrained.max_epochs": 20,
    "train_non_unified.pretrained.patience": 5,
    # They ask about the encoder.
    "train_unified.pretrained.ngrams": None,
    "train_unified.scratch.ngrams": None,
    "train_non_unified.pretrained.ngrams": None,
}


def taxonomy_changes(locales: Sequence[str]) -> dict[str, Any]:
    """What such a study changes, and its page shows."""
    return {"ingest.source": "google_taxonomy", "locales": list(locales), **RECIPES}


def own_files(options: Options) -> dict[str, Any]:
    """Where taxonomy and encoder lie on this machine, which no page shows."""
    path = None if options.taxonomy is None else str(options.taxonomy.resolve())
    return {"ingest.google_taxonomy.path": path} | (
        {"encoder.name": _found(options.encoder)} if options.encoder else {}
    )


def _found(encoder: str) -> str:
    """A study runs in another folder: a directory is named from the root on, what a hub knows stays as it is."""
    return str(Path(encoder).resolve()) if Path(encoder).is_dir() else encoder
