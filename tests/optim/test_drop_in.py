"""Ours in the place of torch's: under scalers, schedulers, trainers, hooks; every kind of parameter."""

import copy
import io
import pickle
import warnings
from functools import partial

import pytest
import torch
from torch import nn
from torch.distributed.checkpoint.state_dict import get_optimizer_state_dict, set_optimizer_state_dict
from torch.optim import lr_scheduler, swa_utils

import lwlr_teach.optim
from lwlr_teach.clipping import adaptive, by_global_norm, by_layer_norm, by_value, centralize, in_turn
from lwlr_teach.core.arithmetic import sqrt_with_eps
from lwlr_teach.layerwise import by_trust_ratio
from lwlr_teach.optim import LARS, METHODS, SGD, Adagrad, Adam, AdamW, Lookahead, NovoGrad
from tests.optim.runs import (
    AT_A_GIVEN_RATE,
    RUNS,
    SHARED,
    assert_identical,
    fresh,
    gradient,
    make,
    shapes,
    train,
    values,
)

pytestmark = pytest.mark.slow


def each(runs):
    return pytest.mark.parametrize("run", runs, ids=lambda m: m.name)


every_run = each(RUNS)
every_run_at_a_given_rate = each(AT_A_GIVEN_RATE)
# The others move a parameter by what they see of all parameters: a global norm, a rate that they share.
APART = [run for run in AT_A_GIVEN_RATE if "clip" not in run.settings and run.optimizer not in SHARED]


def model(dtype=torch.float64):
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.LayerNorm(4), nn.Linear(4, 1)).to(dtype)


def data(step, dtype=torch.float64):
    generator = torch.Generator().manual_seed(step)
    return torch.randn(5, 3, generator=generator).to(dtype)


def backward(net, step, scale=1.0):
    loss = net(data(step, net[0].weight.dtype)).square().mean()
    (loss * scale).backward()
    return loss


def fit(net, optimizer, steps, after=lambda step: None):
    for step in steps:
        optimizer.zero_grad()
        backward(net, step)
        optimizer.step()
        after(step)


def straight(run, steps=6, **options):
    """The parameters after plain steps."""
    net = model()
    fit(net, make(run, list(net.parameters()), **options), range(steps))
    return list(net.parameters())


# --- whoever calls the optimizer --------------------------------------------------------------------------


@every_run
def test_grad_scaler_unscales_and_skips_a_step_with_inf(run):
    net = model()
    optimizer = make(run, list(net.parameters()))
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**8, growth_interval=1000)
    for step in [0, 1, 2, "inf", 3, 4, 5]:
        optimizer.zero_grad()
        loss = net(data(99 if step == "inf" else step)).square().mean()
        scaler.scale(loss).backward()
        if step == "inf":
            net[0].weight.grad[0, 0] = float("inf")
            before = copy.deepcopy([values(optimizer), optimizer.state_dict()["state"]])
        scaler.step(optimizer)
        scaler.update()
        if step == "inf":
            assert_identical(values(optimizer), before[0])
            assert scaler.get_scale() == 2.0**7
    assert_identical(net.parameters(), straight(run))


@every_run
def test_with_a_closure_as_lbfgs_wants_it(run):
    net = model()
    optimizer = make(run, list(net.parameters()))
    for step in range(6):

        def closure(step=step):
            optimizer.zero_grad()
            return backward(net, step)

        start = copy.deepcopy(net)
        assert optimizer.step(closure) == backward(start, step)
    assert_identical(net.parameters(), straight(run))


class LikeLightning:
    """How Lightning's LightningOptimizer and its precision plugin call an optimizer."""

    def __init__(self, optimizer):
        self.__class__ = type("Lightning" + type(optimizer).__name__, (type(self), type(optimizer)), {})
        self.__dict__.update({k: v for k, v in optimizer.__dict__.items() if k != "step"})
        self._optimizer = optimizer

    def step(self, closure, **kwargs):
        def wrapped():
            closure_result = closure()
            self.seen_in_the_closure = torch.is_grad_enabled()
            return closure_result

        return self._optimizer.step(closure=wrapped, **kwargs)


@every_run_at_a_given_rate
def test_as_lightning_calls_it(run):
    net = model()
    optimizer = make(run, list(net.parameters()))
    wrapper = LikeLightning(optimizer)
    scheduler = lr_scheduler.LambdaLR(optimizer, lambda step: 1.0)
    for step in range(6):

        def closure(step=step):
            wrapper.zero_grad(set_to_none=True)
            return backward(net, step)

        with warnings.catch_warnings():
            warnings.simplefilter("error")
            loss = wrapper.step(closure)
        assert loss.requires_grad
        scheduler.step()
    assert wrapper.seen_in_the_closure
    assert wrapper.state is optimizer.state
    assert_identical(net.parameters(), straight(run))


class LikeAccelerate(torch.optim.Optimizer):
    """How accelerate's AcceleratedOptimizer stands before an optimizer: it delegates, and sets up nothing."""

    def __init__(self, optimizer):
        self.optimizer = optimizer

    state = property(lambda self: self.optimizer.state)
    param_groups = property(lambda self: self.optimizer.param_groups)
    defaults = property(lambda self: self.optimizer.defaults)

    def state_dict(self):
        return self.optimizer.state_dict()

    def load_state_dict(self, state_dict):
        self.optimizer.load_state_dict(state_dict)

    def zero_grad(self, set_to_none=True):
        self.optimizer.zero_grad(set_to_none)

    def step(self, closure=None):
        self.optimizer.step(closure)


