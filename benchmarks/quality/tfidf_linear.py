"""TF-IDF with a linear model for each product type against all others, of scikit-learn."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import joblib
import numpy as np
from scipy.sparse import csr_matrix
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier
from sklearn.svm import LinearSVC

from benchmarks.quality.tfidf import Features, Parts, Tfidf
from q2pt_tasks.model.examples import FloatMatrix

Loss = Literal["squared hinge", "logistic"]


@dataclass(frozen=True)
class LinearSetting:
    """`c` is the inverse of the regularisation's strength."""

    loss: Loss
    c: float
    parts: Parts = "char_wb"
    longest: int = 5

    def fit(self, queries: Sequence[str], indicators: csr_matrix) -> "LinearModel":
        features = Tfidf(self.parts, self.longest).fit(queries)
        model = OneVsRestClassifier(self._classifier(), n_jobs=-1)
        with joblib.parallel_config(backend="threading"), warnings.catch_warnings():
            # A type that every query has needs no model; scikit-learn says so, and scores it right.
            warnings.filterwarnings("ignore", message="Label .* is present in all training examples")
            return LinearModel(features, model.fit(features.of(queries), indicators), indicators.shape[1])

    def _classifier(self) -> LinearSVC | LogisticRegression:
        if self.loss == "logistic":
            return LogisticRegression(C=self.c, solver="liblinear", random_state=0)
        return LinearSVC(C=self.c, random_state=0)


@dataclass(frozen=True)
class LinearModel:
    """Scores are decision values: distances from the classifiers' planes, or log-odds."""

    features: Features
    classifiers: OneVsRestClassifier
    types: int

    def scores(self, queries: Sequence[str]) -> FloatMatrix:
        decisions = self.classifiers.decision_function(self.features.of(queries))
        return np.asarray(decisions, dtype=np.float32).reshape(len(queries), self.types)


LINEAR_SETTINGS = (
    *(LinearSetting("squared hinge", c) for c in (0.1, 0.3, 1.0)),
    LinearSetting("logistic", 30.0),
)
