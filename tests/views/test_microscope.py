import json
import math

import pytest
import torch

from lwlr_teach.optim import METHODS
from lwlr_teach.views import Microscope
from lwlr_teach.views.kit.base import module
from lwlr_teach.views.microscope.sequences import WORDS
from lwlr_teach.views.microscope.sliders import program_of, sliders_of


def heavy_ball(grad, state, step, *, keep=0.9):
    buffer = keep * state["buffer"] + grad
    return buffer, {"buffer": buffer}


BAD = [
    (dict(optimizers=[]), ValueError, "optimizers must name at least one of SGD, "),
    (dict(optimizers=["Adma"]), ValueError, "optimizer 'Adma' is not known; did you mean Adam"),
    (dict(optimizers=["SGD", "Adam", "LARS"]), ValueError, "number of optimizers must be from 1 to 2, got 3"),
    (dict(gradients="spiky"), ValueError, "gradients 'spiky' is not known; did you mean spike"),
    (dict(gradients="given"), ValueError, "gradients 'given' is not known; "),
    (dict(gradients=[1.0]), ValueError, r"two steps or more, got shape \(1,\)"),
    (dict(gradients=torch.ones(3, 2)), ValueError, r"got shape \(3, 2\)"),
    (dict(gradients=[1, math.nan]), ValueError, "gradients must be a finite number, got nan"),
    (
        dict(gradients=[1, "x"]),
        TypeError,
        r"gradients must be a list of numbers or one of .*, got \[1, 'x'\]",
    ),
    (dict(gradients=[1, 2, 3], steps=4), ValueError, "steps must be from 2 to 3, got 4"),
    (dict(steps=1), ValueError, "steps must be from 2 to 1000, got 1"),
    (dict(at_step=31), ValueError, "at_step must be from 1 to 30, got 31"),
    (dict(at_step=0), ValueError, "at_step must be from 1 to 30, got 0"),
    (dict(rho=0.5), ValueError, "rho is a hyperparameter of none of Adam"),
    (dict(beta1=1.5), ValueError, r"betas\[0\] must be a finite number ≥ 0 and < 1, got 1.5"),
    (dict(optimizers=[heavy_ball], keep="x"), TypeError, "keep must be a number or a tensor .*, got 'x'"),
    (dict(lr="fast"), TypeError, "lr must be a number"),
]


@pytest.mark.parametrize(("arguments", "error", "message"), BAD)
def test_bad_arguments(arguments, error, message):
    with pytest.raises(error, match=message):
        Microscope(**{"optimizers": ["Adam"], **arguments})


def test_what_adam_makes_of_a_constant_gradient():
    view = Microscope()
    assert view.values == {
        "Adam": pytest.approx(
            {"grad": 1, "m": 0.1, "v": 0.001, "m_hat": 1, "v_hat": 1, "direction": 1, "Δp": -0.001}
        )
    }
    assert view.describe() == (
        "Step 1 of 30 of a constant gradient, gradient 1. Adam at learning rate 0.001: "
        "grad 1, m 0.1, v 0.001, m_hat 1, v_hat 1, direction 1, Δp −0.001."
    )
    view.positions = {"Adam beta1": 0}
    view.step_index = 29
    assert view.settings["Adam"]["beta1"] == 0
    assert view.describe().startswith(
        "Step 30 of 30 of a constant gradient, gradient 1. Adam at learning rate 0.001, β₁ 0: grad 1, m 1,"
    )


def test_a_name_that_the_first_step_lacks_is_not_said():
    view = Microscope("Momentum")
    assert "grad 1, buffer 1, direction 1" in view.describe()
    view.step_index = 1
    assert "grad 1, fresh 1, buffer 1.9, direction 1.9" in view.describe()


def test_what_is_no_number_is_called_so():
    view = Microscope("Adagrad", gradients="sparse", eps=0.0)
    assert view.settings["Adagrad"]["eps"] == 0
    assert view.describe().endswith("grad 0, s 0, direction no number, Δp no number.")
    view.figure()


@pytest.mark.parametrize("name", [name for name in WORDS if name != "given"])
def test_every_sequence_has_its_words(name):
    view = Microscope(gradients=name, steps=12, at_step=12)
    assert view.describe().startswith(f"Step 12 of 12 of {WORDS[name]}, gradient ")
    assert len(view._gradients()) == 12


def test_gradients_of_a_recorded_run():
    view = Microscope("SGD", gradients=torch.tensor([3.0, -2.0, 0.5]), at_step=2, lr=0.5)
    assert view.gradients == "given"
    assert view.values["SGD"] == {"grad": -2, "direction": -2, "Δp": 1}
    assert view.describe().startswith("Step 2 of 3 of the given gradients, gradient −2. ")
    view.gradients = "constant"
    assert view.values["SGD"]["grad"] == 1
    assert len(Microscope("SGD", gradients=[3.0, -2.0, 0.5], steps=2)._steps) == 2


