"""The checker is tested by wrong answers: each must be caught, each by its own message."""

import inspect
import math
import re
import signal
import sys
import time

import numpy as np
import pytest
import torch

from lwlr_teach.runs import sweep
from lwlr_teach.teaching import check, exercises, yours
from lwlr_teach.teaching.bank import EXERCISES
from lwlr_teach.teaching.course import COURSE
from lwlr_teach.teaching.exercises import find_exercise, judge
from lwlr_teach.teaching.items import Exercise, Known
from lwlr_teach.teaching.progress import read_progress
from lwlr_teach.views import SurfaceView

STEP, EDGE = EXERCISES["01-step"], EXERCISES["01-edge"]
KNOWN = [(exercise, i) for exercise in EXERCISES.values() for i in range(len(exercise.known))]
known_answers = pytest.mark.parametrize(
    ("exercise", "i"), KNOWN, ids=[f"{exercise.name}-{i}" for exercise, i in KNOWN]
)
all_exercises = pytest.mark.parametrize("exercise", EXERCISES.values(), ids=EXERCISES)


# --- what every exercise has --------------------------------------------------------------------------------


@all_exercises
def test_an_exercise_is_complete(exercise):
    assert EXERCISES[exercise.name] is exercise
    assert exercise.lesson in {lesson.name for lesson in COURSE}
    assert exercise.name.startswith(next(one.prefix for one in COURSE if one.name == exercise.lesson))
    assert sum(not known.passes for known in exercise.known) >= 8
    assert len(exercise.hints) >= 2
    assert exercise.asks.startswith("Write ")
    said = [exercise.right, *(known.says for known in exercise.known)]
    assert len(set(said)) == len(said)


@all_exercises
def test_the_solution_that_is_shown_is_right(exercise):
    shown = check(exercise.name, None)
    press(shown, solved=True)
    code = shown.plan["solution"]
    names = {"torch": torch, "Tensor": torch.Tensor, "math": math}
    exec(compile(code, "solution", "exec", dont_inherit=True), names)
    answer = names[exercise.answer.__name__]
    verdict = judge(exercise, answer)
    assert (verdict.line, verdict.says) == ("✔ right", exercise.right)
    assert read_progress()["exercises"][exercise.name]["solution"] == 1


@all_exercises
def test_what_is_asked_for_is_called_as_the_function_calls_it(exercise):
    """A learner knows the arguments; what the problem calls otherwise says which of them takes one of it."""
    arguments = set(inspect.signature(exercise.answer).parameters)
    asked = set(exercise.problem(torch.Generator().manual_seed(0)))
    assert set(exercise.each) == asked - arguments
    assert {argument for argument, _ in exercise.each.values()} <= arguments - asked


@known_answers
def test_every_known_answer_is_recognised_by_its_own_message(exercise, i):
    known = exercise.known[i]
    verdict = judge(exercise, known.answer)
    assert (verdict.kind, verdict.says) == ("right" if known.passes else "wrong", known.says)


@pytest.mark.slow
@known_answers
def test_every_known_answer_is_recognised_in_single_precision(exercise, i):
    """A learner's ``torch.tensor(…)`` is float32; that must neither hide a mistake nor change its name."""
    known = exercise.known[i]

    def single(*args):
        given = known.answer(*args)
        if isinstance(given, tuple):
            return tuple(torch.as_tensor(part).float() for part in given)
        return torch.as_tensor(given).float()

    verdict = judge(exercise, single)
    assert (verdict.kind, verdict.says) == ("right" if known.passes else "wrong", known.says)


@all_exercises
def test_a_problem_is_the_same_each_time_and_another_from_seed_to_seed(exercise):
    def draw(seed):
        return repr(exercise.problem(torch.Generator().manual_seed(seed)))

    assert draw(3) == draw(3)
    assert len({draw(seed) for seed in range(exercises.PROBLEMS)}) == exercises.PROBLEMS


