"""Two processes give the numbers of one: FSDP2, where each holds a part of every tensor, and DDP.

One pair of processes runs every case, and reports for each what differed.
"""

import copy
import datetime
import traceback

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import nn
from torch.distributed.checkpoint.state_dict import get_optimizer_state_dict, set_optimizer_state_dict
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import Replicate, Shard, distribute_tensor

from lwlr_teach import clipping
from lwlr_teach.core.sharding import is_sharded, shard, whole
from lwlr_teach.layerwise import by_trust_ratio
from lwlr_teach.optim import LAMB, LARS, SGD, SGDHD, Adam, Method, Muon, NovoGrad
from tests.optim.runs import MUONS, RUNS, exact_muon, gradient, make

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not dist.is_available() or not dist.is_gloo_available(), reason="no gloo"),
]

CLIPS = {
    "by_value": clipping.by_value(0.05),
    "by_global_norm": clipping.by_global_norm(0.1),
    "by_layer_norm": clipping.by_layer_norm(0.05),
    "adaptive": clipping.adaptive(0.01),
    "centralize": clipping.centralize(),
    "in_turn": clipping.in_turn(clipping.centralize(), clipping.by_global_norm(0.1)),
}
CLIPPED = [
    Method(f"{cls.__name__} {name}", cls, {"clip": clip} | ({"momentum": 0.9} if cls is SGD else {}))
    for cls in (SGD, Adam)
    for name, clip in CLIPS.items()
] + [Method("LARS, all at once", LARS, {"clip": CLIPS["in_turn"], "scale": by_trust_ratio()})]
EVERY_RUN = RUNS + CLIPPED
# One for each kind of state.
KEPT = (
    "Momentum",
    "Adam",
    "Ranger",
    "NovoGrad",
    "LAMB",
    "Adam-mini, rows",
    "Adafactor",
    "Muon",
    "Hypergradient",
)
SAVED = [run for run in RUNS + MUONS if run.name in KEPT]


class Net(nn.Sequential):
    """Of layers that two processes cannot share evenly; of the last one the second process holds nothing."""

    def __init__(self, bias=True):
        torch.manual_seed(3)
        options = dict(bias=bias, dtype=torch.float64)
        layers = [nn.Linear(*size, **options) for size in [(5, 7), (7, 3), (3, 1)]]
        super().__init__(layers[0], nn.Tanh(), layers[1], nn.Tanh(), layers[2])


def batches(steps):
    generator = torch.Generator().manual_seed(5)
    return torch.randn(steps, 6, 5, generator=generator, dtype=torch.float64)


def backward(model, optimizer, batch):
    optimizer.zero_grad()
    (model(batch).sin() - batch[:, :1]).square().mean().backward()


def fit(model, optimizer, steps, part=slice(None), spoil=lambda step, model: None):
    for step in steps:
        backward(model, optimizer, batches(20)[step][part])
        spoil(step, model)
        optimizer.step()


def my_part():
    half = 3
    return slice(half * dist.get_rank(), half * (dist.get_rank() + 1))


def sharded(model):
    for layer in model:
        if isinstance(layer, nn.Linear):
            fully_shard(layer)
    return fully_shard(model)


def method(run, model, **options):
    rates = {"lr": 0.01 if "LARS" in run.name or "NovoGrad" in run.name else 0.05, "weight_decay": 0.01}
    return make(run, list(model.parameters()), **rates, **options)


def assert_equal_models(model, optimizer, expected_model, expected_optimizer, tolerance=1e-12):
    def close(name, got, expected):
        torch.testing.assert_close(
            got, expected, rtol=tolerance, atol=tolerance, msg=lambda text: f"{name}: {text}"
        )

    pairs = zip(model.parameters(), expected_model.named_parameters(), strict=True)
    for p, (name, expected) in pairs:
        close(name, whole(p.detach()), expected.detach())
        state, expected_state = optimizer.state[p], expected_optimizer.state[expected]
        assert state.keys() == expected_state.keys()
        for key in state:
            if isinstance(state[key], torch.Tensor):
                assert is_sharded(state[key]) == (is_sharded(p) and state[key].ndim == p.ndim), (name, key)
                close(f"{key} of {name}", whole(state[key]), expected_state[key])


# --- the cases: each runs on both processes ---------------------------------------------------------------


def case_fsdp(run):
    model, alone = sharded(Net()), Net()
    optimizer, single = method(run, model), method(run, alone)
    assert all(is_sharded(p) for p in model.parameters())
    fit(model, optimizer, range(10), my_part())
    fit(alone, single, range(10))
    assert_equal_models(model, optimizer, alone, single)


