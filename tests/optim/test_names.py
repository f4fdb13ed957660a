"""A rule's own names, read while it runs: which there are, by which lines, and that both languages agree."""

import json
import linecache
import math
import sys

import numpy as np
import pytest
import torch

from lwlr_teach.core.javascript import NotJavaScript
from lwlr_teach.optim import METHODS, SGD, DoG, Method, Partition, Prodigy, from_rule, to_javascript
from lwlr_teach.optim.names import seeing, watch
from tests.javascript import run_node
from tests.optim.runs import RUNS
from tests.optim.test_javascript import RULES, TOLERANCE, asks, heavy_ball

ADAM = "grad m v m_hat v_hat direction"
RADAM = "grad m v correction1 correction2 m_hat rho direction"
NAMES = {
    "SGD": "grad direction",
    "Momentum": "grad fresh buffer direction",
    "Nesterov": "grad fresh buffer direction",
    "Adagrad": "grad s direction",
    "RMSprop": "grad s direction",
    "Adadelta": "grad u s new_u direction",
    "Adam": ADAM,
    "AMSGrad": "grad m v m_hat v_max v_hat direction",
    "AdamW": ADAM,
    "Adam-mini": "grad m square v m_hat v_hat direction",
    "Adafactor": "grad beta2 V u size late direction",
    "RAdam": RADAM,
    "Ranger": RADAM,
    "Lion": "grad c m direction",
    "NovoGrad": "grad square v size normalised m direction",
    "LARS": "grad ratio buffer direction",
    "LAMB": "grad direction r ratio returned",
    "Hypergradient": "grad direction lr",
}
SPIKY = [1.0, 1.0, 0.3, 50.0, 0.0, -1.0, 1.0, -1.0, 0.0, 0.0, 0.2, 0.1]


def free_of(method):
    names = [
        "momentum",
        "beta2",
        *["beta1"] * (method.memory is None),
        "eps",
        "weight_decay",
        *["dampening"] * (method.name == "damped"),
    ]
    return ["lr", *(name for name in names if method.target(name))]


def watched(method):
    return to_javascript(method, free_of(method), size=1, watch=True)


@pytest.mark.parametrize("name", METHODS)
def test_the_names_of_every_method_and_their_lines(name):
    found = watched(METHODS[name]).watched
    assert " ".join(own.name for own in found) == NAMES[name]
    for own in found:
        if own.name == "lr":  # is not the rule's
            continue
        begins = ("return ",) if own.name == "returned" else (f"{own.name} = ", f"{own.name}, ", "return ")
        assert own.name == "grad" or own.line.startswith((*begins, "correction1, "))
        assert "\n" not in own.line
        assert own.first in (own.line, None) or name in ("Momentum", "Nesterov")


def lines(method):
    return {own.name: own.line for own in watched(METHODS[method]).watched}


def test_of_two_assignments_the_one_that_was_made_counts():
    assert lines("Adam")["v_hat"] == "v_hat = v / (1 - power(beta2, step))"
    assert lines("AMSGrad")["v_hat"] == "v_hat = v_max / (1 - power(beta2, step))"
    buffer = next(own for own in watched(METHODS["Momentum"]).watched if own.name == "buffer")
    assert buffer.first == "buffer = grad"
    assert buffer.line == 'buffer = add_times(fresh, momentum, state["momentum_buffer"])'


def test_a_statement_of_several_lines_is_one():
    assert lines("LARS")["ratio"] == (
        "ratio = trust_ratio(param, grad, coefficient=trust_coefficient, "
        "eps=weight_decay * norm(param) + eps, exclude_1d=exclude_1d)"
    )

    # fmt: off
    def long(g, state, step):
        a = (2 *  # a comment
             g)
        return a, {}
    # fmt: on
    (gradient, a, direction) = watched(from_rule(long)).watched
    assert (gradient.name, a.line, direction.line) == ("g", "a = 2 * g", "return a, {}")


def in_node(programs, settings):
    """For each program, the values of its names and the change, step after step."""
    plans = [[p.text, p.size, len(p.watched), s] for p, s in zip(programs, settings, strict=True)]
    script = f"""
        const printed = {json.dumps(plans)}.map(([text, size, names, h]) => {{
          const step = new Function(`return ${{text}}`)();
          const [p, s, w] = [Float64Array.of(1), new Float64Array(size), new Float64Array(names)];
          return {json.dumps(SPIKY)}.map((g, i) => {{
            const before = p[0];
            step(p, Float64Array.of(g), s, h, i + 1, w);
            return [...w, p[0] - before].map(String);
          }});
        }});
        console.log(JSON.stringify(printed));
    """
    found = json.loads(run_node(script=script))
    return [np.array([[float(v.replace("Infinity", "inf")) for v in row] for row in rows]) for rows in found]


