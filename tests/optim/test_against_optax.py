"""What torch does not have, and where it puts ε otherwise, takes the same steps as in optax.

Both sides get the same gradients, a · p + b with random a and b for each step, so that what they find in the
parameters goes into the next gradient. Where optax follows another convention, the table matches it by
arguments, or says how in ``CONDITIONS`` of agreement.py.
"""

from collections import Counter
from functools import cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import torch

import lwlr_teach.optim as ours
from lwlr_teach.clipping import adaptive, by_global_norm, by_layer_norm, by_value, centralize
from lwlr_teach.layerwise import by_trust_ratio
from tests.optim.agreement import difference, show

pytestmark = pytest.mark.slow

STEPS = 60
SEEDS = [0, 1, 2]
TOLERANCE = 1e-12
SHAPES = [(4, 3), (5,), (), (2, 3, 2, 2)]


class Case(NamedTuple):
    """``cls``: our class, if it is not the method's name. ``wrap``: what is put around its optimizer."""

    method: str
    oracle: str
    kwargs: dict[str, Any]
    transformation: Any
    cls: str | None = None
    wrap: Any = None
    shapes: Any = SHAPES


def chain(clip, lr=0.1):
    return optax.chain(clip, optax.sgd(lr))


def outputs_last(transformation):
    """The transformation on tensors with their outputs, which are torch's and our first axis, as the last."""

    def move(tree):
        return jax.tree.map(lambda x: jnp.moveaxis(x, 0, -1) if x.ndim > 1 else x, tree)

    def update(grads, state, params):
        updates, state = transformation.update(move(grads), state, move(params))
        return jax.tree.map(lambda x: jnp.moveaxis(x, -1, 0) if x.ndim > 1 else x, updates), state

    return optax.GradientTransformation(lambda params: transformation.init(move(params)), update)


def damped(lr, b1, b2, **kwargs):
    return optax.novograd(lr * (1 - b1), b1, b2, **kwargs)


def layer_norm(limit):
    """optax clips the norm over everything it is given, so it is given one tensor at a time."""
    clip = optax.clip_by_global_norm(limit)

    def update(grads, state, params):
        return jax.tree.map(lambda g: clip.update(g, clip.init(g))[0], grads), state

    return optax.GradientTransformation(lambda params: optax.EmptyState(), update)


def one_by_one(transformation):
    """The transformation on each tensor by itself."""

    def update(grads, states, params):
        found = [transformation.update(*each) for each in zip(grads, states, params, strict=True)]
        return [updates for updates, _ in found], [state for _, state in found]

    return optax.GradientTransformation(lambda params: [transformation.init(p) for p in params], update)


def dog(reps_rel, *args, **kwargs):
    return optax.contrib.dog(*args, init_step=("heuristic", reps_rel), **kwargs)


def ranger(lr, k=6, alpha=0.5, b1=0.95, b2=0.999, weight_decay=0.0, use_gc=True):
    inner = [optax.scale_by_radam(b1, b2, eps=0.0), optax.add_decayed_weights(weight_decay)]
    fast = optax.chain(*([optax.centralize()] if use_gc else []), *inner, optax.scale_by_learning_rate(lr))
    return optax.lookahead(fast, k, alpha)


def look(k=5, alpha=0.5):
    return lambda optimizer: ours.Lookahead(optimizer, k=k, alpha=alpha)


ADAM = dict(lr=0.05, betas=(0.8, 0.95))
# Adaptive clipping of a matrix with one column: see CONDITIONS. (6, 1) is therefore not among the shapes.
UNITS = [(4, 3), (5,), (), (2, 3, 2, 2), (1, 6), (3, 2, 2, 1, 2)]

