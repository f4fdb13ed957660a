"""What all views share: one front-end module each, a static twin, words, and an orderly end."""

from __future__ import annotations

import base64
import contextlib
import io
import re
import warnings
from pathlib import Path
from typing import Any

import anywidget
import torch
import traitlets
from IPython.core.getipython import get_ipython
from ipywidgets import Widget
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image
from torch import Tensor

from lwlr_teach.views.kit.style import edge_what_is_pale

VIEWS = Path(__file__).parents[1]
CSS = (VIEWS / "kit" / "view.css").read_text(encoding="utf-8")

# What a view may send to the browser. JupyterLab on Binder takes about three seconds for this.
MOST_BYTES = 2_500_000


def module(name: str) -> str:
    """The front-end module of this path below ``views``, with the helpers that it imports pasted above it.

    A widget's module is loaded from a blob, where relative imports lead nowhere.
    """
    path = VIEWS / name
    helpers: dict[Path, str] = {}
    _collect(path, helpers)
    return "\n".join([*helpers.values(), _without_imports(path.read_text(encoding="utf-8"))])


_IMPORT = re.compile(r'^import \{[^}]*\}\s*from "(?P<file>\.\.?/[\w./]+)";\n', re.MULTILINE)


def _collect(path: Path, found: dict[Path, str]) -> None:
    """The helpers of a module, those that others need first."""
    for match in _IMPORT.finditer(path.read_text(encoding="utf-8")):
        helper = (path.parent / match["file"]).resolve()
        if helper not in found:
            _collect(helper, found)
            text = _without_imports(helper.read_text(encoding="utf-8"))
            found[helper] = re.sub(r"^export ", "", text, flags=re.MULTILINE)


def _without_imports(source: str) -> str:
    return _IMPORT.sub("", source)


class View(anywidget.AnyWidget):
    """A live picture with a static twin.

    A subclass describes its present state in a sentence and draws it with matplotlib. The sentence is the
    ``repr``, which is what a screen reader, a text console and nbval see; the drawing is what GitHub, a PDF
    and a notebook that was not run yet show.
    """

    _css = CSS

    fault = traitlets.Unicode().tag(sync=True)
    """What went wrong when the browser last changed something, or was warned of; it stands below."""

    def __init__(self, **traits: Any) -> None:
        sent = sum(len(value) for value in traits.values() if isinstance(value, bytes))
        if sent > MOST_BYTES:
            raise ValueError(
                f"{type(self).__name__} would send {sent / 1e6:.1f} MB to the browser, more than "
                f"{MOST_BYTES / 1e6:.1f} MB; use fewer steps, rates, momenta or optimizers"
            )
        super().__init__(**traits)
        close_predecessors(self)

    def set_state(self, sync_data: dict[str, Any]) -> None:
        """Take what the browser sends. What cannot be is taken back, here and in the browser.

        An error or a warning, which a log would swallow, is shown below the picture.
        """
        before = {name: self._trait_values[name] for name in sync_data if name in self._trait_values}
        caught: list[warnings.WarningMessage] = []
        try:
            with warnings.catch_warnings(record=True) as caught:
                super().set_state(sync_data)
        except Exception as error:
            if isinstance(error, ValueError | TypeError | LookupError | traitlets.TraitError):
                with contextlib.suppress(Exception):  # of an observer that takes nothing
                    super().set_state(before)
                self.send_state(list(before))
            self.fault = f"{type(error).__name__}: {error}"
            raise
        self.fault = "\n".join(str(warning.message) for warning in caught)
        for warning in caught:
            warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)

    def describe(self) -> str:
        """What the picture shows now, in a sentence."""
        raise NotImplementedError

    def figure(self) -> Figure:
        """What the picture shows now, drawn by matplotlib."""
        raise NotImplementedError

    def __repr__(self) -> str:
        return self.describe()

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]] | None:
        bundle = super()._repr_mimebundle_(**kwargs)
        if bundle is None:
            return None
        data, metadata = bundle
        try:
            picture, words = self.twin(self.describe())
        except Exception as error:  # the live view needs neither
            warnings.warn(f"this view has no still picture ({type(error).__name__}: {error})", stacklevel=2)
            return data, metadata
        return {**data, **picture}, {**metadata, **words}

    def twin(self, alt: str) -> tuple[dict[str, Any], dict[str, Any]]:
        """The drawing as a mime bundle, with these words for those who do not see it."""
        return {"image/png": _png(self.figure())}, {"image/png": {"alt": alt}}


def _png(figure: Figure) -> str:
    """The figure as base64 text, in 256 colours: a notebook keeps one for every view."""
    for text in figure.findobj(Text):
        if "$" in text.get_text():  # in a name or a title; the ticks of an axis have no text yet
            text.set_parse_math(False)
    edge_what_is_pale(figure)
    drawn, packed = io.BytesIO(), io.BytesIO()
    figure.savefig(drawn, format="png", dpi=100)
    Image.open(drawn).convert("RGB").quantize(256, dither=Image.Dither.NONE).save(
        packed, format="png", optimize=True
    )
    return base64.b64encode(packed.getvalue()).decode()


def pack_float32(values: Tensor) -> bytes:
    """Little-endian float32, in the order of the axes."""
    data: bytes = values.to(torch.float32).contiguous().numpy().astype("<f4", copy=False).tobytes()
    return data


def pack_uint16(values: Tensor, low: Tensor | float, high: Tensor | float) -> bytes:
    """Little-endian uint16: ``low`` … ``high`` becomes 0 … 65535, what lies outside is clamped, nan is 0."""
    scaled = ((values - low) / (high - low) * 65535).nan_to_num(nan=0.0).clamp(0, 65535).round()
    data: bytes = scaled.contiguous().numpy().astype("<u2").tobytes()
    return data


# Views by the notebook cell that made them. ipywidgets never drops a widget by itself, so that each new run
# of a cell would leave megabytes behind.
_by_cell: dict[str, tuple[str, list[Widget]]] = {}


def close_predecessors(view: Widget) -> None:
    """Close the views that an earlier run of this cell made."""
    cell, run = _where()
    if cell is None:
        return
    last_run, views = _by_cell.get(cell, (run, []))
    if last_run != run:
        for old in views:
            old.close()
        views = []
    _by_cell[cell] = (run, [*views, view])


def _where() -> tuple[str | None, str]:
    """The id of the cell that runs, if the front end tells it, and the id of this run of it."""
    shell = get_ipython()
    if shell is None or not hasattr(shell, "get_parent"):
        return None, ""
    parent = shell.get_parent()
    return parent.get("metadata", {}).get("cellId"), parent.get("header", {}).get("msg_id", "")
