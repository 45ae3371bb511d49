from collections.abc import Sequence

import numpy as np
import pytest

from q2pt_tasks.metrics.intervals import Resampling, Sample
from q2pt_tasks.metrics.observed import observe
from q2pt_tasks.metrics.scored import Scored
from q2pt_tasks.metrics.slice_intervals import LOCALE, Sliced, parity, slice_rows, slice_up
from q2pt_tasks.metrics.slices import Dimension
from q2pt_tasks.metrics.thresholds import Thresholds

LOCALES = ("en-US", "pl-PL", "cs-CZ")
PER_STORE = (400, 400, 5)
PLAN = Resampling(500, seed=3)


def sliced(found: Sequence[float]) -> Sliced:
    """Queries of one type each, of which the given share of each store's is found."""
    locale = np.repeat(np.arange(3), PER_STORE)
    place = np.concatenate([np.arange(n) / n for n in PER_STORE])
    scores = (place < np.repeat(found, PER_STORE)).astype(np.float32)[:, None]
    queries = len(locale)
    scored = Scored(("BOOTS",), LOCALES, locale, scores, np.ones((queries, 1), dtype=bool), np.ones(queries))
    sample = Sample(np.arange(queries), queries, np.zeros(queries, dtype=np.intp), 1)
    stores = Dimension(LOCALE, LOCALES, of_queries=locale)
    return slice_up(observe([scored], Thresholds({}, {}, 0.5)).answers, [stores], sample, PLAN)


def test_a_slice_has_the_interval_of_its_own_queries() -> None:
    first, _, few = slice_rows(sliced([0.5, 0.8, 0.4]), None, PLAN.level)
    assert first.recall == 0.5
    assert first.low == pytest.approx(0.5 - 1.96 * np.sqrt(0.25 / 400), abs=0.01)
    assert first.high == pytest.approx(0.5 + 1.96 * np.sqrt(0.25 / 400), abs=0.01)
    assert few.low is not None
    assert few.high is not None
    assert few.high - few.low > 0.5
    assert (first.change, first.change_low) == (None, None)


def test_a_change_is_paired_so_what_both_found_does_not_blur_it() -> None:
    row = slice_rows(sliced([0.55, 0.8, 0.4]), sliced([0.5, 0.8, 0.4]), PLAN.level)[0]
    assert row.change == pytest.approx(0.05)
    assert row.change_low is not None
    assert row.change_high is not None
    assert 0.02 < row.change_low < 0.05 < row.change_high < 0.08
    same = slice_rows(sliced([0.55, 0.8, 0.4]), sliced([0.5, 0.8, 0.4]), PLAN.level)[1]
    assert (same.change, same.change_low, same.change_high) == (0, 0, 0)


def test_the_gap_is_between_the_best_and_the_worst_store_that_have_enough_positives() -> None:
    found = parity(sliced([0.5, 0.8, 0.2]), sliced([0.5, 0.9, 0.2]), 50, PLAN.level)
    assert found is not None
    assert (found.best, found.worst) == ("pl-PL", "en-US")
    assert found.gap == pytest.approx(0.3)
    assert found.change == pytest.approx(-0.1)
    assert found.low is not None
    assert found.high is not None
    assert found.low < 0.3 < found.high
    assert found.change_high is not None
    assert found.change_high < 0
    small = parity(sliced([0.5, 0.8, 0.2]), None, 1, PLAN.level)
    assert small is not None
    assert small.worst == "cs-CZ"
    assert small.change is None


def test_one_store_has_no_gap() -> None:
    assert parity(sliced([0.5, 0.8, 0.2]), None, 401, PLAN.level) is None
