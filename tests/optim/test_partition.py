"""Several optimizers as one: the steps of each alone, in the place of a single one of torch's."""

import copy
import io
import pickle
import re
from collections import defaultdict

import pytest
import torch
from torch import nn
from torch.distributed.checkpoint.state_dict import get_optimizer_state_dict, set_optimizer_state_dict
from torch.optim import lr_scheduler

from lwlr_teach.clipping import by_global_norm
from lwlr_teach.layerwise import split_for_muon
from lwlr_teach.optim import SGD, SGDHD, Adam, AdamW, Lookahead, Muon, NovoGrad, Partition, Ranger
from lwlr_teach.runs import Recorder, fit
from lwlr_teach.schedules import Cosine, OneCycle, ScheduleLR, drive
from tests.optim.runs import assert_identical, fresh, train, values
from tests.optim.test_drop_in import SCHEDULERS

pytestmark = pytest.mark.usefixtures("one_thread")

SHAPES = [(4, 3), (4,), (2, 5), ()]

# Makers of the optimizer of the matrices and of the other one.
PARTS = {
    "Muon and AdamW": (lambda p, **kw: Muon(p, **dict(lr=0.02) | kw), lambda p: AdamW(p, lr=0.1)),
    "both of torch's": (
        lambda p, **kw: torch.optim.Muon(p, **dict(lr=0.02) | kw),
        lambda p: torch.optim.AdamW(p, lr=0.1),
    ),
    "ours and torch's": (
        lambda p, **kw: SGD(p, **dict(lr=0.1, momentum=0.9, clip=by_global_norm(0.5)) | kw),
        lambda p: torch.optim.RMSprop(p, lr=0.1),
    ),
    "torch's and ours": (
        lambda p, **kw: torch.optim.SGD(p, **dict(lr=0.1) | kw),
        lambda p: NovoGrad(p, lr=0.01),
    ),
    "around another": (lambda p, **kw: Ranger(p, **dict(lr=0.1) | kw), lambda p: Lookahead(Adam(p), k=2)),
}
each = pytest.mark.parametrize("parts", PARTS.values(), ids=PARTS)


def apart(parts, params, **chosen):
    """Two optimizers, as one would make them by hand."""
    one, other = parts
    return one([p for p in params if p.ndim == 2], **chosen), other([p for p in params if p.ndim != 2])


def made(parts, params=None, **chosen):
    return Partition(*apart(parts, fresh(*SHAPES) if params is None else params, **chosen))


def by_hand(parts, steps, **chosen):
    params = fresh(*SHAPES)
    for optimizer in apart(parts, params, **chosen):
        train(optimizer, steps)
    return [p for p in params if p.ndim == 2] + [p for p in params if p.ndim != 2]


class Net(nn.Sequential):
    def __init__(self):
        torch.manual_seed(0)
        super().__init__(nn.Linear(3, 4), nn.Linear(4, 4), nn.LayerNorm(4), nn.Linear(4, 1))
        self.double()


def muon_and_adamw(net):
    hidden, others = split_for_muon(net)
    return Partition(Muon(hidden, lr=0.02), AdamW(others, lr=0.1))


def loss_of(net, step):
    x = torch.randn(5, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(step))
    return net(x).square().mean()


def descend(net, optimizer, steps):
    for step in steps:
        optimizer.zero_grad()
        loss_of(net, step).backward()
        optimizer.step()
    return list(net.parameters())


# --- the steps ---------------------------------------------------------------------------------------------


@each
def test_each_part_takes_the_steps_that_it_takes_alone(parts):
    together = made(parts)
    train(together, 7)
    assert_identical(values(together), by_hand(parts, 7))


def test_the_groups_come_in_the_order_of_the_parts():
    one, other = apart(PARTS["Muon and AdamW"], fresh(*SHAPES))
    assert Partition(one, other).param_groups == [*one.param_groups, *other.param_groups]
    assert Partition(other, one).param_groups == [*other.param_groups, *one.param_groups]


def test_three_parts_and_parts_of_parts():
    params = fresh((2,), (2,), (2,))
    nested = Partition(
        Partition(SGD(params[:1], lr=0.1), Adam(params[1:2], lr=0.1)), AdamW(params[2:], lr=0.1)
    )
    train(nested, 4)
    flat = fresh((2,), (2,), (2,))
    train(Partition(SGD(flat[:1], lr=0.1), Adam(flat[1:2], lr=0.1), AdamW(flat[2:], lr=0.1)), 4)
    assert_identical(params, flat)
    assert set(nested.state) == set(params)


