"""Transfer: what a network has learned from some images, put to use on others of which there are few.

Each seed has a network of its own that was trained on the digits 0 to 4, and goes on with a few examples of
another task. What differs is who decides how fast each layer moves: the arrangements.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from lwlr_teach.core.checks import check_choice, check_count, check_number
from lwlr_teach.core.progress import Bar, progress_bar
from lwlr_teach.core.text import table
from lwlr_teach.core.threads import one_thread
from lwlr_teach.optim import Method, method
from lwlr_teach.optim.grid import check_grid
from lwlr_teach.problems.data import Digits, digits
from lwlr_teach.problems.models import init_mlp, mlp, stack_networks
from lwlr_teach.problems.tasks import Task, digits_task, order_batches
from lwlr_teach.runs.fleet import Fleet
from lwlr_teach.schedules import Constant, Cosine, Drawn, Piecewise, Schedule

CLASSES = 5
ULMFIT = 2.6
"""How many times smaller each layer's rate is than that of the layer above it, in ULMFiT (Howard & Ruder
2018)."""
EQUAL = "equal rates"
SCRATCH = "not pretrained"
RATES = tuple(10 ** (half / 2) for half in range(-7, 1))
"""Two rates a decade, from 0.0003 to 1: wide enough for every arrangement with Adam."""

# Without an offset a new network would be the one from which the pretrained one began.
_NEW_SEED = 1000
_SIDE = 8


def _columns(x: Tensor, order: Sequence[int]) -> Tensor:
    """Images (…, 64) with their columns in another order."""
    return x.unflatten(-1, (_SIDE, _SIDE))[..., list(order)].flatten(-2)


NEW_DIGITS = "new digits"
DISTORTIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "inverted": lambda x: 1 - x,
    "mirrored": lambda x: _columns(x, range(_SIDE - 1, -1, -1)),
    "shuffled": lambda x: _columns(x, (4, 1, 6, 3, 0, 7, 2, 5)),
}
"""What is done to images (…, 64). A first layer can undo each of them exactly, for all images alike:
*inverted* swaps black and white, *mirrored* left and right, *shuffled* puts the columns in another order. Lee
et al. (2023) found that for corrupted images it is best to tune the first layers only."""
TRANSFERS = (NEW_DIGITS, *DISTORTIONS)


class Pretrained(NamedTuple):
    """Networks that know the digits 0 to 4, one for each seed."""

    data: Digits
    """All digits; the first half of the training images of 0 to 4 are those that the networks have seen."""
    weights: list[Tensor]
    """(seed, …) each."""
    layers: tuple[str, ...]
    """The layer of each parameter, as in :class:`~lwlr_teach.problems.tasks.Task`."""
    accuracy: Tensor
    """Share of the test images of 0 to 4 that is right: (seed,)."""


def pretrain(
    data: Digits | None = None,
    *,
    seeds: int = 5,
    hidden: Sequence[int] = (32, 32, 32),
    steps: int = 300,
    lr: float = 0.003,
) -> Pretrained:
    """Train a small ReLU network on the digits 0 to 4 with Adam, once a seed.

    It sees half of their training images. The other half is for the transfer, so that no network is judged on
    images it knows.
    """
    check_number("lr", lr, low=0)
    data = data or digits()
    known, test = data.y_train < CLASSES, data.y_test < CLASSES
    half = int(known.sum()) // 2
    source = Digits(
        data.x_train[known][:half], data.y_train[known][:half], data.x_test[test], data.y_test[test]
    )
    task = digits_task(source, seeds=seeds, steps=steps, batch_size=32, hidden=hidden)
    with one_thread():
        fleet = Fleet(method("Adam"), torch.tensor([lr]), task)
        fleet.train(steps)
        _, accuracy = fleet.score(source.x_test, source.y_test)
    return Pretrained(data, [p[0] for p in fleet.params], task.layers, accuracy[0])


class Target(NamedTuple):
    """A task to transfer to."""

    task: Task
    """Its training images are those from which the seeds draw; a seed's batches hold its own examples."""
    drawn: Tensor
    """Indices of each seed's examples among the training images: (seed, example)."""

    @property
    def examples(self) -> tuple[Tensor, Tensor]:
        """Images (seed, example, 64) and labels (seed, example) that each seed learns from."""
        data = self.task.data
        return data.x_train[self.drawn], data.y_train[self.drawn]

    def module(self, seed: int = 0) -> nn.Sequential:
        """One seed's network before its first step, as a torch module with the layers hidden1, … and out."""
        first = self.task.first
        check_count("seed", seed, low=0, high=len(first[0]) - 1)
        parts: dict[str, nn.Module] = {}
        for depth, (weight, bias) in enumerate(zip(first[::2], first[1::2], strict=True), start=1):
            linear = nn.Linear(weight.shape[1], weight.shape[2], dtype=weight.dtype)
            with torch.no_grad():
                linear.weight.copy_(weight[seed].T)
                linear.bias.copy_(bias[seed, 0])
            last = 2 * depth == len(first)
            parts |= {"out": linear} if last else {f"hidden{depth}": linear, f"relu{depth}": nn.ReLU()}
        return nn.Sequential(OrderedDict(parts))


