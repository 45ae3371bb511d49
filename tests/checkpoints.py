"""Checkpoints of random weights: as good as trained ones where it does not matter what a model answers."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import torch

from q2pt_tasks.metrics.thresholds import Thresholds
from q2pt_tasks.model.build import build_network
from q2pt_tasks.model.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from q2pt_tasks.model.encoder import EncoderParams, ScratchParams
from q2pt_tasks.model.metadata import Metadata, save_metadata
from q2pt_tasks.model.precision import Hardware
from q2pt_tasks.model.prediction import Predictor
from q2pt_tasks.model.recipe import ObjectiveName
from q2pt_tasks.model.tokenizer import train_tokenizer
from q2pt_tasks.model.variants import UNIFIED_AWARE, locale_tokens

LOCALES = ("en-US", "en-GB", "de-DE")
TYPES = ("HAT", "SHOES", "TROUSERS", "UNDERPANTS", "SOFA", "LAMP", "TABLE")
WORDS = ("pants", "red", "hat", "shoe", "für", "damen", "lamp", "sofa", "table", "women")
# A type's own, a locale's, the overall one, and a type that is never predicted: all that a threshold can be.
THRESHOLDS = Thresholds({"HAT": 0.4, "LAMP": float("inf")}, {"en-US": 0.5, "en-GB": 0.7}, 0.6)

_ENCODER = EncoderParams(
    name="scratch",
    revision="main",
    max_tokens=8,
    scratch=ScratchParams(layers=1, width=16, heads=2, unified_vocabulary=100, non_unified_vocabulary=100),
)


def random_checkpoint(
    folder: Path,
    variant: str = UNIFIED_AWARE,
    locales: Sequence[str] = LOCALES,
    seed: int = 1,
    objective: ObjectiveName = "binary_cross_entropy",
) -> Path:
    """A checkpoint in `folder` whose answers differ by query and, where it is told, by locale."""
    tokenizer = train_tokenizer(WORDS, 100)
    if variant == UNIFIED_AWARE:
        tokenizer.add(locale_tokens(locales))
    network = build_network(_ENCODER, folder, tokenizer, TYPES, 0.0)
    torch.manual_seed(seed)
    with torch.no_grad():
        for weights in network.parameters():
            if weights.dim() > 1:
                weights.normal_(std=0.5)
    save_checkpoint(folder, Checkpoint(_metadata(variant, tuple(locales), objective), network, tokenizer))
    return folder


def untrained_checkpoint(folder: Path) -> Path:
    metadata = replace(_metadata("non_unified", ("en-GB",)), status="untrained", reason="3 training queries")
    save_metadata(folder, metadata)
    return folder


def exact_predictor(folder: Path) -> Predictor:
    """The predictor of a checkpoint in fp32, where a query's scores hardly depend on its neighbours in a batch."""
    return Predictor(load_checkpoint(folder), Hardware(torch.device("cpu"), torch.float32, "a test"))


def _metadata(variant: str, locales: tuple[str, ...], objective: ObjectiveName = "binary_cross_entropy") -> Metadata:
    thresholds: Mapping[str, object] = THRESHOLDS.to_dict()
    return Metadata(
        variant=variant,
        locales=locales,
        unsold={},
        product_types=TYPES,
        status="trained",
        reason="",
        training_rows=1,
        max_tokens=_ENCODER.max_tokens,
        objective=objective,
        split={},
        params={},
        git_sha="",
        data_hashes={},
        thresholds=thresholds,
        metrics={},
        history=(),
        seconds=0.0,
    )
