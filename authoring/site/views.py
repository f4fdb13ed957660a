"""What becomes of a notebook's widgets on the site: modules that pages share, a file of state for each."""

from __future__ import annotations

import gzip
import hashlib
import json
import re
import shutil
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from nbformat import NotebookNode

from authoring.build import ROOT
from lwlr_teach.problems.linear_networks import DYNAMICS
from lwlr_teach.studies.splits import STARTS
from lwlr_teach.views import SplitView
from lwlr_teach.views.kit.base import VIEWS, View, module
from lwlr_teach.views.splits.view import NETWORKS, WIDTHS

HERE = Path(__file__).parent
STATE = "application/vnd.jupyter.widget-state+json"

SHARED = [
    path.relative_to(ROOT).as_posix() for path in [HERE / "kernel.js", *sorted((VIEWS / "kit").glob("*.js"))]
]
"""What most views import, as places in the repository."""

# Where a view's module has the programs that Python writes for one view.
_PROGRAMS = re.compile(r"/\*\* @type \{Programs?[^}]*\} \*/ \((?:null|\[\])\)")
_OF_EVERY_WIDGET = {"layout", "tooltip", "tabbable"}


def states(notebook: NotebookNode) -> dict[str, Any]:
    """The views of a notebook that was run, by their ids: which ``view`` each is, its ``programs``, its
    ``state``, and those of its traits that are ``bytes``, as base64.

    ValueError for a widget that is not ours: the pages have nothing that could show it.
    """
    found = notebook.metadata.get("widgets", {}).get(STATE, {}).get("state", {})
    return {model: _view(kept) for model, kept in found.items() if kept["model_name"] != "LayoutModel"}


def _view(kept: Mapping[str, Any]) -> dict[str, Any]:
    state = kept["state"]
    if "_esm" not in state:
        raise ValueError(f"a page can show our own views only, not {kept['model_name']}")
    name, programs = _module_of(state["_esm"])
    buffers = {buffer["path"][0]: buffer["data"] for buffer in kept.get("buffers", [])}
    return {"view": name, "programs": programs, "state": own(state), "bytes": buffers}


def own(state: Mapping[str, Any]) -> dict[str, Any]:
    """What a view is told of its own, without what every widget has."""
    return {
        name: value
        for name, value in state.items()
        if not name.startswith("_") and name not in _OF_EVERY_WIDGET
    }


def _module_of(text: str) -> tuple[str, str | None]:
    """The view whose module this is, and the programs in it if Python has written some."""
    for name, (before, after) in _modules().items():
        if text.startswith(before) and text.endswith(after):
            programs = text[len(before) : len(text) - len(after)]
            return name, None if _PROGRAMS.fullmatch(programs) else programs or None
    raise ValueError(f"no view has this module: {text[:200]}")


@cache
def _modules() -> dict[str, tuple[str, str]]:
    """The module of each view as a kernel sends it: what is before its programs, and what is behind."""
    texts = {
        path.parent.name: module(f"{path.parent.name}/view.js") for path in sorted(VIEWS.glob("*/view.js"))
    }
    return {name: _around(text) for name, text in texts.items()}


def _around(text: str) -> tuple[str, str]:
    hole = _PROGRAMS.search(text)
    return (text[: hole.start()], text[hole.end() :]) if hole else (text, "")


@dataclass(frozen=True)
class Written:
    """A view whose state was written: its name, the file of its state, and its own module if it has one."""

    view: str
    state: str
    module: str = ""


def kept(view: View) -> dict[str, Any]:
    """The same of a view of this process."""
    traits = own(view.get_state())
    buffers = {name: b64encode(value).decode() for name, value in traits.items() if isinstance(value, bytes)}
    name, programs = _module_of(str(view._esm))
    state = {name: value for name, value in traits.items() if name not in buffers}
    return {"view": name, "programs": programs, "state": state, "bytes": buffers}


def write(kept: Mapping[str, Any], folder: Path, code: Path) -> Written:
    """Write the state of a view to ``folder``, for ``host.js``.

    Traits that are bytes have a file to themselves, which views of the same data share. A view with programs
    gets a module of its own, beside that without in ``code``. What Python would answer to a choice
    is written as well.
    """
    answers = {choice: _written(answer, folder) for choice, answer in answers_to(kept).items()}
    file = _written(kept, folder, answers=answers)
    if kept["programs"] is None:
        return Written(kept["view"], file)
    module = VIEWS / kept["view"] / "view.js"
    text = _PROGRAMS.sub(lambda _: kept["programs"], module.read_text("utf-8"), count=1)
    own = f"{kept['view']}/{_digest(text.encode())}.js"
    (code / VIEWS.relative_to(ROOT) / own).write_text(text, encoding="utf-8")
    return Written(kept["view"], file, own)


def _written(kept: Mapping[str, Any], folder: Path, **more: Any) -> str:
    """Write the ``state`` and the ``bytes`` of a view, and return the name of the file."""
    places, data = {}, b""
    for name, text in kept["bytes"].items():
        value, way = _smallest(b64decode(text))
        places[name] = [len(data), len(value), way]
        data += value
    state = {"traits": kept["state"], "bytes": places, "file": _pack(data, folder) if data else None, **more}
    return _pack(json.dumps(state, ensure_ascii=False, separators=(",", ":")).encode(), folder)


def answers_to(kept: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """What Python would send this view at each choice to which it computes anew, by the choice.

    That is a network of a :class:`~lwlr_teach.views.SplitView`, as ``"2,exact,orthogonal,1000"``.
    """
    if kept["view"] != "splits" or not kept["state"]["plan"]["choices"]:
        return {}
    return _of_every_network()


@cache
def _of_every_network() -> dict[str, dict[str, Any]]:
    found = {}
    for setting in product(NETWORKS, DYNAMICS, STARTS, WIDTHS):
        layers, dynamics, start, width = setting
        view = SplitView(layers, dynamics=dynamics, start=start, width=width)
        state = kept(view)
        view.close()
        found[",".join(map(str, setting))] = {
            "state": {"table": state["state"]["table"]},
            "bytes": state["bytes"],
        }
    return found


def _smallest(value: bytes) -> tuple[bytes, int]:
    """Bytes as they pack best, and how: as they are (1); as the differences of 16-bit numbers, all low halves
    first (2); or as numbers of four bytes, all first bytes first (4)."""
    ways = {1: value}
    if len(value) % 2 == 0:
        ways[2] = _planes(
            np.diff(np.frombuffer(value, "<u2"), prepend=np.uint16(0)).astype("<u2").tobytes(), 2
        )
    if len(value) % 4 == 0:
        ways[4] = _planes(value, 4)
    way = min(ways, key=lambda way: len(gzip.compress(ways[way])))
    return ways[way], way


def _planes(value: bytes, width: int) -> bytes:
    return np.frombuffer(value, np.uint8).reshape(-1, width).T.tobytes()


def _pack(data: bytes, folder: Path) -> str:
    """Write a compressed file, and return its name, which is its content's."""
    file = f"{_digest(data)}.bin"
    (folder / file).write_bytes(gzip.compress(data, 9, mtime=0))
    return file


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:12]


def copy_modules(folder: Path) -> None:
    """Copy what the pages run, in the places where it stands in the repository: relative imports lead on."""
    for path in [*VIEWS.rglob("*.js"), VIEWS / "kit" / "view.css", *HERE.glob("*.js"), HERE / "site.css"]:
        target = folder / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
