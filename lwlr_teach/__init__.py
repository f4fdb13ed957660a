"""Courseware about one number, the learning rate: readable optimizers, loss surfaces, live pictures.

Every method of the course is one line with four choices in it::

    p  ←  p − rate(t) · scale(layer) · direction( clip(g) )

Import what you need from its room: ``lwlr_teach.optim``, ``lwlr_teach.surfaces``, ``lwlr_teach.sweep``,
``lwlr_teach.race``, ``lwlr_teach.views``. The numerics never import a plotting library; only ``views`` does.
"""

import importlib
import importlib.util
from types import ModuleType

__version__ = "0.1.0"


def __getattr__(name: str) -> ModuleType:
    """A room, imported when it is first named: ``import lwlr_teach`` alone costs nothing."""
    if importlib.util.find_spec(f"{__name__}.{name}") is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return importlib.import_module(f"{__name__}.{name}")
