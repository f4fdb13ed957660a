"""Lesson 04: the rates of a sweep, and the best one of a table."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from lwlr_teach.teaching.items import Exercise, Explanation, Known, Question

# --- the rates --------------------------------------------------------------------------------------------


def rates(low: float, high: float, steps: int) -> Tensor:
    share = torch.arange(steps, dtype=torch.float64) / (steps - 1)
    return low * (high / low) ** share


def _range_problem(generator: torch.Generator) -> dict[str, Any]:
    first, decades, length = torch.rand(3, generator=generator, dtype=torch.float64).tolist()
    low = 10 ** (-4 + 2 * first)
    return {"low": low, "high": low * 10 ** (1 + 2 * decades), "steps": 3 + int(10 * length)}


def _i(steps: int) -> Tensor:
    return torch.arange(steps, dtype=torch.float64)


def _linspace(low: float, high: float, steps: int) -> Tensor:
    return torch.linspace(low, high, steps, dtype=torch.float64)


RATES = Exercise(
    name="04-rates",
    asks="Write rates(low, high, steps): a tensor of steps rates from low to high, each the same factor "
    "above the last.",
    answer=rates,
    problem=_range_problem,
    play=lambda answer, problem: {"the rates": answer(problem["low"], problem["high"], problem["steps"])},
    right="The first is low, the last is high, and each is the same factor above the last.",
    known=(
        Known(
            lambda low, high, steps: low * (high / low) ** (_i(steps) / steps),
            "This stops one step before high, as fastai's range test does. The spacing is right.",
            passes=True,
        ),
        Known(
            _linspace,
            "Equal differences. Then nearly all rates are within a factor of ten of the largest one.",
        ),
        Known(
            lambda low, high, steps: torch.logspace(low, high, steps, dtype=torch.float64),
            "logspace takes exponents: this is 10**low to 10**high. Give it the log10 of low and of high.",
        ),
        Known(
            lambda low, high, steps: _linspace(math.log10(low), math.log10(high), steps),
            "These are the exponents. The rates are 10 to these powers.",
        ),
        Known(
            lambda low, high, steps: 10 ** _linspace(math.log(low), math.log(high), steps),
            "Natural logarithms as powers of ten. Use log10, or exp in place of 10**.",
        ),
        Known(
            lambda low, high, steps: _linspace(math.log10(low), math.log10(high), steps).exp(),
            "Logarithms of base ten as powers of e. Use 10**, or the natural log.",
        ),
        Known(
            lambda low, high, steps: low * (high / low) ** ((_i(steps) + 1) / steps),
            "The first rate is already a step above low. Count the shares from 0 to 1.",
        ),
        Known(
            lambda low, high, steps: low * (high / low) ** (_i(steps + 1) / steps),
            "One rate too many: from 0 to steps there are steps + 1 numbers.",
        ),
        Known(
            lambda low, high, steps: high * (low / high) ** (_i(steps) / (steps - 1)),
            "From high to low. A test that begins with the largest rate is over before it has begun.",
        ),
        Known(
            lambda low, high, steps: low * high ** (_i(steps) / (steps - 1)),
            "This ends at low · high. The factor from first to last is high / low.",
        ),
        Known(
            lambda low, high, steps: (high / low) ** (_i(steps) / (steps - 1)),
            "This begins at 1. Multiply by low.",
        ),
        Known(
            lambda low, high, steps: low * (high - low) ** (_i(steps) / (steps - 1)),
            "A difference stands where a factor should: high / low, not high − low.",
        ),
        Known(
            lambda low, high, steps: low * 10 ** _i(steps),
            "Ten times at every step, wherever that leads. The factor follows from high and steps.",
        ),
        Known(
            lambda low, high, steps: low * 2 ** _i(steps),
            "Twice at every step, wherever that leads. The factor follows from high and steps.",
        ),
        Known(
            lambda low, high, steps: low + (high - low) * (_i(steps) / (steps - 1)) ** 2,
            "A parabola. Its steps grow, but not by the same factor.",
        ),
        Known(
            lambda low, high, steps: 1 / _linspace(1 / low, 1 / high, steps),
            "Equal differences of 1 / rate. Now nearly all of them are close to low.",
        ),
        Known(
            lambda low, high, steps: low * (1 + _i(steps) * ((high / low) ** (1 / (steps - 1)) - 1)),
            "The right factor, added again and again. Multiply by it: a power, not a product.",
        ),
        Known(
            lambda low, high, steps: (high / low) ** (1 / (steps - 1)),
            "This is the factor from one rate to the next. Now the rates: low times its powers.",
        ),
    ),
    hints=(
        "From first to last the rate grows by the factor high / low. After half of the steps it has grown by "
        "the square root of that.",
        "After a share s of the way it is low · (high / low) ** s. The shares go from 0 to 1.",
        "torch.arange(steps) / (steps - 1) are the shares.",
    ),
    lesson="04-finding-a-rate",
)

# --- the best rate ----------------------------------------------------------------------------------------


def best_rate(rates: Tensor, losses: Tensor) -> Tensor:
    middle = losses.nan_to_num(nan=torch.inf).median(dim=1).values
    return rates[middle.argmin()]


_SEEDS = 5


def _table_problem(generator: torch.Generator) -> dict[str, Any]:
    """A valley with rows that lead astray: lucky seeds, and seeds that broke."""
    count = 12
    centre = int(torch.randint(3, count - 3, (), generator=generator))
    noise = torch.randn(count, _SEEDS, generator=generator, dtype=torch.float64)
    losses = (0.2 + 0.1 * (torch.arange(count) - centre).abs())[:, None] * (0.25 * noise).exp()
    outside = [k for k in range(count) if abs(k - centre) > 1]
    order = torch.randperm(len(outside), generator=generator).tolist()
    broken = torch.nan
    for k, row in zip(
        [outside[i] for i in order],
        [
            [0.01, 0.02, broken, broken, broken],  # its mean looks best if what broke is left out
            [0.001, 40.0, broken, broken, broken],  # its median does
            [30.0, broken, broken, broken, broken],
            [0.0005, 0.9, 1.1, 1.0, 1.2],  # the luckiest seed of all
            [torch.inf] * _SEEDS,
        ],
        strict=False,
    ):
        shuffled = torch.randperm(_SEEDS, generator=generator)
        losses[k] = torch.tensor(row, dtype=torch.float64)[shuffled]
    worst = losses[centre].argmax()
    unlucky = torch.rand((), generator=generator, dtype=torch.float64)
    losses[centre, worst] = broken if unlucky > 0.6 else losses[centre, worst] * (2 + 10 * unlucky)
    lr = 10 ** (torch.linspace(-3, 0, count, dtype=torch.float64) + unlucky - 0.5)
    return {"rates": lr, "losses": losses}


def _safe(losses: Tensor) -> Tensor:
    return losses.nan_to_num(nan=torch.inf)


def _no_seed_broke(rates: Tensor, losses: Tensor) -> Tensor:
    whole = losses.isfinite().all(1)
    return rates[whole][losses[whole].median(1).values.argmin()]


BEST_RATE = Exercise(
    name="04-best-rate",
    asks="Write best_rate(rates, losses): the rate whose loss is lowest in the median over the seeds. losses "
    "has a row for each rate and a column for each seed; nan and inf are runs that broke and count as the "
    "worst.",
    answer=best_rate,
    problem=_table_problem,
    play=lambda answer, problem: {"the best rate": answer(problem["rates"], problem["losses"])},
    right="The median over the seeds, with what broke as the worst, and then the rate with the lowest.",
    known=(
        Known(
            _no_seed_broke,
            "Stricter than asked: you take no rate at which any seed broke. For a run that you can pay for "
            "only once that is wise.",
            passes=True,
        ),
        Known(
            lambda r, x: r[x.median(1).values.argmin()],
            "A nan wins: argmin takes it for the smallest of all. Count what broke as infinite first.",
        ),
        Known(
            lambda r, x: r[x.nanmedian(1).values.argmin()],
            "You leave out the seeds that broke, so that a rate at which three of five explode is judged by "
            "the two that were lucky.",
        ),
        Known(
            lambda r, x: r[x.nanmean(1).argmin()],
            "A mean over the seeds that did not give nan: a rate at which most runs explode is judged by the "
            "lucky ones.",
        ),
        Known(
            lambda r, x: r[x.nan_to_num().median(1).values.argmin()],
            "nan_to_num() puts 0 where a run broke, and 0 is the best loss there is. Say nan=torch.inf.",
        ),
        Known(
            lambda r, x: r[_safe(x).mean(1).argmin()],
            "The mean over the seeds: one unlucky seed outweighs four good ones. Take the median.",
        ),
        Known(
            lambda r, x: r[_safe(x).min(1).values.argmin()],
            "The luckiest seed decides. Nobody can order that seed again.",
        ),
        Known(
            lambda r, x: r[_safe(x).max(1).values.argmin()],
            "The unluckiest seed decides. That is careful, but take the median.",
        ),
        Known(
            lambda r, x: r[_safe(x)[:, 0].argmin()],
            "You look at the first seed only. Another seed would give another rate.",
        ),
        Known(
            lambda r, x: r[_safe(x)[:, -1].argmin()],
            "You look at the last seed only. Another seed would give another rate.",
        ),
        Known(
            lambda r, x: _safe(x).median(1).values.argmin(),
            "This is the row of the best rate. Its rate is rates[…] of that.",
        ),
        Known(
            lambda r, x: _safe(x).median(1).values.min(),
            "This is the lowest loss. Return the rate at which it was reached.",
        ),
        Known(
            lambda r, x: r[_safe(x).median(0).values.argmin()],
            "The median over the rates: this is the best seed. The seeds are the columns, dim=1.",
        ),
        Known(
            lambda r, x: r[x.isfinite().all(1)].max(),
            "The largest rate at which nothing broke. That is the edge, not the best.",
        ),
        Known(
            lambda r, x: r[_safe(x).median(1).values.isfinite()].mean(),
            "An average of rates. The losses say which one is best.",
        ),
        Known(
            lambda r, x: r[_safe(x).std(1).nan_to_num(nan=torch.inf).argmin()],
            "The rate at which the seeds agree most. They may agree that it is bad.",
        ),
    ),
    hints=(
        "Three steps: what broke becomes infinite, the median of each row, the row where it is lowest.",
        "losses.nan_to_num(nan=torch.inf), then .median(dim=1).values.",
        "argmin() gives the row, and rates[row] is the answer.",
    ),
    lesson="04-finding-a-rate",
)

EXERCISES = (RATES, BEST_RATE)

QUESTIONS = (
    Question(
        "04-longer-test",
        "04-finding-a-rate",
        "You make a range test eight times as long. What happens to the rate that it suggests?",
        ("it stays about the same", "it becomes larger", "it becomes smaller"),
        2,
        "With more steps at every rate the network learns while the rate is still small.",
    ),
    Question(
        "04-spacing",
        "04-finding-a-rate",
        "Ten rates are to be tried between 0.0001 and 1. How should they be spaced?",
        (
            "by equal factors",
            "by equal differences",
            "closer together where the rates are large",
        ),
        0,
        "Nobody knows the power of ten. Equal differences spend nine of ten rates above 0.1.",
    ),
    Question(
        "04-one-seed",
        "04-finding-a-rate",
        "Each of two methods at its own best rate, one seed each: 96.2% and 95.8%. Which is better?",
        ("the first", "that cannot be said from one seed each", "the second, it has more to learn"),
        1,
        "From seed to seed one and the same method differs by more than that.",
    ),
    Question(
        "04-broken-run",
        "04-finding-a-rate",
        "At one rate four of five seeds explode, and the fifth is the best run of all. How is it judged?",
        (
            "by the fifth, the others are no data",
            "by the mean of those that are numbers",
            "as bad: a run that broke counts as the worst",
        ),
        2,
        "To leave out what broke is to reward the rates that break.",
    ),
    Question(
        "04-halving",
        "04-finding-a-rate",
        "What does successive halving do with the same number of training steps?",
        (
            "it trains more rates, most of them for a short time",
            "it halves the rate until the run is stable",
            "it trains each rate on half of the data",
        ),
        0,
        "What is bad after a short time is stopped, and its steps are spent on other rates.",
    ),
    Question(
        "04-tuned-alike",
        "04-finding-a-rate",
        "A paper tunes its own method over 50 rates and runs the others at their defaults. What did it find?",
        (
            "that its method is better",
            "that its method is easier to tune",
            "what tuning is worth; the methods were not compared",
        ),
        2,
        "Each contestant needs a rate of its own, out of a search of the same size.",
    ),
)

EXPLANATION = Explanation(
    "04-explain",
    "04-finding-a-rate",
    asks=(
        "Somebody shows that a new optimizer beats Adam, both at the rate 0.001. What would you ask for "
        "before you believe it?"
    ),
    good=(
        "Each method at its own best rate, found with the same effort. The same budget for both, and "
        "several seeds that did not choose the rates. At one shared rate the comparison says which of the "
        "two the rate suits."
    ),
)
