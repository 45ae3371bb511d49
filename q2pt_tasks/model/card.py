"""What the run's models are made of, for whoever decides where to use them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from q2pt_tasks.data.judgements import Judgements
from q2pt_tasks.metrics.thresholds import Thresholds
from q2pt_tasks.model.metadata import Metadata
from q2pt_tasks.model.truth import JUDGEMENTS, Truth, types_of


@dataclass(frozen=True)
class VariantCard:
    """What a variant's models have in common.

    Attributes:
        models: how many there are.
        product_types: the largest label space among them.
        max_tokens: tokens of a query that are read.
        with_ngrams: how many have an n-gram model beside the encoder.
        params: those that they were trained with.
        git_sha: commit of the code that trained the first of them, empty outside a repository.
        threshold: the score from which on a type without a threshold of its own is predicted; None: never.
        own_thresholds: types with a threshold of their own.
        never: those of them that are never predicted, for no score reaches the precision.
    """

    models: int
    product_types: int
    max_tokens: int
    with_ngrams: int
    params: Mapping[str, Any]
    git_sha: str
    threshold: float | None
    own_thresholds: int
    never: int


def card_of(models: Sequence[Metadata], thresholds: Thresholds) -> VariantCard:
    """The card of a variant: its models, one or one per locale, and the thresholds that validation chose."""
    own = thresholds.to_dict()
    by_type = own["by_type"]
    assert isinstance(by_type, dict)  # noqa: S101 - see `Thresholds.to_dict`
    overall = own["overall"]
    assert overall is None or isinstance(overall, float)  # noqa: S101
    return VariantCard(
        models=len(models),
        product_types=max(len(model.product_types) for model in models),
        max_tokens=models[0].max_tokens,
        with_ngrams=sum(model.ngrams is not None for model in models),
        params=models[0].params,
        git_sha=models[0].git_sha,
        threshold=overall,
        own_thresholds=len(by_type),
        never=sum(value is None for value in by_type.values()),
    )


def judgements_of(truth: Truth, judgements: Judgements) -> dict[str, Any]:
    """How many queries were judged, how many of them are training queries, and judged types that no model can know."""
    return {
        "queries": sum(map(len, judgements.tables.values())),
        "seen": int(truth.seen(JUDGEMENTS).sum()),
        "left_out": judgements.left_out,
        "unknown_types": sorted(_types(judgements.tables) - _types(truth.tables["train"])),
    }


def rows_of(truth: Truth) -> dict[str, int]:
    """Labelled queries per split, over all locales."""
    return {split: sum(rows.values()) for split, rows in truth.rows.items()}


def _types(tables: Mapping[str, pa.Table]) -> set[str]:
    return {name for table in tables.values() for name in types_of(table)}
