"""The recorder: every number against a plain loop, and no effect on what is trained."""

import copy
import csv
import math

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import nn
from torch.optim.lr_scheduler import LambdaLR

from lwlr_teach.clipping import adaptive, by_global_norm
from lwlr_teach.layerwise import by_trust_ratio, groups_by_depth, named_layers
from lwlr_teach.optim import LARS, SGD, SGDHD, Adam, DoG, LDoG, Lookahead, Prodigy, Ranger
from lwlr_teach.runs.recorder import QUANTITIES, Recorder, Recording
from tests.optim import test_sharded


def net(seed=0, dtype=torch.float32):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 3)).to(dtype)


def batches(steps, dtype=torch.float32, inputs=6):
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(steps, 16, inputs, generator=generator, dtype=dtype)
    return zip(x, torch.randint(3, (steps, 16), generator=generator), strict=True)


def backward(model, optimizer, x, y):
    optimizer.zero_grad()
    loss = nn.functional.cross_entropy(model(x).float(), y)
    loss.backward()
    return loss


def flat(tensors):
    return torch.cat([t.detach().double().flatten() for t in tensors])


def by_hand(model, optimizer, steps, *, clip=lambda grads, params: grads, clips_itself=False, schedule=None):
    """Every quantity of every layer at every step, from its definition: (quantity, layer, step)."""
    layers = {n: list(m.parameters()) for n, m in model.named_modules() if isinstance(m, nn.Linear)}
    rows, last = [], {}
    for x, y in batches(steps):
        backward(model, optimizer, x, y)
        params = list(model.parameters())
        before = {p: p.detach().clone() for p in params}
        raw = {p: p.grad.clone() for p in params}
        made = dict(zip(params, clip([p.grad for p in params], params), strict=True))
        if not clips_itself:
            for p in params:
                p.grad.copy_(made[p])
        optimizer.step()
        rates = {p: g["lr"] for g in optimizer.param_groups for p in g["params"]}
        row = []
        for name, own in layers.items():
            w, g, c = (flat([d[p] for p in own]).norm() for d in (before, raw, made))
            update = flat(own) - flat([before[p] for p in own])
            largest = own[0]  # the weight
            trust = optimizer.state[largest].get("scale", 1.0)
            rate = max(rates.values())
            scale = rates[largest] / rate * trust
            cosine = update @ last[name] / (update.norm() * last[name].norm()) if name in last else math.nan
            last[name] = update
            row.append([rate, scale, rate * scale, w, g, c, update.norm(), update.norm() / w, w / c, cosine])
        rows.append(torch.tensor(row, dtype=torch.float64).T)
        if schedule is not None:
            schedule.step()
    return torch.stack(rows, -1)


def record(model, optimizer, steps, *, every=1, before=lambda recorder: None, schedule=None):
    with Recorder(model, optimizer, every=every) as recorder:
        for x, y in batches(steps):
            backward(model, optimizer, x, y)
            before(recorder)
            optimizer.step()
            if schedule is not None:
                schedule.step()
    return recorder.recording


def clip_by_torch(grads, params):
    copies = [torch.zeros_like(g, requires_grad=True) for g in grads]
    for c, g in zip(copies, grads, strict=True):
        c.grad = g.clone()
    nn.utils.clip_grad_norm_(copies, 0.05)
    return [c.grad for c in copies]


