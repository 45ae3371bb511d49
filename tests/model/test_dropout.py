"""Rare dropout drops as often as the usual one, each value independent of the others, there and back."""

import numpy as np
import pytest
import torch

from q2pt_tasks.model.dropout import Dropout, dropped_positions


@pytest.mark.parametrize("share", [0.0001, 0.001, 0.02])
def test_positions_are_dropped_with_their_probability_and_independently(share: float) -> None:
    torch.manual_seed(0)
    count, draws = 2000, 3000
    dropped = np.zeros((draws, count), dtype=bool)
    for draw in range(draws):
        positions = dropped_positions(count, share).numpy()
        assert (np.diff(positions) > 0).all()
        dropped[draw, positions] = True
    sums = dropped.sum(axis=1)
    assert sums.mean() == pytest.approx(count * share, rel=0.05)
    assert sums.var() == pytest.approx(count * share * (1 - share), rel=0.1)
    # Early and late positions alike; neighbours no more often than others.
    halves = dropped[:, : count // 2].sum(), dropped[:, count // 2 :].sum()
    assert halves[0] == pytest.approx(halves[1], rel=0.2)
    assert (dropped[:, 1:] & dropped[:, :-1]).mean() == pytest.approx(share**2, abs=4e-5)


def test_no_position_lies_outside() -> None:
    for seed in range(200):
        torch.manual_seed(seed)
        assert (dropped_positions(3, 0.02) < 3).all()


def test_rare_dropout_scales_what_it_keeps_and_its_gradient() -> None:
    torch.manual_seed(1)
    values = torch.ones(200, 50, requires_grad=True)
    kept = Dropout(0.01).train()(values)
    assert sorted(kept.unique().tolist()) == [0.0, pytest.approx(1 / 0.99)]
    kept.sum().backward()
    assert values.grad is not None
    assert torch.equal(values.grad, kept.detach())


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5])
def test_nothing_is_dropped_outside_training(share: float) -> None:
    values = torch.randn(10, 10)
    assert torch.equal(Dropout(share).eval()(values), values)


def test_common_dropout_is_the_usual_one() -> None:
    torch.manual_seed(2)
    ours = Dropout(0.5).train()(torch.ones(100))
    torch.manual_seed(2)
    assert torch.equal(ours, torch.nn.functional.dropout(torch.ones(100), 0.5))
