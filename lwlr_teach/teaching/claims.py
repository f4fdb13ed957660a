"""Claims: a measured sentence and the condition that makes it true, in one call."""

from __future__ import annotations


def claim(sentence: str, holds: object) -> None:
    """Print the sentence if it holds; otherwise fail, so that a notebook never states what its run denies.

    ``holds`` is anything with a truth value, for example a comparison of measured numbers. The sentence
    should carry those numbers, rounded so that another machine prints the same.
    """
    if not holds:
        raise AssertionError(
            f"this run says otherwise: {sentence!r} does not hold (the condition is {holds!r})"
        )
    print(sentence)
