"""Searches that try rates one after another, at random or guided, with or without early stopping.

A sweep over a grid of rates is :func:`~lwlr_teach.runs.ensemble.train_ensemble`; the best rate of several
methods with the band of good rates around it is :func:`~lwlr_teach.runs.races.race`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from lwlr_teach.core.checks import check_choice, check_count, check_function, check_number

if TYPE_CHECKING:
    import optuna

Objective = Callable[[float], Iterable[float]]
"""``objective(rate)`` trains and yields the loss after each rung; a rung is a fixed number of steps."""

_SAMPLERS = {"random": "RandomSampler", "tpe": "TPESampler"}  # names in Optuna, which is not imported yet
_PRUNERS = {"halving": "SuccessiveHalvingPruner"}


@dataclass(frozen=True)
class Search:
    """The trials of a search, in the order in which they were made."""

    lr: Tensor
    """The rates that were tried: (trial,)."""
    losses: Tensor
    """The loss of each trial after each rung: (trial, rung); nan where it was stopped before."""

    @property
    def rungs(self) -> Tensor:
        """How many rungs each trial was given: (trial,)."""
        return (~self.losses.isnan()).sum(-1)

    @property
    def cost(self) -> int:
        """Rungs of training in all."""
        return int(self.rungs.sum())

    @property
    def best(self) -> int | None:
        """The trial with the lowest last loss among those that went furthest; None if every one diverged."""
        last = self.losses.gather(-1, (self.rungs - 1).clamp(min=0)[:, None]).squeeze(-1)
        rungs = torch.where(last.isfinite(), self.rungs, 0)
        furthest = int(rungs.max())
        return int(torch.where(rungs == furthest, last, math.inf).argmin()) if furthest else None

    @property
    def best_lr(self) -> float:
        """The rate that the search found; nan if every trial diverged."""
        return math.nan if self.best is None else self.lr[self.best].item()


def search_rate(
    objective: Objective,
    *,
    low: float,
    high: float,
    trials: int,
    sampler: str = "random",
    pruner: str | None = None,
    reduction: int = 3,
    budget: int | None = None,
    seed: int = 0,
) -> Search:
    """Look for the rate with the lowest loss, with Optuna (Akiba et al. 2019).

    Args:
        objective: ``objective(rate)`` yields the loss after each rung of training. The search stops asking
            when it has seen enough; a trial that is asked to its end is complete.
        low, high: the range. Rates are drawn on a logarithmic scale.
        trials: how many rates are tried at most.
        sampler: "random", each rate alike (Bergstra & Bengio 2012); "tpe", near the good ones so far (the
            tree-structured Parzen estimator, Bergstra et al. 2011; its first ten trials are random).
        pruner: "halving" stops a trial that is not among the best of those that got as far (Li et al. 2020,
            asynchronous successive halving).
        reduction: with "halving", one in this many goes on at each rung 1, r, r², … (their η).
        budget: rungs in all. The search ends when they are used up.
        seed: of the random numbers. The same seed gives the same search, if the objective is reproducible.

    A loss that is nan or infinite counts as infinite. A search that is interrupted returns what it has.
    Optuna is imported when a search begins.
    """
    check_function("objective", objective, "one that yields a loss after each rung of training")
    check_number("high", high, low=0)
    check_number("low", low, low=torch.finfo(torch.float64).tiny, below=high)
    check_count("trials", trials)
    check_choice("sampler", sampler, _SAMPLERS)
    if pruner is not None:
        check_choice("pruner", pruner, _PRUNERS)
    check_count("reduction", reduction, low=2)
    if budget is not None:
        check_count("budget", budget)
    check_count("seed", seed, low=0)

    import optuna

    tried: list[tuple[float, list[float]]] = []
    left = math.inf if budget is None else budget

    def trial(trial: optuna.Trial) -> float:
        nonlocal left
        rate = trial.suggest_float("lr", low, high, log=True)
        losses: list[float] = []
        tried.append((rate, losses))
        for loss in objective(rate):
            losses.append(float(loss) if math.isfinite(loss) else math.inf)
            left -= 1
            trial.report(losses[-1], len(losses))
            if not left:
                trial.study.stop()
            if not left or trial.should_prune():
                raise optuna.TrialPruned
        if not losses:
            raise ValueError("objective must yield at least one loss, got none")
        return losses[-1]

    with _quiet(optuna):
        study = optuna.create_study(
            sampler=getattr(optuna.samplers, _SAMPLERS[sampler])(seed=seed),
            pruner=optuna.pruners.NopPruner()
            if pruner is None
            else getattr(optuna.pruners, _PRUNERS[pruner])(min_resource=1, reduction_factor=reduction),
        )
        try:
            study.optimize(trial, n_trials=trials)
        except KeyboardInterrupt:
            if not any(losses for _, losses in tried):
                raise  # nothing to keep
            print(f"Interrupted in trial {len(tried)} of {trials}. What is done is kept.")

    losses = torch.full((len(tried), max(len(seen) for _, seen in tried)), math.nan, dtype=torch.float64)
    for row, (_, seen) in zip(losses, tried, strict=True):
        row[: len(seen)] = torch.tensor(seen, dtype=torch.float64)
    return Search(torch.tensor([rate for rate, _ in tried], dtype=torch.float64), losses)


@contextmanager
def _quiet(optuna: Any) -> Iterator[None]:
    """Without a line for each trial, or for one that fails: its error is raised."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)
