"""The lessons and the tests as if on other machines, on this one.

    python authoring/elsewhere.py                        all lessons and all tests, on every machine
    python authoring/elsewhere.py 12-lars                one lesson
    python authoring/elsewhere.py --on "disturbed 1"     on one machine

Says, lesson by lesson, which claims fail, which texts differ from the notebook's, and which claims hold with
the least room; then which tests fail.
"""

from __future__ import annotations

import argparse
import difflib
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import nbformat
import torch
from nbformat import NotebookNode

from authoring import build, cells
from authoring.disturbance import SEED
from lwlr_teach.teaching.claims import MODE

MEASURED = "nbval-ignore-output"
"""Tags a cell that shows what this machine measured on networks: a picture or a table. nbval skips it;
here the words of a picture must be the same and its numbers close."""

_NUMBER = re.compile(r"[-−]?\d+(?:\.\d+)?(?:e[-+]?\d+)?")
MACHINES: dict[str, dict[str, str]] = {
    **{f"disturbed {seed}": {SEED: str(seed)} for seed in (1, 2, 3)},
    "no vectors, one thread": {"ATEN_CPU_CAPABILITY": "default", "OMP_NUM_THREADS": "1"},
    "two threads": {"OMP_NUM_THREADS": "2"},
}
if torch.backends.mkl.is_available():
    MACHINES["two threads"]["MKL_CBWR"] = "COMPATIBLE"

_NOTE_CLAIMS = """
from pathlib import Path
from authoring.room import note_claims
note_claims(get_ipython(), Path({file!r}))
"""


def prepare(folder: Path, program: str = "") -> None:
    """Let kernels with this IPYTHONDIR be disturbed, and run the program, before their first cell."""
    startup = folder / "profile_default" / "startup"
    startup.mkdir(parents=True)
    disturbed = f"import sys\nsys.path.insert(0, {str(build.ROOT)!r})\nimport authoring.disturbance\n"
    startup.joinpath("elsewhere.py").write_text(disturbed + program, "utf-8")


class Claim(NamedTuple):
    """A claim as a machine found it."""

    sentence: str
    holds: bool
    room: float
    """The smallest relative distance of two numbers that its condition compares."""


class Visit(NamedTuple):
    """What a lesson said on another machine."""

    claims: list[Claim]
    texts: list[str]
    """For every text that is not the notebook's, its lines there and here."""

    @property
    def failed(self) -> bool:
        """Whether a claim does not hold, or a text differs."""
        return bool(self.texts) or not all(claim.holds for claim in self.claims)


def visit(source: Path, machine: Mapping[str, str]) -> Visit:
    """Run a lesson in a kernel that has these variables in its environment."""
    notebook = build.read(source)
    with tempfile.TemporaryDirectory() as folder:
        noted = Path(folder) / "claims.jsonl"
        noted.touch()
        prepare(Path(folder), _NOTE_CLAIMS.format(file=str(noted)))
        own = {"IPYTHONDIR": folder, MODE: "lenient"}
        build.run(notebook, allow_errors=True, **own, **machine)
        claims = [Claim(**json.loads(line)) for line in noted.read_text("utf-8").splitlines()]
    return Visit(claims, list(_differences(nbformat.read(build.notebook_of(source), as_version=4), notebook)))


def _differences(built: NotebookNode, ran: NotebookNode) -> Iterator[str]:
    """What a machine says otherwise, text by text; first what the notebook has, then what was said here."""
    for (number, wanted), (_, found) in zip(cells.code_cells(built), cells.code_cells(ran), strict=True):
        there, here = _texts(wanted), _texts(found)
        if MEASURED in wanted.metadata.get("tags", []) and _alike("\n".join(there), "\n".join(here)):
            continue
        for line in difflib.unified_diff(there, here, n=0, lineterm=""):
            if line[:3] not in ("---", "+++") and line[:2] != "@@":
                yield f"cell {number}: {line}"


def _texts(cell: NotebookNode) -> list[str]:
    """What nbval compares: what is printed, what pictures say of themselves, and errors."""
    errors = [f"{o.ename}: {o.evalue}" for o in cell.outputs if o.output_type == "error"]
    printed = [] if MEASURED in cell.metadata.get("tags", []) else cells.printed(cell).splitlines()
    return [*printed, *cells.shown(cell).splitlines(), *errors]


def _alike(there: str, here: str) -> bool:
    """Whether two texts have the same words, and numbers that differ by less than 30 %, or 3 in a hundred."""
    if _NUMBER.split(there) != _NUMBER.split(here):
        return False
    numbers = ((float(n.replace("−", "-")) for n in _NUMBER.findall(text)) for text in (there, here))
    hundred = "%" in there or "points" in there
    return all(
        abs(a - b) <= max(0.3 * max(abs(a), abs(b)), 3 * hundred) for a, b in zip(*numbers, strict=True)
    )


def report(name: str, visits: Mapping[str, Visit]) -> str:
    """What the machines say of one lesson."""
    lines = [f"# {name}"]
    for machine, (claims, texts) in visits.items():
        denied = [f"  does not hold: {claim.sentence}" for claim in claims if not claim.holds]
        lines += [f"{machine}: {len(denied)} of {len(claims)} claims fail, {len(texts)} lines differ"]
        lines += denied + [f"  {text}" for text in texts]
    rooms: dict[str, list[float]] = {}
    for claim in (claim for visit in visits.values() for claim in visit.claims):
        rooms.setdefault(claim.sentence, []).append(claim.room)
    lines += ["least room:"]
    for sentence in sorted(rooms, key=lambda sentence: min(rooms[sentence]))[:6]:
        lines += [f"  {min(rooms[sentence]):.1%} to {max(rooms[sentence]):.1%}  {sentence}"]
    return "\n".join(lines)


def run_tests(machine: Mapping[str, str]) -> bool:
    """Run the tests that need no browser; true if they pass."""
    command = [sys.executable, "-m", "pytest", "-q", "-m", "not browser", "-p", "authoring.disturbance"]
    command += _parallel()
    return subprocess.run(command, cwd=build.ROOT, env=os.environ | machine).returncode == 0


def _parallel() -> list[str]:
    """The options by which the Makefile runs tests side by side."""
    (line,) = re.findall(r"^PARALLEL := (.+)$", (build.ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    return str(line).split()


def main() -> int:
    """Visit the lessons named on the command line, all by default, then run the tests."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", help="lessons, by name; all by default, and the tests with them")
    parser.add_argument("--on", action="append", choices=MACHINES, help="a machine; all by default")
    chosen = parser.parse_args()
    lessons = build.named(chosen.names, parser)
    machines = {name: MACHINES[name] for name in chosen.on or MACHINES}
    failed = False
    with ThreadPoolExecutor(2) as pool:
        jobs = {
            source.stem: {name: pool.submit(visit, source, machine) for name, machine in machines.items()}
            for source in lessons
        }
        for lesson, visits in jobs.items():
            results = {name: job.result() for name, job in visits.items()}
            print(report(lesson, results), flush=True)
            failed |= any(result.failed for result in results.values())
    if not chosen.names:
        for name, machine in machines.items():
            print(f"# the tests, {name}", flush=True)
            failed |= not run_tests(machine)
    return failed


if __name__ == "__main__":
    sys.exit(main())