OPTIMIZERS = {
    "SGD": (lambda m: SGD(m.parameters(), lr=0.1), {}),
    "SGD with momentum": (lambda m: SGD(m.parameters(), lr=0.1, momentum=0.9), {}),
    "Adam, clipped": (
        lambda m: Adam(m.parameters(), lr=0.01, clip=by_global_norm(0.05)),
        {"clip": by_global_norm(0.05), "clips_itself": True},
    ),
    "SGD, clipped by the weights": (
        lambda m: SGD(m.parameters(), lr=0.5, clip=adaptive(0.01)),
        {"clip": adaptive(0.01), "clips_itself": True},
    ),
    "Lookahead, clipped": (
        lambda m: Lookahead(Adam(m.parameters(), lr=0.01, clip=by_global_norm(0.05)), k=3),
        {"clip": by_global_norm(0.05), "clips_itself": True},
    ),
    "LARS": (lambda m: LARS(m.parameters(), lr=2.0, momentum=0.5), {}),
    "Adam with trust ratios": (lambda m: Adam(m.parameters(), lr=0.01, scale=by_trust_ratio()), {}),
    "rates by depth": (lambda m: SGD(groups_by_depth(m, lr=0.1, factor=0.3)), {}),
    "torch's AdamW": (lambda m: torch.optim.AdamW(m.parameters(), lr=0.01), {}),
    "torch's AdamW, fused": (lambda m: torch.optim.AdamW(m.parameters(), lr=0.01, fused=True), {}),
    "a rate that is learned": (lambda m: SGDHD(m.parameters(), lr=0.01, hypergrad_lr=1e-3), {}),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_quantity_is_what_a_plain_loop_finds(name):
    make, options = OPTIMIZERS[name]
    model, same = net(), net()
    recording = record(model, make(model), 9)
    wanted = by_hand(same, make(same), 9, **options)
    assert recording.layers == ("0", "2", "4")
    assert recording.steps.tolist() == list(range(9))
    for i, quantity in enumerate(QUANTITIES):
        torch.testing.assert_close(
            recording[quantity].double(), wanted[i], rtol=2e-5, atol=1e-7, equal_nan=True, msg=quantity
        )
    assert recording["cosine"][:, 0].isnan().all()
    assert recording.values[:, :, 1:].isfinite().all()
    if "clipped" in name:
        assert (recording["clipped_norm"] < 0.9 * recording["grad_norm"]).any()
    else:
        assert torch.equal(recording["clipped_norm"], recording["grad_norm"])
    if "LARS" in name or "trust" in name:
        assert recording["scale"].unique().numel() == 27


@pytest.mark.parametrize("make", [DoG, LDoG, Prodigy])
def test_a_rate_that_finds_itself_is_the_effective_rate(make):
    """A step of DoG is that rate times the gradient; ``lr`` is a factor."""
    model = net()
    more = {} if make is Prodigy else {"reps_rel": 0.1}  # so that steps are more than roundings
    recording = record(model, make(model.parameters(), lr=0.5, **more), 9)
    effective = recording["effective_rate"]
    if make is Prodigy:
        assert effective[:, 0].tolist() == pytest.approx([0.5e-6] * 3)
    if make is DoG:
        moved = effective * recording["clipped_norm"]
        torch.testing.assert_close(recording["update_norm"], moved, rtol=1e-3, atol=0)
    assert (make is LDoG) == bool((effective[0] != effective[1]).all())


def test_every_quantity_with_a_clip_by_hand():
    """torch's clip between ``before_clip`` and the step: both norms are known."""

    def before(recorder):
        recorder.before_clip()
        nn.utils.clip_grad_norm_(model.parameters(), 0.05)

    model, same = net(), net()
    recording = record(model, torch.optim.AdamW(model.parameters(), lr=0.01), 9, before=before, every=3)
    wanted = by_hand(same, torch.optim.AdamW(same.parameters(), lr=0.01), 9, clip=clip_by_torch)
    assert recording.steps.tolist() == [0, 3, 6]
    for i, quantity in enumerate(QUANTITIES):
        torch.testing.assert_close(
            recording[quantity].double(),
            wanted[i][:, ::3],
            rtol=2e-5,
            atol=1e-7,
            equal_nan=True,
            msg=quantity,
        )
    assert (recording["clipped_norm"] < 0.9 * recording["grad_norm"]).all()


def test_without_before_clip_the_norms_are_those_after():
    def before(recorder):
        if recorder.recording.steps.numel() == 0:
            recorder.before_clip()
        nn.utils.clip_grad_norm_(model.parameters(), 0.05)

    model = net()
    recording = record(model, SGD(model.parameters(), lr=0.1), 3, before=before)
    same = recording["clipped_norm"] == recording["grad_norm"]
    assert same.all(0).tolist() == [False, True, True]  # what was noted once is not used again


def test_every_tenth_step_has_the_numbers_of_every_step():
    one, other = net(), net()
    all_steps = record(one, Adam(one.parameters(), lr=0.01), 31)
    some = record(other, Adam(other.parameters(), lr=0.01), 31, every=10)
    assert some.steps.tolist() == [0, 10, 20, 30]
    torch.testing.assert_close(some.values, all_steps.values[..., ::10], rtol=0, atol=0, equal_nan=True)


def test_a_scheduler_shows():
    model = net()
    optimizer = SGD(groups_by_depth(model, lr=0.1, factor=0.5))
    schedule = LambdaLR(optimizer, lambda step: step / 4)  # from 0
    recording = record(model, optimizer, 5, schedule=schedule)
    torch.testing.assert_close(recording["rate"][0], torch.tensor([0, 0.025, 0.05, 0.075, 0.1]))
    assert recording["scale"][:, 0].isnan().all()  # 0 has no shares
    torch.testing.assert_close(recording["scale"][:, 1:], torch.tensor([[0.25], [0.5], [1]]).expand(3, 4))
    torch.testing.assert_close(recording["effective_rate"][0], recording["rate"][0] / 4)
    assert (recording["update_norm"][:, 0] == 0).all()
    assert recording["cosine"][:, :2].isnan().all()  # the update before was none
    assert recording["cosine"][:, 2:].isfinite().all()


# --- no effect --------------------------------------------------------------------------------------------


class Odd(nn.Module):
    """Tied weights, a frozen layer, one without a gradient, a complex one, and a sparse one."""

    def __init__(self, sparse):
        super().__init__()
        torch.manual_seed(2)
        self.embedding = nn.Embedding(3, 6, sparse=sparse)
        self.first = nn.Linear(6, 6)
        self.second = nn.Linear(6, 6)
        self.second.weight = self.first.weight
        self.frozen = nn.Linear(6, 6).requires_grad_(False)
        self.unused = nn.Linear(6, 6)
        self.complex = nn.Parameter(torch.randn(6, 6, dtype=torch.complex64))
        self.narrow = nn.Linear(6, 3).to(torch.bfloat16)

    def forward(self, x):
        x = x + self.embedding(x[:, 0].gt(0).long())
        x = self.frozen(torch.tanh(self.second(torch.tanh(self.first(x)))))
        return self.narrow((x + 0j).matmul(self.complex).abs().to(torch.bfloat16))


def train(model, optimizer, *, how="plain", steps=12):
    scaler = torch.amp.GradScaler("cpu", init_scale=1e30 if how == "scaler" else 1.0)
    for i, (x, y) in enumerate(batches(steps)):
        if how == "closure":
            optimizer.step(lambda x=x, y=y: backward(model, optimizer, x, y))
        elif how == "accumulation":
            nn.functional.cross_entropy(model(x).float(), y).backward()
            if i % 3 == 2:
                optimizer.step()
                optimizer.zero_grad()
        elif how == "scaler":
            optimizer.zero_grad()
            scaler.scale(nn.functional.cross_entropy(model(x).float(), y)).backward()
            scaler.step(optimizer)
            scaler.update()
        else:
            backward(model, optimizer, x, y)
            optimizer.step()


def groups(model):
    """Several groups, one of them without decay."""
    params = list(model.parameters())
    return [{"params": params[:2], "lr": 0.02}, {"params": params[2:]}]


PAIRS = {
    "SGD, sparse": (True, lambda m: SGD(groups(m), lr=0.05, momentum=0.9)),
    "torch's SGD, sparse": (True, lambda m: torch.optim.SGD(groups(m), lr=0.05, momentum=0.9)),
    "Adam": (False, lambda m: Adam(groups(m), lr=0.01, weight_decay=0.1, clip=by_global_norm(0.1))),
    "LARS": (False, lambda m: LARS(groups(m), lr=1.0)),
    "Ranger": (False, lambda m: Ranger(groups(m), lr=0.01)),
    "torch's AdamW": (False, lambda m: torch.optim.AdamW(groups(m), lr=0.01)),
    "torch's AdamW, fused": (False, lambda m: torch.optim.AdamW(groups(m), lr=0.01, fused=True)),
}
HOW = ("plain", "closure", "accumulation", "scaler")


@pytest.mark.slow
@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("name", PAIRS)
def test_the_trained_numbers_are_the_same_bit_for_bit(name, how):
    sparse, make = PAIRS[name]
    model, alone = Odd(sparse), Odd(sparse)
    if "fused" in name or how == "scaler":  # neither takes complex numbers on the CPU
        model.complex.requires_grad_(False)
        alone.complex.requires_grad_(False)
    optimizer, single = make(model), make(alone)
    with Recorder(model, optimizer, every=2) as recorder:
        train(model, optimizer, how=how)
    train(alone, single, how=how)
    for (key, p), q in zip(model.named_parameters(), alone.parameters(), strict=True):
        assert torch.equal(p, q), key
        assert (p.grad is None) == (q.grad is None), key
        for own, others in zip(flat_state(optimizer.state[p]), flat_state(single.state[q]), strict=True):
            assert own == others, key
    recording = recorder.recording
    assert recording.layers == ("Odd", "embedding", "first", "second", "frozen", "unused", "narrow")
    moved = recording["update_norm"]
    assert (moved[[4, 5]] == 0).all()
    assert (moved[[1, 2, 3, 6]] > 0).any(-1).all()
    assert recording["grad_norm"][[4, 5]].isnan().all()  # a gradient that does not exist is not 0
    assert recording["clipped_norm"][[4, 5]].eq(0).all()
    expected = {"accumulation": [0, 2], "scaler": None}.get(how, [0, 2, 4, 6, 8, 10])
    assert expected is None or recording.steps.tolist() == expected


def flat_state(state):
    tensors = [v.to_dense() if isinstance(v, torch.Tensor) else torch.tensor(v) for v in state.values()]
    return [(t.dtype, t.tolist()) for t in tensors]


def test_a_step_that_a_scaler_leaves_out_is_not_counted():
    model = net()
    optimizer = SGD(model.parameters(), lr=0.1)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**20)
    taken = []
    with Recorder(model, optimizer, every=1) as recorder:
        for i, (x, y) in enumerate(batches(5)):
            before = model[0].weight.detach().clone()
            optimizer.zero_grad()
            scaler.scale(nn.functional.cross_entropy(model(x), y)).backward()
            if i == 2:
                model[0].weight.grad[0, 0] = torch.inf
            scaler.unscale_(optimizer)
            recorder.before_clip()
            norm = flat([p.grad for p in model[0].parameters()]).norm()
            scaler.step(optimizer)
            scaler.update()
            if not torch.equal(before, model[0].weight):
                taken.append(norm.item())
    assert recorder.recording.steps.tolist() == [0, 1, 2, 3]
    torch.testing.assert_close(recorder.recording["grad_norm"][0], torch.tensor(taken))


