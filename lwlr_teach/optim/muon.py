"""Muon: momentum, with all singular values of the step made about equal.

    b ← μ b + (1 − μ) g
    u = (1 − μ) g + μ b   with Nesterov,  else b
    d = ratio · O(u) ,   p ← (1 − η λ) p − η d

Jordan et al. 2024. O(u) is near to U Vᵀ, where U S Vᵀ is the singular value decomposition of u, and costs
only products of matrices: Newton & Schulz's iteration X ← a X + (b XXᵀ + c (XXᵀ)²) X, in bfloat16. Its
coefficients are chosen for speed, not for accuracy: singular values end between about 0.7 and 1.1, not at 1.

Convention, as in torch: decay is decoupled, and ``adjust_lr_fn`` names the ratio:
- "original": √max(1, rows / columns), Jordan's.
- "match_rms_adamw": 0.2 √max(rows, columns), so that rates tuned for AdamW fit (Liu et al. 2025, *Muon is
  scalable for LLM training*).
- "spectral_unclamped": √(rows / columns), by which the outputs of every layer change about equally (Bernstein
  2025, *Deriving Muon*). torch has it since 2.14.
Only for the matrices of hidden layers: give biases, embeddings and the last layer to AdamW, as
:class:`lwlr_teach.optim.Partition` and :func:`lwlr_teach.layerwise.split_for_muon` do.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Unpack

import torch
from torch import Tensor
from torch.optim.optimizer import ParamsT

from lwlr_teach.core.arithmetic import State, moving_average, zeros_like
from lwlr_teach.core.checks import Number, check_choice, check_count, check_number
from lwlr_teach.core.sharding import reshard, whole
from lwlr_teach.optim.engine import Options, RuleOptimizer

ADJUSTMENTS = {
    "original": lambda rows, columns: max(1, rows / max(1, columns)) ** 0.5,
    "match_rms_adamw": lambda rows, columns: 0.2 * max(rows, columns) ** 0.5,
    "spectral_unclamped": lambda rows, columns: (rows / max(1, columns)) ** 0.5,
}


def orthogonalise(
    matrix: Tensor, coefficients: tuple[float, float, float], *, steps: int, eps: float
) -> Tensor:
    """The matrix (rows, columns) with its singular values brought near to 1, in bfloat16."""
    a, b, c = coefficients
    x = _rounded(matrix)
    tall = x.shape[0] > x.shape[1]
    if tall:
        x = x.T  # the smaller of the two squares
    x = _rounded(x / x.norm().clamp(min=eps))
    for _ in range(steps):
        square = _rounded(x @ x.T)
        square = _rounded(torch.addmm(square, square, square, beta=b, alpha=c))  # b XXᵀ + c (XXᵀ)²
        x = _rounded(torch.addmm(x, square, x, beta=a))
    return x.T if tall else x


def _rounded(x: Tensor) -> Tensor:
    """In bfloat16; on a CPU, the same numbers in float32.

    Most laptops' processors have no bfloat16, and a product of matrices in it takes a dozen times as long.
    """
    return x.bfloat16().float() if x.device.type == "cpu" else x.bfloat16()


def muon(
    grad: Tensor,
    state: State,
    step: int,
    *,
    momentum: Number,
    nesterov: bool,
    ns_coefficients: tuple[float, float, float],
    eps: float,
    ns_steps: int,
    adjust_lr_fn: str | None,
) -> tuple[Tensor, State]:
    """Direction of Muon for one matrix (rows, columns)."""
    buffer = moving_average(state["momentum_buffer"], grad, momentum)
    u = moving_average(grad, buffer, 1 - momentum) if nesterov else buffer
    orthogonal = orthogonalise(whole(u), ns_coefficients, steps=ns_steps, eps=eps).to(grad.dtype)
    ratio = ADJUSTMENTS[adjust_lr_fn or "original"](*grad.shape)
    return ratio * reshard(orthogonal, like=grad), {"momentum_buffer": buffer}


class Muon(RuleOptimizer):
    """Drop-in for :class:`torch.optim.Muon`: same arguments, order and defaults.

    ``lr`` (η), ``weight_decay`` (λ) and ``momentum`` (μ) are ≥ 0 and may be tensors that match the
    parameters' leading axes. Raises ValueError for a parameter that is not a matrix.
    """

    rule = staticmethod(muon)
    fixed: ClassVar[Mapping[str, Any]] = {"decoupled_weight_decay": True}

    def __init__(
        self,
        params: ParamsT,
        lr: Number = 1e-3,
        weight_decay: Number = 0.1,
        momentum: Number = 0.95,
        nesterov: bool = True,
        ns_coefficients: tuple[float, float, float] = (3.4445, -4.775, 2.0315),
        eps: float = 1e-7,
        ns_steps: int = 5,
        adjust_lr_fn: str | None = None,
        **options: Unpack[Options],
    ) -> None:
        super().__init__(
            params,
            dict(
                lr=lr,
                weight_decay=weight_decay,
                momentum=momentum,
                nesterov=nesterov,
                ns_coefficients=ns_coefficients,
                eps=eps,
                ns_steps=ns_steps,
                adjust_lr_fn=adjust_lr_fn,
                decoupled_weight_decay=True,
            ),
            **options,
        )

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """As in torch; refuses a parameter that is not a matrix, or a batch of matrices."""
        super().add_param_group(param_group)
        group = self.param_groups[-1]
        batch = self.batch_axes()
        for param in group["params"]:
            if param.ndim - batch != 2 or param.is_complex():
                self.param_groups.pop()
                kind = "a complex parameter" if param.is_complex() else "a parameter"
                batched = f", whose first {batch} axes are a batch's" if batch else ""
                raise ValueError(
                    f"Muon moves real matrices, got {kind} of shape {tuple(param.shape)}{batched}; "
                    "give it to AdamW"
                )

    @staticmethod
    def check(group: dict[str, Any]) -> None:
        """Ranges."""
        RuleOptimizer.check(group)
        check_number("momentum", group["momentum"], low=0)
        check_number("eps", group["eps"], low=0)
        check_count("ns_steps", group["ns_steps"], high=99)
        if len(group["ns_coefficients"]) != 3:
            raise ValueError(f"ns_coefficients must be three numbers, got {group['ns_coefficients']!r}")
        if group["adjust_lr_fn"] is not None:
            check_choice("adjust_lr_fn", group["adjust_lr_fn"], ADJUSTMENTS)

    def init_state(self, param: Tensor, group: dict[str, Any]) -> State:
        """The average gradient."""
        return zeros_like(param, "momentum_buffer")