def target(
    pretrained: Pretrained,
    transfer: str = NEW_DIGITS,
    *,
    shots: int,
    steps: int = 100,
    batch_size: int = 25,
    valid: int = 200,
    keep: bool = True,
) -> Target:
    """The task of a transfer, with ``shots`` examples of each class; each seed draws its own.

    - ``"new digits"``: 5 to 9, with the labels 0 to 4. The last layer begins anew: to the old one a 5 is a 0,
      which is wrong and confidently so.
    - a name in :data:`DISTORTIONS`: 0 to 4, distorted. The last layer is kept, for its classes mean the same.

    ``valid`` images are held back to choose the rates. A batch holds all examples if there are no more than
    ``batch_size``. ``keep=False`` starts from a new network in place of the pretrained one.
    """
    check_choice("transfer", transfer, dict.fromkeys(TRANSFERS))
    (x, y), (x_test, y_test) = _images(pretrained.data, transfer)
    check_count("valid", valid, high=len(x) - 1)
    pool = len(x) - valid
    held_back = (x[pool:], y[pool:])
    x, y = x[:pool], y[:pool]
    members = [(y == label).nonzero()[:, 0] for label in range(CLASSES)]
    check_count("shots", shots, high=min(map(len, members)))
    check_count("steps", steps)
    check_count("batch_size", batch_size)

    seeds = len(pretrained.accuracy)
    generators = [torch.Generator().manual_seed(_NEW_SEED + seed) for seed in range(seeds)]
    sizes = [w.shape[1] for w in pretrained.weights[::2]] + [CLASSES]
    new = stack_networks(init_mlp(sizes, g) for g in generators)
    kept = 0 if not keep else len(new) - 2 if transfer == NEW_DIGITS else len(new)
    drawn = torch.stack(
        [torch.cat([of[torch.randperm(len(of), generator=g)[:shots]] for of in members]) for g in generators]
    )
    images = drawn.shape[1]
    batches = [
        own[order_batches(images, min(batch_size, images), steps, g)]
        for own, g in zip(drawn, generators, strict=True)
    ]
    task = Task(
        Digits(x, y, x_test, y_test),
        [*pretrained.weights[:kept], *new[kept:]],
        torch.stack(batches, dim=1),
        pretrained.layers,
        mlp,
        held_back,
    )
    return Target(task, drawn)


def _images(data: Digits, transfer: str) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """Images that no pretrained network has seen, and their labels 0 to 4: to train, and to test."""
    if transfer == NEW_DIGITS:
        train, test = data.y_train >= CLASSES, data.y_test >= CLASSES
        return (
            (data.x_train[train], data.y_train[train] - CLASSES),
            (data.x_test[test], data.y_test[test] - CLASSES),
        )
    distort = DISTORTIONS[transfer]
    train, test = data.y_train < CLASSES, data.y_test < CLASSES
    half = int(train.sum()) // 2
    return (
        (distort(data.x_train[train][half:]), data.y_train[train][half:]),
        (distort(data.x_test[test]), data.y_test[test]),
    )


