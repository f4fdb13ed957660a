"""What runs in the browser takes the steps that Python takes: the same text, in Node.

Python's side is ``sweep``. Training amplifies a rounding, and a chaotic path amplifies it without end. So
each path is compared for as long as Python itself, begun a few roundings away from the start, still comes to
the same points; and most steps must be compared in this way.
"""

import base64
import itertools
import json
import math
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

import lwlr_teach
from lwlr_teach import clipping
from lwlr_teach.core.javascript import NotJavaScript, Sheet
from lwlr_teach.layerwise import by_trust_ratio
from lwlr_teach.optim import METHODS, SGD, Adam, Lookahead, Method, Partition, from_rule, to_javascript
from lwlr_teach.problems.surfaces import SURFACES, Surface, find_surface, noisy
from lwlr_teach.runs import sweep
from lwlr_teach.schedules import Chained, Cosine, OneCycle, Warmup
from tests.javascript import run_node
from tests.optim.runs import FINDING, RUNS

RUN = Path(lwlr_teach.__file__).parent / "views" / "kit" / "run.js"
ORACLE = "the same text as JavaScript, in Node"
TOLERANCE = 1e-12
ROUNDINGS = 4 * 2.0**-52  # how far from a start the paths begin that show what a rounding does
DOUBT = 1e-13

# These add, multiply, divide and take roots, one call each: no processor does that in another way. The others
# have exp, log or pow, or calls that torch rounds once less where a processor can multiply and add at once:
# lerp, addcmul and a norm.
EXACT = {"SGD", "Momentum", "Nesterov", "Hypergradient"}
EXACT |= {"quadratic", "ravine", "rosenbrock", "beale", "himmelblau", "saddle", "plateau"}

# A rate at which most surfaces neither stand still nor explode.
RATES = {"SGD": 0.01, "Momentum": 0.005, "Nesterov": 0.005, "Hypergradient": 0.002, "NovoGrad": 0.01}
RATES |= {"DoG": 1.0, "L-DoG": 1.0, "Schedule-Free SGD": 0.005, "Prodigy": 1.0}
RATES |= {"Adadelta": 1.0, "LARS": 5.0, "LAMB": 0.05}


# The catalogue, and the methods beside it that find their rate.
PLAYED = METHODS | {run.name: run for run in FINDING if "," not in run.name}


def rows():
    """What this module measures for docs/agreement.md."""
    return Counter([(name, ORACLE, "float64") for name in PLAYED for _ in SURFACES_OF[50] + SURFACES_OF[300]])


# --- many runs in one Node ----------------------------------------------------------------------------------


class Case(NamedTuple):
    """One run: a program, the text of a surface, and the rest of what ``run`` of run.js is given."""

    program: Any
    surface: str
    steps: int
    setup: dict[str, Any]


def in_node(cases: list[Case]) -> list[tuple[np.ndarray, np.ndarray]]:
    """The path (steps + 1, 2) and the losses (steps + 1) of each run."""
    programs = {case.program.text: case.program.size for case in cases}
    texts = {text: i for i, text in enumerate([*programs, *{case.surface: 0 for case in cases}])}
    plans = [[texts[c.program.text], texts[c.surface], c.program.size, c.steps, c.setup] for c in cases]
    script = f"""
        import {{ run }} from {json.dumps(RUN.as_uri())};
        const functions = {json.dumps(list(texts))}.map((text) => new Function(`return ${{text}}`)());
        const printed = {json.dumps(plans)}.map(([step, surface, size, steps, setup]) => {{
          const all = new Float64Array(3 * (steps + 1));
          const [path, losses] = [all.subarray(0, 2 * (steps + 1)), all.subarray(2 * (steps + 1))];
          run({{ step: functions[step], size }}, functions[surface], setup, path, losses);
          return Buffer.from(all.buffer).toString("base64");
        }});
        console.log(JSON.stringify(printed));
    """
    found = []
    for case, text in zip(cases, json.loads(run_node("--input-type=module", script=script)), strict=True):
        numbers = np.frombuffer(base64.b64decode(text))
        found.append((numbers[: 2 * case.steps + 2].reshape(-1, 2), numbers[2 * case.steps + 2 :]))
    return found


