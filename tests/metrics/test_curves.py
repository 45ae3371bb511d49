"""The curves of a stream against brute force over the whole matrix, with ties, unknown and degenerate types."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, precision_recall_curve

from q2pt_tasks.metrics.curves import CurveSet, Wanted, count_curves, merge_counts
from q2pt_tasks.metrics.positives import find_positives, merge_positives
from q2pt_tasks.metrics.scored import Scored

TYPES, LOCALES = ("A", "B", "C"), ("de-DE", "sv-SE")
EVERY = Wanted(np.ones(3, dtype=bool), np.ones(2, dtype=bool), np.ones((2, 3), dtype=bool))
PAIR = st.tuples(st.sampled_from([-np.inf, -1.0, -0.0, 0.0, 0.5, 0.75]), st.booleans())
QUERY = st.tuples(st.lists(PAIR, min_size=3, max_size=3), st.integers(0, 1), st.integers(0, 3))


def scored_of(queries: list[tuple[list[tuple[float, bool]], int, int]]) -> Scored:
    return Scored(
        TYPES,
        LOCALES,
        np.array([locale for _, locale, _ in queries], dtype=np.intp),
        np.array([[score for score, _ in pairs] for pairs, _, _ in queries], dtype=np.float32).reshape(-1, 3),
        np.array([[is_true for _, is_true in pairs] for pairs, _, _ in queries], dtype=bool).reshape(-1, 3),
        np.array([weight for _, _, weight in queries], dtype=np.float64),
    )


def counted(blocks: list[Scored]) -> CurveSet:
    return count_curves(find_positives(blocks), blocks, EVERY)


def brute_force(scored: Scored, types: list[int], locales: list[int], precision: float) -> tuple[float, float]:
    """Recall at the precision, and average precision, pair by pair."""
    pairs = [
        (scored.scores[row, column], bool(scored.targets[row, column]), scored.weights[row])
        for row in range(len(scored))
        for column in types
        if scored.locale[row] in locales and scored.weights[row] > 0
    ]
    total = sum(weight for _, is_true, weight in pairs if is_true)
    if not total:
        return math.nan, math.nan
    best, gained, before = 0.0, 0.0, 0.0
    for threshold in sorted({score for score, _, _ in pairs if score > -np.inf}, reverse=True):
        hits = sum(weight for score, is_true, weight in pairs if is_true and score >= threshold)
        reached = hits / sum(weight for score, _, weight in pairs if score >= threshold)
        if hits and reached >= precision:
            best = hits / total
        gained += (hits - before) * reached
        before = hits
    return best, gained / total


@settings(deadline=None, max_examples=150)
@given(st.lists(QUERY, max_size=14), st.integers(0, 14), st.sampled_from([0.3, 0.5, 0.8, 1.0]))
def test_every_curve_is_that_of_all_its_pairs(
    queries: list[tuple[list[tuple[float, bool]], int, int]], cut: int, precision: float
) -> None:
    whole = scored_of(queries)
    found = counted([scored_of(queries[:cut]), scored_of(queries[cut:])])
    everywhere, every_type = [0, 1], [0, 1, 2]
    cases = [(found.overall, every_type, everywhere)]
    cases += [(found.types[index], [index], everywhere) for index in every_type]
    cases += [(found.locales[index], every_type, [index]) for index in everywhere]
    cases += [(found.cells[3 * where + which], [which], [where]) for where in everywhere for which in every_type]
    for curve, types, locales in cases:
        expected = brute_force(whole, types, locales, precision)
        assert (curve.recall_at(precision), curve.average_precision()) == pytest.approx(expected, nan_ok=True)


def random_scored(n: int = 3000) -> Scored:
    random = np.random.default_rng(0)
    targets = random.random((n, 3)) < [0.3, 0.02, 0.0]
    scores = (random.normal(size=(n, 3)) + targets).round(2).astype(np.float32)
    return Scored(TYPES, LOCALES, random.integers(0, 2, n), scores, targets, np.ones(n))


def test_each_type_has_the_curve_of_scikit_learn() -> None:
    scored = random_scored()
    found = counted([scored.where(np.arange(3000) % 3 == part) for part in range(3)])
    for index in (0, 1):
        truth, scores = scored.targets[:, index], scored.scores[:, index]
        expected = average_precision_score(truth, scores)
        assert found.types[index].average_precision() == pytest.approx(expected, abs=1e-12)
        precisions, recalls, _ = precision_recall_curve(truth, scores)
        best = max(recalls[:-1][precisions[:-1] >= 0.6], default=0.0)
        assert found.types[index].recall_at(0.6) == pytest.approx(best, abs=1e-12)
    assert math.isnan(found.types[2].recall_at(0.6))


def test_shards_merge_to_the_whole() -> None:
    scored = random_scored()
    shards = [scored.where(np.arange(3000) % 2 == part) for part in range(2)]
    together = merge_positives([find_positives([shard]) for shard in shards])
    merged = merge_counts([count_curves(together, [shard], EVERY) for shard in shards])
    whole = counted([scored])
    assert whole.all.total == [scored.targets.sum()]
    for name in ("all", "types", "locales", "cells"):
        for counts in ("start", "thresholds", "true_positives", "pairs", "total"):
            own, expected = getattr(getattr(merged, name), counts), getattr(getattr(whole, name), counts)
            np.testing.assert_array_equal(own, expected, f"{counts} of {name}")
    with pytest.raises(ValueError, match="merge the positives"):
        merge_counts([counted([shard]) for shard in shards])


def test_what_is_not_wanted_is_not_counted() -> None:
    scored = random_scored(100)
    some = Wanted(np.array([True, False, False]), np.zeros(2, dtype=bool), np.zeros((2, 3), dtype=bool))
    found = count_curves(find_positives([scored]), [scored], some)
    assert len(found.types[0].thresholds)
    assert not len(found.types[1].thresholds)
    assert not len(found.cells.thresholds)
    assert found.types[1].total == scored.targets[:, 1].sum()


def test_blocks_that_do_not_fit_are_refused() -> None:
    scored = random_scored(10)
    other = Scored(("A", "B", "D"), LOCALES, scored.locale, scored.scores, scored.targets, scored.weights)
    with pytest.raises(ValueError, match="different types"):
        find_positives([scored, other])
    with pytest.raises(ValueError, match="other types"):
        count_curves(find_positives([scored]), [other], EVERY)
    with pytest.raises(ValueError, match="no block"):
        find_positives([])
