"""Searches that try rates one after another, at random or guided, with or without early stopping.

A sweep over a grid of rates is :func:`~lwlr_teach.runs.ensemble.train_ensemble`; the best rate of several
methods with the band of good rates around it is :func:`~lwlr_teach.runs.races.race`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from lwlr_teach.core.checks import check_choice, check_count, check_function, check_number
from lwlr_teach.core.cluster import check_cluster, join, result, workers

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
    storage: str | Path | None = None,
    study: str = "rate",
    cluster: str | None = None,
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
        seed: of the random numbers. The same seed gives the same search, if the objective is reproducible and
            one trial follows another.
        storage: keep the trials in this file, or in the database with this URL (``"sqlite:///rates.db"``, or
            one on another machine). A search that finds trials there goes on with them, and all that have the
            same storage and ``study``, at any time and on any machine, share one search: ``trials`` are those
            of all, and all come back. Trials that others have begun when these are done come on top. A random
            rate then depends on ``seed`` and the trial's number alone. ``budget`` stays this call's own.
        study: the name of the search in the storage.
        cluster: as many trials at once as a Ray cluster has processors: ``"local"``, those of this machine,
            ``"auto"``, of the cluster that runs here, or the address of one; see
            ``docs/several-machines.md``. Random rates and their losses are the same as one after another;
            what "tpe" and "halving" decide depends on which trials have ended by then.

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
    if storage is not None and not isinstance(storage, str | Path):
        raise TypeError(f"storage must be a file or the URL of a database, got {storage!r}")
    if not isinstance(study, str) or not study:
        raise ValueError(f"study must be a name, got {study!r}")
    check_cluster(cluster)

    import optuna

    state = optuna.trial.TrialState
    finished = (state.COMPLETE, state.PRUNED)
    tried: list[tuple[float, list[float]]] = []
    left = math.inf if budget is None else budget

    def draws(seed: int) -> optuna.samplers.BaseSampler:
        return getattr(optuna.samplers, _SAMPLERS[sampler])(seed=seed)

    def begin(trial: optuna.Trial) -> tuple[float, list[float]]:
        if storage is not None:  # others draw from the same seed
            trial.study.sampler = draws(
                int(np.random.SeedSequence([seed, trial.number]).generate_state(1)[0])
            )
        tried.append((trial.suggest_float("lr", low, high, log=True), []))
        return tried[-1]

    def enough(trial: optuna.Trial, losses: list[float], loss: float) -> bool:
        nonlocal left
        losses.append(float(loss) if math.isfinite(loss) else math.inf)
        left -= 1
        trial.report(losses[-1], len(losses))
        return not left or trial.should_prune()

    def last(losses: list[float]) -> float:
        if not losses:
            raise ValueError("objective must yield at least one loss, got none")
        return losses[-1]

    def trial(trial: optuna.Trial) -> float:
        rate, losses = begin(trial)
        for loss in objective(rate):
            if enough(trial, losses, loss):
                if not left:
                    trial.study.stop()
                raise optuna.TrialPruned
        return last(losses)

    def several(made: optuna.Study, ray: Any) -> None:
        """Workers are asked for one loss after another; all that is decided is decided here."""
        running: dict[Any, tuple[optuna.Trial, float, list[float]]] = {}  # by the worker
        try:
            with workers(ray, _Trials(objective), trials) as (asked, ask):
                while asked and left:
                    [ended], _ = ray.wait([*asked], num_returns=1)
                    worker, loss = asked.pop(ended), result(ray, ended)
                    if worker in running:
                        current, _, losses = running[worker]
                        if loss is None:
                            made.tell(current, last(losses))
                            del running[worker]
                        elif enough(current, losses, loss) and left:
                            made.tell(current, state=state.PRUNED)
                            del running[worker]
                    closed = len(made.get_trials(deepcopy=False, states=finished))
                    if worker not in running and closed + len(running) < trials:
                        current = made.ask()
                        running[worker] = current, *begin(current)
                    if worker in running:
                        _, rate, losses = running[worker]
                        asked[ask(worker, (rate, len(losses)))] = worker
        finally:
            for current, _, losses in running.values():
                made.tell(current, state=state.PRUNED if losses else state.FAIL)

    with _quiet(optuna):
        made = optuna.create_study(
            storage=_opened(storage),
            study_name=None if storage is None else study,
            load_if_exists=True,
            sampler=draws(seed),
            pruner=optuna.pruners.NopPruner()
            if pruner is None
            else getattr(optuna.pruners, _PRUNERS[pruner])(min_resource=1, reduction_factor=reduction),
        )
        _check_same(made, study, {"low": low, "high": high})
        there = len(made.get_trials(deepcopy=False, states=finished))
        try:
            if there >= trials:
                pass  # all that were wanted are there
            elif cluster is not None:
                several(made, join(cluster))
            else:
                stop = optuna.study.MaxTrialsCallback(trials, finished)
                made.optimize(trial, n_trials=trials - there, callbacks=[stop])
        except KeyboardInterrupt:
            if not there and not any(losses for _, losses in tried):
                raise  # nothing to keep
            print(f"Interrupted in trial {there + len(tried)} of {trials}. What is done is kept.")
        if storage is not None:
            known = [t for t in made.get_trials(deepcopy=False) if t.params and t.state != state.FAIL]
            tried = [(t.params["lr"], [*t.intermediate_values.values()]) for t in known]

    losses = torch.full((len(tried), max(len(seen) for _, seen in tried)), math.nan, dtype=torch.float64)
    for row, (_, seen) in zip(losses, tried, strict=True):
        row[: len(seen)] = torch.tensor(seen, dtype=torch.float64)
    return Search(torch.tensor([rate for rate, _ in tried], dtype=torch.float64), losses)


class _Trials:
    """Trials in a process of a cluster, a loss at a time.

    Asked for a loss that is not the next one it begins the trial anew and catches up: another process had it,
    and was killed.
    """

    def __init__(self, objective: Objective) -> None:
        self._objective = objective
        self._next: tuple[float, int] | None = None
        self._losses: Iterator[float] = iter(())

    def __call__(self, asked: tuple[float, int]) -> float | None:
        """The loss of the trial at this rate after this rung, from 0; None when the trial has ended."""
        rate, rung = asked
        if asked != self._next:
            self._losses = iter(self._objective(rate))
            for _ in range(rung):
                next(self._losses)
        self._next = rate, rung + 1
        loss = next(self._losses, None)
        return None if loss is None else float(loss)


def _opened(storage: str | Path | None) -> Any:
    """The storage in Optuna's words."""
    if storage is None or "://" in str(storage):
        return storage
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    return JournalStorage(JournalFileBackend(str(storage)))


def _check_same(made: optuna.Study, name: str, settings: dict[str, float]) -> None:
    """Raise where the study that was found is another search."""
    for setting, value in settings.items():
        before = made.user_attrs.get(setting, value)
        if before != value:
            raise ValueError(f"{setting} of the study {name!r} in the storage is {before:g}, got {value:g}")
        made.set_user_attr(setting, value)


@contextmanager
def _quiet(optuna: Any) -> Iterator[None]:
    """Without a line for each trial, or for one that fails: its error is raised."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)