# --- answers that are right ---------------------------------------------------------------------------------


def loop(p, g, lr):
    result = torch.empty_like(p)
    for i in range(p.numel()):
        result.view(-1)[i] = p.reshape(-1)[i] - lr * g.reshape(-1)[i]
    return result


def in_place_on_a_copy(p, g, lr):
    p = p.clone()
    p -= lr * g
    return p


def through_an_optimizer(p, g, lr):
    q = p.clone().requires_grad_()
    q.grad = g.clone()
    torch.optim.SGD([q], lr).step()
    return q


class Step:
    def __call__(self, p, g, lr):
        return p - lr * g


RIGHT = {
    "another order": (STEP, lambda p, g, lr: -lr * g + p),
    "sub": (STEP, lambda p, g, lr: p.sub(lr * g)),
    "sub with alpha": (STEP, lambda p, g, lr: torch.sub(p, g, alpha=lr)),
    "add with alpha": (STEP, lambda p, g, lr: torch.add(p, g, alpha=-lr)),
    "lerp": (STEP, lambda p, g, lr: torch.lerp(p, p - g, torch.tensor(lr, dtype=p.dtype))),
    "a loop": (STEP, loop),
    "in place on a copy": (STEP, in_place_on_a_copy),
    "torch's optimizer": (STEP, through_an_optimizer),
    "numpy": (STEP, lambda p, g, lr: p.numpy() - lr * g.numpy()),
    "numpy's asarray": (STEP, lambda p, g, lr: np.subtract(np.asarray(p), lr * np.asarray(g))),
    "float32": (STEP, lambda p, g, lr: p.float() - lr * g.float()),
    "a parameter": (STEP, lambda p, g, lr: torch.nn.Parameter(p - lr * g)),
    "a default": (STEP, lambda p, g, lr=0.1: p - lr * g),
    "any arguments": (STEP, lambda *args: args[0] - args[2] * args[1]),
    "an object": (STEP, Step()),
    "a method": (STEP, Step().__call__),
    "max of Python": (EDGE, lambda curvatures: 2 / max(curvatures)),
    "a number of Python": (EDGE, lambda curvatures: 2 / max(curvatures.tolist())),
    "amax": (EDGE, lambda curvatures: 2 / torch.amax(curvatures)),
    "sorted": (EDGE, lambda curvatures: 2 / curvatures.sort().values[-1]),
    "the smallest limit": (EDGE, lambda curvatures: (2 / curvatures).min()),
    "a number of numpy": (EDGE, lambda curvatures: np.float64(2) / curvatures.numpy().max()),
    "a new tensor, which is float32": (EDGE, lambda curvatures: torch.tensor(2 / max(curvatures.tolist()))),
}


@pytest.mark.parametrize(("exercise", "answer"), RIGHT.values(), ids=RIGHT)
def test_another_way_to_write_the_same_is_right(exercise, answer):
    verdict = judge(exercise, answer)
    assert (verdict.kind, verdict.says) == ("right", exercise.right)


# There is neither numpy nor autograd in a picture, and its numbers are float64.
NOT_IN_A_PICTURE = {"torch's optimizer", "numpy", "numpy's asarray", "float32", "a parameter"}
STEPS = {name: answer for name, (exercise, answer) in RIGHT.items() if exercise is STEP}


@pytest.mark.parametrize("name", STEPS)
def test_a_right_step_runs_in_a_picture_or_says_why_not(name, capsys):
    methods = yours("01-step", STEPS[name])
    said = capsys.readouterr().out
    if name in NOT_IN_A_PICTURE:
        assert methods == []
        assert said.startswith("Your function is right, but a picture cannot run it. Write it with +")
        return
    assert said == ""
    view = SurfaceView("ravine", ["SGD", *methods], steps=20)
    assert view.names == ["SGD", "yours"]
    assert view.plan["why"] == ""
    torch.testing.assert_close(*view.sweep.paths, rtol=1e-12, atol=1e-12)


