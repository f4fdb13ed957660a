"""The same network under many schedules of its rate, at every peak rate, from several seeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from lwlr_teach.core.checks import check_choice, check_count, check_number
from lwlr_teach.core.progress import progress_bar
from lwlr_teach.core.threads import one_thread
from lwlr_teach.optim import Method
from lwlr_teach.optim.grid import check_grid, check_methods
from lwlr_teach.problems.data import Digits
from lwlr_teach.problems.tasks import Task, digits_task
from lwlr_teach.runs.fleet import Fleet
from lwlr_teach.schedules import Schedule, factor_at, in_order
from lwlr_teach.studies.families import SIX_FAMILIES, Family, as_family, check_families

# The loss of a small batch is too noisy to compare curves by eye. It is measured this often, on so many
# training images.
_EVERY, _SAMPLE = 10, 400


class Outcome(NamedTuple):
    """What a schedule reaches: after the last step, on all training images and on the test images."""

    lr: float
    """Peak rate."""
    loss: float
    """Median over the seeds; ``low`` and ``high`` are the lowest and the highest."""
    low: float
    high: float
    accuracy: float
    """Share of the test images that are classified right, the median over the seeds."""


@dataclass(frozen=True)
class FamilyRuns:
    """The runs of one :class:`~lwlr_teach.studies.families.Family`: axes (value, rate, …).

    It knows the family's parameter and not how a schedule is made of it, so that it can be saved. A run that
    overflowed has nan or inf.
    """

    parameter: str
    values: tuple[float, ...]
    labels: tuple[str, ...]
    typical: float
    lr: Tensor
    """The peak rates: (rate,)"""
    factors: Tensor
    """Of each step: (value, rate, step). A plateau's are those of the first seed."""
    sample_losses: Tensor
    """Along the run, on some of the training images: (value, rate, point, seed)."""
    train_loss: Tensor
    """On all training images after the last step: (value, rate, seed)."""
    test_accuracy: Tensor
    """Share of the test images that is right after the last step: (value, rate, seed)."""

    def position(self, value: float | None = None) -> int:
        """The index of the nearest value, or of the typical one."""
        wanted = self.typical if value is None else value
        check_number("value", wanted)
        return int((torch.tensor(self.values, dtype=torch.float64) - wanted).abs().argmin())

    def peak(self, position: int, lr: float | Literal["best"] = "best") -> int:
        """The index of the nearest peak rate, or of the one with the lowest median loss at this value."""
        if lr == "best":
            return int(self._losses[position].median(-1).values.argmin())
        check_number("lr", lr, low=0)
        return int((self.lr - lr).abs().argmin())

    def outcome(self, *, lr: float | Literal["best"] = "best", value: float | None = None) -> Outcome:
        """What the schedule with this value reaches, at this peak rate: see :meth:`ScheduleRuns.outcome`."""
        i = self.position(value)
        j = self.peak(i, lr)
        loss = self._losses[i, j]
        return Outcome(
            lr=self.lr[j].item(),
            loss=loss.median().item(),
            low=loss.min().item(),
            high=loss.max().item(),
            accuracy=self.test_accuracy[i, j].median().item(),
        )

    @property
    def _losses(self) -> Tensor:
        """The final losses, infinite where a run overflowed."""
        return self.train_loss.nan_to_num(nan=torch.inf, posinf=torch.inf)


@dataclass(frozen=True)
class ScheduleRuns:
    """Families of schedules, each trained with every value of its parameter and at every peak rate."""

    method: Method
    lr: Tensor
    """The peak rates, which the factors multiply: (rate,)"""
    task: Task
    """What was learned: all runs begin with the same weights and see the same batches."""
    at_steps: tuple[int, ...]
    """The steps of the points of ``sample_losses``."""
    families: dict[str, FamilyRuns]

    @property
    def steps(self) -> int:
        """The steps of each run."""
        return len(self.task.batches)

    @property
    def seeds(self) -> int:
        """How many networks each run trains."""
        return self.task.batches.shape[1]

    def outcome(
        self, name: str, *, lr: float | Literal["best"] = "best", value: float | None = None
    ) -> Outcome:
        """What the family of this name reaches.

        At its own best peak rate or at ``lr`` (the nearest is taken), with its parameter's typical value or
        with the one nearest to ``value``.
        """
        return check_choice("name", name, self.families).outcome(lr=lr, value=value)

    def train(self, schedule: str | Family | Schedule) -> FamilyRuns:
        """One more schedule, or family of them, at the same peak rates and from the same seeds."""
        return _train([as_family(schedule)], self.method, self.lr, self.task)[0]


