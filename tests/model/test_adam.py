"""The optimiser makes the steps that PyTorch's own makes, and can be stopped between two of them."""

import torch
from torch import nn

from q2pt_tasks.model.adam import Adam, Group

RATES = (1e-2, 3e-1)
SHARES = (0.5, 1.0, 0.25, 0.0)


def _parameters() -> list[nn.Parameter]:
    torch.manual_seed(0)
    return [nn.Parameter(torch.randn(shape)) for shape in ((5, 3), (4,))]


def _groups(parameters: list[nn.Parameter]) -> list[Group]:
    return [Group([parameter], rate) for parameter, rate in zip(parameters, RATES, strict=True)]


def _set_gradients(parameters: list[nn.Parameter], step: int) -> None:
    torch.manual_seed(step)
    for parameter in parameters:
        parameter.grad = torch.randn_like(parameter)


def _theirs() -> list[nn.Parameter]:
    parameters = _parameters()
    groups = [{"params": [parameter], "lr": rate} for parameter, rate in zip(parameters, RATES, strict=True)]
    optimizer = torch.optim.Adam(groups)
    for step, share in enumerate(SHARES):
        for group, rate in zip(optimizer.param_groups, RATES, strict=True):
            group["lr"] = rate * share
        _set_gradients(parameters, step)
        optimizer.step()
    return parameters


def _assert_theirs(parameters: list[nn.Parameter]) -> None:
    for own, theirs in zip(parameters, _theirs(), strict=True):
        torch.testing.assert_close(own, theirs, rtol=1e-6, atol=1e-7)


def test_steps_are_those_of_torch() -> None:
    parameters = _parameters()
    optimizer = Adam(_groups(parameters))
    for step, share in enumerate(SHARES):
        _set_gradients(parameters, step)
        optimizer.step(share)
    _assert_theirs(parameters)


def test_goes_on_from_moments_that_were_kept() -> None:
    parameters = _parameters()
    optimizer = Adam(_groups(parameters))
    for step, share in enumerate(SHARES):
        kept = {parameter: dict(optimizer.moments_of(parameter)) for parameter in parameters}
        optimizer = Adam(_groups(parameters))
        for parameter, moments in kept.items():
            optimizer.set_moments(parameter, moments)
        _set_gradients(parameters, step)
        optimizer.step(share)
    _assert_theirs(parameters)


def test_a_step_says_that_weights_have_changed_and_leaves_zero_gradients() -> None:
    parameters = _parameters()
    optimizer = Adam(_groups(parameters))
    _set_gradients(parameters, 0)
    before = [parameter._version for parameter in parameters]
    optimizer.step(1.0)
    assert all(parameter._version > version for parameter, version in zip(parameters, before, strict=True))
    assert all(parameter.grad is not None and not parameter.grad.any() for parameter in parameters)


def test_a_parameter_without_a_gradient_stays() -> None:
    parameters = _parameters()
    optimizer = Adam(_groups(parameters))
    before = [parameter.detach().clone() for parameter in parameters]
    parameters[0].grad = torch.ones_like(parameters[0])
    optimizer.step(1.0)
    assert not torch.equal(parameters[0], before[0])
    assert torch.equal(parameters[1], before[1])
    assert list(optimizer) == [parameters[0]]