# fmt: off
CASES = [
    Case("SGD", "optax.sgd", dict(lr=0.1), optax.sgd(0.1)),
    Case("SGD", "optax.sgd", dict(lr=0.02, momentum=0.9), optax.sgd(0.02, 0.9)),
    Case("SGD", "optax.sgd", dict(lr=0.02, momentum=0.9, nesterov=True), optax.sgd(0.02, 0.9, nesterov=True)),
    Case("Adagrad", "optax.adagrad", dict(lr=0.5, eps=1e-7, initial_accumulator_value=0.1, eps_in_root=True),
         optax.adagrad(0.5)),
    Case("Adagrad", "optax.adagrad", dict(lr=0.2, eps=0.3, initial_accumulator_value=1.0, eps_in_root=True),
         optax.adagrad(0.2, 1.0, eps=0.3)),
    Case("RMSprop", "optax.rmsprop", dict(lr=0.02, alpha=0.9, eps_in_root=True), optax.rmsprop(0.02)),
    Case("RMSprop", "optax.rmsprop", dict(lr=0.02, alpha=0.5, eps=0.1, eps_in_root=True, momentum=0.5),
         optax.rmsprop(0.02, 0.5, eps=0.1, momentum=0.5)),
    Case("RMSprop", "optax.rmsprop", dict(lr=0.02, alpha=0.5, eps=0.1, eps_in_root=True, centered=True),
         optax.rmsprop(0.02, 0.5, eps=0.1, centered=True)),
    Case("RMSprop", "optax.rmsprop", dict(lr=0.02, alpha=0.9, eps=0.1),
         optax.rmsprop(0.02, eps=0.1, eps_in_sqrt=False)),
    Case("Adadelta", "optax.adadelta", dict(), optax.adadelta(1.0)),
    Case("Adadelta", "optax.adadelta", dict(lr=0.5, rho=0.8, eps=1e-3, weight_decay=0.1),
         optax.adadelta(0.5, 0.8, 1e-3, 0.1)),
    Case("Adam", "optax.adam", dict(), optax.adam(1e-3)),
    Case("Adam", "optax.adam", ADAM | dict(eps=0.1), optax.adam(0.05, 0.8, 0.95, 0.1)),
    Case("Adam", "optax.adam", ADAM | dict(eps=0.1, eps_in_root=True), optax.adam(0.05, 0.8, 0.95, 0, 0.1)),
    Case("Adam", "optax.adam", dict(eps=1e-8, eps_in_root=True), optax.adam(1e-3, eps=0, eps_root=1e-8)),
    Case("AdamW", "optax.adamw", ADAM | dict(weight_decay=0.3),
         optax.adamw(0.05, 0.8, 0.95, weight_decay=0.3)),
    Case("AdamW", "optax.adamw", dict(weight_decay=1e-4, eps=0.01, eps_in_root=True),
         optax.adamw(1e-3, eps=0, eps_root=0.01)),
    Case("RAdam", "optax.radam", dict(lr=0.01, eps=0.0), optax.radam(0.01, eps=0.0)),
    Case("RAdam", "optax.radam", ADAM | dict(eps=0.0), optax.radam(0.05, 0.8, 0.95, eps=0.0)),
    Case("LARS", "optax.lars", dict(), optax.lars(1.0)),
    Case("LARS", "optax.lars", dict(lr=0.5, momentum=0.5, trust_coefficient=0.02, eps=0.3),
         optax.lars(0.5, trust_coefficient=0.02, eps=0.3, momentum=0.5)),
    Case("LARS", "optax.lars", dict(lr=2.0, momentum=0, trust_coefficient=0.05),
         optax.lars(2.0, trust_coefficient=0.05, momentum=0)),
    Case("SGD with by_trust_ratio", "optax.lars",
         dict(lr=0.5, weight_decay=0.2, scale=by_trust_ratio(0.02, 0.1, exclude_1d=False)),
         optax.lars(0.5, 0.2, trust_coefficient=0.02, eps=0.1, momentum=0), cls="SGD"),
    Case("Adam with by_trust_ratio", "optax.lamb",
         dict(lr=0.01, eps=1e-6, scale=by_trust_ratio(exclude_1d=False)), optax.lamb(0.01), cls="Adam"),
    Case("LAMB", "optax.lamb", dict(), optax.lamb(1e-3)),
    Case("LAMB", "optax.lamb", dict(lr=0.02, weight_decay=0.2), optax.lamb(0.02, weight_decay=0.2)),
    Case("LAMB", "optax.lamb", dict(lr=0.02, betas=(0.5, 0.9), eps=0.1, weight_decay=0.5),
         optax.lamb(0.02, 0.5, 0.9, 0.1, weight_decay=0.5)),
    Case("Lion", "optax.lion", dict(), optax.lion(1e-4, weight_decay=0)),
    Case("Lion", "optax.lion", dict(lr=0.02, betas=(0.95, 0.98), weight_decay=0.3),
         optax.lion(0.02, 0.95, 0.98, weight_decay=0.3)),
    Case("Lion", "optax.lion", dict(lr=0.05, betas=(0.5, 0.3), weight_decay=1e-3),
         optax.lion(0.05, 0.5, 0.3)),
    Case("NovoGrad", "optax.novograd", dict(betas=(0.95, 0.98)), optax.novograd(0.01, 0.95, 0.98, 1e-8)),
    Case("NovoGrad", "optax.novograd", dict(lr=0.02, betas=(0.9, 0.25), eps=1e-6, weight_decay=0.1),
         optax.novograd(0.02, weight_decay=0.1)),
    Case("NovoGrad", "optax.novograd", dict(lr=0.05, betas=(0.5, 0.9), eps=0.5, weight_decay=0.3),
         optax.novograd(0.05, 0.5, 0.9, 0.5, weight_decay=0.3)),
    Case("NovoGrad with grad_averaging", "optax.novograd",
         dict(lr=0.1, betas=(0.9, 0.25), eps=1e-6, weight_decay=0.1, grad_averaging=True),
         damped(0.1, 0.9, 0.25, weight_decay=0.1), cls="NovoGrad"),
    Case("Lookahead of SGD", "optax.lookahead", dict(lr=0.1), optax.lookahead(optax.sgd(0.1), 5, 0.5),
         cls="SGD", wrap=look()),
    Case("Lookahead of SGD", "optax.lookahead", dict(lr=0.02, momentum=0.9),
         optax.lookahead(optax.sgd(0.02, 0.9), 7, 0.8), cls="SGD", wrap=look(7, 0.8)),
    Case("Lookahead of Adam", "optax.lookahead", ADAM, optax.lookahead(optax.adam(0.05, 0.8, 0.95), 5, 0.5),
         cls="Adam", wrap=look()),
    Case("Lookahead of Adam", "optax.lookahead", dict(), optax.lookahead(optax.adam(1e-3), 1, 0.3),
         cls="Adam", wrap=look(1, 0.3)),
    Case("Ranger", "optax.lookahead of optax.radam", dict(lr=0.01, eps=0.0), ranger(0.01)),
    Case("Ranger", "optax.lookahead of optax.radam", dict(lr=0.02, k=4, alpha=0.8, betas=(0.9, 0.9), eps=0.0,
         weight_decay=0.2, use_gc=False), ranger(0.02, 4, 0.8, 0.9, 0.9, 0.2, False)),
    Case("DoG", "optax.contrib.dog", dict(), dog(1e-6)),
    Case("DoG", "optax.contrib.dog", dict(reps_rel=0.1, lr=0.5, weight_decay=0.1, eps=0.3),
         dog(0.1, 0.5, eps=0.3, weight_decay=0.1)),
    Case("DoG", "optax.contrib.dog", dict(reps_rel=0.1, clip=by_global_norm(2.0)),
         optax.chain(optax.clip_by_global_norm(2.0), dog(0.1))),
    Case("L-DoG", "optax.contrib.dog, one tensor at a time", dict(), one_by_one(dog(1e-6)), cls="LDoG"),
    Case("L-DoG", "optax.contrib.dog, one tensor at a time",
         dict(reps_rel=0.1, lr=0.5, weight_decay=0.1, eps=0.3),
         one_by_one(dog(0.1, 0.5, eps=0.3, weight_decay=0.1)), cls="LDoG"),
    Case("Schedule-Free SGD", "optax.contrib.schedule_free_sgd", dict(lr=0.1),
         optax.contrib.schedule_free_sgd(0.1), cls="SGDScheduleFree"),
    Case("Schedule-Free SGD", "optax.contrib.schedule_free_sgd",
         dict(lr=0.3, momentum=0.6, weight_decay=0.1, weight_lr_power=0.5),
         optax.contrib.schedule_free_sgd(0.3, b1=0.6, weight_decay=0.1, weight_lr_power=0.5),
         cls="SGDScheduleFree"),
    Case("Schedule-Free AdamW", "optax.contrib.schedule_free_adamw", dict(lr=0.1),
         optax.contrib.schedule_free_adamw(0.1), cls="AdamWScheduleFree"),
    Case("Schedule-Free AdamW", "optax.contrib.schedule_free_adamw",
         ADAM | dict(eps=0.1, weight_decay=0.3),
         optax.contrib.schedule_free_adamw(0.05, b1=0.8, b2=0.95, eps=0.1, weight_decay=0.3),
         cls="AdamWScheduleFree"),
    Case("Prodigy", "optax.contrib.prodigy", dict(use_bias_correction=True), optax.contrib.prodigy()),
    Case("Prodigy", "optax.contrib.prodigy",
         dict(lr=0.5, betas=(0.8, 0.95), beta3=0.9, eps=0.1, d0=1e-3, d_coef=2.0, weight_decay=0.1,
              use_bias_correction=True),
         optax.contrib.prodigy(0.5, (0.8, 0.95), 0.9, 0.1, 1e-3, 2.0, 0.1)),
    Case("Prodigy", "optax.contrib.prodigy",
         dict(lr=0.5, d0=0.01, safeguard_warmup=True, use_bias_correction=True),
         optax.contrib.prodigy(0.5, estim_lr0=0.01, safeguard_warmup=True)),
    Case("by_value", "optax.clip", dict(lr=0.1, clip=by_value(0.5)), chain(optax.clip(0.5)), cls="SGD"),
    Case("by_global_norm", "optax.clip_by_global_norm", dict(lr=0.1, clip=by_global_norm(2.0)),
         chain(optax.clip_by_global_norm(2.0)), cls="SGD"),
    Case("by_global_norm", "optax.clip_by_global_norm", dict(lr=0.1, clip=by_global_norm(8.0)),
         chain(optax.clip_by_global_norm(8.0)), cls="SGD"),
    Case("by_layer_norm", "optax.clip_by_global_norm, one tensor at a time",
         dict(lr=0.1, clip=by_layer_norm(1.0)), chain(layer_norm(1.0)), cls="SGD"),
    Case("adaptive", "optax.adaptive_grad_clip", dict(lr=0.1, clip=adaptive(0.3)),
         chain(outputs_last(optax.adaptive_grad_clip(0.3))), cls="SGD", shapes=UNITS),
    Case("adaptive", "optax.adaptive_grad_clip", dict(lr=0.1, clip=adaptive(1.0, eps=0.5)),
         chain(outputs_last(optax.adaptive_grad_clip(1.0, 0.5))), cls="SGD", shapes=UNITS),
    Case("adaptive", "optax.adaptive_grad_clip", dict(lr=0.1, clip=adaptive(0.2)),
         chain(optax.adaptive_grad_clip(0.2, axis=(1, 2))), cls="SGD", shapes=[(4, 3, 2), (6, 1, 1)]),
    Case("centralize", "optax.centralize", dict(lr=0.1, clip=centralize()), chain(optax.centralize()),
         cls="SGD"),
]
# fmt: on