def test_a_method_beside_itself():
    view = Microscope(["Adam", "Adam"], at_step=30, gradients="spike")
    assert view.names == ["Adam", "Adam (2)"]
    assert view.values["Adam"] == view.values["Adam (2)"]
    view.positions = {"Adam (2) beta2": 50}
    assert view.values["Adam"]["m"] == view.values["Adam (2)"]["m"]
    assert view.values["Adam"]["v"] != view.values["Adam (2)"]["v"]


def test_a_rule_of_ones_own():
    def mine(grad, state, step, *, keep=0.75):
        memory = keep * state["memory"] + grad
        halved = memory / 2
        return halved, {"memory": memory}

    view = Microscope(["SGD", mine], keep=0.5, at_step=2)
    assert view.values["mine"] == pytest.approx(
        {"grad": 1, "memory": 1.5, "halved": 0.75, "direction": 0.75, "Δp": -0.00075}
    )
    lines = {own["name"]: own["line"] for own in view.plan["methods"][1]["watched"]}
    assert lines["memory"] == 'memory = keep * state["memory"] + grad'


def test_a_rule_that_cannot_run_in_a_browser_is_refused_by_its_line():
    def asks(grad, state, step):
        return (grad if grad > 0 else 2 * grad), {}

    with pytest.raises(ValueError, match=r"asks cannot run in a browser: .*`return \(grad if grad > 0"):
        Microscope(asks)


SLIDERS = {
    "SGD": "lr weight_decay",
    "Momentum": "lr momentum dampening weight_decay",
    "Nesterov": "lr momentum weight_decay",
    "Adam": "lr beta1 beta2 eps weight_decay",
    "Adagrad": "lr lr_decay weight_decay initial_accumulator_value eps",
    "RMSprop": "lr alpha eps weight_decay",
    "Adadelta": "lr rho eps weight_decay",
    "LARS": "lr momentum weight_decay trust_coefficient eps",
    "Ranger": "lr beta1 beta2 alpha eps weight_decay",
    "Adafactor": "lr beta2_decay d weight_decay",
    "Adam-mini": "lr beta1 beta2 eps weight_decay",
    "Lion": "lr beta1 beta2 weight_decay",
    "Hypergradient": "lr weight_decay hypergrad_lr",
}


@pytest.mark.parametrize("name", METHODS)
def test_every_real_hyperparameter_has_a_slider_whose_ends_the_method_takes(name):
    method = METHODS[name]
    program = program_of(method)
    sliders = sliders_of(method, program, {})
    names = [slider.name for slider in sliders]
    assert " ".join(names) == SLIDERS.get(name, " ".join(names))
    for slider in sliders:
        assert slider.values[slider.default] == program.settings[slider.name]
        assert [float(label) for label in slider.labels] == slider.values
        assert all(len(f"{v:g}") < 9 for v in slider.values)
        for end in slider.values[0], slider.values[-1]:
            method([torch.zeros(1)], **{slider.name: torch.tensor(end)})


def test_positions_and_drawn_gradients_are_checked():
    view = Microscope(steps=4)
    before = view.describe()
    with pytest.raises(ValueError, match=r"positions 'Adam beta3' is not known; did you mean Adam beta"):
        view.positions = {"Adam beta3": 1}
    with pytest.raises(ValueError, match=r"positions\['Adam lr'\] must be from 0 to \d+, got -1"):
        view.positions = {"Adam lr": -1}
    for wrong, message in [
        ([1.0], "drawn must hold 4 gradients, or none, got 1"),
        ([1.0, 9.0, 0.0, 0.0], "drawn must be a finite number ≥ -2 and ≤ 2, got 9"),
    ]:
        with pytest.raises(ValueError, match=message):
            view.drawn = wrong
    assert view.describe() == before
    view.gradients = "drawn"
    assert view.values["Adam"]["grad"] == 0
    view.drawn = [-2.0, 0, 0.5, 1]
    assert view.values["Adam"]["grad"] == -2


@pytest.mark.slow
def test_the_drawing_has_the_values_and_the_lines():
    view = Microscope(["Adam", "Momentum"], gradients="spike", at_step=11)
    _, adam, momentum, changes = view.figure().axes
    assert [t.get_text() for t in adam.get_yticklabels()][1:3] == ["m  1.6", "v  0.11"]
    assert [t.get_text().split()[0] for t in momentum.get_yticklabels()] == [
        *("grad", "fresh", "buffer", "direction", "Δp")
    ]
    assert 'm = moving_average(state["exp_avg"], grad, beta1)' in [t.get_text() for t in adam.texts]
    left = [bar.get_width() < 0 for bar in adam.patches]
    assert left == [False] * 6 + [True]  # the parameter moves against the gradient
    assert len(changes.lines) == 4
    assert "image/png" in view._repr_mimebundle_()[0]


def test_one_view_sends_little():
    view = Microscope(["RAdam", "NovoGrad"], steps=300)
    assert len(view._esm) - len(module("microscope/view.js")) + len(json.dumps(view.plan)) < 40_000
