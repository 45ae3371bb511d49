"""How much is measured: enough for figures, or the least that shows that everything runs."""

from collections.abc import Mapping
from dataclasses import dataclass

DISTILBERT, E5 = "distilbert", "e5"
MODELS = (DISTILBERT, E5)


@dataclass(frozen=True)
class Shape:
    """Of the DistilBERT that is written with random weights."""

    layers: int
    width: int
    heads: int
    hidden: int
    tokens: int = 119_547


@dataclass(frozen=True)
class Stages:
    """What the pipeline's training stages are given, and how many turns they are worth."""

    locales: int
    rows_per_locale: int
    epochs: int
    turns: int


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """All sizes of one benchmark.

    Attributes:
        large, small: the two batches that training is measured with.
        piece: what a peer computes at once where it adds up the gradients of a large batch.
        large_steps, small_steps: steps of a training.
        default_large_steps, default_small_steps: the same of a peer with its defaults, which is slow.
        asked: queries of a prediction, and how often ours, the default and the tuned peer answer them.
        singly: queries that are asked one by one.
        product_seconds: for which a matrix product is repeated.
        passes: over the branch, in the trainings that are graded.
        graded_batch: their batch.
    """

    shape: Shape
    large: int
    small: int
    piece: int
    large_steps: int
    small_steps: int
    default_large_steps: int
    default_small_steps: int
    asked: int
    answers: tuple[int, int, int]
    asked_piece: int
    singly: int
    product_seconds: float
    stages: Mapping[str, Stages]
    passes: float
    graded_batch: int


FULL = Sizes(
    shape=Shape(layers=6, width=768, heads=12, hidden=3072),
    large=2048,
    small=256,
    piece=256,
    large_steps=3,
    small_steps=12,
    default_large_steps=1,
    default_small_steps=4,
    asked=1024,
    answers=(8, 1, 4),
    asked_piece=64,
    singly=300,
    product_seconds=0.2,
    stages={DISTILBERT: Stages(20, 512, 1, turns=1), E5: Stages(20, 1024, 1, turns=2)},
    passes=2,
    graded_batch=128,
)
TINY = Sizes(
    shape=Shape(layers=2, width=64, heads=2, hidden=128),
    large=32,
    small=8,
    piece=8,
    large_steps=2,
    small_steps=2,
    default_large_steps=1,
    default_small_steps=1,
    asked=16,
    answers=(2, 1, 1),
    asked_piece=4,
    singly=8,
    product_seconds=0.01,
    stages={DISTILBERT: Stages(2, 64, 1, turns=1), E5: Stages(2, 64, 1, turns=1)},
    passes=0.02,
    graded_batch=64,
)
