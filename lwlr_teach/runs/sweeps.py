"""A whole grid of hyperparameters in one batched run.

A slider costs nothing if every position of it was computed before the first drag, and all positions together
cost little more than one: the runs of a grid are one tensor, and each optimizer moves all of them at once.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from lwlr_teach.clipping import Clip
from lwlr_teach.core.checks import check_count, check_device, check_made, check_number
from lwlr_teach.core.cluster import check_cluster, spread
from lwlr_teach.core.progress import Bar, progress_bar
from lwlr_teach.optim.catalogue import Method
from lwlr_teach.optim.grid import check_grid, check_methods, tensor_or_none
from lwlr_teach.optim.update import Rule
from lwlr_teach.problems.surfaces import Point, Surface, find_surface
from lwlr_teach.schedules import Plateau, Schedule, check_drivable, drive, in_order

# A run has diverged once it is further from the middle of the map than this many half-widths, for good.
ESCAPE = 10.0
NEVER = -1


@dataclass(frozen=True)
class Sweep:
    """Many runs on one surface. Axes are (optimizer, *grid, start), then step, then coordinate.

    ``grid`` maps each swept hyperparameter to its values, in the order of the axes. A method that does not
    have a hyperparameter is repeated along its axis.
    """

    surface: Surface
    methods: tuple[Method, ...]
    grid: dict[str, Tensor]
    starts: Tensor
    paths: Tensor
    """The points visited: (optimizer, *grid, start, steps + 1, 2). After an overflow they are inf or nan."""
    losses: Tensor
    """The exact loss at each point: (optimizer, *grid, start, steps + 1)."""
    diverged_at: Tensor
    """The step from which on a run stays outside ten times the map, or −1: (optimizer, *grid, start)."""
    reached_at: Tensor
    """The first step at which the loss is at most ``target``, or −1: (optimizer, *grid, start)."""
    target: float

    @property
    def steps(self) -> int:
        """Number of steps of each run."""
        return self.losses.shape[-1] - 1

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the methods, in the order of the first axis."""
        return tuple(m.name for m in self.methods)


def sweep(
    surface: str | Surface,
    optimizers: Iterable[str | Method | Rule] = ("SGD", "Momentum", "Adam"),
    *,
    lr: Sequence[float] | Tensor,
    steps: int = 300,
    starts: Sequence[Point] | Tensor | None = None,
    target: float | None = None,
    seed: int = 0,
    device: str | torch.device = "cpu",
    dtype: torch.dtype = torch.float64,
    clip: Clip | None = None,
    schedule: Schedule | None = None,
    progress: bool = True,
    cluster: str | None = None,
    memory_limit: float = 2**30,
    **grid: Sequence[float] | Tensor,
) -> Sweep:
    """Run every optimizer with every setting from every start.

    They run one after another. Interrupt them (■ in JupyterLab's toolbar, Ctrl+C in a terminal) and those
    that are done come back.

    Args:
        surface: a :class:`Surface` or the name of one.
        optimizers: methods or their names, see ``lwlr_teach.optim.METHODS``, or rules of your own, see
            :func:`~lwlr_teach.optim.from_rule`.
        lr: the rates, 1-D.
        steps: how many steps each run takes.
        starts: points (n, 2) inside the surface's bounds; the surface's own start by default.
        target: a loss; ``reached_at`` says when each run got there. By default a thousandth of the way from
            the lowest loss to the loss at the first start is left.
        seed: of the gradient noise. All settings meet the same noise, each start its own.
        clip: what happens to the gradients first, see ``lwlr_teach.clipping``; the same for all runs.
        schedule: the factor of every rate as a function of the step, see ``lwlr_teach.schedules``.
        device, dtype: where and in what precision to compute.
        progress: show a bar when the sweep takes longer than a second.
        cluster: share the optimizers out over a Ray cluster: ``"local"``, the cores of this machine,
            ``"auto"``, the cluster that runs here, or the address of one; see ``docs/several-machines.md``.
            The numbers are the same.
        memory_limit: bytes that the result may take; a larger grid is refused before it is run.
        **grid: further hyperparameters, each 1-D: ``momentum`` (SGD's momentum, Adam's β₁), ``beta2``,
            ``eps``, ``weight_decay``, …, and ``limit`` for methods with a clip of their own.

    Raises:
        ValueError: for anything that cannot be run, before it is run. Divergence is a result, not an error.
    """
    surface = find_surface(surface)
    methods = check_methods(optimizers)
    device = check_device("device", device)
    check_cluster(cluster, device)
    check_count("steps", steps)
    if not dtype.is_floating_point:
        raise ValueError(f"dtype must be a floating-point type, got {dtype}")
    axes = check_grid(methods, {"lr": lr, **grid}, device, dtype)
    begin = check_starts(surface, starts, device, dtype)
    check_count("seed", seed, low=0)
    check_number("memory_limit", memory_limit, low=0)
    if target is not None:
        check_number("target", target)
    if schedule is not None:
        check_made("schedule", schedule, "Cosine(300)")
        for m in methods:
            check_drivable(m.name, m([torch.zeros(1)]))
    _check_size(methods, axes, begin, steps, dtype, memory_limit)

    run = partial(_run, surface, axes, begin, seed, clip, schedule)
    shape = (steps + 1, *(len(values) for values in axes.values()), *begin.shape)
    if cluster is None:
        visited = torch.empty(steps + 1, len(methods), *shape[1:], device=device, dtype=dtype)
        done = 0
        try:
            with progress_bar("sweep", len(methods) * steps, shown=progress) as bar:
                for i, contestant in enumerate(methods):
                    run(contestant, visited[:, i], bar)
                    done = i + 1
        except KeyboardInterrupt:
            if not done:
                raise  # nothing to keep
            print(f"Interrupted: {done} of {len(methods)} optimizers are done, and are kept.")
            methods = methods[:done]
        visited = visited[:, :done]
    else:
        alone = partial(_path, run, shape, dtype)
        ended = spread(
            alone, methods, cluster=cluster, kind="optimizers", says="sweep", steps=steps, progress=progress
        )
        methods = tuple(methods[i] for i in ended)
        visited = torch.stack([*ended.values()], 1)

    paths = visited.movedim(0, -2)
    losses = surface.loss(paths)
    if target is None:
        target = surface.lowest + 1e-3 * (losses.flatten()[0].item() - surface.lowest)
    return Sweep(
        surface=surface,
        methods=methods,
        grid=axes,
        starts=begin,
        paths=paths,
        losses=losses,
        diverged_at=_left_for_good(surface, paths),
        reached_at=_first(losses <= target),
        target=target,
    )