def walk_by_index(p, grads, rates, momentum):
    buffer = 0
    for i in range(len(grads)):
        buffer = momentum * buffer + grads[i]
        p = p - rates[i] * buffer
    return p


def walk_in_place(p, grads, rates, momentum):
    p, buffer = p.clone(), torch.zeros_like(p)
    for g, lr in zip(grads, rates, strict=True):
        buffer.mul_(momentum).add_(g)
        p -= lr * buffer
    return p


@pytest.mark.parametrize("answer", [find_exercise("02-walk").answer, walk_by_index, walk_in_place])
def test_a_right_walk_is_the_heavy_ball_at_every_rate_and_momentum(answer):
    runs = sweep(
        "ravine", ["Momentum", *yours("02-walk", answer)], lr=[0.003, 0.03], momentum=[0, 0.9], steps=50
    )
    torch.testing.assert_close(*runs.paths, rtol=1e-9, atol=1e-12)
    assert SurfaceView("ravine", yours("02-walk", answer)).plan["why"] == ""


def test_a_step_that_is_not_right_yet_does_not_run(capsys):
    for answer in (None, 3, lambda p, g, lr: p + lr * g, lambda: 0):
        assert yours("01-step", answer) == []
        assert capsys.readouterr().out.startswith("Once check says that it is right, run this cell again: ")
    with pytest.raises(
        ValueError, match=r"exercise must ask for the step of a method, as 01-step, 02-walk, 05-step, .* do"
    ):
        yours("01-edge", None)
    with pytest.raises(ValueError, match="exercise '01-stap' is not known; did you mean 01-step"):
        yours("01-stap", None)


# --- answers that are wrong in their form -------------------------------------------------------------------


def changes_p(p, g, lr):
    p -= lr * g
    return p


def forgets_to_return(p, g, lr):
    p - lr * g


def a_stub(p, g, lr):
    raise NotImplementedError("your code here")


def a_helper(p):
    return p.no_such_thing()


def calls_a_helper(p, g, lr):
    return a_helper(p) - lr * g


class Mute:
    def __repr__(self):
        raise RuntimeError("no words")


class MuteError(Exception):
    def __str__(self):
        raise RuntimeError("no words")


def raises(error):
    raise error


def endless_recursion(p, g, lr):
    return endless_recursion(p, g, lr)


