"""The same update, through ``torch.compile``."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from lwlr_teach.optim.update import Bucket, Update, tensors


class Compiled:
    """An update that is compiled at its first call, and that goes on eagerly where that cannot be done.

    A number that changes from step to step (the rate, a cycled momentum) must enter the program as a tensor,
    or each new value would be compiled again. The rate always does; another number does from its first change
    on.
    """

    def __init__(self, update: Update) -> None:
        self.update = update
        # Each optimizer has programs of its own, so that many of them do not use up torch's limit of eight.
        options: dict[str, Any] = dict(dynamic=False, isolate_recompiles=True)
        self.program: Callable[..., None] = torch.compile(update.in_place, **options)
        self.first: dict[tuple[int, str], Any] = {}
        self.changed: set[tuple[int, str]] = set()

    def __call__(self, buckets: list[Bucket]) -> None:
        """Take one step with every tensor in every bucket."""
        from torch._dynamo.exc import TorchDynamoException
        from torch._inductor.exc import InductorError

        try:
            batch = self.update.batch_axes(buckets)
            self.program([self._with_tensors(i, bucket) for i, bucket in enumerate(buckets)], batch)
        except (TorchDynamoException, InductorError) as error:  # raised before anything has moved
            reason = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
            warnings.warn(
                f"compile=True did not work here, and the steps are taken eagerly: {reason}. torch.compile "
                "needs a C++ compiler (Linux: g++; macOS: xcode-select --install; Windows: its Build Tools)",
                stacklevel=5,
            )
            self.program = lambda buckets, batch: self.update(buckets)
            self.update(buckets)

    def _with_tensors(self, i: int, bucket: Bucket) -> Bucket:
        def enter(name: str, value: Any) -> Any:
            if isinstance(value, tuple | list):
                return tuple(enter(f"{name}[{j}]", v) for j, v in enumerate(value))
            if isinstance(value, bool | Tensor) or not isinstance(value, int | float):
                return value
            # Zero is a question of its own to the rules (is there momentum at all?), so it stays a number.
            if value != self.first.setdefault((i, name), value) and value != 0:
                self.changed.add((i, name))
            varies = name == "lr" or (i, name) in self.changed
            return (
                torch.tensor(float(value), dtype=torch.float64)
                if varies and (value or name == "lr")
                else value
            )

        settings = {name: enter(name, value) for name, value in bucket.settings.items()}
        states = [tensors(state) for state in bucket.states]
        return bucket._replace(
            settings=settings, states=states, step=torch.tensor(float(bucket.step), dtype=torch.float64)
        )
