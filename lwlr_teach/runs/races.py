"""A fair race: each contestant at its own best rate, from several seeds, with an equal budget.

Most comparisons of optimizers compare the care with which their rates were chosen. Here every contestant runs
at every rate of a grid. Some seeds choose its own best rate, on validation images. Then other seeds judge it,
on test images: neither they nor these images had a part in the choice.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property, partial
from typing import NamedTuple

import torch
from torch import Tensor

from lwlr_teach.clipping import Clip
from lwlr_teach.core.checks import check_choice, check_count, check_device, check_number, check_rising
from lwlr_teach.core.cluster import check_cluster, spread
from lwlr_teach.core.progress import Bar, progress_bar
from lwlr_teach.core.text import fixed, table
from lwlr_teach.core.threads import one_thread
from lwlr_teach.optim import Method, method
from lwlr_teach.optim.grid import check_grid
from lwlr_teach.problems.data import Digits
from lwlr_teach.problems.models import cross_entropy
from lwlr_teach.problems.tasks import Task, digits_task
from lwlr_teach.runs.costs import operations
from lwlr_teach.runs.fleet import Fleet, Layers, layer_norms
from lwlr_teach.schedules import Schedule

VALIDATION = 300
"""Training images that are held back to choose the rates."""

# A rate is good if its accuracy is at most this much below the best rate's. One per cent is three of the
# images held back, less than chance does with them: the width of a band was tenfold on another grid.
_GOOD = 0.02
_SAYS = "race (■ or Ctrl+C keeps what is done)"
_UNITS = {"steps": "steps", "operations": "operations"}


@dataclass(frozen=True)
class Contestant:
    """A method, perhaps with a schedule, a clip, or a share of the rate for each layer.

    ``lr`` are rates of its own in place of the race's.
    """

    method: str | Method
    schedule: Schedule | None = None
    clip: Clip | None = None
    layers: Layers | None = None
    lr: Sequence[float] | Tensor | None = None
    name: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "method", method(self.method))
        if not self.name:
            object.__setattr__(self, "name", self._given_name())

    def _given_name(self) -> str:
        extras = [
            _name_of(e, kind) for kind in ("schedule", "clip") if (e := getattr(self, kind)) is not None
        ]
        extras += ["layers"] if self.layers is not None else []
        return " + ".join([method(self.method).name, *extras])

    @property
    def scheduled(self) -> bool:
        """Whether a rate of it depends on the number of steps."""
        layers = self.layers if isinstance(self.layers, Sequence) else ()
        return self.schedule is not None or any(callable(layer) for layer in layers)


def _name_of(extra: object, kind: str) -> str:
    """The name of a schedule's class or of a clip's function; what has none of its own is called its kind."""
    if isinstance(extra, partial):
        extra = extra.func
    name = str(getattr(extra, "__name__", type(extra).__name__))
    return kind if name == "<lambda>" else name.replace("_", " ").strip()


class Place(NamedTuple):
    """How one contestant stands at a budget.

    A median is the middle value, of an even number the lower of the two in the middle.
    """

    name: str
    lr: float
    """The rate that it is judged at: its own best, or the one that all were given."""
    best: float
    """Its own best rate here, the one with the lowest validation loss, mean over the seeds that choose."""
    good: tuple[float, float]
    """The lowest and the highest rate around the best that are nearly as good on the validation images."""
    accuracy: float
    """Share of the test images that is right: median over the seeds that judge, and the range below."""
    lowest: float
    highest: float
    flattered: float
    """The same share if the seeds that judge had chosen the rate as well."""
    steps: int
    """Steps that its budget paid for."""
    behind: tuple[float, float]
    """How far it is behind the winner, seed by seed: the smallest and the largest difference in accuracy.

    Whatever the differences are like, those of n seeds have their median in between with a probability of
    1 − 2^(1 − n): 94% for five seeds. Below 0 it is ahead. (0, 0) for the winner.
    """
    default_lr: float | None
    """The method's own default, if it has one."""
    at_default: float | None
    """Accuracy at the rate of the grid that is nearest to the default; None if the grid ends before it."""
    at_end: bool
    """Whether the best rate is the first or the last of a grid of several, so that a better one may lie
    outside."""

    @property
    def leads(self) -> bool:
        """Whether the winner fails to beat it from every seed; true for the winner."""
        return self.behind[0] <= 0

    @property
    def width(self) -> float:
        """How many times larger the largest good rate is than the smallest."""
        return self.good[1] / self.good[0]


