"""Twelve broken runs and a healthy one, for lesson 18: the code that is shown is the code that runs.

Each patient is a loop of training, as a learner would write it. Where a line is wrong, a comment says what
should stand there.
"""
# mypy: disable-error-code="no-untyped-def,no-untyped-call,override"

from __future__ import annotations

import inspect
import json
import math
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count, islice
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.optim import SGD, Adam
from torch.optim.lr_scheduler import LinearLR, ReduceLROnPlateau

from lwlr_teach.core.checks import check_choice, check_count
from lwlr_teach.problems import digits, init_mlp
from lwlr_teach.runs import Fit, Minibatches, Recorder, diagnose

STEPS = 200
_BATCH, _WARM_UP = 32, 50
_WIDTHS = (24, 32, 48)


class Run:
    """What a patient's code is given: a network, batches, a loss that is noted, an optimizer that is watched.

    Args:
        seed: of the first weights and of the order of the batches.
        width: of the three hidden layers.
        model: another network than the small one, for code that names no layer.
        one_batch: whether all batches are the first one.
        warm_up: whether the rate of the first steps is lowered, whatever the code makes of it.
    """

    def __init__(
        self,
        seed: int,
        *,
        width: int = 32,
        model: nn.Module | None = None,
        one_batch: bool = False,
        warm_up: bool = False,
    ) -> None:
        check_count("width", width)
        self.model, self.steps = model or _network(seed, width), STEPS
        data = digits()
        self._rows = Minibatches(data.x_train, data.y_train, _BATCH, seed)
        self._one_batch, self._warm_up = one_batch, warm_up
        self._losses: list[float] = []
        self._of_step: list[float] = []
        self._recorder: Recorder | None = None
        self.held = 0, 0
        """How many of the network's tensors the optimizer holds, and how many there are."""

    @property
    def batches(self) -> Iterator[tuple[Tensor, Tensor]]:
        """A batch for each step."""
        first, done = next(iter(self._rows)), 0
        while True:
            for batch in self._rows:
                if done == self.steps:
                    return
                done += 1
                yield first if self._one_batch else batch

    def watch(self, optimizer: Any) -> Any:
        """The optimizer; its steps are recorded from now on."""
        if self._warm_up:
            optimizer.register_step_pre_hook(self._lower)
        self._recorder = Recorder(self.model, optimizer, every=1)
        optimizer.register_step_post_hook(self._stepped)
        held = {p for group in optimizer.param_groups for p in group["params"]}
        own = list(self.model.parameters())
        self.held = sum(p in held for p in own), len(own)
        return optimizer

    def loss(self, x: Tensor, y: Tensor) -> Tensor:
        """The loss of a batch, or of a part of one."""
        weights = next(self.model.parameters())
        value = cross_entropy(self.model(x.to(weights.dtype)).float(), y)
        self._of_step.append(value.item())
        return value

    def _lower(self, optimizer: Any, *_: Any) -> None:
        self._full = [group["lr"] for group in optimizer.param_groups]
        for group in optimizer.param_groups:
            group["lr"] *= min(1.0, (len(self._losses) + 1) / _WARM_UP)

    def _stepped(self, optimizer: Any, *_: Any) -> None:
        if not self._of_step:  # the outer of two steps, one in the other
            return
        if self._warm_up:
            for group, lr in zip(optimizer.param_groups, self._full, strict=True):
                group["lr"] = lr
        self._losses.append(sum(self._of_step) / len(self._of_step))
        self._of_step = []

    @property
    def fit(self) -> Fit:
        """What the run has left behind."""
        assert self._recorder is not None
        return Fit(torch.tensor(self._losses), self._recorder.recording, stopped=False)


_LAYERS = ("first", "second", "third", "last")


def _network(seed: int, width: int) -> nn.Sequential:
    generator = torch.Generator().manual_seed(seed)
    numbers = init_mlp((64, width, width, width, 10), generator)
    parts: OrderedDict[str, nn.Module] = OrderedDict()
    for name, weight, bias in zip(_LAYERS, numbers[::2], numbers[1::2], strict=True):
        layer = nn.utils.skip_init(nn.Linear, *weight.shape)
        layer.weight.data, layer.bias.data = weight.T.contiguous(), bias.squeeze(0)
        parts |= {name: layer, f"{name}_relu": nn.ReLU()}
    parts.pop("last_relu")
    return nn.Sequential(parts)


# --- the patients' code -----------------------------------------------------------------------------------


def usual(run, rate):
    optimizer = run.watch(Adam(run.model.parameters(), lr=rate))
    schedule = LinearLR(optimizer, 1.0, 0.0, run.steps)
    for x, y in run.batches:
        optimizer.zero_grad()
        run.loss(x, y).backward()
        optimizer.step()
        schedule.step()


