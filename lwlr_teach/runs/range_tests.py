"""The range test: one run whose rate grows, and what is read off its curve."""

from __future__ import annotations

import copy
import gc
import math
import random
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from types import FrameType, FunctionType, ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from lwlr_teach.core.checks import check_count, check_function, check_made, check_number
from lwlr_teach.core.progress import Bar, progress_bar
from lwlr_teach.core.text import label
from lwlr_teach.runs.training import check_one_gradient
from lwlr_teach.schedules import check_drivable

Loss = Callable[[Any, Any], Tensor]
"""``loss(output, target)``, for example ``torch.nn.functional.cross_entropy``."""
Batches = Iterable[tuple[Any, Any]]
"""Pairs (input, target), for example a ``DataLoader``."""

SMOOTHING = 0.98
"""How much of the smoothed loss is kept from step to step: what fastai and PyTorch Lightning take."""
STOP = 4.0
"""The test ends when the smoothed loss is this many times its lowest value: theirs, too."""
_LAST = 5  # steps at the end that are not looked at, as in fastai: there the loss already explodes


@dataclass(frozen=True)
class RangeTest:
    """A run whose rate grew from step to step; tensors (step,) in double precision.

    ``losses[i]`` was measured on batch i before the step with ``lr[i]``: it shows what the rates before did.
    ``RangeTestView(test)`` of ``lwlr_teach.views`` draws it.
    """

    lr: Tensor
    losses: Tensor
    smoothed: Tensor
    smoothing: float
    steps: int
    """Steps that were asked for; there are fewer if the loss exploded before, or the test was interrupted."""
    interrupted: bool = False

    def __repr__(self) -> str:
        low, high = label(self.lr[0].item()), label(self.lr[-1].item())
        why = "stopped" if self.stopped else "interrupted" if self.interrupted else ""
        ended = f", {why} after {len(self.lr)}" if why else ""
        said = ", ".join(f"{name} {label(rate)}" for name, rate in self.suggestions.items())
        return f"RangeTest({self.steps} steps{ended}, from {low} to {high}: {said})"

    @property
    def stopped(self) -> bool:
        """Whether the loss exploded before the largest rate was reached."""
        return len(self.lr) < self.steps and not self.interrupted

    @property
    def steepest(self) -> float:
        """The rate at which the smoothed loss falls fastest per factor of rate; nan if it never falls."""
        use = self._used()
        if use.stop - use.start < 2:
            return math.nan
        slope = self.smoothed[use].diff()  # the rates are evenly spaced on the logarithmic axis
        at = int(slope.argmin())
        return self.lr[use][at].item() if slope[at] < 0 else math.nan

    @property
    def minimum_over_10(self) -> float:
        """A tenth of the rate at which the smoothed loss is lowest; nan if there are too few steps to say."""
        use = self._used()
        if use.stop - use.start < 2:
            return math.nan
        return self.lr[use][self.smoothed[use].argmin()].item() / 10

    @property
    def suggestions(self) -> dict[str, float]:
        """The usual suggestions by name."""
        return {"steepest": self.steepest, "minimum / 10": self.minimum_over_10}

    def _used(self) -> slice:
        """The steps that are looked at: neither the first tenth, where the average is young, nor the last."""
        return slice(self.steps // 10, len(self.lr) - _LAST)

    def with_smoothing(self, smoothing: float, stop: float = STOP) -> RangeTest:
        """The same run with another constant. It ends where that one stops it, if it went so far."""
        check_number("smoothing", smoothing, low=0, below=1)
        losses, smoothed, _ = _until_it_explodes(self.losses.tolist(), smoothing, stop)
        to_its_end = self.interrupted and len(losses) == len(self.losses)
        return RangeTest(self.lr[: len(losses)], losses, smoothed, smoothing, self.steps, to_its_end)


def smooth(losses: Iterable[float], smoothing: float) -> Iterator[float]:
    """The exponential average after each of these losses, divided by the sum of its weights.

    ``m ← s·m + (1 − s)·loss``, shown as ``m / (1 − s^step)``: the correction of Adam's moments, without which
    the curve would begin near zero.
    """
    mean = weight = 0.0
    for loss in losses:
        mean = smoothing * mean + (1 - smoothing) * loss
        weight = smoothing * weight + (1 - smoothing)
        yield mean / weight


def _until_it_explodes(losses: Iterable[float], smoothing: float, stop: float) -> tuple[Tensor, Tensor, bool]:
    """The losses and their averages up to the first average that is no number or too far above the lowest,
    and whether an interruption came first.

    Written so that it works for losses below zero, too; for the others it is ``average > stop · lowest``.
    """
    seen: list[float] = []
    averages: list[float] = []
    lowest = math.inf
    interrupted = False
    try:
        for average in smooth(_noted(losses, seen), smoothing):
            averages.append(average)
            lowest = min(lowest, average)
            if not math.isfinite(average) or average - lowest > (stop - 1) * abs(lowest):
                break
    except KeyboardInterrupt:
        if not averages:
            raise  # nothing to keep
        interrupted = True
    whole = torch.tensor(seen[: len(averages)], dtype=torch.float64)
    return whole, torch.tensor(averages, dtype=torch.float64), interrupted


def _noted(values: Iterable[float], seen: list[float]) -> Iterator[float]:
    for value in values:
        seen.append(value)
        yield value


def exponential_rates(low: float, high: float, steps: int) -> Tensor:
    """``steps`` rates from ``low`` to ``high``, each the same factor above the last, in double precision."""
    check_count("steps", steps, low=2)
    check_number("high", high, low=0)
    check_number("low", low, low=torch.finfo(torch.float64).tiny, below=high)
    rates = torch.logspace(math.log10(low), math.log10(high), steps, dtype=torch.float64)
    rates[0], rates[-1] = low, high  # not off by a rounding
    return rates


def range_test(
    model: nn.Module,
    loss: Loss,
    batches: Batches,
    optimizer: Optimizer | Callable[..., Optimizer],
    *,
    low: float = 1e-7,
    high: float = 10.0,
    steps: int = 100,
    smoothing: float = SMOOTHING,
    stop: float = STOP,
    progress: bool = True,
) -> RangeTest:
    """Train a copy of the model while the rate grows exponentially from ``low`` to ``high``.

    Smith (2015, 2017) lets the rate grow linearly over some epochs, plots accuracy against it, and reads off
    two ends of a cycle: where the accuracy begins to rise, and where it becomes ragged or falls. What
    libraries call by this name is the version of fastai (Gugger 2018), with the loss of each batch on a
    logarithmic axis, and so is this one.

    They differ, so that one and the same run gives other numbers (read in their sources):

    ==================  ========================  ========================  ========================
    \\                   fastai                    PyTorch Lightning         torch-lr-finder
    ==================  ========================  ========================  ========================
    rates               1e-7 to 10, 100 steps     1e-8 to 1, 100 steps      the optimizer's own to 10
    smoothing           0.98, corrected           0.98, corrected           0.95, from the first loss
    stops at            4 × the lowest loss       4 × the lowest loss       5 × the lowest loss
    leaves out          first tenth, last 5       first 10, last 1          first 10, last 5
    suggests            "valley"; on request      steepest                  steepest
                        steepest, minimum/10
    ==================  ========================  ========================  ========================

    Rates, smoothing, the end and what is left out are fastai's here. Its last rate is one step short of
    ``high``, ours is ``high``.

    Args:
        model: tested in training mode. The model itself is not touched: a copy is trained.
        loss: ``loss(output, target)``, a function or a module.
        batches: pairs (input, target). If they end before ``steps`` are taken they are gone through again.
            They are moved to the model's device if they are tensors.
        optimizer: a class or function that makes one, ``optimizer(parameters)``, or an optimizer of this
            model. It is copied with its state. Its parameter groups keep the ratios of their rates: the one
            with the highest gets the test's rate, the others the same share of it as they have now.
        low, high: the first and the last rate.
        steps: how many there are. A test that is too short reads the curve of a network that had no time to
            learn; then the suggestions are too large.
        smoothing: 0 ≤ smoothing < 1, see :func:`smooth`.
        stop: the test ends when the smoothed loss is this many times its lowest value, or is no number.
        progress: show a bar when it takes longer than a second.

    Model, optimizer, BatchNorm's statistics and the random numbers of torch, NumPy and Python are afterwards
    as they were; so are the generators and the attributes of the batches, of their samplers and of whatever
    else they hold. An iterator has moved on, and a list or an array that was shuffled in place stays so.
    A test that is interrupted (■ in JupyterLab's toolbar, Ctrl+C in a terminal) returns what it has.

    Raises:
        ValueError: for anything that cannot be run. A loss that explodes is a result, not an error.
    """
    if not isinstance(model, nn.Module):
        raise TypeError(f"model must be a torch.nn.Module, got {model!r}")
    check_made("loss", loss, "torch.nn.functional.cross_entropy")
    rates = exponential_rates(low, high, steps)
    check_number("smoothing", smoothing, low=0, below=1)
    check_number("stop", stop, low=1)
    with _restored(batches), torch.enable_grad(), closing(_endless(batches, steps)) as stream:
        model, loss, optimizer = _copies(model, loss, optimizer)
        with progress_bar("range test", steps, shown=progress) as bar:
            run = _train(model, loss, stream, optimizer, rates, bar)
            losses, smoothed, interrupted = _until_it_explodes(run, smoothing, stop)
            bar.total = bar.n  # one that ends before would stay, in red
    if interrupted:
        print(f"Interrupted after {len(losses)} of {steps} steps. What is done is kept.")
    return RangeTest(rates[: len(losses)], losses, smoothed, smoothing, steps, interrupted)


def _copies(
    model: nn.Module, loss: Loss, optimizer: Optimizer | Callable[..., Optimizer]
) -> tuple[nn.Module, Loss, Optimizer]:
    """The three, copied together so that the optimizer's copy moves the model's copy."""
    if isinstance(optimizer, Optimizer):
        own = {id(p) for p in model.parameters()}
        if not any(id(p) in own for group in optimizer.param_groups for p in group["params"]):
            raise ValueError("optimizer must move the parameters of model, and holds none of them")
        model, loss, optimizer = copy.deepcopy((model, loss, optimizer))
    else:
        check_function("optimizer", optimizer, "torch.optim.SGD")
        model, loss = copy.deepcopy((model, loss))
        optimizer = optimizer(model.parameters())
        if not isinstance(optimizer, Optimizer):
            raise TypeError(f"optimizer must make a torch.optim.Optimizer, got {optimizer!r}")
    check_one_gradient(optimizer)
    check_drivable(type(optimizer).__name__, optimizer)
    if not model.training:
        model.train()
    return model, loss, optimizer


def _train(
    model: nn.Module,
    loss: Loss,
    batches: Iterator[tuple[Any, Any]],
    optimizer: Optimizer,
    rates: Tensor,
    bar: Bar,
) -> Iterator[float]:
    """The loss before each step; the step itself is taken when the next loss is asked for."""
    shares = _shares(optimizer)
    device = next((p.device for p in model.parameters()), torch.device("cpu"))
    for rate in rates.tolist():
        x, y = (part.to(device) if isinstance(part, Tensor) else part for part in next(batches))
        for group, share in zip(optimizer.param_groups, shares, strict=True):
            own = rate * share
            group["lr"] = torch.full_like(group["lr"], own) if isinstance(group["lr"], Tensor) else own
        optimizer.zero_grad()
        value = loss(model(x), y)
        bar.update()
        yield value.item()
        value.backward()
        optimizer.step()


def _shares(optimizer: Optimizer) -> list[float]:
    """Each group's rate as a share of the highest; 1 for all where a schedule has them all at 0."""
    rates = [float(group["lr"]) for group in optimizer.param_groups]
    highest = max(rates)
    return [rate / highest if highest else 1.0 for rate in rates]


def _endless(batches: Batches, steps: int) -> Generator[tuple[Any, Any], None, None]:
    """The batches, again and again."""
    taken = 0
    while True:
        before = taken
        for batch in batches:
            if not isinstance(batch, list | tuple) or len(batch) != 2:
                raise ValueError(f"batches must be pairs (input, target), got {type(batch).__name__}")
            taken += 1
            yield batch[0], batch[1]
        if taken == before:  # empty, or an iterator, which can be gone through only once
            raise ValueError(f"batches must last for {steps} steps or be a list; they ended after {taken}")


@contextmanager
def _restored(batches: object) -> Iterator[None]:
    """Give the random numbers back as they were, on every device, and all that the batches hold."""
    pythons, numpys = random.getstate(), np.random.get_state()  # noqa: NPY002 (what transforms may use)
    restore = [_as_now(thing) for thing in _held(batches)]
    try:
        with torch.random.fork_rng(enabled=True, device_type=_accelerator()):
            yield
    finally:
        random.setstate(pythons)
        np.random.set_state(numpys)  # noqa: NPY002
        for put_back in restore:
            put_back()


_CLOSED = (type, ModuleType, FrameType, Tensor, Iterator, str, bytes, int, float, type(None))
"""What is not looked into. An iterator has moved on, and what it holds has moved with it."""


def _held(batches: object) -> Iterable[Any]:
    """All that is reached from the batches: loaders, samplers, data sets, transforms, generators."""
    found: dict[int, Any] = {}
    left: list[Any] = [batches]
    while left:
        thing = left.pop()
        if id(thing) in found or isinstance(thing, _CLOSED):
            continue
        found[id(thing)] = thing
        is_function = isinstance(thing, FunctionType)  # whose globals belong to others, too
        left += [thing.__closure__, thing.__defaults__] if is_function else gc.get_referents(thing)
    return found.values()


def _as_now(thing: Any) -> Callable[[], object]:
    """A function that gives a generator its state back, or an object its attributes."""
    if isinstance(thing, torch.Generator):
        return partial(thing.set_state, thing.get_state())
    if isinstance(thing, np.random.RandomState):
        return partial(thing.set_state, thing.get_state(legacy=False))
    if isinstance(thing, np.random.BitGenerator):
        return partial(setattr, thing, "state", thing.state)
    if isinstance(thing, random.Random) and not isinstance(thing, random.SystemRandom):
        return partial(thing.setstate, thing.getstate())
    attributes = getattr(thing, "__dict__", {})
    return partial(_refill, attributes, dict(attributes))


def _refill(attributes: dict[str, Any], before: dict[str, Any]) -> None:
    for name in attributes.keys() - before.keys():
        del attributes[name]
    attributes.update(before)


def _accelerator() -> str:
    found = torch.accelerator.current_accelerator()
    return found.type if found is not None else "cuda"
