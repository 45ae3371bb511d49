"""The baselines of an evaluation: the same figures each time, on however many threads they are trained."""

import numpy as np

from q2pt_tasks.model.baselines import TfidfUnified
from q2pt_tasks.model.truth import LabeledQueries

TYPES = tuple(f"TYPE_{number}" for number in range(60))


def _rows(count: int) -> LabeledQueries:
    drawn = np.random.default_rng(1)
    words = [f"word{number}" for number in range(200)]
    queries = [" ".join(drawn.choice(words, 3)) for _ in range(count)]
    return LabeledQueries(queries, [[str(drawn.choice(TYPES))] for _ in range(count)])


def test_a_linear_model_is_the_same_each_time() -> None:
    rows = _rows(600)
    first, *others = (TfidfUnified({"en-GB": rows}, TYPES).scores(rows.queries, "en-GB") for _ in range(4))
    for other in others:
        assert np.array_equal(first, other)