# --- many runs in one sweep -----------------------------------------------------------------------------


def side_by_side(surfaces: list[Surface], times: int) -> Surface:
    """A surface, of gradients only, for sweeps of ``times`` starts on each of these, one after another."""

    def df(x: torch.Tensor, y: torch.Tensor) -> tuple[torch.Tensor, ...]:
        places = zip(surfaces, x.split(times, -1), y.split(times, -1), strict=True)
        return tuple(torch.cat(parts, -1) for parts in zip(*(s.df(x, y) for s, x, y in places), strict=True))

    everywhere = ((-10.0, 10.0), (-10.0, 10.0))
    return Surface(
        "all",
        "",
        lambda x, y: torch.zeros_like(x),
        df,
        everywhere,
        (0, 0),
        (),
        floor=0.0,
        noise=surfaces[0].noise,
    )


def random_start(surface: Surface, generator: np.random.Generator) -> list[float]:
    return [generator.uniform(low, high) for low, high in surface.bounds]


def begun_nearby(start: list[float]) -> list[list[float]]:
    (x, y), more, less = start, 1 + ROUNDINGS, 1 - ROUNDINGS
    return [[x * more, y], [x, y * more], [x * less, y * less]]


def python_paths(surfaces, method, starts, steps, grid, **options):
    """Paths (starts, 1 + 3 nearby, *grid, steps + 1, 2) of Python's sweep."""
    all_starts = [s for start in starts for s in [start, *begun_nearby(start)]]
    done = sweep(
        side_by_side(surfaces, 4),
        [method],
        steps=steps,
        starts=all_starts,
        progress=False,
        **grid,
        **options,
    )
    return done.paths[0].movedim(len(grid), 0).unflatten(0, (-1, 4)).numpy()


def compare(got: np.ndarray, paths: np.ndarray) -> tuple[float, float]:
    """How far a path is from Python's, and for which part of the steps that can be said.

    ``paths`` (1 + 3, steps + 1, 2) are Python's, and those from starts nearby. Differences are relative to
    the largest coordinate up to there.
    """
    with np.errstate(all="ignore"):
        size = np.maximum.accumulate(np.abs(paths[0]).max(-1))
        doubt = np.maximum.accumulate(np.abs(paths[1:] - paths[0]).max((0, -1)) / size)
        gap = np.abs(got - paths[0]).max(-1) / size
        sure = doubt <= DOUBT  # False for nan: a path that has overflown
    return float(gap[sure].max(initial=0)), float(sure.sum() / np.isfinite(size).sum())


def free_of(method):
    return [name for name in ("lr", "momentum", "weight_decay") if method.target(name)]


def random_grid(method, generator):
    rate = RATES.get(method.name, 0.05)
    grid = {"lr": rate * 10 ** generator.uniform(-1, 0.4, 2)}
    grid |= {"momentum": generator.uniform(0, 0.95, 2), "weight_decay": generator.uniform(0, 0.2, 2)}
    return {name: values.tolist() for name, values in grid.items() if method.target(name)}


def comparison(method, surfaces, steps, seed):
    """A run for each surface and each setting of a random grid, and Python's paths for it."""
    generator = np.random.default_rng(seed)
    starts, grid = [random_start(s, generator) for s in surfaces], random_grid(method, generator)
    paths = python_paths(surfaces, method, starts, steps, grid)
    program = to_javascript(method, grid)
    settings = [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]
    texts = [surface.to_javascript() for surface in surfaces]
    cases = [
        Case(program, text, steps, {"settings": each, "start": start})
        for text, start in zip(texts, starts, strict=True)
        for each in settings
    ]
    return cases, paths.reshape(len(surfaces), 4, len(settings), steps + 1, 2).swapaxes(1, 2)


@cache
def measured(steps):
    """For each method and surface: the differences of all runs, and the parts that could be compared."""
    plans = [comparison(PLAYED[name], SURFACES_OF[steps], steps, seed=i) for i, name in enumerate(PLAYED)]
    found = iter(in_node([case for cases, _ in plans for case in cases]))
    return {
        name: [list(zip(*(compare(next(found)[0], p) for p in each), strict=True)) for each in paths]
        for name, (_, paths) in zip(PLAYED, plans, strict=True)
    }


