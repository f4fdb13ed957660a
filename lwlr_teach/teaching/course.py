"""The course: its lessons in order, each with its question, its minutes and a few words about it.

This is the only list of them. The map of the course, the list in lessons/README.md and the tests follow it.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Lesson:
    """One notebook. ``minutes`` is what its card says; ``ready`` is False while it is still to be written.

    ``about`` says in a few words what is in it, for the list of lessons that are ready.
    """

    name: str
    part: str
    question: str
    minutes: int
    about: str = ""
    ready: bool = False

    @property
    def number(self) -> str:
        """As the title says it: 3, and 3b for a lesson that was put in later."""
        return self.name.partition("-")[0].removeprefix("0")

    @property
    def prefix(self) -> str:
        """How the names of its predictions, exercises and questions begin: ``03-``, ``03b-``."""
        return f"{self.name.partition('-')[0]}-"


_ONE, _PARAMETER, _LAYER, _CHOOSING = (
    "One rate for everything",
    "A rate for every parameter",
    "A rate for every layer",
    "Choosing",
)

COURSE = (
    Lesson(
        "01-learning-rate",
        _ONE,
        "How big a step?",
        45,
        "Too slow, just right, too fast, and the sharp edge between them",
        ready=True,
    ),
    Lesson(
        "02-momentum",
        _ONE,
        "Why remember?",
        50,
        "The heavy ball and Nesterov, their edges, the best rate and momentum, and two conventions",
        ready=True,
    ),
    Lesson(
        "03-schedules",
        _ONE,
        "When to slow down?",
        60,
        "The noise floor, ten schedules, a formula that orders them, a race, one drawn by hand",
        ready=True,
    ),
    Lesson(
        "03b-warm-up",
        _ONE,
        "When to start slowly?",
        35,
        "What a warm-up buys, and a scheduler that counts batches where epochs were meant",
        ready=True,
    ),
    Lesson(
        "04-finding-a-rate",
        _ONE,
        "Which number do I type?",
        45,
        "Sweep, range test, hypergradient, search, and how to compare fairly",
        ready=True,
    ),
    Lesson(
        "05-adagrad",
        _PARAMETER,
        "What if features are rare?",
        40,
        "A rate for each word of a text, silence, a valley turned about, and why the steps get shorter",
        ready=True,
    ),
    Lesson(
        "06-rmsprop-adadelta",
        _PARAMETER,
        "How to forget?",
        45,
        "The best memory for a drift, a goal that moves, the rate that AdaDelta hides, a recurrent network",
        ready=True,
    ),
    Lesson(
        "07-adam",
        _PARAMETER,
        "Why does everybody start here?",
        50,
        "Bias correction, steps after a silence, what ε does, what Adam adapts to, a lost game, a fair race",
        ready=True,
    ),
    Lesson(
        "08-adamw",
        _PARAMETER,
        "Is weight decay the same as L2?",
        35,
        "Decay in the gradient and beside it, decay times rate, normalised layers, the best decay on digits",
        ready=True,
    ),
    Lesson(
        "09-after-adam",
        _PARAMETER,
        "What came next?",
        50,
        "RAdam, Lookahead, NovoGrad, Adafactor, Lion and Muon: what each is for; how to read a table",
        ready=True,
    ),
    Lesson(
        "10-exploding-gradients",
        _LAYER,
        "How to survive a cliff?",
        45,
        "Exploding gradients, the wall, four clips, a clip before Adam",
        ready=True,
    ),
    Lesson(
        "11-rates-by-depth",
        _LAYER,
        "Should early layers move less?",
        70,
        "Rates by depth, freezing and unfreezing, transfer with few examples, what the layers still say",
        ready=True,
    ),
    Lesson(
        "12-lars",
        _LAYER,
        "Can a layer choose its own rate?",
        70,
        "The layer inspector, the trust ratio, rates by hand, LARS against clips, Adam and schedules",
        ready=True,
    ),
    Lesson(
        "13-lamb-large-batch",
        _LAYER,
        "What if the batch is huge?",
        45,
        "Steps against the batch, the critical batch, two rules for the rate, LAMB, micro-batches",
        ready=True,
    ),
    Lesson(
        "14-first-two-steps",
        _LAYER,
        "Which layer should move first?",
        50,
        "Two layers and one budget: the first step, the second, the end, in linear networks known exactly",
        ready=True,
    ),
    Lesson(
        "15-width",
        _LAYER,
        "Does the best rate survive a wider network?",
        40,
        "Standard parametrisation, muP, a coordinate check, Muon",
        ready=True,
    ),
    Lesson(
        "16-loss-landscapes",
        _CHOOSING,
        "What does the surface really look like?",
        40,
        "Slices of a network, paths on them, the edge of stability, sharp and flat, what a warm-up is for",
        ready=True,
    ),
    Lesson(
        "17-four-fields",
        _CHOOSING,
        "Which one for my problem?",
        45,
        "A race over pictures, letters, a pole and made-up digits; profiles; a list of advice, line by line",
        ready=True,
    ),
    Lesson(
        "18-clinic",
        _CHOOSING,
        "Why does my run fail?",
        60,
        "Twelve broken runs, tests with prices, and a doctor for runs of your own",
        ready=True,
    ),
)
