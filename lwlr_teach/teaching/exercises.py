"""Exercises: the learner writes a rule, and is told whether it is right or what exactly is wrong.

An answer is compared with the reference on many random problems, over several steps, in all tensors. If it is
wrong, it is compared with every known variant and mistake, so that the message can name what was done. The
same mistakes are the tests of the checker: each of them must be caught, with its own message.
"""

from __future__ import annotations

import _thread
import contextlib
import copy
import inspect
import io
import linecache
import math
import signal
import textwrap
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lwlr_teach.core.checks import check_choice
from lwlr_teach.core.javascript import NotJavaScript
from lwlr_teach.optim import Method, from_rule, to_javascript
from lwlr_teach.runs import sweep
from lwlr_teach.teaching.bank import EXERCISES
from lwlr_teach.teaching.items import Exercise
from lwlr_teach.teaching.progress import Record, note, read_progress
from lwlr_teach.views.help.view import HelpView

PROBLEMS = 12
WIDTH = 88  # characters, of what is printed
FEW = 24  # numbers of an argument that are shown
# A machine with much to do takes five for the first `torch.optim` alone, which imports the compiler.
SECONDS = 20.0


@dataclass(frozen=True)
class Verdict:
    """What the checker found: ``kind`` is right, wrong or missing; ``says`` is for the learner."""

    kind: str
    says: str

    @property
    def line(self) -> str:
        """The first line that is printed."""
        return {"right": "✔ right", "wrong": "✘ not yet", "missing": "… not written yet"}[self.kind]


def judge(exercise: Exercise, answer: object) -> Verdict:
    """Compare an answer with the reference, then with everything known.

    Never raises, whatever the answer does; only the learner's own interrupt goes through.
    """
    if answer is None or answer is Ellipsis:
        return Verdict("missing", exercise.asks)
    if not callable(answer):
        return Verdict(
            "wrong", f"check needs your function itself, not {_short(answer)}. Give it without ( )."
        )
    misfit = _misfit(exercise, answer)
    if misfit:
        return Verdict("wrong", misfit)
    problems = [exercise.problem(torch.Generator().manual_seed(seed)) for seed in range(PROBLEMS)]
    try:
        with _guarded(answer) as guarded:
            given = [_play(exercise, guarded, problem) for problem in problems]
    except NotImplementedError:
        return Verdict("missing", exercise.asks)
    except _Endless:
        return Verdict(
            "wrong",
            f"Your function did not come to an end within {SECONDS:.0f} seconds. Does a loop never stop?",
        )
    except _Changed as changed:
        return Verdict(
            "wrong", f"Your function changes its argument {changed} in place. Return a new tensor."
        )
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # whatever a learner's code raises, sys.exit() included
        return Verdict("wrong", _explain(error))
    if any(value is None or value is Ellipsis for result in given for value in result.values()):
        return Verdict("missing", f"{exercise.asks} Your function returns nothing so far.")
    wanted = [exercise.play(exercise.answer, copy.deepcopy(problem)) for problem in problems]
    if all(map(_agree, given, wanted)):
        return Verdict("right", exercise.right)
    for known in exercise.known:
        # One problem after the other: the first tells most of them apart.
        if all(_gives(exercise, known.answer, *pair) for pair in zip(problems, given, strict=True)):
            return Verdict("right" if known.passes else "wrong", known.says)
    return Verdict("wrong", _what_differs(exercise, given, wanted, problems))


def check(name: str, answer: object) -> Help:
    """Say whether ``answer`` solves the exercise; the first line is right, not yet, or not written yet.

    What comes back are buttons for the hints and the solution, or once it is right for the solution alone.
    Give it as the last line of a cell.
    """
    exercise = find_exercise(name)
    verdict = judge(exercise, answer)
    print(verdict.line)
    print(_wrapped(verdict.says))
    if verdict.kind == "wrong":
        print(_wrapped(f"The task: {exercise.asks}"))

    def count(record: Record) -> None:
        kept = _entry(record, name)
        if not kept["passed"]:
            kept["tries"] += 1
            kept["passed"] = verdict.kind == "right"

    if verdict.kind != "missing":
        note(count)
    return Help(exercise, hints=exercise.hints if verdict.kind != "right" else ())


