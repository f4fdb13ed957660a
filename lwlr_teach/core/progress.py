"""The bar that a long computation shows."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from tqdm.auto import tqdm as Bar

__all__ = ["Bar", "progress_bar"]


@contextmanager
def progress_bar(says: str, total: int | None, *, shown: bool = True) -> Iterator[Bar]:
    """A bar of so many steps, for a ``with`` block; it appears after a second and goes away in the end.

    Where ``TQDM_DISABLE=1`` is in the environment there are no bars. ``total=None`` counts without an end. An
    interruption goes on to whoever catches it outside the block.
    """
    hidden = not shown or bool(os.environ.get("TQDM_DISABLE"))  # tqdm's own for notebooks does not look there
    with Bar(total=total, desc=says, delay=1, leave=False, disable=hidden) as bar:
        try:
            yield bar
        except KeyboardInterrupt:
            bar.total = bar.n  # else a notebook keeps the bar, in red
            raise
