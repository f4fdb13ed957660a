"""What the engine gives every rule: batches, purity, and all that a torch optimizer must do."""

import copy
import inspect
import io
import itertools
import pickle
import re
from collections import UserList

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils._pytree import tree_leaves

from lwlr_teach.clipping import by_global_norm, by_value, in_turn
from lwlr_teach.layerwise import by_trust_ratio
from lwlr_teach.optim import (
    LAMB,
    LARS,
    SGD,
    SGDHD,
    Adadelta,
    Adafactor,
    Adagrad,
    Adam,
    AdamMini,
    AdamW,
    Lion,
    Lookahead,
    Muon,
    NovoGrad,
    Prodigy,
    RAdam,
    Ranger,
    RMSprop,
)
from tests.optim.runs import (
    AT_A_GIVEN_RATE,
    CLASSES,
    CLASSES_AT_A_GIVEN_RATE,
    COUNTED,
    MUONS,
    RUNS,
    SHARED,
    assert_identical,
    exact_muon,
    fresh,
    gradient,
    layer,
    make,
    train,
    values,
)


def each(runs):
    return pytest.mark.parametrize("run", runs, ids=lambda m: m.name)


every_run = each(RUNS + MUONS)
every_class = pytest.mark.parametrize("cls", CLASSES, ids=lambda c: c.__name__)
every_class_at_a_given_rate = pytest.mark.parametrize(
    "cls", CLASSES_AT_A_GIVEN_RATE, ids=lambda c: c.__name__
)


@pytest.fixture(
    scope="module",
    autouse=True,
    params=["cpu", *([pytest.param("cuda", marks=pytest.mark.gpu)] if torch.cuda.is_available() else [])],
)
def device(request):
    """Where the tests of this module put their tensors; a machine with a GPU runs them there, too."""
    with torch.device(request.param):
        yield request.param


# Where the batch's hyperparameters are drawn from; a new name needs a line only if it is to be batched.
RANGES = {
    "lr": (0.0, 0.5),
    "weight_decay": (0.0, 0.3),
    "momentum": (0.1, 0.95),
    "dampening": (0.0, 1.0),
    "beta1": (0.0, 0.95),
    "beta2": (0.0, 0.999),
    "alpha": (0.5, 0.99),
    "eps": (1e-8, 1e-2),
    "lr_decay": (0.0, 1.0),
    "reps_rel": (1e-3, 0.1),
    "d0": (1e-3, 0.1),
    "d_coef": (0.5, 2.0),
    "r": (0.0, 2.0),
    "weight_lr_power": (0.0, 3.0),
}


# --- batched ---------------------------------------------------------------------------------------------


def batch_of_hyperparameters(run, batch, generator):
    """One tensor for each number that the method reads: over the whole batch, or along one axis of it."""
    names = [n for n in RANGES if run.target(n) and not (n == "momentum" and run.memory != "momentum")]
    if "beta1" not in names and run.memory == "beta1":
        names.append("beta1")
    if run.settings.get("nesterov"):
        names.remove("dampening")
    chosen = {}
    for i, name in enumerate(names):
        shape = batch if i % 2 == 0 else [n if axis == i % len(batch) else 1 for axis, n in enumerate(batch)]
        low, high = RANGES[name]
        chosen[name] = low + (high - low) * torch.rand(
            shape, generator=generator, dtype=torch.float64, device="cpu"
        )
    return chosen