def _wrapped(text: str) -> str:
    """A text in lines of a page's width: JupyterLab would break them within words. Code stays as it is."""
    lines = text.splitlines()
    return "\n".join(
        line if line[:1].isspace() else textwrap.fill(line, WIDTH, break_long_words=False) for line in lines
    )


class Help(HelpView):
    """The help for an exercise. What was looked at is noted, and hints stay when it is made again."""

    def __init__(self, exercise: Exercise, hints: tuple[str, ...]) -> None:
        self.exercise = exercise
        kept = read_progress()["exercises"].get(exercise.name, {})
        super().__init__(hints, exercise.solution, shown=kept.get("hints", 0))
        self.observe(self._note, ["hints", "solved"])

    def _note(self, _: Any) -> None:
        hints, solved = self.hints, self.solved

        def put(record: Record) -> None:
            kept = _entry(record, self.exercise.name)
            kept["hints"] = max(hints, kept["hints"])
            kept["solution"] = max(int(solved), kept.get("solution", 0))

        note(put)


def yours(name: str, answer: object) -> list[Method]:
    """The method of an answer that is right, to run in a picture beside ours; else nothing, and a word why.

    ``SurfaceView("quadratic", ["SGD", *yours("01-step", step)])``. Only for exercises that ask for a step.
    """
    exercise = find_exercise(name)
    if exercise.rule is None:
        able = ", ".join(key for key, other in EXERCISES.items() if other.rule)
        raise ValueError(f"exercise must ask for the step of a method, as {able} do, got {name!r}")
    if judge(exercise, answer).kind != "right":
        print("Once check says that it is right, run this cell again: then your own function runs here, too.")
        return []
    assert callable(answer)
    method = from_rule(exercise.rule(answer))
    try:
        to_javascript(method)
        sweep("quadratic", [method], lr=[0.1], steps=1, progress=False)
    except (NotJavaScript, RuntimeError) as error:
        print(
            f"Your function is right, but a picture cannot run it. Write it with +, − and * alone. ({error})"
        )
        return []
    return [method]


def find_exercise(name: str) -> Exercise:
    """The exercise of this name; ValueError with the nearest names otherwise."""
    return check_choice("exercise", name, EXERCISES)


def _entry(record: Record, name: str) -> dict[str, Any]:
    """What is noted of an exercise, complete."""
    kept: dict[str, Any] = {"tries": 0, "passed": False, "hints": 0} | record["exercises"].get(name, {})
    record["exercises"][name] = kept
    return kept


class _Endless(Exception):
    pass


class _Changed(Exception):
    pass


class _Nowhere(io.TextIOBase):
    """What is printed here is forgotten, also when there is no end to it."""

    def write(self, text: str) -> int:
        return len(text)


@contextlib.contextmanager
def _guarded(answer: Callable[..., Any]) -> Iterator[Callable[..., Any]]:
    """The answer, hidden in what it prints, and interrupted when it does not end."""
    fired = threading.Event()

    def guarded(*args: Any) -> Any:
        if fired.is_set():  # the learner's code has swallowed the interrupt
            raise _Endless
        return answer(*args)

    def interrupt() -> None:
        fired.set()
        if hasattr(signal, "pthread_kill"):  # wakes a sleep, too
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
        else:
            _thread.interrupt_main()

    timer = threading.Timer(SECONDS, interrupt)
    in_main = threading.current_thread() is threading.main_thread()
    nowhere = _Nowhere()
    # A process that was started in the background may ignore interrupts, and would never be woken.
    before = signal.signal(signal.SIGINT, signal.default_int_handler) if in_main else None
    try:
        if in_main:
            timer.start()
        with contextlib.redirect_stdout(nowhere), contextlib.redirect_stderr(nowhere):
            yield guarded
        if fired.is_set():
            raise _Endless
    except KeyboardInterrupt:
        if fired.is_set():
            raise _Endless from None
        raise
    finally:
        timer.cancel()
        if before is not None:
            signal.signal(signal.SIGINT, before)