@pytest.mark.slow
def test_the_browser_tells_what_python_tells():
    rules = [corrected, *(rule for rule in RULES if rule.__name__ not in ("turned", "in_place"))]
    methods = [*RUNS, *map(from_rule, rules)]
    programs = [watched(m) for m in methods]
    given = {"lr": 0.05, "weight_decay": 0.1}
    settings = [p.settings | {name: given[name] for name in given if name in p.settings} for p in programs]
    found_all = in_node(programs, settings)
    for method, program, own, found in zip(methods, programs, settings, found_all, strict=True):
        values, changes = watch(method, SPIKY, own)
        told = [[row.get(w.name, math.nan) for w in program.watched] for row in values]
        expected = np.array([[*row, change] for row, change in zip(told, changes, strict=True)])
        size = np.nanmax(np.abs(expected), axis=0)
        np.testing.assert_array_equal(np.isnan(found), np.isnan(expected), method.name)
        assert (np.nan_to_num(np.abs(found - expected)) <= TOLERANCE * np.maximum(size, 1)).all(), method.name


def corrected(grad, state, step, *, beta1=0.9):
    """Its first step is unlike the others, and knows as numbers what the others compute."""
    if step == 1:
        m, old = (1 - beta1) * grad, torch.zeros(1, dtype=torch.float64)
    else:
        old = state["m"]
        m = beta1 * old + (1 - beta1) * grad
    correction, decay = 1 - beta1**step, 0.5**step
    two, large = 2.0, grad > 3
    return two * decay * m / correction, {"m": torch.where(large, m / 2, m)}


def test_what_a_method_finds_before_its_step_is_told():
    found = {own.name: own.line for own in watched(Method("DoG", DoG)).watched}
    assert list(found) == ["grad", "direction", "rbar", "G", "eta"]
    assert found["eta"] == "found by the method before the step"
    values, _ = watch(Method("Prodigy", Prodigy), SPIKY, {})
    assert all(row["d"] >= row["d_before"] > 0 for row in values)


def test_a_number_at_the_first_step_is_told_like_those_that_follow():
    assert [own.name for own in watched(from_rule(corrected)).watched] == [
        *("grad", "old", "m", "correction", "decay", "direction")
    ]


def test_names_that_only_the_first_step_has():
    def special(grad, state, step, *, beta=0.9):
        if step == 1:
            start = 2 * grad
            return start, {"m": start}
        m = beta * state["m"] + grad
        return m, {"m": m}

    program = watched(from_rule(special))
    assert [(own.name, own.first is None, own.line is None) for own in program.watched] == [
        ("grad", False, False),
        ("start", False, True),
        ("m", True, False),
        ("direction", False, False),
    ]
    (found,) = in_node([program], [program.settings])
    assert found[0, :4] == pytest.approx([1, 2, math.nan, 2], nan_ok=True)
    assert found[1, :4] == pytest.approx([1, math.nan, 2.8, 2.8], nan_ok=True)


def test_a_rule_of_a_notebooks_cell_and_one_without_a_text():
    text = "def cell(grad, state, step):\n    half = grad / 2\n    return half, {}\n"
    file = "<ipython-input-7-abc>"
    for known in (True, False):
        names = {}
        exec(compile(text, file, "exec"), names)
        if known:
            linecache.cache[file] = len(text), None, text.splitlines(True), file
        found = watched(from_rule(names["cell"])).watched
        linecache.cache.pop(file, None)
        assert [own.name for own in found] == ["grad", "half", "direction"]
        assert [own.line for own in found] == (
            ["", "half = grad / 2", "return half, {}"] if known else [""] * 3
        )


def test_what_traced_before_traces_afterwards():
    before, calls = sys.gettrace(), []

    def tracer(frame, event, given):
        calls.append(event)

    try:
        sys.settrace(tracer)
        with seeing(heavy_ball, float) as seen:
            heavy_ball(torch.ones(()), {"buffer": torch.ones(())}, 1)
        assert sys.gettrace() is tracer
        with pytest.raises(ZeroDivisionError), seeing(heavy_ball, float):
            1 / 0  # noqa: B018
        assert sys.gettrace() is tracer
    finally:
        sys.settrace(before)
    assert seen.values == {"grad": 1, "buffer": pytest.approx(1.9), "direction": pytest.approx(1.9)}


def test_what_cannot_be_watched():
    with pytest.raises(ValueError, match="size must be 1 for a program that is watched, got 2"):
        to_javascript("Adam", watch=True)
    with pytest.raises(NotJavaScript, match=r"asks cannot run in a browser: .*`if grad"):
        watched(from_rule(asks))
    with pytest.raises(ValueError, match="must make a RuleOptimizer"):
        watch(Method("parts", lambda params, lr=0.1: Partition(SGD(params, lr))), [1.0], {})
