"""Locale tokens in front of training queries, and locale dropout, which trains the unknown-locale token."""

from dataclasses import dataclass, replace

import numpy as np

from q2pt_tasks.model.batching import insert_locale_tokens
from q2pt_tasks.model.examples import Examples, Int64Array
from q2pt_tasks.model.vocabulary import OccurringTokens


@dataclass(frozen=True)
class LocaleTokens:
    """The token of every locale, by the locale's index, and of the unknown one.

    Attributes:
        token_ids: one per locale; empty for a model that is not told the locale.
        unknown: the unknown-locale token's id.
        dropout: share of the training queries that get the unknown-locale token, 0 to 1.
    """

    token_ids: Int64Array
    unknown: int
    dropout: float

    @classmethod
    def none(cls) -> "LocaleTokens":
        """For a model that is not told the locale."""
        return cls(np.zeros(0, dtype=np.int64), unknown=-1, dropout=0.0)

    @property
    def all_ids(self) -> Int64Array:
        return np.append(self.token_ids, self.unknown) if len(self.token_ids) else self.token_ids

    def trimmed(self, occurring: OccurringTokens) -> "LocaleTokens":
        """The same tokens under their trimmed ids."""
        if not len(self.token_ids):
            return self
        return LocaleTokens(
            occurring.trimmed_ids(self.token_ids), int(occurring.trimmed_ids(np.array([self.unknown]))[0]), self.dropout
        )

    def put_before(self, examples: Examples, generator: np.random.Generator) -> Examples:
        """The examples as the model is trained on them in one epoch."""
        if not len(self.token_ids):
            return examples
        dropped = generator.random(len(examples)) < self.dropout
        return self._insert(examples, np.where(dropped, self.unknown, self.token_ids[examples.locales]))

    def put_before_all(self, examples: Examples) -> Examples:
        """The examples as the model is asked: every query with its own locale's token."""
        return self._insert(examples, self.token_ids[examples.locales]) if len(self.token_ids) else examples

    @staticmethod
    def _insert(examples: Examples, token_ids: Int64Array) -> Examples:
        return replace(examples, tokens=insert_locale_tokens(examples.tokens, token_ids))
