"""The names that lessons and sweeps use."""

import re
from functools import partial

import pytest
import torch

from lwlr_teach.clipping import adaptive, by_global_norm, by_value
from lwlr_teach.optim import METHODS, SGD, Adam, Method, RMSprop, method


def test_the_first_methods_are_there():
    assert {"SGD", "Momentum", "Nesterov", "Adagrad", "RMSprop", "Adam", "AMSGrad"} <= set(METHODS)


def test_each_method_stands_under_its_own_name():
    assert all(name == entry.name for name, entry in METHODS.items())


def test_the_catalogue_cannot_be_changed():
    with pytest.raises(TypeError):
        METHODS["mine"] = METHODS["SGD"]


def test_a_name_gives_the_method_and_a_method_gives_itself():
    mine = Method("mine", SGD, {"momentum": 0.5})
    assert method("Adam") is METHODS["Adam"]
    assert method(mine) is mine


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("adam", "optimizer 'adam' is not known; did you mean Adam"),
        ("Momentun", "optimizer 'Momentun' is not known; did you mean Momentum?"),
        ("rmsprop ", "optimizer 'rmsprop ' is not known; did you mean RMSprop?"),
        ("qqqq", "optimizer 'qqqq' is not known; choose from " + ", ".join(METHODS)),
    ],
)
def test_an_unknown_name_lists_the_nearest(name, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        method(name)


@pytest.mark.parametrize("name", METHODS)
def test_every_method_makes_a_torch_optimizer_that_moves(name):
    parameter = torch.ones(3, requires_grad=True)
    optimizer = METHODS[name]([parameter], lr=0.1)
    parameter.grad = torch.ones(3)
    optimizer.step()
    assert isinstance(optimizer, torch.optim.Optimizer)
    assert optimizer.param_groups[0]["lr"] == 0.1
    assert (parameter < 1).all()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("SGD", {"momentum": 0}),
        ("Momentum", {"momentum": 0.3, "nesterov": False}),
        ("Nesterov", {"momentum": 0.3, "nesterov": True}),
        ("Adagrad", {"lr": 0.01}),
        ("RMSprop", {"momentum": 0, "alpha": 0.99}),
        ("Adam", {"betas": (0.3, 0.999), "amsgrad": False}),
        ("AMSGrad", {"betas": (0.3, 0.999), "amsgrad": True}),
    ],
)
def test_momentum_is_the_memory_of_each_method_and_nothing_where_it_has_none(name, expected):
    assert METHODS[name].hyperparameters(momentum=0.3).items() >= expected.items()
    assert (METHODS[name].target("momentum") is None) == (name in ("SGD", "Adagrad", "RMSprop"))


def test_a_method_starts_from_its_own_settings():
    assert METHODS["Momentum"].hyperparameters()["momentum"] == 0.9
    assert METHODS["Adam"].hyperparameters()["betas"] == (0.9, 0.999)
    assert METHODS["AMSGrad"].hyperparameters()["amsgrad"] is True


def test_beta1_and_beta2_set_their_entry_of_betas():
    adam = METHODS["Adam"]
    assert adam.hyperparameters(beta1=0.1)["betas"] == (0.1, 0.999)
    assert adam.hyperparameters(beta2=0.2)["betas"] == (0.9, 0.2)
    assert adam.hyperparameters(beta2=0.2, momentum=0.1)["betas"] == (0.1, 0.2)


def test_reads_only_what_the_method_has():
    assert METHODS["Adam"].target("beta2")
    assert METHODS["Adam"].target("eps")
    assert METHODS["RMSprop"].target("alpha")
    assert not METHODS["SGD"].target("beta1")
    assert not METHODS["SGD"].target("eps")
    assert not METHODS["SGD"].target("params")
    assert not METHODS["SGD"].target("no such thing")
    assert (
        METHODS["SGD"].hyperparameters(eps=1, params=2, beta1=3).keys()
        == METHODS["SGD"].hyperparameters().keys()
    )


