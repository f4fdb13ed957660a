"""Schedule-Free with its three sequences written out by hand, and its two modes."""

import copy
import io
import math
import pickle
import re

import pytest
import torch

from lwlr_teach.optim import AdamWScheduleFree, Lookahead, Method, SGDScheduleFree
from lwlr_teach.runs.sweeps import sweep
from lwlr_teach.schedules import Cosine
from tests.optim.runs import assert_identical, fresh, gradient, train, values

SHAPES = [(4,), (2, 3), ()]
BOTH = pytest.mark.parametrize("cls", [SGDScheduleFree, AdamWScheduleFree])


def by_hand(
    params, steps, *, adam, lr, beta=0.9, beta2=0.999, eps=1e-8, decay=0.0, warmup=0, r=0.0, power=2.0
):
    """Defazio et al. 2024 with x, y and z all there, one tensor at a time. Returns the ys and the xs."""
    ys, xs = [], []
    for p in params:
        x, z, v = p.detach().clone(), p.detach().clone(), torch.zeros_like(p)
        total, largest = 0.0, 0.0
        for k in range(1, steps + 1):
            y = (1 - beta) * z + beta * x
            rate = lr * min(1.0, k / warmup) if warmup else lr
            d = gradient(y, k)
            if adam:
                v = beta2 * v + (1 - beta2) * d * d
                d = d / ((v / (1 - beta2**k)).sqrt() + eps)
            z = z - rate * (d + decay * y)
            largest = max(largest, rate)
            weight = k**r * largest**power
            total += weight
            x = x + weight / total * (z - x)
        ys.append((1 - beta) * z + beta * x)
        xs.append(x)
    return ys, xs


def assert_same(got, expected):
    for g, e in zip(got, expected, strict=True):
        torch.testing.assert_close(g, e.detach(), rtol=1e-12, atol=1e-12)


CHOICES = [
    (dict(lr=0.3), dict(lr=0.3)),
    (dict(lr=0.3, warmup_steps=5), dict(lr=0.3, warmup=5)),
    (
        dict(lr=0.1, weight_decay=0.1, r=1.0, weight_lr_power=1.5, warmup_steps=9),
        dict(lr=0.1, decay=0.1, r=1.0, power=1.5, warmup=9),
    ),
]


@pytest.mark.parametrize(("ours", "plain"), CHOICES, ids=["plain", "warm-up", "all"])
@pytest.mark.parametrize("steps", [1, 2, 20])
@BOTH
def test_it_is_the_papers_three_sequences(cls, steps, ours, plain):
    adam = cls is AdamWScheduleFree
    own = dict(betas=(0.8, 0.95), eps=1e-3) if adam else dict(momentum=0.8)
    params = fresh(*SHAPES)
    ys, xs = by_hand(params, steps, adam=adam, beta=0.8, beta2=0.95, eps=1e-3, **plain)
    optimizer = cls(params, **own, **ours)
    train(optimizer, steps)
    assert_same(values(optimizer), ys)
    optimizer.eval()
    assert_same(values(optimizer), xs)
    optimizer.train()
    assert_same(values(optimizer), ys)


def judged(steps, **choices):
    """Σx² at the average after each step, from (1, 2, 3)."""
    x = torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64, requires_grad=True)
    optimizer, found = SGDScheduleFree([x], lr=0.3, **choices), []
    for _ in range(steps):
        x.grad = 2 * x.detach()
        optimizer.step()
        optimizer.eval()
        found.append(x.square().sum().item())
        optimizer.train()
    return found


def test_the_authors_sequences():
    """Computed with schedulefree 1.4.1. With a warm-up, optax 0.2.8 has 14.0, 10.84, 6.70: it begins at 0."""
    plain = [2.24, 1.0976, 0.48642944, 0.18337682585600013, 0.05062421296925092, 0.005646450666068161]
    assert judged(6) == pytest.approx(plain, rel=1e-12)
    assert judged(3, warmup_steps=4) == pytest.approx([10.115, 5.842424, 2.5623123797160714], rel=1e-12)


