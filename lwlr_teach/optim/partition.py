"""Partition: several optimizers as one, each for its own part of the parameters.

Muon moves the matrices of hidden layers only, so a real model needs a second optimizer beside it: Jordan et
al. 2024 give embeddings, the last layer, gains and biases to AdamW. Jordan's ``MuonWithAuxAdam`` is one class
for the two; ``optax.partition`` has a label for each parameter; with torch alone one steps two optimizers.

Convention: the parts are optimizers that you make yourself, so each has its own rates, clip and scale, and
takes the very steps that it would take alone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, MutableMapping
from itertools import combinations
from typing import Any, overload

import torch
from torch import Tensor
from torch.optim.optimizer import Optimizer

from lwlr_teach.core.checks import check_count
from lwlr_teach.optim.engine import loading

State = MutableMapping[Tensor, dict[str, Any]]


class Partition(Optimizer):
    """Several optimizers, ours or torch's, as one: ``Partition(Muon(hidden, lr=0.02), AdamW(others))``.

    :func:`lwlr_teach.layerwise.split_for_muon` makes these two parts of a model. Schedulers, scalers and
    checkpoints see one optimizer with the groups and the state of all. The groups come in the order of the
    optimizers; one that is added later comes last. What an optimizer looks at, it looks at in its own part
    only: the norm of a clip, and the gradients of ``nonfinite``.

    ``optimizers`` are the parts. Raises TypeError for a part that is no ``torch.optim.Optimizer``, and
    ValueError if there is none, if one holds no parameter, or if two hold the same one.
    """

    def __init__(self, *optimizers: Optimizer) -> None:
        if not optimizers:
            raise ValueError("optimizers must be at least one, got none")
        for number, optimizer in enumerate(optimizers):
            _check_part(number, optimizer)
        for one, other in combinations(optimizers, 2):
            _check_apart(one, other)
        self.optimizers = optimizers
        self._owners: list[int] = []  # of each group: the number of its optimizer
        self._note_new_groups()
        super().__setstate__({})  # the hooks; torch's __init__ would also make groups and a state

    @property
    def param_groups(self) -> list[dict[str, Any]]:  # type: ignore[override]
        """The groups of all optimizers, the very dicts."""
        self._note_new_groups()
        groups = [iter(optimizer.param_groups) for optimizer in self.optimizers]
        return [next(groups[number]) for number in self._owners]

    def _note_new_groups(self) -> None:
        """A group that came since stands last, whether we were given it or its optimizer was."""
        for number, optimizer in enumerate(self.optimizers):
            self._owners += [number] * (len(optimizer.param_groups) - self._owners.count(number))

    @property
    def state(self) -> Any:
        """What the optimizers remember of each parameter, the very dicts."""
        return _States(self.optimizers)

    @state.setter
    def state(self, state: State) -> None:
        for optimizer in self.optimizers:
            own = {p: state[p] for p in _params(optimizer) if p in state}
            optimizer.state = defaultdict(dict, own)

    @property
    def defaults(self) -> dict[str, Any]:  # type: ignore[override]
        """The hyperparameters that every optimizer has, as the first one has them.

        Some schedulers look here for what all groups have.
        """
        first, *others = self.optimizers
        return {name: v for name, v in first.defaults.items() if all(name in o.defaults for o in others)}

    @overload
    def step(self, closure: None = None) -> None: ...
    @overload
    def step(self, closure: Callable[[], float]) -> float: ...

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """One step of each optimizer in turn; return the loss of the closure, called once."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for optimizer in self.optimizers:
            optimizer.step()
        return loss

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """As in torch, for the optimizer whose number, from 0, stands in the group: ``{"params": …,
        "optimizer": 1}``.
        """
        group = dict(param_group)
        if "optimizer" not in group:
            names = [f"{number} ({type(o).__name__})" for number, o in enumerate(self.optimizers)]
            raise ValueError(
                f'param_group must say whose it is, as {{"params": …, "optimizer": 0}}, got '
                f"{', '.join(map(repr, group))}; there are {', '.join(names)}"
            )
        number = group.pop("optimizer")
        check_count("optimizer", number, low=0, high=len(self.optimizers) - 1)
        optimizer = self.optimizers[number]
        optimizer.add_param_group(group)
        try:
            for other in self.optimizers:
                if other is not optimizer:
                    _check_apart(other, optimizer)
        except ValueError:
            optimizer.param_groups.pop()
            raise
        self._note_new_groups()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """As in torch; each optimizer loads its own part."""
        with loading(self, self._hand_out):
            super().load_state_dict(state_dict)

    def _hand_out(self, loaded: dict[str, Any]) -> None:
        """Let each optimizer load what torch has found to fit."""
        owners = tuple(self._owners)
        for number, optimizer in enumerate(self.optimizers):
            groups = [g for g, owner in zip(loaded["param_groups"], owners, strict=True) if owner == number]
            own = {i for group in groups for i in group["params"]}
            state = {i: values for i, values in loaded["state"].items() if i in own}
            optimizer.load_state_dict({"state": state, "param_groups": groups})

    def __getstate__(self) -> dict[str, Any]:
        return {"optimizers": self.optimizers, "_owners": self._owners}

    def __setstate__(self, state: dict[str, Any]) -> None:
        # torch's load_state_dict hands over groups and state, which the optimizers load themselves.
        super().__setstate__({n: v for n, v in state.items() if n in ("optimizers", "_owners")})


class _States(State):
    """The states of several optimizers as one: each parameter's is that of the optimizer that moves it."""

    def __init__(self, optimizers: tuple[Optimizer, ...]) -> None:
        self._optimizers = optimizers

    def _of(self, param: Tensor) -> State:
        """The state that has the parameter, or will have it: of an optimizer's own parameters."""
        for optimizer in self._optimizers:
            if param in optimizer.state:
                return optimizer.state
        for optimizer in self._optimizers:
            if any(param is own for own in _params(optimizer)):
                return optimizer.state
        raise KeyError(param)

    def __getitem__(self, param: Tensor) -> dict[str, Any]:
        return self._of(param)[param]

    def __setitem__(self, param: Tensor, values: dict[str, Any]) -> None:
        self._of(param)[param] = values

    def __delitem__(self, param: Tensor) -> None:
        del self._of(param)[param]

    def __contains__(self, param: object) -> bool:  # else a look would make an entry, as defaultdict does
        return any(param in optimizer.state for optimizer in self._optimizers)

    def get(self, param: Tensor, default: Any = None) -> Any:
        return next((o.state[param] for o in self._optimizers if param in o.state), default)

    def __iter__(self) -> Iterator[Tensor]:
        return (param for optimizer in self._optimizers for param in optimizer.state)

    def __len__(self) -> int:
        return sum(len(optimizer.state) for optimizer in self._optimizers)


def _params(optimizer: Optimizer) -> list[Tensor]:
    return [param for group in optimizer.param_groups for param in group["params"]]


def _check_part(number: int, optimizer: Optimizer) -> None:
    if not isinstance(optimizer, Optimizer):
        raise TypeError(f"optimizers[{number}] must be a torch.optim.Optimizer, got {optimizer!r}")
    if not _params(optimizer):
        name = type(optimizer).__name__
        raise ValueError(f"optimizers[{number}] must hold a parameter, got {name} without any")


def _check_apart(one: Optimizer, other: Optimizer) -> None:
    held = set(_params(one))
    for param in _params(other):
        if param in held:
            raise ValueError(
                f"a parameter must be in one optimizer only, got one of shape {tuple(param.shape)} "
                f"in {type(one).__name__} and in {type(other).__name__}"
            )
