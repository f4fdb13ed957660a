"""What a learner has done so far, in one small file beside the lessons. It never leaves the machine."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

FILE = "lwlr-progress.json"
VERSION = 1
Record = dict[str, dict[str, Any]]
Change = Callable[[Record], None]


def _is_count(value: object) -> bool:
    return isinstance(value, int) and value >= 0


def _is_percentage(value: object) -> bool:
    return isinstance(value, int | float) and 0 <= value <= 100


def _is_truth(value: object) -> bool:
    return isinstance(value, bool)


def _is_text(value: object) -> bool:
    return isinstance(value, str)


# The parts of a record, and what the lessons count with in the entries of each. What else is there is kept.
_PARTS: dict[str, dict[str, Callable[[object], bool]]] = {
    "lessons": {"opened": _is_count},
    "predictions": {
        "confidence": _is_percentage,
        "right": _is_truth,
        "asks": _is_text,
        "compared": _is_text,
    },
    "exercises": {"tries": _is_count, "passed": _is_truth, "hints": _is_count},
    "explanations": {"said": _is_text},
    "recall": {"right": _is_count, "wrong": _is_count, "turn": _is_count},
    "claims": {},
}

# What could not be written yet (a full disk, a folder that one may only read), in the order of the notes.
_unsaved: dict[Path, list[Change]] = {}


def progress_file() -> Path:
    """``lwlr-progress.json`` in the folder of the notebook, or the file that ``LWLR_PROGRESS`` names.

    A symbolic link stands for the file it leads to.
    """
    return Path(os.path.realpath(os.environ.get("LWLR_PROGRESS", FILE)))


def read_progress() -> Record:
    """Everything noted so far: lessons, predictions, exercises, explanations, recall, and claims that did not
    hold here."""
    path = progress_file()
    record, damage = _empty(), ""
    try:
        record, damage = _load(path)
    except (OSError, _Newer) as error:
        damage = str(error)
    if damage and path not in _unsaved:
        _save(path, [])  # sets a damaged file aside, one process at a time
        return read_progress()
    for change in _unsaved.get(path, []):
        change(record)
    return record


def note(change: Change) -> None:
    """Let ``change`` alter the record, and write it: all of it or nothing, and one notebook after the other.

    What is damaged is set aside, so that nothing in it is lost; a file of a newer version is left alone. What
    cannot be written lives as long as the kernel, and is written with a later note as soon as that works.
    A warning says each of them once.
    """
    _save(progress_file(), [change])


def _save(path: Path, changes: list[Change]) -> None:
    """Apply these changes, and before them all that are unsaved, to what the file holds now."""
    failed_before = path in _unsaved
    changes = [*_unsaved.get(path, []), *changes]
    said = ""
    try:
        with FileLock(f"{path}.lock", timeout=1 if failed_before else 10):
            record, damage = _load(path)
            for change in changes:
                change(record)
            aside = _free_name(path) if damage else None
            _write(path, record, aside)
        if aside:
            said = f"{path.name} {damage}; all of it is kept as {aside.name}"
        if _unsaved.pop(path, None):
            print(f"Your progress is saved again, all of it, in {path}.")
    except (OSError, Timeout, _Newer) as error:
        _unsaved[path] = changes
        if not failed_before:
            why = getattr(error, "strerror", None) or error
            said = (
                f"Your progress cannot be written to {path} ({why}). It is kept until this kernel ends, "
                "and written with your next answer if that works again."
            )
    if said:
        warnings.warn(said, stacklevel=3)


class _Newer(Exception):
    """The file is in a form that is not known here, and must not be touched."""


def _empty() -> Record:
    return {part: {} for part in _PARTS}


def _load(path: Path) -> tuple[Record, str]:
    """The record in the file as far as it can be used, and what is wrong with the rest: empty if nothing is.

    Parts that are not known here stay in it as they are.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return _empty(), ""
    except (ValueError, RecursionError) as error:
        return _empty(), f"cannot be read ({error}), and progress starts anew"
    if not isinstance(found, dict):
        return _empty(), "cannot be read (it is not a record of progress), and progress starts anew"
    version = found.pop("version", VERSION)
    if isinstance(version, int | float) and version > VERSION:
        raise _Newer(f"a newer version, {version}, of these lessons wrote this file, so it stays as it is")
    record = _empty() | found
    nonsense = [] if isinstance(version, int) else ["version"]
    for part in _PARTS:
        record[part], rest = _usable(part, record[part])
        nonsense += rest
    if not nonsense:
        return record, ""
    listed = ", ".join(nonsense[:3]) + (", …" if len(nonsense) > 3 else "")
    return record, f"holds entries that no lesson wrote ({listed}), and only the rest is used"


def _usable(part: str, found: object) -> tuple[dict[str, Any], list[str]]:
    """What the lessons can use of a part, and the names of the rest."""
    if not isinstance(found, dict):
        return {}, [part]
    checks, usable, nonsense = _PARTS[part], {}, []
    for name, entry in found.items():
        fields = entry.items() if isinstance(entry, dict) else ()
        good = {field: value for field, value in fields if field not in checks or checks[field](value)}
        if good != entry:
            nonsense.append(f"{part}: {name!r:.40}")
        if good:
            usable[name] = good
    return usable, nonsense


def _free_name(path: Path) -> Path:
    number = 1
    while (free := path.with_name(f"{path.stem}-damaged-{number}{path.suffix}")).exists():
        number += 1
    return free


def _write(path: Path, record: Record, aside: Path | None) -> None:
    """Write the record, and keep what was there as ``aside`` if that is given."""
    # Under the lock there is one writer; what a killed one left half-written is written over.
    unfinished = path.with_name(f"{path.name}.tmp")
    try:
        with unfinished.open("w", encoding="utf-8") as file:
            if path.exists():
                shutil.copymode(path, unfinished)
            json.dump({"version": VERSION} | record, file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        if aside:
            path.replace(aside)
        unfinished.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            unfinished.unlink(missing_ok=True)
        raise
