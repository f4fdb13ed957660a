"""The table in docs/diagnosis.md: what ``diagnose`` says of runs that it was not made on.

``python -m tests.runs.diagnosis`` runs them and writes the file; some minutes.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

from lwlr_teach.optim import LAMB, LARS, Lion
from lwlr_teach.problems import digits, digits_cnn
from lwlr_teach.runs import Fit, Minibatches, Recorder, diagnose, fit
from lwlr_teach.schedules import Cosine, OneCycle, StepDecay, Warmup
from lwlr_teach.studies.illnesses import ILLNESSES, Run, run_patient

FILE = Path(__file__).parents[2] / "docs" / "diagnosis.md"
SEEDS = range(20, 28)  # the rules were made on 0 to 3
WIDTHS = (16, 24, 40, 64)
HEALTHY = "healthy"

PAGE = """\
# What `diagnose` says

Written by `make diagnosis` (`python -m tests.runs.diagnosis`); not to be edited by hand.

The rules were made on the patients of seeds 0 to 3, with widths of 24, 32 and 48. The first table is of
{seeds} other seeds each, in widths of {widths}. A run counts under the first finding.

{matrix}

The same mistakes on a convolutional network, where they do not name a layer, {seeds_cnn} seeds each:

{conv}

Healthy runs of other kinds, {seeds_cnn} seeds each:

{kinds}
"""


def first_finding(run: Fit) -> str:
    found = diagnose(run)
    return found[0].illness if found else HEALTHY


def patients(seeds: range = SEEDS) -> Counter[tuple[str, str]]:
    """Illness and finding, counted."""
    return Counter(
        (name, first_finding(run_patient(name, seed, width=WIDTHS[seed % len(WIDTHS)])))
        for name in ILLNESSES
        for seed in seeds
    )


NAMES_NO_LAYER = [name for name in ILLNESSES if name not in ("one layer too fast", "left out")]


def convolutional(seeds: range) -> Counter[tuple[str, str]]:
    """The illnesses on a network with convolutions."""
    found: Counter[tuple[str, str]] = Counter()
    for name in NAMES_NO_LAYER:
        for seed in seeds:
            run = Run(seed, model=digits_cnn(seed))
            ILLNESSES[name].code(run, ILLNESSES[name].rate)
            found[name, first_finding(run.fit)] += 1
    return found


def _plain(seed: int) -> nn.Module:
    return Run(seed, width=40).model


def _kind(
    make: Callable[..., torch.optim.Optimizer],
    lr: float,
    schedule: object = None,
    model: Callable[[int], nn.Module] = _plain,
    every: int = 1,
    size: int = 32,
    steps: int = 300,
    frozen: str = "",
    **how: object,
) -> Callable[[int], Fit]:
    def train(seed: int) -> Fit:
        data, network = digits(), model(seed)
        for name, p in network.named_parameters():
            p.requires_grad_(not frozen or frozen not in name)
        optimizer = make([p for p in network.parameters() if p.requires_grad], lr=lr, **how)
        recorder = Recorder(network, optimizer, every=every)
        batches = Minibatches(data.x_train, data.y_train, size, seed)
        return fit(
            network, optimizer, batches, steps=steps, schedule=schedule, recorder=recorder, progress=False
        )

    return train


def _norms(seed: int) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Linear(64, 40), nn.BatchNorm1d(40), nn.ReLU(), nn.Linear(40, 40), nn.LayerNorm(40), nn.ReLU(),
        nn.Linear(40, 10),
    )  # fmt: skip


_SGD, _ADAM = torch.optim.SGD, torch.optim.Adam
KINDS: dict[str, Callable[[int], Fit]] = {
    "SGD": _kind(_SGD, 0.1),
    "SGD with momentum, cosine": _kind(_SGD, 0.05, Cosine(300), momentum=0.9),
    "Adam, constant": _kind(_ADAM, 0.003),
    "Adam, every fifth step recorded": _kind(_ADAM, 0.003, every=5),
    "AdamW with decay, warm-up": _kind(torch.optim.AdamW, 0.01, Warmup(20), weight_decay=0.1),
    "Adam, rate cut by ten at two thirds": _kind(_ADAM, 0.01, StepDecay(200, 0.1)),
    "Adam, one cycle": _kind(_ADAM, 0.02, OneCycle(300, cycle_momentum=False)),
    "LARS": _kind(LARS, 0.03, momentum=0.9),
    "LAMB": _kind(LAMB, 0.02),
    "Lion": _kind(Lion, 0.001),
    "convolutions, SGD with momentum": _kind(_SGD, 0.05, model=digits_cnn, momentum=0.9),
    "convolutions, Adam, cosine": _kind(_ADAM, 0.003, Cosine(300), model=digits_cnn),
    "normalised layers, Adam": _kind(_ADAM, 0.01, model=_norms),
    "normalised layers, SGD": _kind(_SGD, 0.2, model=_norms),
    "a frozen first layer": _kind(_ADAM, 0.003, frozen="first"),
    "batches of 8": _kind(_ADAM, 0.002, size=8),
}


def kinds(seeds: range) -> dict[str, Counter[str]]:
    """What is said of healthy runs."""
    return {name: Counter(first_finding(train(seed)) for seed in seeds) for name, train in KINDS.items()}


def _matrix(found: Counter[tuple[str, str]]) -> str:
    names = [name for name in ILLNESSES if any(found[name, other] for other in ILLNESSES)]
    said = list(ILLNESSES)
    lines = ["| run ↓, said → | " + " | ".join(said) + " |", "| --- |" + " --: |" * len(said)]
    lines += [f"| {n} | " + " | ".join(str(found[n, o] or "·") for o in said) + " |" for n in names]
    return "\n".join(lines)


def main() -> None:
    warnings.simplefilter("ignore")
    few = range(20, 23)
    every_kind = kinds(few)
    lines = ["| run | silent | said otherwise |", "| --- | --: | --- |"]
    for name, said in every_kind.items():
        wrong = ", ".join(f"{other} ({n})" for other, n in said.items() if other != HEALTHY)
        lines.append(f"| {name} | {said[HEALTHY]} of {said.total()} | {wrong} |")
    print("\n".join(lines), flush=True)
    conv = _matrix(convolutional(few))
    print(conv, flush=True)
    page = PAGE.format(
        seeds=len(SEEDS),
        widths=", ".join(map(str, WIDTHS)),
        matrix=_matrix(patients()),
        seeds_cnn=len(few),
        conv=conv,
        kinds="\n".join(lines),
    )
    FILE.write_text(page, encoding="utf-8")
    print(page)


if __name__ == "__main__":
    main()
