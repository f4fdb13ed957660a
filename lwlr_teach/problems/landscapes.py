"""The loss of a network as a landscape: slices through it, paths on a slice, and how sharp a place is.

A network is a list of parameters, and ``loss(params)`` the loss of one network, a single number. Directions
are such lists as well, with an axis in front that counts them: (direction, …). So is a path: (step, …).
For a module, ``loss`` calls :func:`torch.func.functional_call`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.func import grad, vjp, vmap

from lwlr_teach.core.checks import check_choice, check_count, check_number

Loss = Callable[[list[Tensor]], Tensor]

# Numbers that a slice holds at once: so many copies of the network as these are.
_AT_ONCE = 4_000_000


def random_directions(
    params: Sequence[Tensor],
    generator: torch.Generator,
    *,
    count: int = 2,
    normalise: str = "filter",
    units: int = -1,
) -> list[Tensor]:
    """Random directions from a network, normal and independent: (direction, …) for each parameter.

    A unit's weights are its filter. With ``normalise="filter"`` those of the direction are made as long as
    those of the network, d ← d ‖w‖/‖d‖, and what has one number a unit, as a bias, does not move (Li et al.
    2018). With ``"network"`` only the whole direction is made as long as the whole network.

    Args:
        params: the network, a parameter each.
        generator: where the directions come from.
        count: how many.
        normalise: "filter" or "network".
        units: the axis along which the units are counted: the last for the networks of this course, whose
            weights are (in, out), and 0 for torch's modules.
    """
    check_count("count", count)
    check_choice("normalise", normalise, dict.fromkeys(("filter", "network")))
    drawn = [torch.randn(count, *p.shape, generator=generator, dtype=p.dtype).to(p.device) for p in params]
    if normalise == "network":
        times = torch.cat([p.flatten() for p in params]).norm() / _rows(drawn).norm(dim=1)
        return [d * times.reshape(-1, *[1] * p.dim()) for d, p in zip(drawn, params, strict=True)]
    return [_as_long(d, p, units) for d, p in zip(drawn, params, strict=True)]


def _as_long(directions: Tensor, weight: Tensor, units: int) -> Tensor:
    """Each unit's part of the directions made as long as the unit's weights."""
    if weight.dim() == 0 or weight.numel() == weight.shape[units]:
        return torch.zeros_like(directions)
    others = [axis for axis in range(weight.dim()) if axis != units % weight.dim()]
    own = weight.square().sum(others, keepdim=True)
    drawn = directions.square().sum([axis + 1 for axis in others], keepdim=True)
    return directions * (own / drawn).sqrt()


def principal_directions(path: Sequence[Tensor], *, count: int = 2) -> tuple[list[Tensor], Tensor]:
    """The directions in which the places of a path differ most, each of length 1, and the share of the
    variance that each of them holds: (direction, …) for each parameter, and (direction,).

    Of several paths, put their places together: ``torch.cat`` for each parameter.
    """
    places = _rows(path)
    check_count("count", count, high=min(places.shape) - 1)
    away = places - places.mean(0)
    _, sizes, found = torch.linalg.svd(away, full_matrices=False)
    shares = sizes.square() / sizes.square().sum()
    return _like(found[:count], [p[0] for p in path]), shares[:count]


def project(path: Sequence[Tensor], point: Sequence[Tensor], directions: Sequence[Tensor]) -> Tensor:
    """Where the places of a path lie on the slice through ``point``: (step, direction).

    It is the place of the slice that is nearest, also where the directions are not at right angles.
    """
    _check_alike("directions", directions, point)
    _check_alike("path", path, point)
    away, spanned = _rows(path) - torch.cat([p.flatten() for p in point]), _rows(directions)
    return torch.linalg.lstsq(spanned.T, away.T).solution.T


def loss_slice(
    loss: Loss, point: Sequence[Tensor], directions: Sequence[Tensor], *along: Tensor | Sequence[float]
) -> Tensor:
    """The loss at point + a·d₁ + b·d₂ for all a and b of ``along``: (a,) for one direction, (a, b) for two.

    All networks of the slice are computed in batches, as many at once as fit a fixed part of the memory.
    """
    _check_alike("directions", directions, point)
    steps = [torch.as_tensor(a, dtype=point[0].dtype, device=point[0].device) for a in along]
    for a in steps:
        check_number("along", a)
    if len(steps) != len(directions[0]):
        raise ValueError(
            f"along must be a list for each of {len(directions[0])} directions, got {len(steps)}"
        )
    places = torch.cartesian_prod(*steps).reshape(-1, len(steps))

    def at(place: Tensor) -> Tensor:
        return loss([p + torch.tensordot(place, d, 1) for p, d in zip(point, directions, strict=True)])

    chunk = max(1, _AT_ONCE // sum(p.numel() for p in point))
    with torch.no_grad():
        found = vmap(at, chunk_size=chunk)(places)
    return found.reshape([len(a) for a in steps])


def sharpness(loss: Loss, params: Sequence[Tensor], *, steps: int = 30) -> Tensor:
    """The largest eigenvalue of the loss's Hessian, by so many steps of the method of Lanczos.

    A step costs about two gradients. Nothing is drawn, and ``torch.func.vmap`` runs it for many networks.
    """
    params = [p.detach() for p in params]
    size = sum(p.numel() for p in params)
    check_count("steps", steps)
    times_hessian = vjp(grad(loss), params)[1]  # the Hessian is symmetric
    # A direction that is at right angles to no eigenvector, but by chance.
    first = torch.arange(1, size + 1, dtype=torch.float64).square().sin().to(params[0])
    basis = [first / first.norm()]
    diagonal: list[Tensor] = []
    beside: list[Tensor] = []
    scale = basis[0].new_zeros(())
    for _ in range(min(steps, size)):
        (curved,) = times_hessian([t[0] for t in _like(basis[-1][None], params)])
        curved = torch.cat([t.flatten() for t in curved])
        scale = scale.maximum(curved.norm())
        height = curved @ basis[-1]
        for _ in range(2):  # rounding would bring back what is known already
            known = torch.stack(basis)
            curved = curved - (known @ curved) @ known
        # Where nothing but rounding is left, all that follows repeats the first entry, which is no larger.
        goes_on = curved.norm() > 100 * torch.finfo(curved.dtype).eps * scale
        alive = basis[-1].any()
        diagonal.append(torch.where(alive, height, diagonal[0] if diagonal else height))
        beside.append(torch.where(goes_on, curved.norm(), 0.0))
        basis.append(torch.where(goes_on, curved / curved.norm(), 0.0))
    off = torch.stack(beside[:-1]) if beside[:-1] else diagonal[0].new_zeros(0)
    small = torch.diag(torch.stack(diagonal)) + torch.diag(off, 1) + torch.diag(off, -1)
    return torch.linalg.eigvalsh(small)[-1]


def _rows(tensors: Sequence[Tensor]) -> Tensor:
    """All parameters side by side: (step, entry)."""
    return torch.cat([t.flatten(1) for t in tensors], 1)


def _like(rows: Tensor, params: Sequence[Tensor]) -> list[Tensor]:
    """Rows (direction, entry) as a list of (direction, …), one for each parameter."""
    parts = rows.split([p.numel() for p in params], 1)
    return [part.reshape(-1, *p.shape) for part, p in zip(parts, params, strict=True)]


def _check_alike(name: str, tensors: Sequence[Tensor], params: Sequence[Tensor]) -> None:
    wanted, got = ([tuple(t.shape) for t in ts] for ts in (params, [t[0] for t in tensors]))
    if wanted != got:
        raise ValueError(f"{name} must have shapes (n, …) with … from {wanted}, got … from {got}")
