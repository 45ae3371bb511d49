import json
from collections.abc import Sequence

import numpy as np
import pytest

from q2pt_tasks.layout import Layout
from q2pt_tasks.metrics.scored import Scored
from q2pt_tasks.metrics.thresholds import Thresholds
from q2pt_tasks.model.examples import FloatMatrix
from q2pt_tasks.studies.assortment import AT_PREDICTION, SoldOnly, measure, page, runs, unsold_share
from q2pt_tasks.studies.measuring import Examined, sold_types
from q2pt_tasks.studies.study import Options, Run

TYPES = ("A", "B", "C")
SOLD = {"en-US": {"A", "B", "C"}, "fr-BE": {"A"}}


class Fixed:
    """A scorer that always says the same."""

    def scores(self, queries: Sequence[str], locale: str) -> FloatMatrix:  # noqa: ARG002 - the scorers' common form
        return np.tile(np.array([0.1, 0.9, 0.5], dtype=np.float32), (len(queries), 1))


def test_what_a_store_does_not_sell_is_never_given() -> None:
    masked = SoldOnly(Fixed(), SOLD, TYPES)
    np.testing.assert_array_equal(
        masked.scores(["x", "y"], "fr-BE"), np.array([[0.1, -np.inf, -np.inf]] * 2, np.float32)
    )
    np.testing.assert_array_equal(masked.scores(["x"], "en-US"), Fixed().scores(["x"], "en-US"))


def test_the_share_of_answers_that_are_not_sold_counts_answers_above_thresholds() -> None:
    scores = np.array([[0.9, 0.9, 0.1], [0.9, 0.9, 0.1]], np.float32)
    test = Scored(TYPES, ("en-US", "fr-BE"), np.array([0, 1]), scores, scores > 1, np.ones(2))
    assert unsold_share(Examined(Thresholds({}, {}, 0.5), test, 1), SOLD) == 0.25
    assert unsold_share(Examined(Thresholds({}, {}, 2.0), test, 1), SOLD) == 0


def test_a_catalog_says_what_each_store_sells(finished: Layout) -> None:
    sold = sold_types(finished)
    assert set(sold) == {"en-US", "en-GB", "fr-BE"}
    assert 50 < len(sold["fr-BE"]) < len(sold["en-US"])


def test_a_mask_leaves_nothing_that_is_not_sold_and_the_page_says_what_it_changes(
    finished: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("q2pt_tasks.studies.assortment.SMALL", ("fr-BE",))
    plain, masked = (
        json.loads(json.dumps(measure(Run("one", {"train_unified.mask_unsold": is_masked}), finished)))
        for is_masked in (False, True)
    )
    assert all(own["unsold"] == 0 for own in plain["treatments"][AT_PREDICTION].values())
    told = page({"plain": plain, "masked": masked})
    # The very same models, so that the run that claims a mask in training changes nothing.
    assert all("masked in the loss too, its recall changes by +0.000" in line for line in told.conclusion)
    assert "fr-BE" in told.sections["Every narrow store"]
    assert "en-US" not in told.sections["Every narrow store"]


@pytest.mark.parametrize("seeds", [(), (7,)])
def test_there_is_a_run_per_seed_with_and_without_the_mask(seeds: tuple[int, ...]) -> None:
    made = [(run.changes["train_unified.mask_unsold"], run.changes["seed"]) for run in runs(Options(seeds=seeds))]
    assert made == [(masked, seed) for masked in (False, True) for seed in seeds or (1, 2)]