@pytest.mark.slow
@every_run
@settings(max_examples=25, deadline=None, derandomize=True)
@given(
    batch=st.lists(st.integers(1, 3), min_size=1, max_size=2),
    tails=st.lists(st.lists(st.integers(0, 3), max_size=3), min_size=1, max_size=3),
    seed=st.integers(0, 10**6),
)
def test_a_batch_takes_the_steps_of_its_members_one_by_one(run, batch, tails, seed):
    generator = torch.Generator().manual_seed(seed)
    chosen = batch_of_hyperparameters(run, batch, generator)
    options = dict(generator=generator, dtype=torch.float64, device="cpu")
    sizes = [(*batch, *layer(run, *tail)) for tail in tails]
    params = [torch.randn(size, **options).to(torch.get_default_device()) for size in sizes]
    starts = [p.clone() for p in params]
    with exact_muon():
        train(run(params, **chosen), steps=5)
        for index in itertools.product(*map(range, batch)):
            alone = [start[index].clone() for start in starts]
            train(run(alone, **{k: v.expand(batch)[index].item() for k, v in chosen.items()}), steps=5)
            for p, expected in zip(params, alone, strict=True):
                torch.testing.assert_close(p[index], expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("dampening", [0, 0.5])
def test_momentum_zero_in_a_batch_is_plain_sgd(dampening):
    (together,) = fresh((2, 3))
    alone = [row.detach().clone() for row in together]
    momenta = torch.tensor([0.0, 0.9], dtype=torch.float64)
    train(SGD([together], lr=0.1, momentum=momenta, dampening=dampening), 5)
    for row, momentum in zip(alone, momenta.tolist(), strict=True):
        train(SGD([row], lr=0.1, momentum=momentum, dampening=dampening), 5)
    torch.testing.assert_close(together.detach(), torch.stack(alone), rtol=1e-12, atol=1e-12)


@every_class
def test_weight_decay_zero_in_a_batch_leaves_the_others_their_decay(cls):
    (together,) = fresh((2, 3))
    alone = [row.detach().clone() for row in together]
    decays = torch.tensor([0.0, 0.5], dtype=torch.float64)
    train(cls([together], lr=0.1, weight_decay=decays), 5)
    for row, decay in zip(alone, decays.tolist(), strict=True):
        train(cls([row], lr=0.1, weight_decay=decay), 5)
    torch.testing.assert_close(together.detach(), torch.stack(alone), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    "cls", [Adafactor, AdamMini, LARS, LAMB, NovoGrad, Ranger, SGDHD], ids=lambda c: c.__name__
)
def test_a_group_without_a_hyperparameter_of_its_own_belongs_to_the_batch_as_well(cls):
    first, second = fresh((3, 2), (3, 4, 2))
    alone = [[p[i].detach().clone() for p in (first, second)] for i in range(3)]
    rates = torch.tensor([0.1, 0.2, 0.3], dtype=torch.float64)
    train(cls([{"params": [first], "lr": rates}, {"params": [second], "lr": 0.1}]), 5)
    for i, (one, two) in enumerate(alone):
        train(cls([{"params": [one], "lr": rates[i].item()}, {"params": [two], "lr": 0.1}]), 5)
        torch.testing.assert_close(first[i].detach(), one, rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(second[i].detach(), two, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    "size", [(4,), (3, 4, 2, 2), (2, 4, 5)], ids=["vector", "four axes", "wrong number of matrices"]
)
def test_a_batch_of_muons_moves_a_batch_of_matrices(size):
    rates = torch.tensor([0.1, 0.2, 0.3])
    train(Muon(fresh((3, 4, 5)), lr=rates), 2)
    with pytest.raises(ValueError, match=r"Muon moves real matrices|\(3,\) does not match the leading axes"):
        train(Muon(fresh(size), lr=rates), 1)


@every_run
def test_rates_in_double_precision_leave_a_float_model_float(run):
    params = fresh((2, *layer(run, 3)), dtype=torch.float32)
    momentum = torch.tensor([0.5, 0.9], dtype=torch.float64)
    optimizer = make(run, params, lr=torch.tensor([0.1, 0.2], dtype=torch.float64), momentum=momentum)
    train(optimizer, 3)
    kept = [v for v in optimizer.state[params[0]].values() if isinstance(v, torch.Tensor)]
    assert all(v.dtype == torch.float32 for v in kept)


@pytest.mark.slow
@every_run
def test_tensors_of_shape_1_are_single_numbers_as_in_torch(run):
    """All of them at once, also those of a clip and of a scale, and a parameter without axes."""

    def options(number):
        clip = in_turn(by_value(number(0.5)), by_global_norm(number(0.3)))
        return {"clip": clip, "scale": by_trust_ratio(number(0.5), eps=number(0.01))}

    def trained(number, **kwargs):
        names = [name for name in RANGES if run.target(name)]
        chosen = {name: number(0.25) for name in names if name != "dampening"}
        optimizer = make(run, **chosen, **kwargs)
        train(optimizer, 5)
        return values(optimizer)

    def one_entry(value):
        return torch.tensor([value], dtype=torch.float64)

    def no_axes(value):
        return torch.tensor(value, dtype=torch.float64)

    assert_identical(trained(one_entry), trained(no_axes))
    assert_identical(trained(one_entry, **options(one_entry)), trained(no_axes, **options(no_axes)))
    assert_identical(trained(no_axes, **options(one_entry)), trained(no_axes, **options(no_axes)))


@pytest.mark.parametrize(
    "create",
    [
        lambda p, number: Adagrad(p, lr=0.1, initial_accumulator_value=number),
        lambda p, number: Lookahead(SGD(p, lr=0.1), k=2, alpha=number),
        lambda p, number: SGD(p, lr=0.1, scale=by_trust_ratio(number)),
        lambda p, number: SGD(p, lr=0.1, clip=by_value(number)),
    ],
    ids=["first state", "Lookahead", "scale", "clip"],
)
def test_a_shape_of_1_in_other_places(create):
    ends = []
    for number in (torch.tensor([0.3], dtype=torch.float64), torch.tensor(0.3, dtype=torch.float64)):
        optimizer = create(fresh(), number)
        train(optimizer, 5)
        ends.append(values(optimizer))
    assert_identical(*ends)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    "cls", [SGD, Adam, AdamW, RMSprop, Adagrad, Adadelta, RAdam], ids=lambda c: c.__name__
)
def test_a_rate_of_shape_1_does_what_it_does_in_torch_also_where_it_changes_in_place(cls, dtype):
    done = []
    for create in (cls, getattr(torch.optim, cls.__name__)):
        params = fresh()
        rate = torch.tensor([0.1], dtype=dtype)
        optimizer = create(params, lr=rate)
        schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.5)
        for step in range(1, 5):
            train(optimizer, 1, first=step)
            schedule.step()
        assert optimizer.param_groups[0]["lr"].shape == (1,)
        done.append(values(optimizer))
    for ours, theirs in zip(*done, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=1e-6)


