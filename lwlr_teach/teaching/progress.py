"""What a learner has done so far, in one small file beside the lessons. It never leaves the machine."""

from __future__ import annotations

import contextlib
import copy
import json
import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

FILE = "lwlr-progress.json"
VERSION = 1
Record = dict[str, dict[str, Any]]

# Where a note cannot be written (a folder that one may only read), it is kept here until the kernel ends.
_in_memory: dict[Path, Record] = {}


def progress_file() -> Path:
    """``lwlr-progress.json`` in the folder of the notebook, or the file that ``LWLR_PROGRESS`` names."""
    return Path(os.environ.get("LWLR_PROGRESS", FILE)).absolute()


def read_progress() -> Record:
    """Everything noted so far: lessons, predictions, exercises, recall, and claims that did not hold here."""
    path = progress_file()
    if path not in _in_memory:
        try:
            return _load(path)
        except (OSError, _Damaged):
            note(lambda record: None)  # sets a damaged file aside, one process at a time
    return copy.deepcopy(_in_memory[path]) if path in _in_memory else _load(path)


def note(change: Callable[[Record], None]) -> None:
    """Let ``change`` alter the record, and write it: all of it or nothing, and one notebook after the other.

    A file that is damaged is set aside, so that nothing in it is lost. In a folder that cannot be written the
    record lives as long as the kernel. A warning says either once.
    """
    path = progress_file()
    if path in _in_memory:
        change(_in_memory[path])
        return
    said = ""
    try:
        with FileLock(f"{path}.lock", timeout=10):
            try:
                record = _load(path)
            except _Damaged as damage:
                record = _empty()
                said = f"{path.name} cannot be read ({damage}); {_set_aside(path)}, and progress starts anew"
            change(record)
            _write(path, record)
    except (OSError, Timeout) as error:
        record = _empty()
        with contextlib.suppress(OSError, _Damaged):
            record = _load(path)
        _in_memory[path] = record
        change(record)
        said = f"your progress cannot be written to {path} ({error}); it is kept until this kernel ends"
    if said:
        warnings.warn(said, stacklevel=2)


class _Damaged(Exception):
    """Why a file is not a record of progress."""


def _empty() -> Record:
    return {"lessons": {}, "predictions": {}, "exercises": {}, "recall": {}, "claims": {}}


def _load(path: Path) -> Record:
    """The record in the file."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return _empty()
    except (ValueError, RecursionError) as error:
        raise _Damaged(str(error)) from None
    if not _is_record(found):
        raise _Damaged("it is not a record of progress")
    if found.get("version", VERSION) > VERSION:
        raise _Damaged(f"it was written by a newer version ({found['version']}) of these lessons")
    return _empty() | {part: found[part] for part in _empty() if part in found}


def _is_record(found: Any) -> bool:
    """Whether this is a record as ``_write`` writes it, as far down as the names of what was done."""
    if not isinstance(found, dict) or not isinstance(found.get("version", VERSION), int):
        return False
    parts = [found.get(part, {}) for part in _empty()]
    return all(isinstance(part, dict) and all(isinstance(x, dict) for x in part.values()) for part in parts)


def _set_aside(path: Path) -> str:
    number = 1
    while (kept := path.with_name(f"{path.stem}-damaged-{number}{path.suffix}")).exists():
        number += 1
    path.replace(kept)
    return f"it is kept as {kept.name}"


def _write(path: Path, record: Record) -> None:
    # Under the lock there is one writer; what a killed one left half-written is written over.
    unfinished = path.with_name(f"{path.name}.tmp")
    try:
        with unfinished.open("w", encoding="utf-8") as file:
            json.dump({"version": VERSION} | record, file, indent=1, ensure_ascii=False)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            unfinished.unlink(missing_ok=True)
        raise
