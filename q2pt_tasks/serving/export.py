"""A checkpoint for programs without PyTorch: ONNX, the tokenizer, what a consumer has to know, and one, in one folder.

What is exported is compared with the checkpoint before the folder is there under its name.
"""

import importlib
import json
import os
import random
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from q2pt_tasks.data.queries import normalise_query
from q2pt_tasks.model.champion import hash_folder
from q2pt_tasks.model.checkpoint import Checkpoint, load_checkpoint
from q2pt_tasks.model.examples import FloatMatrix
from q2pt_tasks.model.metadata import CheckpointError
from q2pt_tasks.model.packed_network import PackedNetwork
from q2pt_tasks.model.precision import Hardware
from q2pt_tasks.model.prediction import Predictor
from q2pt_tasks.model.variants import UNKNOWN_LOCALE_TOKEN, locale_token
from q2pt_tasks.serving.onnx_graph import write_graph

SCHEMA_VERSION = 2
MODEL, CONTRACT, KEYS, ASK = "model.onnx", "q2pt.json", "ngrams.keys", "ask.py"
# What the folder answers to this is in its contract, for whoever writes a consumer.
EXAMPLE = "red shoes"
# Scores of fp32 differ by the order of sums; more is another model.
TOLERANCE = 1e-4
_QUERIES, _BEST = 64, 3
_NEEDED = ("onnx", "onnxscript", "onnxruntime")


class ExportError(ValueError):
    """A checkpoint cannot be exported."""


def export(model: Path, output: Path, encoder: Path | None = None) -> str:
    """Writes the checkpoint in `model` to the new folder `output` as ONNX.

    Args:
        model: its directory.
        output: a directory that is not there yet.
        encoder: as `load_checkpoint` takes it.

    Raises:
        CheckpointError: `model` or its encoder does not fit, or `output` is there.
        ExportError: a library is missing, the network is none that can be exported, or the scores differ.
    """
    _check_libraries()
    if output.exists():
        raise CheckpointError(f"{output} is there already: give a new directory, or remove it")
    checkpoint = load_checkpoint(model, encoder)
    if not isinstance(checkpoint.network, PackedNetwork):
        raise ExportError(
            f"{model} is none of BERT, DistilBERT and RoBERTa, which alone can be exported: as a Hugging Face model, "
            "export it with Optimum"
        )
    output.parent.mkdir(parents=True, exist_ok=True)
    # In one step: a process that is killed leaves no half.
    with tempfile.TemporaryDirectory(dir=output.parent) as unfinished:
        folder = Path(unfinished) / "export"
        folder.mkdir()
        write_graph(checkpoint, folder / MODEL)
        checkpoint.tokenizer.save(folder)
        shutil.copyfile(Path(__file__).with_name(ASK), folder / ASK)
        if checkpoint.ngrams is not None:
            (folder / KEYS).write_bytes(checkpoint.ngrams.keys.numpy().astype("<i8").tobytes())
        contract = {"schema_version": SCHEMA_VERSION, "checkpoint": hash_folder(model), **_contract(checkpoint)}
        _write(contract, folder / CONTRACT)
        # What is compared is what a consumer does with the folder.
        consumer = importlib.import_module("q2pt_tasks.serving.ask").Model(folder)
        largest = _largest_difference(checkpoint, consumer)
        if not largest <= TOLERANCE:
            raise ExportError(f"the scores of {model} in ONNX are up to {largest:.2g} off, allowed are {TOLERANCE:.2g}")
        example = _example(consumer, checkpoint.metadata.locales[0])
        _write({**contract, "largest_difference": largest, "example": example}, folder / CONTRACT)
        os.replace(folder, output)
    size = sum(file.stat().st_size for file in output.iterdir()) / 2**20
    return f"{output}: {checkpoint.metadata.variant}, {size:.1f} MiB, scores within {largest:.2g} of the checkpoint's"


def _check_libraries() -> None:
    for name in _NEEDED:
        try:
            importlib.import_module(name)
        except ImportError:
            raise ExportError(f"{name} is not installed: pip install 'q2pt[onnx]', or {' '.join(_NEEDED)}") from None


def _contract(checkpoint: Checkpoint) -> dict[str, Any]:
    metadata, ngrams = checkpoint.metadata, checkpoint.metadata.ngrams
    stores = {locale: locale_token(locale) for locale in metadata.locales} if metadata.is_aware else {}
    return {
        "variant": metadata.variant,
        "normalisation": metadata.normalisation,
        "max_tokens": metadata.max_tokens,
        "product_types": metadata.product_types,
        "locales": metadata.locales,
        **_locale_tokens(checkpoint),
        "ngrams": ngrams and {"form": ngrams.form, "longest": ngrams.longest, "keys": KEYS, "stores": stores},
        "thresholds": metadata.thresholds,
        "unsold": metadata.unsold,
    }


def _write(contract: Mapping[str, Any], file: Path) -> None:
    file.write_text(json.dumps(contract, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _locale_tokens(checkpoint: Checkpoint) -> dict[str, Any]:
    """The ids that go right behind a query's first token; none where the model is not told the locale."""
    if not checkpoint.metadata.is_aware:
        return {"locale_tokens": None, "unknown_locale_token": None}
    id_of = checkpoint.tokenizer.id_of
    tokens = {locale: id_of(locale_token(locale)) for locale in checkpoint.metadata.locales}
    return {"locale_tokens": tokens, "unknown_locale_token": id_of(UNKNOWN_LOCALE_TOKEN)}


def _example(consumer: Any, locale: str) -> dict[str, Any]:  # noqa: ANN401 - its room is imported late
    """What whoever writes a consumer compares with: the inputs of a query, and its best scores."""
    inputs = {name: values[0].tolist() for name, values in consumer.inputs(EXAMPLE, locale).items()}
    best = sorted(consumer.scores(EXAMPLE, locale).items(), key=lambda one: -one[1])[:_BEST]
    return {"query": EXAMPLE, "locale": locale, "inputs": inputs, "best": dict(best)}


def _largest_difference(checkpoint: Checkpoint, consumer: Any) -> float:  # noqa: ANN401
    """Between the scores of the checkpoint in fp32 and those of the folder, for queries of the tokenizer's pieces."""
    predictor = Predictor(checkpoint, Hardware(torch.device("cpu"), torch.float32, "to compare with"))
    queries, locales = _probes(checkpoint), [*checkpoint.metadata.locales[:3], "und-ZZ"]
    differences = []
    for locale in locales:
        found = [list(consumer.scores(query, locale).values()) for query in queries]
        differences.append(np.abs(found - _exact(predictor, queries, locale)).max())
    return float(max(differences))


def _exact(predictor: Predictor, queries: list[str], locale: str) -> FloatMatrix:
    """As the network gives them: types that the store does not sell are the consumer's to mask."""
    judged = predictor.judge(queries, [locale] * len(queries))
    return judged.scores[judged.score_rows]


def _probes(checkpoint: Checkpoint) -> list[str]:
    pieces = sorted(checkpoint.tokenizer.pieces.get_vocab(with_added_tokens=False))
    drawn = random.Random(1)  # noqa: S311 - no secret
    texts = (" ".join(drawn.choices(pieces, k=drawn.randint(1, 12))) for _ in range(_QUERIES - 1))
    return ["a", *filter(None, map(normalise_query, texts))]
