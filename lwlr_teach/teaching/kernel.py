"""The kernel of a lesson: what its first cell sets, so that a lesson is frugal and its claims have a name."""

from __future__ import annotations

import ctypes
import sys

import torch
from IPython.core.getipython import get_ipython

from lwlr_teach.teaching.claims import open_lesson
from lwlr_teach.teaching.progress import Record, note


def begin(lesson: str) -> None:
    """Note that a lesson was opened, and make its kernel frugal; the first code cell of each lesson calls it.

    Torch keeps to one thread. The lessons' networks are so small that a second one only waits for the first;
    what that costs when another program runs beside them says :func:`lwlr_teach.core.threads.one_thread`. And
    what a cell has freed is given back to the system, so that two lessons fit into the 2 GB of a free server.
    """
    torch.set_num_threads(1)
    shell = get_ipython()
    if shell is not None:
        shell.events.register("post_run_cell", _give_memory_back)  # once, however often it is registered

    open_lesson(lesson)

    def put(record: Record) -> None:
        record["claims"].pop(lesson, None)  # what its last run denied
        kept = record["lessons"].setdefault(lesson, {})
        kept["opened"] = kept.get("opened", 0) + 1

    note(put)


def _give_memory_back(_: object = None) -> None:
    """glibc keeps what was freed: a hundred megabytes after lesson 01 has trained a thousand networks."""
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # other C libraries have no such function
        if trim is not None:
            trim(0)