def case_ddp(run):
    alone = Net()
    wrapped = nn.parallel.DistributedDataParallel(Net())
    model = wrapped.module
    optimizer, single = method(run, model), method(run, alone)
    fit(wrapped, optimizer, range(10), my_part())
    fit(alone, single, range(10))
    assert_equal_models(model, optimizer, alone, single)


def case_zero(run):
    """ZeRO: each parameter's state is on one process, which moves it and sends it to the others."""
    from torch.distributed.optim import ZeroRedundancyOptimizer

    alone = Net()
    wrapped = nn.parallel.DistributedDataParallel(Net())
    chosen = run.hyperparameters(lr=0.01, weight_decay=0.01)
    optimizer = ZeroRedundancyOptimizer(wrapped.parameters(), run.optimizer, **chosen)
    fit(wrapped, optimizer, range(10), my_part())
    fit(alone, run.optimizer(alone.parameters(), **chosen), range(10))
    for p, expected in zip(wrapped.parameters(), alone.parameters(), strict=True):
        torch.testing.assert_close(p, expected, rtol=1e-12, atol=1e-12)
    assert 0 < len(optimizer.optim.state) < len(list(alone.parameters()))


def case_muon(run):
    """Its products agree in float64; in bfloat16 the last bit of a gradient may decide how one is rounded."""
    with exact_muon():
        model, alone = sharded(Net(bias=False)), Net(bias=False)
        optimizer, single = method(run, model), method(run, alone)
        fit(model, optimizer, range(10), my_part())
        fit(alone, single, range(10))
        assert_equal_models(model, optimizer, alone, single, tolerance=1e-9)
    model, alone = sharded(Net(bias=False)), Net(bias=False)
    optimizer, single = method(run, model), method(run, alone)
    fit(model, optimizer, range(3), my_part())
    fit(alone, single, range(3))
    assert_equal_models(model, optimizer, alone, single, tolerance=0.01)


def case_mixed(run):
    """Shards along either axis, copies, two meshes and plain tensors in one optimizer."""
    mesh, plane = init_device_mesh("cpu", (2,)), init_device_mesh("cpu", (2, 1), mesh_dim_names=("a", "b"))
    cases = [
        ((5, 4), (mesh, [Shard(0)])),
        ((5, 4), (mesh, [Shard(1)])),
        ((5, 4), (mesh, [Replicate()])),
        ((4, 3), (plane, [Shard(0), Replicate()])),
        ((5, 2), None),
        ((3, 3, 2), (mesh, [Shard(2)])),
        ((3,), None),
        ((1,), (mesh, [Shard(0)])),
        ((), (mesh, [Replicate()])),
    ]
    sizes, lying = zip(*[c for c in cases if run.optimizer is not Muon or len(c[0]) == 2], strict=True)
    generator = torch.Generator().manual_seed(1)
    plain = [torch.randn(size, generator=generator, dtype=torch.float64) for size in sizes]
    parts = [p.clone() for p in plain]
    parts = [distribute_tensor(p, *how) if how else p for p, how in zip(parts, lying, strict=True)]
    rates = {"lr": 0.05, "weight_decay": 0.01}
    with exact_muon():
        optimizer, single = make(run, parts, **rates), make(run, plain, **rates)
        for step in range(6):
            for part, p, how in zip(parts, plain, lying, strict=True):
                p.grad = gradient(p, step)
                part.grad = distribute_tensor(p.grad, *how) if how else p.grad.clone()
            optimizer.step()
            single.step()
    for i, (part, p) in enumerate(zip(parts, plain, strict=True)):
        torch.testing.assert_close(
            whole(part), p, rtol=1e-9, atol=1e-9, msg=lambda text, i=i: f"{cases[i]}: {text}"
        )


def case_skip(run, spoiled_rank, value):
    """Both leave out the step in which one of them sees a number that is not finite."""

    def spoil(step, model):
        if step == 2 and dist.get_rank() == spoiled_rank:
            shard(model[0].weight.grad)[-1, -1] = value
        if step == 5 and dist.get_rank() == 0:
            shard(model[4].bias.grad)[0] = value  # of which the other holds nothing

    model, alone = sharded(Net()), Net()
    optimizer, single = method(run, model, nonfinite="skip"), method(run, alone)
    fit(model, optimizer, range(8), my_part(), spoil)
    fit(alone, single, [0, 1, 3, 4, 6, 7])
    inner = getattr(optimizer, "optimizer", optimizer)
    assert inner.skipped == 2, f"{inner.skipped} steps were skipped"
    assert_equal_models(model, optimizer, alone, single)


