"""What any model must beat: the majority class, and TF-IDF with a linear model, per locale and over all locales."""

import warnings
from collections.abc import Mapping, Sequence

import numpy as np
from scipy.sparse import csr_matrix, vstack
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
            locale: np.asarray(_indicators(rows, types).sum(axis=0)).ravel() / max(len(rows.queries), 1)
            for locale, rows in train.items()
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
        queries: list[str] = []
        means: list[csr_matrix] = []
        for rows in train.values():
            queries += rows.queries
            means.append(_indicators(rows, types))
        indicators = vstack(means, format="csr")
        self._types = len(types)
        self._known = np.flatnonzero(indicators.getnnz(axis=0))
        self._model = _fit_linear(queries, indicators[:, self._known]) if len(self._known) else None

    def scores(self, queries: Sequence[str], locale: str) -> FloatMatrix:  # noqa: ARG002 - the scorers' common form
        """Shape (queries, types); -inf for a type without training queries."""
        scores = np.full((len(queries), self._types), -np.inf, dtype=np.float32)
        if self._model is not None and len(queries):
            decisions = self._model.decision_function(list(queries))
            scores[:, self._known] = decisions.reshape(len(queries), len(self._known))
        return scores


def _fit_linear(queries: Sequence[str], indicators: csr_matrix) -> Pipeline:
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
        return model.fit(queries, indicators)


def _indicators(rows: LabeledQueries, types: Sequence[str]) -> csr_matrix:
    """Shape (queries, types): 1 where the query means the type."""
    column = {name: index for index, name in enumerate(types)}
    columns = np.array([column[name] for names in rows.product_types for name in names], dtype=np.int32)
    ends = np.cumsum([0, *map(len, rows.product_types)])
    # Of 64 bits: scikit-learn 1.9 learns nonsense from labels of 8, and says nothing.
    ones = np.ones(len(columns), dtype=np.int64)
    indicators = csr_matrix((ones, columns, ends), shape=(len(rows.queries), len(types)))
    indicators.sort_indices()
    return indicators
