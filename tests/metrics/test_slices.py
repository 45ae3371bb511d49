import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from q2pt_tasks.metrics.observed import observe
from q2pt_tasks.metrics.scored import Scored
from q2pt_tasks.metrics.slices import (
    SUPPORT_GROUPS,
    Dimension,
    SliceFigure,
    SlicesError,
    measure_slices,
    slice_counts,
    support_groups,
)
from q2pt_tasks.metrics.thresholds import Thresholds

TYPES = ("BOOTS", "LAMPS", "MUGS")
LOCALES = ("en-US", "pl-PL")
THRESHOLDS = Thresholds({"LAMPS": 0.5}, {"pl-PL": 0.2}, 0.6)


def scored() -> Scored:
    return Scored(
        TYPES,
        LOCALES,
        np.array([0, 0, 1, 1]),
        np.array([[0.9, 0.1, 0.1], [0.1, 0.5, 0.7], [0.3, 0.4, 0.1], [-np.inf, 0.1, 0.1]], dtype=np.float32),
        np.array([[1, 0, 0], [0, 1, 0], [1, 0, 0], [1, 0, 1]], dtype=bool),
        np.array([1.0, 2.0, 3.0, 4.0]),
    )


def test_a_slice_of_queries_weighs_pairs_by_the_traffic_of_their_query() -> None:
    answers = observe([scored()], THRESHOLDS).answers
    length = Dimension("length", ("short", "long", "empty"), of_queries=np.array([0, 1, 1, -1]))
    assert measure_slices(answers, [length]) == [
        SliceFigure("length", "short", 1.0, 1.0, 1, 1),
        SliceFigure("length", "long", 1.0, 5 / 7, 2, 2),
        SliceFigure("length", "empty", None, None, 0, 0),
    ]


def test_a_slice_of_types_has_the_pairs_of_its_types() -> None:
    answers = observe([scored()], THRESHOLDS).answers
    support = Dimension("support", ("head", "tail"), of_types=np.array([0, 0, 1]))
    head, tail = measure_slices(answers, [support])
    assert (head.recall, head.precision, head.positives, head.queries) == (6 / 10, 1.0, 4, 4)
    assert (tail.recall, tail.precision, tail.positives) == (0.0, 0.0, 1)


def test_only_the_queries_asked_for_count() -> None:
    answers = observe([scored()], THRESHOLDS).answers
    support = Dimension("support", ("all",), of_types=np.zeros(3, dtype=int))
    (figure,) = measure_slices(answers, [support], np.array([False, False, False, True]))
    assert (figure.recall, figure.positives) == (0.0, 2)


def test_a_dimension_divides_queries_or_types() -> None:
    with pytest.raises(SlicesError, match="and not both"):
        Dimension("length", ("a",))


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 30))
def test_resampled_sums_give_the_recall_of_the_queries_that_were_drawn(seed: int, queries: int) -> None:
    rng = np.random.default_rng(seed)
    some = Scored(
        TYPES,
        LOCALES,
        rng.integers(0, 2, queries),
        rng.random((queries, 3), dtype=np.float32),
        rng.random((queries, 3)) < 0.4,
        rng.integers(0, 4, queries).astype(np.float64),
    )
    answers = observe([some], THRESHOLDS).answers
    dimensions = [
        Dimension("length", ("a", "b"), of_queries=rng.integers(-1, 2, queries)),
        Dimension("support", ("head", "tail"), of_types=np.array([0, 1, 1])),
    ]
    times = rng.integers(0, 3, queries)
    sums = times @ slice_counts(answers, dimensions)
    drawn = some.where(times > 0)
    drawn = Scored(TYPES, LOCALES, drawn.locale, drawn.scores, drawn.targets, drawn.weights * times[times > 0])
    cut = [
        Dimension("length", ("a", "b"), of_queries=dimensions[0].of_queries[times > 0]),  # type: ignore[index]
        dimensions[1],
    ]
    for index, figure in enumerate(measure_slices(observe([drawn], THRESHOLDS).answers, cut)):
        hits, positives = sums[index], sums[index + 4]
        assert figure.recall == (pytest.approx(hits / positives) if positives else None)


def test_the_head_has_the_first_half_of_all_clicks_and_the_tail_the_last_tenth() -> None:
    clicks = np.array([0.0, 30.0, 50.0, 1.0, 15.0, 4.0])
    groups = [SUPPORT_GROUPS[index] for index in support_groups(clicks)]
    assert groups == ["tail", "torso", "head", "tail", "torso", "tail"]


def test_without_clicks_every_type_is_tail() -> None:
    assert list(support_groups(np.zeros(2))) == [2, 2]
