"""What a recording says about a run that fails: known illnesses, each found by a few lines on the record.

    with Recorder(model, optimizer, every=1) as recorder:
        …train, and keep the losses…
    for finding in diagnose(recorder.recording, losses):
        print(finding)

A rule compares the numbers of a run with one another and knows no right rate. So it works on any network. It
is no proof: each finding names the cheapest test that would tell.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from lwlr_teach.core.text import percent, short
from lwlr_teach.runs.recorder import Recorder, Recording
from lwlr_teach.runs.training import Fit

FEWEST = 20
"""A recording with fewer steps is not judged."""


@dataclass(frozen=True)
class Finding:
    """What a run may have, why, and the cheapest test that would tell."""

    illness: str
    evidence: str
    test: str

    def __str__(self) -> str:
        return f"{self.illness}: {self.evidence} To be sure: {self.test}."


def diagnose(
    run: Fit | Recorder | Recording, losses: Sequence[float] | Tensor | None = None
) -> list[Finding]:
    """The illnesses that a run's record resembles, the likeliest first; none if nothing stands out.

    Args:
        run: what ``fit`` returned, which has its losses, or a recorder, or a recording, perhaps loaded from
            a file. It should have about 100 records or more; one a step shows the most.
        losses: the loss of each step. Without them, rules that need them say nothing.
    """
    if isinstance(run, Fit):
        losses = run.losses if losses is None else losses
    recording = run if isinstance(run, Recording) else run.recording
    seen = _Seen(recording, None if losses is None else torch.as_tensor(losses, dtype=torch.float64))
    if len(recording.steps) < FEWEST or not recording.layers:
        return []
    said = {illness: evidence for illness, rule in RULES.items() if (evidence := rule(seen))}
    return [
        Finding(illness, evidence, TESTS[illness])
        for illness, evidence in said.items()
        if not said.keys() & EXPLAINED_BY.get(illness, set())
    ]


class _Seen:
    """The numbers that rules compare; of layers that have weights, where that is known."""

    def __init__(self, recording: Recording, losses: Tensor | None) -> None:
        rows = [i for i, kind in enumerate(recording.kinds) if kind == "weights"]
        self.rows = rows or list(range(len(recording.layers)))
        self.layers = [recording.layers[i] for i in self.rows]
        self.steps, self._recording, self._losses = recording.steps, recording, losses

    def of(self, quantity: str) -> Tensor:
        """(layer, record)"""
        return self._recording[quantity][self.rows].double()

    @cached_property
    def rate(self) -> Tensor:
        """The highest rate of the groups: (record,)."""
        return self.of("rate")[0]

    @cached_property
    def relative(self) -> Tensor:
        """‖Δp‖ / ‖p‖: (layer, record)."""
        return self.of("relative_update")

    @cached_property
    def typical(self) -> Tensor:
        """The relative update of the layer in the middle: (record,)."""
        return self.relative.nanmedian(0).values

    @property
    def early(self) -> int:
        """The number of records in the first tenth."""
        return max(5, len(self.steps) // 10)

    @cached_property
    def losses(self) -> Tensor:
        """The losses in twenty parts, the median of each; none if they are not known. (part,)"""
        if self._losses is None or len(self._losses) < FEWEST:
            return torch.empty(0)
        return torch.stack(
            [part.nan_to_num(nan=torch.inf).median() for part in self._losses.tensor_split(20)]
        )


# --- the rules: what is seen, or nothing ------------------------------------------------------------------


def _no_number(seen: _Seen) -> str | None:
    """A step that is no number, out of a gradient that was one."""
    updates = seen.of("update_norm")
    bad = updates.isnan() & seen.of("clipped_norm").isfinite()
    if not bad.any():
        return None
    first = int(bad.any(0).nonzero()[0, 0])
    if (updates[:, :first] > seen.of("weight_norm")[:, :first]).any():
        return None  # it was on its way there
    layer = seen.layers[int(bad[:, first].nonzero()[0, 0])]
    step = int(seen.steps[first])
    return f"in step {step} the update of {layer} is no number, and its gradient was one."


def _left_out(seen: _Seen) -> str | None:
    """A layer with gradients that never moves."""
    still = (seen.of("update_norm") == 0).all(1)
    pulled = (seen.of("clipped_norm") > 0).double().mean(1) > 0.2
    names = [seen.layers[int(i)] for i in (still & pulled).nonzero().flatten()]
    if not names or still.all():
        return None
    return f"{', '.join(names)} never moved, and had gradients."


def _clipped(seen: _Seen) -> str | None:
    """A gradient whose norm is the same in all steps."""
    whole = seen.of("clipped_norm").square().sum(0).sqrt()
    whole = whole[whole.isfinite() & (whole > 0)]
    if len(whole) < FEWEST or whole.quantile(0.95) > 1.01 * whole.quantile(0.05):
        return None
    return f"the norm of the whole gradient is {short(whole.median().item())} in (almost) every step."


def _grows(seen: _Seen) -> str | None:
    """Weights of all layers that grow by one share in each step."""
    logs = seen.of("weight_norm").log()
    n = len(seen.steps)
    third, fourth = (logs[:, b] - logs[:, a] for a, b in ((n // 2, 3 * n // 4), (3 * n // 4, n - 1)))
    both = torch.stack([third, fourth])
    if not both.isfinite().all() or both.min() < 0.15 or both.max() > 1.6 * both.min():
        return None
    times = (third + fourth).mean().exp().item()
    return f"in the second half all layers' weights grew alike, {times:.1f} times, evenly."


def _uphill(seen: _Seen) -> str | None:
    """Losses that rise from the start, by short steps that do not turn back."""
    if not len(seen.losses):
        return None
    gentle = seen.typical[: seen.early].max() < 0.1
    onward = seen.of("cosine")[:, : len(seen.steps) // 2].nanmedian() > -0.2
    start, rest = seen.losses[0], seen.losses[1:]
    if not (gentle and onward and rest.min() > 0.97 * start and rest[-5:].min() > 1.3 * start):
        return None
    return "the loss rose from the first steps on, and those were short."


def _spike(seen: _Seen) -> str | None:
    """First steps that nearly replace the weights, and a run that trains all the same."""
    longest = seen.typical[: seen.early].nan_to_num().max()
    losses = seen.losses
    if longest < 0.25 or not len(losses) or not losses[-5:].isfinite().all():
        return None
    if not losses[-5:].mean() < 0.85 * _first(seen):
        return None
    return f"one of the first steps was {percent(longest.item())} of the weights; later it trains."


def _one_layer(seen: _Seen) -> str | None:
    """One layer's steps and rate far above all others'."""
    early = seen.relative[:, : seen.early].nanmedian(1).values.nan_to_num()
    rates = seen.of("effective_rate")[:, : seen.early].nanmedian(1).values.nan_to_num()
    if len(early) < 3:
        return None
    order = early.argsort(descending=True)
    first, second = int(order[0]), int(order[1])
    faster = early[first] / early[second].clamp(min=1e-30)
    others = torch.cat([rates[:first], rates[first + 1 :]]).max()
    if faster < 4 or early[first] < 0.02 or rates[first] < 8 * others:
        return None
    times = short((rates[first] / others).item())
    return f"{seen.layers[first]} has {times} times the rate of any other, and moved far more at first."


def _too_high(seen: _Seen) -> str | None:
    """Steps as long as the weights, and no way back."""
    longest = seen.typical.nan_to_num().max()
    ends_high = not len(seen.losses) or not seen.losses[-5:].mean() < 0.85 * _first(seen)
    if longest < 0.25 or not ends_high:
        return None
    return f"a step was {percent(longest.item())} of the weights, and the loss did not come down after it."


def _state_lost(seen: _Seen) -> str | None:
    """All layers' steps become longer at once, at the same rate and with the same gradients."""
    updates, gradients = seen.of("update_norm"), seen.of("clipped_norm")
    for k in range(max(seen.early, 10), len(seen.steps) - 3):
        before, after = slice(k - 8, k), slice(k, k + 3)
        if not 0.99 < seen.rate[k] / seen.rate[k - 1] < 1.01:
            continue
        longer, harder = (
            values[:, after].median(1).values / values[:, before].amax(1) for values in (updates, gradients)
        )
        at_once = updates[:, k].sum() > 1.8 * updates[:, k - 1].sum()
        if at_once and (longer > 1.3 * harder.clamp(min=1)).all():
            times = f"{longer.mean().item():.1f} times as long"
            return f"from step {int(seen.steps[k])} on all layers' steps are {times}, at the same rate."
    return None


