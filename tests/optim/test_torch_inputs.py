"""The arguments with which torch tests its own optimizers: right ones, and wrong ones.

torch's list takes seconds to load, so that it is loaded when the tests run and not when pytest collects them.
"""

import functools
import re
from collections import Counter
from contextlib import nullcontext

import pytest
import torch

import lwlr_teach.optim as ours
from tests.optim.agreement import difference, show
from tests.optim.runs import exact_muon

pytestmark = pytest.mark.usefixtures("one_thread")

NAMES = ["SGD", "Adafactor", "Adagrad", "RMSprop", "Adadelta", "Adam", "AdamW", "RAdam", "Muon"]
ORACLE = "torch's own test inputs"
IMPLEMENTATIONS = ("foreach", "fused", "capturable", "differentiable")  # torch's, and no part of the method
SHAPES = [(4, 3), (3, 5), (2, 2), (1, 4)]  # matrices: Muon moves nothing else
STEPS = 20

every_method = pytest.mark.parametrize("name", NAMES)


@functools.cache
def infos():
    from torch.testing._internal.common_optimizers import optim_db

    return {info.optim_cls.__name__: info for info in optim_db if hasattr(ours, info.optim_cls.__name__)}


@functools.cache
def inputs(name):
    """The arguments, each once; those for CUDA differ from those for the CPU in more than capturable."""
    found = {}
    for device in ("cpu", "cuda"):
        for given in infos()[name].optim_inputs_func(device=device, dtype=torch.float64):
            kwargs = {n: v for n, v in given.kwargs.items() if n not in IMPLEMENTATIONS}
            # torch wants one entry in a tensor, however many its axes; here axes are those of a batch.
            if not any(isinstance(x, torch.Tensor) and x.ndim for x in kwargs.get("betas", ())):
                found[show(kwargs)] = {n: in_double(v) for n, v in kwargs.items()}
    return found


def in_double(value):
    """Tensors in float64: given one in float32, torch rounds the whole step to it, and we do not."""
    if isinstance(value, tuple):
        return tuple(in_double(v) for v in value)
    return value.double() if isinstance(value, torch.Tensor) else value


def rows():
    return Counter({(name, ORACLE, "float64"): len(inputs(name)) for name in NAMES})


def fresh(seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(s, generator=generator, dtype=torch.float64).requires_grad_() for s in SHAPES]


def batch_of_two():
    return [torch.stack([p, p]).detach().requires_grad_() for p in fresh()]


def move(optimizer, step=0):
    for p in optimizer.param_groups[0]["params"]:
        p.grad = torch.cos(3 * p.detach() + 2 * step)
    optimizer.step()


def train(cls, kwargs, seed):
    params = fresh(seed)
    optimizer = cls(params, **kwargs)
    with exact_muon() if cls.__name__ == "Muon" else nullcontext():
        for step in range(STEPS):
            move(optimizer, step)
    return [p.detach() for p in params]


def test_torch_tests_every_method_that_we_share_with_it():
    assert infos().keys() == set(NAMES) == {n for n in ours.__all__ if hasattr(torch.optim, n)}


@pytest.mark.slow
@every_method
def test_same_steps_from_torchs_inputs(name, subtests, record_property):
    assert len(inputs(name)) >= 5
    for setting, kwargs in inputs(name).items():
        with subtests.test(setting):
            pairs = [[train(getattr(m, name), kwargs, seed) for m in (ours, torch.optim)] for seed in (0, 1)]
            found = max(difference(*pair) for pair in pairs)
            record_property("agreement", [name, ORACLE, "float64", setting, found])
            assert found <= 1e-12


# --- errors, by torch's description of the input ----------------------------------------------------------

# Where torch raises and we do something better.
BETTER = {
    "Tensor lr must be 1-element": "a tensor with axes holds one rate for each model of a batch",
    "betas must be either both floats or both Tensors": "any number may be a tensor by itself",
}
# What one of our methods takes, and torch's does not.
TAKEN = {("Adafactor", "does not support complex parameters"): "each is two real numbers, as elsewhere"}
# Where we raise something else.
OTHERWISE = {
    "does not support complex parameters": (ValueError, "refused when it is made, not in the first step"),
}
# Where torch's own base class raises, for which no argument of the method is to blame.
FROM_TORCH = ("invalid param type", "duplicate parameters", "with/without names")


def wrong_inputs(name):
    """(description, arguments, error)"""
    for error in infos()[name].optim_error_inputs_func(device="cpu", dtype=torch.float64):
        given = error.optimizer_error_input
        yield given.desc, (fresh() if given.params is None else given.params, given.kwargs), error


@every_method
def test_torchs_wrong_inputs_are_refused_by_name(name, subtests):
    cls = getattr(ours, name)
    for description, (params, kwargs), error in wrong_inputs(name):
        with subtests.test(f"{description} {kwargs}"):
            if description in BETTER:
                move(cls(batch_of_two(), **kwargs))
                continue
            if (name, description) in TAKEN:
                move(cls(params, **kwargs))
                continue
            kind, _reason = OTHERWISE.get(description, (error.error_type, "as torch"))
            with pytest.raises(kind) as caught:
                cls(params, **kwargs)
            assert mentions(str(caught.value), description, params, kwargs, error), caught.value


def mentions(message, description, params, kwargs, error):
    """Whether the message says which argument is wrong."""
    if any(words in description for words in FROM_TORCH):
        return re.search(error.error_regex, message)
    if kwargs:  # the last of them is the wrong one, and any before it are there to be right
        return list(kwargs)[-1] in message
    return str(tuple(params[0].shape)) in message


@every_method
def test_what_is_said_to_be_better_is_refused_by_torch(name, subtests):
    """Or else the list above is out of date."""
    for description, (params, kwargs), error in wrong_inputs(name):
        if description in BETTER:
            with subtests.test(f"{description} {kwargs}"), pytest.raises(error.error_type):
                getattr(torch.optim, name)(params, **kwargs)


def test_every_exception_from_torchs_list_is_in_it():
    descriptions = {description for name in NAMES for description, *_ in wrong_inputs(name)}
    assert BETTER.keys() | OTHERWISE.keys() | {description for _, description in TAKEN} <= descriptions
