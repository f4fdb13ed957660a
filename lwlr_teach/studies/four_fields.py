"""A race over four fields: steps to a target, each method at its own best rate, and performance profiles.

The rules are those of AlgoPerf (Dahl et al. 2023) in small: the target is a validation score, a run that does
not reach it counts as infinite, and a profile says in which share of the fields a method is fast.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor

from lwlr_teach.core.checks import check_choice, check_count, check_number, check_rising
from lwlr_teach.core.progress import progress_bar
from lwlr_teach.core.threads import one_thread
from lwlr_teach.optim.catalogue import METHODS, Method, method
from lwlr_teach.problems.fields import FIELDS, Field
from lwlr_teach.schedules import Schedule, factor_at

RACERS = ("SGD", "Momentum", "RMSprop", "Adagrad", "Adam", "AdamW", "Lion", "NovoGrad")
RATES = tuple(10 ** (k / 2) for k in range(-8, 3))
SEEDS = 8
CHOOSERS = 3
"""The first seeds choose a method's rate, the others judge it."""
CHECKS = 20
"""How often a run is scored on its way."""
_STORED = Path(__file__).with_name("four_fields.json")


@dataclass(frozen=True)
class FieldRuns:
    """Methods at many rates in one field; tensors have the axes (method, rate, seed).

    ``arrived`` is the number of steps to the ``target``, infinite for a run that misses it. ``valid`` and
    ``test`` are the scores in the end; a run that overflowed has the worst.
    """

    field: str
    score: str
    higher: bool
    methods: tuple[str, ...]
    lr: Tensor
    steps: int
    first: float
    """The score before the first step: median over the seeds."""
    target: float
    arrived: Tensor
    valid: Tensor
    test: Tensor

    @cached_property
    def chosen(self) -> Tensor:
        """Index of each method's own best rate, (method,): of the rates with the fewest misses the one with
        the fewest steps to the target, mean over the seeds that choose; where no run arrives, the one with
        the best score in the end, their median."""
        steps = self.arrived[..., :CHOOSERS]
        misses = steps.isinf().sum(-1)
        mean = steps.nan_to_num(posinf=0.0).sum(-1) / (CHOOSERS - misses).clamp(min=1)
        ends = self.valid[..., :CHOOSERS].median(-1).values * (-1 if self.higher else 1)
        # A miss is worse than any number of steps.
        fewest = (misses * (self.steps + 1.0) + mean).argmin(-1)
        return torch.where((misses < CHOOSERS).any(-1), fewest, ends.argmin(-1))

    @property
    def best_lr(self) -> Tensor:
        """That rate: (method,)."""
        return self.lr[self.chosen]

    def judged(self, values: Tensor, rates: Tensor | None = None) -> Tensor:
        """Values (method, rate, seed) of the seeds that judge, at each method's own best rate, or at the
        rates with these indices (method,): (method, judge)."""
        index = self.chosen if rates is None else rates
        return values[torch.arange(len(values)), index, CHOOSERS:]

    @property
    def best_steps(self) -> Tensor:
        """Steps to the target at the best rate, median over the seeds that judge: (method,)."""
        return self.judged(self.arrived).median(-1).values

    @property
    def default(self) -> Tensor:
        """Index of the rate of the grid that is nearest to each method's default: (method,)."""
        defaults = torch.tensor([METHODS[name].default("lr") for name in self.methods])
        return (self.lr.log() - defaults[:, None].log()).abs().argmin(-1)

    @property
    def way(self) -> Tensor:
        """How much of the way from the first score to the target each run has gone in the end: 1 is there."""
        return (self.valid - self.first) / (self.target - self.first)

    def at(self, name: str) -> int:
        """The place of this method."""
        return check_choice("method", name, {m: i for i, m in enumerate(self.methods)})


def train_field(
    field: str | Field,
    methods: Sequence[str | Method] = RACERS,
    lr: Sequence[float] | Tensor = RATES,
    *,
    seeds: int = SEEDS,
    target: float | None = None,
    schedule: Schedule | None = None,
    progress: bool = True,
) -> FieldRuns:
    """Train each method at each rate from each seed, and see when it reaches the target.

    The rates are constant, or follow the schedule. Without a ``target`` it is what Momentum at its best rate
    has reached after two thirds of the steps, median over the seeds that choose.
    """
    check_count("seeds", seeds)
    rates = torch.as_tensor(lr, dtype=torch.float32)
    check_rising("lr", rates)
    contestants = [method(m) for m in methods]
    if target is None and "Momentum" not in (m.name for m in contestants):
        raise ValueError("target must be given where Momentum is not among the methods, got None")
    if target is not None:
        check_number("target", target)
    made = check_choice("field", field, FIELDS)(seeds=seeds) if isinstance(field, str) else field
    curves, tests = [], []
    with one_thread(), progress_bar(made.name, made.steps * len(contestants), shown=progress) as bar:
        for contestant in contestants:
            curve, test = _train(contestant, rates, made, schedule, bar.update)
            curves.append(curve)
            tests.append(test)
    worst = -torch.inf if made.higher else torch.inf
    valid = torch.stack(curves).nan_to_num(worst, worst, worst)  # (method, check, rate, seed)
    if target is None:
        momentum = valid[[m.name for m in contestants].index("Momentum")]
        reached = momentum[round(CHECKS * 2 / 3), :, :CHOOSERS].median(-1).values
        target = float(f"{(reached.max() if made.higher else reached.min()).item():.4g}")
    return FieldRuns(
        made.name,
        made.score,
        made.higher,
        tuple(m.name for m in contestants),
        rates,
        made.steps,
        float(f"{valid[0, 0, 0].median().item():.4g}"),
        target,
        first_below(*((-valid, -target) if made.higher else (valid, target)), _checks(made.steps)),
        valid[:, -1],
        torch.stack(tests).nan_to_num(worst, worst, worst),
    )


