"""Measures everything, prints one table, and puts it into the README.

python -m benchmarks                 everything
python -m benchmarks --only sweep    one module; the README stays as it is
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable
from pathlib import Path

from benchmarks import latency, load, sweep
from benchmarks.report import Row, table

README = Path(__file__).parents[1] / "README.md"
MODULES: dict[str, Callable[[], list[Row]]] = {"sweep": sweep.run, "latency": latency.run, "load": load.run}


def main() -> int:
    """0 if every bound is met."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", choices=MODULES, help="measure one module")
    only = parser.parse_args().only
    rows = [row for name, run in MODULES.items() if only in (None, name) for row in run()]
    print(table(rows))
    if only is None:
        text = README.read_text(encoding="utf-8")
        place = re.compile(r"<!-- benchmarks -->\n.*?<!-- end of benchmarks -->", re.DOTALL)
        made = f"<!-- benchmarks -->\n{table(rows)}\n<!-- end of benchmarks -->"
        README.write_text(place.sub(lambda _: made, text), encoding="utf-8")
    return 0 if all(row.met for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