def test_a_batch_of_models_has_a_rate_for_each_in_both_parts():
    rates = torch.tensor([0.01, 0.1, 1.0], dtype=torch.float64)
    matrices, biases = fresh((3, 4, 2), (3, 4))
    train(Partition(SGD([matrices], lr=rates, momentum=0.9), Adam([biases], lr=rates / 10)), 4)
    for i, rate in enumerate(rates.tolist()):
        matrix, bias = (p[i].detach().clone() for p in fresh((3, 4, 2), (3, 4)))
        train(Partition(SGD([matrix], lr=rate, momentum=0.9), Adam([bias], lr=rate / 10)), 4)
        torch.testing.assert_close(matrices[i].detach(), matrix, rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(biases[i].detach(), bias, rtol=1e-12, atol=1e-12)


@each
def test_a_closure_is_called_once_with_gradients_and_its_loss_returned(parts):
    params, calls = fresh(*SHAPES), []
    optimizer = made(parts, params)

    def closure():
        calls.append(torch.is_grad_enabled())
        optimizer.zero_grad()
        loss = sum(p.square().sum() for p in params)
        loss.backward()
        return loss

    for _ in range(3):
        expected = sum(p.detach().square().sum() for p in params)
        assert torch.equal(optimizer.step(closure), expected)
    assert calls == [True] * 3


def test_a_parameter_without_a_gradient_stays():
    seen, never = fresh((2, 2), (3,))
    optimizer = Partition(Muon([seen]), AdamW([never]))
    seen.grad = torch.ones_like(seen)
    optimizer.step()
    assert not torch.equal(seen, fresh((2, 2), (3,))[0])
    assert torch.equal(never, fresh((2, 2), (3,))[1])
    optimizer.zero_grad()
    assert seen.grad is None


# --- in the place of one optimizer -------------------------------------------------------------------------


@pytest.mark.parametrize("name", [name for name in SCHEDULERS if name not in ("OneCycleLR", "SWALR")])
def test_a_scheduler_of_torch_scales_every_group_as_by_hand(name):
    parts, scheduler = PARTS["Muon and AdamW"], SCHEDULERS[name]
    optimizer, params = made(parts), fresh(*SHAPES)
    alone = apart(parts, params)
    schedules = [scheduler(optimizer), *map(scheduler, alone)]
    seen = set()
    for step in range(8):
        for one in (optimizer, *alone):
            train(one, 1, first=step)
        assert [g["lr"] for g in optimizer.param_groups] == [one.param_groups[0]["lr"] for one in alone]
        seen.add(optimizer.param_groups[0]["lr"])
        for schedule in schedules:
            schedule.step(*([1.0] if isinstance(schedule, lr_scheduler.ReduceLROnPlateau) else []))
    assert len(seen) > 1
    assert_identical(values(optimizer), [*values(alone[0]), *values(alone[1])])


def test_our_schedules_scale_every_group_and_cycle_both_momenta():
    optimizer = made(PARTS["Muon and AdamW"])
    scheduler = ScheduleLR(optimizer, Cosine(4))
    for _ in range(2):
        train(optimizer, 1)
        scheduler.step()
    assert [g["lr"] for g in optimizer.param_groups] == pytest.approx([0.01, 0.05])
    drive(optimizer, cycle := OneCycle(10), 3)
    assert optimizer.param_groups[0]["momentum"] == cycle.momentum(3)
    assert optimizer.param_groups[1]["betas"] == (cycle.momentum(3), 0.999)


def test_torchs_one_cycle_wants_a_momentum_that_all_groups_have():
    momenta = made(PARTS["Muon and AdamW"])  # one has a momentum, the other betas
    with pytest.raises(ValueError, match="optimizer must support momentum or beta1"):
        lr_scheduler.OneCycleLR(momenta, max_lr=0.1, total_steps=5)
    lr_scheduler.OneCycleLR(momenta, max_lr=[0.1, 0.2], total_steps=5, cycle_momentum=False)
    p, q = fresh((2,), (2,))
    betas = Partition(Adam([p]), AdamW([q], betas=(0.8, 0.99)))
    lr_scheduler.OneCycleLR(betas, max_lr=0.1, total_steps=5)
    assert betas.param_groups[0]["betas"] == (0.95, 0.999)
    assert betas.param_groups[1]["betas"] == (0.95, 0.99)


@pytest.mark.parametrize(
    "optimizer",
    [lambda p, q: Partition(SGD([p]), SGDHD([q])), lambda p, q: Lookahead(Partition(SGDHD([p]), SGD([q])))],
    ids=["a part", "inside Lookahead"],
)
def test_a_part_that_finds_its_rate_itself_is_not_scheduled(optimizer):
    with pytest.raises(ValueError, match="finds its rate itself; leave one out"):
        ScheduleLR(optimizer(*fresh((2,), (3,))), Cosine(4))


def test_fit_refuses_a_part_that_wants_its_gradient_again():
    net = Net()
    optimizer = Partition(SGD(net[0].parameters()), torch.optim.LBFGS(net[1].parameters()))
    with pytest.raises(ValueError, match="and LBFGS asks for a closure that computes it again"):
        fit(net, optimizer, [(torch.zeros(2, 3), torch.zeros(2, 1))], steps=1)


@each
@pytest.mark.parametrize("stop", [0, 3])
def test_saved_and_loaded_it_continues_bit_for_bit(parts, stop):
    straight, first = made(parts), made(parts)
    train(straight, 6)
    train(first, stop)
    file = io.BytesIO()
    torch.save(first.state_dict(), file)
    file.seek(0)
    second = made(parts, [p.requires_grad_() for p in values(first)], lr=7.0)
    second.load_state_dict(torch.load(file, weights_only=True))
    assert [g["lr"] for g in second.param_groups] == [g["lr"] for g in first.param_groups]
    train(second, 6 - stop, first=stop + 1)
    assert_identical(values(second), values(straight))


def test_the_state_is_that_of_torchs_own_optimizers():
    """A run that was begun with torch's two goes on with ours, and back."""
    theirs, ours = (
        Partition(*apart(PARTS[n], fresh(*SHAPES))) for n in ("both of torch's", "Muon and AdamW")
    )
    train(theirs, 3)
    ours.load_state_dict(copy.deepcopy(theirs.state_dict()))
    state = ours.state_dict()
    assert list(state["state"]) == list(theirs.state_dict()["state"])
    for index, kept in theirs.state_dict()["state"].items():
        for name, value in kept.items():
            assert torch.equal(torch.as_tensor(state["state"][index][name]), torch.as_tensor(value))
    theirs.load_state_dict(state)


def test_a_number_for_a_layer_keeps_its_precision_when_it_is_loaded():
    """NovoGrad keeps a norm in float32 beside a parameter in bfloat16."""
    saved, loaded = (
        Partition(NovoGrad(p[:1]), Adam(p[1:])) for p in (fresh((2, 3), (3,), dtype=torch.bfloat16),) * 2
    )
    train(saved, 2)
    loaded.load_state_dict(copy.deepcopy(saved.state_dict()))
    assert next(iter(loaded.state.values()))["exp_avg_sq"].dtype == torch.float32


def test_a_dict_that_does_not_fit_is_refused_and_nothing_is_changed():
    optimizer = made(PARTS["Muon and AdamW"])
    train(optimizer, 2)
    before = copy.deepcopy(optimizer.state_dict())
    bad = copy.deepcopy(before)
    bad["param_groups"][1]["params"] = bad["param_groups"][1]["params"][:1]
    with pytest.raises(ValueError, match="doesn't match the size"):
        optimizer.load_state_dict(bad)
    assert str(optimizer.state_dict()) == str(before)


def test_load_hooks_are_called_with_the_optimizer_before_and_after():
    saved, optimizer = made(PARTS["Muon and AdamW"]), made(PARTS["Muon and AdamW"])
    train(saved, 2)
    seen = []
    optimizer.register_load_state_dict_post_hook(lambda one: seen.append((one is optimizer, len(one.state))))

    def half_the_rates(one, state_dict):
        seen.append((one is optimizer, len(one.state)))
        groups = [group | {"lr": group["lr"] / 2} for group in state_dict["param_groups"]]
        return {"state": state_dict["state"], "param_groups": groups}

    optimizer.register_load_state_dict_pre_hook(half_the_rates)
    optimizer.load_state_dict(saved.state_dict())
    assert seen == [(True, 0), (True, 4)]
    assert [group["lr"] for group in optimizer.param_groups] == [0.01, 0.05]


def test_step_hooks_are_called_once():
    optimizer, seen = made(PARTS["Muon and AdamW"]), []
    optimizer.register_step_pre_hook(lambda one, args, kwargs: seen.append(("pre", one is optimizer)))
    optimizer.register_step_post_hook(lambda one, args, kwargs: seen.append(("post", one is optimizer)))
    train(optimizer, 1)
    assert seen == [("pre", True), ("post", True)]


@each
@pytest.mark.parametrize(
    "clone", [copy.deepcopy, lambda o: pickle.loads(pickle.dumps(o))], ids=["deepcopy", "pickle"]
)
def test_a_copy_continues_bit_for_bit_and_on_its_own(parts, clone):
    original = made(parts)
    train(original, 3)
    paused = values(original)
    copied = clone(original)
    train(copied, 4, first=4)
    assert_identical(values(original), paused)
    train(original, 4, first=4)
    assert_identical(values(copied), values(original))
    assert copied.param_groups[0] is copied.optimizers[0].param_groups[0]


def test_grad_scaler_unscales_all_and_skips_a_step_with_inf_in_one_part():
    net, plain = Net(), Net()
    optimizer = muon_and_adamw(net)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**8, growth_interval=1000)
    for step in [0, 1, 99, 2]:
        optimizer.zero_grad()
        scaler.scale(loss_of(net, step)).backward()
        if step == 99:
            net[1].weight.grad[0, 0] = float("inf")  # Muon's
            before = values(optimizer)
        scaler.step(optimizer)
        scaler.update()
        if step == 99:
            assert_identical(values(optimizer), before)
    assert_identical(net.parameters(), descend(plain, muon_and_adamw(plain), range(3)))