def test_sizes_of_a_complex_and_a_sparse_parameter():
    model = Odd(sparse=True)
    optimizer = SGD(model.parameters(), lr=0.1)
    with Recorder(model, optimizer, every=1) as recorder:
        x, y = next(iter(batches(1)))
        backward(model, optimizer, x, y)
        norms = [
            model.complex.norm(),
            model.complex.grad.norm(),
            model.embedding.weight.grad.to_dense().norm(),
        ]
        optimizer.step()
    recording = recorder.recording
    found = [recording["weight_norm"][0, 0], recording["grad_norm"][0, 0], recording["grad_norm"][1, 0]]
    torch.testing.assert_close(torch.stack(found), torch.stack(norms).detach())


# --- layers, other optimizers -----------------------------------------------------------------------------


def test_a_model_from_elsewhere_by_blocks():
    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True)
    model = nn.TransformerEncoder(layer, 3, enable_nested_tensor=False)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    with Recorder(model, optimizer, every=1, blocks=["layers.0", "layers.1", "layers.2"]) as recorder:
        before = [p.detach().clone() for p in model.layers[1].parameters()]
        model(torch.randn(4, 5, 8)).square().mean().backward()
        optimizer.step()
    recording = recorder.recording
    assert recording.layers == ("layers.0", "layers.1", "layers.2")
    update = flat(model.layers[1].parameters()) - flat(before)
    torch.testing.assert_close(recording["weight_norm"][1, 0].double(), flat(before).norm())
    torch.testing.assert_close(recording["update_norm"][1, 0].double(), update.norm())


