"""The recorder: how fast each layer learns, written down while a model trains.

    with Recorder(model, optimizer, every=10) as recorder:
        …train as always…
    recorder.recording["relative_update"]  # (layer, step)

It watches any model with any optimizer, ours or torch's, through the hooks that torch calls before and after
each step. It only reads: the trained numbers are the same bit for bit. Of parameters in shards (FSDP2) every
process records the numbers of the whole layers, so every process must have a recorder.
"""

from __future__ import annotations

import math
import pickle
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import torch
from torch import Tensor, nn

from lwlr_teach.core.arithmetic import as_real, norm, norm_dtype
from lwlr_teach.core.checks import check_choice, check_count, with_inner
from lwlr_teach.core.sharding import whole
from lwlr_teach.core.text import brief
from lwlr_teach.layerwise import can_be_trained, gains_and_biases, named_layers
from lwlr_teach.optim import RuleOptimizer

QUANTITIES = {
    "rate": "the learning rate of the whole model at this step: the highest of the parameter groups'",
    "scale": "the layer's factor: its group's rate as a share of that, times its trust ratio if it has one",
    "effective_rate": "rate · scale: the layer's own rate",
    "weight_norm": "‖p‖ before the step",
    "grad_norm": "‖g‖ before clipping; nan for a layer without a gradient",
    "clipped_norm": "‖g‖ after clipping; 0 for a layer without a gradient",
    "update_norm": "‖Δp‖, the length of the step",
    "relative_update": "‖Δp‖ / ‖p‖; momentum μ can make it 1 / (1 − μ) times that of one gradient's step",
    "trust_ratio": "‖p‖ / ‖g‖ after clipping, which LARS goes by",
    "cosine": "the cosine between this update and the one before: 1 straight on, −1 straight back",
}
"""What is recorded for each layer, in this order. What has no value, like a ratio to a norm of 0, is nan."""

KINDS = {
    "weights": "has weights: a matrix, a convolution, an embedding, a whole block",
    "norms": "has gains and biases alone, as norms have",
}
"""What a layer may be."""


@dataclass(frozen=True, eq=False)
class Recording:
    """What a recorder has seen. ``values`` has the axes (quantity, layer, step), in float32 on the CPU."""

    layers: tuple[str, ...]
    steps: Tensor
    """The recorded steps, which count from 0: (step,)."""
    values: Tensor
    kinds: tuple[str, ...] = ()
    """Of each layer one of ``KINDS``; none where they are not known, as in a file of an earlier version."""

    __repr__ = brief

    def __post_init__(self) -> None:
        for name, value in [("steps", self.steps), ("values", self.values)]:
            if not isinstance(value, Tensor):
                raise TypeError(f"{name} must be a tensor, got {value!r}")
        shape = (len(QUANTITIES), len(self.layers), len(self.steps))
        if self.values.shape != shape:
            raise ValueError(f"values must have the shape {shape}, got {tuple(self.values.shape)}")
        if self.kinds and (len(self.kinds) != len(self.layers) or not set(self.kinds) <= set(KINDS)):
            raise ValueError(f"kinds must be one of {', '.join(KINDS)} for each layer, got {self.kinds!r}")

    def __getitem__(self, quantity: str) -> Tensor:
        """One of ``QUANTITIES``, (layer, step)."""
        check_choice("quantity", quantity, QUANTITIES)
        return self.values[list(QUANTITIES).index(quantity)]

    def rows(self) -> list[dict[str, str | int | float]]:
        """A row for each layer at each step: ``step``, ``layer``, ``kind`` where it is known, the quantities.

        ``pandas.DataFrame(recording.rows())`` makes a table of them, ``csv.DictWriter`` a file.
        """
        of_layers = [
            {"layer": name} | ({"kind": kind} if kind else {})
            for name, kind in zip(self.layers, self.kinds or [""] * len(self.layers), strict=True)
        ]
        return [
            {"step": step, **of_layer, **dict(zip(QUANTITIES, values, strict=True))}
            for step, layers in zip(self.steps.tolist(), self.values.permute(2, 1, 0).tolist(), strict=True)
            for of_layer, values in zip(of_layers, layers, strict=True)
        ]

    def save(self, path: str | Path) -> None:
        """Write everything into one file."""
        torch.save(
            {
                "quantities": list(QUANTITIES),
                "layers": list(self.layers),
                "kinds": list(self.kinds),
                "steps": self.steps,
                "values": self.values,
            },
            path,
        )

    @classmethod
    def load(cls, path: str | Path) -> Recording:
        """What :meth:`save` has written; ValueError for a file that is something else."""
        try:
            saved = torch.load(path, weights_only=True)
        # Whatever a foreign file may lead torch to.
        except (pickle.UnpicklingError, EOFError, RuntimeError, LookupError, TypeError, ValueError) as error:
            raise ValueError(f"{path} is not a recording: {error}") from None
        if not isinstance(saved, dict) or saved.get("quantities") != list(QUANTITIES):
            raise ValueError(f"{path} is not a recording of {', '.join(QUANTITIES)}")
        try:
            kinds = tuple(saved.get("kinds", ()))
            return cls(tuple(saved["layers"]), saved["steps"], saved["values"], kinds)
        except (LookupError, TypeError, ValueError) as error:
            raise ValueError(f"{path} is not a recording: {error}") from None