# Noise has a test of its own. The cliff is fifty steps of a network at each point: for patient tests.
SMOOTH = [find_surface(name) for name in SURFACES if name not in ("noisy quadratic", "cliff")]
SURFACES_OF = {50: SMOOTH, 300: [*SMOOTH, find_surface("cliff")]}


@pytest.mark.slow
@pytest.mark.parametrize("name", PLAYED)
@pytest.mark.parametrize("steps", [50, 300])
def test_every_method_takes_pythons_steps_on_every_surface(name, steps, record_property):
    shares = []
    for surface, (gaps, compared) in zip(SURFACES_OF[steps], measured(steps)[name], strict=True):
        record_property("agreement", [name, ORACLE, "float64", surface.name, max(gaps)])
        assert max(gaps) <= (0 if {name, surface.name} <= EXACT else TOLERANCE), surface.name
        shares += compared
    assert np.mean(shares) > 0.5


def check(cases, references):
    """Every case is Python's path, as far as can be said; ``references`` are (1 + 3, steps + 1, 2)."""
    results = [compare(path, paths) for (path, _), paths in zip(in_node(cases), references, strict=True)]
    for case, (gap, _) in zip(cases, results, strict=True):
        assert gap <= TOLERANCE, case
    assert np.mean([share for _, share in results]) > 0.5


def alone(method, surface, steps=40, settings=None, start=None, setup=None, options=None, **python):
    """One run, in JavaScript and in Python."""
    settings = settings or {"lr": RATES.get(method.name, 0.05)}
    start = list(start or surface.start)
    program = to_javascript(method, settings, options)
    case = Case(
        program, surface.to_javascript(), steps, {"settings": settings, "start": start, **(setup or {})}
    )
    grid = {name: [value] for name, value in settings.items()}
    paths = python_paths([surface], method, [start], steps, grid, **python)
    return case, paths.reshape(4, steps + 1, 2)


def check_alone(*runs):
    check(*zip(*runs, strict=True))


ROSENBROCK = find_surface("rosenbrock")


@pytest.mark.slow
def test_every_branch_of_a_rule_and_of_the_engine():
    runs = []
    for run in RUNS:
        settings = dict(run.settings)
        clip = settings.pop("clip", None)  # a sweep hands its own to all
        runs.append(alone(replace(run, settings=settings), ROSENBROCK, options={"clip": clip}, clip=clip))
    check_alone(*runs)


def test_a_memory_of_zero_is_no_other_program():
    check_alone(
        *(alone(METHODS[n], ROSENBROCK, settings={"lr": 1e-3, "momentum": 0.0}) for n in ("Momentum", "Adam"))
    )


CLIPS = {
    "value": clipping.by_value(0.1),
    "global norm": clipping.by_global_norm(0.5),
    "layer norm": clipping.by_layer_norm(0.5),
    "adaptive": clipping.adaptive(),
    "in turn": clipping.in_turn(clipping.centralize(), clipping.by_value(0.1), clipping.by_global_norm(0.05)),
}


@pytest.mark.slow
def test_clips():
    clipped = itertools.product(CLIPS.values(), ("SGD", "Adam", "Hypergradient", "DoG"))
    check_alone(*(alone(PLAYED[n], ROSENBROCK, 25, options={"clip": c}, clip=c) for c, n in clipped))


@pytest.mark.parametrize(
    "clip", [clipping.by_value, clipping.by_global_norm, clipping.by_layer_norm, clipping.adaptive]
)
def test_a_limit_can_be_free(clip):
    method = METHODS["Momentum"].clipped(clip)
    check_alone(*(alone(method, ROSENBROCK, settings={"lr": 0.05, "limit": v}) for v in (0.02, 0.5, 1e6)))


def test_the_trust_ratio_as_a_scale():
    scaled = [Method("scaled", cls, {"scale": by_trust_ratio(0.5)}) for cls in (SGD, Adam)]
    check_alone(*(alone(m, ROSENBROCK) for m in scaled))


