"""What a training is asked, and what became of it. Read without torch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from q2pt_tasks.model.encoder import EncoderParams
from q2pt_tasks.model.recipe import Recipe, Recipes


@dataclass(frozen=True, kw_only=True)
class FitJob:
    """One model to train.

    Attributes:
        variant: `non_unified`, `unified_agnostic` or `unified_aware`.
        locales: the locales of its data.
        tokens: directory that stage `tokenize` wrote for it.
        label_space: file with the product types that it shall know.
        encoder: what reads the queries.
        encoder_files: folder that stage `encoder` wrote.
        locale_dropout: share of training queries with the unknown-locale token, for the locale-aware variant.
        locale_temperature: how far the locales' parts in training are levelled, as `draw_rows` takes it.
        assortment: file with what each locale sells, where nothing else shall be learnt or given; None to leave it.
        params: the params of the stage, for the metadata.
        census: file that says what its training queries consist of, kept beside the weights; None to keep none.
    """

    variant: str
    locales: Sequence[str]
    tokens: Path
    label_space: Path
    encoder: EncoderParams
    encoder_files: Path
    recipes: Recipes
    locale_dropout: float
    locale_temperature: float
    seed: int
    params: Mapping[str, Any]
    assortment: Path | None = None
    census: Path | None = None

    @property
    def recipe(self) -> Recipe:
        """The one for this kind of encoder."""
        return self.recipes.of(is_scratch=self.encoder.is_scratch)


@dataclass(frozen=True)
class FitReport:
    """What became of one training."""

    variant: str
    locales: Sequence[str]
    status: str
    training_rows: int
    epochs: int
    average_precision: float | None
    seconds: float

    def __str__(self) -> str:
        name = f"{self.variant} of {self.locales[0]}" if len(self.locales) == 1 else self.variant
        quality = (
            "" if self.average_precision is None else f", validation average precision {self.average_precision:.3f}"
        )
        done = f"{self.status} on {self.training_rows:,} queries, {self.epochs} epochs"
        return f"{name}: {done}{quality}, {self.seconds:.0f} s"