WRONG = {
    "one argument too few": (
        lambda p, g: p,
        "Your function is called as step(p, g, lr), but it takes (p, g).",
    ),
    "one too many": (lambda p, g, lr, m: p, "called as step(p, g, lr), but it takes (p, g, lr, m)."),
    "none": (lambda: 0, "called as step(p, g, lr), but it takes ()."),
    "a tuple": (
        lambda p, g, lr: (p - lr * g, g),
        "p after step 1 should be a tensor, and is a tuple of 2. Its first entry would be right.",
    ),
    "a list": (
        lambda p, g, lr: (p - lr * g).tolist(),
        "p after step 1 should be a tensor, and is a list of 3. As a tensor it would be right.",
    ),
    "text": (lambda p, g, lr: "p - lr * g", "should be a tensor, and is 'p - lr * g' (type str)."),
    "an object": (lambda p, g, lr: Mute(), "should be a tensor, and is something (type Mute)."),
    "a complex number": (lambda p, g, lr: (p - lr * g) * (1 + 0j), "should be a tensor, and is tensor("),
    "a huge number": (lambda p, g, lr: 10**400, "should be a tensor, and is 1000"),
    "another shape": (lambda p, g, lr: (p - lr * g)[None], "has the shape (1, 3); it should be (3,)."),
    "only one entry": (lambda p, g, lr: (p - lr * g).sum(), "has the shape (); it should be (3,)."),
    "nan": (
        lambda p, g, lr: (p - lr * g) * torch.nan,
        "p after step 1, entry [0], is nan where it should be 0.1616.",
    ),
    "infinite": (
        lambda p, g, lr: p - lr * g / 0,
        "p after step 1, entry [0], is -inf where it should be 0.1616.",
    ),
    "unknown mistake": (
        lambda p, g, lr: p - lr * g - 1,
        "p after step 1 is -0.4818 where it should be 0.5182.\n"
        "p after step 4 is -3.186 where it should be 0.8138.\n"
        "(Asked with p = 0.3901, g (one a step) = [-0.5775, -2.427, 0.2922, 0.8016], lr = 0.2218.)",
    ),
    "right at first": (
        lambda p, g, lr, seen=[]: p - lr * g + (seen.append(1) or len(seen) % 4 == 3),
        "p after step 3 is",
    ),
    "rounded": (
        lambda p, g, lr: (p - lr * g).float().double(),
        "p after step 1 is 0.5182154775 where it should be 0.5182154691. Is something rounded",
    ),
    "p changed": (changes_p, "Your function changes its argument p in place. Return a new tensor."),
    "g changed": (lambda p, g, lr: p - g.mul_(lr), "Your function changes its argument g in place."),
    "an error": (
        lambda p, g, lr: p / lr - 1 / 0,
        "Your function stopped with ZeroDivisionError: division by zero",
    ),
    "a wrong name": (
        calls_a_helper,
        "'Tensor' object has no attribute 'no_such_thing'\nin the line: return p.no_such",
    ),
    "an error without words": (lambda p, g, lr: raises(MuteError()), "stopped with MuteError: something\n"),
    "recursion": (endless_recursion, "stopped with RecursionError: maximum recursion depth exceeded"),
    "sys.exit": (lambda p, g, lr: sys.exit(), "Your function stopped with SystemExit\nin the line: "),
    "exit with a code": (lambda p, g, lr: sys.exit("bye"), "Your function stopped with SystemExit: bye"),
    "generator's exit": (lambda p, g, lr: raises(GeneratorExit()), "stopped with GeneratorExit"),
    "a C function": (max, "Your function stopped with "),
}


def unwrapped(text):
    return " ".join(text.split())


@pytest.mark.parametrize(("answer", "says"), WRONG.values(), ids=WRONG)
def test_a_wrong_answer_is_told_what_is_wrong(answer, says, capsys):
    check("01-step", answer)
    first, rest = capsys.readouterr().out.split("\n", 1)
    assert first == "✘ not yet"
    assert unwrapped(says) in unwrapped(rest)
    assert unwrapped(rest).endswith(f"The task: {STEP.asks}")
    assert all(len(line) <= 88 or " " not in line.strip() for line in rest.splitlines())


MISSING = {
    "None": None,
    "an ellipsis": ...,
    "a stub": a_stub,
    "an ellipsis inside": lambda p, g, lr: ...,
    "no return": forgets_to_return,
}


@pytest.mark.parametrize("answer", MISSING.values(), ids=MISSING)
def test_what_is_not_written_yet_is_no_try(answer, capsys, file):
    check("01-step", answer)
    first, rest = capsys.readouterr().out.split("\n", 1)
    assert first == "… not written yet"
    assert unwrapped(rest).startswith(STEP.asks)
    assert not file.exists()


@pytest.mark.parametrize(
    ("answer", "shown"),
    [
        (5, "5 (type int)"),
        (torch.ones(2, 2), "tensor([[1., 1.], [1., 1.]]) (type Tensor)"),
        ("step", "'step' (type str)"),
    ],
    ids=["a number", "a result", "a name"],
)
def test_a_result_instead_of_the_function_is_told_apart(answer, shown, capsys):
    check("01-step", answer)
    assert unwrapped(capsys.readouterr().out) == (
        f"✘ not yet check needs your function itself, not {shown}. Give it without ( ). The task: {STEP.asks}"
    )