@every_run_at_a_given_rate
def test_as_the_trainer_of_hugging_face_uses_it(run):
    """Two groups, one without decay; a linear schedule with warm-up; a checkpoint moved onto the device."""

    def groups(net):
        decayed = [p for p in net.parameters() if p.ndim > 1]
        return [
            {"params": decayed, "weight_decay": 0.1},
            {"params": [p for p in net.parameters() if p.ndim <= 1], "weight_decay": 0.0},
        ]

    def factor(step):
        return min(1, (step + 1) / 3) * max(0.0, (8 - step) / 8)

    by_hand, trained = model(), model()
    reference = run.optimizer(groups(by_hand), **run.hyperparameters(lr=0.1))
    for step in range(6):
        for group in reference.param_groups:
            group["lr"] = 0.1 * factor(step)
        fit(by_hand, reference, [step])

    optimizer = LikeAccelerate(run.optimizer(groups(trained), **run.hyperparameters(lr=0.1)))
    scheduler = lr_scheduler.LambdaLR(optimizer.optimizer, factor)
    fit(trained, optimizer, range(3), after=lambda step: scheduler.step())
    file = io.BytesIO()
    torch.save([optimizer.state_dict(), scheduler.state_dict()], file)
    file.seek(0)
    saved = torch.load(file, weights_only=True, map_location="cpu")
    resumed = LikeAccelerate(run.optimizer(groups(trained), **run.hyperparameters(lr=7.0)))
    scheduler = lr_scheduler.LambdaLR(resumed.optimizer, factor)
    resumed.load_state_dict(saved[0])
    scheduler.load_state_dict(saved[1])
    fit(trained, resumed, range(3, 6), after=lambda step: scheduler.step())
    assert_identical(trained.parameters(), by_hand.parameters())


@each(APART)
def test_inside_the_backward_pass(run):
    """One optimizer for each parameter, which moves as soon as its gradient is there, and frees it."""
    net = model()
    optimizers = {p: make(run, [p]) for p in net.parameters()}

    def move(p):
        optimizers[p].step()
        optimizers[p].zero_grad()

    for p in net.parameters():
        p.register_post_accumulate_grad_hook(move)
    for step in range(6):
        backward(net, step)
        assert all(p.grad is None for p in net.parameters())
    assert_identical(net.parameters(), straight(run))


@every_run
def test_step_hooks_are_called_before_and_after(run):
    optimizer, seen = make(run), []
    start = values(optimizer)
    optimizer.register_step_pre_hook(lambda o, args, kwargs: seen.append(("pre", values(o))))
    optimizer.register_step_post_hook(lambda o, args, kwargs: seen.append(("post", values(o))))
    train(optimizer, 1)
    assert [when for when, _ in seen] == ["pre", "post"]
    assert_identical(seen[0][1], start)
    assert_identical(seen[1][1], values(optimizer))


# --- schedulers -------------------------------------------------------------------------------------------

SCHEDULERS = {
    "LambdaLR": lambda o: lr_scheduler.LambdaLR(o, lambda step: 1 / (1 + step)),
    "MultiplicativeLR": lambda o: lr_scheduler.MultiplicativeLR(o, lambda step: 0.9),
    "StepLR": lambda o: lr_scheduler.StepLR(o, 3),
    "MultiStepLR": lambda o: lr_scheduler.MultiStepLR(o, [2, 5]),
    "LinearLR": lambda o: lr_scheduler.LinearLR(o, 0.1),
    "ExponentialLR": lambda o: lr_scheduler.ExponentialLR(o, 0.8),
    "PolynomialLR": lambda o: lr_scheduler.PolynomialLR(o, 8, 2.0),
    "ConstantLR": lambda o: lr_scheduler.ConstantLR(o, 0.5, 3),
    "OneCycleLR": lambda o: lr_scheduler.OneCycleLR(o, max_lr=0.3, total_steps=12),
    "CosineAnnealingLR": lambda o: lr_scheduler.CosineAnnealingLR(o, T_max=8),
    "CosineAnnealingWarmRestarts": lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, T_0=3),
    "CyclicLR": lambda o: lr_scheduler.CyclicLR(
        o, base_lr=0.01, max_lr=0.1, step_size_up=3, cycle_momentum=False
    ),
    "ReduceLROnPlateau": lambda o: lr_scheduler.ReduceLROnPlateau(o, patience=1, factor=0.5),
    "SequentialLR": lambda o: lr_scheduler.SequentialLR(
        o, [lr_scheduler.ConstantLR(o, 0.1, 4), lr_scheduler.ExponentialLR(o, 0.7)], milestones=[4]
    ),
    "ChainedScheduler": lambda o: lr_scheduler.ChainedScheduler(
        [lr_scheduler.LinearLR(o, 0.2, total_iters=3), lr_scheduler.ExponentialLR(o, 0.9)]
    ),
    "SWALR": lambda o: swa_utils.SWALR(o, swa_lr=0.01, anneal_epochs=5),
}
PAIRS = {
    "SGD": (lambda p: SGD(p, lr=0.1, momentum=0.9), lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9)),
    "Adam": (lambda p: Adam(p, lr=0.1), lambda p: torch.optim.Adam(p, lr=0.1)),
    "Lookahead of ours": (
        lambda p: Lookahead(Adam(p, lr=0.1), k=3),
        lambda p: Lookahead(torch.optim.Adam(p, lr=0.1), k=3),
    ),
}