def _spent(seen: _Seen) -> str | None:
    """A rate that has come to nothing, gradually, long before the end."""
    alive = (seen.rate > 0.01 * seen.rate.max()).nonzero()
    last = int(alive[-1, 0]) + 1 if len(alive) else 0
    if last > 0.7 * len(seen.steps) or _in_cuts(seen.rate[:last]):
        return None
    return f"from step {int(seen.steps[last])} of {int(seen.steps[-1])} on the rate is less than a hundredth."


def _cut(seen: _Seen) -> str | None:
    """A rate that was cut to nothing, while the loss was falling."""
    cuts = (seen.rate[1:] < 0.9 * seen.rate[:-1]).nonzero().flatten() + 1
    if len(cuts) < 2 or not _in_cuts(seen.rate) or not len(seen.losses):
        return None
    if seen.rate[-len(seen.rate) // 5 :].max() > 0.05 * seen.rate.max():
        return None
    part = int(20 * cuts[0] / len(seen.steps))
    before = seen.losses[: part + 1]
    if len(before) < 3 or not before[-1] < 0.9 * before[len(before) // 2]:
        return None
    return (
        f"the rate was cut {len(cuts)} times, first in step {int(seen.steps[cuts[0]])}, while the loss fell."
    )


def _too_low(seen: _Seen) -> str | None:
    """All steps together are a small share of the weights, and the loss has hardly moved."""
    every = seen.steps.diff().double().median().item()
    way = seen.typical.nan_to_num().sum().item() * every
    still_high = not len(seen.losses) or seen.losses[-5:].mean() > 0.85 * _first(seen)
    if way > 0.1 or not way or not still_high:
        return None
    return f"all steps together are {short(100 * way)}% of the weights."


def _first(seen: _Seen) -> Tensor:
    """The loss at the beginning, before a spike could lift it."""
    assert seen._losses is not None
    return seen._losses[:2].min()


def _in_cuts(rate: Tensor) -> bool:
    """Whether a rate is constant but for cuts."""
    return len(rate) > 1 and (rate[1:] == rate[:-1]).double().mean().item() > 0.8


Rule = Callable[[_Seen], str | None]

RULES: dict[str, Rule] = {
    "ε too small": _no_number,
    "left out": _left_out,
    "always clipped": _clipped,
    "decay that grows": _grows,
    "wrong sign": _uphill,
    "one layer too fast": _one_layer,
    "no warm-up": _spike,
    "rate too high": _too_high,
    "cut too early": _cut,
    "schedule too fast": _spent,
    "state lost": _state_lost,
    "rate too low": _too_low,
}
"""In the order in which they are asked: what is surest comes first."""

EXPLAINED_BY = {
    "rate too high": {"wrong sign", "decay that grows", "one layer too fast"},
    "rate too low": {"always clipped", "cut too early", "schedule too fast"},
}
"""Of an illness those that bring its signs with them."""

TESTS = {
    "ε too small": "print ε in the precision of the weights",
    "left out": "count the parameters that the optimizer holds",
    "always clipped": "print the norm of the gradient before and after the clip",
    "decay that grows": "train a few steps without weight decay",
    "wrong sign": "take one step with a tiny rate, and see whether the loss falls",
    "one layer too fast": "print the rate of each group",
    "no warm-up": "the same run with a warm-up",
    "rate too high": "the same run with a warm-up; if that does not help, at a tenth of the rate",
    "cut too early": "print the rate in each epoch beside the loss",
    "schedule too fast": "print the rate at the end of each epoch",
    "state lost": "compare the optimizer's state before and after the stop",
    "rate too low": "the same run at ten times the rate",
}
"""The cheapest test that would tell."""
