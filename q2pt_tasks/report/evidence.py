"""What the report reads besides the summary: slices, mistakes, the models' card and the window."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any


@dataclass(frozen=True)
class Slice:
    """A slice of a variant on a split, over all locales: recall and its change against the champion, with intervals."""

    variant: str
    split: str
    dimension: str
    slice: str
    recall: float | None
    low: float | None
    high: float | None
    positives: int
    change: float | None
    change_low: float | None
    change_high: float | None


@dataclass(frozen=True)
class Parity:
    """The gap between the stores with the best and the worst recall, and its change against the champion's own gap."""

    best: str
    best_recall: float
    worst: str
    worst_recall: float
    gap: float
    low: float | None
    high: float | None
    change: float | None
    change_low: float | None
    change_high: float | None


@dataclass(frozen=True)
class Cell:
    """A slice of a variant on test, in one locale."""

    variant: str
    locale: str
    dimension: str
    slice: str
    recall: float | None
    positives: int


@dataclass(frozen=True)
class Slices:
    """`metrics/slices.json`; `level` is the share of the resamples that an interval holds."""

    level: float
    rows: tuple[Slice, ...]
    cells: tuple[Cell, ...]
    parity: Mapping[str, Parity | None]


@dataclass(frozen=True)
class Query:
    """A query as it was typed in a store, in its normal form."""

    query: str
    locale: str


@dataclass(frozen=True)
class WorstType:
    """A product type that a variant finds little of, queries that it missed, and what it named in its place."""

    product_type: str
    recall: float
    precision: float | None
    positives: int
    missed: tuple[Query, ...]
    instead: tuple[str, ...]


@dataclass(frozen=True)
class SureMistake(Query):
    """A wrong prediction with a high score."""

    predicted: str
    score: float
    truth: tuple[str, ...]


@dataclass(frozen=True)
class Mistakes:
    """What one variant gets wrong on test."""

    types: tuple[WorstType, ...]
    mistakes: tuple[SureMistake, ...]


@dataclass(frozen=True)
class VariantCard:
    """What the models of one variant are made of; see `model/card.py`."""

    models: int
    product_types: int
    max_tokens: int
    params: Mapping[str, Any]
    git_sha: str
    threshold: float | None
    with_ngrams: int
    own_thresholds: int
    never: int


@dataclass(frozen=True)
class ModelCard:
    """`metrics/model_card.json`: labelled queries by split, and a card by variant."""

    rows: Mapping[str, int]
    variants: Mapping[str, VariantCard]


@dataclass(frozen=True)
class Window:
    """The days that the run learned from, both included."""

    first_day: date
    last_day: date


@dataclass(frozen=True)
class Judged:
    """The human judgements: how many queries, how many of them in training, and what could not be scored."""

    queries: int
    seen: int
    left_out: int
    unknown_types: tuple[str, ...]


@dataclass(frozen=True)
class Bin:
    """Predictions of similar scores: their mean score, the share of them that is right, None for an empty bin."""

    score: float | None
    right: float | None


@dataclass(frozen=True)
class Reliability:
    """How far scores are from the share that is right, as a mean over predictions, and bin by bin."""

    expected_error: float | None
    bins: tuple[Bin, ...]


@dataclass(frozen=True)
class Calibration:
    """A variant's scores as probabilities: of the best type of every query."""

    variant: str
    best: Reliability


@dataclass(frozen=True)
class FigureInterval:
    """Where a figure of a variant may lie; `metrics/intervals.json` is a list of them."""

    variant: str
    split: str
    locale: str
    metric: str
    low: float
    high: float


@dataclass(frozen=True)
class Difference:
    """A figure of `variant` minus that of `against` on the same queries, with its interval."""

    variant: str
    against: str
    split: str
    locale: str
    metric: str
    value: float
    low: float
    high: float