@pytest.mark.parametrize("pair", PAIRS.values(), ids=PAIRS)
@pytest.mark.parametrize("scheduler", SCHEDULERS.values(), ids=SCHEDULERS)
def test_under_a_scheduler_it_does_what_torchs_own_does(scheduler, pair):
    done = []
    for create in pair:
        net = model()
        optimizer = create(net.parameters())
        schedule = scheduler(optimizer)
        rates, momenta = [], []
        for step in range(10):
            fit(net, optimizer, [step])
            schedule.step(*([1.0] if isinstance(schedule, lr_scheduler.ReduceLROnPlateau) else []))
            group = optimizer.param_groups[0]
            rates.append(group["lr"])
            momenta.append(group.get("momentum", group.get("betas")))
        done.append((net, rates, momenta))
    (ours, *numbers), (theirs, *expected) = done
    assert numbers == expected
    assert len(set(numbers[0])) > 1
    for p, q in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(p, q, rtol=1e-10, atol=1e-10)


def test_averaged_weights_follow_ours():
    net = model()
    optimizer = METHODS["Ranger"](net.parameters(), lr=0.1)
    average = swa_utils.AveragedModel(net, multi_avg_fn=swa_utils.get_ema_multi_avg_fn(0.5))
    expected = None
    for step in range(4):
        fit(net, optimizer, [step])
        average.update_parameters(net)
        weight = net[0].weight.detach()
        expected = weight.clone() if expected is None else 0.5 * expected + 0.5 * weight
    torch.testing.assert_close(average.module[0].weight.detach(), expected)


# --- kinds of parameters ----------------------------------------------------------------------------------

IN_TORCH = (
    "SGD",
    "Momentum",
    "Nesterov",
    "Adagrad",
    "RMSprop",
    "Adadelta",
    "Adam",
    "AMSGrad",
    "AdamW",
    "RAdam",
)
OURS_ONLY = {"eps_in_root", "decoupled_weight_decay"}


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=["bfloat16", "float16"])
@pytest.mark.parametrize("run", [METHODS[name] for name in IN_TORCH], ids=lambda m: m.name)
def test_in_half_precision_as_near_as_torch_gets(run, dtype):
    """Ours may round elsewhere than torch does; it must not be further than that from the exact numbers."""
    halves, theirs, exact = (fresh((40,), (5, 8), dtype=dtype) for _ in range(3))
    exact = [p.detach().double() for p in exact]
    hyperparameters = run.hyperparameters(lr=0.01, weight_decay=0.01)
    ours, reference = run.optimizer(halves, **hyperparameters), run.optimizer(exact, **hyperparameters)
    known = {name: value for name, value in hyperparameters.items() if name not in OURS_ONLY}
    torchs = getattr(torch.optim, run.optimizer.__name__)(theirs, foreach=False, **known)
    for step in range(8):
        for p, q, r in zip(halves, theirs, exact, strict=True):
            p.grad = gradient(fresh(p.shape)[0], step).to(dtype)
            q.grad, r.grad = p.grad.clone(), p.grad.double()
        for optimizer in (ours, torchs, reference):
            optimizer.step()
    for p, q, r in zip(halves, theirs, exact, strict=True):
        assert p.dtype == dtype
        kept = {k: v.dtype for k, v in ours.state[p].items() if isinstance(v, torch.Tensor)}
        assert set(kept.values()) <= {dtype}, kept
        own, allowed = (p - r).abs().max(), (q - r).abs().max()
        assert own <= 2 * allowed + torch.finfo(dtype).eps, (own, allowed)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=["bfloat16", "float16"])
@pytest.mark.parametrize(
    "create",
    [
        lambda p: LARS(p, lr=1.0),
        lambda p: METHODS["LAMB"](p, lr=0.01),
        lambda p: NovoGrad(p, lr=0.01),
        lambda p: SGD(p, lr=1e-4, clip=by_global_norm(1.0)),
        lambda p: SGD(p, lr=0.01, scale=by_trust_ratio()),
    ],
    ids=["LARS", "LAMB", "NovoGrad", "global norm", "trust ratio"],
)
def test_the_norm_of_a_layer_in_half_precision_does_not_overflow(create, dtype):
    """‖g‖² is 4·10⁸ here, and the largest float16 65504."""
    (p,) = fresh((100, 100), dtype=dtype)
    (q,) = [p.detach().double()]
    for optimizer, x in [(create([p]), p), (create([q]), q)]:
        for _ in range(3):
            x.grad = torch.full_like(x, 200.0)
            optimizer.step()
    torch.testing.assert_close(p.detach().double(), q, rtol=0.02, atol=0.02)
    assert not torch.equal(p, fresh((100, 100), dtype=dtype)[0])


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=["bfloat16", "float16"])
def test_a_number_for_a_layer_keeps_its_precision_when_it_is_loaded(dtype):
    straight, first = (NovoGrad(fresh((4, 3), dtype=dtype), lr=0.01) for _ in range(2))
    train(straight, 6)
    train(first, 3)
    second = NovoGrad([p.requires_grad_() for p in values(first)], lr=0.5)
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    (state,) = second.state.values()
    assert state["exp_avg_sq"].dtype == torch.float32
    assert state["exp_avg"].dtype == dtype
    train(second, 3, first=4)
    assert_identical(values(second), values(straight))


