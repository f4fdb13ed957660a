"""Hypergradient descent against the paper's loop, written out by hand."""

import math
import re

import pytest
import torch

from lwlr_teach.clipping import by_value
from lwlr_teach.layerwise import layer_schedule
from lwlr_teach.optim import SGD, SGDHD, Lookahead, Method
from lwlr_teach.optim.hypergradient import hypergradient
from lwlr_teach.problems.tasks import digits_task
from lwlr_teach.runs.fleet import Fleet
from lwlr_teach.runs.range_tests import range_test
from lwlr_teach.runs.sweeps import sweep
from lwlr_teach.schedules import Constant, Cosine, ScheduleLR, drive
from tests.optim.runs import fresh, gradient, train, values

pytestmark = pytest.mark.usefixtures("one_thread")

SHAPES = [(4,), (2, 3), ()]


def by_hand(params, lr, beta, steps, weight_decay=0.0):
    """Baydin et al. 2018, algorithm 4; all parameters share one rate. Returns the parameters and the rate."""
    params = [p.detach().clone() for p in params]
    taken = None
    for t in range(1, steps + 1):
        grads = [gradient(p, t) for p in params]
        if taken is not None:
            lr = lr + beta * sum((g * d).sum().item() for g, d in zip(grads, taken, strict=True))
        taken = [g + weight_decay * p for g, p in zip(grads, params, strict=True)]
        params = [p - lr * d for p, d in zip(params, taken, strict=True)]
    return params, lr