def test_a_call_takes_every_argument_of_the_optimizer():
    def of(name, **chosen):
        return METHODS[name]([torch.ones(3, requires_grad=True)], **chosen)

    assert of("Adam", betas=(0.5, 0.9)).param_groups[0]["betas"] == (0.5, 0.9)
    assert of("Adam", betas=(0.5, 0.9), beta1=0.3).param_groups[0]["betas"] == (0.3, 0.9)
    nesterov = of("SGD", nesterov=True, momentum=0.5).param_groups[0]
    assert (nesterov["nesterov"], nesterov["momentum"]) == (True, 0.5)
    assert (
        of("Adam", amsgrad=True, maximize=True).param_groups[0].items()
        >= {
            "amsgrad": True,
            "maximize": True,
        }.items()
    )
    assert of("Adam", nonfinite="skip").nonfinite == "skip"
    clip = by_value(1.0)
    assert of("SGD", clip=clip).clip is clip
    assert of("Ranger", k=3, use_gc=False).k == 3


@pytest.mark.parametrize(
    ("name", "chosen", "message"),
    [
        ("Adam", {"learning_rate": 0.5}, "Adam has no argument 'learning_rate'; it has lr, betas, eps,"),
        ("Adam", {"Eps": 0.5}, "Adam has no argument 'Eps'; it has lr, betas, eps,"),
        ("SGD", {"beta1": 0.5}, "SGD has no argument 'beta1'; it has lr, momentum,"),
        ("Adagrad", {"momentum": 0.5}, "Adagrad has no argument 'momentum'; it has lr, lr_decay,"),
        ("SGD", {"limit": 0.5}, "SGD has no argument 'limit'; it has lr, momentum,"),
        ("Ranger", {"alfa": 0.5}, "Ranger has no argument 'alfa'; it has lr, alpha, k,"),
    ],
)
def test_a_call_refuses_an_argument_that_the_optimizer_does_not_have(name, chosen, message):
    with pytest.raises(TypeError, match=re.escape(message)):
        METHODS[name]([torch.ones(3, requires_grad=True)], **chosen)


def test_a_call_refuses_what_the_optimizer_refuses():
    with pytest.raises(ValueError, match="nesterov=True needs a momentum > 0"):
        METHODS["SGD"]([torch.ones(3, requires_grad=True)], nesterov=True)


def test_a_learner_can_name_a_memory_of_their_own():
    mine = Method("mine", RMSprop, {"alpha": 0.9}, memory="momentum")
    assert mine.hyperparameters(momentum=0.5).items() >= {"alpha": 0.9, "momentum": 0.5}.items()
    assert Method("mine", Adam, memory="beta2").hyperparameters(momentum=0.5)["betas"] == (0.9, 0.5)


# --- a clip of its own -------------------------------------------------------------------------------------


def step_from(optimizer, point, grad):
    point.grad = grad.clone()
    optimizer.step()
    return point


@pytest.mark.parametrize("chosen", [{}, {"limit": 0.5}])
def test_a_clipped_method_clips_at_its_own_limit_unless_it_is_told_another(chosen):
    clipped = METHODS["SGD"].clipped(by_global_norm, 2.0)
    point, grad = torch.zeros(2, dtype=torch.float64), torch.tensor([3.0, 4.0], dtype=torch.float64)
    step_from(clipped([point], lr=0.1, **chosen), point, grad)
    assert point.norm().item() == pytest.approx(0.1 * chosen.get("limit", 2.0))
    assert clipped.hyperparameters(**chosen)["limit"] == chosen.get("limit", 2.0)
    assert METHODS["SGD"].clip is None


def test_the_name_of_a_clipped_method_tells_its_clip():
    sgd = METHODS["SGD"]
    assert sgd.clipped(by_value).name == "SGD + by value"
    assert sgd.clipped(partial(adaptive, units=-1)).name == "SGD + adaptive"
    assert sgd.clipped(by_value, name="mine").name == "mine"


def test_a_limit_is_read_by_clipped_methods_only():
    assert METHODS["SGD"].target("limit") is None
    assert METHODS["Adam"].clipped(by_value).target("limit") == "limit"
    assert "limit" not in METHODS["SGD"].hyperparameters(limit=3.0)


def test_a_clipped_method_refuses_a_second_clip_and_a_bad_limit():
    clipped = METHODS["SGD"].clipped(by_value)
    with pytest.raises(
        ValueError, match=r"clip must be None for SGD \+ by value, which has a clip of its own"
    ):
        clipped([torch.zeros(2)], {"clip": by_value(1.0)})
    with pytest.raises(ValueError, match="clip_value must be a finite number ≥ 0, got -1"):
        METHODS["SGD"].clipped(by_value, -1.0)
    with pytest.raises(TypeError, match=r"clip must be a function, for example by_global_norm, got 1\.0"):
        METHODS["SGD"].clipped(1.0)
