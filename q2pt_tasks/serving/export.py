"""A checkpoint for programs without PyTorch: ONNX, the tokenizer, and what a consumer has to know, in one folder.

What is exported is compared with the checkpoint before the folder is there under its name.
"""

import importlib
import json
import logging
import os
import random
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from q2pt_tasks.model.batching import PackedTokens, insert_locale_tokens
from q2pt_tasks.model.champion import hash_folder
from q2pt_tasks.model.checkpoint import Checkpoint, load_checkpoint
from q2pt_tasks.model.examples import FloatMatrix, Packed
from q2pt_tasks.model.metadata import CheckpointError
from q2pt_tasks.model.objectives import OBJECTIVES, Objective
from q2pt_tasks.model.packed_network import PackedNetwork
from q2pt_tasks.model.precision import Hardware
from q2pt_tasks.model.prediction import Predictor
from q2pt_tasks.model.variants import UNKNOWN_LOCALE_TOKEN, locale_token

SCHEMA_VERSION = 1
MODEL, CONTRACT = "model.onnx", "q2pt.json"
# Scores of fp32 differ by the order of sums; more is another model.
TOLERANCE = 1e-4
_OPSET = 18
_QUERIES = 64
_NEEDED = ("onnx", "onnxscript", "onnxruntime")


class ExportError(ValueError):
    """A checkpoint cannot be exported."""


class _Padded(nn.Module):
    """The network of one query to a row, as consumers give them: padded at their ends."""

    def __init__(self, network: PackedNetwork, objective: Objective) -> None:
        super().__init__()
        self._network, self._objective = network, objective

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        rows, length = input_ids.shape
        queries = torch.arange(rows).unsqueeze(1)
        tokens = PackedTokens(
            ids=input_ids,
            positions=torch.arange(length).expand(rows, length),
            owners=torch.where(attention_mask > 0, queries, -1),
            first=torch.arange(rows) * length,
        )
        return self._objective.probabilities(self._network(tokens).float())


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
    if checkpoint.metadata.ngrams is not None:
        raise ExportError(
            f"{model} has an n-gram model beside its encoder, which ONNX cannot compute from token ids: train it with "
            "ngrams: null in its recipe, or serve it with `q2pt serve`"
        )
    output.parent.mkdir(parents=True, exist_ok=True)
    # In one step: a process that is killed leaves no half.
    with tempfile.TemporaryDirectory(dir=output.parent) as unfinished:
        folder = Path(unfinished) / "export"
        folder.mkdir()
        _write_network(checkpoint.network, OBJECTIVES[checkpoint.metadata.objective], folder / MODEL)
        checkpoint.tokenizer.save(folder)
        largest = _largest_difference(checkpoint, folder / MODEL)
        if not largest <= TOLERANCE:
            raise ExportError(f"the scores of {model} in ONNX are up to {largest:.2g} off, allowed are {TOLERANCE:.2g}")
        _write_contract(checkpoint, hash_folder(model), largest, folder / CONTRACT)
        os.replace(folder, output)
    size = sum(file.stat().st_size for file in output.iterdir()) / 2**20
    return f"{output}: {checkpoint.metadata.variant}, {size:.1f} MiB, scores within {largest:.2g} of the checkpoint's"


def _check_libraries() -> None:
    for name in _NEEDED:
        try:
            importlib.import_module(name)
        except ImportError:
            raise ExportError(f"{name} is not installed: pip install 'q2pt[onnx]', or {' '.join(_NEEDED)}") from None


def _write_network(network: PackedNetwork, objective: Objective, file: Path) -> None:
    queries, length = torch.export.Dim("queries"), torch.export.Dim("length")
    # Two rows, three tokens: sizes of 1 would be taken for constants.
    example = (torch.zeros(2, 3, dtype=torch.int64), torch.ones(2, 3, dtype=torch.int64))
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            _Padded(network, objective).eval(),
            example,
            str(file),
            input_names=["input_ids", "attention_mask"],
            output_names=["scores"],
            dynamic_shapes=({0: queries, 1: length}, {0: queries, 1: length}),
            opset_version=_OPSET,
            dynamo=True,
            external_data=False,
            verbose=False,
        )


def _write_contract(checkpoint: Checkpoint, checkpoint_hash: str, largest: float, file: Path) -> None:
    metadata = checkpoint.metadata
    document = {
        "schema_version": SCHEMA_VERSION,
        "checkpoint": checkpoint_hash,
        "variant": metadata.variant,
        "normalisation": metadata.normalisation,
        "max_tokens": metadata.max_tokens,
        "product_types": metadata.product_types,
        "locales": metadata.locales,
        **_locale_tokens(checkpoint),
        "thresholds": metadata.thresholds,
        "unsold": metadata.unsold,
        "largest_difference": largest,
    }
    file.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _locale_tokens(checkpoint: Checkpoint) -> dict[str, Any]:
    """The ids that go right behind a query's first token; none where the model is not told the locale."""
    if not checkpoint.metadata.is_aware:
        return {"locale_tokens": None, "unknown_locale_token": None}
    id_of = checkpoint.tokenizer.id_of
    tokens = {locale: id_of(locale_token(locale)) for locale in checkpoint.metadata.locales}
    return {"locale_tokens": tokens, "unknown_locale_token": id_of(UNKNOWN_LOCALE_TOKEN)}


def _largest_difference(checkpoint: Checkpoint, file: Path) -> float:
    """Between the scores of the checkpoint in fp32 and those of the file, for queries of the tokenizer's pieces."""
    from onnxruntime.capi.onnxruntime_inference_collection import InferenceSession

    session = InferenceSession(str(file), providers=["CPUExecutionProvider"])
    predictor = Predictor(checkpoint, Hardware(torch.device("cpu"), torch.float32, "to compare with"))
    queries, locales = _probes(checkpoint), [*checkpoint.metadata.locales[:3], "und-ZZ"]
    found = [
        np.abs(_scores(session, checkpoint, queries, locale) - _of_network(predictor, queries, locale))
        for locale in locales
    ]
    return float(np.max(found))


def _of_network(predictor: Predictor, queries: list[str], locale: str) -> FloatMatrix:
    """As the network gives them: types that the store does not sell are the consumer's to mask."""
    judged = predictor.judge(queries, [locale] * len(queries))
    return judged.scores[judged.score_rows]


def _probes(checkpoint: Checkpoint) -> list[str]:
    pieces = sorted(checkpoint.tokenizer.pieces.get_vocab(with_added_tokens=False))
    drawn = random.Random(1)  # noqa: S311 - no secret
    return ["a", *(" ".join(drawn.choices(pieces, k=drawn.randint(1, 12))) for _ in range(_QUERIES - 1))]


def _scores(session: Any, checkpoint: Checkpoint, queries: list[str], locale: str) -> FloatMatrix:  # noqa: ANN401
    metadata, tokenizer = checkpoint.metadata, checkpoint.tokenizer
    tokens = Packed.pack(tokenizer.encode(queries, metadata.max_tokens))
    if metadata.is_aware:
        name = locale_token(locale) if locale in metadata.locales else UNKNOWN_LOCALE_TOKEN
        tokens = insert_locale_tokens(tokens, np.full(len(tokens), tokenizer.id_of(name)))
    ids = np.full((len(tokens), int(tokens.lengths.max())), tokenizer.pad_token, dtype=np.int64)
    here = np.arange(ids.shape[1]) < tokens.lengths[:, None]
    ids[here] = tokens.values
    (scores,) = session.run(None, {"input_ids": ids, "attention_mask": here.astype(np.int64)})
    found: FloatMatrix = scores
    return found