def train_schedules(
    families: Sequence[str | Family | Schedule] = SIX_FAMILIES,
    *,
    method: str | Method = "Momentum",
    lr: Sequence[float] | Tensor | None = None,
    seeds: int = 3,
    steps: int = 300,
    batch_size: int = 16,
    data: Digits | None = None,
    progress: bool = True,
) -> ScheduleRuns:
    """Train a small ReLU network on the digits under every schedule, at every peak rate, from every seed.

    Args:
        families: names from ``FAMILIES``, a :class:`Family`, or any schedule, which then has no parameter.
        method: the optimizer whose rate is scheduled.
        lr: the peak rates; from 0.01 to 1 by default.
        seeds, steps, batch_size, data: of the training, see
            :func:`~lwlr_teach.runs.ensemble.train_ensemble`. Two seeds at least, since a single one tells no
            winner from luck, and twenty steps. The smaller the batch, the noisier its gradient, and the more
            a decay has to do.
        progress: show a bar when it takes longer than a second.

    Raises:
        ValueError: for anything that cannot be run, before it is run. Divergence is a result, not an error.
    """
    check_count("steps", steps, low=20)
    check_count("seeds", seeds, low=2)
    chosen = check_families(families)
    (scheduled,) = check_methods([method])
    rates = torch.logspace(-2, 0, 9) if lr is None else lr
    peaks = check_grid((scheduled,), {"lr": rates}, torch.device("cpu"), torch.float32)["lr"]
    task = digits_task(data, seeds=seeds, steps=steps, batch_size=batch_size)
    found = _train(chosen, scheduled, peaks, task, progress=progress)
    return ScheduleRuns(
        method=scheduled,
        lr=peaks,
        task=task,
        at_steps=(*range(0, steps, _EVERY), steps),
        families={family.name: runs for family, runs in zip(chosen, found, strict=True)},
    )


def _train(
    families: Sequence[Family], method: Method, lr: Tensor, task: Task, *, progress: bool = False
) -> list[FamilyRuns]:
    """All families side by side."""
    steps, data = len(task.batches), task.data
    of_each = [family.schedules(steps) for family in families]
    schedules = [schedule for own in of_each for schedule in own]
    with one_thread(), progress_bar("training", steps, shown=progress) as bar:
        every = [schedule for schedule in schedules for _ in lr]
        fleet = Fleet(method, lr.repeat(len(schedules)), task, schedules=every)
        samples = [_sample_loss(fleet)]
        for step in range(0, steps, _EVERY):
            fleet.train(min(_EVERY, steps - step), bar)
            samples.append(_sample_loss(fleet))
        loss, _ = fleet.score(data.x_train, data.y_train)
        _, accuracy = fleet.score(data.x_test, data.y_test)
    grid = (len(schedules), len(lr))
    batches = fleet.losses[..., 0].unflatten(1, grid)
    factors = torch.stack([_factors(schedule, batches[:, i]) for i, schedule in enumerate(schedules)])
    measured = [values.unflatten(0, grid) for values in (torch.stack(samples, -2), loss, accuracy)]
    parts = zip(*(values.split(list(map(len, of_each))) for values in (factors, *measured)), strict=True)
    return [_runs(family, lr, *part) for family, part in zip(families, parts, strict=True)]


def _runs(family: Family, lr: Tensor, *measured: Tensor) -> FamilyRuns:
    # Copies: a saved part of a tensor would take all of it along.
    factors, sample_losses, train_loss, test_accuracy = (part.clone() for part in measured)
    return FamilyRuns(
        parameter=family.parameter,
        values=tuple(family.values),
        labels=tuple(family.labels),
        typical=family.typical,
        lr=lr,
        factors=factors,
        sample_losses=sample_losses,
        train_loss=train_loss,
        test_accuracy=test_accuracy,
    )


def _sample_loss(fleet: Fleet) -> Tensor:
    """The loss on some training images: (run, seed)."""
    data = fleet.task.data
    return fleet.score(data.x_train[:_SAMPLE], data.y_train[:_SAMPLE])[0]


def _factors(schedule: Schedule, losses: Tensor) -> Tensor:
    """The schedule's factors for runs with these losses (step, rate): (rate, step)."""
    steps, rates = losses.shape
    schedule = in_order(schedule)
    found = [torch.as_tensor(factor_at(schedule, step, losses)).expand(rates) for step in range(steps)]
    return torch.stack(found, -1).to(torch.float32)
