"""Weight decay: runs against the plain loop, the factor that noise leaves, and the balance of a layer."""

import re
from functools import partial

import pytest
import torch
from torch.nn.functional import cross_entropy

from lwlr_teach.optim import Adam, Method
from lwlr_teach.problems import digits_task, mlp
from lwlr_teach.studies import decay_in_noise, normalised_layer, train_decays

task = partial(digits_task, seeds=2, steps=4, batch_size=8, hidden=(5,), valid=50)


def by_hand(make, decay, lr, seed, task):
    params = [p[seed].clone().requires_grad_() for p in task.first]
    optimizer = make(params, lr=lr, weight_decay=decay)
    for batch in task.batches[:, seed]:
        optimizer.zero_grad()
        cross_entropy(mlp(params, task.data.x_train[batch]), task.data.y_train[batch]).backward()
        optimizer.step()
    images, labels = task.valid
    return cross_entropy(mlp(params, images), labels), sum(p.square().sum() for p in params).sqrt()


@pytest.mark.parametrize(
    ("name", "make"), [("AdamW", torch.optim.AdamW), (Method("L2", Adam), torch.optim.Adam)]
)
def test_each_run_is_the_run_by_hand(name, make):
    small = task()
    runs = train_decays(name, [0, 0.5], [0.01, 0.03, 0.1], small, progress=False)
    assert runs.loss.shape == runs.test_loss.shape == runs.test_accuracy.shape == runs.size.shape == (2, 3, 2)
    for i, decay in enumerate((0, 0.5)):
        for j, lr in enumerate((0.01, 0.03, 0.1)):
            for seed in range(2):
                loss, size = by_hand(make, decay, lr, seed, small)
                torch.testing.assert_close(runs.loss[i, j, seed], loss, rtol=1e-4, atol=0)
                torch.testing.assert_close(runs.size[i, j, seed], size, rtol=1e-4, atol=0)


def test_the_best_is_chosen_by_the_first_seeds_and_no_run_that_overflowed():
    runs = train_decays("AdamW", [0, 0.5], [0.01, 0.03], task(), progress=False)
    runs.loss[:] = torch.tensor([[[3, 0], [2, 5]], [[1, 5], [torch.nan, 0]]])
    assert runs.best(choosers=1) == (1, 0)
    assert runs.best(choosers=2) == (0, 0)


@pytest.mark.slow
def test_noise_takes_the_decay_from_adam_and_not_from_adamw():
    sizes = torch.tensor([5.0, 20.0])
    settings = dict(lr=0.01, weight_decay=0.2, steps=500, weights=4000)
    adamw, l2 = (decay_in_noise(name, sizes, **settings) for name in ("AdamW", "Adam"))
    assert adamw.shape == l2.shape == (2, 501)
    assert (adamw[:, 0] == 1).all()
    assert (adamw[:, -1] - (1 - 0.002) ** 500).abs().max() < 0.02
    assert (l2[:, -1] - torch.exp(-1 / sizes)).abs().max() < 0.02


@pytest.mark.slow
@pytest.mark.parametrize(("lr", "decay"), [(0.1, 0.01), (0.1, 0.1), (0.01, 0.1)])
def test_a_normalised_layer_comes_to_its_balance(lr, decay):
    ratios = normalised_layer([lr] * 6000, [decay] * 6000)
    assert ratios[0] == 1
    # The squares: (1 − ηλ)² r² + η²/r² = r², so that r⁴ = η² / (1 − (1 − ηλ)²).
    exact = ((1 - (1 - lr * decay) ** 2) / lr**2) ** 0.5
    assert ratios[-1].item() == pytest.approx(exact, rel=1e-6)
    assert exact == pytest.approx((2 * decay / lr) ** 0.5, rel=0.01)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: train_decays("AdamW", [-1], [0.1], task()), "decay must be a finite number ≥ 0, got -1"),
        (
            lambda: train_decays("AdamW", [0], [0.1, 0.1], task()),
            "lr must be positive and rise, got 0.1, 0.1",
        ),
        (lambda: train_decays("AdamW", [0], [0.1], task(valid=0)), "task must hold images back"),
        (
            lambda: train_decays(Method("none", lambda params, lr=1.0: None), [0], [0.1], task()),
            "weight_decay",
        ),
        (lambda: decay_in_noise("AdamW", [-1]), "sizes must be a finite number ≥ 0, got -1"),
        (lambda: decay_in_noise("AdamW", [1], steps=0), "steps must be at least 1, got 0"),
        (lambda: normalised_layer([0.1], [0.1], entries=1), "entries must be at least 2, got 1"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        call()
