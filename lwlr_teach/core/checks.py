"""Checks of arguments. Each error names the argument, the value, and what is allowed."""

from __future__ import annotations

import difflib
import math
import numbers
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import TypeVar

import torch

T = TypeVar("T")
Number = float | torch.Tensor
_LONG = 80


def check_number(
    name: str,
    value: Number,
    *,
    low: float = -math.inf,
    high: float = math.inf,
    above: float = -math.inf,
    below: float = math.inf,
) -> None:
    """Raise unless every entry of ``value`` is finite, ``low ≤ value ≤ high`` and ``above < value < below``.

    ``value`` is a number or a tensor of numbers; of a tensor the first offending entry is shown.
    """
    if isinstance(value, bool) or not isinstance(value, numbers.Real | torch.Tensor):
        said = repr(value)  # of a list of tensors it would be a page
        said = said if len(said) <= _LONG else f"{said[:_LONG]}…"
        raise TypeError(f"{name} must be a number or a tensor of numbers, got {said}")
    # A plain number stays one: a tensor of it would go to the default device, which may be "meta".
    entries = value.flatten().tolist() if isinstance(value, torch.Tensor) else [value]
    for entry in map(float, entries):
        if not (math.isfinite(entry) and low <= entry <= high and above < entry < below):
            raise ValueError(f"{name} must be {_range(low, high, above, below)}, got {entry:g}")


def _range(low: float, high: float, above: float, below: float) -> str:
    upper = f"< {below:g}" if below < math.inf else f"≤ {high:g}" if high < math.inf else ""
    lower = f"> {above:g}" if above > -math.inf else f"≥ {low:g}" if low > -math.inf else ""
    return " and ".join(["a finite number", *filter(None, [lower, upper])]).replace("number and", "number", 1)


def check_count(name: str, value: int, *, low: int = 1, high: float = math.inf) -> None:
    """Raise unless ``value`` is a whole number, ``low ≤ value ≤ high``."""
    if isinstance(value, bool) or not isinstance(value, numbers.Integral):
        raise TypeError(f"{name} must be a whole number, got {value!r}")
    if not low <= value <= high:
        allowed = f"at least {low}" if high == math.inf else f"from {low} to {high}"
        raise ValueError(f"{name} must be {allowed}, got {value}")


def check_rising(name: str, values: torch.Tensor) -> None:
    """Raise unless ``values`` (n,) are finite and positive and each is larger than the one before."""
    check_number(name, values)
    if values[0] <= 0 or (values.diff() <= 0).any():
        raise ValueError(
            f"{name} must be positive and rise, got {', '.join(f'{v:g}' for v in values.tolist())}"
        )


def with_inner(optimizer: object) -> Iterator[object]:
    """The optimizer, and those that it is around, as Lookahead is around one and Partition around several.

    Each comes before what it is around.
    """
    yield optimizer
    parts = getattr(optimizer, "optimizers", ())
    inner = getattr(optimizer, "optimizer", None)
    for part in parts if isinstance(parts, tuple | list) else ():
        yield from with_inner(part)
    if inner is not None:
        yield from with_inner(inner)


def check_function(name: str, value: object, example: str) -> None:
    """Raise unless ``value`` can be called; ``example`` shows one that fits."""
    if not callable(value):
        raise TypeError(f"{name} must be a function, for example {example}, got {value!r}")


def check_made(name: str, value: object, example: str) -> None:
    """As :func:`check_function`, and raise for what only makes such a function, as ``by_value`` makes a clip.

    That is a class, as ``Cosine`` in place of ``Cosine(300)``, and whatever says in its annotation that it
    returns a function.
    """
    check_function(name, value, example)
    maker: typing.Any = value.func if isinstance(value, partial) else value
    if isinstance(maker, type) or _returns_a_function(maker):
        called = getattr(maker, "__name__", repr(maker))
        raise TypeError(
            f"{name} must be a function, for example {example}, got {called}, which only makes one: "
            f"call it, as in {called}(…)"
        )


def _returns_a_function(value: typing.Any) -> bool:
    try:
        returned = typing.get_type_hints(value).get("return")
    except Exception:  # what stands there may be anything, or nothing that is still known
        return False
    return returned is Callable or typing.get_origin(returned) is Callable


def check_choice(name: str, value: str, choices: Mapping[str, T]) -> T:
    """Return ``choices[value]``, or raise ValueError with the nearest names."""
    if isinstance(value, str) and value in choices:
        return choices[value]
    raise ValueError(f"{name} {value!r} is not known; {_nearest(str(value), choices)}")


def _nearest(value: str, choices: Iterable[str]) -> str:
    by_lower = {choice.lower(): choice for choice in choices}
    close = difflib.get_close_matches(value.lower(), by_lower, n=3, cutoff=0.5)
    if close:
        return "did you mean " + " or ".join(by_lower[c] for c in close) + "?"
    return "choose from " + ", ".join(by_lower.values())


def check_device(name: str, device: str | torch.device) -> torch.device:
    """Return the device, or raise ValueError when this machine does not have it."""
    try:
        found = torch.device(device)
        torch.empty(1, device=found)
    except (RuntimeError, AssertionError, NotImplementedError, TypeError) as error:
        here = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
        here += ["mps"] if torch.backends.mps.is_available() else []
        raise ValueError(
            f"{name} {str(device)!r} is not available; this machine has {', '.join(here)}"
        ) from error
    return found