def assert_same(got, expected):
    for g, e in zip(got, expected, strict=True):
        torch.testing.assert_close(g, e, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
@pytest.mark.parametrize("steps", [1, 2, 20])
def test_it_is_the_papers_algorithm(steps, weight_decay):
    params = fresh(*SHAPES)
    optimizer = SGDHD(params, lr=0.01, weight_decay=weight_decay, hypergrad_lr=1e-3)
    expected, rate = by_hand(params, 0.01, 1e-3, steps, weight_decay)
    train(optimizer, steps)
    assert_same(values(optimizer), expected)
    assert optimizer.param_groups[0]["lr"] == pytest.approx(rate, rel=1e-12)
    assert type(optimizer.param_groups[0]["lr"]) is float


def test_the_rate_moves_against_the_gradient_of_the_loss_after_the_step():
    """The derivative of f(p − α d) with respect to α is −g(p − α d) · d."""
    (p,) = fresh((5,))
    start, rate, beta = p.detach().clone(), 0.05, 0.01

    def loss(x):
        return (torch.sin(3 * x) / 3).sum()

    def slope(x):
        return torch.cos(3 * x)

    optimizer = SGDHD([p], lr=rate, hypergrad_lr=beta)
    for _ in range(2):
        p.grad = slope(p.detach())
        optimizer.step()
    alpha = torch.tensor(rate, dtype=torch.float64, requires_grad=True)
    (derivative,) = torch.autograd.grad(loss(start - alpha * slope(start)), alpha)
    assert optimizer.param_groups[0]["lr"] == pytest.approx(rate - beta * derivative.item(), rel=1e-12)


def test_the_rate_grows_while_gradients_agree_and_shrinks_when_they_turn():
    p = torch.tensor([1.0], dtype=torch.float64)
    optimizer = SGDHD([p], lr=0.1, hypergrad_lr=0.01)
    rates = []
    for g in (1.0, 1.0, 2.0, -1.0):
        p.grad = torch.tensor([g], dtype=torch.float64)
        optimizer.step()
        rates.append(optimizer.param_groups[0]["lr"])
    assert rates == pytest.approx([0.1, 0.11, 0.13, 0.11])


def test_each_group_learns_its_own_rate():
    first, second = fresh((4,), (2, 3))
    expected = [by_hand([first], 0.01, 1e-3, 10), by_hand([second], 0.02, 1e-2, 10)]
    groups = [{"params": [first]}, {"params": [second], "lr": 0.02, "hypergrad_lr": 1e-2}]
    optimizer = SGDHD(groups, lr=0.01, hypergrad_lr=1e-3)
    train(optimizer, 10)
    for group, (params, rate) in zip(optimizer.param_groups, expected, strict=True):
        assert_same([p.detach() for p in group["params"]], params)
        assert group["lr"] == pytest.approx(rate, rel=1e-12)


def test_beta_0_is_sgd():
    params = fresh(*SHAPES)
    expected, _ = by_hand(params, 0.1, 0.0, 5)
    optimizer = SGDHD(params, lr=0.1, hypergrad_lr=0.0)
    train(optimizer, 5)
    assert_same(values(optimizer), expected)
    assert optimizer.param_groups[0]["lr"] == 0.1


@pytest.mark.parametrize("which", ["lr", "hypergrad_lr", "both"])
def test_a_batch_learns_a_rate_for_each_model(which):
    rates, betas = [0.01, 0.1, 0.02], [1e-3, 0.0, 1e-2]
    rates = rates if which != "hypergrad_lr" else [0.01] * 3
    betas = betas if which != "lr" else [1e-3] * 3
    together = fresh(*[(3, *shape) for shape in SHAPES])
    settings = zip(rates, betas, strict=True)
    expected = [by_hand([p[i] for p in together], *own, steps=8) for i, own in enumerate(settings)]
    optimizer = SGDHD(
        together,
        lr=torch.tensor(rates, dtype=torch.float64) if which != "hypergrad_lr" else rates[0],
        hypergrad_lr=torch.tensor(betas, dtype=torch.float64) if which != "lr" else betas[0],
    )
    train(optimizer, 8)
    for i, (params, rate) in enumerate(expected):
        assert_same([p[i].detach() for p in together], params)
        assert optimizer.param_groups[0]["lr"][i].item() == pytest.approx(rate, rel=1e-12)


def test_a_rate_in_a_tensor_stays_a_tensor():
    params = fresh(*SHAPES)
    expected, rate = by_hand(params, 0.25, 1e-3, 5)
    optimizer = SGDHD(params, lr=torch.tensor(0.25, dtype=torch.float64), hypergrad_lr=1e-3)
    train(optimizer, 5)
    assert_same(values(optimizer), expected)
    assert isinstance(optimizer.param_groups[0]["lr"], torch.Tensor)
    assert optimizer.param_groups[0]["lr"].shape == ()
    assert optimizer.param_groups[0]["lr"].item() == pytest.approx(rate, rel=1e-12)


def test_going_up_learns_the_rate_of_going_down():
    down, up = fresh(*SHAPES), fresh(*SHAPES)
    first = SGDHD(down, lr=0.01, hypergrad_lr=1e-2)
    second = SGDHD(up, lr=0.01, hypergrad_lr=1e-2, maximize=True)
    for t in range(1, 8):
        train(first, 1, first=t)
        for p in up:
            p.grad = -gradient(p, t)
        second.step()
    assert_same(values(second), values(first))
    assert second.param_groups[0]["lr"] == first.param_groups[0]["lr"] != 0.01


def test_complex_numbers_are_two_real_ones():
    real = fresh((3, 2))
    whole = [torch.view_as_complex(real[0].detach().clone()).requires_grad_()]
    first, second = SGDHD(real, lr=0.01, hypergrad_lr=1e-2), SGDHD(whole, lr=0.01, hypergrad_lr=1e-2)
    for t in range(1, 8):
        train(first, 1, first=t)
        whole[0].grad = torch.view_as_complex(gradient(torch.view_as_real(whole[0]), t))
        second.step()
    torch.testing.assert_close(torch.view_as_real(whole[0].detach()), real[0].detach())
    assert second.param_groups[0]["lr"] == pytest.approx(first.param_groups[0]["lr"], rel=1e-12)


def test_only_parameters_with_both_gradients_count():
    steady, seldom, never = fresh((2,), (2,), (2,))
    optimizer = SGDHD([steady, seldom, never], lr=0.1, hypergrad_lr=0.01)
    ones = torch.ones(2, dtype=torch.float64)
    rates = []
    for t in range(1, 6):
        steady.grad = ones
        seldom.grad = 10 * ones if t % 2 else None  # at steps 1, 3, 5
        optimizer.step()
        rates.append(optimizer.param_groups[0]["lr"])
    # 2 from the steady one each time, 200 from the other at steps 3 and 5
    assert rates == pytest.approx([0.1, 0.12, 2.14, 2.16, 4.18])


def test_a_clip_changes_what_was_taken_and_not_what_came():
    p = torch.tensor([0.0], dtype=torch.float64)
    optimizer = SGDHD([p], lr=0.5, hypergrad_lr=0.01, clip=by_value(1.0))
    for _ in range(2):
        p.grad = torch.tensor([10.0], dtype=torch.float64)
        optimizer.step()
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.5 + 0.01 * 10 * 1)
    assert p.item() == pytest.approx(-0.5 - 0.6)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_gradient_that_is_not_finite_can_be_skipped_before_the_rate_hears_of_it(bad):
    params = fresh(*SHAPES)
    expected, rate = by_hand(params, 0.01, 1e-3, 5)
    optimizer = SGDHD(params, lr=0.01, hypergrad_lr=1e-3, nonfinite="skip")
    for t in range(1, 6):
        train(optimizer, 1, first=t)
        for p in params:
            p.grad = torch.full_like(p, bad)
        optimizer.step()
    assert_same(values(optimizer), expected)
    assert optimizer.param_groups[0]["lr"] == pytest.approx(rate, rel=1e-12)