@every_run
def test_a_complex_parameter_is_two_real_ones(run):
    generator = torch.Generator().manual_seed(3)
    numbers = torch.randn(3, 4, dtype=torch.complex128, generator=generator)
    pairs = torch.view_as_real(numbers).clone()
    one, two = make(run, [numbers.requires_grad_()], maximize=True), make(run, [pairs], maximize=True)
    for _ in range(7):
        grad = torch.randn(3, 4, dtype=torch.complex128, generator=generator)
        numbers.grad, pairs.grad = grad, torch.view_as_real(grad)
        one.step()
        two.step()
    assert_identical([torch.view_as_real(numbers.detach())], [pairs])
    assert all(v.is_complex() is False for v in one.state[numbers].values() if isinstance(v, torch.Tensor))
    saved = copy.deepcopy(one.state_dict())
    again = make(run, [numbers.detach().clone()])
    again.load_state_dict(saved)
    train(again, 1)


@pytest.mark.parametrize("name", ["Adam", "AdamW", "RMSprop", "Adagrad", "Adadelta", "RAdam", "SGD"])
def test_the_complex_state_of_torchs_own_is_taken_over(name):
    hyperparameters = {"lr": 0.01} | ({"momentum": 0.9} if name == "SGD" else {})
    p = torch.randn(3, dtype=torch.complex128, generator=torch.Generator().manual_seed(1))
    theirs = getattr(torch.optim, name)([p.requires_grad_()], **hyperparameters)
    train(theirs, 4)
    (q,) = values(theirs)
    ours = METHODS[name].optimizer([q.requires_grad_()], **hyperparameters)
    ours.load_state_dict(copy.deepcopy(theirs.state_dict()))
    train(theirs, 3, first=5)
    train(ours, 3, first=5)
    torch.testing.assert_close(values(ours), values(theirs), rtol=1e-10, atol=1e-10)


@each(APART)
def test_single_double_and_half_precision_in_one_optimizer(run):
    dtypes = [torch.float64, torch.float32, torch.bfloat16]
    together = [fresh((4, 3), dtype=dtype)[0] for dtype in dtypes]
    alone = [fresh((4, 3), dtype=dtype)[0] for dtype in dtypes]
    train(make(run, together), 7)
    for p in alone:
        train(make(run, [p]), 7)
    assert [p.dtype for p in together] == dtypes
    assert_identical(together, alone)


@pytest.mark.skipif(not hasattr(torch.Tensor, "grad_dtype"), reason="newer than this torch")
@pytest.mark.parametrize(
    ("dtype", "grad_dtype"),
    [
        (torch.bfloat16, torch.float32),
        (torch.float16, torch.float32),
        (torch.float32, torch.bfloat16),
        (torch.float64, torch.float32),
        (torch.float32, torch.float64),
    ],
    ids=str,
)
@every_run
def test_a_gradient_in_another_precision_than_its_parameter(run, dtype, grad_dtype):
    mixed, plain = (fresh(*shapes(run), dtype=dtype) for _ in range(2))
    one, two = make(run, mixed), make(run, plain)
    for step in range(1, 5):
        for p, q in zip(mixed, plain, strict=True):
            p.grad_dtype = grad_dtype
            grad = gradient(q, step)
            p.grad, q.grad = grad.to(grad_dtype), grad.to(grad_dtype).to(dtype)
        one.step()
        two.step()
    assert [p.dtype for p in mixed] == [dtype] * len(mixed)
    for p, q in zip(mixed, plain, strict=True):
        assert {v.dtype for v in one.state[p].values() if isinstance(v, torch.Tensor)} == {
            v.dtype for v in two.state[q].values() if isinstance(v, torch.Tensor)
        }
        tolerance = 4 * torch.finfo(dtype).eps  # a clip sees the gradient before it is rounded
        torch.testing.assert_close(p, q, rtol=tolerance, atol=tolerance)


@pytest.mark.skipif(not hasattr(torch.Tensor, "grad_dtype"), reason="newer than this torch")
def test_a_gradient_too_large_for_its_parameter_is_clipped_before_it_is_rounded():
    (p,) = fresh((2,), dtype=torch.float16)
    start = p.detach().clone()
    p.grad_dtype = torch.float32
    p.grad = torch.tensor([3e5, 4e5])
    SGD([p], lr=1.0, clip=by_global_norm(1.0)).step()
    torch.testing.assert_close(start - p.detach(), torch.tensor([0.6, 0.8]).half(), rtol=0.01, atol=0.01)


