"""The learner's desk: a copy of the lessons in a folder of its own, where nothing of a learner's is overwritten.

    python -m lwlr_teach.teaching.desk      lays out my-lessons/, beside lessons/, and says what it did

A lesson that was not touched follows the course. Beside one that was changed the course's newer version is laid
under another name. A lesson that was deleted comes back: so one begins it again.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
LESSONS, DESK = ROOT / "lessons", ROOT / "my-lessons"
PROGRESS = "lwlr-progress.json"
_RECORD = ".copied.json"
"""Notes of each file on the desk which version was put there, so that a changed one is known."""


def lay_out(lessons: Path, desk: Path) -> list[str]:
    """Make or complete the desk; returns what happened, a line each, nothing if all was there.

    Raises FileNotFoundError where there are no lessons to copy.
    """
    sources = [*sorted(lessons.glob("*.ipynb")), lessons / "README.md"]
    if len(sources) == 1:
        raise FileNotFoundError(f"there are no lessons in {lessons}; run this in a clone of the repository")
    desk.mkdir(exist_ok=True)
    record = _read(desk / _RECORD)
    said = [line for source in sources for line in _lay(source, desk, record)]
    progress = lessons / PROGRESS
    if progress.is_file() and not (desk / PROGRESS).exists():
        _copy(progress, desk / PROGRESS)
        said.append(f"What you did in {lessons.name}/ so far was taken along.")
    if record != _read(desk / _RECORD):
        _replace(desk / _RECORD, json.dumps(record, indent=1).encode())
    return said


def _lay(source: Path, desk: Path, record: dict[str, str]) -> list[str]:
    """Put one file on the desk, or its newer version beside the learner's."""
    target, version = desk / source.name, _version(source)
    if not target.exists() or _untouched(target, record):
        changed = not target.exists() or _version(target) != version
        if changed:
            _copy(source, target)
        record[target.name] = version
        return [f"{target.name} is there."] if changed else []
    if target.is_file() and _version(target) == version:  # copied, but not noted: it was interrupted
        record[target.name] = version
        return []
    if version in record.values():  # the learner has had this version, and went on from it, or has it beside
        return []
    beside = _free(target, record)
    _copy(source, beside)
    record[beside.name] = version
    return [f"{target.name} is yours and stays; the course has a newer one, which is {beside.name}."]


def _untouched(path: Path, record: dict[str, str]) -> bool:
    return path.is_file() and _version(path) == record.get(path.name)


def _free(target: Path, record: dict[str, str]) -> Path:
    """A name beside the target under which nothing of the learner's stands."""
    number = 1
    while True:
        again = "" if number == 1 else f" {number}"
        path = target.with_name(f"{target.stem} (new{again}){target.suffix}")
        if not path.exists() or _untouched(path, record):
            return path
        number += 1


def _version(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _read(path: Path) -> dict[str, str]:
    """What was noted; nothing if that cannot be read, and then all that differs counts as the learner's."""
    try:
        found = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return {str(name): str(version) for name, version in found.items()} if isinstance(found, dict) else {}


def _copy(source: Path, target: Path) -> None:
    _replace(target, source.read_bytes())


def _replace(target: Path, content: bytes) -> None:
    """Write a file wholly or not at all."""
    part = target.with_name(f".{target.name}.part")
    part.write_bytes(content)
    os.replace(part, target)


def main() -> int:
    """Lay out the desk of this clone and say where it is."""
    try:
        said = lay_out(LESSONS, DESK)
    except OSError as error:
        print(f"my-lessons cannot be laid out: {error}", file=sys.stderr)
        return 1
    if len(said) > 3 and not any("yours" in line for line in said):
        said = [f"{len(said)} files were copied."]
    print(
        "\n".join(
            [*said, f"Your lessons are in {DESK}. Git does not see them; `git pull` leaves them alone."]
        )
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
