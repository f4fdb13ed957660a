"""The methods and their branches, and how the tests of this folder train them."""

from contextlib import contextmanager

import pytest
import torch

from lwlr_teach.clipping import by_global_norm
from lwlr_teach.layerwise import by_trust_ratio
from lwlr_teach.optim import (
    LARS,
    METHODS,
    SGD,
    SGDHD,
    Adagrad,
    Adam,
    AdamMini,
    AdamWScheduleFree,
    DoG,
    LDoG,
    Method,
    Muon,
    NovoGrad,
    Prodigy,
    RAdam,
    RMSprop,
    SGDScheduleFree,
)
from lwlr_teach.optim.engine import Options

# Rates that find themselves: their numbers are one for all tensors, but for L-DoG, which has one for each.
FINDING = [
    Method("DoG", DoG, {"reps_rel": 0.01}),
    Method("L-DoG", LDoG, {"reps_rel": 0.01}),
    Method("Schedule-Free SGD", SGDScheduleFree, {"warmup_steps": 3}, memory="momentum"),
    Method("Schedule-Free AdamW", AdamWScheduleFree, {"r": 1.0}, memory="beta1"),
    Method("Prodigy", Prodigy, {"d0": 0.01}, memory="beta1"),
    Method(
        "Prodigy, all choices",
        Prodigy,
        {"use_bias_correction": True, "safeguard_warmup": True, "growth_rate": 1.1, "beta3": 0.9},
        memory="beta1",
    ),
]
# Every method of the catalogue, and the settings that take another branch of a rule or of the engine.
RUNS = [
    *METHODS.values(),
    *FINDING,
    Method("damped", SGD, {"momentum": 0.9, "dampening": 0.5}, memory="momentum"),
    Method("SGDW", SGD, {"momentum": 0.9, "decoupled_weight_decay": True}, memory="momentum"),
    Method("centered", RMSprop, {"centered": True, "momentum": 0.5, "alpha": 0.9}, memory="momentum"),
    Method("RMSprop, eps in root", RMSprop, {"eps_in_root": True}),
    Method("AMSGradW", Adam, {"decoupled_weight_decay": True, "amsgrad": True}, memory="beta1"),
    Method("Adam, eps in root", Adam, {"eps_in_root": True}, memory="beta1"),
    Method("Adam-mini, rows", AdamMini, {"block_axes": 1}, memory="beta1"),
    Method("RAdamW", RAdam, {"decoupled_weight_decay": True}, memory="beta1"),
    Method("decayed Adagrad", Adagrad, {"lr_decay": 0.1, "initial_accumulator_value": 0.1}),
    Method("Adagrad, eps in root", Adagrad, {"eps_in_root": True}),
    Method("averaged NovoGrad", NovoGrad, {"grad_averaging": True}, memory="beta1"),
    Method("LARS, 1-D spared", LARS, {"exclude_1d": True, "trust_coefficient": 0.1}, memory="momentum"),
    Method("clipped Adam", Adam, {"clip": by_global_norm(1.0)}, memory="beta1"),
    Method("scaled momentum", SGD, {"momentum": 0.9, "scale": by_trust_ratio()}, memory="momentum"),
    Method(
        "clipped and scaled AdamW",
        Adam,
        {
            "clip": by_global_norm(1.0),
            "scale": by_trust_ratio(exclude_1d=False),
            "decoupled_weight_decay": True,
        },
        memory="beta1",
    ),
]
MUONS = [
    Method("Muon", Muon, memory="momentum"),
    Method("plain Muon", Muon, {"nesterov": False, "adjust_lr_fn": "match_rms_adamw"}, memory="momentum"),
]
CLASSES = sorted({m.optimizer for m in METHODS.values()}, key=lambda c: c.__name__)

# The tensors of these share a number that is found from all of them.
SHARED = (SGDHD, DoG, Prodigy)
# And of these a group counts the steps, not each tensor.
COUNTED = (*SHARED, SGDScheduleFree, AdamWScheduleFree)

# SGDHD learns its rate, so nobody else can say what the rate of a step is.
AT_A_GIVEN_RATE = [run for run in RUNS if run.optimizer is not SGDHD]
CLASSES_AT_A_GIVEN_RATE = [cls for cls in CLASSES if cls is not SGDHD]


def shapes(run):
    """Of a small model that the method can move."""
    return [(4, 3), (2, 5)] if run.optimizer is Muon else [(4,), (2, 3), ()]


def layer(run, *shape):
    """A shape, or what comes nearest to it that the method can move: Muon moves matrices only."""
    return (*shape, 2, 3)[:2] if run.optimizer is Muon else shape


def fresh(*shapes, dtype=torch.float64):
    generator = torch.Generator().manual_seed(7)
    options = dict(generator=generator, dtype=torch.float64, device="cpu")
    draws = [torch.randn(s, **options) for s in shapes or [(4,), (2, 3), ()]]
    return [d.to(torch.get_default_device(), dtype).requires_grad_() for d in draws]


def make(run, params=None, **chosen):
    params = fresh(*shapes(run)) if params is None else params
    options = {name: chosen.pop(name) for name in Options.__annotations__ if name in chosen}
    return run.optimizer(
        params, **run.hyperparameters(**{"lr": 0.1, "weight_decay": 0.01} | chosen) | options
    )


@contextmanager
def exact_muon():
    """Muon with its products of matrices in float64: they differ by a few per cent in bfloat16 otherwise."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.Tensor, "bfloat16", torch.Tensor.double)
        yield


def gradient(parameter, step):
    """Of some loss; entry by entry, so that a slice of it is the gradient of the slice."""
    return torch.cos(3 * parameter.detach() + 2 * step)


def train(optimizer, steps, first=1):
    for step in range(first, first + steps):
        for group in optimizer.param_groups:
            for p in group["params"]:
                p.grad = gradient(p, step)
        optimizer.step()


def values(optimizer):
    return [p.detach().clone() for group in optimizer.param_groups for p in group["params"]]


def assert_identical(got, expected):
    assert all(torch.equal(g, e) for g, e in zip(got, expected, strict=True))