@pytest.mark.parametrize(
    "eps", [1e-8, torch.tensor(1e-8), torch.full((2,), 1e-8)], ids=["", "tensor", "batch"]
)
@each([run for run in RUNS if run.target("eps") and run.optimizer is not LARS])
def test_an_epsilon_that_float16_cannot_hold_does_not_let_zero_divide_by_zero(run, eps):
    """1e-8 is 0 in float16; torch's own give nan here, and inf for a gradient whose square is 0."""
    (p,) = fresh((2, 3), dtype=torch.float16)
    optimizer = make(run, [p], lr=0.01, weight_decay=0.0, eps=eps)
    before = p.detach().clone()
    for _ in range(8):
        p.grad = torch.zeros_like(p)
        optimizer.step()
    assert torch.equal(p, before)
    p.grad = torch.full_like(p, 1e-4)
    assert (p.grad.square() == 0).all()
    optimizer.step()
    assert (p - before).abs().max() < 1


def test_a_denominator_that_is_large_enough_is_left_as_it_is():
    for dtype in (torch.float16, torch.bfloat16, torch.float32, torch.float64):
        squares = torch.logspace(-7, 4, 60, dtype=torch.float64).to(dtype)
        squares = squares[squares > 0]
        for eps in (0.0, 1e-8, 1e-3):
            assert torch.equal(sqrt_with_eps(squares, eps, eps_in_root=False), squares.sqrt() + eps)
        assert sqrt_with_eps(torch.zeros(1, dtype=dtype), 1e-3, eps_in_root=False).item() == pytest.approx(
            1e-3, rel=0.01
        )
        assert sqrt_with_eps(torch.zeros(1, dtype=dtype), 0.0, eps_in_root=False).item() == 0


# --- made where there is no memory ------------------------------------------------------------------------

CREATE = {
    **{run.name: lambda p, run=run: make(run, p) for run in RUNS},
    "Lookahead": lambda p: Lookahead(torch.optim.Adam(p), alpha=0.3),
    "clips": lambda p: SGD(p, clip=in_turn(adaptive(0.1), by_value(0.5), by_layer_norm(1.0), centralize())),
}


@pytest.fixture(params=["context", "default"])
def on_meta(request):
    """Under ``torch.device("meta")``, and with it as default device, as large models are made."""
    if request.param == "context":
        with torch.device("meta"):
            yield
    else:
        torch.set_default_device("meta")
        yield
        torch.set_default_device(None)


# These ask for the value of a number that they find, which is nowhere.
FINDS = [run.name for run in RUNS if run.optimizer in SHARED]


@pytest.mark.parametrize("name", [name for name in CREATE if name not in FINDS])
def test_made_and_moved_on_meta_as_torchs_own(name, on_meta):
    net = nn.Linear(2, 2)
    optimizer = CREATE[name](list(net.parameters()))
    optimizer.add_param_group({"params": [nn.Parameter(torch.ones(3))]})
    for _ in range(2):
        for group in optimizer.param_groups:
            for p in group["params"]:
                p.grad = torch.ones_like(p)
        optimizer.step()
    optimizer.load_state_dict(optimizer.state_dict())
    assert all(p.is_meta for p in net.parameters())


@pytest.mark.parametrize("create", CREATE.values(), ids=CREATE)
def test_moves_what_is_elsewhere_than_the_default_device(create, on_meta):
    """The parameters are on the CPU, and what a step makes is where they are."""
    params, expected = ([torch.ones(2, 3, device="cpu", dtype=torch.float64)] for _ in range(2))
    optimizer = create(params)
    with torch.device("cpu"):
        reference = create(expected)
        train(reference, 3)
    for step in range(1, 4):
        params[0].grad = torch.cos(3 * params[0] + 2 * step)
        optimizer.step()
    assert_identical(params, expected)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@every_run
def test_parameters_on_two_devices(run):
    here, there = fresh((4, 3), (4, 3))
    both = [here.detach().clone(), there.detach().clone().cuda()]
    train(make(run, both), 7)
    reference = [here, there]
    train(make(run, reference), 7)
    for p, q in zip(both, reference, strict=True):
        torch.testing.assert_close(p.cpu(), q.detach(), rtol=1e-9, atol=1e-9)


# --- sparse gradients -------------------------------------------------------------------------------------


def embedding():
    torch.manual_seed(0)
    return nn.Embedding(6, 2, sparse=True, dtype=torch.float64)


def look_up(table, step):
    table.zero_grad()
    table(torch.tensor([step % 6, 1, 1])).square().sum().backward()


SPARSE = (SGD, Adagrad)
NOT_SPARSE = {
    name: (m, "; use SGD or Adagrad") for name, m in METHODS.items() if m.optimizer not in SPARSE
} | {
    f"{cls.__name__}, {what}": (partial(cls, **options), f" together with {hint}")
    for cls in SPARSE
    for what, options, hint in [
        ("clip", {"clip": by_value(1.0)}, "clip or scale"),
        ("scale", {"scale": by_trust_ratio()}, "clip or scale"),
        ("decay", {"weight_decay": 0.1}, "weight_decay"),
    ]
}


@pytest.mark.parametrize(("create", "hint"), NOT_SPARSE.values(), ids=NOT_SPARSE)
def test_a_sparse_gradient_is_refused_before_anything_has_moved(create, hint):
    dense, table = torch.ones(3, requires_grad=True), embedding()
    optimizer = create([dense, table.weight])
    dense.grad = torch.ones(3)
    optimizer.step()
    before = copy.deepcopy([values(optimizer), optimizer.state_dict()])
    dense.grad = torch.ones(3)
    look_up(table, 0)
    with pytest.raises(RuntimeError, match=f"does not support sparse gradients{hint}"):
        optimizer.step()
    assert_identical(values(optimizer), before[0])
    assert str(optimizer.state_dict()) == str(before[1])