def one_layer_fast(run, rate):
    others = [p for name, p in run.model.named_parameters() if "second" not in name]
    second = {"params": run.model.second.parameters(), "lr": 100 * rate}  # should be: the rate of the others
    optimizer = run.watch(Adam([{"params": others}, second], lr=rate))
    for x, y in run.batches:
        optimizer.zero_grad()
        run.loss(x, y).backward()
        optimizer.step()


def wrong_sign(run, rate):
    class Descent(SGD):
        def step(self):
            for p in run.model.parameters():
                p.data += rate * p.grad  # should be: p.data -= …

    optimizer = run.watch(Descent(run.model.parameters(), lr=rate))
    for x, y in run.batches:
        optimizer.zero_grad()
        run.loss(x, y).backward()
        optimizer.step()


def no_warm_up(run, rate):
    optimizer = run.watch(Adam(run.model.parameters(), lr=rate))
    schedule = LinearLR(optimizer, 1.0, 0.0, run.steps)  # should begin with a warm-up, for so high a rate
    for x, y in run.batches:
        optimizer.zero_grad()
        run.loss(x, y).backward()
        optimizer.step()
        schedule.step()


def always_clipped(run, rate):
    optimizer = run.watch(SGD(run.model.parameters(), lr=rate, momentum=0.9))
    for x, y in run.batches:
        optimizer.zero_grad()
        (65536 * run.loss(x, y)).backward()  # as mixed precision scales a loss
        nn.utils.clip_grad_norm_(run.model.parameters(), 1.0)  # should stand below the next two lines
        for p in run.model.parameters():
            p.grad /= 65536
        optimizer.step()


def left_out(run, rate):
    run.model.second.requires_grad_(False)
    optimizer = run.watch(Adam([p for p in run.model.parameters() if p.requires_grad], lr=rate))
    for step, (x, y) in enumerate(run.batches):
        if step == 40:
            run.model.second.requires_grad_(True)  # should follow: optimizer.add_param_group(…)
        optimizer.zero_grad()
        run.loss(x, y).backward()
        optimizer.step()


def state_lost(run, rate):
    optimizer = run.watch(Adam(run.model.parameters(), lr=rate))
    for step, (x, y) in enumerate(run.batches):
        if step == run.steps // 2:  # a new job goes on, with the weights that were saved
            optimizer.state.clear()  # should be: optimizer.load_state_dict(…)
        optimizer.zero_grad()
        run.loss(x, y).backward()
        optimizer.step()


def per_micro_batch(run, rate):
    optimizer = run.watch(Adam(run.model.parameters(), lr=rate))
    schedule = LinearLR(optimizer, 1.0, 0.0, run.steps)
    for x, y in run.batches:
        optimizer.zero_grad()
        for part_x, part_y in zip(x.chunk(4), y.chunk(4), strict=True):
            (run.loss(part_x, part_y) / 4).backward()
            schedule.step()  # should stand below optimizer.step(), once a step
        optimizer.step()


def half_precision(run, rate):
    run.model.half()
    optimizer = run.watch(Adam(run.model.parameters(), lr=rate))  # should have: eps=1e-4; 1e-8 is 0 here
    for x, y in run.batches:
        optimizer.zero_grad()
        run.loss(x, y).backward()
        optimizer.step()


def decay_grows(run, rate):
    class DecayedAdam(Adam):
        def step(self):
            for p in run.model.parameters():
                p.data *= 1 + rate * 3.0  # should be: 1 - rate * 3.0
            super().step()

    optimizer = run.watch(DecayedAdam(run.model.parameters(), lr=rate))
    for x, y in run.batches:
        optimizer.zero_grad()
        run.loss(x, y).backward()
        optimizer.step()


def early_plateau(run, rate):
    optimizer = run.watch(Adam(run.model.parameters(), lr=rate))
    schedule = ReduceLROnPlateau(optimizer, factor=0.3, patience=5)
    for x, y in run.batches:
        optimizer.zero_grad()
        loss = run.loss(x, y)
        loss.backward()
        optimizer.step()
        schedule.step(loss.item())  # should be: once an epoch, with the mean of its losses


# --- the illnesses ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Illness:
    """A patient's code with its rate, and what is said of it."""

    name: str
    cause: str
    """In a line, as what a learner chooses from."""
    code: Callable[[Run, float], None]
    rate: float
    shows: str
    """How it shows in the curves."""
    would: str
    """What a record or a test would say that tells it from what looks alike: the answer to a wrong name."""
    met: str = ""
    """Where it was really met."""

    @property
    def source(self) -> str:
        """The code that runs, as text, with its rate; where that is what is wrong, it says so."""
        fine = ILLNESSES["healthy"]
        says = f"  # should be: about {fine.rate}" if self.code is fine.code and self is not fine else ""
        return f"rate = {self.rate}{says}\n\n{inspect.getsource(self.code)}"


