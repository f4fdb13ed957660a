"""One step of our optimizers beside torch's own: eager and compiled, on three lists of tensors.

python -m benchmarks.optimizers                       the three lists; writes docs/optimizer-speed.md
python -m benchmarks.optimizers --lists mlp --methods Adam,RMSprop
"""

from __future__ import annotations

import argparse
import gc
import os
import statistics
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import torch

import lwlr_teach.optim as ours
from benchmarks.report import Row, spread
from benchmarks.sweep import synchronised

DETAILS = Path(__file__).parents[1] / "docs" / "optimizer-speed.md"

# How often a step must at least pass over memory the size of the parameters: reads and writes of parameters,
# gradients and state. A method that needs a layer's norm first must read what the norm is of twice.
PASSES = {
    "SGD": 5,
    "Adagrad": 5,
    "RMSprop": 5,
    "Adadelta": 7,
    "Adam": 7,
    "AdamW": 7,
    "RAdam": 7,
    "NovoGrad": 6,
    "LARS": 7,
    "LAMB": 10,
}
SETTINGS = {"SGD": {"momentum": 0.9}}
ROUNDS = {"mlp": 41, "resnet18": 15, "gpt2": 7}
LARGE = ("resnet18", "gpt2")


def mlp() -> list[tuple[int, ...]]:
    """10 tensors, 10.7 thousand numbers."""
    sizes = [64, 48, 48, 48, 48, 10]
    return [shape for n, m in pairwise(sizes) for shape in [(m, n), (m,)]]


def resnet18() -> list[tuple[int, ...]]:
    """62 tensors, 11.7 million numbers: the parameters of ResNet-18."""
    shapes: list[tuple[int, ...]] = [(64, 3, 7, 7), (64,), (64,)]
    before = 64
    for width in (64, 128, 256, 512):
        for _ in range(2):
            shapes += [(width, before, 3, 3), (width,), (width,), (width, width, 3, 3), (width,), (width,)]
            if before != width:
                shapes += [(width, before, 1, 1), (width,), (width,)]
            before = width
    return [*shapes, (1000, 512), (1000,)]


def gpt2() -> list[tuple[int, ...]]:
    """148 tensors, 124 million numbers: the parameters of GPT-2 small."""
    d = 768
    norm = [(d,), (d,)]
    block = [*norm, (3 * d, d), (3 * d,), (d, d), (d,), *norm, (4 * d, d), (4 * d,), (d, 4 * d), (d,)]
    return [(50257, d), (1024, d), *(shape for _ in range(12) for shape in block), *norm]


LISTS: dict[str, Callable[[], list[tuple[int, ...]]]] = {"mlp": mlp, "resnet18": resnet18, "gpt2": gpt2}


@dataclass
class Race:
    """The steps of one method on one list: seconds a step by contestant, and the seconds of compiling."""

    method: str
    shapes: str
    floor: float
    seconds: dict[str, list[float]] = field(default_factory=dict)
    compiling: float = float("nan")

    def ratio(self, one: str, other: str) -> float:
        """Median time of one contestant over that of the other; nan if one did not run."""
        if one not in self.seconds or other not in self.seconds:
            return float("nan")
        return statistics.median(self.seconds[one]) / statistics.median(self.seconds[other])

    def over_floor(self, one: str) -> float:
        """Median time over the time that moving the bytes takes."""
        return statistics.median(self.seconds[one]) / self.floor


def copy_bandwidth(device: str) -> float:
    """Bytes a second that a copy reads and writes, of more than any cache holds."""
    source = torch.ones(2**27, device=device)
    target = torch.empty_like(source)
    times = []
    for _ in range(7):
        start = synchronised(device)
        target.copy_(source)
        times.append(synchronised(device) - start)
    return 2 * source.nbytes / statistics.median(times[1:])


def race(method: str, shapes: str, device: str, bandwidth: float) -> Race:
    """All contestants take steps in turns, with the same gradients."""
    sizes = LISTS[shapes]()
    torch.manual_seed(0)
    grads = [torch.randn(size, device=device) for size in sizes]
    numbers = sum(g.numel() for g in grads)
    result = Race(method, shapes, floor=4 * PASSES[method] * numbers / bandwidth)

    def make(cls: type[torch.optim.Optimizer], **kwargs: bool) -> torch.optim.Optimizer:
        params = [torch.randn(size, device=device).requires_grad_() for size in sizes]
        for param, grad in zip(params, grads, strict=True):
            param.grad = grad
        return cls(params, lr=1e-4, **SETTINGS.get(method, {}), **kwargs)

    contestants = {
        "eager": make(getattr(ours, method)),
        "compiled": make(getattr(ours, method), compile=True),
    }
    peer = getattr(torch.optim, method, None)
    if peer is not None:
        contestants |= {"for-loop": make(peer, foreach=False), "foreach": make(peer, foreach=True)}
        if method in ("SGD", "Adagrad", "Adam", "AdamW") and (device == "cpu" or method != "Adagrad"):
            contestants["fused"] = make(peer, fused=True)
    for name, optimizer in contestants.items():
        optimizer.step()  # makes the state
        start = synchronised(device)
        optimizer.step()
        first = synchronised(device) - start
        optimizer.step()
        if name == "compiled":
            result.compiling = first
    repeat = 50 if shapes == "mlp" else 1
    for _ in range(ROUNDS[shapes]):
        for name, optimizer in contestants.items():
            start = synchronised(device)
            for _ in range(repeat):
                optimizer.step()
            result.seconds.setdefault(name, []).append((synchronised(device) - start) / repeat)
    contestants.clear()
    gc.collect()
    torch._dynamo.reset()
    return result


