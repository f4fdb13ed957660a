"""CartPole (Barto, Sutton & Anderson 1983): many carts at once, each of which balances a pole.

The numbers, the order of the operations and the end of an episode are those of gymnasium's CartPole-v1.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

_GRAVITY, _POLE, _TOTAL, _HALF_LENGTH, _FORCE, _TIME = 9.8, 0.1, 1.1, 0.5, 10.0, 0.02
_EDGE, _LEAN = 2.4, 12 * 2 * math.pi / 360


def first_states(*shape: int, generator: torch.Generator, dtype: torch.dtype = torch.float32) -> Tensor:
    """States (…, 4) at which episodes begin: all four numbers are uniform between −0.05 and 0.05."""
    return torch.rand(*shape, 4, generator=generator, dtype=dtype) / 10 - 0.05


def push(state: Tensor, right: Tensor) -> Tensor:
    """The states (…, 4) a fiftieth of a second later; ``right`` (…) says which carts are pushed to the right.

    The four numbers are the place of the cart, its speed, the angle of the pole and its speed.
    """
    place, speed, angle, turning = state.unbind(-1)
    force = torch.where(right, _FORCE, -_FORCE)
    cosine, sine = angle.cos(), angle.sin()
    heavy = _POLE * _HALF_LENGTH
    shared = (force + heavy * turning.square() * sine) / _TOTAL
    inertia = _HALF_LENGTH * (4 / 3 - _POLE * cosine.square() / _TOTAL)
    angular = (_GRAVITY * sine - cosine * shared) / inertia
    linear = shared - heavy * angular * cosine / _TOTAL
    return torch.stack(
        (
            place + _TIME * speed,
            speed + _TIME * linear,
            angle + _TIME * turning,
            turning + _TIME * angular,
        ),
        -1,
    )


def fallen(state: Tensor) -> Tensor:
    """Whether an episode is over: the cart is 2.4 away from the middle, or the pole leans by 12 degrees."""
    return (state[..., 0].abs() > _EDGE) | (state[..., 2].abs() > _LEAN)