@pytest.mark.parametrize(
    ("cls", "options"),
    [
        (SGD, {}),
        (SGD, {"momentum": 0.9}),
        (SGD, {"momentum": 0.9, "dampening": 0.5}),
        *(
            (cls, {name: value})
            for cls in SPARSE
            for name, value in [("maximize", True), ("nonfinite", "skip")]
        ),
        (Adagrad, {}),
        (Adagrad, {"lr_decay": 0.1}),
        (Adagrad, {"initial_accumulator_value": 0.5, "eps": 1e-3}),
        (Adagrad, {"eps": 0.0}),
    ],
    ids=str,
)
@pytest.mark.filterwarnings("ignore:Sparse invariant checks are implicitly disabled")  # torch's own Adagrad
def test_sparse_gradients_are_taken_as_torch_does(cls, options):
    ours, theirs = embedding(), embedding()
    optimizer = cls(ours.parameters(), lr=0.1, **options)
    torchs = getattr(torch.optim, cls.__name__)(
        theirs.parameters(), lr=0.1, **{k: v for k, v in options.items() if k != "nonfinite"}
    )
    for step in range(8):
        look_up(ours, step)  # row 1 is looked up twice or three times: its gradients are added
        look_up(theirs, step)
        optimizer.step()
        torchs.step()
    torch.testing.assert_close(ours.weight, theirs.weight, rtol=1e-12, atol=1e-12)
    for name, value in torchs.state[theirs.weight].items():
        if torch.is_tensor(value) and name != "step":
            torch.testing.assert_close(optimizer.state[ours.weight][name].to_dense(), value.to_dense())


def test_adagrad_moves_only_the_rows_that_a_sparse_gradient_names():
    table = embedding()
    optimizer = Adagrad(table.parameters(), lr=0.1, initial_accumulator_value=0.5)
    for step in (0, 3, 3):
        before = table.weight.detach().clone()
        sums = optimizer.state[table.weight].get("sum", torch.full_like(before, 0.5)).clone()
        look_up(table, step)
        optimizer.step()
        moved = (table.weight != before).all(1), (optimizer.state[table.weight]["sum"] != sums).all(1)
        still = (table.weight == before).all(1), (optimizer.state[table.weight]["sum"] == sums).all(1)
        for yes, no in zip(moved, still, strict=True):
            assert yes.nonzero().flatten().tolist() == sorted({step, 1})
            assert torch.equal(~yes, no)


def test_adagrad_with_sparse_gradients_is_adagrad():
    """Also where a large table is cut in pieces, with two sparse axes, in half precision and in a bucket with
    a dense parameter."""
    for shape, axes, dtype in [((2**18, 2), 1, torch.float32), ((4, 3, 2), 2, torch.bfloat16)]:
        dense = [torch.ones(shape, dtype=dtype), torch.ones(3, dtype=dtype)]
        sparse = [p.clone() for p in dense]
        both = Adagrad(dense, lr=0.1), Adagrad(sparse, lr=0.1)
        for step in range(4):
            grad = torch.zeros(shape, dtype=dtype)
            grad[step % 2, 1], grad[3] = 0.5, 0.25 * step
            dense[0].grad, sparse[0].grad = grad, grad.to_sparse(axes)
            dense[1].grad = sparse[1].grad = torch.ones(3, dtype=dtype)
            for optimizer in both:
                optimizer.step()
        assert_identical(dense, sparse)
        assert_identical([both[0].state[dense[0]]["sum"]], [both[1].state[sparse[0]]["sum"]])


def test_sparse_gradients_of_several_models_are_refused():
    table = embedding()
    look_up(table, 0)
    optimizer = Adagrad(table.parameters(), lr=torch.full((6,), 0.1))
    with pytest.raises(
        RuntimeError, match="sparse gradients together with hyperparameters for several models"
    ):
        optimizer.step()


def test_a_sparse_gradient_that_is_not_finite_is_seen():
    table = embedding()
    optimizer = SGD(table.parameters(), lr=0.1, nonfinite="skip")
    look_up(table, 0)
    before = table.weight.detach().clone()
    table.weight.grad = table.weight.grad * float("nan")
    optimizer.step()
    assert_identical([table.weight], [before])


# --- loading ----------------------------------------------------------------------------------------------


def loaders():
    """An optimizer of each kind of state, with the hooks' owner: ours, and those that go around another."""
    return {
        "Adam": lambda p: Adam(p, lr=0.1),
        "NovoGrad": lambda p: NovoGrad(p, lr=0.01),
        "Ranger": lambda p: METHODS["Ranger"](p, lr=0.1),
        "Lookahead of ours": lambda p: Lookahead(NovoGrad(p, lr=0.01)),
        "Lookahead of torch's": lambda p: Lookahead(torch.optim.Adam(p, lr=0.1)),
    }


every_loader = pytest.mark.parametrize("create", loaders().values(), ids=loaders())