def rows():
    """What this module measures for docs/agreement.md."""
    return Counter((case.method, case.oracle, "float64") for case in CASES)


@cache
def problem(seed, shapes):
    """First parameters, and a and b of the gradients for each step.

    One tensor starts at 0, where a layer has no norm; one gradient is 0 now and then.
    """
    random = np.random.default_rng(seed)
    params = [random.normal(size=shape) for shape in shapes]
    params[1][...] = 0
    factors = [random.uniform(-0.3, 1.0, size=(STEPS, *shape)) for shape in shapes]
    offsets = [random.normal(size=(STEPS, *shape)) for shape in shapes]
    factors[0][4::7] = offsets[0][4::7] = 0
    return params, factors, offsets


def run_ours(case, seed):
    starts, factors, offsets = problem(seed, tuple(case.shapes))
    params = [torch.tensor(start, requires_grad=True) for start in starts]
    optimizer = getattr(ours, case.cls or case.method)(params, **case.kwargs)
    if case.wrap:
        optimizer = case.wrap(optimizer)
    coefficients = [[torch.from_numpy(np.asarray(x)) for x in xs] for xs in (factors, offsets)]
    for step in range(STEPS):
        for p, a, b in zip(params, *coefficients, strict=True):
            p.grad = torch.addcmul(b[step], a[step], p.detach())
        optimizer.step()
    return [p.detach() for p in params]