def measure(lists: list[str], methods: list[str], device: str) -> list[Race]:
    """Every method on every list."""
    bandwidth = copy_bandwidth(device)
    print(f"copy: {bandwidth / 1e9:.1f} GB/s, {torch.get_num_threads()} threads, torch {torch.__version__}")
    races = []
    with tempfile.TemporaryDirectory() as cache:
        # Compiled programs of an earlier run would flatter the time of compiling.
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = cache
        for shapes in lists:
            for method in methods:
                races.append(race(method, shapes, device, bandwidth))
                print(line(races[-1]), flush=True)
    return races


def line(race: Race) -> str:
    """A row of the table of details."""
    unit, scale = ("µs", 1e6) if race.shapes == "mlp" else ("ms", 1e3)
    cells = [
        spread(race.seconds[name], unit, scale) if name in race.seconds else ""
        for name in ("eager", "compiled", "for-loop", "foreach", "fused")
    ]
    floor = "" if race.shapes == "mlp" else f"{scale * race.floor:.3g} {unit}"
    return f"| {race.shapes} | {race.method} | {' | '.join(cells)} | {floor} | {race.compiling:.1f} s |"


def details(races: list[Race]) -> str:
    """The whole measurement, as a page."""
    columns = ["list", "method", "eager", "compiled", "torch for-loop", "torch foreach", "torch fused"]
    columns += ["floor", "compiling"]
    return "\n".join(
        [
            "# The speed of one step",
            "",
            "One step of our optimizers beside torch's own, all in turns: medians, and the range of the",
            "middle 80 %. Floor: the bytes that the method must move, at the speed of a copy. Compiling: the",
            "second step of a compiled optimizer, with nothing in torch's cache. Written by",
            "`python -m benchmarks`.",
            "",
            f"| {' | '.join(columns)} |",
            "|" + "---|" * len(columns),
            *map(line, races),
            "",
        ]
    )


def summary(races: list[Race]) -> list[Row]:
    """The ratios that have a bound, as rows of the README's table."""
    rows = []
    for shapes in dict.fromkeys(r.shapes for r in races):
        here = [r for r in races if r.shapes == shapes]
        size = (LISTS[shapes].__doc__ or "").split(":")[0].rstrip(".")
        bounds = [
            ("eager ÷ torch's for-loop", "eager", "for-loop", 1.2 if shapes == "mlp" else 1.5, None),
            ("compiled ÷ torch fused", "compiled", "fused", 1.15, None),
        ]
        if shapes in LARGE:
            without_fused = ("RMSprop", "Adadelta")
            bounds.append(("compiled ÷ torch foreach", "compiled", "foreach", 0.5, without_fused))
        for figure, one, other, bound, only in bounds:
            ratios = {r.method: r.ratio(one, other) for r in here if only is None or r.method in only}
            ratios = {method: ratio for method, ratio in ratios.items() if ratio == ratio}
            if ratios:
                rows.append(
                    Row(
                        figure=f"one step, {size}: {figure}",
                        ours=", ".join(f"{method} {ratio:.2f}" for method, ratio in ratios.items()),
                        bound=f"≤ {bound}",
                        met=max(ratios.values()) <= bound,
                    )
                )
        if shapes in LARGE:
            floors = ", ".join(f"{r.method} {r.over_floor('compiled'):.1f}" for r in here)
            rows.append(Row(figure=f"one step, {size}: compiled ÷ floor", ours=floors, bound="", met=True))
    return rows


def on(device: str) -> list[Row]:
    """The ratios of the methods that torch has too, on another device; the details are printed."""
    return summary(measure(list(LISTS), [m for m in PASSES if hasattr(torch.optim, m)], device))


def run() -> list[Row]:
    """Measure everything on the CPU, keep the details, and give the rows with a bound."""
    races = measure(list(LISTS), list(PASSES), "cpu")
    DETAILS.write_text(details(races), encoding="utf-8")
    return summary(races)


def main() -> int:
    """0 if every bound is met."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--lists", default=",".join(LISTS))
    parser.add_argument("--methods", default=",".join(PASSES))
    chosen = parser.parse_args()
    races = measure(chosen.lists.split(","), chosen.methods.split(","), "cpu")
    rows = summary(races)
    for row in rows:
        print(row)
    return 0 if all(row.met for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