@every_loader
def test_load_hooks_are_called_with_the_optimizer_before_and_after(create):
    saved, optimizer = create(fresh((2,), (3,))), create(fresh((2,), (3,)))
    train(saved, 3)
    seen = []

    def before(one, state_dict):
        seen.append(("pre", one is optimizer, len(optimizer.state), len(state_dict["state"])))

    def after(one):
        seen.append(("post", one is optimizer, len(optimizer.state), len(one.param_groups)))

    optimizer.register_load_state_dict_pre_hook(lambda *_: seen.append("second"))
    first = optimizer.register_load_state_dict_pre_hook(before, prepend=True)
    optimizer.register_load_state_dict_post_hook(lambda _: seen.append("last"))
    optimizer.register_load_state_dict_post_hook(after, prepend=True)
    optimizer.load_state_dict(saved.state_dict())
    assert seen == [("pre", True, 0, 2), "second", ("post", True, 2, 1), "last"]
    first.remove()
    optimizer.load_state_dict(saved.state_dict())
    assert seen[4:] == ["second", ("post", True, 2, 1), "last"]
    assert not copy.deepcopy(optimizer)._optimizer_load_state_dict_pre_hooks  # as torch: a copy has none


def permuted(state_dict, order):
    """Of one group: what stands at i goes to order[i]."""
    state = {order[i]: values for i, values in state_dict["state"].items()}
    return {"state": state, "param_groups": state_dict["param_groups"]}


@pytest.mark.parametrize("in_place", [False, True], ids=["returned", "in place"])
@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16], ids=str)
@every_loader
def test_what_a_load_hook_makes_of_the_dict_counts_all_of_it(create, dtype, in_place):
    """A checkpoint whose parameters stand in another order, by name; torch's docs give this as the use."""
    shapes = [(2, 3)] * 3
    saved, straight = create(fresh(*shapes, dtype=dtype)), create(fresh(*shapes, dtype=dtype))
    train(saved, 3)
    train(straight, 3)
    order = {0: 2, 1: 0, 2: 1}
    optimizer = create([p.requires_grad_() for p in values(saved)])

    def by_name(_, state_dict):
        if not in_place:
            return permuted(state_dict, order)
        state_dict.update(permuted(state_dict, order))
        return None

    optimizer.register_load_state_dict_pre_hook(by_name)
    back = {new: old for old, new in order.items()}
    optimizer.load_state_dict(permuted(copy.deepcopy(saved.state_dict()), back))
    train(optimizer, 3, first=4)
    train(straight, 3, first=4)
    assert_identical(values(optimizer), values(straight))


def test_a_load_hook_may_give_back_another_number_of_parameters():
    """The checkpoint has a layer that is gone; v, a number of a layer, keeps its precision."""
    large, small = fresh((4,), (3,), dtype=torch.bfloat16), fresh((3,), dtype=torch.bfloat16)
    saved, optimizer = NovoGrad(large), NovoGrad(small)
    train(saved, 2)
    saved.state[large[1]]["exp_avg_sq"].fill_(100.3)

    def last_only(_, state_dict):
        (group,) = state_dict["param_groups"]
        return {"state": {0: state_dict["state"][1]}, "param_groups": [group | {"params": [0]}]}

    seen = []
    optimizer.register_load_state_dict_pre_hook(last_only)
    optimizer.register_load_state_dict_post_hook(lambda one: seen.append(one.state[small[0]]["exp_avg_sq"]))
    optimizer.load_state_dict(saved.state_dict())
    for found in (*seen, optimizer.state[small[0]]["exp_avg_sq"]):
        assert (found.dtype, found.item()) == (torch.float32, pytest.approx(100.3))
    assert len(seen) == 1
    train(optimizer, 1)


def test_a_dict_that_does_not_fit_is_refused_and_nothing_is_changed():
    saved, optimizer = NovoGrad(fresh((2,), (3,))), NovoGrad(fresh((2,), (3,)))
    train(saved, 1)
    train(optimizer, 3)
    before = copy.deepcopy(optimizer.state_dict())
    bad = saved.state_dict()
    bad["param_groups"][0]["params"] = [0]
    with pytest.raises(ValueError, match="doesn't match the size"):
        optimizer.load_state_dict(bad)
    assert str(optimizer.state_dict()) == str(before)
    optimizer.load_state_dict(saved.state_dict())  # nothing of the failed one is left
    assert optimizer.state_dict()["state"][0]["step"] == 1


DECOUPLED = {name: cls for name, cls in vars(lwlr_teach.optim).items() if getattr(cls, "fixed", None)}


@pytest.mark.parametrize("cls", [*DECOUPLED.values(), METHODS["Ranger"]], ids=[*DECOUPLED, "Ranger"])
@pytest.mark.parametrize(
    "other",
    [Adam, torch.optim.Adam, torch.optim.RAdam, SGD],
    ids=["Adam", "torch Adam", "torch RAdam", "SGD"],
)
def test_decay_stays_decoupled_whatever_is_loaded(cls, other):
    """As torch's AdamW has it since its flag stands in the group."""
    optimizer = cls(fresh((3, 2)))
    own = dict(optimizer.param_groups[0])
    optimizer.load_state_dict(other(fresh((3, 2)), weight_decay=0.5).state_dict())
    group = optimizer.param_groups[0]
    flag = "decoupled_weight_decay"
    group |= {k: v for k, v in own.items() if k not in ("params", "lr", "weight_decay", flag)}
    before = values(optimizer)
    for p in group["params"]:
        p.grad = torch.zeros_like(p)
    optimizer.step()
    torch.testing.assert_close(values(optimizer)[0], (1 - group["lr"] * 0.5) * before[0])
    assert copy.deepcopy(optimizer).param_groups[0][flag] is True