class Recorder:
    """Records every ``every``-th step of an optimizer, layer by layer, from now until :meth:`detach`.

    A layer is what :func:`lwlr_teach.layerwise.named_layers` says, with all its parameters that can be
    trained (not weights in whole numbers); its rate and scale are those of the largest of them. A step that
    the optimizer does not take, as when a ``GradScaler`` leaves it out, is not counted.

    Our optimizers clip inside the step, so both norms of the gradient are known. Whoever clips by hand calls
    :meth:`before_clip` first; otherwise the two norms are the same, those after the clip. So they are under
    Lightning, where it is told to clip, and under Hugging Face's Trainer, which clips to a norm of 1 unless
    it is told not to::

        loss.backward()
        recorder.before_clip()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()

    **Memory.** A record takes 40 bytes a layer. When there are ``limit`` records, every second one is dropped
    and from then on half as many are made (``every`` doubles), so that the whole run stays in view. Besides,
    up to two copies of the parameters are kept, and for a moment what the clip makes of the gradients.
    """

    def __init__(
        self,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        *,
        every: int = 10,
        blocks: Sequence[str] = (),
        limit: int = 2000,
    ) -> None:
        if not isinstance(model, nn.Module):
            raise TypeError(f"model must be a torch.nn.Module, got {model!r}")
        if not isinstance(optimizer, torch.optim.Optimizer):
            raise TypeError(f"optimizer must be a torch.optim.Optimizer, got {optimizer!r}")
        check_count("every", every)
        check_count("limit", limit, low=2)
        self.every = every
        self._limit = limit
        self._optimizer = optimizer
        self._ours = _ours(optimizer)
        layers = named_layers(model, blocks).items()
        seen = {name: [p for p in params if can_be_trained(p)] for name, params in layers}
        self._layers = {name: params for name, params in seen.items() if params}
        spared = set(gains_and_biases(model))
        self._kinds = ["norms" if spared.issuperset(p) else "weights" for p in self._layers.values()]
        self._params = [param for params in self._layers.values() for param in params]
        if not {param for group in optimizer.param_groups for param in group["params"]} & set(self._params):
            raise ValueError(f"optimizer holds no parameter of this {type(model).__name__}")
        for group in optimizer.param_groups:
            if isinstance(group["lr"], Tensor) and group["lr"].numel() != 1:
                raise ValueError(f"optimizer must have one rate a group, got {group['lr'].numel()} at once")
        self._step = 0
        self._inside = False  # between the hooks of one step
        self._records: dict[int, Tensor] = {}
        self._before: list[Tensor] = []  # the parameters before this step
        self._last_update: list[Tensor] = []
        self._last_norms: list[float] = []
        self._norms_before_clip: Tensor | None = None
        self._handles = [
            optimizer.register_step_pre_hook(self._pre),
            optimizer.register_step_post_hook(self._post),
        ]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.detach()

    def detach(self) -> None:
        """Stop recording; what was recorded stays."""
        for handle in self._handles:
            handle.remove()
        self._before, self._last_update, self._norms_before_clip = [], [], None

    @property
    def recording(self) -> Recording:
        """What was recorded so far."""
        records = list(self._records.values())
        shape = (len(QUANTITIES), len(self._layers), 0)
        values = torch.stack(records, dim=-1) if records else torch.empty(shape)
        steps = torch.tensor(list(self._records), dtype=torch.int64)
        return Recording(tuple(self._layers), steps, values, tuple(self._kinds))

    @torch.no_grad()
    def before_clip(self) -> None:
        """Note the norms of the gradients before they are clipped by hand (and after a scaler's unscale)."""
        if self._due(self._step):
            self._norms_before_clip = self._of_gradients()

    def _due(self, step: int) -> bool:
        return step % self.every == 0

    @torch.no_grad()
    def _pre(self, *_: Any) -> None:
        self._inside = True
        # The update before a recorded one is needed too, for the cosine.
        if self._due(self._step) or self._due(self._step + 1):
            self._before = [as_real(p).detach().clone() for p in self._params]

    @torch.no_grad()
    def _post(self, *_: Any) -> None:
        if not self._inside:  # a step inside a step, as where a subclass calls super().step(), is one step
            return
        self._inside = False
        if self._before:
            self._look()
            self._before = []
        self._norms_before_clip = None
        self._step += 1

    def _look(self) -> None:
        """What this step has done."""
        due = self._due(self._step)
        norms = self._norms_before() if due else {}
        update = self._before  # in place: a copy less
        for before, param in zip(update, self._params, strict=True):
            before.neg_().add_(as_real(param).detach())
        lengths = _norms(update)
        if due:
            norms["update_norm"] = self._together(lengths)
            self._record(norms, self._cosines(update, lengths))
        self._last_update, self._last_norms = (update, lengths) if self._due(self._step + 1) else ([], [])

    def _norms_before(self) -> dict[str, Tensor]:
        """The norms that are known before the update is."""
        unclipped = self._norms_before_clip
        return {
            "weight_norm": self._together(_norms(self._before)),
            "grad_norm": self._of_gradients() if unclipped is None else unclipped,
            "clipped_norm": self._together(_norms(self._clipped(self._grads()))),
        }

    def _record(self, norms: dict[str, Tensor], cosines: Tensor) -> None:
        highest, own = self._rates()
        rows = norms | {
            "rate": torch.full_like(own, highest),
            "scale": own / highest,
            "effective_rate": own,
            "relative_update": norms["update_norm"] / norms["weight_norm"],
            "trust_ratio": norms["weight_norm"] / norms["clipped_norm"],
            "cosine": cosines,
        }
        values = torch.stack([rows[name] for name in QUANTITIES]).to(torch.float32)
        self._records[self._step] = torch.where(values.isfinite(), values, torch.nan)
        if len(self._records) >= self._limit:
            self.every *= 2
            self._records = {step: r for step, r in self._records.items() if self._due(step)}

    def _grads(self) -> list[Tensor]:
        """Gradients as the optimizer finds them; zeros where there are none."""
        return [_grad(p) for p in self._params]

    def _clipped(self, grads: list[Tensor]) -> list[Tensor]:
        """What our optimizers make of the gradients inside the step."""
        before = dict(zip(self._params, self._before, strict=True))
        clipped: dict[Tensor, Tensor] = {}
        for ours in self._ours:
            if ours.clip is not None:
                # A clip looks at all that its optimizer holds, which may be more than this model, or less.
                held = [p for group in ours.param_groups for p in group["params"] if p.grad is not None]
                made = ours.clip([_grad(p) for p in held], [before.get(p, as_real(p)) for p in held])
                clipped.update(zip(held, made, strict=True))
        return [clipped.get(p, grad) for p, grad in zip(self._params, grads, strict=True)]

    def _rates(self) -> tuple[float, Tensor]:
        """The highest rate of all groups, and the rate of each layer."""
        owners = {p: group for group in self._optimizer.param_groups for p in group["params"]}
        rates = []
        for params in self._layers.values():
            main = max(params, key=lambda p: p.numel())
            rate = float(owners[main]["lr"]) if main in owners else 0.0
            trust = [ours.state[main].get("scale", 1.0) for ours in self._ours if main in ours.state]
            rates.append(rate * float(whole(next(iter(trust), 1.0))))
        highest = max(float(group["lr"]) for group in self._optimizer.param_groups)
        return highest, torch.tensor(rates, dtype=torch.float64)

    def _cosines(self, update: list[Tensor], norms: list[float]) -> Tensor:
        if not self._last_update:
            return torch.full((len(self._layers),), math.nan, dtype=torch.float64)
        dots = []
        for new, old, *lengths in zip(update, self._last_update, norms, self._last_norms, strict=True):
            # Products of very small numbers would be 0 in float32, and of very large ones infinite.
            safe = min(lengths) > _SMALL and max(lengths) < _LARGE
            wide = norm_dtype(new) if safe else torch.float64
            dots.append(whole((new.to(wide) * old.to(wide)).sum()))
        lengths_of_layers = self._together(norms) * self._together(self._last_norms)
        return self._by_layer(_numbers(dots)) / lengths_of_layers

    def _of_gradients(self) -> Tensor:
        """The norms of the layers' gradients; nan where there is none, which is not 0: (layer,)."""
        none = [all(p.grad is None for p in params) for params in self._layers.values()]
        return self._together(_norms(self._grads())).masked_fill(torch.tensor(none), math.nan)

    def _together(self, norms: list[float]) -> Tensor:
        """The norm of each layer from those of its parameters: (layer,)."""
        return self._by_layer([n * n for n in norms]).sqrt()

    def _by_layer(self, numbers: list[float]) -> Tensor:
        """Sums over the parameters of each layer: (layer,)."""
        each = iter(numbers)
        return torch.tensor(
            [sum(next(each) for _ in params) for params in self._layers.values()], dtype=torch.float64
        )