def test_a_clip_looks_at_all_that_the_optimizer_holds_and_at_nothing_else():
    model, other = net(), net(1)
    optimizer = SGD([*model[0].parameters(), *other.parameters()], lr=0.1, clip=by_global_norm(0.1))
    with Recorder(model, optimizer, every=1) as recorder:
        for x, y in batches(2):
            backward(model, optimizer, x, y)
            backward(other, torch.optim.SGD(other.parameters()), x, y)
            held = flat([p.grad for g in optimizer.param_groups for p in g["params"]]).norm().item()
            optimizer.step()
    recording = recorder.recording
    ratio = recording["clipped_norm"][:, 1] / recording["grad_norm"][:, 1]
    torch.testing.assert_close(ratio, torch.tensor([0.1 / held, 1, 1]), rtol=1e-5, atol=0)
    assert recording["effective_rate"][:, 1].tolist() == pytest.approx([0.1, 0, 0])
    assert recording["scale"][:, 1].tolist() == [1, 0, 0]
    assert (recording["update_norm"][1:] == 0).all()


def test_layers_far_from_one():
    """Sums of squares that float32 cannot hold: what moves by 1e-25 does not stand still."""
    model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
    with torch.no_grad():
        for p in model.parameters():
            p.zero_()
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    with Recorder(model, optimizer, every=1) as recorder:
        for _ in range(3):
            for layer, size in zip(model, (1e-25, 1e25), strict=True):
                layer.weight.grad = torch.full((4, 4), size)
                layer.bias.grad = torch.zeros(4)
            optimizer.step()
    recording = recorder.recording
    wanted = torch.tensor([[4e-25] * 3, [4e25] * 3])
    torch.testing.assert_close(recording["grad_norm"], wanted, rtol=1e-5, atol=0)
    torch.testing.assert_close(recording["update_norm"], wanted, rtol=1e-5, atol=0)
    torch.testing.assert_close(recording["relative_update"][:, 1:], torch.tensor([[1, 0.5]] * 2))
    torch.testing.assert_close(recording["cosine"][:, 1:], torch.ones(2, 2))
    assert recording["relative_update"][:, 0].isnan().all()  # from weights of 0


def test_half_precision_does_not_drown():
    model = nn.Linear(64, 64).to(torch.float16)
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    with Recorder(model, optimizer, every=1) as recorder:
        for _ in range(3):
            model.weight.grad = torch.full_like(model.weight, 1e-4)
            model.bias.grad = torch.full_like(model.bias, 1e-4)
            optimizer.step()
    grads = recorder.recording["grad_norm"][0]
    torch.testing.assert_close(grads, torch.full((3,), 1e-4 * math.sqrt(64 * 65)), rtol=1e-2, atol=0)
    assert recorder.recording["cosine"][0, 1:].min() > 0.5


