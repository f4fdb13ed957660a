"""Every check passes what is allowed, and says name, value and range of what is not."""

import math
import re
from functools import partial

import numpy as np
import pytest
import torch

from lwlr_teach.clipping import Clip, adaptive, by_global_norm, by_value, centralize, in_turn
from lwlr_teach.core.checks import check_choice, check_count, check_device, check_made, check_number
from lwlr_teach.layerwise import by_trust_ratio
from lwlr_teach.schedules import Constant, Cosine, InverseTime

INF = math.inf


@pytest.mark.parametrize(
    ("value", "limits"),
    [
        (0, {"low": 0}),
        (-0.0, {"low": 0}),
        (1, {"high": 1}),
        (0.999, {"low": 0, "below": 1}),
        (0.1, {"high": 0.1}),
        (1 - 1e-12, {"below": 1}),
        (-5.0, {}),
        (torch.tensor([0.0, 0.5]), {"low": 0, "below": 1}),
        (torch.tensor(0.5, dtype=torch.float16), {"low": 0}),
        (torch.ones(2, 3, dtype=torch.int64), {"low": 0}),
        (torch.tensor(0.1, requires_grad=True), {"low": 0}),
        (np.float64(0.1), {"low": 0}),
        (np.float32(0.1), {"low": 0}),
        (np.int64(1), {"low": 0}),
    ],
)
def test_an_allowed_number_passes(value, limits):
    check_number("x", value, **limits)


@pytest.mark.parametrize(
    ("value", "limits", "message"),
    [
        (-1, {"low": 0}, "lr must be a finite number ≥ 0, got -1"),
        (-1e-30, {"low": 0}, "lr must be a finite number ≥ 0, got -1e-30"),
        (math.nan, {}, "lr must be a finite number, got nan"),
        (INF, {"low": 0}, "lr must be a finite number ≥ 0, got inf"),
        (-INF, {}, "lr must be a finite number, got -inf"),
        (1, {"low": 0, "below": 1}, "lr must be a finite number ≥ 0 and < 1, got 1"),
        (3, {"low": 0.1, "high": 2}, "lr must be a finite number ≥ 0.1 and ≤ 2, got 3"),
        (3, {"high": 2}, "lr must be a finite number ≤ 2, got 3"),
        (
            torch.tensor([0.5, 2.0, -3.0]),
            {"low": 0, "below": 1},
            "lr must be a finite number ≥ 0 and < 1, got 2",
        ),
        (torch.tensor([[0.5], [math.nan]]), {"low": 0}, "lr must be a finite number ≥ 0, got nan"),
    ],
)
def test_a_number_out_of_range_is_named_with_value_and_range(value, limits, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        check_number("lr", value, **limits)


@pytest.mark.parametrize("value", [0.5, 1, np.float32(0.5), torch.tensor([0.1, 0.5])])
def test_a_number_is_checked_where_new_tensors_hold_none(value):
    """Models are made under ``torch.device("meta")``, and their optimizers with them."""
    with torch.device("meta"):
        check_number("lr", value, low=0, high=1)
        with pytest.raises(ValueError, match="lr must be a finite number ≥ 2"):
            check_number("lr", value, low=2)


@pytest.mark.parametrize("value", ["0.1", None, [0.1], True, 1j, np.array([0.1])])
def test_what_is_no_number_is_a_type_error(value):
    with pytest.raises(
        TypeError, match=re.escape(f"lr must be a number or a tensor of numbers, got {value!r}")
    ):
        check_number("lr", value)


@pytest.mark.parametrize("value", [1, 5, np.int64(3)])
def test_an_allowed_count_passes(value):
    check_count("steps", value, low=1, high=5)


@pytest.mark.parametrize(
    ("value", "limits", "message"),
    [
        (0, {}, "steps must be at least 1, got 0"),
        (-3, {"low": 0}, "steps must be at least 0, got -3"),
        (6, {"high": 5}, "steps must be from 1 to 5, got 6"),
    ],
)
def test_a_count_out_of_range_is_named_with_value_and_range(value, limits, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        check_count("steps", value, **limits)


@pytest.mark.parametrize("value", [1.0, "3", None, True])
def test_what_is_no_whole_number_is_a_type_error(value):
    with pytest.raises(TypeError, match=re.escape(f"steps must be a whole number, got {value!r}")):
        check_count("steps", value)


def test_of_a_list_of_tensors_not_a_page_is_shown():
    with pytest.raises(TypeError, match=r"got .*…$") as error:
        by_value([torch.zeros(30, 30)])
    assert len(str(error.value)) < 140


def my_clip(limit: float) -> Clip:
    return by_value(limit)


def unknown(limit) -> "Nowhere":  # noqa: F821
    return limit


@pytest.mark.parametrize(
    ("maker", "name"),
    [
        *((f, f.__name__) for f in (by_value, by_global_norm, adaptive, centralize, in_turn, by_trust_ratio)),
        (Cosine, "Cosine"),
        (InverseTime, "InverseTime"),
        (torch.nn.CrossEntropyLoss, "CrossEntropyLoss"),
        (my_clip, "my_clip"),
        (partial(by_global_norm, eps=1e-6), "by_global_norm"),
    ],
    ids=range(11),
)
def test_what_only_makes_a_function_is_told_from_the_function(maker, name):
    said = f"clip must be a function, for example mine(), got {name}, which only makes one: "
    said += f"call it, as in {name}(…)"
    with pytest.raises(TypeError, match=f"^{re.escape(said)}$"):
        check_made("clip", maker, "mine()")


@pytest.mark.parametrize(
    "made",
    [
        by_value(1.0),
        by_trust_ratio(),
        Cosine(3),
        Constant(),
        lambda step: 1.0,
        torch.nn.MSELoss(),
        torch.nn.functional.mse_loss,
        math.exp,
        my_clip(1.0),
        unknown,
    ],
    ids=range(10),
)
def test_what_is_such_a_function_passes(made):
    check_made("clip", made, "mine()")


def test_what_is_no_function_at_all_is_no_maker_either():
    with pytest.raises(TypeError, match=r"^clip must be a function, for example mine\(\), got 3$"):
        check_made("clip", 3, "mine()")


CHOICES = {"SGD": 1, "Adam": 2, "Adagrad": 3, "RMSprop": 4}


def test_a_choice_returns_what_stands_under_the_name():
    assert check_choice("optimizer", "Adagrad", CHOICES) == 3


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("adam", "optimizer 'adam' is not known; did you mean Adam"),
        ("RMSprob", "optimizer 'RMSprob' is not known; did you mean RMSprop?"),
        ("sdg", "optimizer 'sdg' is not known; did you mean SGD?"),
        ("zzzzz", "optimizer 'zzzzz' is not known; choose from SGD, Adam, Adagrad, RMSprop"),
        ("", "optimizer '' is not known; choose from SGD, Adam, Adagrad, RMSprop"),
        (None, "optimizer None is not known; choose from SGD, Adam, Adagrad, RMSprop"),
        (["SGD"], "optimizer ['SGD'] is not known"),
    ],
)
def test_an_unknown_choice_shows_the_nearest_names_or_all(value, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        check_choice("optimizer", value, CHOICES)


@pytest.mark.parametrize("device", ["cpu", torch.device("cpu")])
def test_a_device_that_is_here_is_returned(device):
    assert check_device("device", device) == torch.device("cpu")


@pytest.mark.parametrize("device", ["cuda:99", "gpu", "", "xla", None])
def test_a_device_that_is_not_here_names_those_that_are(device):
    with pytest.raises(ValueError, match=rf"device {str(device)!r} is not available; this machine has cpu"):
        check_device("device", device)