ILLNESSES = {
    illness.name: illness
    for illness in (
        Illness(
            "healthy",
            "it is healthy",
            usual,
            0.005,
            "Nothing stands out.",
            "all layers' shares fade evenly until the last step, and the loss comes down as evenly.",
        ),
        Illness(
            "rate too high",
            "the rate is too high",
            usual,
            0.6,
            "One of the first steps is longer than a quarter of the weights, and the loss never comes "
            "down again.",
            "one of the first steps is longer than a quarter of the weights, and a run at a tenth of "
            "the rate learns, while one with a warm-up does not.",
            "everywhere",
        ),
        Illness(
            "rate too low",
            "the rate is too low",
            usual,
            2e-5,
            "The loss hardly falls. All steps together are a small share of the weights.",
            "a run at ten times the rate brings the loss down.",
            "everywhere",
        ),
        Illness(
            "one layer too fast",
            "one layer has too high a rate",
            one_layer_fast,
            0.003,
            "One layer's updates are far above all others from the first step on, and so is its rate.",
            "the rates show one layer far above all others.",
            "groups of parameters; the other way round in ELECTRA: its top layer got its factor twice, "
            "which made it too slow (electra#51)",
        ),
        Illness(
            "wrong sign",
            "a sign is wrong: it goes uphill",
            wrong_sign,
            0.01,
            "The loss rises from the first step on, smoothly, while the steps are still short.",
            "the loss rises from the first step on, smoothly, and also at a tenth of the rate.",
            "an optimizer in a collection of them (pytorch_optimizer 4.1.0, Ranger)",
        ),
        Illness(
            "no warm-up",
            "the warm-up is missing",
            no_warm_up,
            0.12,
            "A spike in the first steps, then it trains, with what the spike has left of it.",
            "one of the first steps is longer than a quarter of the weights, and a run with a warm-up "
            "learns well.",
            "a rate that was raised with the batch, its warm-up not (mmdetection#1710)",
        ),
        Illness(
            "always clipped",
            "the clip always acts",
            always_clipped,
            0.05,
            "The norm of the whole gradient is the same in every step.",
            "the gradient of all layers together has the same norm in every step.",
            "gradients clipped before the scale of mixed precision was taken away (pytorch/examples#1196)",
        ),
        Illness(
            "left out",
            "a layer is not in the optimizer",
            left_out,
            0.003,
            "One layer has gradients and never moves.",
            "the optimizer holds fewer tensors than there are, and one layer has gradients and never moves.",
            "unfreezing, where the optimizer was made before",
        ),
        Illness(
            "state lost",
            "the optimizer's state was lost on the way",
            state_lost,
            0.003,
            "In the middle of the run all layers make long steps at once, at the same rate.",
            "all layers' steps become longer at once, in one step in the middle of the run.",
            "jobs that were stopped and went on",
        ),
        Illness(
            "schedule too fast",
            "the schedule is stepped too often",
            per_micro_batch,
            0.005,
            "The rate is 0 long before the end, and everything stands still.",
            "the rates fall evenly, not in cuts, and are 0 long before the end.",
            "one step of the schedule for each micro-batch or process (diffusers#4387, accelerate#2926)",
        ),
        Illness(
            "ε too small",
            "a number became 0 in half precision",
            half_precision,
            0.005,
            "No number from the second step on, after ordinary gradients.",
            "the record ends in the second step, after gradients that were ordinary.",
            "Adam in float16 (optax#1754, pytorch#147437)",
        ),
        Illness(
            "decay that grows",
            "the weight decay has the wrong sign",
            decay_grows,
            0.003,
            "The weights of all layers grow by the same share in each step.",
            "the weights of all layers grow by the same share in each step, until the end.",
            "a course whose tests passed it (cs249r_book#2058)",
        ),
        Illness(
            "cut too early",
            "the rate is cut too early",
            early_plateau,
            0.003,
            "The rate falls in cuts, from early on, and the loss stays where it is. At the full rate "
            "it goes on falling.",
            "the rates are constant but for cuts, and the first cut comes long before the end.",
            "ReduceLROnPlateau, where each bad batch counts (pytorch#30873 has another way into it)",
        ),
    )
}
"""What the lesson's patients have, by name; the first is none."""