def test_a_shape_of_1_beside_that_of_a_batch_is_the_same_for_all_of_it():
    rates = torch.tensor([0.1, 0.2, 0.3], dtype=torch.float64)
    ends = []
    for decay in (torch.tensor([0.01], dtype=torch.float64), 0.01):
        optimizer = LARS(fresh((3, 4), (3, 2, 2)), lr=rates, weight_decay=decay, exclude_1d=True)
        train(optimizer, 4)
        ends.append(values(optimizer))
    assert_identical(*ends)


@pytest.mark.parametrize("axes", [1, 2])
def test_a_batch_of_one_model_is_a_batch(axes):
    """Biases are spared by ``exclude_1d``, though they have two axes, and Muon takes its matrices."""
    lead = (1,) * axes
    batch, alone = fresh((*lead, 4), (*lead, 2, 3)), fresh((4,), (2, 3))
    rate = torch.full(lead, 0.1, dtype=torch.float64)
    train(LARS(batch, lr=rate, exclude_1d=True), 3)
    train(LARS(alone, lr=0.1, exclude_1d=True), 3)
    for p, q in zip(batch, alone, strict=True):
        torch.testing.assert_close(p.detach().reshape(q.shape), q.detach())
    train(Muon(fresh((*lead, 4, 5)), lr=rate), 2)


def test_a_group_without_gradients_still_says_that_the_others_are_a_batch():
    moved, waiting = fresh((3, 4), (3, 2))
    alone = [row.detach().clone() for row in moved]
    rates = torch.tensor([0.1, 0.2, 0.3], dtype=torch.float64)
    optimizer = LARS([{"params": [moved], "lr": 0.1}, {"params": [waiting], "lr": rates}])
    for row in alone:
        train(LARS([row], lr=0.1), 1)
    moved.grad = gradient(moved, 1)
    optimizer.step()
    torch.testing.assert_close(moved.detach(), torch.stack(alone))


def test_a_tensor_that_a_group_holds_for_somebody_else_makes_no_batch():
    ends = []
    for extra in ({}, {"importance": torch.ones(4)}):
        optimizer = LARS([{"params": fresh((4, 3)), **extra}])
        train(optimizer, 2)
        ends.append(values(optimizer))
    assert_identical(*ends)


@each(AT_A_GIVEN_RATE + MUONS)
def test_a_rate_in_a_tensor_is_the_rate(run):
    number, tensor = make(run, lr=0.25), make(run, lr=torch.tensor(0.25, dtype=torch.float64))
    train(number, 5)
    train(tensor, 5)
    assert_identical(values(tensor), values(number))


