"""The bar that a long computation shows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tqdm.auto import tqdm as Bar

__all__ = ["Bar", "progress_bar"]


@contextmanager
def progress_bar(says: str, total: int | None, *, shown: bool = True) -> Iterator[Bar]:
    """A bar of so many steps, for a ``with`` block; it appears after a second and goes away in the end.

    ``total=None`` counts without an end. An interruption goes on to whoever catches it outside the block.
    """
    with Bar(total=total, desc=says, delay=1, leave=False, disable=not shown) as bar:
        try:
            yield bar
        except KeyboardInterrupt:
            bar.total = bar.n  # else a notebook keeps the bar, in red
            raise