def test_through_torchs_checkpoints_by_name():
    net, other, straight = Net(), Net(), Net()
    optimizer = muon_and_adamw(net)
    descend(net, optimizer, range(3))
    saved = copy.deepcopy(get_optimizer_state_dict(net, optimizer))
    assert set(saved["state"]) == {name for name, _ in net.named_parameters()}
    other.load_state_dict(net.state_dict())
    resumed = muon_and_adamw(other)
    set_optimizer_state_dict(other, resumed, saved)
    descend(other, resumed, range(3, 6))
    assert_identical(other.parameters(), descend(straight, muon_and_adamw(straight), range(6)))


@pytest.mark.parametrize("parts", [PARTS[name] for name in PARTS if name != "around another"])
def test_lookahead_goes_around_it(parts):
    got, expected = fresh(*SHAPES), fresh(*SHAPES)
    train(Lookahead(made(parts, got), k=3, alpha=0.4), 7)
    fast = made(parts, expected)
    slow = {p: p.detach().clone() for p in expected}
    for step in range(1, 8):
        train(fast, 1, first=step)
        if step % 3 == 0:
            for p in expected:
                slow[p] += 0.4 * (p.detach() - slow[p])
                p.data.copy_(slow[p])
    assert_identical(got, expected)


def test_lookahead_goes_around_no_part_that_looks_ahead_itself():
    with pytest.raises(TypeError, match="optimizer must not look ahead itself, got Partition"):
        Lookahead(made(PARTS["around another"]))