@dataclass(frozen=True)
class Table:
    """The places at one budget: the highest median accuracy first, of equal ones the highest mean."""

    places: tuple[Place, ...]
    budget: float
    per: str
    lr: float | None = None
    """The rate that all were given, if it was not each one's own best."""

    def __getitem__(self, name: str) -> Place:
        return check_choice("contestant", name, {place.name: place for place in self.places})

    @property
    def leaders(self) -> tuple[str, ...]:
        """The winner, and those that it does not beat from every seed."""
        return tuple(place.name for place in self.places if place.leads)

    @property
    def winners_curse(self) -> float:
        """How much higher the accuracy would be had the seeds that judge chosen the rates as well: mean over
        the contestants.

        What is chosen for doing best was also lucky. To judge it by the runs that chose it counts that luck.
        """
        return sum(place.flattered - place.accuracy for place in self.places) / len(self.places)

    def __str__(self) -> str:
        accuracy = "test accuracy" if self.lr is None else f"test accuracy at {self.lr:.2g}"
        head = ("", "best rate", "good rates", accuracy, "points behind the first", "at its default")
        text = table([head, *map(_row, self.places)])
        if self.lr is not None:
            return text
        curse = self.winners_curse
        how = f"{_points(abs(curse))} points {'higher' if curse >= 0 else 'lower'}"
        had = "Had the seeds that judge chosen the rates as well"
        return f"{text}\n{had}, the accuracies would be {how} on average."

    __repr__ = __str__


def _row(place: Place) -> tuple[str, ...]:
    ends = " (end of the grid)" if place.at_end else ""
    low, high = (f"{rate:.2g}" for rate in place.good)
    default = "" if place.default_lr is None else f"{place.default_lr:.2g}: "
    return (
        place.name,
        f"{place.best:.2g}{ends}",
        f"only {low}" if low == high else f"{low} to {high}",
        f"{place.accuracy:.1%} ({place.lowest:.1%} to {place.highest:.1%})",
        _behind(place),
        ""
        if not default
        else default + ("not tried" if place.at_default is None else f"{place.at_default:.1%}"),
    )


def _behind(place: Place) -> str:
    """The differences to the winner in words; they come from every seed, so they say what beats what."""
    least, most = place.behind
    if least == most == 0:
        return ""
    text = f"{_points(least)} to {_points(most)}"
    return f"{text}, not beaten" if place.leads else text


def _points(difference: float) -> str:
    """A difference of two shares in percentage points."""
    return fixed(100 * difference, 1).replace("-", "−")


class Standing(NamedTuple):
    """Where a contestant stands among others."""

    contestant: int
    behind: tuple[float, float]
    """The smallest and the largest difference to the winner, seed by seed; (0, 0) for the winner."""

    @property
    def leads(self) -> bool:
        """Whether the winner fails to beat it from every seed; true for the winner."""
        return self.behind[0] <= 0


