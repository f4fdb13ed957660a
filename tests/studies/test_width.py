"""Widths: muP's rates and first weights, what stays when the width grows, and what moves."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from lwlr_teach.layerwise import mup_groups, split_for_muon
from lwlr_teach.optim import Adam, Muon
from lwlr_teach.problems.data import digits
from lwlr_teach.problems.models import mlp
from lwlr_teach.runs.fleet import Fleet
from lwlr_teach.studies.width import _hidden_matrices, _made, activation_changes, network, train_widths

DATA = digits()
COUNTS = (2, 20, 64)


def made(optimizer, parametrisation, width, base=16, depth=3):
    return _made(optimizer, parametrisation, width, base, depth, DATA, COUNTS)


# The table of Yang et al. 2021 (their table 3) with m = 4, for three hidden layers: weight and bias of each.
TABLE = {
    "Adam": [1, 1, 1 / 4, 1, 1 / 4, 1, 1 / 4, 1],
    "SGD": [4, 4, 1, 4, 1, 4, 1 / 4, 1],
    "Muon": [1, 1, 1, 1, 1, 1, 1 / 4, 1],  # as Adam, but for the matrices that Muon moves
}


@pytest.mark.parametrize("optimizer", TABLE)
def test_the_rates_are_those_of_the_table(optimizer):
    _, _, factors = made(optimizer, "muP", 64)
    assert factors.tolist() == TABLE[optimizer]
    _, _, factors = made(optimizer, "standard", 64)
    assert set(factors.tolist()) == {1.0}


def test_only_the_last_layers_first_weights_are_other_ones():
    ours, usual = made("Adam", "muP", 64)[0].first, made("Adam", "standard", 64)[0].first
    for index, (a, b) in enumerate(zip(ours, usual, strict=True)):
        torch.testing.assert_close(a, b / 2 if index == 6 else b)  # √m = 2, on top of the usual √m


def test_at_the_base_both_are_the_same_network():
    task, _, factors = made("SGD", "muP", 16)
    assert set(factors.tolist()) == {1.0}
    for a, b in zip(task.first, made("SGD", "standard", 16)[0].first, strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.slow
@pytest.mark.parametrize(("optimizer", "lr", "tolerance"), [("SGD", 0.3, 1e-5), ("Adam", 2**-6, 5e-3)])
def test_dividing_the_last_layers_inputs_is_the_same_network(optimizer, lr, tolerance):
    """As the mup package writes it: weights m times as large behind a division by m, at other rates.

    Adam's epsilon is added to a gradient that is m times smaller there, so it agrees less closely.
    """
    m, m_width = 4, 64
    task, _, _ = made(optimizer, "muP", m_width)
    ours = train_widths(
        optimizer, "muP", lr=[lr], widths=[m_width], base=16, depth=3, seeds=2, steps=20, progress=False
    )
    for seed in range(2):
        params = [p[seed].clone() for p in task.first]
        params[6] *= m
        rates = [4, 4, 1, 4, 1, 4, 4, 1] if optimizer == "SGD" else [1, 1, 1 / 4, 1, 1 / 4, 1, 1, 1]
        params = [p.requires_grad_() for p in params]
        kind = torch.optim.SGD if optimizer == "SGD" else torch.optim.Adam
        theirs = kind(
            [{"params": [p], "lr": lr * rate} for p, rate in zip(params, rates, strict=True)], lr=lr
        )
        decay = torch.optim.lr_scheduler.LinearLR(theirs, 1.0, 0.0, total_iters=20)

        def logits(x, params=params):
            hidden = torch.relu(mlp(params[:6], x))
            return (hidden / m) @ params[6] + params[7]

        for batch in task.batches[:, seed]:
            loss = nn.functional.cross_entropy(logits(DATA.x_train[batch]), DATA.y_train[batch])
            theirs.zero_grad()
            loss.backward()
            theirs.step()
            decay.step()
        with torch.no_grad():
            wanted = nn.functional.cross_entropy(logits(DATA.x_train), DATA.y_train)
        torch.testing.assert_close(ours.train_loss[0, 0, seed], wanted, rtol=tolerance, atol=tolerance)


def test_mup_groups_gives_a_module_the_same_rates():
    groups = mup_groups(network([64, 64, 64, 64, 10]), network([64, 16, 16, 16, 10]), 1.0)
    assert [group["lr"] for group in groups] == TABLE["Adam"]


def test_muons_part_is_that_of_a_model():
    hidden, _ = split_for_muon(network([64, 8, 8, 8, 10]))
    names = [name for name, _ in network([64, 8, 8, 8, 10]).named_parameters()]
    assert [names.index(name) for name, _ in hidden] == _hidden_matrices(len(names))


def test_muon_moves_the_matrices_and_adam_the_rest():
    """One step by hand, from the same gradients."""
    lr, others = 0.1, 0.01
    task, _, _ = made("Muon", "standard", 32)
    single = train_widths(
        "Muon", lr=[lr], widths=[32], depth=3, seeds=2, steps=20, others_lr=others, progress=False
    )
    params = [p[0].clone().requires_grad_() for p in task.first]
    matrices, rest = [params[2], params[4]], [p for i, p in enumerate(params) if i not in (2, 4)]
    optimizers = [Muon(matrices, lr=lr, weight_decay=0.0), Adam(rest, lr=others)]
    for step, batch in enumerate(task.batches[:, 0]):
        for optimizer, first in zip(optimizers, (lr, others), strict=True):
            optimizer.param_groups[0]["lr"] = first * (1 - step / 20)
        nn.functional.cross_entropy(mlp(params, DATA.x_train[batch]), DATA.y_train[batch]).backward()
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad()
    with torch.no_grad():
        wanted = nn.functional.cross_entropy(mlp(params, DATA.x_train), DATA.y_train)
    torch.testing.assert_close(single.train_loss[0, 0, 0], wanted, rtol=0.05, atol=0.01)  # bfloat16


def test_parts_of_a_sweep_are_the_sweep(monkeypatch):
    whole = train_widths(lr=[0.01, 0.02, 0.03], widths=[8, 16], seeds=2, steps=5, progress=False)
    monkeypatch.setattr("lwlr_teach.studies.width._AT_ONCE", 1)
    parts = train_widths(lr=[0.01, 0.02, 0.03], widths=[8, 16], seeds=2, steps=5, progress=False)
    assert whole.train_loss.shape == whole.test_accuracy.shape == (2, 3, 2)
    torch.testing.assert_close(parts.train_loss, whole.train_loss)


def test_interrupted_widths_keep_what_is_done(monkeypatch, capsys):
    settings = dict(lr=[0.01, 0.02, 0.03], widths=[8, 16, 32], seeds=2, steps=5, progress=False)
    monkeypatch.setattr("lwlr_teach.studies.width._AT_ONCE", 1)
    whole = train_widths(**settings)
    train, taken = Fleet.train, []

    def stopping(fleet, steps, bar=None):
        if len(taken) == last:
            raise KeyboardInterrupt
        taken.append(fleet)
        train(fleet, steps, bar)

    monkeypatch.setattr(Fleet, "train", stopping)
    last = 4
    part = train_widths(**settings)
    assert capsys.readouterr().out == "Interrupted: 4 of 9 runs are done, and are kept.\n"
    assert part.widths == (8, 16)
    assert part.train_loss.shape == part.test_accuracy.shape == (2, 3, 2)
    assert torch.equal(part.train_loss.flatten(0, 1)[:4], whole.train_loss.flatten(0, 1)[:4])
    assert torch.equal(part.test_accuracy.flatten(0, 1)[:4], whole.test_accuracy.flatten(0, 1)[:4])
    assert part.train_loss[1, 1:].isnan().all()
    assert part.best.tolist()[1] == 0  # the only one
    taken.clear()
    last = 3
    assert train_widths(**settings).widths == (8,)
    taken.clear()
    last = 0
    with pytest.raises(KeyboardInterrupt):  # nothing to keep
        train_widths(**settings)


def test_the_best_rate_and_the_loss_at_a_rate():
    runs = train_widths(lr=[1e-4, 0.02, 1e4], widths=[16, 32], seeds=1, steps=20, progress=False)
    assert runs.best.tolist() == [1, 1]
    assert runs.best_lr.tolist() == pytest.approx([0.02, 0.02])
    torch.testing.assert_close(runs.loss_at(0.03), runs.loss[:, 1])
    broken = runs.train_loss.clone()
    broken[0, 1] = math.nan
    object.__setattr__(runs, "train_loss", broken)
    assert runs.loss[0, 1] == math.inf
    assert runs.best[0] == 0
    broken[0] = math.inf
    assert runs.best_lr[0].isnan()
    assert runs.best_lr[1].item() == pytest.approx(0.02)


@pytest.mark.slow
@pytest.mark.parametrize(("optimizer", "lr", "wide"), [("Adam", 2**-6, 256), ("SGD", 0.35, 512)])
def test_activations_move_as_far_at_every_width_in_mup_alone(optimizer, lr, wide):
    """The coordinate check of Yang et al. 2021."""
    how = {"lr": lr, "widths": (64, wide), "base": 64, "seeds": 3}
    first, last = activation_changes(optimizer, "muP", **how)
    assert first.shape == (5,)
    assert (last / first).max() < 1.3
    first, last = activation_changes(optimizer, "standard", **how)
    assert (last / first)[1:].min() > 1.2
    assert 0.8 < last[0] / first[0] < 1.3  # fed by the pixels, whose number stays
    assert last[-1] > 2.5 * first[-1]


def test_muon_moves_hidden_layers_as_far_at_every_width():
    narrow, wide = activation_changes("Muon", "muP", lr=2**-3, widths=(64, 256), seeds=2)
    assert (wide / narrow).max() < 1.4


@pytest.mark.slow
def test_the_best_rate_falls_in_standard_and_stands_in_mup():
    """Row 22 of the reference, in small: four layers, widths to 256, 40 steps that end at rate 0."""
    how = {"lr": 2.0 ** np.arange(-9, -3), "widths": (64, 256), "seeds": 5, "progress": False}
    standard, mup = train_widths("Adam", "standard", **how), train_widths("Adam", "muP", **how)
    assert standard.best_lr.tolist() == [2**-6, 2**-8]
    assert mup.best_lr.tolist() == [2**-6, 2**-6]
    assert mup.loss[1, 3] < 0.75 * standard.loss[1, 3]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"optimizer": "adam"}, "optimizer 'adam' is not known; did you mean Adam"),
        ({"parametrisation": "mup"}, "parametrisation 'mup' is not known; did you mean muP"),
        ({"lr": []}, "lr must be a list of at least one number"),
        ({"lr": [0.1, 0.01]}, "lr must be positive and rise, got 0.1, 0.01"),
        ({"lr": [0.0, 0.01]}, "lr must be positive and rise, got 0, 0.01"),
        ({"widths": []}, "widths must be at least one number, got none"),
        ({"widths": [64, 32]}, "widths must rise, got 64, 32"),
        ({"widths": [0]}, "widths must be at least 1, got 0"),
        ({"base": 0}, "base must be at least 1, got 0"),
        ({"depth": 0}, "depth must be at least 1, got 0"),
        ({"optimizer": "Muon", "depth": 1}, "depth must be at least 2, got 1"),
        ({"others_lr": -1.0}, "others_lr must be a finite number ≥ 0, got -1"),
        ({"steps": 0}, "steps must be at least 1, got 0"),
    ],
)
def test_bad_input(change, said):
    with pytest.raises(ValueError, match=said):
        train_widths(**{"lr": [0.01], "widths": [8], "seeds": 1, "steps": 1, "progress": False} | change)
