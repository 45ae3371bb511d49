"""What a query counts for in each split."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pytest

from q2pt_tasks.data.splits import SPLIT
from q2pt_tasks.model.examples import FloatMatrix
from q2pt_tasks.model.truth import FORWARD, JUDGEMENTS, Truth

CLICKS = {"de-DE": [7, 1], "sv-SE": [400]}


class Even:
    """A scorer that knows nothing."""

    def scores(self, queries: Sequence[str], locale: str) -> FloatMatrix:  # noqa: ARG002 - the scorers' common form
        return np.zeros((len(queries), 1), dtype=np.float32)


def _table(clicks: list[int]) -> pa.Table:
    known = {"query": [f"query {n}" for n in clicks], "product_types": [["HAT"]] * len(clicks), "clicks": clicks}
    columns = [pa.array(known.get(field.name, [None] * len(clicks)), field.type) for field in SPLIT]
    return pa.Table.from_arrays(columns, schema=SPLIT)


@pytest.mark.parametrize("split", ["validation", "test", FORWARD, JUDGEMENTS])
def test_queries_of_the_newest_days_count_as_often_as_they_were_clicked_and_all_others_once(split: str) -> None:
    truth = Truth({split: {locale: _table(clicks) for locale, clicks in CLICKS.items()}}, tuple(CLICKS))
    weights = truth.scored(split, Even()).weights
    assert list(weights) == ([7, 1, 400] if split == FORWARD else [1, 1, 1])
