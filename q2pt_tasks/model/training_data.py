"""What a training learns from, and what it is judged by while it learns."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from q2pt_tasks.model.assortment import Unsold, read_unsold
from q2pt_tasks.model.examples import Examples, examples_from_tokens
from q2pt_tasks.model.job import FitJob
from q2pt_tasks.model.objectives import Objective


@dataclass(frozen=True)
class TrainingData:
    """The queries of a job.

    Attributes:
        train: those to learn from.
        validation: those to choose by.
        product_types: the label space.
        split: salt and fractions of the split that they come from.
        unsold: what the locales do not sell, where that is looked at.
        texts: the queries' text by split, in the order of the examples.
    """

    train: Examples
    validation: Examples
    product_types: tuple[str, ...]
    split: Mapping[str, Any]
    unsold: Unsold
    texts: Mapping[str, pa.ChunkedArray]

    @property
    def priors(self) -> np.ndarray:
        """Share of the training queries that mean each product type."""
        counts = np.bincount(self.train.labels.values, minlength=len(self.product_types))
        return counts / max(len(self.train), 1)

    def bias(self, objective: Objective) -> torch.Tensor:
        """The logits of a network that knows of a query only what all training queries mean together."""
        targets = objective.targets(torch.from_numpy(self.train.shares)).numpy()
        totals = np.bincount(self.train.labels.values, targets, minlength=len(self.product_types))
        return objective.logits(torch.from_numpy(totals / max(len(self.train), 1)))

    def lack(self, min_train_rows: int) -> str:
        """Why a model cannot be trained on this; empty if it can."""
        if not self.product_types:
            return "no product type has enough training queries"
        if len(self.train) < min_train_rows:
            return f"{len(self.train)} training queries, at least {min_train_rows} are needed"
        return "" if len(self.validation.labels.values) else "no validation query has a product type of the label space"


def read_data(job: FitJob) -> TrainingData:
    """What stages `tokenize` and `split` wrote for `job`."""
    label_space = json.loads(job.label_space.read_text(encoding="utf-8"))
    product_types = tuple(label_space["product_types"])
    tables = {split: pq.ParquetFile(job.tokens / f"{split}.parquet").read() for split in ("train", "validation")}
    train, validation = (examples_from_tokens(table, product_types, job.locales) for table in tables.values())
    texts = {split: table["query"] for split, table in tables.items()}
    unsold = read_unsold(job.assortment, job.locales, product_types) if job.assortment else {}
    return TrainingData(train, validation, product_types, label_space["split"], unsold, texts)