@every_class_at_a_given_rate
def test_a_rate_in_a_tensor_can_be_changed_in_place(cls):
    rate = torch.tensor(0.5)
    optimizer = cls(fresh(), lr=rate)
    train(optimizer, 1)
    before = values(optimizer)
    rate.zero_()
    train(optimizer, 1, first=2)
    assert_identical(values(optimizer), before)


# --- the rule --------------------------------------------------------------------------------------------


@each([run for run in RUNS + MUONS if run.optimizer is not Ranger])  # which has no rule; RAdam's is tested
def test_the_rule_is_pure(run):
    """It changes none of its inputs, and the same inputs give the same answer."""
    params = fresh((3, 2))
    optimizer = make(run, params)
    train(optimizer, 3)
    settings = optimizer.param_groups[0] | {"param": params[0].detach()}
    rule = run.optimizer.rule
    keywords = [a.name for a in inspect.signature(rule).parameters.values() if a.kind is a.KEYWORD_ONLY]
    inputs = [gradient(params[0], 4), optimizer.state[params[0]], params[0].detach()]
    before = copy.deepcopy(inputs)
    first, second = (rule(inputs[0], inputs[1], 4, **{k: settings[k] for k in keywords}) for _ in range(2))
    for kept, expected in zip(tree_leaves(inputs), tree_leaves(before), strict=True):
        assert torch.equal(torch.as_tensor(kept), torch.as_tensor(expected))
    assert inputs[1].keys() == before[1].keys()
    assert torch.equal(first[0], second[0])
    kept = inputs[1].keys() - {"step"} - ({"scale"} if optimizer.scale else set())
    if run.optimizer in SHARED:  # the optimizer looks after what the shared number is found from
        kept -= {"init_param", "s", "p0", "scale"}
    assert first[1].keys() == second[1].keys() == kept
    assert_identical(first[1].values(), second[1].values())


@every_run
def test_a_step_leaves_the_gradient_alone(run):
    params = fresh(layer(run, 3))
    optimizer = make(run, params, maximize=True)
    for step in range(1, 4):
        params[0].grad = gradient(params[0], step)
        kept = params[0].grad.clone()
        optimizer.step()
        assert torch.equal(params[0].grad, kept)


@every_run
def test_a_gradient_that_is_overwritten_in_place_is_not_part_of_the_state(run):
    reused, renewed = make(run), make(run)
    for step in range(1, 6):
        for optimizer, in_place in [(reused, True), (renewed, False)]:
            for p in optimizer.param_groups[0]["params"]:
                if in_place and p.grad is not None:
                    p.grad.copy_(gradient(p, step))
                else:
                    p.grad = gradient(p, step)
            optimizer.step()
            for p in optimizer.param_groups[0]["params"]:
                p.grad = p.grad.zero_() if in_place else None
    assert_identical(values(reused), values(renewed))


# --- what a torch optimizer does -------------------------------------------------------------------------


@every_class
def test_a_closure_is_called_once_with_gradients_on_and_its_loss_returned(cls):
    (p,) = fresh((3,))
    optimizer, calls = cls([p], lr=0.1), []

    def closure():
        calls.append(torch.is_grad_enabled())
        optimizer.zero_grad()
        loss = (p * p).sum()
        loss.backward()
        return loss

    start, before = (p * p).sum().item(), p.detach().clone()
    with torch.no_grad():
        assert optimizer.step(closure).item() == start
    assert calls == [True]
    assert not torch.equal(p, before)
    assert optimizer.step() is None


@every_run
def test_a_parameter_without_a_gradient_stays(run):
    seen, skipped = fresh(layer(run, 2), layer(run, 2))
    optimizer = make(run, [seen, skipped])
    start = skipped.detach().clone()
    seen.grad = gradient(seen, 1)
    optimizer.step()
    assert torch.equal(skipped, start)
    assert skipped not in optimizer.state


@each([run for run in RUNS + MUONS if run.optimizer not in COUNTED or run.optimizer is SGDHD])
def test_a_parameter_without_a_gradient_does_not_age(run):
    seen, skipped = fresh(layer(run, 2), layer(run, 2))
    optimizer = make(run, [seen, skipped])
    start = skipped.detach().clone()
    seen.grad = gradient(seen, 1)
    optimizer.step()
    alone = make(run, [start.clone().requires_grad_()])
    for optimizer_, p in [(optimizer, skipped), (alone, alone.param_groups[0]["params"][0])]:
        seen.grad, p.grad = None, gradient(p, 1)
        optimizer_.step()
    assert_identical([skipped.detach()], values(alone))


