"""Lesson 17: steps to a target where some runs miss it, and a performance profile."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from lwlr_teach.teaching.items import Exercise, Explanation, Known, Question

# --- steps to a target ------------------------------------------------------------------------------------


def to_target(losses: Tensor, steps: Tensor, target: float) -> Tensor:
    there = losses <= target
    first = steps[there.int().argmax(1)]
    arrived = torch.where(there.any(1), first, torch.inf)
    return arrived.median()


def _curves(generator: torch.Generator) -> dict[str, Any]:
    """Five runs of seven losses; three go up and down, one of them is exactly at the target, another one
    arrives and leaves; up to three miss it."""
    target = 4.0
    losses = (torch.rand(5, 7, generator=generator, dtype=torch.float64) * 9 + 1).round()
    losses[2:4] = losses[2:4].sort(1, descending=True).values
    losses[:, 0], losses[:, -1] = 12.0, 2.0
    losses[0, 1:4], losses[0, 4:6] = torch.tensor([8.0, target, 7.0], dtype=losses.dtype), 3.0
    losses[1, 2], losses[1, -1] = 3.0, 6.0
    for run in range(2, 2 + (0, 1, 3)[int(torch.randint(3, (), generator=generator))]):
        losses[run] = losses[run].clamp(min=5.0)
    order = torch.randperm(5, generator=generator)
    gaps = torch.randint(2, 9, (7,), generator=generator).double()
    return {"losses": losses[order], "steps": gaps.cumsum(0) - gaps[0], "target": target}


def _first(losses: Tensor, steps: Tensor, target: float) -> Tensor:
    """Steps of each run, infinite for one that misses."""
    there = losses <= target
    return torch.where(there.any(1), steps[there.int().argmax(1)], torch.inf)


def _last_crossing(losses: Tensor, steps: Tensor, target: float) -> Tensor:
    """From where on a run stays at the target: its last score above it decides."""
    above = losses > target
    last = above.int() * torch.arange(1, losses.shape[1] + 1)
    index = last.amax(1)  # the first place after the last one above
    return torch.where(index < len(steps), steps[index.clamp(max=len(steps) - 1)], torch.inf).median()


def _by_the_end(losses: Tensor, steps: Tensor, target: float) -> Tensor:
    first = steps[(losses <= target).int().argmax(1)]
    return torch.where(losses[:, -1] <= target, first, torch.inf).median()


def _strictly(losses: Tensor, steps: Tensor, target: float) -> Tensor:
    there = losses < target
    return torch.where(there.any(1), steps[there.int().argmax(1)], torch.inf).median()


def _of_arrived(losses: Tensor, steps: Tensor, target: float) -> Tensor:
    found = _first(losses, steps, target)
    return found[found.isfinite()].median()


def _of_median(losses: Tensor, steps: Tensor, target: float) -> Tensor:
    return _first(losses.median(0).values[None], steps, target)[0]


def _of_mean(losses: Tensor, steps: Tensor, target: float) -> Tensor:
    return _first(losses.mean(0)[None], steps, target)[0]


TARGET = Exercise(
    name="17-target",
    asks=(
        "Write to_target(losses, steps, target): losses (run, check) were looked at after these steps "
        "(check,). A run arrives when its loss is first at the target or below; one that never arrives needs "
        "infinitely many steps. Return the median over the runs."
    ),
    answer=to_target,
    problem=_curves,
    play=lambda answer, problem: {
        "median steps": answer(problem["losses"], problem["steps"], problem["target"])
    },
    right="The first check at the target, and infinity where there is none. A median can bear that.",
    known=(
        Known(
            lambda losses, steps, target: steps[(losses <= target).int().argmax(1)].median(),
            "argmax of a row without a hit is 0, so a run that never arrives gets the first check. Make it "
            "infinite.",
        ),
        Known(
            lambda losses, steps, target: _first(losses, steps, target).clamp(max=steps[-1].item()).median(),
            "A run that misses gets the whole budget, as if it had arrived at the end. It has not: make it "
            "infinite.",
        ),
        Known(
            _of_arrived,
            "You leave out the runs that miss. So a rate that fails four times in five would look as fast as "
            "its luckiest run. A miss is infinite, and counts.",
        ),
        Known(
            lambda losses, steps, target: _first(losses, steps, target).mean(),
            "A single miss makes a mean infinite. Take the median.",
        ),
        Known(
            lambda losses, steps, target: _first(losses, steps, target).min(),
            "This is the luckiest run. Take the median over the runs.",
        ),
        Known(
            lambda losses, steps, target: _first(losses, steps, target).max(),
            "This is the unluckiest run. Take the median over the runs.",
        ),
        Known(
            _first,
            "These are the steps of each run. Take their median.",
        ),
        Known(
            _last_crossing,
            "You ask from when on a run stays below the target. It arrives when it is there first.",
        ),
        Known(
            _by_the_end,
            "You ask whether the last loss is at the target. A run that was there and has left has arrived.",
        ),
        Known(
            _strictly,
            "You ask for losses below the target. At the target it has arrived, too: ≤.",
        ),
        Known(
            _of_median,
            "You take the median of the losses first. A middle curve is nobody's run: find each run's steps, "
            "then their median.",
        ),
        Known(
            _of_mean,
            "You take the mean of the losses first. A mean curve is nobody's run: find each run's steps, "
            "then their median.",
        ),
        Known(
            lambda losses, steps, target: torch.where(
                (losses <= target).any(1), (losses <= target).int().argmax(1).double(), torch.inf
            ).median(),
            "This is the number of the check. How many steps had been taken then? steps[…] says.",
        ),
        Known(
            lambda losses, steps, target: steps[losses.argmin(1)].median(),
            "This is when a run was at its best. The target does not ask for the best.",
        ),
    ),
    hints=(
        "there = losses <= target is a table of True and False. there.int().argmax(1) is where the first "
        "True of each row stands.",
        "torch.where(there.any(1), …, torch.inf) is infinite for rows without a True.",
        "return torch.where(there.any(1), steps[there.int().argmax(1)], torch.inf).median()",
    ),
    lesson="17-four-fields",
)

# --- a performance profile --------------------------------------------------------------------------------


def profile_at(steps: Tensor, tau: float) -> Tensor:
    fastest = steps.amin(0)
    good = (steps <= tau * fastest) & steps.isfinite()
    return good.double().mean(1)


def _table(generator: torch.Generator) -> dict[str, Any]:
    """Four methods in six fields; some miss, and in one field all do."""
    steps = torch.randint(10, 70, (4, 6), generator=generator).double()
    steps[torch.rand(4, 6, generator=generator) < 0.2] = torch.inf
    steps[:, int(torch.randint(6, (), generator=generator))] = torch.inf
    place = int(torch.randint(4, (), generator=generator))
    steps[place, steps.isinf().all(0).logical_not().nonzero()[0]] = 8.0  # so that somebody is fast
    return {"steps": steps, "tau": [1.0, 1.5, 2.0, 3.0][int(torch.randint(4, (), generator=generator))]}


def _share(good: Tensor) -> Tensor:
    return good.double().mean(1)


PROFILE = Exercise(
    name="17-profile",
    asks=(
        "Write profile_at(steps, tau): steps (method, field) to the target, infinite for a miss. Return for "
        "each method the share of all fields in which it needs at most tau times the steps of the fastest "
        "there. "
        "A miss is in no share, even where everybody misses."
    ),
    answer=profile_at,
    problem=_table,
    play=lambda answer, problem: {"shares": answer(problem["steps"], problem["tau"])},
    right="Each field has its own fastest, and every field counts once, the missed ones too.",
    known=(
        Known(
            lambda steps, tau: _share(steps <= tau * steps.amin(0)),
            "Where everybody misses you compare infinity with infinity, and that is True. Ask for "
            "steps.isfinite() as well.",
        ),
        Known(
            lambda steps, tau: _share((steps <= tau * steps.min()) & steps.isfinite()),
            "You compare with the fastest of all fields. Steps of two fields have nothing to do with one "
            "another: take the minimum over the methods, amin(0).",
        ),
        Known(
            lambda steps, tau: _share((steps <= tau * steps.amin(1, keepdim=True)) & steps.isfinite()),
            "You compare a method with itself in its fastest field. Compare with the other methods: amin(0).",
        ),
        Known(
            lambda steps, tau: _share((steps < tau * steps.amin(0)) & steps.isfinite()),
            "You ask for fewer steps. At tau = 1 not even the fastest would count: ≤.",
        ),
        Known(
            lambda steps, tau: (
                ((steps <= tau * steps.amin(0)) & steps.isfinite()).double().sum(1)
                / steps.isfinite().sum(1).clamp(min=1)
            ),
            "You divide by the fields that a method reaches, and so a miss costs nothing. Divide by all of "
            "them.",
        ),
        Known(
            lambda steps, tau: (
                ((steps <= tau * steps.amin(0)) & steps.isfinite()).double().sum(1)
                / steps.isfinite().any(0).sum()
            ),
            "You leave out the field that nobody reaches. It counts, too: divide by all of them.",
        ),
        Known(
            lambda steps, tau: ((steps <= tau * steps.amin(0)) & steps.isfinite()).double().sum(1),
            "This is the number of fields. The share is that, divided by all fields: mean.",
        ),
        Known(
            lambda steps, tau: ((steps <= tau * steps.amin(0)) & steps.isfinite()).double().mean(0),
            "You take the mean over the methods. Each method wants its own share: mean(1).",
        ),
        Known(
            lambda steps, tau: (steps <= tau * steps.amin(0)) & steps.isfinite(),
            "This is the table of the cells that count. Take its mean over the fields.",
        ),
        Known(
            lambda steps, tau: _share((steps >= tau * steps.amin(0)) & steps.isfinite()),
            "This is the share of the fields where a method is slower than that. Turn the sign around.",
        ),
        Known(
            lambda steps, tau: _share(steps.isfinite()),
            "This is how often a method arrives at all: the profile for a tau without end.",
        ),
        Known(
            lambda steps, tau: _share((steps == steps.amin(0)) & steps.isfinite()),
            "This is how often a method is the fastest: the profile at tau = 1.",
        ),
        Known(
            lambda steps, tau: _share((steps <= tau + steps.amin(0)) & steps.isfinite()),
            "You add tau. It is a factor: tau times the steps of the fastest.",
        ),
        Known(
            lambda steps, tau: _share((steps <= tau * steps.median(0).values) & steps.isfinite()),
            "You compare with the middle method. Compare with the fastest.",
        ),
    ),
    hints=(
        "How many steps does the fastest need in each field? That is steps.amin(0), a number a field.",
        "Compare the table with tau times that; a miss must not count, even where the fastest misses.",
        "return ((steps <= tau * steps.amin(0)) & steps.isfinite()).double().mean(1)",
    ),
    lesson="17-four-fields",
)

EXERCISES = (TARGET, PROFILE)

QUESTIONS = (
    Question(
        "17-miss",
        "17-four-fields",
        "Five runs: three reach the target after 40, 50 and 60 steps, two never do. What is the median?",
        ("50", "60", "there is none, for two are infinite"),
        1,
        "In order they are 40, 50, 60, ∞, ∞. A miss counts, and the middle one is 60.",
    ),
    Question(
        "17-profile-at-one",
        "17-four-fields",
        "A profile begins at τ = 1 with a height of 25%. What does that say of the method?",
        (
            "it is the fastest in a quarter of the fields",
            "it reaches the target in a quarter of the fields",
            "it needs a quarter of the steps",
        ),
        0,
        "At τ = 1 only those count that need no more steps than the fastest.",
    ),
    Question(
        "17-same-rate",
        "17-four-fields",
        "Two methods are compared in a new field, both at the rate that was best for Momentum elsewhere. "
        "What is compared?",
        ("the methods", "how near that rate is to each one's own best", "the fields"),
        1,
        "A method at a rate that is not its own says more of the rate than of the method.",
    ),
    Question(
        "17-failing",
        "17-four-fields",
        "A run with Adam at 0.3 stays at the loss of guessing. What do you try first?",
        ("warm restarts", "0.0001", "a few rates, each a third of the one before"),
        2,
        "Restarts go back to the rate that failed, and a rate thousands of times smaller is slow. A sweep "
        "finds what is in between.",
    ),
)

EXPLANATION = Explanation(
    "17-explain",
    "17-four-fields",
    asks="Somebody has a new problem and asks you: “Which optimizer do I take?” What do you answer, and what "
    "would change your mind?",
    good=(
        "Begin with Adam or AdamW, whose good rates lie near one another from field to field, and sweep the "
        "rate all the same: the default alone was far from the best in our fields. Then give Momentum the "
        "same sweep. If the two are closer than the seeds are, take what is cheaper. A list of fields would "
        "not change my mind. A race on this problem would: with a target, each at its own best rate, misses "
        "counted, and other seeds to judge than those that chose."
    ),
)