def test_a_recorder_sees_the_clip_and_the_rate_of_each_part():
    net, same = Net(), Net()
    optimizer = Partition(
        SGD(net[0].parameters(), lr=0.1, clip=by_global_norm(0.01)), AdamW(list(net.parameters())[2:], lr=0.2)
    )
    with Recorder(net, optimizer, every=1) as recorder:
        descend(net, optimizer, [0])
    loss_of(same, 0).backward()
    norms = [torch.cat([p.grad.flatten() for p in same[i].parameters()]).norm().item() for i in (0, 1, 2, 3)]
    recording = recorder.recording
    assert recording["clipped_norm"][:, 0].tolist() == pytest.approx([0.01, *norms[1:]])
    assert recording["grad_norm"][:, 0].tolist() == pytest.approx(norms)
    assert recording["effective_rate"][:, 0].tolist() == pytest.approx([0.1, 0.2, 0.2, 0.2])


# --- groups and state --------------------------------------------------------------------------------------


def test_a_group_goes_to_the_optimizer_that_it_names_and_comes_last():
    params = fresh((2, 2), (2,), (3, 3), (3,))
    optimizer = Partition(Muon(params[:1], lr=0.02), AdamW(params[1:2], lr=0.1))
    given = {"params": params[2], "lr": 0.03, "optimizer": 0}
    optimizer.add_param_group(given)
    optimizer.add_param_group({"params": params[3:], "optimizer": 1})
    assert given.keys() == {"params", "lr", "optimizer"}
    assert [g["params"][0] is p for g, p in zip(optimizer.param_groups, params, strict=True)] == [True] * 4
    assert [g["lr"] for g in optimizer.param_groups] == [0.02, 0.1, 0.03, 0.1]
    assert len(optimizer.optimizers[0].param_groups) == 2
    train(optimizer, 3)
    alone = fresh((2, 2), (2,), (3, 3), (3,))
    muon = Muon([{"params": alone[:1]}, {"params": alone[2:3], "lr": 0.03}], lr=0.02)
    for one in (muon, AdamW([{"params": alone[1:2]}, {"params": alone[3:]}], lr=0.1)):
        train(one, 3)
    assert_identical(params, alone)
    again = copy.deepcopy(optimizer)
    again.load_state_dict(optimizer.state_dict())
    assert [g["lr"] for g in again.param_groups] == [0.02, 0.1, 0.03, 0.1]