def arrangements(layers: int, steps: int) -> dict[str, tuple[float | Schedule, ...]]:
    """Who moves how fast: a factor of the rate, or a schedule, for each of so many layers, first to last.

    A layer with the rate 0 stands still, but a method with a memory remembers its gradients meanwhile.
    "stopped from below" is FreezeOut (Brock et al. 2017): each layer's rate falls to 0 along a cosine, the
    first layer's in half of the steps, the last one's in all. "one cosine" is there to compare it with.
    """
    check_count("layers", layers, low=2)
    check_count("steps", steps, low=layers)
    depths = range(layers)
    last = layers - 1
    return {
        EQUAL: (1.0,) * layers,
        "smaller early": tuple(ULMFIT ** (depth - last) for depth in depths),
        "smaller late": tuple(ULMFIT**-depth for depth in depths),
        "last layer only": (*(0.0,) * last, 1.0),
        "all but the last": (*(1.0,) * last, 0.0),
        "first layer only": (1.0, *(0.0,) * last),
        "unfrozen from the top": tuple(_from(round(steps * (last - depth) / layers)) for depth in depths),
        "one cosine": (Cosine(steps),) * layers,
        "stopped from below": tuple(Cosine(round(steps * (0.5 + 0.5 * depth / last))) for depth in depths),
    }


def _from(begin: int) -> Schedule:
    """Frozen until that step: gradual unfreezing (Howard & Ruder 2018)."""
    if begin == 0:
        return Constant()
    return Piecewise((Drawn((0.0,), 1), Constant()), (begin,))


