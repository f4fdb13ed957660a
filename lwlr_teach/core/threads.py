"""Threads and interruptions: how a long computation shares the machine, and where it may be stopped."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch


@contextmanager
def one_thread() -> Iterator[None]:
    """Keep torch to one thread: for networks this small more are no faster, and when another program runs
    beside them they wait for one another, which was measured to take forty times as long."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def unbroken() -> Iterator[None]:
    """Hold an interruption back to the end of the block, so that no step is half taken; but not a second."""
    interrupt = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or interrupt is None:
        yield  # no other thread is interrupted; and a handler that is not Python's cannot be put back
        return
    held: list[Any] = []

    def hold(*signal_and_frame: Any) -> None:
        held.extend(signal_and_frame)
        signal.signal(signal.SIGINT, interrupt)

    signal.signal(signal.SIGINT, hold)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, interrupt)
    if held and callable(interrupt):
        interrupt(*held)
