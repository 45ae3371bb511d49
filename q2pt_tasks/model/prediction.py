"""From a shopper's query to product types, with a checkpoint."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np

from q2pt_tasks.data.queries import normalise_query
from q2pt_tasks.metrics.thresholds import Thresholds
from q2pt_tasks.model.batching import insert_locale_tokens
from q2pt_tasks.model.checkpoint import Checkpoint, load_checkpoint
from q2pt_tasks.model.examples import FloatMatrix, Packed
from q2pt_tasks.model.inference import score
from q2pt_tasks.model.precision import Hardware, detect_hardware
from q2pt_tasks.model.variants import UNKNOWN_LOCALE_TOKEN, locale_token


@dataclass(frozen=True)
class Prediction:
    """The product types of one query above their thresholds, best first, with their scores.

    `used_unknown_locale` says that the model does not know the locale and was asked for an unknown one.
    """

    product_types: tuple[tuple[str, float], ...]
    used_unknown_locale: bool


class Predictor:
    """A checkpoint that answers."""

    def __init__(self, checkpoint: Checkpoint, hardware: Hardware) -> None:
        self._network = checkpoint.network.to(hardware.device)
        self._tokenizer = checkpoint.tokenizer
        self._hardware = hardware
        self.metadata = checkpoint.metadata
        self._thresholds = Thresholds.from_dict(dict(checkpoint.metadata.thresholds))

    @classmethod
    def load(cls, folder: Path, encoder: Path | None = None) -> Self:
        """The predictor of the checkpoint in `folder`, on the best hardware at hand.

        Args:
            folder: of the checkpoint.
            encoder: as `load_checkpoint` takes it.

        Raises:
            CheckpointError: the directory is not a checkpoint that keeps its contract.
        """
        return cls(load_checkpoint(folder, encoder), detect_hardware())

    def uses_unknown_locale(self, locale: str) -> bool:
        """Whether queries of `locale` are asked with the unknown-locale token."""
        return self.metadata.is_aware and locale not in self.metadata.locales

    def scores(self, queries: Sequence[str], locale: str) -> FloatMatrix:
        """Probability per query and product type, in the order of the metadata's `product_types`.

        Args:
            queries: as shoppers type them; they are normalised here.
            locale: the store in which they were typed.

        Raises:
            TypeError: `queries` is one text, which would be taken for its letters.
        """
        if isinstance(queries, str):
            raise TypeError(f"queries is the text {queries!r}: give a list, [{queries!r}]")
        normalised = [normalise_query(query) for query in queries]
        tokens = Packed.pack(self._tokenizer.encode(normalised, self.metadata.max_tokens))
        if self.metadata.is_aware:
            name = UNKNOWN_LOCALE_TOKEN if self.uses_unknown_locale(locale) else locale_token(locale)
            token_id = self._tokenizer.id_of(name)
            tokens = insert_locale_tokens(tokens, np.full(len(tokens), token_id))
        return score(self._network, tokens, self._hardware)

    def predict(self, queries: Sequence[str], locale: str) -> list[Prediction]:
        """Per query the product types whose score reaches the checkpoint's threshold."""
        types = self.metadata.product_types
        scores = self.scores(queries, locale)
        limits = self._thresholds.for_locale(locale, types)
        unknown = self.uses_unknown_locale(locale)
        return [
            Prediction(
                tuple((types[i], float(row[i])) for i in np.argsort(-row, kind="stable") if row[i] >= limits[i]),
                unknown,
            )
            for row in scores
        ]
