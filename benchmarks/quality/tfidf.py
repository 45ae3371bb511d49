"""TF-IDF of words and of their parts: what the linear peers read."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, cast

import numpy as np
from scipy.sparse import csr_matrix
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import FeatureUnion, make_union

# Parts of words, or of the whole query with the spaces between its words.
Parts = Literal["char_wb", "char"]


@dataclass(frozen=True)
class Tfidf:
    """Words, and parts of up to `longest` characters; sublinear term frequencies, rows of length 1 per kind."""

    parts: Parts
    longest: int

    def fit(self, queries: Sequence[str]) -> "Features":
        words = TfidfVectorizer(analyzer="word", token_pattern=r"\S+", sublinear_tf=True, dtype=np.float32)  # noqa: S106
        parts = TfidfVectorizer(analyzer=self.parts, ngram_range=(1, self.longest), sublinear_tf=True, dtype=np.float32)
        return Features(make_union(words, parts).fit(list(queries)))


@dataclass(frozen=True)
class Features:
    """The vocabulary and the weights that were fitted."""

    union: FeatureUnion

    def of(self, queries: Sequence[str]) -> csr_matrix:
        """Shape (queries, features)."""
        return cast(csr_matrix, self.union.transform(list(queries)).tocsr())