@dataclass(frozen=True)
class Comparison:
    """Every arrangement, and last the network that was not pretrained: each seed at its own best rate.

    Tensors have the axes (arrangement, seed) unless they say otherwise.
    """

    transfer: str
    shots: int
    steps: int
    moves: dict[str, tuple[float | Schedule, ...]]
    """Each arrangement's factor of the rate, or schedule, for each layer: see :func:`arrangements`."""
    lr: Tensor
    """The rate with the lowest loss on the images held back."""
    train_loss: Tensor
    """Mean loss after the last step on the examples that the seed has learned from."""
    train_accuracy: Tensor
    """Share of these examples that is right."""
    test_loss: Tensor
    test_accuracy: Tensor
    before: Tensor
    """Test accuracy before the first step: (seed,). With new digits the last layer knows nothing yet."""

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the arrangements, in the order of the first axis."""
        return tuple(self.moves)

    @property
    def gap(self) -> Tensor:
        """Over-fitting: training accuracy less test accuracy."""
        return self.train_accuracy - self.test_accuracy

    @property
    def gain(self) -> Tensor:
        """Test accuracy less that of equal rates from the same seed."""
        return self.test_accuracy - self.test_accuracy[self.names.index(EQUAL)]

    def __str__(self) -> str:
        head = ("", "best rate", "test accuracy", "over-fitting", "against equal rates", "test loss")
        order = self.test_accuracy.median(1).values.argsort(descending=True, stable=True).tolist()
        rows = [head, *(self._row(i) for i in order)]
        return table(rows)

    __repr__ = __str__

    def _row(self, i: int) -> tuple[str, ...]:
        return (
            self.names[i],
            _spread(self.lr[i], ".2g"),
            _spread(self.test_accuracy[i], ".1%"),
            _spread(self.gap[i], ".1%"),
            _spread(self.gain[i], "+.1%"),
            _spread(self.test_loss[i], ".2f"),
        )


def _spread(values: Tensor, form: str) -> str:
    """Median over the seeds, and the range."""
    low, high = values.min().item(), values.max().item()
    return f"{values.median().item():{form}} ({low:{form}} to {high:{form}})"


def compare(
    pretrained: Pretrained,
    transfer: str = NEW_DIGITS,
    *,
    shots: int,
    optimizer: str | Method = "Adam",
    lr: Sequence[float] | Tensor = RATES,
    steps: int = 100,
    names: Sequence[str] | None = None,
    progress: bool = True,
) -> Comparison:
    """See how each arrangement does on a transfer, at its own best rate.

    Each seed chooses among the rates ``lr`` for itself, as somebody with one network would. (Chosen for all
    seeds together, the rate is a single choice between neighbours that are often as good as each other: on
    another processor it may fall otherwise, and takes all seeds with it.) Schedules are for all the steps, so
    there is one budget. ``names`` leaves out all other arrangements; equal rates and the network that was not
    pretrained stay.
    """
    kept, new = (target(pretrained, transfer, shots=shots, steps=steps, keep=keep) for keep in (True, False))
    moves = arrangements(len(kept.task.first) // 2, steps)
    for name in names or ():
        check_choice("names", name, moves)
    moves = {name: own for name, own in moves.items() if names is None or name in (EQUAL, *names)}
    runs = [*((kept, own) for own in moves.values()), (new, moves[EQUAL])]
    chosen = method(optimizer)
    rates = check_grid((chosen,), {"lr": lr}, torch.device("cpu"), torch.float32)["lr"]
    with one_thread(), progress_bar("transfer", steps * len(runs), shown=progress) as bar:
        results = [_at_best_rate(goal, chosen, rates, own, bar) for goal, own in runs]
    best, train_loss, train_accuracy, test_loss, test_accuracy = torch.stack(results, dim=1)
    guesses = kept.task.forward(kept.task.first, kept.task.data.x_test).argmax(-1)
    return Comparison(
        transfer=transfer,
        shots=shots,
        steps=steps,
        moves=moves | {SCRATCH: moves[EQUAL]},
        lr=best,
        train_loss=train_loss,
        train_accuracy=train_accuracy,
        test_loss=test_loss,
        test_accuracy=test_accuracy,
        before=(guesses == kept.task.data.y_test).float().mean(-1),
    )


def _at_best_rate(
    goal: Target, chosen: Method, rates: Tensor, layers: Sequence[float | Schedule], bar: Bar
) -> Tensor:
    """Train at all rates: each seed's best one, and there the loss and the accuracy on its examples and on
    the test images: (5, seed)."""
    task = _without_frozen(goal.task, layers)
    fleet = Fleet(chosen, rates, task, layers=layers)
    fleet.train(len(task.batches), bar)
    assert task.valid is not None  # a target's task holds images back
    held_back, _ = fleet.score(*task.valid)
    best = held_back.nan_to_num(nan=torch.inf, posinf=torch.inf).argmin(0)
    scores = (*fleet.score(*goal.examples), *fleet.score(task.data.x_test, task.data.y_test))
    return torch.stack([rates[best], *(score[best, range(len(best))] for score in scores)])


def _without_frozen(task: Task, layers: Sequence[float | Schedule]) -> Task:
    """The same task, without gradients for layers whose rate is 0 all the time: they take no steps."""
    moves = dict(zip(dict.fromkeys(task.layers), layers, strict=True))

    def forward(params: Sequence[Tensor], x: Tensor) -> Tensor:
        owned = zip(params, task.layers, strict=True)
        return task.forward([p.detach() if moves[layer] == 0 else p for p, layer in owned], x)

    return task._replace(forward=forward)


def readouts(goal: Target, *, ridge: float = 0.1) -> Tensor:
    """What each layer says about the task before the first step: accuracy of a linear readout, (place, seed).

    A readout is fitted to a seed's examples at each place: to the pixels, and to the outputs of each hidden
    layer, while the network stays as it is (Alain & Bengio 2017 call it a linear probe). It is a fit of least
    squares to the classes, held back by ``ridge`` times the mean square of the features, and it is judged on
    the test images.
    """
    check_number("ridge", ridge, low=torch.finfo(torch.float32).eps)
    x, y = goal.examples
    data, first = goal.task.data, goal.task.first
    x_new = data.x_test.expand(len(x), -1, -1)
    right = [_read(x, y, x_new, data.y_test, ridge)]
    for weight, bias in zip(first[:-2:2], first[1:-2:2], strict=True):
        x, x_new = (torch.relu(part @ weight + bias) for part in (x, x_new))
        right.append(_read(x, y, x_new, data.y_test, ridge))
    return torch.stack(right)


def _read(x: Tensor, y: Tensor, x_new: Tensor, y_new: Tensor, ridge: float) -> Tensor:
    """Accuracy of the readout on (seed, image, feature) and labels (image,): (seed,)."""
    classes = nn.functional.one_hot(y, CLASSES).to(x.dtype)
    middle, share = x.mean(-2, keepdim=True), classes.mean(-2, keepdim=True)
    x, x_new = x - middle, x_new - middle
    inner = x.mT @ x
    held = ridge * inner.diagonal(dim1=-2, dim2=-1).mean(-1)[:, None, None]
    weight = torch.linalg.solve(inner + held * torch.eye(x.shape[-1]).to(x), x.mT @ (classes - share))
    return ((x_new @ weight + share).argmax(-1) == y_new).to(x.dtype).mean(-1)