def _ours(optimizer: torch.optim.Optimizer) -> list[RuleOptimizer]:
    """The optimizers of this package that take the steps, perhaps inside another, as inside Lookahead."""
    return [inner for inner in with_inner(optimizer) if isinstance(inner, RuleOptimizer)]


# Outside of this range a sum of squares may leave the range of float32.
_SMALL, _LARGE = 1e-15, 1e15


def _norms(tensors: list[Tensor]) -> list[float]:
    """The norm of each, also of one whose squares would be too small or too large for float32."""
    norms = _numbers([norm(t) for t in tensors])
    return [n if _SMALL < n < _LARGE else _careful_norm(t) for n, t in zip(norms, tensors, strict=True)]


def _careful_norm(x: Tensor) -> float:
    largest = whole(torch.linalg.vector_norm(x, math.inf)).item() if x.numel() else 0.0
    if largest == 0 or not math.isfinite(largest):
        return largest
    return largest * norm(x.to(norm_dtype(x)) / largest).item()


def _numbers(scalars: list[Tensor]) -> list[float]:
    """The values of scalars, fetched from their device at once."""
    there = scalars[0].device
    return torch.stack(
        [s.to(there, torch.float32 if there.type == "mps" else torch.float64) for s in scalars]
    ).tolist()


def _grad(param: Tensor) -> Tensor:
    if param.grad is None:
        return torch.zeros_like(as_real(param))
    return as_real(param.grad.to_dense() if param.grad.is_sparse else param.grad)