def test_a_nan_that_is_not_skipped_shows_in_the_rate():
    params = fresh((2,))
    optimizer = SGDHD(params, lr=0.01, hypergrad_lr=1e-3)
    train(optimizer, 2)
    params[0].grad = torch.full_like(params[0], math.nan)
    optimizer.step()
    assert math.isnan(optimizer.param_groups[0]["lr"])


def test_a_saved_rate_is_the_learned_one():
    straight, first = SGDHD(fresh(), lr=0.01, hypergrad_lr=1e-2), SGDHD(fresh(), lr=0.01, hypergrad_lr=1e-2)
    train(straight, 9)
    train(first, 4)
    second = SGDHD([p.requires_grad_() for p in values(first)], lr=0.5, hypergrad_lr=0.5)
    second.load_state_dict(first.state_dict())
    train(second, 5, first=5)
    assert all(torch.equal(a, b) for a, b in zip(values(second), values(straight), strict=True))
    assert second.param_groups[0]["lr"] == straight.param_groups[0]["lr"]


class Around(torch.optim.Optimizer):
    """A wrapper as other libraries have them: the groups are the inner optimizer's."""

    def __init__(self, optimizer):
        self.optimizer, self.defaults = optimizer, optimizer.defaults

    param_groups = property(lambda self: self.optimizer.param_groups)

    def __reduce__(self):
        return Around, (self.optimizer,)


INSIDE = {
    "alone": SGDHD,
    "subclass": type("Own", (SGDHD,), {}),
    "Lookahead": lambda params, **settings: Lookahead(SGDHD(params, **settings)),
    "another's": lambda params, **settings: Around(SGDHD(params, **settings)),
    "twice": lambda params, **settings: Around(Lookahead(SGDHD(params, **settings))),
}


@pytest.mark.parametrize("make", INSIDE.values(), ids=INSIDE)
def test_a_schedule_leaves_the_learned_rate_alone_also_inside_a_wrapper(make):
    model = torch.nn.Linear(4, 3)
    optimizer = make(model.parameters(), lr=0.1)
    batches = [(torch.ones(5, 4), torch.arange(5) % 3)]
    task = digits_task(seeds=1, steps=2)
    own = Method("own", make, {"lr": 0.01})
    for drives in (
        lambda: drive(optimizer, Cosine(10), 0),
        lambda: ScheduleLR(optimizer, Cosine(10)),
        lambda: layer_schedule(optimizer, {}),
        lambda: range_test(model, torch.nn.functional.cross_entropy, batches, optimizer, steps=9),
        lambda: range_test(model, torch.nn.functional.cross_entropy, batches, make, steps=9),
        lambda: Fleet(own, torch.tensor([0.1]), task, schedules=Cosine(2)),
        lambda: Fleet(own, torch.tensor([0.1]), task, layers=[Constant()] * len(set(task.layers))),
        lambda: sweep("quadratic", ["SGD", own], lr=[0.1], steps=3, schedule=Cosine(3), progress=False),
    ):
        with pytest.raises(ValueError, match=r"schedule cannot drive .*, which finds its rate itself"):
            drives()
    assert [group["lr"] for group in optimizer.param_groups] == [0.1]
    assert "initial_lr" not in optimizer.param_groups[0]
    assert "step" not in vars(optimizer)  # where torch's schedulers leave their mark


def test_a_schedule_drives_whatever_else_is_wrapped():
    optimizer = Lookahead(SGD(fresh(), lr=0.5))
    drive(optimizer, Cosine(2), 1)
    assert optimizer.optimizer.param_groups[0]["lr"] == 0.25


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_a_product_that_half_precision_cannot_hold(dtype):
    """A thousand times 100 · 100 is 1e7; float16 ends at 65504."""
    g = torch.full((1000,), 100.0, dtype=dtype)
    assert hypergradient([g], [g]).item() == pytest.approx(1e7)


def test_several_precisions_are_one_product():
    a, b = torch.ones(3, dtype=torch.float16), torch.ones(2, dtype=torch.float64)
    assert hypergradient([a, b], [2 * a, b / 4]).item() == 6.5


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        (dict(hypergrad_lr=-1e-3), "hypergrad_lr must be a finite number ≥ 0, got -0.001"),
        (dict(hypergrad_lr=math.nan), "hypergrad_lr must be a finite number ≥ 0, got nan"),
        (dict(lr=-0.1), "lr must be a finite number ≥ 0, got -0.1"),
        (dict(weight_decay=-1), "weight_decay must be a finite number ≥ 0, got -1"),
    ],
    ids=["beta", "beta nan", "lr", "decay"],
)
def test_a_bad_value_is_refused_by_name_value_and_range(kwargs, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        SGDHD(fresh(), **kwargs)