def case_raise(run):
    model = sharded(Net())
    optimizer = make(run, list(model.named_parameters()), nonfinite="raise")
    fit(model, optimizer, range(2), my_part())
    before = copy.deepcopy([shard(p.detach()) for p in model.parameters()])
    backward(model, optimizer, batches(1)[0][my_part()])
    if dist.get_rank() == 1:
        shard(model[2].weight.grad)[-1, -1] = float("nan")
    with pytest.raises(FloatingPointError, match=r"parameter 2\.weight, shape \(3, 7\), holds nan or inf"):
        optimizer.step()
    assert all(
        torch.equal(shard(p.detach()), kept) for p, kept in zip(model.parameters(), before, strict=True)
    )


def case_saved(run, how):
    """Saved after five steps and loaded into another model and optimizer, it continues the same way."""
    matrices = run.optimizer is Muon
    straight, first, second = (sharded(Net(bias=not matrices)) for _ in range(3))
    one, two, three = method(run, straight), method(run, first), method(run, second)
    fit(straight, one, range(10), my_part())
    fit(first, two, range(5), my_part())
    if how == "state_dict":
        three.load_state_dict(copy.deepcopy(two.state_dict()))
    else:
        saved = get_optimizer_state_dict(first, two)
        set_optimizer_state_dict(second, three, copy.deepcopy(saved))
    second.load_state_dict(first.state_dict())
    fit(second, three, range(5, 10), my_part())
    for p, expected in zip(second.parameters(), straight.parameters(), strict=True):
        assert torch.equal(shard(p.detach()), shard(expected.detach()))
        for key, value in one.state[expected].items():
            assert torch.equal(shard(torch.as_tensor(value)), shard(torch.as_tensor(three.state[p][key]))), (
                key
            )


def case_local_norms(cls):
    """The norms of parts would give other numbers, so the other cases could see it."""
    from lwlr_teach.core import arithmetic

    run = Method(cls.__name__, cls)
    model, alone = sharded(Net()), Net()
    optimizer, single = method(run, model), method(run, alone)
    names = [module for module in ("lars", "novograd", "lamb") if cls.__name__.lower() == module]
    assert names
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(arithmetic, "whole", shard)
        fit(model, optimizer, range(3), my_part())
    fit(alone, single, range(3))
    with pytest.raises(AssertionError, match="not close"):
        assert_equal_models(model, optimizer, alone, single)


CASES = (
    {f"FSDP {run.name}": (case_fsdp, run) for run in EVERY_RUN}
    | {f"DDP {run.name}": (case_ddp, run) for run in RUNS}
    | {f"ZeRO {run.name}": (case_zero, run) for run in SAVED if run.optimizer not in (Muon, SGDHD)}
    | {f"FSDP {run.name}": (case_muon, run) for run in MUONS}
    | {f"mixed {run.name}": (case_mixed, run) for run in EVERY_RUN + MUONS}
    | {
        f"skip {run.name}, {value} at process {rank}": (case_skip, run, rank, float(value))
        for run in RUNS[:1] + [r for r in RUNS if r.name in ("Adam", "Ranger", "NovoGrad", "Hypergradient")]
        for rank in (0, 1)
        for value in ("nan", "inf")
    }
    | {f"raise {run.name}": (case_raise, run) for run in RUNS if run.name in ("Adam", "Ranger")}
    | {f"{how} {run.name}": (case_saved, run, how) for run in SAVED for how in ("state_dict", "checkpoint")}
    | {f"local norms {cls.__name__}": (case_local_norms, cls) for cls in (LARS, LAMB, NovoGrad)}
)


def meet(rank, folder):
    """Make this process one of two."""
    torch.set_num_threads(1)
    dist.init_process_group(
        "gloo",
        init_method=f"file://{folder}/meeting",
        rank=rank,
        world_size=2,
        timeout=datetime.timedelta(seconds=60),
    )


def work(rank, folder):
    """One process: run every case, and leave what went wrong in a file."""
    meet(rank, folder)
    report = {}
    for name, (case, *args) in CASES.items():
        try:
            case(*args)
        except Exception:
            report[name] = traceback.format_exc()
            if "Gloo" in report[name] or "timeout" in report[name].lower():
                break  # the two are out of step
    else:
        dist.destroy_process_group()
    torch.save(report, f"{folder}/report{rank}")


@pytest.fixture(scope="module")
def reports(tmp_path_factory):
    folder = tmp_path_factory.mktemp("two processes")
    mp.spawn(work, args=(str(folder),), nprocs=2)
    return [torch.load(folder / f"report{rank}") for rank in range(2)]


@pytest.mark.parametrize("case", CASES)
def test_two_processes_give_the_numbers_of_one(case, reports):
    for rank, report in enumerate(reports):
        assert case not in report, f"process {rank}: {report[case]}"