def test_a_gradient_that_is_no_number():
    model = net()
    optimizer = SGD(model.parameters(), lr=0.1, nonfinite="skip")
    with Recorder(model, optimizer, every=1) as recorder:
        for i, (x, y) in enumerate(batches(4)):
            backward(model, optimizer, x, y)
            if i in (1, 2):
                model[2].bias.grad[0] = (torch.nan, torch.inf)[i - 1]
            optimizer.step()
    recording = recorder.recording
    assert recording["grad_norm"][1].isnan().tolist() == [False, True, True, False]
    assert recording["grad_norm"][[0, 2]].isfinite().all()
    assert (recording["update_norm"][:, 1:3] == 0).all()


def test_a_step_that_fails_is_not_counted():
    model = net()
    optimizer = SGD(model.parameters(), lr=0.1, nonfinite="raise")
    with Recorder(model, optimizer, every=1) as recorder:
        for i, (x, y) in enumerate(batches(4)):
            backward(model, optimizer, x, y)
            if i == 1:
                model[2].bias.grad[0] = torch.nan
                with pytest.raises(FloatingPointError):
                    optimizer.step()
            else:
                optimizer.step()
    assert recorder.recording.steps.tolist() == [0, 1, 2]
    assert recorder.recording["update_norm"].isfinite().all()


def test_another_optimizer_may_call_anything_clip_and_scale():
    class Mine(torch.optim.SGD):
        def __init__(self, params, lr):
            super().__init__(params, lr)
            self.clip = 1.0
            self.optimizer = "SGD"

        def step(self, closure=None):
            super().step(closure)
            for group in self.param_groups:
                for p in group["params"]:
                    self.state[p]["scale"] = torch.full_like(p, 3.0)

    model, same = net(), net()
    recording = record(model, Mine(model.parameters(), lr=0.1), 5)
    wanted = record(same, torch.optim.SGD(same.parameters(), lr=0.1), 5)
    torch.testing.assert_close(recording.values, wanted.values, equal_nan=True)


def test_our_optimizer_inside_anothers_wrapper_clips_all_the_same():
    class Wrapper(torch.optim.Optimizer):
        def __init__(self, optimizer):
            self.optimizer, self.defaults = optimizer, optimizer.defaults
            super().__init__(optimizer.param_groups, optimizer.defaults)
            self.param_groups = optimizer.param_groups

        def step(self, closure=None):
            return self.optimizer.step(closure)

    model, same = net(), net()
    made = [Lookahead(Adam(m.parameters(), lr=0.1, clip=by_global_norm(0.05))) for m in (model, same)]
    wrapped = record(model, Wrapper(made[0]), 4)
    torch.testing.assert_close(wrapped.values, record(same, made[1], 4).values, equal_nan=True)
    assert (wrapped["clipped_norm"] < 0.9 * wrapped["grad_norm"]).any()


@pytest.mark.slow
@pytest.mark.parametrize("how", ["compiled", "parallel", "averaged"])
def test_recordings_of_one_model_match_whatever_is_around_it(how):
    model, same = net(), net()
    around = {
        "compiled": lambda: torch.compile(model, backend="eager"),
        "parallel": lambda: nn.DataParallel(model),
        "averaged": lambda: torch.optim.swa_utils.AveragedModel(model),
    }[how]()
    recording = record(around, SGD(around.parameters(), lr=0.1), 3)
    wanted = record(same, SGD(same.parameters(), lr=0.1), 3)
    assert recording.layers == wanted.layers == ("0", "2", "4")
    torch.testing.assert_close(recording.values, wanted.values, equal_nan=True)


@pytest.mark.skipif(not dist.is_available() or not dist.is_gloo_available(), reason="no gloo")
def test_a_recording_under_ddp_has_the_models_own_names(tmp_path):
    model, same = net(), net()
    dist.init_process_group("gloo", init_method=f"file://{tmp_path}/meet", rank=0, world_size=1)
    try:
        ddp = nn.parallel.DistributedDataParallel(model)
        recording = record(ddp, SGD(ddp.parameters(), lr=0.1), 3)
        del ddp
    finally:
        dist.destroy_process_group()
    wanted = record(same, SGD(same.parameters(), lr=0.1), 3)
    assert recording.layers == wanted.layers
    torch.testing.assert_close(recording.values, wanted.values, equal_nan=True)


