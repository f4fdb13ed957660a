"""A check-up: what machine this is, whether all that the lessons need is here, and some known results.

A check returns a sentence. One that fails raises Ill, with what is wrong and what to do; one that cannot be
made here raises Skipped.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name

from lwlr_teach import __version__
from lwlr_teach.command.desk import LESSONS
from lwlr_teach.command.files import handed_out

if TYPE_CHECKING:  # torch takes seconds, and may be what is broken
    import torch

ROOM = 100
"""So many megabytes should be free for the learner's work."""
WIDGETS = ("@jupyter-widgets/jupyterlab-manager", "anywidget")
"""What JupyterLab must find in its folders, by name, to show the live pictures."""
LOSSES = (0.04, 0.12)
"""The median loss of five seeds on the digits is between these: of 40 seeds, each ended at 0.057 to 0.093."""
REINSTALL = "Install lwlr-teach again, in an environment of its own."
REPORT = "Please report it, with all of these lines."


class Ill(Exception):
    """Something is wrong; the text also says what to do."""


class Skipped(Exception):
    """This cannot be checked here."""


def doctor(folder: Path) -> int:
    """Print a line for each check; return 1 if something is wrong."""
    print(f"lwlr-teach {__version__} in {Path(__file__).parents[1]}", flush=True)
    checks: list[Callable[[], str]] = [
        machine,
        packages,
        torch_works,
        compiler,
        jupyterlab,
        lambda: room(folder),
        the_edge,
        adam,
        javascript,
        digits,
    ]
    wrong = sum(not _passes(check) for check in checks)
    print(f"{wrong} thing{'s are' if wrong > 1 else ' is'} wrong." if wrong else "All is well.")
    return 1 if wrong else 0


def _passes(check: Callable[[], str]) -> bool:
    """Make a check and print its line."""
    try:
        mark, said = "✔", check()
    except Skipped as skipped:
        mark, said = "–", str(skipped)
    except Ill as ill:
        mark, said = "✘", str(ill)
    except Exception as error:  # whatever a broken installation raises is what is to be told
        mark, said = "✘", f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}. {REINSTALL}"
    print(f"{mark} {said}", flush=True)
    return mark != "✘"


# --- what is here -------------------------------------------------------------------------------------------


def machine() -> str:
    return (
        f"{platform.system()} {platform.release()} on {platform.machine()}, {os.cpu_count()} processors, "
        f"Python {platform.python_version()}"
    )


def packages() -> str:
    """Every package that lwlr-teach asks for, in a version that it asks for."""
    try:
        asked = [Requirement(text) for text in importlib.metadata.requires("lwlr-teach") or []]
    except importlib.metadata.PackageNotFoundError:
        raise Skipped(
            "lwlr-teach runs from a folder and is not installed: versions are not compared"
        ) from None
    needed = [each for each in asked if each.marker is None or each.marker.evaluate({"extra": ""})]
    found = {each.name: _version(each.name) for each in needed}
    if wrong := [
        each for each in needed if not each.specifier.contains(found[each.name] or "0", prereleases=True)
    ]:
        listed = ", ".join(f"{each.name} is {found[each.name] or 'missing'}" for each in wrong)
        install = " ".join(f'"{each.name}{each.specifier}"' for each in wrong)
        raise Ill(f"{listed}. Do: pip install {install}")
    tested = _tested()
    other = [
        f"{name} {version} ({known})"
        for name, version in found.items()
        if (known := tested.get(canonicalize_name(name))) and known != (version or "").partition("+")[0]
    ]
    rest = (
        f"; of these other versions were tested: {', '.join(other)}" if other else ", in the versions tested"
    )
    return f"All {len(needed)} packages are here{rest}"


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _tested() -> dict[NormalizedName, str]:
    """The versions that were tested, by the packages' normal names."""
    lines = handed_out("constraints.txt").read_text("utf-8").splitlines()
    pairs = (line.partition("==") for line in lines if not line.startswith("#"))
    return {canonicalize_name(name): version for name, _, version in pairs}


def torch_works() -> str:
    import torch

    names = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    gpu = ", ".join(names) or "no GPU, and no lesson needs one"
    return f"PyTorch {torch.__version__}, threads: {torch.get_num_threads()}, {gpu}"


def compiler() -> str:
    names = [os.environ.get("CXX", ""), "g++", "clang++", "c++", "cl"]
    found = next(filter(None, map(shutil.which, filter(None, names))), None)
    if found is None:
        raise Skipped("No C++ compiler: compile=True is not for here; no lesson needs it")
    return f"C++ compiler for compile=True: {found}"