def test_lookahead_around_anything():
    def around(params, lr=0.01, alpha=0.5, **options):
        return Lookahead(SGD(params, lr, momentum=0.9, **options), k=3, alpha=alpha)

    method = Method("around", around, {})
    check_alone(*(alone(method, ROSENBROCK, settings={"lr": 1e-3, "alpha": alpha}) for alpha in (0.2, 0.8)))


@pytest.mark.slow
def test_schedules_are_lists_of_factors():
    steps, rate = 40, {"lr": 1e-3}
    runs = []
    for schedule in (Cosine(30), Chained([Warmup(5), Cosine(40)])):
        factors = [schedule(t) for t in range(steps)]
        runs += [
            alone(PLAYED[n], ROSENBROCK, steps, rate, setup={"factors": factors}, schedule=schedule)
            for n in ("SGD", "Adam", "LARS", "DoG", "L-DoG", "Schedule-Free SGD", "Prodigy")
        ]
    cycle = OneCycle(steps)
    setup = {
        "factors": [cycle(t) for t in range(steps)],
        "momenta": [cycle.momentum(t) for t in range(steps)],
    }
    settings = {"lr": 1e-4, "momentum": 0.9}
    runs += [
        alone(METHODS[n], ROSENBROCK, steps, settings, setup=setup, schedule=cycle)
        for n in ("Momentum", "Adam")
    ]
    check_alone(*runs)


@pytest.mark.slow
def test_noise_is_a_list_of_draws():
    steps, seed, noise = 40, 3, 0.7
    surface = noisy("quadratic", noise)
    # As a sweep draws: for all starts of a step at once, of which the first is compared.
    generator = torch.Generator().manual_seed(seed)
    draws = [torch.randn(4, 2, generator=generator, dtype=torch.float64)[0] for _ in range(steps)]
    setup = {"draws": torch.cat(draws).tolist(), "noise": noise}
    found = []
    for name in METHODS:
        case, paths = alone(METHODS[name], surface, steps, setup=setup, seed=seed)
        found.append((case, paths[:1].repeat(4, 0)))  # the others met other noise
    check_alone(*found)


ranges = {
    "lr": st.floats(1e-4, 0.3),
    "momentum": st.floats(0, 0.99),
    "beta2": st.floats(0, 0.9999),
    "eps": st.floats(1e-12, 1),
    "weight_decay": st.floats(0, 1),
}


@pytest.mark.slow
@hypothesis_settings(max_examples=5, deadline=None, derandomize=True)
@given(
    st.fixed_dictionaries(ranges),
    st.tuples(st.floats(-2, 2), st.floats(-1, 2)),
    st.sets(st.sampled_from(sorted(METHODS)), min_size=4, max_size=4),
)
def test_any_settings_from_any_start(values, start, names):
    runs = []
    for method in map(METHODS.__getitem__, sorted(names)):
        settings = {name: value for name, value in values.items() if method.target(name)}
        runs.append(alone(method, find_surface("ravine"), 20, settings, start))
    found = in_node([case for case, _ in runs])
    for (case, paths), (path, _) in zip(runs, found, strict=True):
        assert compare(path, paths)[0] <= TOLERANCE, case


def test_losses_and_gradients_of_all_surfaces():
    generator = np.random.default_rng(0)
    # SGD at rate 0 stays, and at rate 1 shows the gradient.
    program = to_javascript("SGD")
    surfaces = [make() for make in SURFACES.values()]
    points = [(s, random_start(s, generator)) for s in surfaces for _ in range(20)]
    texts = {surface.name: surface.to_javascript() for surface in surfaces}
    setups = [(texts[s.name], {"settings": {"lr": 1}, "start": point}) for s, point in points]
    found = in_node([Case(program, text, 1, setup) for text, setup in setups])
    for (surface, point), (path, losses) in zip(points, found, strict=True):
        at = torch.tensor(point, dtype=torch.float64)
        exact = 0 if surface.name in EXACT - {"saddle"} else TOLERANCE
        assert losses[0] == pytest.approx(surface.loss(at).item(), rel=exact, abs=exact), surface.name
        assert path[1] == pytest.approx((at - surface.grad(at)).numpy(), rel=exact, abs=exact), surface.name


# --- torch's operations ------------------------------------------------------------------------------------