@pytest.mark.parametrize("dtype", [torch.int8, torch.bool, torch.uint8, torch.int64, torch.float8_e4m3fn])
def test_what_cannot_be_trained_is_not_looked_at(dtype):
    model, same = net(), net()
    model[0].codes = nn.Parameter(torch.ones(3).to(dtype), requires_grad=False)
    model.table = nn.Parameter(torch.ones(4).to(dtype), requires_grad=False)
    for held in (list(model.parameters()), [p for p in model.parameters() if p.requires_grad]):
        with Recorder(model, torch.optim.SGD(held, lr=0.1), every=1) as recorder:
            train(model, recorder._optimizer, steps=2)
        assert recorder.recording.layers == ("0", "2", "4")
    wanted = record(same, torch.optim.SGD(same.parameters(), lr=0.1), 2)
    assert wanted.layers == recorder.recording.layers
    with pytest.raises(ValueError, match="optimizer holds no parameter of this"):
        Recorder(model, torch.optim.SGD([model.table]))


def test_a_step_inside_a_step_counts_once():
    class Mine(torch.optim.Adam):
        def step(self, closure=None):
            return super().step(closure)

    torch.optim.Adam([torch.zeros(1, requires_grad=True)])  # its step calls hooks, and so does that of Mine
    model, same = net(), net()
    recording = record(model, Mine(model.parameters()), 5)
    wanted = record(same, torch.optim.Adam(same.parameters()), 5)
    assert recording.steps.tolist() == [0, 1, 2, 3, 4]
    torch.testing.assert_close(recording.values, wanted.values, equal_nan=True)


# --- two processes ----------------------------------------------------------------------------------------


def sharded_recordings(rank, folder):
    """One of two processes: what a recorder sees of a model in shards, and of the same model alone."""
    test_sharded.meet(rank, folder)
    pairs = {}
    for name, make in SHARDED.items():
        model, alone = test_sharded.sharded(test_sharded.Net()), test_sharded.Net()
        optimizer, single = make(model), make(alone)
        with Recorder(model, optimizer, every=3) as one, Recorder(alone, single, every=3) as other:
            test_sharded.fit(model, optimizer, range(10), test_sharded.my_part())
            test_sharded.fit(alone, single, range(10))
        pairs[name] = [(r.layers, r.steps, r.values) for r in (one.recording, other.recording)]
    dist.destroy_process_group()
    torch.save(pairs, f"{folder}/report{rank}")


SHARDED = {
    "Adam, clipped": lambda m: Adam(m.parameters(), lr=0.01, clip=by_global_norm(0.1)),
    "LARS": lambda m: LARS(m.parameters(), lr=1.0),
    "torch's AdamW": lambda m: torch.optim.AdamW(m.parameters(), lr=0.01),
    "a frozen layer": lambda m: SGD(m[0].requires_grad_(False) and m.parameters(), lr=0.1, momentum=0.9),
}


@pytest.mark.slow
@pytest.mark.skipif(not dist.is_available() or not dist.is_gloo_available(), reason="no gloo")
def test_a_model_in_shards_gives_the_recording_of_one_process(tmp_path):
    mp.spawn(sharded_recordings, args=(str(tmp_path),), nprocs=2)
    reports = [torch.load(tmp_path / f"report{rank}") for rank in range(2)]
    for name in SHARDED:
        for report in reports:
            (layers, steps, values), (alone_layers, alone_steps, alone) = report[name]
            assert layers == alone_layers == ("0", "2", "4")
            assert steps.tolist() == alone_steps.tolist() == [0, 3, 6, 9]
            torch.testing.assert_close(values, alone, rtol=1e-6, atol=1e-9, equal_nan=True, msg=name)
        one, other = (report[name][0][2] for report in reports)
        torch.testing.assert_close(one, other, rtol=0, atol=0, equal_nan=True)


# --- memory, files, ends ----------------------------------------------------------------------------------


def test_a_full_recorder_drops_every_second_record_and_makes_half_as_many():
    model, same = net(), net()
    optimizer = SGD(model.parameters(), lr=0.1)
    with Recorder(model, optimizer, every=2, limit=6) as recorder:
        most = 0
        for x, y in batches(50):
            backward(model, optimizer, x, y)
            optimizer.step()
            most = max(most, len(recorder.recording.steps))
    assert most == 5  # the sixth empties it
    assert recorder.every == 16
    assert recorder.recording.steps.tolist() == [0, 16, 32, 48]
    wanted = record(same, SGD(same.parameters(), lr=0.1), 50)
    torch.testing.assert_close(
        recorder.recording.values, wanted.values[..., ::16], rtol=0, atol=0, equal_nan=True
    )


