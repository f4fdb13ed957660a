"""Every method that torch has takes the same steps as torch's own."""

import inspect

import pytest
import torch
from torch import nn

import lwlr_teach.optim as ours
from lwlr_teach.optim import RuleOptimizer

# A new method needs one line here for each way to run it: (class, arguments).
TABLE = [
    ("SGD", dict(lr=0.05)),
    ("SGD", dict(lr=0.05, weight_decay=0.1)),
    ("SGD", dict(lr=0.05, momentum=0.9)),
    ("SGD", dict(lr=0.05, momentum=0.9, dampening=0.9, weight_decay=0.01)),
    ("SGD", dict(lr=0.05, momentum=0.8, dampening=-0.5)),
    ("SGD", dict(lr=0.05, dampening=0.5)),
    ("SGD", dict(lr=0.05, momentum=0.9, nesterov=True)),
    ("SGD", dict(lr=0.01, momentum=0.5, nesterov=True, weight_decay=0.1, maximize=True)),
    ("Adagrad", dict()),
    ("Adagrad", dict(lr=0.5, lr_decay=0.1)),
    ("Adagrad", dict(lr=0.1, weight_decay=0.1, initial_accumulator_value=0.1)),
    ("Adagrad", dict(lr=0.1, eps=0.1, maximize=True)),
    ("RMSprop", dict()),
    ("RMSprop", dict(alpha=0.5, eps=0.1)),
    ("RMSprop", dict(alpha=0.9, weight_decay=0.1, maximize=True)),
    ("RMSprop", dict(momentum=0.9)),
    ("RMSprop", dict(centered=True)),
    ("RMSprop", dict(alpha=0.9, centered=True, momentum=0.5, weight_decay=0.01)),
    ("Adam", dict()),
    ("Adam", dict(lr=0.05, betas=(0.5, 0.9))),
    ("Adam", dict(lr=0.05, betas=(0.0, 0.99), eps=0.1)),
    ("Adam", dict(lr=0.05, betas=(0.9, 0.3))),
    ("Adam", dict(lr=0.05, weight_decay=0.1)),
    ("Adam", dict(lr=0.05, weight_decay=0.1, decoupled_weight_decay=True)),
    ("Adam", dict(lr=0.05, amsgrad=True, betas=(0.9, 0.5))),
    ("Adam", dict(lr=0.05, amsgrad=True, weight_decay=0.1, decoupled_weight_decay=True, maximize=True)),
]
BOTH = sorted({name for name, _ in TABLE})
STEPS = 60


def tensors(seed, dtype):
    """A small network and parameters of odd shapes: a number, a single entry, none at all, four axes."""
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape):
        return torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype)

    network = nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 2)).to(dtype)
    for parameter in network.parameters():
        parameter.data = draw(*parameter.shape)
    odd = [nn.Parameter(draw(*shape)) for shape in [(), (1,), (0,), (2, 1, 3, 2), (4, 3)]]
    odd.append(nn.Parameter(draw(3, 4).T))  # not contiguous
    return network, odd, (draw(4, 8, 3), draw(4, 8, 2))


def train(optimizer_class, kwargs, seed, dtype):
    """All parameters after STEPS steps on minibatches, in two groups; one parameter is seen now and then."""
    network, odd, (inputs, targets) = tensors(seed, dtype)
    groups = [{"params": network.parameters()}, {"params": odd, "lr": 0.02, "weight_decay": 0.03}]
    optimizer = optimizer_class(groups, **kwargs)
    for step in range(STEPS):
        optimizer.zero_grad()
        loss = (network(inputs[step % 4]) - targets[step % 4]).square().mean()
        for i, p in enumerate(odd if step % 3 else odd[:-1]):
            loss = loss + ((p * p * (0.1 + i / 10)).sum() + torch.sin(p + step).sum())
        loss.backward()
        optimizer.step()
    return [p.detach() for p in [*network.parameters(), *odd]]


def assert_same(got, expected, tolerance):
    """Equal, relative to the largest entry of each tensor."""
    for g, e in zip(got, expected, strict=True):
        assert torch.isfinite(e).all()
        scale = e.abs().max().item() if e.numel() else 0
        torch.testing.assert_close(g, e, rtol=0, atol=tolerance * scale)


def show(value):
    if isinstance(value, dict):
        return ",".join(f"{k}={v}" for k, v in value.items()) or "defaults"
    return str(value)


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize(("name", "kwargs"), TABLE, ids=show)
def test_same_steps_in_float64(name, kwargs, seed):
    got = train(getattr(ours, name), kwargs, seed, torch.float64)
    assert_same(got, train(getattr(torch.optim, name), kwargs, seed, torch.float64), 1e-12)


