"""fastText: a sum of vectors of words and of their hashed parts below a softmax, or a sigmoid per product type."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import fasttext
import numpy as np
from scipy.sparse import csr_matrix

from q2pt_tasks.model.examples import FloatMatrix

_LABEL = "__label__"


@dataclass(frozen=True)
class FastTextSetting:
    """`loss` is `ova` (a sigmoid per type) or `softmax`; `longest` the most characters of a word's part."""

    loss: Literal["softmax", "ova"]
    epochs: int
    learning_rate: float
    longest: int = 5
    width: int = 100

    def fit(self, queries: Sequence[str], indicators: csr_matrix) -> "FastTextModel":
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "train.txt"
            file.write_text("".join(_lines(queries, indicators)), encoding="utf-8")
            # One thread: several would race, and no two runs be alike.
            model = fasttext.train_supervised(
                str(file),
                loss=self.loss,
                epoch=self.epochs,
                lr=self.learning_rate,
                dim=self.width,
                minn=1,
                maxn=self.longest,
                bucket=500_000,
                thread=1,
                verbose=0,
            )
        return FastTextModel(model, indicators.shape[1])


@dataclass(frozen=True)
class FastTextModel:
    """Scores are probabilities."""

    model: Any
    types: int

    def scores(self, queries: Sequence[str]) -> FloatMatrix:
        labels, probabilities = self.model.predict(list(queries), k=-1)
        scores = np.zeros((len(queries), self.types), dtype=np.float32)
        for row, (names, values) in enumerate(zip(labels, probabilities, strict=True)):
            scores[row, [int(name.removeprefix(_LABEL)) for name in names]] = values
        return scores


def _lines(queries: Sequence[str], indicators: csr_matrix) -> list[str]:
    bounds = zip(indicators.indptr[:-1], indicators.indptr[1:], strict=True)
    columns = [indicators.indices[start:end] for start, end in bounds]
    return [
        f"{' '.join(f'{_LABEL}{column}' for column in own)} {query}\n"
        for own, query in zip(columns, queries, strict=True)
    ]


FAST_TEXT_SETTINGS = (
    *(FastTextSetting("softmax", epochs, rate) for epochs in (25, 50) for rate in (0.5, 1.0)),
    FastTextSetting("ova", 25, 0.5),
)
