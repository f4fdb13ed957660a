"""The learner's desk: a copy of the lessons in a folder of the learner's own, my-lessons.

The copies have no outputs, so that no question stands above its answer; where a question will stand, and
where what it asks will be shown, there is an empty screen. What a learner changed is never written over. A
copy that is still as it was handed out follows the course; beside one that was changed, the course's newer
version is put under a name of its own, once. What was deleted comes back, so that a lesson can be started
again. To tell these apart, a hidden file in the folder keeps the hashes of all that was handed out.

It imports nothing but the standard library: it runs before every start of JupyterLab, and torch alone would
take seconds.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path

from lwlr_teach.command.files import handed_out

LESSONS = handed_out("lessons")
FIRST = "00-start-here.ipynb"
NAME = "my-lessons"

README = "README.md"
AUTHORS = "\n## For authors and teachers\n"
"""The heading in the README of the lessons at which the learners' part of it ends."""

PREDICTS, REVEALS = re.compile(r"\bpredict_\w+\("), re.compile(r"\.reveal\(")
ASKS = re.compile(rf"{PREDICTS.pattern}|\bexplain\(")
TEXT_ASKS = re.compile(r"\*\*[^*]*\?[^*]*\*\*")
"""A question of the text is bold, as all that it sets to do."""
PICTURES = r"\w+View|Microscope"
SHOWS = re.compile(rf"\b({PICTURES})\(")
GAP = 35
"""So many lines are a screen."""

PROGRESS = "lwlr-progress.json"  # as in lwlr_teach.teaching.progress, which would import torch
RECORD = ".lwlr-desk.json"
Record = dict[str, list[str]]
"""For each file, the hashes of the versions of it that were handed out."""

# What can become of a file, as the learner is told; of one that stays as it is there is nothing to tell.
COPIED = "Copied"
UPDATED = "Brought up to date"
BESIDE = "Yours stays, with your work in it; the course's newer version is beside it"
HELD = "Yours stays, because the one in the course's folder was changed there"
FAILED = "Could not be copied"
STAYS = ""


def usual_desk() -> Path:
    """The desk that is meant where none is named: the one that one stands in, or my-lessons below."""
    here = Path.cwd()
    return here if (here / RECORD).is_file() else here / NAME


def copy_to(folder: Path) -> None:
    """Lay out the desk, and say where it is and what is new on it; end with a line that says why not."""
    try:
        said = lay_out(LESSONS, folder)
    except OSError as error:
        raise SystemExit(f"The lessons cannot be copied to {folder}: {error}") from None
    print("\n".join(said), flush=True)


def lay_out(lessons: Path, desk: Path) -> list[str]:
    """Make or complete the copy of ``lessons`` in the folder ``desk``; return the lines to tell the learner.

    A file that cannot be copied keeps none of the others back. Raises OSError if there is nothing to copy, or
    no folder to copy it to.
    """
    files = names(lessons)
    if files == [README]:
        raise FileNotFoundError(f"{lessons} holds no lessons (*.ipynb)")
    if desk.exists() and not desk.is_dir():
        raise NotADirectoryError("a file has that name, and a folder is needed; move the file away")
    desk.mkdir(exist_ok=True)
    record, lines = _read_record(desk / RECORD)
    try:
        happened = _hand_out_all(lessons, desk, files, record)
        lines += _take_progress(lessons / PROGRESS, desk / PROGRESS, record)
    finally:  # also after Ctrl+C
        lines += _write_record(desk / RECORD, record)
    return [f"Your lessons are in {desk}", *happened, *lines]


def names(lessons: Path) -> list[str]:
    """What a learner is given of the folder of the lessons: the notebooks and the README."""
    return [*sorted(path.name for path in lessons.glob("*.ipynb")), README]


def _content(path: Path) -> bytes:
    """What is copied of a file: the learners' part of the README; a notebook without its outputs, which would
    answer what it asks, unless somebody worked in it."""
    if path.name == README:
        return (path.read_text("utf-8").partition(AUTHORS)[0].rstrip() + "\n").encode()
    content = path.read_bytes()
    return content if _worked_in(content) else without_outputs(content)


def without_outputs(content: bytes) -> bytes:
    """The notebook as before it was run; what is none, as it is."""
    try:
        notebook = json.loads(content)
        cells = notebook["cells"]
        open_questions, shows = 0, False
        for cell, following in zip(cells, [*cells[1:], None], strict=True):
            if cell["cell_type"] != "code":
                shows = bool(TEXT_ASKS.search("".join(cell["source"])))
                continue
            source = "".join(cell["source"])
            open_questions += len(PREDICTS.findall(source))
            asks = bool(ASKS.search(source))
            shows |= bool(SHOWS.search(source))
            text_follows = following is not None and following["cell_type"] == "markdown"
            tells = text_follows and (open_questions > 0 or shows)
            open_questions -= len(REVEALS.findall(source))
            cell |= {"outputs": _gap(asks) if asks or tells else [], "execution_count": None}
    except (ValueError, LookupError, TypeError, RecursionError):
        return content
    return (json.dumps(notebook, indent=1, ensure_ascii=False) + "\n").encode()