def _checks(steps: int) -> Tensor:
    """The steps after which a run is scored: (check + 1,), from 0."""
    return torch.linspace(0, steps, CHECKS + 1).round()


def _train(
    contestant: Method, rates: Tensor, field: Field, schedule: Schedule | None, update: Callable[[], object]
) -> tuple[Tensor, Tensor]:
    """Validation scores on the way, (check, rate, seed), and the test scores in the end."""
    params = [p.expand(len(rates), *p.shape).clone().requires_grad_() for p in field.first]
    optimizer = contestant(params, lr=rates[:, None])
    curve, checks = [], set(_checks(field.steps).int().tolist())
    losses = torch.empty(0)
    for step in range(field.steps + 1):
        if step in checks:
            with torch.no_grad():
                curve.append(field.valid(params))
        if step == field.steps:
            break
        if schedule is not None:
            factor = torch.as_tensor(factor_at(schedule, step, losses), dtype=rates.dtype)
            optimizer.param_groups[0]["lr"] = rates[:, None] * factor
        optimizer.zero_grad()
        field.loss(params, step).sum().backward()  # no run's loss depends on another run's weights
        optimizer.step()
        update()
    with torch.no_grad():
        return torch.stack(curve), field.test(params)


def first_below(curves: Tensor, target: float, steps: Tensor) -> Tensor:
    """Steps (method, rate, seed) at which curves (method, check, rate, seed) are first at the target.

    ``steps`` (check,) says when they were looked at; in between they are taken for straight. Infinite for a
    curve that is never there.
    """
    low = curves <= target
    index = low.int().argmax(1, keepdim=True)
    before = (index - 1).clamp(min=0)
    high, below = curves.gather(1, before), curves.gather(1, index)
    share = torch.where(high > target, (high - target) / (high - below), 1.0)
    share = torch.where(high.isinf(), 1.0, share)  # nothing is straight that comes from infinity
    found = steps[before] + share * (steps[index] - steps[before])
    return torch.where(low.any(1, keepdim=True), found, torch.inf).squeeze(1)


def least_way(runs: Mapping[str, FieldRuns], name: str) -> Tensor:
    """The part of the way that a method goes in the field where it goes least, median over the seeds:
    (rate,)."""
    ways = [own.way[own.at(name)].median(-1).values for own in runs.values()]
    return torch.stack(ways).min(0).values


def steps_to_targets(runs: Mapping[str, FieldRuns]) -> Tensor:
    """Each method's steps to the target at its own best rate, median over the seeds that judge: (method,
    field)."""
    return torch.stack([own.best_steps for own in runs.values()], 1)


def profile(steps: Tensor, within: Sequence[float] | Tensor) -> Tensor:
    """The share of the fields in which a method needs at most τ times the steps of the fastest, for each τ in
    ``within``, (method, τ), from steps (method, field). A miss is infinite, and in no share."""
    times = torch.as_tensor(within, dtype=steps.dtype)
    check_number("within", times, low=1)
    return (_ratios(steps)[..., None] <= times).to(steps).mean(1)


def profile_area(steps: Tensor, most: float = 4.0) -> Tensor:
    """The mean height of each method's profile between τ = 1 and τ = ``most``: (method,)."""
    check_number("most", most, above=1)
    return ((most - _ratios(steps)).clamp(min=0) / (most - 1)).mean(1)


def _ratios(steps: Tensor) -> Tensor:
    """Steps in units of the fastest of each field; infinite where nobody arrives."""
    return (steps / steps.min(0).values).nan_to_num(torch.inf, torch.inf)


def raced() -> dict[str, FieldRuns]:
    """The runs of ``python -m lwlr_teach.studies.four_fields``, by field."""
    runs = {}
    for entry in json.loads(_STORED.read_text()):
        tensors = {key: torch.tensor(_numbers(entry[key])) for key in ("arrived", "valid", "test", "lr")}
        runs[entry["field"]] = FieldRuns(**entry | tensors | {"methods": tuple(entry["methods"])})
    return runs


def _numbers(values: object) -> object:
    """Nested lists in which "inf" and "-inf" are numbers again."""
    return [_numbers(v) for v in values] if isinstance(values, list) else float(values)  # type: ignore[arg-type]


def _plain(values: object) -> object:
    """The same with four digits; JSON has no infinity."""
    if isinstance(values, list):
        return [_plain(v) for v in values]
    assert isinstance(values, float)
    return float(f"{values:.4g}") if math.isfinite(values) else str(values)


def _store() -> None:
    """Measure everything anew: about six minutes on one core."""
    entries = []
    for name in FIELDS:
        runs = train_field(name)
        tensors = {key: _plain(getattr(runs, key).tolist()) for key in ("arrived", "valid", "test")}
        plain = {
            key: getattr(runs, key)
            for key in ("field", "score", "higher", "methods", "steps", "first", "target")
        }
        entries.append({**plain, "lr": runs.lr.tolist(), **tensors})
        _STORED.write_text(json.dumps(entries) + "\n")
        print(name, runs.target, flush=True)
        for m, lr, steps in zip(runs.methods, runs.best_lr.tolist(), runs.best_steps.tolist(), strict=True):
            print(f"  {m:10} {lr:<8.3g} {steps:.1f}", flush=True)


if __name__ == "__main__":
    _store()
