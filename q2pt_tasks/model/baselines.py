"""What any model must beat: the majority class, and TF-IDF with a linear model, per locale and over all locales."""

import warnings
from collections.abc import Mapping, Sequence

import numpy as np
from scipy.sparse import csr_matrix
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import Pipeline, make_union
from sklearn.svm import LinearSVC

from q2pt_tasks.model.examples import FloatMatrix
from q2pt_tasks.model.truth import LabeledQueries


class MajorityClass:
    """Scores every query of a locale alike: by the share of the locale's training queries that mean the type."""

    def __init__(self, train: Mapping[str, LabeledQueries], types: Sequence[str]) -> None:
        self._shares = {
            locale: _indicators(rows, types).sum(axis=0) / max(len(rows.queries), 1) for locale, rows in train.items()
        }

    def scores(self, queries: Sequence[str], locale: str) -> FloatMatrix:
        """Shape (queries, types)."""
        return np.tile(np.asarray(self._shares[locale], dtype=np.float32), (len(queries), 1))


class TfidfPerLocale:
    """A linear model per locale, trained on the locale's queries alone."""

    def __init__(self, train: Mapping[str, LabeledQueries], types: Sequence[str]) -> None:
        self._models = {locale: TfidfUnified({locale: rows}, types) for locale, rows in train.items()}

    def scores(self, queries: Sequence[str], locale: str) -> FloatMatrix:
        """Shape (queries, types); -inf for a type without training queries in the locale."""
        return self._models[locale].scores(queries, locale)


class TfidfUnified:
    """One linear model over the queries of all locales: TF-IDF of words and of their parts, squared hinge loss."""

    def __init__(self, train: Mapping[str, LabeledQueries], types: Sequence[str]) -> None:
        queries = [query for rows in train.values() for query in rows.queries]
        indicators = _indicators(
            LabeledQueries(queries, [own for rows in train.values() for own in rows.product_types]), types
        )
        self._types = len(types)
        self._known = np.flatnonzero(indicators.any(axis=0))
        self._model = _fit_linear(queries, indicators[:, self._known]) if len(self._known) else None

    def scores(self, queries: Sequence[str], locale: str) -> FloatMatrix:  # noqa: ARG002 - the scorers' common form
        """Shape (queries, types); -inf for a type without training queries."""
        scores = np.full((len(queries), self._types), -np.inf, dtype=np.float32)
        if self._model is not None and len(queries):
            decisions = self._model.decision_function(list(queries))
            scores[:, self._known] = decisions.reshape(len(queries), len(self._known))
        return scores


def _fit_linear(queries: Sequence[str], indicators: np.ndarray) -> Pipeline:
    features = make_union(
        TfidfVectorizer(analyzer="word", token_pattern=r"\S+", sublinear_tf=True, dtype=np.float32),  # noqa: S106
        TfidfVectorizer(analyzer="char_wb", ngram_range=(1, 5), sublinear_tf=True, dtype=np.float32),
    )
    # One column alone would be read as a two-class problem, whose decisions have another shape.
    # On one thread: the library below draws from one stream of numbers for all threads of a process, whatever the seed.
    model = Pipeline([("features", features), ("linear", OneVsRestClassifier(LinearSVC(random_state=0)))])
    with warnings.catch_warnings():
        # A type that every query has needs no model; scikit-learn says so, and scores it right.
        warnings.filterwarnings("ignore", message="Label .* is present in all training examples")
        return model.fit(list(queries), csr_matrix(indicators))


def _indicators(rows: LabeledQueries, types: Sequence[str]) -> np.ndarray:
    """Shape (queries, types): 1 where the query means the type."""
    column = {name: index for index, name in enumerate(types)}
    # Of 64 bits: scikit-learn 1.9 learns nonsense from labels of 8, and says nothing.
    indicators = np.zeros((len(rows.queries), len(types)), dtype=np.int64)
    for row, names in enumerate(rows.product_types):
        indicators[row, [column[name] for name in names]] = 1
    return indicators