def test_a_group_that_one_part_was_given_alone_comes_last_too():
    params = fresh((2,), (2,), (2,))
    optimizer = Partition(SGD(params[:1]), Adam(params[1:2]))
    schedule = lr_scheduler.ExponentialLR(optimizer, 0.5)
    assert len(schedule.base_lrs) == 2
    optimizer.optimizers[0].add_param_group({"params": params[2:]})
    assert [g["params"][0] is p for g, p in zip(optimizer.param_groups, params, strict=True)] == [True] * 3


def test_the_state_is_one_mapping_of_the_very_dicts():
    p, q, stranger = fresh((2,), (3,), (4,))
    optimizer = Partition(SGD([p], momentum=0.9), Adam([q]))
    assert len(optimizer.state) == 0
    assert p not in optimizer.state
    assert optimizer.state.get(p) is None
    assert len(optimizer.state) == 0  # a look makes no entry
    optimizer.state[p]["note"] = 3  # as with torch's
    assert optimizer.optimizers[0].state[p] == {"note": 3}
    train(optimizer, 1)
    assert set(optimizer.state) == {p, q}
    assert optimizer.state[q] is optimizer.optimizers[1].state[q]
    optimizer.state[q] = {"step": 7}
    assert optimizer.optimizers[1].state[q] == {"step": 7}
    del optimizer.state[q]
    assert set(optimizer.state) == {p}
    with pytest.raises(KeyError):
        optimizer.state[stranger]
    optimizer.state = defaultdict(dict)
    assert len(optimizer.state) == 0
    assert not optimizer.optimizers[0].state


def test_it_shows_all_groups():
    assert re.findall(r"lr: (\S+)", repr(made(PARTS["Muon and AdamW"]))) == ["0.02", "0.1"]


# --- wrong input -------------------------------------------------------------------------------------------


def test_what_is_no_partition_is_refused():
    p, q = fresh((2, 2), (3,))
    with pytest.raises(ValueError, match="optimizers must be at least one, got none"):
        Partition()
    with pytest.raises(TypeError, match=re.escape("optimizers[1] must be a torch.optim.Optimizer, got [")):
        Partition(Muon([p]), [q])
    with pytest.raises(
        ValueError, match=re.escape("optimizers[1] must hold a parameter, got AdamW without any")
    ):
        Partition(Muon([p]), AdamW([{"params": []}]))
    with pytest.raises(
        ValueError,
        match=re.escape(
            "a parameter must be in one optimizer only, got one of shape (2, 2) in Muon and in AdamW"
        ),
    ):
        Partition(Muon([p]), AdamW([q, p]))
    one = Adam([p])
    with pytest.raises(ValueError, match="in Adam and in Adam"):
        Partition(one, one)


@pytest.mark.parametrize(
    ("group", "error", "message"),
    [
        (
            {},
            ValueError,
            'say whose it is, as {"params": …, "optimizer": 0}, got \'params\'; there are 0 (Muon),',
        ),
        ({"optimizer": 2}, ValueError, "optimizer must be from 0 to 1, got 2"),
        ({"optimizer": "Muon"}, TypeError, "optimizer must be a whole number, got 'Muon'"),
        ({"optimizer": 0}, ValueError, "Muon moves real matrices, got a parameter of shape (4,)"),
        ({"optimizer": 1, "lr": -1.0}, ValueError, "lr must be a finite number ≥ 0, got -1"),
    ],
    ids=range(5),
)
def test_a_bad_group_is_refused_and_nothing_is_changed(group, error, message):
    p, q, late = fresh((2, 2), (3,), (4,))
    optimizer = Partition(Muon([p]), AdamW([q]))
    with pytest.raises(error, match=re.escape(message)):
        optimizer.add_param_group({"params": [late]} | group)
    assert len(optimizer.param_groups) == 2


def test_a_group_with_another_parts_parameter_is_refused():
    p, q = fresh((2, 2), (3,))
    optimizer = Partition(Muon([p]), AdamW([q]))
    with pytest.raises(ValueError, match=r"got one of shape \(2, 2\) in Muon and in AdamW"):
        optimizer.add_param_group({"params": [p], "optimizer": 1})
    assert len(optimizer.param_groups) == 2