def test_these_are_all_that_decouple():
    assert set(DECOUPLED) == {"AdamW", "AdamMini", "Adafactor", "Lion", "Muon"}


def test_adam_takes_a_decoupled_decay_over_as_torchs_does():
    for adam, adamw in [(Adam, AdamW), (torch.optim.Adam, torch.optim.AdamW)]:
        optimizer = adam(fresh((3,)))
        optimizer.load_state_dict(adamw(fresh((3,))).state_dict())
        assert optimizer.param_groups[0]["decoupled_weight_decay"] is True


@pytest.mark.parametrize("saved", [{"momentum_buffer": None}, {}, None], ids=str)
@pytest.mark.parametrize("wrap", [lambda o: o, Lookahead], ids=["", "Lookahead"])
def test_a_buffer_that_older_torch_saved_as_none_is_one_that_is_yet_to_come(saved, wrap):
    loaded, straight = (wrap(SGD(fresh((3,)), lr=0.1, momentum=0.9)) for _ in range(2))
    loaded.load_state_dict({"state": {0: saved}, "param_groups": straight.state_dict()["param_groups"]})
    train(loaded, 3)
    train(straight, 3)
    assert_identical(values(loaded), values(straight))


@each([run for run in APART if "scale" not in run.settings])
def test_a_note_that_somebody_keeps_in_the_state_is_in_nobodys_way(run):
    """Text, numbers and tensors of any shape, beside a tensor large enough to be moved in pieces."""
    ends = []
    for notes in ({}, {"name": "head", "seen": 3, "scale": torch.tensor(2.0), "rows": torch.ones(5)}):
        p = fresh((2**18 + 3,), dtype=torch.float32)[0]
        optimizer = make(run, [p])
        train(optimizer, 2)
        inner = getattr(optimizer, "optimizer", optimizer)
        inner.state[p].update(copy.deepcopy(notes))
        train(optimizer, 1, first=3)
        saved = optimizer.state_dict()
        saved["state"][0].pop("name", None)  # torch itself loads text as a generator
        optimizer.load_state_dict(saved)
        train(optimizer, 1, first=4)
        assert optimizer.state[p].get("seen") == notes.get("seen")
        ends.append(values(optimizer))
    assert_identical(*ends)


# --- groups and copies ------------------------------------------------------------------------------------


@every_run
def test_a_parameter_given_twice_is_refused(run):
    first, second = fresh((2,), (3,))
    with pytest.warns(UserWarning, match="duplicate parameters"):
        make(run, [first, second, first])
    optimizer = make(run, [first])
    with pytest.raises(ValueError, match="some parameters appear in more than one parameter group"):
        optimizer.add_param_group({"params": [first]})
    optimizer.add_param_group({"params": [second]})
    assert [group["params"] for group in optimizer.param_groups] == [[first], [second]]


@every_run
@pytest.mark.parametrize(
    "clone", [copy.deepcopy, lambda o: pickle.loads(pickle.dumps(o))], ids=["deepcopy", "pickle"]
)
def test_a_copy_keeps_its_options(run, clone):
    options = {"clip": by_value(0.3), "scale": by_trust_ratio(), "nonfinite": "skip", "maximize": True}
    original = make(run, **options)
    train(original, 3)
    copied = clone(original)
    for optimizer in (original, copied):
        params = [p for group in optimizer.param_groups for p in group["params"]]
        for p in params:
            p.grad = torch.full_like(p, float("nan"))
        optimizer.step()
        train(optimizer, 4, first=4)
    assert_identical(values(copied), values(original))
    assert all(torch.isfinite(v).all() for v in values(copied))


@every_run
def test_a_model_and_its_optimizer_are_copied_together(run):
    net = model()
    optimizer = make(run, list(net.parameters()))
    fit(net, optimizer, range(3))
    net, optimizer = copy.deepcopy((net, optimizer))
    fit(net, optimizer, range(3, 6))
    assert_identical(net.parameters(), straight(run))


@every_run
def test_through_torchs_checkpoints_by_name(run):
    net, other = model(), model()
    optimizer = make(run, list(net.parameters()))
    fit(net, optimizer, range(3))
    saved = copy.deepcopy(get_optimizer_state_dict(net, optimizer))
    assert all("0.weight" in key for key in list(saved["state"])[:1])
    other.load_state_dict(net.state_dict())
    resumed = make(run, list(other.parameters()), lr=0.7)
    set_optimizer_state_dict(other, resumed, saved)
    fit(other, resumed, range(3, 6))
    assert_identical(other.parameters(), straight(run))


def test_the_state_can_be_moved_and_cleared_as_that_of_torch():
    optimizer = AdamW(fresh(), lr=0.1)
    train(optimizer, 2)
    optimizer.load_state_dict({"state": {}, "param_groups": optimizer.state_dict()["param_groups"]})
    assert not optimizer.state
    train(optimizer, 2)
