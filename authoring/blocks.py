"""What a program writes into a text of ours: the lines from ``<!-- NAME -->`` to ``<!-- end of NAME -->``."""

from __future__ import annotations

from pathlib import Path


def read(file: Path, name: str) -> str:
    """The block of that name, without its marks; ValueError if there is not exactly one."""
    return "\n".join(_parts(file, name)[1])


def write(file: Path, name: str, block: str) -> None:
    """Put ``block`` in the place of the block of that name; ValueError if there is not exactly one."""
    before, _, after = _parts(file, name)
    file.write_text("\n".join([*before, block, *after]), encoding="utf-8", newline="\n")


def _parts(file: Path, name: str) -> tuple[list[str], list[str], list[str]]:
    """The lines up to the first mark, those of the block, and those from the second mark on."""
    first, last = f"<!-- {name} -->", f"<!-- end of {name} -->"
    lines = file.read_text("utf-8").split("\n")
    if [line for line in lines if line in (first, last)] != [first, last]:
        raise ValueError(f"{file} needs one line {first} and, after it, one line {last}")
    start, end = lines.index(first) + 1, lines.index(last)
    return lines[:start], lines[start:end], lines[end:]