def _path(run: Callable[..., None], shape: tuple[int, ...], dtype: torch.dtype, contestant: Method) -> Tensor:
    """The path of one method, for a process that has nothing to write it into."""
    out = torch.empty(shape, dtype=dtype)
    run(contestant, out)
    return out


def _run(
    surface: Surface,
    axes: dict[str, Tensor],
    begin: Tensor,
    seed: int,
    clip: Clip | None,
    schedule: Schedule | None,
    contestant: Method,
    out: Tensor,
    bar: Bar | None = None,
) -> None:
    """Write the path of one method into ``out`` (steps + 1, *grid, start, 2)."""
    own = {name: values for name, values in axes.items() if contestant.target(name)}
    # A hyperparameter that the method does not read keeps an axis of length 1, repeated when it is written.
    shape = [len(values) if name in own else 1 for name, values in axes.items()]
    points = begin.expand(*shape, *begin.shape).clone()
    numbers = dict(zip(own, _open_mesh(own, axes), strict=True))
    optimizer = contestant([points], {"clip": clip}, **numbers)
    generator = torch.Generator().manual_seed(seed)
    losses = points.new_empty(len(out) - 1, *points.shape[:-1])  # before each step, for a plateau
    rate = in_order(schedule) if schedule is not None else None
    out[0] = points
    for step in range(1, len(out)):
        points.grad = surface.sample_grad(points, generator)
        if rate is not None:
            drive(optimizer, rate, step - 1, losses[: step - 1])
            if isinstance(schedule, Plateau):
                losses[step - 1] = surface.loss(points)
        optimizer.step()
        out[step] = points
        if bar is not None:
            bar.update()


def _open_mesh(own: dict[str, Tensor], axes: dict[str, Tensor]) -> list[Tensor]:
    """Each hyperparameter's values along its own axis of the batch, which is the grid and the starts."""
    order = [*axes, "start"]
    return [values.reshape([-1 if name == axis else 1 for axis in order]) for name, values in own.items()]


def _first(hit: Tensor) -> Tensor:
    """Index of the first True along the last axis, or −1."""
    index = hit.to(torch.uint8).argmax(-1)
    return torch.where(hit.any(-1), index, NEVER)


def _left_for_good(surface: Surface, paths: Tensor) -> Tensor:
    """The step from which a path stays outside ``ESCAPE`` times the map, or −1.

    A run that flies out and comes back has spiked, not diverged.
    """
    low, high = torch.tensor(surface.bounds, device=paths.device, dtype=paths.dtype).unbind(-1)
    reach = ESCAPE * (high - low) / 2
    away = (paths - (low + high) / 2).abs()
    inside = (away <= reach).all(-1)  # False for nan
    steps = torch.arange(inside.shape[-1], device=paths.device)
    after_last_inside = (inside * steps).amax(-1) + 1
    return torch.where(inside[..., -1], NEVER, after_last_inside)


def check_starts(
    surface: Surface,
    starts: Sequence[Point] | Tensor | None,
    device: torch.device,
    dtype: torch.dtype,
) -> Tensor:
    """The points (n, 2), by default the surface's own start; ValueError for one that is not on the map."""
    points = tensor_or_none([surface.start] if starts is None else starts, device, dtype)
    if points is None or points.ndim != 2 or points.shape[-1] != 2 or not len(points):
        raise ValueError(f"starts must be a list of points (x, y), got {starts!r}")
    low, high = torch.tensor(surface.bounds, device=device, dtype=dtype).unbind(-1)
    wrong = points[~((points >= low) & (points <= high)).all(-1)]
    if len(wrong):
        (x0, x1), (y0, y1) = surface.bounds
        x, y = wrong[0].tolist()
        raise ValueError(
            f"starts must lie on the map of {surface.name}, x in [{x0:g}, {x1:g}] and y in [{y0:g}, {y1:g}], "
            f"got ({x:g}, {y:g})"
        )
    return points


def _check_size(
    methods: tuple[Method, ...],
    axes: dict[str, Tensor],
    starts: Tensor,
    steps: int,
    dtype: torch.dtype,
    limit: float,
) -> None:
    sizes = {"optimizers": len(methods)} | {name: len(v) for name, v in axes.items()}
    sizes |= {"starts": len(starts), "points": steps + 1}
    needed = math.prod(sizes.values()) * 3 * dtype.itemsize  # two coordinates and a loss
    if needed > limit:
        grid = " × ".join(f"{n} {name}" for name, n in sizes.items())
        raise ValueError(
            f"this sweep would take {needed / 2**30:.2g} GiB ({grid}), more than memory_limit = "
            f"{limit / 2**30:.2g} GiB; use fewer settings or steps, or raise memory_limit"
        )
