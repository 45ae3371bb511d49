"""Checkpoints of random weights: as good as trained ones where it does not matter what a model answers."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import torch

from q2pt_tasks.metrics.thresholds import Thresholds
from q2pt_tasks.model.build import build_network
from q2pt_tasks.model.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from q2pt_tasks.model.encoder import EncoderParams, ScratchParams
from q2pt_tasks.model.metadata import Metadata, NGramsBeside, save_metadata
from q2pt_tasks.model.ngrams import NGrams, frequent_parts
from q2pt_tasks.model.precision import Hardware
from q2pt_tasks.model.prediction import Predictor
from q2pt_tasks.model.recipe import ObjectiveName
from q2pt_tasks.model.text_parts import FORM, Typed
from q2pt_tasks.model.tokenizer import train_tokenizer
from q2pt_tasks.model.variants import UNIFIED_AWARE, locale_token, locale_tokens

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
    types: Sequence[str] = TYPES,
) -> Path:
    """A checkpoint in `folder` whose answers differ by query and, where it is told, by locale."""
    tokenizer = train_tokenizer(WORDS, 100)
    if variant == UNIFIED_AWARE:
        tokenizer.add(locale_tokens(locales))
    network = build_network(_ENCODER, folder, tokenizer, types, 0.0)
    torch.manual_seed(seed)
    with torch.no_grad():
        for weights in network.parameters():
            if weights.dim() > 1:
                weights.normal_(std=0.5)
    metadata = replace(_metadata(variant, tuple(locales), objective), product_types=tuple(types))
    save_checkpoint(folder, Checkpoint(metadata, network, tokenizer))
    return folder


def add_random_ngrams(folder: Path, seed: int = 1, weight: float = 0.5) -> Path:
    """The checkpoint in `folder` with an n-gram model beside it, which knows the words that its tokenizer does."""
    checkpoint, drawn = load_checkpoint(folder), torch.Generator().manual_seed(seed)
    metadata = checkpoint.metadata
    stores = [locale_token(locale) for locale in metadata.locales] if metadata.is_aware else [""]
    typed = Typed([word for word in WORDS for _ in stores], [store for _ in WORDS for store in stores])
    keys, types = frequent_parts(typed, 5, 100_000), len(metadata.product_types)
    shapes = {"vectors": (len(keys), 8), "weight": (types, 8), "bias": (types,)}
    tensors = {name: (2 * torch.randn(shape, generator=drawn)).half() for name, shape in shapes.items()}
    ngrams = NGrams.of(5, {"keys": torch.from_numpy(keys), **tensors})
    beside = NGramsBeside(weight=weight, form=FORM, longest=5)
    save_checkpoint(folder, replace(checkpoint, metadata=replace(metadata, ngrams=beside), ngrams=ngrams))
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