def run_patient(
    illness: str,
    seed: int,
    *,
    times: float = 1.0,
    one_batch: bool = False,
    warm_up: bool = False,
    width: int | None = None,
) -> Fit:
    """Train a small network on the digits with an illness from :data:`ILLNESSES`, and record each step.

    Seeds differ in the first weights, the order of the batches, the width, and a little in the rate.

    Args:
        times: a factor of the rate.
        one_batch: give it the same batch in each step.
        warm_up: let the rate rise from 0 in the first 50 steps, on top of what the code does.
    """
    return _run(illness, seed, times, one_batch=one_batch, warm_up=warm_up, width=width).fit


def _run(illness: str, seed: int, times: float = 1.0, *, width: int | None = None, **how: Any) -> Run:
    patient = check_choice("illness", illness, ILLNESSES)
    check_count("seed", seed, low=0)
    run = Run(seed, width=width or _WIDTHS[seed % 3], **how)
    jitter = torch.rand((), generator=torch.Generator().manual_seed(seed)).item()
    patient.code(run, patient.rate * times * math.exp(0.4 * jitter - 0.2))
    return run


# --- stored patients, for those who want to play without waiting ------------------------------------------

RECORDS = ("relative_update", "clipped_norm", "weight_norm", "effective_rate")
"""What is stored of each layer."""
RERUNS: dict[str, dict[str, Any]] = {
    "one batch": {"one_batch": True},
    "a tenth": {"times": 0.1},
    "ten times": {"times": 10.0},
    "warm-up": {"warm_up": True},
    "another seed": {},
}
"""How the same code was run again."""

_STORED = Path(__file__).with_name("illnesses.json")
_FIRST_SEED, _EACH = 10, 2


@dataclass(frozen=True)
class Patient:
    """A stored run: at each of ``steps`` its loss, (step,), and each of ``RECORDS``, (layer, step)."""

    illness: Illness
    seed: int
    held: tuple[int, int]
    steps: Tensor
    layers: tuple[str, ...]
    losses: Tensor
    records: dict[str, Tensor]
    reruns: dict[str, Tensor]
    """The losses of the same code in other settings, of ``RERUNS``: (step,) each."""


def patients() -> list[Patient]:
    """The runs of ``python -m lwlr_teach.studies.illnesses``."""
    stored = json.loads(_STORED.read_text(encoding="utf-8"))
    return [
        Patient(
            ILLNESSES[entry["illness"]],
            entry["seed"],
            tuple(entry["held"]),
            _PLACES,
            _LAYERS,
            _read(entry["losses"]),
            {name: _read(values) for name, values in entry["records"].items()},
            {name: _read(values) for name, values in entry["reruns"].items()},
        )
        for entry in stored
    ]


# The stored steps: each of the first, later every fourth.
_PLACES = torch.cat([torch.arange(20), torch.arange(20, STEPS, 4)])


def _thinned(losses: Tensor) -> Tensor:
    """Losses at the stored steps; of later ones the mean of four."""
    return torch.cat([losses[:20], losses[20:].unflatten(0, (-1, 4)).mean(1)])


def _written(values: Tensor) -> Any:
    """Three digits of each number; none where there is no number."""
    if values.ndim > 1:
        return [_written(row) for row in values]
    return [float(f"{v:.3g}") if math.isfinite(v) else None for v in values.tolist()]


def _read(values: list[Any]) -> Tensor:
    return torch.tensor(
        [[math.nan if v is None else v for v in row] for row in values]
        if isinstance(values[0], list)
        else [math.nan if v is None else v for v in values]
    )


def _ill(illness: str) -> Iterator[tuple[int, Run]]:
    """Seeds with which the record shows the illness, and the runs.

    A run that lacks a warm-up may never come back, and then its record is that of too high a rate.
    """
    for seed in count(_FIRST_SEED):
        run = _run(illness, seed)
        found = [finding.illness for finding in diagnose(run.fit)]
        if found == [illness] * (illness != "healthy"):
            yield seed, run


def _store() -> None:
    """Run all patients anew: some minutes."""
    entries = []
    for illness, (seed, run) in ((name, ill) for name in ILLNESSES for ill in islice(_ill(name), _EACH)):
        fit = run.fit
        reruns = {
            name: _run(illness, seed + (100 if name == "another seed" else 0), **how).fit.losses
            for name, how in RERUNS.items()
        }
        entries.append(
            {
                "illness": illness,
                "seed": seed,
                "held": run.held,
                "losses": _written(_thinned(fit.losses)),
                "records": {name: _written(fit.recording[name][:, _PLACES]) for name in RECORDS},
                "reruns": {name: _written(_thinned(losses)) for name, losses in reruns.items()},
            }
        )
        _STORED.write_text(json.dumps(entries, separators=(",", ":")) + "\n", encoding="utf-8")
        print(illness, seed, flush=True)


if __name__ == "__main__":
    _store()
