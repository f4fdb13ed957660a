"""The methods that lessons call by name: an optimizer class with the settings that make it that method."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from types import MappingProxyType
from typing import Any

import torch
from torch.optim.optimizer import ParamsT

from lwlr_teach.clipping import Clip
from lwlr_teach.core.checks import Number, check_choice, check_function
from lwlr_teach.optim.adadelta import Adadelta
from lwlr_teach.optim.adafactor import Adafactor
from lwlr_teach.optim.adagrad import Adagrad
from lwlr_teach.optim.adam import Adam
from lwlr_teach.optim.adam_mini import AdamMini
from lwlr_teach.optim.adamw import AdamW
from lwlr_teach.optim.engine import Options
from lwlr_teach.optim.hypergradient import SGDHD
from lwlr_teach.optim.lamb import LAMB
from lwlr_teach.optim.lars import LARS
from lwlr_teach.optim.lion import Lion
from lwlr_teach.optim.novograd import NovoGrad
from lwlr_teach.optim.radam import RAdam
from lwlr_teach.optim.ranger import Ranger
from lwlr_teach.optim.rmsprop import RMSprop
from lwlr_teach.optim.sgd import SGD


@dataclass(frozen=True)
class Method:
    """A named optimizer.

    ``memory`` names the hyperparameter that says how long the direction remembers: the one that every slider
    and sweep calls ``momentum``. It is SGD's momentum and Adam's β₁; a method without memory has none.
    ``clip`` makes the method's own clip from a limit, a hyperparameter like any other that every slider and
    sweep calls ``limit``.
    """

    name: str
    optimizer: Callable[..., torch.optim.Optimizer]
    settings: Mapping[str, Any] = field(default_factory=dict)
    memory: str | None = None
    clip: Callable[[Number], Clip] | None = None

    def clipped(self, clip: Callable[[Number], Clip], limit: Number = 1.0, name: str = "") -> Method:
        """This method with its gradients clipped first: ``METHODS["SGD"].clipped(by_global_norm, 1.0)``."""
        check_function("clip", clip, "by_global_norm")
        if not name:
            function = clip.func if isinstance(clip, partial) else clip
            name = f"{self.name} + {getattr(function, '__name__', 'clip').replace('_', ' ').strip()}"
        clip(limit)  # checks the limit
        return replace(self, name=name, clip=clip, settings={**self.settings, "limit": limit})

    def hyperparameters(self, **chosen: Number) -> dict[str, Any]:
        """Keyword arguments for ``optimizer`` with the chosen values in place.

        ``momentum`` sets this method's memory; ``beta1`` and ``beta2`` set the entries of ``betas``. What the
        method does not have is left out, so that one grid can be laid over many methods.
        """
        known = inspect.signature(self.optimizer).parameters
        result = {name: p.default for name, p in known.items() if p.default is not p.empty} | dict(
            self.settings
        )
        for name, value in chosen.items():
            target = self.target(name)
            if target in ("beta1", "beta2"):
                beta1, beta2 = result["betas"]
                result["betas"] = (value, beta2) if target == "beta1" else (beta1, value)
            elif target is not None:
                result[target] = value
        return result

    def default(self, name: str) -> float:
        """The value that the method gives a hyperparameter; ValueError for a name that it does not have."""
        target, known = self.target(name), self.hyperparameters()
        if target is None:
            raise ValueError(f"{self.name} has no hyperparameter {name!r}")
        return float(known["betas"][target == "beta2"] if target in ("beta1", "beta2") else known[target])

    def target(self, name: str) -> str | None:
        """The hyperparameter that a choice of ``name`` sets, or None if the method has no such number."""
        if name == "momentum":
            return self.memory
        if name == "limit":
            return name if self.clip is not None else None
        known = inspect.signature(self.optimizer).parameters
        if name in ("beta1", "beta2"):
            return name if "betas" in known else None
        default = known[name].default if name in known else None  # nothing for params and options
        return name if isinstance(default, float | int) and not isinstance(default, bool) else None

    def __call__(
        self, params: ParamsT, options: Options | None = None, /, **chosen: Any
    ) -> torch.optim.Optimizer:
        """Make the optimizer for these parameters, with the chosen hyperparameters and a clip or a scale.

        Beside the names of :meth:`hyperparameters` it takes every argument of the optimizer, which refuses
        what it does not have.
        """
        own = {name: value for name, value in chosen.items() if self.target(name) is None}
        settings = replace(self, settings={**self.settings, **own}).hyperparameters(**chosen)
        options = options or {}
        if self.clip is not None:
            if options.get("clip") is not None:
                raise ValueError(f"clip must be None for {self.name}, which has a clip of its own")
            options = {**options, "clip": self.clip(settings.pop("limit"))}
        return self.optimizer(params, **settings, **options)


def _named(*methods: Method) -> dict[str, Method]:
    return {method.name: method for method in methods}


# Muon is not among them: it moves matrices only, and here a method must be able to move anything.
METHODS: Mapping[str, Method] = MappingProxyType(
    _named(
        Method("SGD", SGD),
        Method("Momentum", SGD, {"momentum": 0.9}, memory="momentum"),
        Method("Nesterov", SGD, {"momentum": 0.9, "nesterov": True}, memory="momentum"),
        Method("Adagrad", Adagrad),
        Method("RMSprop", RMSprop),
        Method("Adadelta", Adadelta),
        Method("Adam", Adam, memory="beta1"),
        Method("AMSGrad", Adam, {"amsgrad": True}, memory="beta1"),
        Method("AdamW", AdamW, memory="beta1"),
        Method("Adafactor", Adafactor),
        Method("RAdam", RAdam, memory="beta1"),
        Method("Adam-mini", AdamMini, memory="beta1"),
        Method("Ranger", Ranger, memory="beta1"),
        Method("Lion", Lion, memory="beta1"),
        Method("NovoGrad", NovoGrad, memory="beta1"),
        Method("LARS", LARS, memory="momentum"),
        Method("LAMB", LAMB, memory="beta1"),
        Method("Hypergradient", SGDHD),
    )
)


def method(optimizer: str | Method) -> Method:
    """The method of this name, or the method itself; ValueError with the nearest names otherwise."""
    return optimizer if isinstance(optimizer, Method) else check_choice("optimizer", optimizer, METHODS)