@BOTH
def test_switching_twice_is_switching_once_and_before_the_first_step_nothing(cls):
    optimizer = cls(fresh(*SHAPES), lr=0.1)
    start = values(optimizer)
    optimizer.eval()
    optimizer.train()
    optimizer.train()
    assert_identical(values(optimizer), start)
    train(optimizer, 5)
    training = values(optimizer)
    optimizer.eval()
    average = values(optimizer)
    optimizer.eval()
    assert_identical(values(optimizer), average)
    assert not torch.equal(average[1], training[1])
    optimizer.train()
    optimizer.train()
    assert_same(values(optimizer), training)


@BOTH
def test_a_step_in_evaluation_mode_is_refused_and_says_what_to_do(cls):
    optimizer = cls(fresh(*SHAPES), lr=0.1)
    train(optimizer, 3)
    optimizer.eval()
    before = copy.deepcopy([values(optimizer), optimizer.state_dict()])
    message = rf"{cls.__name__} is in evaluation mode, .*; call optimizer.train\(\) first"
    with pytest.raises(RuntimeError, match=message):
        train(optimizer, 1)
    assert_identical(values(optimizer), before[0])
    assert str(optimizer.state_dict()) == str(before[1])
    optimizer.train()
    train(optimizer, 1)


@pytest.mark.parametrize("mode", ["train", "eval"])
@pytest.mark.parametrize("how", ["state_dict", "deepcopy", "pickle"])
@BOTH
def test_the_mode_is_saved_and_copied(cls, how, mode):
    straight, first = cls(fresh(*SHAPES), lr=0.1), cls(fresh(*SHAPES), lr=0.1)
    train(straight, 4)
    train(first, 4)
    getattr(straight, mode)()
    getattr(first, mode)()
    if how == "state_dict":
        file = io.BytesIO()
        torch.save(first.state_dict(), file)
        file.seek(0)
        second = cls([p.requires_grad_() for p in values(first)], lr=0.9)
        second.load_state_dict(torch.load(file, weights_only=True))
    else:
        second = copy.deepcopy(first) if how == "deepcopy" else pickle.loads(pickle.dumps(first))
    assert second.param_groups[0]["train_mode"] == (mode == "train")
    for optimizer in (straight, second):
        optimizer.train()
        train(optimizer, 3, first=5)
        optimizer.eval()
    assert_identical(values(second), values(straight))


def test_a_group_that_joins_is_in_the_mode_of_the_others():
    first, second = fresh((3,), (2,))
    optimizer = SGDScheduleFree([first], lr=0.1)
    train(optimizer, 2)
    optimizer.eval()
    optimizer.add_param_group({"params": [second]})
    start = second.detach().clone()
    assert [group["train_mode"] for group in optimizer.param_groups] == [False, False]
    optimizer.train()
    assert torch.equal(second, start)
    train(optimizer, 2)


@BOTH
def test_each_model_of_a_batch_has_its_own_average(cls):
    together = fresh(*[(3, *shape) for shape in SHAPES])
    rates = torch.tensor([0.0, 0.1, 0.3], dtype=torch.float64)
    powers = torch.tensor([0.0, 2.0, 1.0], dtype=torch.float64)
    alone = [
        cls([p[i].detach().clone() for p in together], lr=rates[i].item(), weight_lr_power=powers[i].item())
        for i in range(3)
    ]
    optimizer = cls(together, lr=rates, weight_lr_power=powers, warmup_steps=0)
    train(optimizer, 8)
    optimizer.eval()
    for i, one in enumerate(alone):
        train(one, 8)
        one.eval()
        assert_same([p[i].detach() for p in together], values(one))


def test_a_schedule_drives_the_rate_and_the_largest_one_weighs():
    params = fresh(*SHAPES)
    optimizer, schedule = SGDScheduleFree(params, lr=0.4), Cosine(6)
    for t in range(6):
        optimizer.param_groups[0]["lr"] = 0.4 * schedule(t)
        train(optimizer, 1, first=t)
    group = optimizer.param_groups[0]
    assert group["lr_max"] == 0.4
    assert group["c"] == pytest.approx(1 / 6)
    done = sweep(
        "ravine", [Method("own", SGDScheduleFree)], lr=[0.01], steps=5, schedule=schedule, progress=False
    )
    assert done.losses.isfinite().all()