@pytest.mark.parametrize(
    ("name", "nearest"),
    [("01-stp", "did you mean 01-step"), ("step 1", "01-step"), (7, "choose from 01-step")],
)
def test_an_unknown_exercise_lists_the_nearest(name, nearest):
    with pytest.raises(ValueError, match=rf"exercise {name!r} is not known; .*{nearest}"):
        check(name, None)


# --- answers that do not end --------------------------------------------------------------------------------


@pytest.fixture
def impatient(monkeypatch):
    """An answer that would never end is stopped soon; the test's own limit would stop one that is not."""
    monkeypatch.setattr(exercises, "SECONDS", 0.3)


def spins(p, g, lr):
    while True:
        pass


def sleeps(p, g, lr):
    time.sleep(60)


def prints_for_ever(p, g, lr):
    while True:
        print("x" * 1000)


def swallows_the_interrupt(p, g, lr):
    try:
        while True:
            pass
    except:  # noqa: E722
        return p - lr * g


@pytest.mark.slow
@pytest.mark.parametrize("answer", [spins, sleeps, prints_for_ever, swallows_the_interrupt])
def test_an_endless_answer_is_stopped(answer, impatient, capsys):
    check("01-step", answer)
    said = capsys.readouterr().out
    assert said.startswith("✘ not yet\nYour function did not come to an end within ")
    assert "Does a loop never stop?" in said


@pytest.mark.slow
def test_afterwards_nothing_interrupts(impatient):
    judge(STEP, spins)
    judge(STEP, STEP.answer)
    time.sleep(0.7)


def test_the_learners_own_interrupt_goes_through(capsys):
    with pytest.raises(KeyboardInterrupt):
        check("01-step", lambda p, g, lr: raises(KeyboardInterrupt()))
    assert capsys.readouterr().out == ""


def test_what_an_answer_prints_is_hidden(capsys):
    def chatty(p, g, lr):
        print("p is", p)
        print("p is", p, file=sys.stderr)
        return p - lr * g

    check("01-step", chatty)
    assert capsys.readouterr() == (f"✔ right\n{STEP.right}\n", "")
    print("and afterwards it is not")
    assert capsys.readouterr().out == "and afterwards it is not\n"


def test_the_arguments_are_the_answers_own(capsys):
    """An answer that keeps and changes what it was given cannot spoil the problems of the next check."""
    kept = []

    def hoards(p, g, lr):
        kept.append(p)
        for old in kept:
            old.zero_()
        return p - lr * g

    assert judge(STEP, hoards).kind == "wrong"
    assert judge(STEP, STEP.answer).kind == "right"


# --- what is remembered -------------------------------------------------------------------------------------


def test_tries_are_counted_until_the_first_right_answer(restart):
    for answer in (None, STEP.known[0].answer, STEP.known[1].answer, STEP.answer, STEP.known[0].answer):
        check("01-step", answer)
        restart()
    assert read_progress()["exercises"] == {"01-step": {"tries": 3, "passed": True, "hints": 0}}


def press(shown, **state):
    """What arrives when the learner presses a button of the help."""
    shown.set_state(state)


def test_hints_that_were_shown_are_remembered(restart):
    n = len(STEP.hints)
    for i in range(n):
        shown = check("01-step", None)
        assert (shown.plan["hints"], shown.hints, shown.solved) == (list(STEP.hints), i, False)
        press(shown, hints=i + 1)
        restart()
    assert read_progress()["exercises"]["01-step"] == {
        "tries": 0,
        "passed": False,
        "hints": n,
        "solution": 0,
    }


def test_who_has_it_right_is_offered_the_solution_alone():
    wrong, right = check("01-step", STEP.known[0].answer), check("01-step", STEP.answer)
    assert (wrong.describe(), right.describe()) == (
        "Buttons: 3 hints and a solution.",
        "Buttons: a solution.",
    )
    assert right.plan["hints"] == []