def test_memory_is_what_the_docstring_says():
    model = net()
    optimizer = SGD(model.parameters(), lr=0.1)
    recorder = Recorder(model, optimizer, every=1)
    numbers = sum(p.numel() for p in model.parameters())
    for x, y in batches(3):
        backward(model, optimizer, x, y)
        recorder._pre()
        recorder._post()
        kept = recorder._before + recorder._last_update
        assert sum(t.numel() for t in kept) <= 2 * numbers
    recorder._pre()
    assert sum(t.numel() for t in recorder._before + recorder._last_update) == 2 * numbers
    record_bytes = [r.numel() * r.element_size() for r in recorder._records.values()]
    assert record_bytes == [40 * 3] * 3
    assert "40 bytes a layer" in Recorder.__doc__
    recorder.detach()
    assert recorder._before == recorder._last_update == []


def test_nothing_is_copied_where_nothing_is_recorded():
    model = net()
    optimizer = SGD(model.parameters(), lr=0.1)
    recorder = Recorder(model, optimizer, every=10)
    copied = []
    optimizer.register_step_post_hook(lambda *_: None)
    for step, (x, y) in enumerate(batches(25)):
        backward(model, optimizer, x, y)
        recorder._pre()
        if recorder._before:
            copied.append(step)
        recorder._post()
    assert copied == [0, 9, 10, 19, 20]


def test_detached_it_sees_nothing_more():
    model = net()
    optimizer = SGD(model.parameters(), lr=0.1)
    recorder = Recorder(model, optimizer, every=1)
    train(model, optimizer, steps=3)
    recorder.detach()
    kept = recorder.recording
    train(model, optimizer, steps=3)
    assert recorder.recording.steps.tolist() == kept.steps.tolist() == [0, 1, 2]
    recorder.detach()  # twice does no harm
    with pytest.raises(ZeroDivisionError), Recorder(model, optimizer) as broken:
        _ = 1 / 0
    assert not optimizer._optimizer_step_pre_hooks
    train(model, optimizer, steps=3)
    assert len(broken.recording.steps) == 0
    assert broken.recording.values.shape == (len(QUANTITIES), 3, 0)


def test_two_recorders_at_once():
    model = net()
    optimizer = SGD(model.parameters(), lr=0.1)
    with Recorder(model, optimizer, every=1) as one, Recorder(model[2:], optimizer, every=2) as other:
        train(model, optimizer, steps=6)
    assert other.recording.layers == ("2", "4")
    torch.testing.assert_close(
        other.recording.values, one.recording.values[:, 1:, ::2], rtol=0, atol=0, equal_nan=True
    )


def test_the_optimizer_can_be_copied_and_saved_while_it_is_watched():
    model = net()
    optimizer = Adam(model.parameters(), lr=0.01)
    with Recorder(model, optimizer, every=1) as recorder:
        train(model, optimizer, steps=2)
        twin_model, twin = copy.deepcopy((model, optimizer))
        train(twin_model, twin, steps=2)
        optimizer.load_state_dict(optimizer.state_dict())
    assert recorder.recording.steps.tolist() == [0, 1]


def test_one_file_holds_everything(tmp_path):
    model = net()
    recording = record(model, Adam(model.parameters(), lr=0.01), 7, every=2)
    recording.save(tmp_path / "run.pt")
    loaded = Recording.load(tmp_path / "run.pt")
    assert loaded.layers == recording.layers
    assert loaded.kinds == recording.kinds == ("weights",) * len(recording.layers)
    assert torch.equal(loaded.steps, recording.steps)
    torch.testing.assert_close(loaded.values, recording.values, rtol=0, atol=0, equal_nan=True)
    assert loaded["cosine"].isnan().any()
    assert [path.name for path in tmp_path.iterdir()] == ["run.pt"]


