"""From a shopper's query to product types, with a checkpoint."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from q2pt_tasks.data.queries import normalise_query
from q2pt_tasks.data.schema import check_locale
from q2pt_tasks.metrics.thresholds import Thresholds
from q2pt_tasks.model.answers import Answers, Judged
from q2pt_tasks.model.assortment import mask_scores, unsold_table
from q2pt_tasks.model.batching import insert_locale_tokens
from q2pt_tasks.model.checkpoint import Checkpoint, load_checkpoint
from q2pt_tasks.model.examples import FloatMatrix, Packed
from q2pt_tasks.model.fusion import mean_logits
from q2pt_tasks.model.inference import logits_of, probabilities_of
from q2pt_tasks.model.objectives import OBJECTIVES
from q2pt_tasks.model.precision import Hardware, detect_hardware
from q2pt_tasks.model.text_parts import Typed
from q2pt_tasks.model.variants import NON_UNIFIED, UNKNOWN_LOCALE_TOKEN, locale_token

Types = tuple[tuple[str, float], ...]


class LocaleNotServedError(ValueError):
    """A per-locale model is asked about another locale."""


@dataclass(frozen=True)
class Prediction:
    """The product types of one query above their thresholds, best first, with their scores.

    `used_unknown_locale` says that the model does not know the locale and was asked for an unknown one.
    """

    product_types: Types
    used_unknown_locale: bool


class Predictor:
    """A checkpoint that answers."""

    def __init__(self, checkpoint: Checkpoint, hardware: Hardware) -> None:
        self._network = checkpoint.network.to(hardware.device)
        self._objective = OBJECTIVES[checkpoint.metadata.objective]
        self._tokenizer = checkpoint.tokenizer
        self._ngrams = checkpoint.ngrams
        self._hardware = hardware
        self.metadata = checkpoint.metadata
        thresholds = Thresholds.from_dict(dict(checkpoint.metadata.thresholds))
        types = checkpoint.metadata.product_types
        # Laid out once: with thousands of types it takes longer than what else a single query needs around the network.
        self._limits = {locale: thresholds.for_locale(locale, types) for locale in thresholds.by_locale}
        for locale, unsold in self._unsold().items():
            self._limits[locale] = np.where(unsold, np.float32(np.inf), thresholds.for_locale(locale, types))
        self._other_limits = thresholds.for_locale("", types)

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

    @classmethod
    def load_encoder_alone(cls, folder: Path) -> Self:
        """As `load`, without the n-gram model beside the encoder: the scores are those that Hugging Face gives.

        The thresholds in the metadata are not for them.
        """
        return cls(replace(load_checkpoint(folder), ngrams=None), detect_hardware())

    @property
    def product_types(self) -> tuple[str, ...]:
        """The label space."""
        return self.metadata.product_types

    def uses_unknown_locale(self, locale: str) -> bool:
        """Whether queries of `locale` are asked with the unknown-locale token."""
        return self.metadata.is_aware and locale not in self.metadata.locales

    def check_locale(self, locale: str) -> None:
        """Checks that queries of `locale` can be answered.

        Raises:
            LocaleError: it is not a language and a region such as `en-GB`.
            LocaleNotServedError: the model is a per-locale one, of another locale.
        """
        check_locale(locale)
        if self.metadata.variant == NON_UNIFIED and locale not in self.metadata.locales:
            raise LocaleNotServedError(
                f"the model was trained on {', '.join(self.metadata.locales)} alone, found the locale {locale!r}: "
                f"give the model of {locale}, or a unified one"
            )

    def scores(self, queries: Sequence[str], locale: str) -> FloatMatrix:
        """Probability per query and product type, in the order of the metadata's `product_types`; 0 for unsold types.

        Args:
            queries: as shoppers type them; they are normalised here.
            locale: the store in which they were typed.

        Raises:
            TypeError: `queries` is one text, which would be taken for its letters.
        """
        _refuse_text(queries)
        scores = self._score([normalise_query(query) for query in queries], [self._told(locale)] * len(queries))
        return mask_scores(scores, self._unsold()[locale]) if locale in self.metadata.unsold else scores

    def _unsold(self) -> dict[str, NDArray[np.bool_]]:
        """(types,) per locale that does not sell all of them: true for those that it does not."""
        locales = list(self.metadata.unsold)
        return dict(zip(locales, unsold_table(self.metadata.unsold, locales, self.metadata.product_types), strict=True))

    def predict(self, queries: Sequence[str], locale: str) -> list[Prediction]:
        """Per query the product types whose score reaches the checkpoint's threshold; none for a blank query.

        Raises:
            TypeError: `queries` is one text.
            LocaleError, LocaleNotServedError: as `check_locale` does.
        """
        _refuse_text(queries)
        self.check_locale(locale)
        normalised = [normalise_query(query) for query in queries]
        asked = [query for query in normalised if query]
        found = self._named(self.answer(asked, [locale] * len(asked)))
        unknown = self.uses_unknown_locale(locale)
        return [Prediction(next(found) if query else (), unknown) for query in normalised]

    def answer(self, queries: Sequence[str], locales: Sequence[str]) -> Answers:
        """The product types of normalised queries that are not blank, each asked in its own locale.

        What the network would read twice is scored once: a query of two locales, where the model is not told the
        locale or knows neither. All scores are in memory at once.
        """
        return self.judge(queries, locales).answers()

    def judge(self, queries: Sequence[str], locales: Sequence[str]) -> Judged:
        """The scores and limits from which `answer` selects, for whoever wants to see what stayed below."""
        names = {name: index for index, name in enumerate(dict.fromkeys(locales))}
        told = {name: self._told(name) for name in names}
        read = [(query, told[name]) for query, name in zip(queries, locales, strict=True)]
        rows = {pair: row for row, pair in enumerate(dict.fromkeys(read))}
        limits = [self._limits.get(name, self._other_limits) for name in names]
        return Judged(
            self._score([query for query, _ in rows], [token for _, token in rows]),
            np.array(limits, dtype=np.float32).reshape(len(names), len(self.metadata.product_types)),
            np.array([rows[pair] for pair in read], dtype=np.int64),
            np.array([names[name] for name in locales], dtype=np.int64),
        )

    def _told(self, locale: str) -> str:
        """The token that tells the network the locale; empty where it is not told."""
        if not self.metadata.is_aware:
            return ""
        return UNKNOWN_LOCALE_TOKEN if self.uses_unknown_locale(locale) else locale_token(locale)

    def _score(self, queries: Sequence[str], told: Sequence[str]) -> FloatMatrix:
        tokens = Packed.pack(self._tokenizer.encode(queries, self.metadata.max_tokens))
        if self.metadata.is_aware:
            ids = {token: self._tokenizer.id_of(token) for token in set(told)}
            tokens = insert_locale_tokens(tokens, np.array([ids[token] for token in told], dtype=np.int64))
        logits = logits_of(self._network, tokens, self._hardware)
        if self._ngrams is not None and self.metadata.ngrams is not None:
            stores = ["" if token == UNKNOWN_LOCALE_TOKEN else token for token in told]
            beside = self._ngrams.probabilities(Typed(queries, stores))
            logits = mean_logits(logits, beside, self.metadata.ngrams.weight, self._objective)
        return probabilities_of(logits, self._objective)

    def _named(self, answers: Answers) -> Iterator[Types]:
        names, offsets = self.metadata.product_types, answers.types.offsets.tolist()
        pairs = [
            (names[index], value)
            for index, value in zip(answers.types.values.tolist(), answers.scores.tolist(), strict=True)
        ]
        return (tuple(pairs[start:end]) for start, end in pairwise(offsets))


def _refuse_text(queries: Sequence[str]) -> None:
    if isinstance(queries, str):
        raise TypeError(f"queries is the text {queries!r}: give a list, [{queries!r}]")