def train_theirs(transformation, params, factors, offsets):
    """All steps in one program. optax moves a pair of slow and fast weights in Lookahead."""
    pairs = "lookahead" in transformation.update.__qualname__
    if pairs:
        params = optax.LookaheadParams.init_synced(params)

    def step(carry, coefficients):
        params, state = carry
        seen = params.fast if pairs else params
        grads = jax.tree.map(lambda p, a, b: a * p + b, seen, *coefficients)
        updates, state = transformation.update(grads, state, params)
        return (optax.apply_updates(params, updates), state), None

    (params, _), _ = jax.lax.scan(step, (params, transformation.init(params)), (factors, offsets))
    return params.fast if pairs else params


@pytest.fixture(autouse=True)
def _float64():
    with jax.enable_x64(True):
        yield


def name(case):
    """A test's id, with the keywords of a clip and of a scale."""
    settings = {n: getattr(v, "keywords", "") if callable(v) else v for n, v in case.kwargs.items()}
    return f"{case.method}-{case.oracle}-{show(settings)}"


@pytest.mark.parametrize("case", CASES, ids=name)
def test_same_steps_as_optax(case, record_property):
    program = jax.jit(lambda *args: train_theirs(case.transformation, *args))
    found = 0.0
    for seed in SEEDS:
        theirs = [torch.from_numpy(np.array(p)) for p in program(*problem(seed, tuple(case.shapes)))]
        assert all(p.dtype == torch.float64 for p in theirs)
        found = max(found, difference(run_ours(case, seed), theirs))
    record_property("agreement", [case.method, case.oracle, "float64", name(case), found])
    assert found <= TOLERANCE