OPERATIONS = [
    lambda a, b: a + b - 3 * (2 - a),
    lambda a, b: torch.add(a, b, alpha=0.3) - torch.sub(a, b, alpha=3) - torch.rsub(a, b, alpha=0.5),
    lambda a, b: a / b + 1 / a - b.reciprocal(),
    lambda a, b: torch.stack([a.abs() ** n for n in (-2, -1, -0.5, 0, 0.5, 1, 2, 3, 4, 2.5)]).sum(),
    lambda a, b: a.abs() ** b + 2**b + a.abs().sqrt() * a.abs().rsqrt(),
    lambda a, b: (a - a).sign() + 2 * (a - 2).sign() + 4 * (b - a.floor()).sign(),
    lambda a, b: a.sign() + b.floor() + b.ceil() + a.remainder(b),
    lambda a, b: torch.lerp(a, b, 0.0),
    lambda a, b: torch.lerp(a, b, 1.0),
    lambda a, b: torch.lerp(a, b, 0.4) + torch.lerp(a, b, 0.6),
    lambda a, b: torch.lerp(a, b, (a > b).to(a)),
    lambda a, b: torch.lerp(a, b, b.sigmoid()),
    lambda a, b: torch.addcmul(a, a, b, value=0.3) + torch.addcdiv(a, a, b, value=-2),
    lambda a, b: torch.maximum(a, b) - 2 * torch.minimum(a, b),
    lambda a, b: a.clamp(-1, 1) + b.clamp(min=0.5) + b.clamp(max=a) + a.clamp(1, -1) + a.relu(),
    lambda a, b: torch.where(a > b, a, 2 * b) + torch.where((a <= 0) & ~(b < 0) | (a == b), 1.0, a),
    lambda a, b: torch.where((a >= b).logical_or(b != 1).logical_and(b > 0), a, -b),
    lambda a, b: a.exp() + b.expm1() + a.abs().log() + b.abs().log1p() + a.sigmoid() + a.tanh(),
    lambda a, b: a.sin() + b.cos() + torch.atan2(a, b) + torch.logaddexp(a, b),
    lambda a, b: torch.stack([a, b, a]).norm() + torch.stack([a]).norm() + torch.stack([a, b]).mean(),
    lambda a, b: torch.stack([torch.stack([a, b]), torch.stack([b, -a])]).sum(1).amax() - b.amin(),
    lambda a, b: torch.cat([a.view(1), b.repeat(2)]).flip(0)[2] + a.new_zeros(()) + torch.full_like(b, 2),
]


def test_each_operation_is_torchs():
    generator = torch.Generator().manual_seed(0)
    pairs = 3 * torch.randn(40, 2, generator=generator, dtype=torch.float64)
    pairs = torch.cat([pairs, torch.tensor([[1e16, 1.0], [1.0, 1e16], [0.0, 2.0], [1.0, 1.0]]).to(pairs)])
    texts = []
    for operation in OPERATIONS:
        a, b, sheet = pairs[0, 0].clone(), pairs[0, 1].clone(), Sheet()
        sheet.name(a, ["a"])
        sheet.name(b, ["b"])
        with sheet:
            result = operation(a, b)
        texts.append(f"(a, b) => {{ {sheet.write([('return', sheet.entries(result)[0])])} }}")
    script = f"""
        const pairs = {json.dumps(pairs.tolist())};
        const results = [{", ".join(texts)}].map((f) => pairs.map(([a, b]) => String(Number(f(a, b)))));
        console.log(JSON.stringify(results));
    """
    for operation, row in zip(OPERATIONS, json.loads(run_node(script=script)), strict=True):
        expected = [float(operation(a, b)) for a, b in pairs]
        found = [float(text.replace("Infinity", "inf")) for text in row]
        assert found == pytest.approx(expected, rel=1e-13, nan_ok=True), operation.__code__.co_firstlineno


# --- rules of a learner -----------------------------------------------------------------------------------


def heavy_ball(grad, state, step, *, momentum=0.9):
    buffer = momentum * state["buffer"] + grad
    return buffer, {"buffer": buffer}


def first_is_special(grad, state, step, *, momentum=0.9):
    if step == 1:
        return grad, {"b": grad}
    assert step > 1
    b = momentum * state["b"] + (1 - momentum) * grad
    return b, {"b": b}