def test_rows_are_what_tables_and_files_are_made_of(tmp_path):
    model = nn.Sequential(nn.Linear(3, 4), nn.LayerNorm(4))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with Recorder(model, optimizer, every=2) as recorder:
        for _ in range(3):
            optimizer.zero_grad()
            model(torch.ones(2, 3)).square().sum().backward()
            optimizer.step()
    recording = recorder.recording
    rows = recording.rows()
    assert [(row["step"], row["layer"], row["kind"]) for row in rows] == [
        (step, layer, kind) for step in (0, 2) for layer, kind in (("0", "weights"), ("1", "norms"))
    ]
    for name in QUANTITIES:
        found = torch.tensor([row[name] for row in rows]).view(2, 2).T
        torch.testing.assert_close(found, recording[name], rtol=0, atol=0, equal_nan=True)

    with (tmp_path / "recording.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    with (tmp_path / "recording.csv").open(newline="") as file:
        assert [float(row["grad_norm"]) for row in csv.DictReader(file)] == [row["grad_norm"] for row in rows]

    bare = Recording(recording.layers, recording.steps, recording.values)
    assert bare.rows()[0].keys() == rows[0].keys() - {"kind"}
    assert Recording(("a",), torch.empty(0), torch.empty(len(QUANTITIES), 1, 0)).rows() == []


def test_a_file_without_kinds_is_read_and_has_none(tmp_path):
    """As versions before these have written it."""
    model = net()
    recording = record(model, SGD(model.parameters(), lr=0.1), 3)
    recording.save(tmp_path / "run.pt")
    old = torch.load(tmp_path / "run.pt")
    del old["kinds"]
    torch.save(old, tmp_path / "old.pt")
    assert Recording.load(tmp_path / "old.pt").kinds == ()


def test_layers_of_gains_and_biases_alone_are_norms():
    model = nn.Sequential(
        nn.Conv2d(1, 2, 3),
        nn.BatchNorm2d(2),
        nn.LayerNorm([2, 4]),
        nn.Embedding(3, 2),
        nn.Linear(2, 2),
        nn.PReLU(),
    )
    recording = Recorder(model, SGD(model.parameters(), lr=0.1)).recording
    assert recording.kinds == ("weights", "norms", "norms", "weights", "weights", "norms")
    block = nn.ModuleDict({"a": nn.Sequential(nn.LayerNorm(2), nn.Linear(2, 2)), "b": nn.LayerNorm(2)})
    recording = Recorder(block, SGD(block.parameters(), lr=0.1), blocks=["a"]).recording
    assert recording.kinds == ("weights", "norms")


def test_a_recording_says_what_it_is_in_a_line():
    model = net()
    recording = record(model, SGD(model.parameters(), lr=0.1), 3)
    assert "steps=tensor (3,), values=tensor (10, " in repr(recording)
    assert len(repr(recording)) < 250
    assert "\n" not in repr(recording)


def test_files_that_hold_something_else(tmp_path):
    bad = tmp_path / "bad.pt"
    model = net()
    recording = record(model, SGD(model.parameters(), lr=0.1), 3)
    recording.save(tmp_path / "good.pt")
    good = torch.load(tmp_path / "good.pt")
    others = [
        model.state_dict(),
        torch.zeros(3),
        [1, 2],
        {},
        None,
        good | {"values": good["values"][1:]},
        good | {"layers": ["0"]},
        good | {"quantities": good["quantities"][::-1]},
        good | {"steps": "many"},
        good | {"values": None},
        good | {"kinds": ["weights"]},
        good | {"kinds": ["wights"] * len(good["layers"])},
    ]
    for other in others:
        torch.save(other, bad)
        with pytest.raises(ValueError, match=r"bad\.pt is not a recording"):
            Recording.load(bad)
    torch.save(model, bad)  # a whole model runs code when it is loaded, so torch refuses
    with pytest.raises(ValueError, match=r"bad\.pt is not a recording"):
        Recording.load(bad)
    for content in (b"", b"no", b"\x80\x02garbage", (tmp_path / "good.pt").read_bytes()[:500]):
        bad.write_bytes(content)
        with pytest.raises(ValueError, match=r"bad\.pt is not a recording"):
            Recording.load(bad)
    with pytest.raises(FileNotFoundError):
        Recording.load(tmp_path / "missing.pt")


def test_bad_arguments():
    model = net()
    optimizer = SGD(model.parameters(), lr=0.1)
    with pytest.raises(ValueError, match="every must be at least 1, got 0"):
        Recorder(model, optimizer, every=0)
    with pytest.raises(TypeError, match=r"every must be a whole number, got 1\.5"):
        Recorder(model, optimizer, every=1.5)
    with pytest.raises(ValueError, match="limit must be at least 2, got 1"):
        Recorder(model, optimizer, limit=1)
    with pytest.raises(ValueError, match="block 'layer' is not known"):
        Recorder(model, optimizer, blocks=["layer"])
    with pytest.raises(TypeError, match=r"model must be a torch\.nn\.Module, got \[\]"):
        Recorder([], optimizer)
    with pytest.raises(TypeError, match=r"optimizer must be a torch\.optim\.Optimizer, got None"):
        Recorder(model, None)
    with pytest.raises(ValueError, match="optimizer holds no parameter of this Sequential"):
        Recorder(net(1), optimizer)
    rates = torch.logspace(-3, 0, 8)
    with pytest.raises(ValueError, match="optimizer must have one rate a group, got 8 at once"):
        Recorder(model, SGD([p for p in model.parameters() if len(p) == 8], lr=rates))
    with pytest.raises(ValueError, match="quantity 'update' is not known; did you mean"):
        Recorder(model, optimizer).recording["update"]
    assert not SGD(model.parameters(), lr=0.1)._optimizer_step_pre_hooks
    with pytest.raises(ValueError, match=r"values must have the shape \(10, 1, 2\), got \(10, 1, 3\)"):
        Recording(("a",), torch.arange(2), torch.zeros(10, 1, 3))


def test_the_layers_are_those_of_layerwise():
    model = Odd(sparse=False)
    assert Recorder(model, SGD(model.parameters())).recording.layers == tuple(named_layers(model))