def _misfit(exercise: Exercise, answer: Callable[..., Any]) -> str | None:
    """What to say to somebody whose function does not take what it is given; None if it does."""
    wanted = inspect.signature(exercise.answer).parameters
    try:
        signature = inspect.signature(answer)
    except (TypeError, ValueError):  # some functions of C do not tell
        return None
    try:
        signature.bind(*wanted)
    except TypeError:
        call = f"{exercise.answer.__name__}({', '.join(wanted)})"
        return f"Your function is called as {call}, but it takes {signature}."
    return None


def _play(exercise: Exercise, answer: Callable[..., Any], problem: dict[str, Any]) -> dict[str, Any]:
    used = copy.deepcopy(problem)
    result = exercise.play(answer, used)
    for name, before in problem.items():
        if isinstance(before, Tensor) and not _same(before, used[name]):
            raise _Changed(exercise.each.get(name, (name,))[0])
    return result


def _same(before: Tensor, after: Tensor) -> bool:
    """Whether no entry changed; a nan is the same as a nan."""
    if before.shape != after.shape:
        return False
    return bool(torch.isclose(before, after, rtol=0, atol=0, equal_nan=True).all())


def _gives(
    exercise: Exercise, answer: Callable[..., Any], problem: dict[str, Any], wanted: dict[str, Any]
) -> bool:
    """Whether a known answer gives this; one that cannot be run on the problem does not."""
    try:
        return _agree(wanted, exercise.play(answer, copy.deepcopy(problem)))
    except Exception:
        return False


def _agree(mine: dict[str, Any], theirs: dict[str, Any]) -> bool:
    return next(_differences(mine, theirs), None) is None


def _what_differs(
    exercise: Exercise,
    given: list[dict[str, Any]],
    wanted: list[dict[str, Any]],
    problems: list[dict[str, Any]],
) -> str:
    """Of a problem in which two results differ: where first, where most, and what was asked.

    Of such problems it is the one with the fewest numbers, so that it can be done again by hand; where no
    number is wrong but the kind of the answer, or its shape, it is the first. Steps build on each other, so
    that the first difference is the cause; elsewhere the largest tells more.
    """
    differ = []
    for mine, theirs, problem in zip(given, wanted, problems, strict=True):
        found = list(_differences(mine, theirs))
        if found:
            differ.append((sum(map(_count, problem.values())), found, problem))
    _, found, problem = differ[0]
    if all(away < math.inf for away, _ in found):
        _, found, problem = min(differ, key=lambda one: one[0])
    first, most = found[0], max(found, key=lambda pair: pair[0])
    asked = ", ".join(f"{_named(exercise, name)} = {_brief(value)}" for name, value in problem.items())
    parts = [first[1], *[most[1]] * (most[0] > 2 * first[0]), f"(Asked with {asked}.)"]
    return "\n".join(parts)


def _named(exercise: Exercise, name: str) -> str:
    """What an argument is called; of one that is another in each call, also what has one of these."""
    if name not in exercise.each:
        return name
    argument, what = exercise.each[name]
    return f"{argument} (one a {what})"


def _differences(mine: dict[str, Any], theirs: dict[str, Any]) -> Iterator[tuple[float, str]]:
    """How far two results are apart in each of their parts that differs, and in words."""
    # What was played and is not known here says how many values there should be.
    for name in mine:
        if name not in theirs:
            yield math.inf, f"Return {name}."
    for name, right in theirs.items():
        found = mine.get(name)
        if found is None:
            yield math.inf, f"{name} is missing."
            continue
        if isinstance(found, list | tuple):
            yield math.inf, _about_a_list(name, found, right)
            continue
        try:
            value = _as_number(found)
        except Exception:  # text, an object
            yield math.inf, f"{name} should be {_kind(right)}, and is {_short(found)}."
            continue
        target = torch.as_tensor(right, dtype=torch.float64)
        if value.shape != target.shape:
            text = f"{name} has the shape {tuple(value.shape)}; it should be {tuple(target.shape)}."
            yield math.inf, text
            continue
        # Who computes in single precision is right as far as that goes.
        rtol, atol = (1e-5, 1e-6) if _is_single(found) else (1e-9, 1e-12)
        close = torch.isclose(value, target, rtol=rtol, atol=atol, equal_nan=True)
        if not close.all():
            away = ((value - target).abs() / target.abs().clamp(min=1e-3)).nan_to_num(nan=math.inf)
            i = int(away.masked_fill(close, -1).flatten().argmax())
            is_now, should_be = value.flatten()[i].item(), target.flatten()[i].item()
            digits = next(d for d in (4, 10, 17) if f"{is_now:.{d}g}" != f"{should_be:.{d}g}" or d == 17)
            rounded = "" if digits == 4 else " Is something rounded, as to float32, or a tiny number added?"
            said = [
                str(bool(x)) if isinstance(right, bool) and x in (0, 1) else f"{x:.{digits}g}"
                for x in (is_now, should_be)
            ]
            text = f"{_entry_of(name, target, i)} is {said[0]} where it should be {said[1]}.{rounded}"
            yield away.flatten()[i].item(), text


