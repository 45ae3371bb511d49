from dataclasses import replace

import numpy as np
import pytest

from q2pt_tasks.metrics.mistakes import Mistake, TypeFigure, surest_mistakes, worst_types
from q2pt_tasks.metrics.observed import observe
from q2pt_tasks.metrics.scored import Scored
from q2pt_tasks.metrics.thresholds import Thresholds

TYPES = ("BOOTS", "LAMPS", "MUGS")
THRESHOLDS = Thresholds({}, {}, 0.5)
CLICKS = np.array([1.0, 1.0, 5.0, 1.0])
SURE = [
    Mistake(0, "LAMPS", 0.95, ("BOOTS",)),
    Mistake(1, "LAMPS", 0.8, ("BOOTS",)),
    Mistake(2, "LAMPS", 0.6, ("BOOTS",)),
]


@pytest.fixture
def scored() -> Scored:
    scores = [[0.9, 0.95, 0.1], [0.1, 0.8, 0.7], [0.1, 0.6, 0.1], [0.2, 0.1, 0.9]]
    truth = [[1, 0, 0], [1, 0, 0], [1, 0, 0], [0, 0, 1]]
    return Scored(
        TYPES,
        ("en-US",),
        np.zeros(4, dtype=int),
        np.array(scores, dtype=np.float32),
        np.array(truth, dtype=bool),
        np.ones(4),
    )


def rounded(mistakes: list[Mistake]) -> list[Mistake]:
    return [replace(mistake, score=round(mistake.score, 6)) for mistake in mistakes]


def test_the_surest_mistake_of_each_query_comes_in_the_order_of_the_score(scored: Scored) -> None:
    assert rounded(surest_mistakes([scored], THRESHOLDS, 9)) == SURE
    assert rounded(surest_mistakes([scored], THRESHOLDS, 1)) == SURE[:1]


def test_a_stream_of_blocks_gives_the_mistakes_of_the_whole(scored: Scored) -> None:
    blocks = [scored.where(np.arange(4) == index) for index in range(4)]
    assert rounded(surest_mistakes(blocks, THRESHOLDS, 2)) == SURE[:2]


def test_the_worst_type_shows_what_was_missed_and_what_stood_in_its_place(scored: Scored) -> None:
    assert worst_types(observe([scored], THRESHOLDS).answers, CLICKS, 1, 9) == [
        TypeFigure("BOOTS", 1 / 3, 1.0, 3, missed=(2, 1), instead=("LAMPS", "MUGS")),
        TypeFigure("MUGS", 1.0, 0.5, 1, missed=(), instead=()),
    ]


def test_types_with_few_positives_are_left_out(scored: Scored) -> None:
    found = worst_types(observe([scored], THRESHOLDS).answers, CLICKS, 2, 9)
    assert [figure.product_type for figure in found] == ["BOOTS"]
