"""The vectorised choice of answers against the plain one."""

import numpy as np
import pytest

from q2pt_tasks.model.answers import Answers, select_answers
from q2pt_tasks.model.examples import FloatMatrix

TYPES = 40


def _plain(row: FloatMatrix, limits: FloatMatrix) -> list[tuple[int, float]]:
    """One query's answer as one would write it down."""
    return [(int(i), float(row[i])) for i in np.argsort(-row, kind="stable") if row[i] >= limits[i]]


def _of(answers: Answers, index: int) -> list[tuple[int, float]]:
    piece = slice(*answers.types.offsets[index : index + 2])
    return list(zip(answers.types.values[piece].tolist(), answers.scores[piece].tolist(), strict=True))


# Blocks of 256 rows: less than one, one, several and a rest.
@pytest.mark.parametrize("queries", [1, 255, 256, 257, 600])
def test_it_chooses_what_a_loop_over_queries_and_types_chooses(queries: int) -> None:
    random = np.random.default_rng(queries)
    # Of few different values, so that scores tie with each other and with limits.
    scores = (random.integers(0, 20, (50, TYPES)) / 20).astype(np.float32)
    limits = (random.integers(10, 20, (3, TYPES)) / 20).astype(np.float32)
    limits[0, 5] = np.inf
    score_rows, limit_rows = random.integers(0, 50, queries), random.integers(0, 3, queries)
    answers = select_answers(scores, limits, score_rows, limit_rows)
    assert len(answers) == queries
    for index in range(queries):
        assert _of(answers, index) == _plain(scores[score_rows[index]], limits[limit_rows[index]])


def test_a_query_without_a_type_has_an_empty_answer() -> None:
    scores = np.array([[0.25, 0.25], [0.75, 0.25], [0.0, 0.0]], dtype=np.float32)
    rows = np.arange(3)
    answers = select_answers(scores, np.full((1, 2), 0.5, np.float32), rows, np.zeros(3, np.int64))
    assert [_of(answers, index) for index in range(3)] == [[], [(0, 0.75)], []]


def test_no_queries_have_no_answers() -> None:
    nothing = np.zeros(0, np.int64)
    answers = select_answers(np.zeros((0, 2), np.float32), np.zeros((0, 2), np.float32), nothing, nothing)
    assert len(answers) == 0
    assert answers.scores.dtype == np.float32
