"""Measures everything, prints one table, and puts it into the README.

python -m benchmarks                 everything
python -m benchmarks --only sweep    one module; its rows in the README are replaced
python -m benchmarks --device cuda   what a GPU is for; only printed, as the README's machine has none
"""

from __future__ import annotations

import argparse
import sys
from importlib import import_module
from pathlib import Path

from authoring import blocks
from benchmarks.report import Row, table

README = Path(__file__).parents[1] / "README.md"
MODULES = ["sweep", "race", "splits", "optimizers", "recorder", "latency", "load"]
ON_A_DEVICE = ["sweep", "optimizers"]


def measure(names: list[str]) -> list[Row]:
    """The rows of these modules, measured last to first.

    The first five import torch into this process; while ``load`` measures memory, only the kernels may hold
    it.
    """
    parts = [import_module(f"benchmarks.{name}").run() for name in reversed(names)]
    return [row for part in reversed(parts) for row in part]


def replaced(old: str, new: str) -> str:
    """A table with the rows of ``new`` in place of those about the same figures, or at its end."""
    rows = {line.split("|")[1]: line for line in old.splitlines()}
    return "\n".join((rows | {line.split("|")[1]: line for line in new.splitlines()}).values())


def main() -> int:
    """0 if every bound is met."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", choices=MODULES, help="measure one module")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu", help="where")
    chosen = parser.parse_args()
    if chosen.device != "cpu":
        rows = [r for name in ON_A_DEVICE for r in import_module(f"benchmarks.{name}").on(chosen.device)]
        print(table(rows))
        return 0 if all(row.met for row in rows) else 1
    only = chosen.only
    rows = measure([only] if only else MODULES)
    print(table(rows))
    made = table(rows) if only is None else replaced(blocks.read(README, "benchmarks"), table(rows))
    blocks.write(README, "benchmarks", made)
    return 0 if all(row.met for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