def my_adam(grad, state, step, *, beta1=0.9, beta2=0.99):
    m = beta1 * state.get("m", torch.zeros_like(grad)) + (1 - beta1) * grad
    v = beta2 * state.get("v", 0) + (1 - beta2) * grad**2
    m_hat, v_hat = m / (1 - beta1**step), v / (1 - beta2**step)
    return m_hat / (v_hat.sqrt() + 1e-8), {"m": m, "v": v}


def in_place(grad, state, step, *, momentum=0.9):
    buffer = state["buffer"]
    buffer.mul_(momentum).add_(grad)
    direction = torch.empty_like(grad)
    direction[0], direction[1] = buffer[0], 2 * buffer[1]
    return direction, {"buffer": buffer}


def turned(grad, state, step, *, param=None):
    across = torch.stack([-grad[1], grad[0]]) * torch.tensor([1.0, 0.5])
    return grad + 0.1 * across.clamp(-1, 1) + 0.01 * param.sign() * torch.tanh(grad.sum()), {}


def looks_back(grad, state, step, *, param=None):
    return grad + 0.1 * (param - state["before"]), {"before": param.clone()}


def is_late(grad, state, step):
    return state["late"], {"late": 2 * state["early"], "early": grad}


RULES = [heavy_ball, first_is_special, my_adam, in_place, turned, looks_back, is_late]


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_of_ones_own(rule):
    method = from_rule(rule)
    free = [name for name in ("lr", "momentum", "beta1", "beta2") if method.target(name) or name == "lr"]
    settings = {"lr": 1e-3} | dict.fromkeys(free[1:], 0.8)
    check_alone(alone(method, ROSENBROCK, settings=settings), alone(method, ROSENBROCK))


def test_a_rule_of_ones_own_is_the_packages():
    mine, ours = (
        to_javascript(m, ["lr", "momentum"]) for m in (from_rule(heavy_ball, memory="momentum"), "LARS")
    )
    assert mine.settings == {"lr": 1e-3, "momentum": 0.9}
    assert ours.settings == {"lr": 1.0, "momentum": 0.9}
    a, b = (
        sweep("ravine", [m], lr=[0.01], momentum=[0.5], steps=20, progress=False).paths
        for m in (from_rule(heavy_ball, memory="momentum"), "Momentum")
    )
    assert torch.equal(a, b)


# --- what cannot be written -------------------------------------------------------------------------------

KEPT = torch.zeros(2, dtype=torch.float64)


def asks(grad, state, step):
    if grad[0] > 0:
        return grad, {}
    return -grad, {}


def counts(grad, state, step):
    return (grad if step % 2 else 2 * grad), {}


def takes_a_root(grad, state, step):
    return grad * math.sqrt(step), {}


def uses_numpy(grad, state, step):
    return torch.from_numpy(np.sign(grad.numpy())), {}


def uses_lists(grad, state, step):
    return torch.tensor([max(g, 0.0) for g in grad.tolist()], dtype=torch.float64), {}


def makes_tensors(grad, state, step):
    return torch.tensor([grad[0], 2 * grad[1]], dtype=torch.float64), {}


def draws(grad, state, step):
    return grad + torch.randn(2), {}


def decomposes(grad, state, step):
    return torch.linalg.svd(grad.outer(grad))[0][0], {}


def is_coarse(grad, state, step):
    return grad.float() * 2, {}


def keeps_outside(grad, state, step):
    KEPT.mul_(0.9).add_(grad)
    return KEPT, {}


def keeps_a_number(grad, state, step):
    return grad, {"n": state.get("n", 0) + 1}


REFUSED = {
    asks: "`if grad\\[0\\] > 0:`, asks for a value .* torch.where",
    counts: "`return \\(grad if step % 2 else 2 \\* grad\\), {}`, asks for a value",
    takes_a_root: "`return grad \\* math.sqrt\\(step\\), {}`, asks for a value .* torch's",
    uses_numpy: "`return torch.from_numpy.*`, asks for a value",
    uses_lists: "`return torch.tensor.*`, asks for a value",
    makes_tensors: "`return torch.tensor.*`, makes a tensor of tensors. Instead of tensor, write torch.stack",
    draws: "`return grad \\+ torch.randn\\(2\\), {}`, draws random numbers",
    decomposes: "`return torch.linalg.svd.*`, calls torch's '_linalg_svd' .* Known are abs, add",
    is_coarse: "`return grad.float\\(\\) \\* 2, {}`, computes in torch.float32",
    keeps_outside: "`KEPT.mul_\\(0.9\\).add_\\(grad\\)`, changes a tensor that it did not make",
    keeps_a_number: "keeps state\\['n'\\] = 1",
}