def jupyterlab() -> str:
    """JupyterLab beside this Python, with what shows the pictures, and a kernel that is this Python."""
    version = _version("jupyterlab")
    if version is None or importlib.util.find_spec("ipykernel") is None:
        raise Ill("JupyterLab or its kernel is missing. Do: pip install jupyterlab ipykernel")
    from jupyter_client.kernelspec import KernelSpecManager
    from jupyter_core.paths import jupyter_path

    folders = [Path(place) for place in jupyter_path("labextensions")]
    for name in WIDGETS:
        if not any((folder / name / "package.json").is_file() for folder in folders):
            raise Ill(f"JupyterLab would not find {name}, and show no picture. {REINSTALL}")
    program = KernelSpecManager().get_kernel_spec("python3").argv[0]
    if Path(program).is_absolute() and Path(program).parent != Path(sys.executable).parent:
        raise Ill(
            f"Notebooks would run in another Python, {program}. Do: {sys.executable} -m ipykernel install "
            "--sys-prefix"
        )
    return f"JupyterLab {version} with what shows the pictures; {len(list(LESSONS.glob('*.ipynb')))} lessons"


def room(folder: Path) -> str:
    """A file can be written where the lessons are, or will be, and there is room for more."""
    place = next(each for each in (folder, *folder.parents) if each.exists())
    try:
        with tempfile.TemporaryFile(dir=place) as file:
            file.write(b"progress")
    except OSError as error:
        raise Ill(
            f"Nothing can be written in {place} ({error}). Choose another folder: lwlr-teach lab FOLDER"
        ) from None
    free = shutil.disk_usage(place).free // 2**20
    if free < ROOM:
        raise Ill(f"Only {free} MB are free in {place}. Make room there, or choose another folder.")
    return f"{folder} can be written, {free:,} MB are free"


# --- known results ------------------------------------------------------------------------------------------


def the_edge() -> str:
    """Gradient descent on a parabola: beyond 2/λ it explodes, and each step is the exact factor's."""
    import torch

    from lwlr_teach.optim import SGD
    from lwlr_teach.problems.quadratics import edge, factor

    curvature, steps = 4.0, 100
    for share in (0.99, 1.01):
        rate = share * edge(curvature).item()
        start = torch.ones(1, dtype=torch.float64)
        (end,) = _end(SGD, start, lambda w: curvature / 2 * w**2, steps, lr=rate)
        _agree("A parabola's edge, 2/λ", abs(end), factor(rate, 0.0, curvature).item() ** steps, 1e-9)
    return "The edge of a parabola is at 2/λ, and each step is as the formula says"


def adam() -> str:
    import torch

    from lwlr_teach.optim import Adam

    start = torch.linspace(-1, 1, 8)
    ends = (_end(kind, start, lambda w: (w - 0.3) ** 4, 20, lr=0.01) for kind in (Adam, torch.optim.Adam))
    for ours, theirs in zip(*ends, strict=True):
        _agree("Adam beside PyTorch's", ours, theirs, 1e-5)
    return "Adam steps as PyTorch's does"


def javascript() -> str:
    """The rule that a browser would run, in Node, beside the same rule in Python."""
    import torch

    from lwlr_teach.optim import Adam, to_javascript

    here = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    node = shutil.which("node", path=here)
    if node is None:
        raise Skipped("No Node, so the rules for the browser are not compared; no lesson needs it")
    script = (
        f"const {{ size, step }} = {to_javascript('Adam').literal};"
        "const p = [1, 2], s = Array(size).fill(0);"
        "for (let t = 1; t <= 50; t++) step(p, [p[0], 10 * p[1]], s, { lr: 0.1 }, t);"
        "console.log(JSON.stringify(p));"
    )
    done = subprocess.run([node, "-e", script], capture_output=True, text=True, timeout=60, check=False)
    if done.returncode:
        raise Ill(f"Node cannot run the rule for the browser: {done.stderr.strip()[-200:]}. {REPORT}")
    start, curvatures = torch.tensor([[1.0, 2.0], [1.0, 10.0]], dtype=torch.float64)
    ends = _end(Adam, start, lambda w: curvatures * w**2 / 2, 50, lr=0.1)
    for theirs, ours in zip(json.loads(done.stdout), ends, strict=True):
        _agree("Adam in JavaScript", theirs, ours, 1e-9)
    return "Adam in JavaScript steps as in Python"


def digits() -> str:
    """A network on the digits, far from any edge: the median of its seeds is much the same anywhere."""
    from lwlr_teach.runs import train_ensemble

    trained = train_ensemble(["Adam"], lr=[0.01], seeds=5, steps=200, progress=False)
    loss = trained.train_loss.median().item()
    low, high = LOSSES
    if not low < loss < high:
        raise Ill(f"A network on the digits ends with a loss of {loss:.3f}, not {low} to {high}. {REPORT}")
    return f"A network on the digits learns: a loss of {loss:.2f} after 200 steps of Adam"


def _end(
    kind: Callable[..., torch.optim.Optimizer],
    start: torch.Tensor,
    loss: Callable[[torch.Tensor], torch.Tensor],
    steps: int,
    lr: float,
) -> list[float]:
    """Where an optimizer gets to."""
    w = start.clone().requires_grad_()
    optimizer = kind([w], lr=lr)
    for _ in range(steps):
        optimizer.zero_grad()
        loss(w).sum().backward()
        optimizer.step()
    return w.tolist()


def _agree(what: str, found: float, expected: float, tolerance: float) -> None:
    if not abs(found - expected) <= tolerance * abs(expected):
        raise Ill(f"{what}: {found:.6g} instead of {expected:.6g}. {REPORT}")
