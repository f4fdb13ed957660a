"""The same update, through ``torch.compile``."""

from __future__ import annotations

import inspect
import warnings
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from lwlr_teach.optim.update import Bucket, Update, state_tensors

# What the asserts would check again at each step, torch's guards have checked.
_HOW: dict[str, Any] = {"dynamic": False, "options": {"size_asserts": False}}
if "isolate_recompiles" in inspect.signature(torch.compile).parameters:
    # Each optimizer has programs of its own, so that many of them do not use up torch's limit of eight.
    _HOW["isolate_recompiles"] = True


class Compiled:
    """An update that is compiled at its first call, and that goes on eagerly where that cannot be done.

    A number that changes from step to step (the rate, a cycled momentum) must enter the program as a tensor,
    or each new value would be compiled again. The step and the rate always do; another number does from its
    first change on.
    """

    def __init__(self, update: Update) -> None:
        self.update = update
        self.program: Callable[[list[Bucket], int], None] = torch.compile(update.in_place, **_HOW)
        self.first: dict[int, dict[str, Any]] = {}
        self.changed: dict[int, set[str]] = defaultdict(set)

    def __call__(self, buckets: list[Bucket], batch: int) -> None:
        """Take one step with every tensor in every bucket."""
        from torch._dynamo.exc import TorchDynamoException
        from torch._inductor.exc import InductorError

        try:
            self.program([self._with_tensors(i, b, batch) for i, b in enumerate(buckets)], batch)
        except (TorchDynamoException, InductorError) as error:  # raised before anything has moved
            reason = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
            warnings.warn(
                f"compile=True did not work here, and the steps are taken eagerly: {reason}. torch.compile "
                "needs a C++ compiler (Linux: g++; macOS: xcode-select --install; Windows: its Build Tools)",
                stacklevel=5,
            )
            self.program = self.update
            self.update(buckets, batch)

    def _with_tensors(self, i: int, bucket: Bucket, batch: int) -> Bucket:
        settings, first, changed = bucket.settings, self.first.setdefault(i, bucket.settings), self.changed[i]
        changed.update(name for name, value in settings.items() if _differs(value, first[name]))
        return bucket._replace(
            settings=settings
            | {name: _as_tensor(settings[name]) for name in changed}
            | {"lr": as_number(settings["lr"])},
            step=as_number(bucket.step),
            # A rule takes by name what it needs; a batch takes all, and is not to meet the count of steps.
            states=[state_tensors(state) for state in bucket.states] if batch else bucket.states,
        )


def _differs(value: Any, first: Any) -> bool:
    tensor = isinstance(value, Tensor) or isinstance(first, Tensor)
    return value is not first and not tensor and value != first


def _as_tensor(value: Any) -> Any:
    """Numbers as tensors; but 0 stays a number, because rules ask for it: is there momentum at all?"""
    if isinstance(value, tuple | list):
        return tuple(map(_as_tensor, value))
    return as_number(value) if isinstance(value, float) and value != 0 else value


def as_number(value: float | Tensor) -> Tensor:
    """The number as a tensor on the CPU, which a compiled program takes for one that may change."""
    return (
        value if isinstance(value, Tensor) else torch.tensor(float(value), dtype=torch.float64, device="cpu")
    )