@every_run
def test_saved_and_loaded_it_continues_bit_for_bit(run):
    straight = make(run)
    train(straight, 10)
    first = make(run)
    train(first, 4)
    file = io.BytesIO()
    torch.save(first.state_dict(), file)
    file.seek(0)
    second = make(run, [p.requires_grad_() for p in values(first)], lr=0.9, weight_decay=0.9)
    second.load_state_dict(torch.load(file, weights_only=True))
    train(second, 6, first=5)
    assert_identical(values(second), values(straight))


@every_run
@pytest.mark.parametrize(
    "clone", [copy.deepcopy, lambda o: pickle.loads(pickle.dumps(o))], ids=["deepcopy", "pickle"]
)
def test_a_copy_continues_bit_for_bit_and_on_its_own(run, clone):
    original = make(run)
    train(original, 4)
    paused = values(original)
    copied = clone(original)
    train(copied, 6, first=5)
    assert_identical(values(original), paused)
    train(original, 6, first=5)
    assert_identical(values(copied), values(original))


@every_class
def test_a_batch_can_be_saved_and_loaded(cls):
    def batch():
        return cls(fresh((3, 2)), lr=torch.tensor([0.1, 0.2, 0.3]))

    straight, first, second = batch(), batch(), batch()
    train(straight, 6)
    train(first, 3)
    second.load_state_dict(first.state_dict())
    second.param_groups[0]["params"][0].data = values(first)[0]
    train(second, 3, first=4)
    assert_identical(values(second), values(straight))


