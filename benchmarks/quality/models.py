"""What the peers have in common: one model over all locales, or one per locale, as scorers that the metrics take."""

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from q2pt_tasks.model.examples import FloatMatrix
from q2pt_tasks.model.truth import LabeledQueries


class Model(Protocol):
    """A trained peer."""

    def scores(self, queries: Sequence[str]) -> FloatMatrix:
        """Shape (queries, columns of the indicators that it was trained on); higher is likelier."""


class Setting(Protocol):
    """A peer with one choice of its hyperparameters: a dataclass, so that it can be written down."""

    def fit(self, queries: Sequence[str], indicators: csr_matrix) -> Model:
        """Trains on `queries`; `indicators` has a row for each and a column for each product type that one means."""


class Unified:
    """One model over the queries of all locales."""

    def __init__(self, setting: Setting, train: Mapping[str, LabeledQueries], types: Sequence[str]) -> None:
        queries = [query for rows in train.values() for query in rows.queries]
        meant = _indicators([own for rows in train.values() for own in rows.product_types], types)
        self._types = len(types)
        self._known = np.flatnonzero(meant.any(axis=0))
        self._model = setting.fit(queries, csr_matrix(meant[:, self._known]))

    def scores(self, queries: Sequence[str], locale: str) -> FloatMatrix:  # noqa: ARG002 - the scorers' common form
        """Shape (queries, types); -inf for a type without training queries."""
        scores = np.full((len(queries), self._types), -np.inf, dtype=np.float32)
        if len(queries):
            scores[:, self._known] = self._model.scores(queries)
        return scores


class PerLocale:
    """A model per locale, trained on the locale's queries alone."""

    def __init__(self, setting: Setting, train: Mapping[str, LabeledQueries], types: Sequence[str]) -> None:
        self._models = {locale: Unified(setting, {locale: rows}, types) for locale, rows in train.items()}

    def scores(self, queries: Sequence[str], locale: str) -> FloatMatrix:
        """Shape (queries, types); -inf for a type without training queries in the locale."""
        return self._models[locale].scores(queries, locale)


def _indicators(product_types: Sequence[Sequence[str]], types: Sequence[str]) -> NDArray[np.int64]:
    column = {name: index for index, name in enumerate(types)}
    # Of 64 bits: scikit-learn 1.9 learns nonsense from labels of 8, and says nothing.
    meant = np.zeros((len(product_types), len(types)), dtype=np.int64)
    for row, names in enumerate(product_types):
        meant[row, [column[name] for name in names]] = 1
    return meant
