"""What the engine gives every rule: batches, purity, and all that a torch optimizer must do."""

import copy
import inspect
import io
import pickle
import re

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lwlr_teach.optim import METHODS, SGD, Adagrad, Adam, Method, RMSprop

CLASSES = sorted({m.optimizer for m in METHODS.values()}, key=lambda c: c.__name__)

# Every method of the catalogue, and the settings that take another branch of a rule.
RUNS = [
    *METHODS.values(),
    Method("damped", SGD, {"momentum": 0.9, "dampening": 0.5}, memory="momentum"),
    Method("centered", RMSprop, {"centered": True, "momentum": 0.5, "alpha": 0.9}, memory="momentum"),
    Method("AMSGradW", Adam, {"decoupled_weight_decay": True, "amsgrad": True}, memory="beta1"),
    Method("decayed Adagrad", Adagrad, {"lr_decay": 0.1, "initial_accumulator_value": 0.1}),
]
every_run = pytest.mark.parametrize("run", RUNS, ids=lambda m: m.name)
every_class = pytest.mark.parametrize("cls", CLASSES, ids=lambda c: c.__name__)

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
}


def gradient(parameter, step):
    """Of some loss; entry by entry, so that a slice of it is the gradient of the slice."""
    return torch.cos(3 * parameter.detach() + 2 * step)


def train(optimizer, steps, first=1):
    for step in range(first, first + steps):
        for group in optimizer.param_groups:
            for p in group["params"]:
                p.grad = gradient(p, step)
        optimizer.step()


def fresh(*shapes, dtype=torch.float64):
    generator = torch.Generator().manual_seed(7)
    draws = [torch.randn(s, generator=generator, dtype=torch.float64) for s in shapes or [(4,), (2, 3), ()]]
    return [d.to(dtype).requires_grad_() for d in draws]


def make(run, params=None, **chosen):
    return run(fresh() if params is None else params, **{"lr": 0.1, "weight_decay": 0.01} | chosen)


def values(optimizer):
    return [p.detach().clone() for group in optimizer.param_groups for p in group["params"]]


def assert_identical(got, expected):
    assert all(torch.equal(g, e) for g, e in zip(got, expected, strict=True))


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
        chosen[name] = low + (high - low) * torch.rand(shape, generator=generator, dtype=torch.float64)
    return chosen


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
    params = [torch.randn(*batch, *t, generator=generator, dtype=torch.float64) for t in tails]
    starts = [p.clone() for p in params]
    train(run(params, **chosen), steps=5)
    for index in torch.cartesian_prod(*map(torch.arange, batch)).reshape(-1, len(batch)).tolist():
        index = tuple(index)
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


@every_run
def test_rates_in_double_precision_leave_a_float_model_float(run):
    params = fresh((2, 3), dtype=torch.float32)
    memory = {"momentum": torch.tensor([0.5, 0.9], dtype=torch.float64)}
    optimizer = run(params, lr=torch.tensor([0.1, 0.2], dtype=torch.float64), **memory)
    train(optimizer, 3)
    kept = [v for v in optimizer.state[params[0]].values() if isinstance(v, torch.Tensor)]
    assert all(v.dtype == torch.float32 for v in kept)


@every_run
def test_a_rate_in_a_tensor_is_the_rate(run):
    number, tensor = make(run, lr=0.25), make(run, lr=torch.tensor(0.25, dtype=torch.float64))
    train(number, 5)
    train(tensor, 5)
    assert_identical(values(tensor), values(number))


@every_class
def test_a_rate_in_a_tensor_can_be_changed_in_place(cls):
    rate = torch.tensor(0.5)
    optimizer = cls(fresh(), lr=rate)
    train(optimizer, 1)
    before = values(optimizer)
    rate.zero_()
    train(optimizer, 1, first=2)
    assert_identical(values(optimizer), before)


# --- the rule --------------------------------------------------------------------------------------------


@every_run
def test_the_rule_is_pure(run):
    """It changes none of its inputs, and the same inputs give the same answer."""
    params = fresh((3, 2))
    optimizer = make(run, params)
    train(optimizer, 3)
    group, kept = optimizer.param_groups[0], optimizer.state[params[0]]
    state = {k: v.clone() for k, v in kept.items() if isinstance(v, torch.Tensor)}
    before = {k: v.clone() for k, v in state.items()}
    grad = gradient(params[0], 4)
    untouched = grad.clone()
    rule = run.optimizer.rule
    keywords = [a.name for a in inspect.signature(rule).parameters.values() if a.kind is a.KEYWORD_ONLY]
    first, second = (rule(grad, state, 4, **{k: group[k] for k in keywords}) for _ in range(2))
    assert torch.equal(grad, untouched)
    assert state.keys() == before.keys()
    assert_identical(state.values(), before.values())
    assert torch.equal(first[0], second[0])
    assert first[1].keys() == second[1].keys() == state.keys()
    assert_identical(first[1].values(), second[1].values())


@every_run
def test_a_step_leaves_the_gradient_alone(run):
    params = fresh((3,))
    optimizer = make(run, params, maximize=True)
    for step in range(1, 4):
        params[0].grad = gradient(params[0], step)
        kept = params[0].grad.clone()
        optimizer.step()
        assert torch.equal(params[0].grad, kept)


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
def test_a_parameter_without_a_gradient_stays_and_does_not_age(run):
    seen, skipped = fresh((2,), (2,))
    optimizer = make(run, [seen, skipped])
    start = skipped.detach().clone()
    seen.grad = gradient(seen, 1)
    optimizer.step()
    assert torch.equal(skipped, start)
    assert skipped not in optimizer.state
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


@every_class
def test_a_torch_scheduler_sets_the_rate_of_each_step(cls):
    scheduled, by_hand = cls(fresh(), lr=0.4), cls(fresh(), lr=0.4)
    schedule = torch.optim.lr_scheduler.StepLR(scheduled, step_size=2, gamma=0.5)
    for step in range(6):
        by_hand.param_groups[0]["lr"] = 0.4 * 0.5 ** (step // 2)
        train(scheduled, 1, first=step)
        train(by_hand, 1, first=step)
        schedule.step()
    assert_identical(values(scheduled), values(by_hand))


@every_run
def test_a_group_added_later_has_its_own_settings_and_starts_at_step_one(run):
    early, late = fresh((2,), (3,))
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


@every_class
def test_a_rate_of_zero_moves_nothing(cls):
    optimizer = cls(fresh(), lr=0.0, weight_decay=0.5)
    before = values(optimizer)
    train(optimizer, 5)
    assert_identical(values(optimizer), before)


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


@pytest.mark.parametrize("betas", [0.9, (0.9,), (0.9, 0.99, 0.999), None])
def test_betas_that_are_no_pair_are_refused_in_plain_words(betas):
    with pytest.raises((TypeError, ValueError), match="betas must be a pair"):
        Adam(fresh(), betas=betas)


@every_class
def test_a_rate_that_is_no_number_is_a_type_error(cls):
    with pytest.raises(TypeError, match="lr must be a number or a tensor of numbers, got 'fast'"):
        cls(fresh(), lr="fast")
