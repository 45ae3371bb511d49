"""PECOS XR-Linear: linear models in a tree of product types, or one for each, over the linear peer's TF-IDF."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from pecos.xmc import Indexer, LabelEmbeddingFactory
from pecos.xmc.xlinear.model import XLinearModel
from scipy.sparse import csc_matrix, csr_matrix

from benchmarks.quality.tfidf import Features, Parts, Tfidf
from q2pt_tasks.model.examples import FloatMatrix


@dataclass(frozen=True)
class XrLinearSetting:
    """`c` is the inverse of the regularisation's strength; a leaf of the tree has at most `leaf` product types."""

    c: float
    tree: bool
    post_processor: Literal["l3-hinge", "sigmoid"]
    leaf: int = 16
    parts: Parts = "char_wb"
    longest: int = 5

    def fit(self, queries: Sequence[str], indicators: csr_matrix) -> "XrLinearModel":
        features = Tfidf(self.parts, self.longest).fit(queries)
        rows, meant = features.of(queries), csc_matrix(indicators, dtype=np.float32)
        chain = None
        if self.tree and meant.shape[1] > 2 * self.leaf:
            embedded = LabelEmbeddingFactory.create(meant, rows, method="pifa")
            chain = Indexer.gen(embedded, indexer_type="hierarchicalkmeans", max_leaf_size=self.leaf)
        model = XLinearModel.train(rows, meant, C=chain, Cp=self.c, Cn=self.c, threshold=0.0)
        return XrLinearModel(features, model, self.post_processor, meant.shape[1])


@dataclass(frozen=True)
class XrLinearModel:
    """Scores are products of what the nodes on the way to a type say; the beam is as wide as the tree."""

    features: Features
    model: XLinearModel
    post_processor: str
    types: int

    def scores(self, queries: Sequence[str]) -> FloatMatrix:
        found = self.model.predict(
            self.features.of(queries), only_topk=self.types, beam_size=self.types, post_processor=self.post_processor
        )
        return np.asarray(found.toarray(), dtype=np.float32)


# One for each type orders all pairs alike with either post-processor.
XR_LINEAR_SETTINGS = (
    *(XrLinearSetting(c, tree=True, post_processor="l3-hinge") for c in (0.3, 1.0, 3.0)),
    XrLinearSetting(0.3, tree=True, post_processor="sigmoid"),
    *(XrLinearSetting(c, tree=False, post_processor="l3-hinge") for c in (0.1, 0.3, 1.0)),
)