@dataclass(frozen=True)
class Race:
    """What every contestant reached at every rate, from every seed, at every checkpoint.

    Tensors are on the CPU, with the axes (contestant, rate, seed, checkpoint) unless they say otherwise; a
    run that overflowed has nan or inf. The first ``choosers`` of the seeds choose the rates, the others
    judge.
    """

    contestants: tuple[Contestant, ...]
    lr: Tensor
    """(contestant, rate)"""
    checkpoints: Tensor
    """Steps after which all were judged: (checkpoint,)."""
    valid_loss: Tensor
    valid_accuracy: Tensor
    test_accuracy: Tensor
    operations_per_step: Tensor
    """Operations of torch that one step of one network starts, on average: (contestant,)."""
    choosers: int
    """How many of the seeds choose."""
    planned: int
    """Steps that the race was to have; more than the last checkpoint if it was stopped."""

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the contestants, in the order of the first axis."""
        return tuple(c.name for c in self.contestants)

    def budgets(self, per: str = "steps") -> Tensor:
        """The budgets at which the places are known, in steps or in operations of one network's training.

        Operations stand for time. In networks as small as these each takes about as long as any other, and
        unlike a clock their number is the same on every machine.

        A schedule is made for all the steps. Half-way through, its contestant would be judged at a rate that
        is still high, so a race with a schedule in it has one budget: the whole, in steps.
        """
        check_choice("per", per, _UNITS)
        steps = self.checkpoints.to(torch.float64)
        scheduled = [c.name for c in self.contestants if c.scheduled]
        if per == "steps":
            return steps[-1:] if scheduled else steps
        if scheduled:
            raise ValueError(
                f"per must be 'steps': the schedule of {scheduled[0]} counts steps, not operations"
            )
        # The slowest needs most for its first checkpoint; the fastest is the first to have had all its steps.
        operations = self.operations_per_step.min() * steps
        enough = operations >= self.operations_per_step.max() * steps[0]
        if not enough.any():
            raise ValueError("per must be 'steps': the slowest contestant's first checkpoint comes too late")
        return operations[enough]

    def table(self, budget: float | None = None, *, per: str = "steps", lr: float | None = None) -> Table:
        """The places when each contestant has spent this much, by default all there is.

        ``per="operations"`` gives every contestant the same work, so that a slow one takes fewer steps. Steps
        are rounded down to a checkpoint. ``lr`` gives all the same rate, the nearest one of the grid, to show
        what comes of that; fair is each at its own best rate.
        """
        allowed = self.budgets(per)
        if budget is None:
            budget = allowed[-1].item()
        check_number("budget", budget, low=allowed[0].item(), high=allowed[-1].item())
        last = self.checkpoints_at(budget, per)
        at = self.best[range(len(last)), last]
        if lr is not None:
            lr, at = self._shared(lr)
        return Table(self._places(last, at), budget, per, lr)

    @property
    def same_grid(self) -> bool:
        """Whether all contestants ran at the same rates."""
        return bool((self.lr == self.lr[0]).all())

    def _shared(self, lr: float) -> tuple[float, Tensor]:
        """The rate of the common grid that is nearest, and its index for each contestant."""
        if not self.same_grid:
            raise ValueError("lr cannot be the same for all: some contestants have rates of their own")
        check_number("lr", lr, low=self.lr[0, 0].item(), high=self.lr[0, -1].item())
        nearest = (self.lr[0].double().log() - math.log(lr)).abs().argmin()
        return self.lr[0, nearest].item(), nearest.expand(len(self.contestants))

    def checkpoints_at(self, budget: float, per: str = "steps") -> Tensor:
        """Index of the last checkpoint that the budget pays for: (contestant,)."""
        cost = self.operations_per_step if per == "operations" else torch.ones(len(self.contestants))
        # A budget that is a checkpoint's exact cost must pay for it in spite of rounding.
        paid = cost.double()[:, None] * self.checkpoints <= budget * (1 + 1e-9)
        return paid.sum(-1) - 1

    @property
    def judged(self) -> Tensor:
        """Test accuracy from the seeds that judge."""
        return self.test_accuracy[:, :, self.choosers :]

    @cached_property
    def _choice(self) -> Tensor:
        """Validation loss by which the rates are chosen: (contestant, rate, checkpoint)."""
        return _mean_loss(self.valid_loss[:, :, : self.choosers])

    @cached_property
    def best(self) -> Tensor:
        """Index of the best rate, the one with the lowest validation loss: (contestant, checkpoint)."""
        return self._choice.argmin(1)

    @cached_property
    def valid(self) -> Tensor:
        """Validation accuracy, mean over the seeds that choose: (contestant, rate, checkpoint)."""
        return self.valid_accuracy[:, :, : self.choosers].mean(2)

    @cached_property
    def at_end(self) -> Tensor:
        """Whether the best rate is the first or the last of a grid of several: (contestant, checkpoint)."""
        last = self.lr.shape[1] - 1
        return ((self.best == 0) | (self.best == last)) & (last > 0)

    @cached_property
    def good(self) -> Tensor:
        """First and last index of the unbroken stretch of good rates around the best:
        (contestant, checkpoint, 2)."""
        right = self.valid.movedim(1, -1)
        at = self.best[..., None]
        bad = right < right.gather(-1, at) - _GOOD
        rates = torch.arange(right.shape[-1])
        below = torch.where(bad & (rates < at), rates, -1).amax(-1) + 1
        above = torch.where(bad & (rates > at), rates, len(rates)).amin(-1) - 1
        return torch.stack([below, above], -1)

    @cached_property
    def defaults(self) -> tuple[tuple[float | None, int | None], ...]:
        """Each contestant's default rate, and the index of the nearest one of its grid.

        None where the method has no default or the grid ends before it.
        """
        return tuple(_default(c, own) for c, own in zip(self.contestants, self.lr, strict=True))

    @cached_property
    def target(self) -> float:
        """Validation loss that Momentum ends at, or the winner where it has not entered: median over the
        seeds that judge."""
        i = self.names.index("Momentum" if "Momentum" in self.names else self.table().places[0].name)
        return self.valid_loss[i, self.best[i, -1], self.choosers :, -1].median().item()

    def steps_to(self, target: float | None = None) -> Tensor:
        """Steps until the validation loss is at most ``target``, inf where it never is: (contestant,).

        Median over the seeds that judge, at the rate that gets the seeds that choose there soonest. Steps are
        those of the checkpoints. It is the loss, which tells more than accuracy on so few images, and the
        validation loss, as in AlgoPerf: the test images stay for the table. The default is :attr:`target`.
        """
        target = self.target if target is None else target
        if not math.isnan(target):  # nobody comes to where Momentum overflowed
            check_number("target", target)
        there = self.valid_loss <= target
        first = torch.where(there.any(-1), self.checkpoints[there.int().argmax(-1)].double(), torch.inf)
        soonest = first[:, :, : self.choosers].median(2).values
        # Of rates that are equally soon, the one that ends lowest.
        keys = torch.stack([soonest, self._choice[..., -1]], -1).tolist()
        at = [own.index(min(own)) for own in keys]
        return first[range(len(at)), at, self.choosers :].median(1).values

    def after_tries(self, tries: int) -> Tensor:
        """Test accuracy that is expected after trying only so many rates of the grid: (contestant,).

        They are drawn at random, each at most once, and the one with the lowest validation loss is taken, at
        the last checkpoint.
        """
        rates = self.lr.shape[1]
        check_count("tries", tries, high=rates)
        # The rate of rank r is taken when it is drawn and the other draws are of rates that are worse.
        ways = [math.comb(rates - 1 - r, tries - 1) / math.comb(rates, tries) for r in range(rates)]
        order = self._choice[..., -1].argsort(dim=1, stable=True)
        right = self.judged[..., -1].median(2).values.double().gather(1, order)
        return right @ torch.tensor(ways, dtype=torch.float64)

    def standing(self, last: Tensor, at: Tensor, among: Sequence[int] | None = None) -> list[Standing]:
        """Contestants from the winner down.

        Each one is judged at the checkpoint and the rate with these indices, both (contestant,). ``among``
        leaves the others out.
        """
        entered = list(range(len(last)) if among is None else among)
        if not entered:
            return []
        right = self.judged[entered, at[entered], :, last[entered]].double()
        # In double precision the sum of so few numbers is exact, so that equal means are equal.
        keys = zip(right.median(-1).values.tolist(), right.sum(-1).tolist(), strict=True)
        order = [j for _, j in sorted(((-middle, -total), j) for j, (middle, total) in enumerate(keys))]
        behind = right[order[0]] - right
        return [Standing(entered[j], (behind[j].min().item(), behind[j].max().item())) for j in order]

    def _places(self, last: Tensor, at: Tensor) -> tuple[Place, ...]:
        places = []
        for i, behind in self.standing(last, at):
            k = int(last[i])
            best = int(self.best[i, k])
            low, high = self.good[i, k].tolist()
            right = self.judged[i, at[i], :, k]
            default_lr, default = self.defaults[i]
            own = _mean_loss(self.valid_loss[i : i + 1, :, self.choosers :])[0, :, k].argmin()
            places.append(
                Place(
                    name=self.names[i],
                    lr=self.lr[i, at[i]].item(),
                    best=self.lr[i, best].item(),
                    good=(self.lr[i, low].item(), self.lr[i, high].item()),
                    accuracy=right.median().item(),
                    lowest=right.min().item(),
                    highest=right.max().item(),
                    flattered=self.judged[i, own, :, k].median().item(),
                    steps=int(self.checkpoints[k]),
                    behind=behind,
                    default_lr=default_lr,
                    at_default=None if default is None else self.judged[i, default, :, k].median().item(),
                    at_end=bool(self.at_end[i, k]),
                )
            )
        return tuple(places)


def _mean_loss(losses: Tensor) -> Tensor:
    """Mean over the seeds, which are on the third axis; where one of them overflowed it is inf.

    A median of three does not see that one of them fails, and then most of the seeds that judge may fail.
    """
    return losses.double().nan_to_num(nan=torch.inf, posinf=torch.inf).mean(2)


def _default(contestant: Contestant, rates: Tensor) -> tuple[float | None, int | None]:
    entered = method(contestant.method)
    if entered.target("lr") is None:
        return None, None
    lr = entered.default("lr")
    # Rounded to single precision, the grid may end a little before the number that was meant.
    if not rates[0] * (1 - 1e-6) <= lr <= rates[-1] * (1 + 1e-6):
        return lr, None
    return lr, int((rates.double().log() - math.log(lr)).abs().argmin())


def race(
    contestants: Iterable[str | Method | Contestant],
    *,
    lr: Sequence[float] | Tensor,
    seeds: int = 5,
    choosers: int = 3,
    steps: int = 300,
    checkpoints: int | None = None,
    batch_size: int = 64,
    hidden: Sequence[int] = (32,),
    data: Digits | None = None,
    task: Task | None = None,
    device: str | torch.device = "cpu",
    progress: bool = True,
    cluster: str | None = None,
) -> Race:
    """Let methods race on the digits, each at every rate from every seed; see :class:`Race` for what comes
    back.

    All contestants take their steps in turn. Interrupt the race (■ in JupyterLab's toolbar, Ctrl+C in a
    terminal) and it returns what is done: all are judged once more, after equally many steps. On a cluster it
    returns the contestants that have come to their end.

    Args:
        contestants: names of methods, methods, or :class:`Contestant` with a schedule, a clip or own rates.
        lr: the rates, 1-D, positive and rising. Wide enough that no best rate is the first or the last one.
        seeds: how many judge. A seed fixes the first weights and the order of the batches; all contestants
            share them.
        choosers: how many other seeds choose the best rates. Of a ``task`` the first ones choose and all
            others judge.
        steps: steps of the whole race.
        checkpoints: how often all are judged, at equal distances; by default 20 times, or after every step
            if there are fewer.
        batch_size, hidden: the images of a step, and the sizes of the hidden layers.
        data: by default the digits. The last of the training images choose the rates and are not trained on.
        task: another network, or other data, in place of ``seeds`` to ``data``; it must hold images back.
        device: where to compute.
        progress: show a bar when it takes longer than a second.
        cluster: share the contestants out over a Ray cluster: ``"local"``, the cores of this machine,
            ``"auto"``, the cluster that runs here, or the address of one; see ``docs/several-machines.md``.
            The numbers are the same.

    Raises:
        ValueError: for anything that cannot be run, before it is run. Divergence is a result, not an error.
    """
    entrants = _check_contestants(contestants)
    check_count("seeds", seeds)
    check_count("choosers", choosers)
    device = check_device("device", device)
    check_cluster(cluster, device)
    if task is None:
        task = digits_task(
            data,
            seeds=seeds + choosers,
            steps=steps,
            batch_size=batch_size,
            hidden=hidden,
            valid=VALIDATION,
            device=device,
        )
    if task.valid is None:
        raise ValueError("task must hold images back to choose the rates: digits_task(…, valid=300)")
    steps, given, _ = task.batches.shape
    if given <= choosers:
        raise ValueError(f"task must have more seeds than the {choosers} that choose, got {given}")
    if checkpoints is None:
        checkpoints = min(20, steps)
    check_count("checkpoints", checkpoints, high=steps)
    rates = [
        check_grid((method(c.method),), {"lr": lr if c.lr is None else c.lr}, device, torch.float32)["lr"]
        for c in entrants
    ]
    _check_rates(entrants, rates)
    fleets = [_fleet(task, c, own) for c, own in zip(entrants, rates, strict=True)]  # checks them

    marks = [round(steps * (k + 1) / checkpoints) for k in range(checkpoints)]
    with one_thread():
        costs = _operations_per_step(entrants, rates, task)
    if cluster is None:
        marks, scores = _in_turn(fleets, marks, progress)
    else:
        done = spread(
            partial(_alone, task, marks),
            [*zip(entrants, rates, strict=True)],
            cluster=cluster,
            kind="contestants",
            says=_SAYS,
            steps=steps,
            progress=progress,
        )
        entrants = tuple(entrants[i] for i in done)
        rates, costs = [rates[i] for i in done], [costs[i] for i in done]
        scores = torch.cat([*done.values()], 1)
    valid_loss, valid_accuracy, test_accuracy = scores

    return Race(
        contestants=entrants,
        lr=torch.stack(rates).cpu(),
        checkpoints=torch.tensor(marks),
        valid_loss=valid_loss,
        valid_accuracy=valid_accuracy,
        test_accuracy=test_accuracy,
        operations_per_step=torch.tensor(costs, dtype=torch.float64),
        choosers=choosers,
        planned=steps,
    )


def _fleet(task: Task, contestant: Contestant, rates: Tensor) -> Fleet:
    c = contestant
    return Fleet(method(c.method), rates, task, schedules=c.schedule, clip=c.clip, layers=c.layers)


def _in_turn(fleets: list[Fleet], marks: list[int], progress: bool) -> tuple[list[int], Tensor]:
    """The steps after which all were judged, and the scores: (3, contestant, rate, seed, step)."""
    steps = marks[-1]
    judged: dict[int, Tensor] = {}  # by the step
    with one_thread():
        try:
            with progress_bar(_SAYS, len(fleets) * steps, shown=progress) as bar:
                for mark in marks:
                    _train_in_turn(fleets, mark, bar)
                    judged[mark] = _judged(fleets)
        except KeyboardInterrupt:
            furthest = max(fleet.step for fleet in fleets)
            with suppress(KeyboardInterrupt):  # a second one leaves it at the last checkpoint
                _train_in_turn(fleets, furthest)
                if furthest and furthest not in judged:
                    judged[furthest] = _judged(fleets)
            if not judged:
                raise  # nothing to keep
            print(f"Interrupted: judged after {max(judged)} of {steps} steps. What is done is kept.")
    return [*judged], torch.stack([*judged.values()], -1)


def _alone(task: Task, marks: list[int], entered: tuple[Contestant, Tensor]) -> Tensor:
    """The scores of one contestant, in a process of a cluster: (3, 1, rate, seed, step)."""
    fleet = _fleet(task, *entered)
    scores = []
    for mark in marks:
        fleet.train(mark - fleet.step)
        scores.append(_judged([fleet]))
    return torch.stack(scores, -1)


def _train_in_turn(fleets: list[Fleet], until: int, bar: Bar | None = None) -> None:
    """Let each take a step, and again, until all have taken so many: no two are further apart than one."""
    for step in range(min(fleet.step for fleet in fleets), until):
        for fleet in fleets:
            if fleet.step == step:
                fleet.train(1, bar)


def _judged(fleets: list[Fleet]) -> Tensor:
    """Validation loss, validation accuracy and test accuracy as they are now: (3, contestant, rate, seed)."""
    data, valid = fleets[0].task.data, fleets[0].task.valid
    assert valid is not None  # checked
    each = [[*fleet.score(*valid), fleet.score(data.x_test, data.y_test)[1]] for fleet in fleets]
    return torch.stack([torch.stack(scores) for scores in each], 1).to("cpu", torch.float32)


def _check_contestants(contestants: Iterable[str | Method | Contestant]) -> tuple[Contestant, ...]:
    if isinstance(contestants, str | Method | Contestant):
        contestants = [contestants]
    entrants = tuple(c if isinstance(c, Contestant) else Contestant(c) for c in contestants)
    if not entrants:
        raise ValueError("contestants must name at least one method, got none")
    names = [c.name for c in entrants]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(
                f"contestants must have different names, and {name!r} is there twice; give it one"
            )
    return entrants


def _check_rates(entrants: tuple[Contestant, ...], rates: list[Tensor]) -> None:
    for c, own in zip(entrants, rates, strict=True):
        check_rising("lr", own)
        if len(own) != len(rates[0]):
            raise ValueError(
                f"lr of {c.name} must have as many rates as the others, {len(rates[0])}, got {len(own)}"
            )


def _operations_per_step(
    entrants: tuple[Contestant, ...], rates: list[Tensor], task: Task, skipped: int = 6, counted: int = 6
) -> list[float]:
    """What a step of one network starts, on average, without the first steps: these make the state, and
    RAdam's are shorter."""
    x, y = task.data.x_train[task.batches[0, 0]], task.data.y_train[task.batches[0, 0]]
    costs = []
    for c, own in zip(entrants, rates, strict=True):
        params = [p[0].clone().requires_grad_() for p in task.first]
        named = list(zip(task.layers, params, strict=True))
        layers = [[p for owner, p in named if owner == name] for name in dict.fromkeys(task.layers)]
        groups = [{"params": layer} for layer in ([params] if c.layers is None else layers)]
        optimizer = method(c.method)(groups, {"clip": c.clip}, lr=own[0].item())
        step = partial(_step, c.layers, params, own[0].item(), optimizer, task, x, y)
        counts = [operations(step) for _ in range(skipped + counted)]
        costs.append(sum(counts[skipped:]) / counted)
    return costs


def _step(
    rule: Layers | None,
    params: list[Tensor],
    lr: float,
    optimizer: torch.optim.Optimizer,
    task: Task,
    x: Tensor,
    y: Tensor,
) -> None:
    optimizer.zero_grad()
    cross_entropy(task.forward(params, x), y).backward()
    if callable(rule):
        norms = layer_norms([p[None, None] for p in g["params"]] for g in optimizer.param_groups)
        for group, factor in zip(optimizer.param_groups, rule(norms).flatten(), strict=True):
            group["lr"] = lr * factor
    optimizer.step()
