"""Label spaces beside each other, and a champion's own thresholds."""

from pathlib import Path

import numpy as np
import pytest
from checkpoints import LOCALES, TYPES, random_checkpoint, untrained_checkpoint

from q2pt_tasks.metrics.scored import Scored
from q2pt_tasks.model.comparison import LabelSpaces
from q2pt_tasks.model.prediction import Predictor
from q2pt_tasks.model.shipped import Shipped, shipped_figures

QUERIES = ("pants", "red hat", "sofa", "lamp für damen", "table women shoe")


def _spaces(types: tuple[str, ...], cells: list[list[bool]], names: set[str]) -> LabelSpaces:
    return LabelSpaces(types, np.array(cells), frozenset(names))


def test_types_beyond_another_model_are_counted_where_that_one_does_not_know_them() -> None:
    types = ("HAT", "LAMP", "SOFA")
    one = _spaces(types, [[True, True, False], [True, True, True]], {"HAT", "LAMP", "SOFA", "OLD"})
    other = _spaces(types, [[True, False, True], [True, True, False]], {"HAT", "LAMP", "SOFA"})
    support = np.array([[1, 20, 300], [4000, 50_000, 6]])
    assert one.beyond(other, support) == [
        {"product_type": "LAMP", "positives": 20},
        {"product_type": "OLD", "positives": 0},
        {"product_type": "SOFA", "positives": 6},
    ]
    assert other.beyond(one, support) == [{"product_type": "SOFA", "positives": 300}]


def test_shipped_figures_are_those_of_the_predictors_answers(tmp_path: Path) -> None:
    folders = {
        "en-US": random_checkpoint(tmp_path / "en-US", variant="non_unified", seed=1),
        "en-GB": untrained_checkpoint(tmp_path / "en-GB"),
    }
    targets = np.random.default_rng(1).random((len(QUERIES), len(TYPES))) < 0.3
    blocks, hits, named = [], 0.0, 0.0
    for index, locale in enumerate(LOCALES):
        scores = np.full(targets.shape, -np.inf, dtype=np.float32)
        if locale == "en-US":
            predictor = Predictor.load(folders[locale])
            scores = predictor.scores(QUERIES, locale)
            for row, prediction in enumerate(predictor.predict(QUERIES, locale)):
                answers = [TYPES.index(name) for name, _ in prediction.product_types]
                hits += targets[row, answers].sum()
                named += len(answers)
        blocks.append(Scored(TYPES, LOCALES, np.full(len(QUERIES), index), scores, targets, np.ones(len(QUERIES))))
    found = shipped_figures(blocks, folders.get)
    assert named > 0
    assert (found.micro_recall, found.micro_precision) == pytest.approx((hits / (3 * targets.sum()), hits / named))


def test_a_champion_that_names_nothing_has_no_precision() -> None:
    block = Scored(
        TYPES, LOCALES, np.zeros(1, dtype=np.intp), np.zeros((1, 7), np.float32), np.ones((1, 7), bool), np.ones(1)
    )
    assert shipped_figures([block], lambda _: None) == Shipped(0.0, None)