@every_class_at_a_given_rate
def test_a_torch_scheduler_sets_the_rate_of_each_step(cls):
    scheduled, by_hand = cls(fresh(), lr=0.4), cls(fresh(), lr=0.4)
    schedule = torch.optim.lr_scheduler.StepLR(scheduled, step_size=2, gamma=0.5)
    for step in range(6):
        by_hand.param_groups[0]["lr"] = 0.4 * 0.5 ** (step // 2)
        train(scheduled, 1, first=step)
        train(by_hand, 1, first=step)
        schedule.step()
    assert_identical(values(scheduled), values(by_hand))


# The norm of a clip would be that of both groups, and Prodigy's d as well.
@each([run for run in RUNS + MUONS if "clip" not in run.settings and run.optimizer is not Prodigy])
def test_a_group_added_later_has_its_own_settings_and_starts_at_step_one(run):
    early, late = fresh(layer(run, 2), layer(run, 3))
    optimizer = make(run, [early])
    train(optimizer, 3)
    optimizer.add_param_group({"params": [late], "lr": 0.03})
    alone = make(run, [late.detach().clone().requires_grad_()], lr=0.03)
    train(optimizer, 4)
    train(alone, 4)
    assert_identical([late.detach()], values(alone))


@every_class
def test_each_group_follows_its_own_settings(cls):
    first, second = fresh((2,), (3,))
    optimizer = cls([{"params": [first]}, {"params": [second], "lr": 0.03, "weight_decay": 0.2}], lr=0.3)
    alone = [
        cls([p.detach().clone()], **kw)
        for p, kw in [(first, {"lr": 0.3}), (second, {"lr": 0.03, "weight_decay": 0.2})]
    ]
    train(optimizer, 5)
    for one in alone:
        train(one, 5)
    assert_identical(values(optimizer), [v for one in alone for v in values(one)])


@every_class_at_a_given_rate
def test_a_rate_of_zero_moves_nothing(cls):
    optimizer = cls(fresh(), lr=0.0, weight_decay=0.5)
    before = values(optimizer)
    train(optimizer, 5)
    assert_identical(values(optimizer), before)


# --- gradients that are not finite ----------------------------------------------------------------------


def everything(optimizer):
    """All that a step may change."""
    return copy.deepcopy([values(optimizer), optimizer.state_dict()])


def assert_same(got, expected):
    for g, e in zip(tree_leaves(got), tree_leaves(expected), strict=True):
        assert torch.equal(g, e) if isinstance(g, torch.Tensor) else g == e or g is e


def spoil(optimizer, value, step):
    """Gradients of which one entry, of the last parameter, is not finite."""
    params = [p for group in optimizer.param_groups for p in group["params"]]
    for p in params:
        p.grad = gradient(p, step)
    params[-1].grad.view(-1)[-1] = value


@pytest.mark.slow
@every_run
@pytest.mark.parametrize("value", ["nan", "inf", "-inf"])
@pytest.mark.parametrize("after", [0, 3])
def test_a_skipped_step_leaves_no_trace(run, value, after):
    optimizer, straight = make(run, nonfinite="skip"), make(run)
    train(optimizer, after)
    before = everything(optimizer)
    spoil(optimizer, float(value), step=99)
    assert optimizer.step(lambda: 7.0) == 7.0
    assert_same(everything(optimizer), before)
    train(optimizer, 7, first=after + 1)
    train(straight, 7 + after)
    assert_same(everything(optimizer), everything(straight))


@every_run
def test_a_refused_step_names_the_parameter_and_leaves_no_trace(run):
    params = fresh(*[layer(run, 4), layer(run, 2, 3)])
    named = make(run, list(zip(["head.weight", "tail.weight"], params, strict=True)), nonfinite="raise")
    unnamed = make(run, fresh(layer(run, 4), layer(run, 2, 3)), nonfinite="raise")
    for optimizer, name in [(named, "tail.weight"), (unnamed, "number 1 of group 0")]:
        train(optimizer, 3)
        before = everything(optimizer)
        spoil(optimizer, float("nan"), step=4)
        with pytest.raises(FloatingPointError, match=rf"parameter {name}, shape \(2, 3\), holds nan or inf"):
            optimizer.step()
        assert_same(everything(optimizer), before)


def test_skipped_steps_are_counted():
    optimizer = make(RUNS[0], nonfinite="skip")
    for step in range(3):
        spoil(optimizer, float("nan"), step)
        optimizer.step()
    train(optimizer, 2)
    assert optimizer.skipped == copy.deepcopy(optimizer).skipped == 3


def test_a_gradient_that_is_huge_but_finite_is_taken():
    (p,) = fresh((2,), dtype=torch.float32)
    optimizer = SGD([p], lr=1e-38, nonfinite="raise")
    p.grad = torch.full_like(p, 3e38)
    optimizer.step()
    assert torch.isfinite(p).all()


# --- bad input -------------------------------------------------------------------------------------------

NAN, INF = float("nan"), float("inf")
BAD = [
    *[(cls, {"lr": -0.1}, "lr must be a finite number ≥ 0, got -0.1") for cls in CLASSES],
    *[(cls, {"lr": NAN}, "lr must be a finite number ≥ 0, got nan") for cls in CLASSES],
    *[(cls, {"lr": INF}, "lr must be a finite number ≥ 0, got inf") for cls in CLASSES],
    *[(cls, {"lr": torch.tensor([0.1, -2.0])}, "lr must be a finite number ≥ 0, got -2") for cls in CLASSES],
    *[(cls, {"weight_decay": -1}, "weight_decay must be a finite number ≥ 0, got -1") for cls in CLASSES],
    (SGD, {"momentum": -0.5}, "momentum must be a finite number ≥ 0, got -0.5"),
    (SGD, {"dampening": NAN}, "dampening must be a finite number, got nan"),
    (
        SGD,
        {"nesterov": True},
        "nesterov=True needs a momentum > 0 and dampening = 0, got momentum=0 and dampening=0",
    ),
    (SGD, {"nesterov": True, "momentum": 0.9, "dampening": 0.1}, "got momentum=0.9 and dampening=0.1"),
    (Adam, {"betas": (1.0, 0.9)}, "betas[0] must be a finite number ≥ 0 and < 1, got 1"),
    (Adam, {"betas": (0.9, 1.0)}, "betas[1] must be a finite number ≥ 0 and < 1, got 1"),
    (Adam, {"betas": (-0.1, 0.9)}, "betas[0] must be a finite number ≥ 0 and < 1, got -0.1"),
    (Adam, {"betas": (0.9, NAN)}, "betas[1] must be a finite number ≥ 0 and < 1, got nan"),
    (
        Adam,
        {"betas": (torch.tensor([0.5, 1.5]), 0.9)},
        "betas[0] must be a finite number ≥ 0 and < 1, got 1.5",
    ),
    (Adam, {"eps": -1e-8}, "eps must be a finite number ≥ 0, got -1e-08"),
    (RMSprop, {"alpha": 1.0}, "alpha must be a finite number ≥ 0 and < 1, got 1"),
    (RMSprop, {"alpha": -0.1}, "alpha must be a finite number ≥ 0 and < 1, got -0.1"),
    (RMSprop, {"momentum": -1}, "momentum must be a finite number ≥ 0, got -1"),
    (RMSprop, {"eps": -1}, "eps must be a finite number ≥ 0, got -1"),
    (Adagrad, {"lr_decay": -1}, "lr_decay must be a finite number ≥ 0, got -1"),
    (
        Adagrad,
        {"initial_accumulator_value": -1},
        "initial_accumulator_value must be a finite number ≥ 0, got -1",
    ),
    (Adagrad, {"eps": INF}, "eps must be a finite number ≥ 0, got inf"),
    *[
        (cls, {"betas": betas}, f"betas[{i}] must be a finite number ≥ 0 and < 1, got {betas[i]:g}")
        for cls in (AdamMini, AdamW, RAdam, Ranger, LAMB, Lion, NovoGrad)
        for i, betas in enumerate([(-0.1, 0.9), (0.9, 1.0)])
    ],
    *[
        (cls, {"eps": -1}, "eps must be a finite number ≥ 0, got -1")
        for cls in (Adadelta, AdamMini, AdamW, RAdam, Ranger, LAMB, NovoGrad, LARS, Muon)
    ],
    (Adadelta, {"rho": 1.5}, "rho must be a finite number ≥ 0 and ≤ 1, got 1.5"),
    (Adadelta, {"rho": -0.1}, "rho must be a finite number ≥ 0 and ≤ 1, got -0.1"),
    (Adafactor, {"beta2_decay": 0.1}, "beta2_decay must be a finite number ≤ 0, got 0.1"),
    (Adafactor, {"d": 0.5}, "d must be a finite number ≥ 1, got 0.5"),
    (Adafactor, {"eps": (-1, 1e-3)}, "eps[0] must be a finite number ≥ 0, got -1"),
    (Adafactor, {"eps": (None, -1)}, "eps[1] must be a finite number ≥ 0, got -1"),
    (AdamMini, {"block_axes": -1}, "block_axes must be at least 0, got -1"),
    (LARS, {"momentum": -1}, "momentum must be a finite number ≥ 0, got -1"),
    (LARS, {"trust_coefficient": -1}, "trust_coefficient must be a finite number ≥ 0, got -1"),
    (SGDHD, {"hypergrad_lr": -1}, "hypergrad_lr must be a finite number ≥ 0, got -1"),
    (SGDHD, {"hypergrad_lr": NAN}, "hypergrad_lr must be a finite number ≥ 0, got nan"),
    (Ranger, {"k": 0}, "k must be at least 1, got 0"),
    (Ranger, {"alpha": 1.5}, "alpha must be a finite number ≥ 0 and ≤ 1, got 1.5"),
    (Ranger, {"alpha": -0.5}, "alpha must be a finite number ≥ 0 and ≤ 1, got -0.5"),
    (Muon, {"momentum": -1}, "momentum must be a finite number ≥ 0, got -1"),
    (Muon, {"ns_steps": 0}, "ns_steps must be from 1 to 99, got 0"),
    (Muon, {"ns_steps": 100}, "ns_steps must be from 1 to 99, got 100"),
    (Muon, {"ns_coefficients": (1.0, 2.0)}, "ns_coefficients must be three numbers, got (1.0, 2.0)"),
    (Muon, {"adjust_lr_fn": "match_rms_adam"}, "adjust_lr_fn 'match_rms_adam' is not known; did you mean"),
    (Muon, {}, "Muon moves real matrices, got a parameter of shape (4,); give it to AdamW"),
    *[
        (cls, options, message)
        for cls in (SGD, Ranger, Muon)
        for options, message in [
            ({"nonfinite": "skp"}, "nonfinite 'skp' is not known; did you mean skip?"),
            ({"nonfinite": True}, "is not known; choose from ignore, skip, raise"),
            ({"foreach": True}, "foreach=True chooses among torch's own kernels; here use compile=True"),
            ({"fused": True}, "fused=True chooses among torch's own kernels; here use compile=True"),
        ]
    ],
]


@pytest.mark.parametrize(("cls", "kwargs", "message"), BAD, ids=lambda v: getattr(v, "__name__", None))
def test_a_bad_value_is_refused_by_name_value_and_range(cls, kwargs, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        cls(fresh(), **kwargs)


@pytest.mark.parametrize(
    ("cls", "group", "message"),
    [
        (SGD, {"lr": -1}, "lr must be a finite number ≥ 0, got -1"),
        (SGD, {"momentum": NAN}, "momentum must be a finite number ≥ 0, got nan"),
        (SGD, {"nesterov": True}, "nesterov=True needs a momentum > 0"),
        (Adam, {"betas": (0.9, 2)}, "betas[1] must be a finite number ≥ 0 and < 1, got 2"),
        (Adam, {"weight_decay": -1}, "weight_decay must be a finite number ≥ 0, got -1"),
    ],
)
def test_a_bad_value_in_a_group_is_refused_as_well(cls, group, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        cls([{"params": fresh()} | group])
    optimizer = cls(fresh())
    with pytest.raises(ValueError, match=re.escape(message)):
        optimizer.add_param_group({"params": fresh()} | group)


PAIRS = [
    [0.8, 0.99],
    UserList([0.8, 0.99]),
    torch.tensor([0.8, 0.99], dtype=torch.float64),
    np.array([0.8, 0.99]),
    (torch.tensor([0.8], dtype=torch.float64), torch.tensor(0.99, dtype=torch.float64)),
]


@pytest.mark.parametrize("betas", PAIRS, ids=lambda b: type(b).__name__)
@pytest.mark.parametrize(
    "cls", [Adam, AdamMini, AdamW, RAdam, Ranger, LAMB, Lion, NovoGrad], ids=lambda c: c.__name__
)
def test_betas_may_be_any_pair(cls, betas):
    """At the beginning, in a group, and as somebody sets them later; they are never taken for a batch."""
    expected, given, grouped, late = (fresh((4, 3), (4,)) for _ in range(4))
    train(cls(expected, betas=(0.8, 0.99)), 8)
    train(cls(given, betas=betas), 8)
    train(cls([{"params": grouped, "betas": betas}]), 8)
    changed = cls(late)
    changed.param_groups[0]["betas"] = betas
    train(changed, 8)
    for params in (given, grouped, late):
        for p, q in zip(params, expected, strict=True):
            torch.testing.assert_close(p, q, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("betas", [0.9, (0.9,), (0.9, 0.99, 0.999), None, torch.tensor(0.9), np.zeros(3)])
def test_betas_that_are_no_pair_are_refused_in_plain_words(betas):
    with pytest.raises((TypeError, ValueError), match="betas must be a pair"):
        Adam(fresh(), betas=betas)


@every_class
def test_a_rate_that_is_no_number_is_a_type_error(cls):
    with pytest.raises(TypeError, match="lr must be a number or a tensor of numbers, got 'fast'"):
        cls(fresh(), lr="fast")


@pytest.mark.parametrize("cls", [*CLASSES, Muon], ids=lambda c: c.__name__)
@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"momentun": 0.9}, "has no argument 'momentun'; it has lr, "),
        ({"clip": "x"}, r"clip must be a function, for example .*by_global_norm\(1.0\), got 'x'"),
        ({"clip": 1.0}, r"clip must be a function, for example .*by_global_norm\(1.0\), got 1.0"),
        ({"scale": 1}, r"scale must be a function, for example .*by_trust_ratio\(\), got 1"),
    ],
    ids=["unknown keyword", "clip is text", "clip is a number", "scale is a number"],
)
def test_an_option_that_does_not_exist_or_is_no_function_is_a_type_error(cls, wrong, message):
    with pytest.raises(TypeError, match=message):
        cls(fresh((2, 3)), **wrong)


def test_torchs_own_choices_may_be_left_to_torch():
    Adam(fresh(), foreach=None, fused=False, capturable=False, differentiable=False)


@pytest.mark.parametrize("k", [2.5, "5", True])
def test_a_k_that_is_no_whole_number_is_a_type_error(k):
    with pytest.raises(TypeError, match="k must be a whole number, got"):
        Lookahead(SGD(fresh()), k=k)


def test_lookahead_needs_an_optimizer():
    with pytest.raises(TypeError, match=r"optimizer must be a torch.optim.Optimizer, got"):
        Lookahead(fresh())