@pytest.mark.parametrize("rule", REFUSED, ids=lambda rule: rule.__name__)
def test_what_cannot_be_written_is_refused_by_its_line(rule):
    with pytest.raises(NotJavaScript, match=f"{rule.__name__} cannot run in a browser: .*{REFUSED[rule]}"):
        to_javascript(from_rule(rule))


def test_the_line_is_that_of_the_rule():
    with pytest.raises(
        NotJavaScript, match=f"line {asks.__code__.co_firstlineno + 1} of test_javascript.py, in asks"
    ):
        to_javascript(from_rule(asks))


def test_a_number_that_slips_in_is_seen():
    def slips(grad, state, step):
        with torch._C._DisableTorchDispatch():
            scale = float(grad.detach().sum())
        return grad * scale, {}

    with pytest.raises(NotJavaScript, match=r"takes a number out|asks for a value"):
        to_javascript(from_rule(slips))


def test_names_that_are_no_slider_are_refused():
    for name, free in [
        ("Adam", "rho"),
        ("Adam", "betas"),
        ("SGD", "momentum"),
        ("SGD", "nesterov"),
        ("Ranger", "k"),
    ]:
        with pytest.raises(ValueError, match=f"free must name .* of {name}"):
            to_javascript(name, [free])
    with pytest.raises(ValueError, match="nonfinite must be 'ignore' in a browser, got 'skip'"):
        to_javascript("Adam", options={"nonfinite": "skip"})
    with pytest.raises(ValueError, match="must make a RuleOptimizer"):
        to_javascript(Method("parts", lambda params, lr=0.1: Partition(SGD(params, lr))))


# --- the text ---------------------------------------------------------------------------------------------


def test_the_text_stands_in_a_module_too():
    program = to_javascript("Adam", ["lr", "momentum"])
    script = f"""
        const step = {program.text};
        const surface = {find_surface("ravine").to_javascript()};
        const [p, g, s] = [2, 2, {program.size}].map((n) => new Float64Array(n).fill(n === 2 ? 1 : 0));
        console.log(surface(p, g) > 0);
        step(p, g, s, {json.dumps(program.settings)}, 1);
        console.log(p.every((x) => Math.abs(Math.abs(x - 1) - 0.001) < 1e-9));
    """
    assert run_node("--input-type=module", script=script).split() == ["true", "true"]


def test_all_programs_are_small():
    programs = [to_javascript(m, free_of(m)).text for m in METHODS.values()]
    surfaces = [make().to_javascript() for name, make in SURFACES.items() if name != "cliff"]
    assert sum(len(text.encode()) for text in programs + surfaces) < 18_000


def test_what_nobody_reads_takes_no_room():
    assert to_javascript("SGD").size == 0
    assert to_javascript("LARS").size == 2  # its last ratio is for people
    assert to_javascript("Adam").size == 4
    assert "t === 1" not in to_javascript("Adam").text


@pytest.mark.slow
def test_no_compiler_is_loaded():
    program = (
        "import sys\nfrom lwlr_teach.optim import to_javascript\nto_javascript('Adam')\n"
        "sys.exit('torch._dynamo' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_views_share_what_is_written_into_them():
    sheet, x = Sheet(), torch.ones(2, 2, dtype=torch.float64)
    sheet.name(x, ["a", "b", "c", "d"])
    with sheet:
        y = x.clone()
        y.T[0].mul_(x[0, 0])  # a column
        y.view(-1)[3:].copy_(x.sum())
    texts = [sheet.write([("return", entry)]) for entry in sheet.entries(y)]
    assert texts == ["return a * a;", "return b;", "return c * a;", "return ((a + b) + c) + d;"]