def test_help_and_tries_do_not_disturb_each_other():
    press(check("01-step", None), hints=2)
    press(check("01-step", STEP.answer), solved=True)  # knows of no hints, and takes none back
    press(check("01-edge", None), hints=1)
    assert read_progress()["exercises"] == {
        "01-step": {"tries": 1, "passed": True, "hints": 2, "solution": 1},
        "01-edge": {"tries": 0, "passed": False, "hints": 1, "solution": 0},
    }


def test_a_help_has_no_picture_in_the_notebook():
    assert "image/png" not in check("01-step", None)._repr_mimebundle_()[0]


# --- the machinery, on an exercise of its own ---------------------------------------------------------------


def test_a_known_variant_that_passes_says_so_in_its_own_words():
    variant = Known(lambda x: -x, "The other sign is allowed here.", passes=True)
    exercise = Exercise(
        name="00-self",
        asks="Write itself(x).",
        answer=lambda x: x,
        problem=lambda generator: {"x": torch.randn(3, generator=generator)},
        play=lambda answer, problem: {"x": answer(problem["x"])},
        known=(Known(lambda x: raises(ValueError()), "never"), variant),
        hints=("Look at it.",),
        right="That is it.",
    )
    assert judge(exercise, lambda x: x) == exercises.Verdict("right", "That is it.")
    assert judge(exercise, lambda x: -x) == exercises.Verdict("right", variant.says)
    assert judge(exercise, lambda x: 2 * x).kind == "wrong"


def test_one_problem_that_differs_is_enough():
    """An answer that is right eleven times out of twelve is wrong."""
    calls = []

    def mostly(curvatures):
        calls.append(1)
        return 2 / curvatures.max() * (2 if len(calls) == exercises.PROBLEMS else 1)

    assert judge(EDGE, mostly).kind == "wrong"
    assert len(calls) == exercises.PROBLEMS


def test_whether_is_asked_in_words_and_a_part_of_many_names_its_entry():
    says = judge(find_exercise("03-stalled"), lambda losses, patience: [True]).says
    assert says.startswith("stalled(losses[:1], patience=2) should be True or False, and is a list of 1.")
    says = judge(EDGE, lambda curvatures: [2 / curvatures.max()]).says
    assert says.startswith("the edge should be a number, and is a list of 1. Its only entry would be right.")
    says = judge(find_exercise("03-stalled"), lambda losses, patience: False).says
    assert " is False where it should be True." in says
    says = judge(find_exercise("16-filter"), lambda d, w: d).says
    assert re.search(r"the direction, entry \[\d, \d\], is [-\d.]+ where it should be", says)


def test_of_the_problems_that_differ_one_is_shown_that_can_be_done_by_hand():
    """All its numbers, also those that the checker puts in itself."""
    says = judge(find_exercise("12-larc"), lambda p, g, lr, c: min(c * p / g, lr) / 2).says
    told = {name: float(number) for name, number in re.findall(r"(\w+) = ([-\d.e]+\d)", says)}
    is_now, should_be = (float(x) for x in re.search(r"is (\S+) where it should be (\S+)\.\n", says).groups())
    again = find_exercise("12-larc").answer(told["p_norm"], told["g_norm"], told["lr"], told["coefficient"])
    assert should_be == pytest.approx(again, rel=0.002) == pytest.approx(2 * is_now, rel=0.002)


def test_find_exercise():
    assert find_exercise("01-edge") is EDGE


def test_an_endless_answer_is_stopped_where_interrupts_are_ignored(monkeypatch):
    """As in a process that was started in the background."""
    monkeypatch.setattr(exercises, "SECONDS", 0.2)
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        verdict = judge(EXERCISES["01-step"], loop_forever)
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)
    assert "did not come to an end" in verdict.says


def loop_forever(p, g, lr):
    while True:
        pass
