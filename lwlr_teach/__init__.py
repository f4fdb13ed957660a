"""Courseware about one number, the learning rate: readable optimizers, loss surfaces, live pictures.

Every method of the course is one line with four choices in it::

    p  ←  p − rate(t) · scale(layer) · direction( clip(g) )

Import what you need from its room, ``from lwlr_teach.runs import race``. The rooms, each of which imports
only from those before it::

    core                             the words that everything is written in
    clipping, layerwise, schedules   three of the four choices
    problems                         what is learned
    optim                            the fourth choice: a file a method, and the engine that runs them
    runs                             how it is run
    studies                          what one lesson measures
    views                            what draws: the only room that imports a plotting library
    teaching                         predictions, exercises, recall, claims
    command                          what ``lwlr-teach`` does in a terminal
"""

import importlib
import importlib.util
from types import ModuleType

__version__ = "1.0.0"


def __getattr__(name: str) -> ModuleType:
    """A room, imported when it is first named: ``import lwlr_teach`` alone costs nothing."""
    if importlib.util.find_spec(f"{__name__}.{name}") is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return importlib.import_module(f"{__name__}.{name}")
