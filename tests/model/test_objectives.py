"""Each objective's loss, its gradient, its probabilities and where a network starts, against their definitions."""

from itertools import combinations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

from q2pt_tasks.model.objectives import OBJECTIVES, Objective, sparsemax
from q2pt_tasks.model.recipe import ObjectiveName

ALL = list(OBJECTIVES)
ON_SHARES: list[ObjectiveName] = ["softmax", "sparsemax"]
SHARES = torch.tensor([[1.0, 0, 0, 0], [0.25, 0.75, 0, 0], [0.2, 0.2, 0.1, 0.5]], dtype=torch.float64)
NOTHING = torch.zeros(1, 4, dtype=torch.float64)
LOGITS = st.lists(st.floats(-4, 4, width=32), min_size=1, max_size=6)


def _logits(rows: int, types: int = 4, seed: int = 0) -> torch.Tensor:
    return 2 * torch.randn(rows, types, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def _nearest_distribution(logits: torch.Tensor) -> torch.Tensor:
    """Of the projections on all faces of the simplex that are distributions, the nearest."""
    types = len(logits)
    found = []
    for size in range(1, types + 1):
        for face in combinations(range(types), size):
            point = torch.zeros_like(logits)
            point[list(face)] = logits[list(face)] - (logits[list(face)].sum() - 1) / size
            if (point >= 0).all():
                found.append(point)
    return min(found, key=lambda point: float((point - logits).norm()))


@given(LOGITS)
def test_sparsemax_is_the_nearest_distribution(values: list[float]) -> None:
    logits = torch.tensor(values, dtype=torch.float64)
    torch.testing.assert_close(sparsemax(logits), _nearest_distribution(logits), rtol=0, atol=1e-12)


@pytest.mark.parametrize("spread", [1e-6, 1e-2, 1.0, 1e3, 1e8])
@pytest.mark.parametrize("middle", [0.0, -1e4, 1e6])
def test_sparsemax_of_many_types_in_fp32_is_that_of_fp64_wherever_the_logits_lie(spread: float, middle: float) -> None:
    logits = (torch.randn(20, 1414, generator=torch.Generator().manual_seed(1)) * spread + middle).float()
    found = sparsemax(logits)
    torch.testing.assert_close(found.double(), sparsemax(logits.double()), rtol=0, atol=1e-6)
    torch.testing.assert_close(found.sum(-1), torch.ones(20), rtol=0, atol=1e-4)
    assert (found >= 0).all()


def test_sparsemax_gives_equal_scores_to_equal_logits_and_zero_to_what_is_far_below() -> None:
    assert sparsemax(torch.tensor([3.0, 3.0, 1.9])).tolist() == [0.5, 0.5, 0.0]
    assert sparsemax(torch.zeros(2, 4)).tolist() == [[0.25] * 4] * 2
    assert sparsemax(torch.tensor([5.0])).tolist() == [1.0]


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("seed", range(5))
def test_the_gradient_is_that_of_the_loss(name: ObjectiveName, seed: int) -> None:
    logits = _logits(4, seed=seed).requires_grad_()
    shares = torch.cat([SHARES, NOTHING])
    assert torch.autograd.gradcheck(lambda z: OBJECTIVES[name].loss(z, shares), logits)


@pytest.mark.parametrize("name", ON_SHARES)
def test_the_gradient_is_probabilities_less_shares(name: ObjectiveName) -> None:
    logits = _logits(3).requires_grad_()
    OBJECTIVES[name].loss(logits, SHARES).backward()
    torch.testing.assert_close(logits.grad, OBJECTIVES[name].probabilities(logits) - SHARES)


def test_sparsemax_loss_is_its_published_formula() -> None:
    """Martins and Astudillo 2016: -z_k + the sum over the support of (z_j^2 - threshold^2) / 2, + 1/2."""
    logits = _logits(6)
    for row, label in zip(logits, [0, 1, 2, 3, 0, 1], strict=True):
        p = sparsemax(row)
        support = p > 0
        threshold = (row[support].sum() - 1) / support.sum()
        expected = -row[label] + (row[support] ** 2 - threshold**2).sum() / 2 + 0.5
        shares = functional.one_hot(torch.tensor(label), 4).double()
        torch.testing.assert_close(OBJECTIVES["sparsemax"].loss(row[None], shares[None]), expected)


def test_sparsemax_loss_is_zero_for_the_shares_themselves_and_above_elsewhere() -> None:
    sparse = OBJECTIVES["sparsemax"]
    assert sparse.loss(SHARES, SHARES) == pytest.approx(0)
    assert (sparse.loss(_logits(3), SHARES)) > 0.1


def test_sparsemax_loss_of_large_logits_is_exact() -> None:
    logits, shares = torch.tensor([[30_000.5, 30_000.0, -5.0]]), torch.tensor([[0.0, 1.0, 0.0]])
    expected = OBJECTIVES["sparsemax"].loss(logits.double(), shares.double())
    torch.testing.assert_close(OBJECTIVES["sparsemax"].loss(logits, shares).double(), expected, rtol=1e-6, atol=0)


def test_binary_cross_entropy_asks_for_every_meant_type_whatever_its_share() -> None:
    logits = _logits(3)
    expected = functional.binary_cross_entropy_with_logits(logits, (SHARES > 0).double(), reduction="sum")
    assert torch.equal(OBJECTIVES["binary_cross_entropy"].loss(logits, SHARES), expected)


@pytest.mark.parametrize("name", ON_SHARES)
def test_a_query_that_means_no_known_type_teaches_nothing(name: ObjectiveName) -> None:
    logits = _logits(1).requires_grad_()
    loss = OBJECTIVES[name].loss(logits, NOTHING)
    loss.backward()
    assert loss == 0
    assert logits.grad is not None
    assert not logits.grad.any()


def test_binary_cross_entropy_learns_from_such_a_query_that_it_means_none() -> None:
    logits = _logits(1).requires_grad_()
    OBJECTIVES["binary_cross_entropy"].loss(logits, NOTHING).backward()
    assert logits.grad is not None
    assert (logits.grad > 0).all()


@pytest.mark.parametrize("name", ALL)
def test_the_loss_of_queries_is_the_sum_of_their_losses(name: ObjectiveName) -> None:
    logits, shares = _logits(4), torch.cat([SHARES, NOTHING])
    alone = sum(OBJECTIVES[name].loss(logits[row : row + 1], shares[row : row + 1]) for row in range(4))
    torch.testing.assert_close(OBJECTIVES[name].loss(logits, shares), alone)


@pytest.mark.parametrize("name", ALL)
def test_probabilities_lie_between_zero_and_one_in_the_order_of_the_logits(name: ObjectiveName) -> None:
    logits = _logits(50, 30).float()
    scores = OBJECTIVES[name].probabilities(logits)
    assert ((scores >= 0) & (scores <= 1)).all()
    ordered = scores.gather(-1, logits.argsort(-1))
    assert (ordered.diff(dim=-1) >= 0).all()
    if name != "binary_cross_entropy":
        torch.testing.assert_close(scores.sum(-1), torch.ones(50))


@pytest.mark.parametrize("objective", OBJECTIVES.values(), ids=ALL)
def test_the_bias_of_priors_gives_the_priors(objective: Objective) -> None:
    priors = torch.tensor([0.6, 0.25, 0.15, 0.0], dtype=torch.float64)
    found = objective.probabilities(objective.logits(priors))
    assert torch.isfinite(objective.logits(priors)).all()
    np.testing.assert_allclose(found, priors, atol=2e-5)


@pytest.mark.parametrize("name", ON_SHARES)
def test_one_product_type_alone_is_certain_and_loses_nothing(name: ObjectiveName) -> None:
    logits = torch.tensor([[-3.0], [7.0]])
    assert OBJECTIVES[name].probabilities(logits).tolist() == [[1.0], [1.0]]
    assert OBJECTIVES[name].loss(logits, torch.ones(2, 1)) == 0