def test_a_rate_of_zero_after_others_still_moves_the_average():
    """Towards z, as in the authors' code; only a rate that was 0 throughout leaves all where it is."""
    params = fresh((3,))
    optimizer = SGDScheduleFree(params, lr=0.3)
    train(optimizer, 5)
    before = values(optimizer)
    optimizer.param_groups[0]["lr"] = 0.0
    train(optimizer, 1)
    z = optimizer.state[params[0]]["z"]
    torch.testing.assert_close(params[0].detach(), before[0] + (z - before[0]) / 6)


@BOTH
def test_complex_numbers_switch_as_two_real_ones(cls):
    real = fresh((3, 2))
    whole = [torch.view_as_complex(real[0].detach().clone()).requires_grad_()]
    one, two = cls(real, lr=0.1), cls(whole, lr=0.1)
    for t in range(1, 6):
        train(one, 1, first=t)
        whole[0].grad = torch.view_as_complex(gradient(torch.view_as_real(whole[0]), t))
        two.step()
    one.eval()
    two.eval()
    assert_same([torch.view_as_real(whole[0].detach())], values(one))


@pytest.mark.parametrize("beta", [torch.tensor(0.8, dtype=torch.float64), torch.tensor([0.8])])
def test_a_momentum_in_a_tensor_is_the_number(beta):
    ends = []
    for momentum in (0.8, beta):
        optimizer = SGDScheduleFree(fresh(*SHAPES, dtype=torch.float32), lr=0.1, momentum=momentum)
        train(optimizer, 4)
        optimizer.eval()
        ends.append(values(optimizer))
    for got, expected in zip(*ends, strict=True):
        torch.testing.assert_close(got, expected)


@pytest.mark.parametrize(
    ("cls", "kwargs", "message"),
    [
        (SGDScheduleFree, dict(momentum=0.0), "momentum must be a finite number > 0 and < 1, got 0"),
        (SGDScheduleFree, dict(momentum=1.0), "momentum must be a finite number > 0 and < 1, got 1"),
        (AdamWScheduleFree, dict(betas=(0.0, 0.9)), "betas[0] must be a finite number > 0 and < 1, got 0"),
        (AdamWScheduleFree, dict(betas=(0.9, 1.0)), "betas[1] must be a finite number ≥ 0 and < 1, got 1"),
        (AdamWScheduleFree, dict(eps=-1.0), "eps must be a finite number ≥ 0, got -1"),
        *[
            (cls, kwargs, message)
            for cls in (SGDScheduleFree, AdamWScheduleFree)
            for kwargs, message in [
                (dict(lr=-0.1), "lr must be a finite number ≥ 0, got -0.1"),
                (dict(warmup_steps=-1), "warmup_steps must be at least 0, got -1"),
                (dict(r=-1.0), "r must be a finite number ≥ 0, got -1"),
                (dict(weight_lr_power=math.nan), "weight_lr_power must be a finite number ≥ 0, got nan"),
                (dict(weight_decay=-1), "weight_decay must be a finite number ≥ 0, got -1"),
            ]
        ],
    ],
    ids=str,
)
def test_a_bad_value_is_refused_by_name_value_and_range(cls, kwargs, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        cls(fresh(), **kwargs)


def test_a_warm_up_that_is_no_count_is_a_type_error():
    with pytest.raises(TypeError, match=r"warmup_steps must be a whole number, got 2\.5"):
        SGDScheduleFree(fresh(), warmup_steps=2.5)


def test_lookahead_goes_round_it():
    optimizer = Lookahead(SGDScheduleFree(fresh(*SHAPES), lr=0.1), k=2)
    train(optimizer, 5)
    optimizer.optimizer.eval()
    assert all(v.isfinite().all() for v in values(optimizer))