def _about_a_list(name: str, found: Sequence[Any], right: Any) -> str:
    """What to say of a list where a tensor is expected: which part of it would be right, if one would."""
    text = f"{name} should be {_kind(right)}, and is a {type(found).__name__} of {len(found)}."
    for part, advice in (
        (lambda: torch.stack([torch.as_tensor(value) for value in found]), "As a tensor it"),
        (lambda: found[-1], "Its last entry" if len(found) > 1 else "Its only entry"),
        (lambda: found[0], "Its first entry"),
    ):
        try:
            fits = _agree({name: part()}, {name: right})
        except Exception:  # an empty list, entries of several shapes
            fits = False
        if fits:
            return f"{text} {advice} would be right."
    return text


def _entry_of(name: str, target: Tensor, i: int) -> str:
    """The part's name; of one with several entries, which of them is meant."""
    if target.numel() < 2:
        return name
    place = ", ".join(str(int(k)) for k in torch.unravel_index(torch.tensor(i), target.shape))
    return f"{name}, entry [{place}],"


def _kind(right: Any) -> str:
    if isinstance(right, bool):
        return "True or False"
    return "a tensor" if torch.as_tensor(right).ndim else "a number"


def _count(value: Any) -> int:
    """How many numbers an argument has."""
    if isinstance(value, Tensor):
        return value.numel()
    return sum(map(_count, value)) if isinstance(value, list | tuple) else 1


def _brief(value: Any) -> str:
    """As many numbers as one can work with by hand; of more, how many."""
    if isinstance(value, Tensor) and value.numel() > FEW:
        return f"a tensor of shape {tuple(value.shape)}"
    if isinstance(value, Tensor):
        return _brief(value.tolist())
    if isinstance(value, list | tuple):
        more = [f"and {len(value) - FEW} more"] * (len(value) > FEW)
        return f"[{', '.join([*map(_brief, value[:FEW]), *more])}]"
    return f"{value:.4g}" if isinstance(value, float) else _text(value, repr)[:60]


def _as_number(found: object) -> Tensor:
    """A number, a tensor or an array in double precision; an error for anything else."""
    if isinstance(found, list | tuple | str | complex) or torch.is_complex(torch.as_tensor(found)):
        raise TypeError
    return torch.as_tensor(found, dtype=torch.float64).detach().cpu().to_dense()


def _is_single(value: object) -> bool:
    return str(getattr(value, "dtype", "")).endswith("float32")  # of torch and of NumPy


def _explain(error: BaseException) -> str:
    """The error, and the learner's own line in which it came up."""
    text = f"Your function stopped with {type(error).__name__}: {_text(error, str)}".rstrip(": ")
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        line = linecache.getline(frame.filename, frame.lineno or 0).strip()
        if line and not frame.filename.startswith(_PACKAGE) and "site-packages" not in frame.filename:
            return f"{text}\nin the line: {line}"
    return text


_PACKAGE = str(Path(__file__).parents[1])


def _short(value: object) -> str:
    text = _text(value, repr)
    return f"{text if len(text) < 60 else text[:57] + '…'} (type {type(value).__name__})"


def _text(value: object, write: Callable[[object], str]) -> str:
    """The value in one line; a learner's class may fail even at that."""
    try:
        return " ".join(write(value).split())
    except Exception:
        return "something"
