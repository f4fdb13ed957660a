"""What a transfer starts from, what it learns from, and what is reported of it."""

from itertools import pairwise

import pytest
import torch
from torch.nn.functional import cross_entropy

from lwlr_teach.problems.data import digits
from lwlr_teach.problems.models import mlp
from lwlr_teach.studies.transfer import (
    DISTORTIONS,
    NEW_DIGITS,
    SCRATCH,
    TRANSFERS,
    ULMFIT,
    arrangements,
    compare,
    pretrain,
    readouts,
    target,
)


@pytest.fixture(scope="module")
def known():
    return pretrain(seeds=2, steps=100, hidden=(16, 16))


def seen_by(pretrained):
    """The images that the networks were trained on: the first half of 0 to 4."""
    data = pretrained.data
    low = data.x_train[data.y_train < 5]
    return low[: len(low) // 2]


# --- pretraining


def test_the_networks_know_their_digits_and_differ(known):
    assert known.accuracy.min() > 0.9
    assert known.layers == ("hidden 1",) * 2 + ("hidden 2",) * 2 + ("output",) * 2
    assert not torch.equal(known.weights[0][0], known.weights[0][1])


def test_pretraining_sees_the_first_half_of_0_to_4_and_nothing_else():
    d = digits()
    low = (d.y_train < 5).nonzero()[:, 0]
    half = len(low) // 2
    others = torch.ones(len(d.y_train), dtype=torch.bool)
    others[low[:half]] = False
    x = d.x_train.clone()
    x[others] = 0
    options = {"seeds": 1, "steps": 5, "hidden": (8,)}
    first = pretrain(d, **options)
    same = pretrain(d._replace(x_train=x), **options)
    other = pretrain(d._replace(x_train=x + others.logical_not()[:, None] * 0.1), **options)
    assert torch.equal(first.weights[0], same.weights[0])
    assert not torch.equal(first.weights[0], other.weights[0])


# --- the task


@pytest.mark.parametrize("transfer", TRANSFERS)
def test_each_seed_learns_from_its_own_examples(known, transfer):
    goal = target(known, transfer, shots=3, steps=20, batch_size=4)
    _, y = goal.examples
    assert y.shape == (2, 15)
    assert y.sort(-1).values.tolist() == [[label for label in range(5) for _ in range(3)]] * 2
    first, second = (set(own.tolist()) for own in goal.drawn)
    assert len(first) == 15
    assert first != second
    assert goal.task.batches.shape == (20, 2, 4)
    assert set(goal.task.batches[:, 0].flatten().tolist()) == first
    assert set(goal.task.batches[:, 1].flatten().tolist()) == second


@pytest.mark.parametrize("transfer", TRANSFERS)
def test_no_image_is_used_twice(known, transfer):
    task = target(known, transfer, shots=3).task
    seen = DISTORTIONS.get(transfer, lambda x: x)(seen_by(known))
    parts = torch.cat([seen, task.data.x_train, task.valid[0], task.data.x_test])
    assert len(parts.unique(dim=0)) == len(parts)
    assert len(task.valid[0]) == 200


def test_new_digits_are_5_to_9(known):
    d, task = known.data, target(known, shots=3).task
    y = torch.cat([task.data.y_train, task.valid[1]])
    x = torch.cat([task.data.x_train, task.valid[0]])
    assert torch.equal(x, d.x_train[d.y_train >= 5])
    assert torch.equal(y + 5, d.y_train[d.y_train >= 5])
    assert torch.equal(task.data.x_test, d.x_test[d.y_test >= 5])
    assert torch.equal(task.data.y_test + 5, d.y_test[d.y_test >= 5])


def test_what_is_kept_of_the_network(known):
    fresh = target(known, shots=3, keep=False).task.first
    new_digits = target(known, shots=3).task.first
    inverted = target(known, "inverted", shots=3).task.first
    assert [p.shape for p in fresh] == [p.shape for p in known.weights]
    for i, weight in enumerate(known.weights):
        last = i >= 4
        assert torch.equal(new_digits[i], fresh[i] if last else weight)
        assert torch.equal(inverted[i], weight)
        assert not torch.equal(fresh[i], weight)


def test_a_first_layer_can_undo_each_distortion(known):
    """With other first weights the network says of the distorted images what it said of the images."""
    x = known.data.x_test
    weight, bias, *rest = (p[0] for p in known.weights)
    before = mlp([weight, bias, *rest], x)
    places = torch.arange(64.0)[None]
    undone = {"inverted": (-weight, bias + weight.sum(0, keepdim=True))}
    for name in ("mirrored", "shuffled"):
        undone[name] = (weight[DISTORTIONS[name](places)[0].long()], bias)
    assert undone.keys() == DISTORTIONS.keys()
    for name, first in undone.items():
        distorted = DISTORTIONS[name](x)
        assert not torch.allclose(mlp([weight, bias, *rest], distorted), before, atol=0.1)
        torch.testing.assert_close(mlp([*first, *rest], distorted), before, rtol=1e-4, atol=1e-4)


def test_mirrored_is_left_for_right():
    image = torch.arange(64.0).reshape(8, 8)
    assert torch.equal(DISTORTIONS["mirrored"](image.flatten()), image.flip(1).flatten())


@pytest.mark.parametrize("transfer", [NEW_DIGITS, "mirrored"])
def test_the_module_is_the_network_that_the_task_begins_with(known, transfer):
    goal = target(known, transfer, shots=2, steps=5)
    x = known.data.x_test
    for seed in range(2):
        module = goal.module(seed)
        assert [name for name, _ in module.named_children()] == [
            "hidden1",
            "relu1",
            "hidden2",
            "relu2",
            "out",
        ]
        torch.testing.assert_close(module(x), mlp([p[seed] for p in goal.task.first], x))
    first = goal.task.first[0].clone()
    with torch.no_grad():
        module.hidden1.weight.zero_()
    assert torch.equal(goal.task.first[0], first)  # a copy
    with pytest.raises(ValueError, match="seed must be from 0 to 1, got 2"):
        goal.module(2)


# --- the arrangements


def factors(name, step, layers=4, steps=100):
    return [f(step) if callable(f) else f for f in arrangements(layers, steps)[name]]


def test_factors():
    assert factors("equal rates", 0) == [1, 1, 1, 1]
    assert factors("last layer only", 0) == [0, 0, 0, 1]
    assert factors("first layer only", 0) == [1, 0, 0, 0]
    assert factors("all but the last", 0) == [1, 1, 1, 0]
    early, late = factors("smaller early", 0), factors("smaller late", 0)
    assert early[-1] == 1
    assert early == late[::-1]
    for below, above in pairwise(early):
        assert above / below == pytest.approx(ULMFIT)


def test_schedules():
    awake = {step: factors("unfrozen from the top", step) for step in (0, 24, 25, 49, 50, 75, 99)}
    assert awake == {
        0: [0, 0, 0, 1],
        24: [0, 0, 0, 1],
        25: [0, 0, 1, 1],
        49: [0, 0, 1, 1],
        50: [0, 1, 1, 1],
        75: [1, 1, 1, 1],
        99: [1, 1, 1, 1],
    }
    assert factors("stopped from below", 0) == [1, 1, 1, 1]
    assert factors("stopped from below", 25) == sorted(factors("stopped from below", 25))
    assert factors("stopped from below", 25)[0] == pytest.approx(0.5)
    half = factors("stopped from below", 50)
    assert half[0] == pytest.approx(0)
    assert min(half[1:]) > 0.1
    assert factors("one cosine", 50) == pytest.approx([0.5] * 4)


# --- the comparison


RATES = (0.01, 0.03)


@pytest.fixture(scope="module")
def compared(known):
    return compare(known, "mirrored", shots=2, lr=RATES, steps=12, progress=False)


def test_what_is_compared(compared):
    assert compared.moves == arrangements(3, 12) | {SCRATCH: (1, 1, 1)}
    assert compared.names == tuple(compared.moves)
    assert (compared.transfer, compared.shots, compared.steps) == ("mirrored", 2, 12)


ALONE = {
    "equal rates": [0, 1, 2, 3, 4, 5],
    "last layer only": [4, 5],
    "first layer only": [0, 1],
    SCRATCH: [0, 1, 2, 3, 4, 5],
}


@pytest.mark.slow
@pytest.mark.parametrize(("name", "trained"), ALONE.items())
def test_a_comparison_is_its_runs_alone_each_seed_at_its_own_best_rate(known, compared, name, trained):
    goal = target(known, "mirrored", shots=2, steps=12, keep=name != SCRATCH)
    i = compared.names.index(name)
    for seed in range(2):
        runs = [alone(goal, seed, lr, trained) for lr in RATES]
        best = min(range(2), key=lambda k: runs[k][0])
        assert compared.lr[i, seed].item() == pytest.approx(RATES[best])
        measured = [compared.train_loss, compared.train_accuracy, compared.test_loss, compared.test_accuracy]
        torch.testing.assert_close(torch.stack([m[i, seed] for m in measured]), torch.stack(runs[best][1]))


def alone(goal, seed, lr, trained):
    """One network, trained by torch: its loss on the images held back, and what is reported of it."""
    params = [p[seed].clone().requires_grad_() for p in goal.task.first]
    optimizer = torch.optim.Adam([params[k] for k in trained], lr=lr)
    data = goal.task.data
    for batch in goal.task.batches[:, seed]:
        optimizer.zero_grad()
        cross_entropy(mlp(params, data.x_train[batch]), data.y_train[batch]).backward()
        optimizer.step()
    with torch.no_grad():
        held_back, _ = judged(params, *goal.task.valid)
        on_its_own = judged(params, *(part[seed] for part in goal.examples))
        return held_back, [*on_its_own, *judged(params, data.x_test, data.y_test)]


def judged(params, x, y):
    logits = mlp(params, x)
    return cross_entropy(logits, y), (logits.argmax(-1) == y).float().mean()


def test_seeds_choose_their_rates_apart(compared):
    assert any(len(rates.unique()) == 2 for rates in compared.lr)


def test_a_rate_that_overflows_is_not_the_best(known):
    how = {"shots": 2, "steps": 5, "names": ["smaller late"], "progress": False}
    mixed = compare(known, lr=[0.01, 1e30], **how)
    one = compare(known, lr=[0.01], **how)
    assert torch.equal(mixed.lr, one.lr)
    assert torch.equal(mixed.test_accuracy, one.test_accuracy)


def test_gap_gain_and_before(known, compared):
    torch.testing.assert_close(compared.gap, compared.train_accuracy - compared.test_accuracy)
    assert compared.gain[compared.names.index("equal rates")].tolist() == [0, 0]
    torch.testing.assert_close(compared.gain[-1], compared.test_accuracy[-1] - compared.test_accuracy[0])
    x, y = DISTORTIONS["mirrored"](known.data.x_test[known.data.y_test < 5]), known.data.y_test
    guess = mlp(known.weights, x).argmax(-1)
    torch.testing.assert_close(compared.before, (guess == y[y < 5]).float().mean(-1))


def test_the_table_has_every_arrangement_best_first(compared):
    head, *rows = str(compared).splitlines()
    assert "over-fitting" in head
    medians = dict(zip(compared.names, compared.test_accuracy.median(1).values.tolist(), strict=True))
    listed = [next(name for name in medians if row.startswith(name)) for row in rows]
    assert sorted(listed) == sorted(medians)
    assert [medians[name] for name in listed] == sorted(medians.values(), reverse=True)
    low, high = (f"{v:.1%}" for v in compared.test_accuracy[-1].aminmax())
    assert f"({low} to {high})" in next(row for row in rows if row.startswith(SCRATCH))


def test_only_the_named_arrangements_race(known, compared):
    few = compare(known, "mirrored", shots=2, lr=RATES, steps=12, names=["smaller late"], progress=False)
    assert few.names == ("equal rates", "smaller late", SCRATCH)
    for i, name in enumerate(few.names):
        j = compared.names.index(name)
        assert torch.equal(few.test_accuracy[i], compared.test_accuracy[j])
        assert torch.equal(few.gain[i], compared.gain[j])
    with pytest.raises(ValueError, match="names 'smaler late' is not known; did you mean smaller late"):
        compare(known, shots=2, names=["smaler late"])


# --- what the layers still say


@pytest.mark.parametrize(("transfer", "keep"), [("inverted", True), (NEW_DIGITS, False)])
def test_a_readout_is_a_ridge_regression_on_what_a_layer_puts_out(known, transfer, keep):
    goal = target(known, transfer, shots=3, keep=keep)
    found = readouts(goal, ridge=0.2)
    assert found.shape == (3, 2)
    x, y = goal.examples
    x_new, y_new = goal.task.data.x_test, goal.task.data.y_test
    for seed in range(2):
        own, new = x[seed], x_new
        weights = [p[seed] for p in goal.task.first]
        for place in range(3):
            if place:
                w, b = weights[2 * place - 2 : 2 * place]
                own, new = torch.relu(own @ w + b), torch.relu(new @ w + b)
            right = (ridge_regression(own.double(), y[seed], new.double(), 0.2) == y_new).double().mean()
            assert found[place, seed].item() == pytest.approx(right.item(), abs=0.005)


def ridge_regression(x, y, x_new, ridge):
    """Least squares, with rows added that pull each weight to zero."""
    wanted = torch.eye(5, dtype=x.dtype)[y]
    centred = x - x.mean(0)
    held = (ridge * centred.square().sum(0).mean()).sqrt()
    rows = torch.cat([centred, held * torch.eye(x.shape[1])])
    targets = torch.cat([wanted - wanted.mean(0), torch.zeros(x.shape[1], 5)])
    return ((x_new - x.mean(0)) @ torch.linalg.lstsq(rows, targets).solution + wanted.mean(0)).argmax(-1)


def test_bad_readouts(known):
    with pytest.raises(ValueError, match=r"ridge must be .*, got 0"):
        readouts(target(known, shots=2), ridge=0)


# --- bad input


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"transfer": "mirored"}, "transfer 'mirored' .* did you mean mirrored"),
        ({"shots": 0}, "shots must be from 1 to .*, got 0"),
        ({"shots": 1000}, "shots must be from 1 to .*, got 1000"),
        ({"valid": 0}, "valid must be from 1 to .*, got 0"),
        ({"steps": 0}, "steps must be at least 1, got 0"),
        ({"batch_size": 0}, "batch_size must be at least 1, got 0"),
    ],
)
def test_a_target_that_cannot_be_made(known, options, message):
    with pytest.raises(ValueError, match=message):
        target(known, **{"transfer": NEW_DIGITS, "shots": 2} | options)


def test_arrangements_that_cannot_be_made():
    with pytest.raises(ValueError, match="layers must be at least 2, got 1"):
        arrangements(1, 100)
    with pytest.raises(ValueError, match="steps must be at least 4, got 3"):
        arrangements(4, 3)
    with pytest.raises(ValueError, match=r"lr must be .*, got -1"):
        pretrain(lr=-1)