@pytest.mark.parametrize(("name", "kwargs"), TABLE, ids=show)
def test_same_steps_in_float32(name, kwargs):
    got = train(getattr(ours, name), kwargs, 2, torch.float32)
    assert all(p.dtype == torch.float32 for p in got)
    assert_same(got, train(getattr(torch.optim, name), kwargs, 2, torch.float32), 1e-4)


def test_every_method_that_torch_has_stands_in_the_table():
    classes = {name for name in ours.__all__ if inspect.isclass(getattr(ours, name))}
    rules = {name for name in classes if issubclass(getattr(ours, name), RuleOptimizer)}
    assert {name for name in rules if hasattr(torch.optim, name)} == set(BOTH)


def arguments(cls, shared):
    return [(p.name, p.default) for p in inspect.signature(cls).parameters.values() if p.name in shared]


@pytest.mark.parametrize("name", BOTH)
def test_arguments_have_the_names_order_and_defaults_of_torch(name):
    mine, theirs = getattr(ours, name), getattr(torch.optim, name)
    shared = inspect.signature(theirs).parameters.keys()
    assert inspect.signature(mine).parameters.keys() <= shared
    assert arguments(mine, shared) == arguments(theirs, inspect.signature(mine).parameters.keys())


@pytest.mark.parametrize("name", BOTH)
def test_positional_arguments_mean_what_they_mean_in_torch(name):
    """What can be given by position here stands at the same position there."""
    mine = inspect.signature(getattr(ours, name)).parameters.values()
    theirs = list(inspect.signature(getattr(torch.optim, name)).parameters)
    by_position = [p.name for p in mine if p.kind is p.POSITIONAL_OR_KEYWORD]
    assert theirs[: len(by_position)] == by_position


@pytest.mark.parametrize(
    ("name", "kwargs"), [("SGD", dict(momentum=0.9)), ("Adam", {}), ("RMSprop", {})], ids=show
)
def test_a_schedule_of_rate_and_momentum_drives_both_alike(name, kwargs):
    def run(cls):
        parameter = torch.linspace(-1, 1, 5, dtype=torch.float64, requires_grad=True)
        optimizer = cls([parameter], **kwargs)
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, max_lr=0.1, total_steps=51, cycle_momentum=name != "RMSprop"
        )
        for step in range(50):
            parameter.grad = torch.sin(3 * parameter.detach() + step)
            optimizer.step()
            schedule.step()
        return [parameter.detach()]

    assert_same(run(getattr(ours, name)), run(getattr(torch.optim, name)), 1e-12)


def test_momentum_can_be_switched_on_later():
    def run(cls):
        parameter = torch.ones(3, dtype=torch.float64, requires_grad=True)
        optimizer = cls([parameter], lr=0.1, dampening=0.5)
        for step in range(6):
            optimizer.param_groups[0]["momentum"] = 0.9 if step > 2 else 0
            parameter.grad = torch.full_like(parameter, step + 1.0)
            optimizer.step()
        return [parameter.detach()]

    assert_same(run(ours.SGD), run(torch.optim.SGD), 1e-12)


@pytest.mark.parametrize("name", BOTH)
def test_complex_parameters_move_as_in_torch(name):
    def run(cls):
        parameter = torch.tensor([1 + 2j, -3j, 0.5], dtype=torch.complex128, requires_grad=True)
        optimizer = cls([parameter], lr=0.1, weight_decay=0.01)
        for step in range(50):
            parameter.grad = parameter.detach().conj() * (1 + step % 3) + (1 - 2j) / (step + 1)
            optimizer.step()
        return [torch.view_as_real(parameter.detach())]

    assert_same(run(getattr(ours, name)), run(getattr(torch.optim, name)), 1e-12)


@pytest.mark.parametrize("name", BOTH)
def test_a_sparse_gradient_is_handled_as_in_torch_or_refused_in_plain_words(name):
    def run(cls):
        parameter = torch.ones(4, 2, requires_grad=True)
        optimizer = cls([parameter], lr=0.1)
        for _ in range(3):
            parameter.grad = torch.sparse_coo_tensor([[1]], [[1.0, 2.0]], (4, 2), check_invariants=True)
            optimizer.step()
        return [parameter.detach()]

    try:
        got = run(getattr(ours, name))
    except RuntimeError as error:
        assert "sparse gradient" in str(error)  # noqa: PT017
    else:
        assert_same(got, run(getattr(torch.optim, name)), 1e-6)