def _gap(asks: bool) -> list[dict[str, object]]:
    """What stands below a cell that asks, or shows what was asked, until it is run: the text would tell."""
    says = "It asks a question, and what follows is the answer." if asks else "Do so before you read on."
    text = "\n".join([f"Run this cell. {says}"] + [""] * GAP)
    return [{"output_type": "stream", "name": "stdout", "text": text}]


def _worked_in(content: bytes) -> bool:
    """Whether a file of the lessons is a notebook that JupyterLab has saved.

    It holds what somebody did in that folder, perhaps before there was a desk. So the copy of it is the
    learner's work from the start: the course's own version must not replace it later. JupyterLab notes the
    version of Python when it saves; a build does not. Git would not do: who downloaded the course has none,
    or another repository around it, and an author's new builds are changes, too.
    """
    try:
        return "version" in json.loads(content)["metadata"]["language_info"]
    except (ValueError, LookupError, TypeError, RecursionError):
        return False


def _hand_out_all(lessons: Path, desk: Path, files: list[str], record: Record) -> list[str]:
    """Copy what is to be copied; a line for each thing that can become of a file."""
    told: dict[str, list[str]] = {what: [] for what in (COPIED, UPDATED, BESIDE, HELD, FAILED, STAYS)}
    for name in files:
        given = record.setdefault(name, [])
        try:
            content = _content(lessons / name)
            what, place = _hand_out(content, desk / name, given)
            told[what].append(place.name)
        except OSError as error:
            told[FAILED].append(f"{name} ({error})")
    told.pop(STAYS)
    return [f"{what}: {', '.join(places)}" for what, places in told.items() if places]


def _hand_out(content: bytes, copy: Path, given: list[str]) -> tuple[str, Path]:
    """Copy a version of a file to where it belongs; say what that was, and where. ``given`` remembers it."""
    version, worked_in = _hash(content), _worked_in(content)
    what, place = _decide(copy, version, given, worked_in=worked_in)
    if what in (COPIED, UPDATED, BESIDE):
        _write(place, content)
    if not worked_in and version not in given:
        given.append(version)
    return what, place


def _decide(copy: Path, version: str, given: list[str], *, worked_in: bool) -> tuple[str, Path]:
    """What is to be done with a version of a file, and at which place."""
    if not os.path.lexists(copy):
        return COPIED, copy
    if _hash_of(copy) == version:
        return STAYS, copy
    if worked_in:
        return HELD, copy
    if _is_untouched(copy, given):
        return UPDATED, copy
    if version in given:
        return STAYS, copy
    free = (
        path
        for path in _beside(copy)
        if not os.path.lexists(path) or _hash_of(path) == version or _is_untouched(path, given)
    )
    return BESIDE, next(free)


def _beside(path: Path) -> Iterator[Path]:
    """The names for newer versions of a file: ``x (new version).ipynb``, ``x (new version 2).ipynb``, …"""
    for number in itertools.count(1):
        yield path.with_stem(f"{path.stem} (new version{f' {number}' if number > 1 else ''})")


def _is_untouched(path: Path, given: list[str]) -> bool:
    """Whether a file is as it was handed out, and not one that the learner has locked."""
    return _hash_of(path) in given and bool(path.stat().st_mode & stat.S_IWUSR)


def _hash_of(path: Path) -> str:
    """The hash of what a file holds; empty for a folder, and for what cannot be read."""
    try:
        return _hash(path.read_bytes())
    except OSError:
        return ""


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _take_progress(old: Path, new: Path, record: Record) -> list[str]:
    """Continue with the progress that was made in the folder of the lessons, before there was a desk.

    Only once: who deletes the copy wants to begin anew. And only on the desk beside that folder: another
    desk is another learner's.
    """
    beside = old.resolve().parents[1] == new.resolve().parents[1]
    if not beside or PROGRESS in record or os.path.lexists(new) or not old.is_file():
        return []
    try:
        content = old.read_bytes()
        _write(new, content)
    except OSError as error:
        return [f"Your progress in {old} could not be copied ({error})"]
    record[PROGRESS] = [_hash(content)]
    return [f"Your progress goes on from a copy of {old}"]


def _read_record(path: Path) -> tuple[Record, list[str]]:
    """What was handed out before; with a line to tell if that cannot be read."""
    try:
        found = json.loads(path.read_bytes())
        if not (isinstance(found, dict) and all(map(_are_hashes, found.values()))):
            raise ValueError("it is not a list of copies")
    except FileNotFoundError:
        return {}, []
    except (OSError, ValueError, RecursionError) as error:
        return {}, [f"{path.name} cannot be read ({error}); what differs from the course counts as yours"]
    return found, []


def _are_hashes(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) and each for each in value)


def _write_record(path: Path, record: Record) -> list[str]:
    """Keep what was handed out; with a line to tell if that does not work."""
    try:
        _write(path, json.dumps(record, indent=1).encode())
    except OSError as error:
        return [f"{path.name} cannot be written ({error}); what is not up to date next time counts as yours"]
    return []


def _write(path: Path, content: bytes) -> None:
    """Write a file, all of it or nothing. What an interrupted run has left of it is written over."""
    unfinished = path.with_name(f".{path.name}.tmp")
    with unfinished.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)
