"""Trained splits: each against a plain loop over one network."""

import math

import pytest
import torch

from lwlr_teach.problems.data import digits
from lwlr_teach.problems.linear_networks import descend, linear_network
from lwlr_teach.problems.models import mlp
from lwlr_teach.problems.tasks import digits_task
from lwlr_teach.studies.split_training import IMAGES, NETWORKS, WIDTH, trained_splits


@pytest.mark.parametrize(("network", "trained"), [("four layers", 3), ("eight layers", 7)])
def test_deep_linear_networks(network, trained):
    found = trained_splits(network, [0.5, 1.0], steps=3, seeds=2)
    assert found.losses.shape == (2, 3, 21)
    share, root = found.shares[5].item(), math.sqrt(WIDTH)
    rest = (1 - share) / (trained - 1)
    plain = torch.stack(
        [
            descend(
                linear_network(WIDTH, trained + 1, seed=s),
                share * root,
                *[rest * root] * (trained - 1),
                steps=3,
            )
            for s in range(2)
        ]
    )
    torch.testing.assert_close(found.losses[1, :, 5], plain.mean(0)[1:], rtol=1e-4, atol=1e-6)
    assert found.first == pytest.approx(plain[:, 0].mean().item(), rel=1e-4)
    assert found.equal == pytest.approx(1 / trained)


def test_the_digits():
    found = trained_splits("digits", [0.3, 1.0], steps=4, seeds=2)
    task = digits_task(seeds=2, steps=1)
    data = digits()
    x, y = data.x_train[:IMAGES], data.y_train[:IMAGES]
    for share in (4, 20):
        losses = []
        for seed in range(2):
            params = [p[seed].clone().requires_grad_() for p in task.first]
            first = found.shares[share].item()
            groups = [{"params": params[:2], "lr": first}, {"params": params[2:], "lr": 1 - first}]
            optimizer = torch.optim.SGD(groups)
            own = []
            for _ in range(5):
                loss = torch.nn.functional.cross_entropy(mlp(params, x), y)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                own.append(loss.item())
            losses.append(own)
        plain = torch.tensor(losses, dtype=torch.float64).mean(0)
        torch.testing.assert_close(found.losses[1, :, share], plain[1:], rtol=1e-4, atol=1e-5)


def test_a_network_with_relu_learns_from_its_examples_and_is_judged_on_others():
    found = trained_splits("ReLU", [1.5], steps=16, seeds=3)
    assert found.first == pytest.approx(1.05, abs=0.1)  # as for a linear one, 1 + 1/h
    middle = found.losses[0, :, 10]
    assert middle[-1] < 0.6 * found.first
    # To learn nothing is what the rate 0 does.
    still = trained_splits("ReLU", [0.0], steps=2, seeds=3)
    assert still.losses[0].unique().tolist() == [pytest.approx(still.first)]
    # One layer alone: the other one's rate is 0, so that more budget on it changes the same layer only.
    assert not torch.equal(found.losses[0, 0, 0], found.losses[0, 0, -1])


def test_the_best_split_of_every_seed():
    found = trained_splits("four layers", [0.5, 1.0], steps=2, seeds=3)
    assert found.each.shape == (2, 2, 3)
    alone = trained_splits("four layers", [0.5, 1.0], steps=2, seeds=1)
    assert torch.equal(found.each[..., 0], alone.each[..., 0])
    assert torch.equal(alone.each[..., 0], alone.shares[alone.losses.argmin(-1)])


def test_what_overflows_is_infinite():
    found = trained_splits("eight layers", [50.0], steps=12, seeds=2)
    assert found.losses[0, -1].isinf().any()
    assert not found.losses.isnan().any()


@pytest.mark.parametrize(
    ("choices", "says"),
    [
        ({"network": "nine layers"}, "did you mean "),
        ({"budgets": []}, "budgets must be at least one number"),
        ({"budgets": [-1.0]}, "budgets must be a finite number ≥ 0, got -1"),
        ({"steps": 0}, "steps must be at least 1, got 0"),
        ({"seeds": 0}, "seeds must be at least 1, got 0"),
    ],
)
def test_what_cannot_be_trained(choices, says):
    asked = {"network": "digits", "budgets": [1.0], "steps": 2, "seeds": 1} | choices
    with pytest.raises(ValueError, match=says):
        trained_splits(asked.pop("network"), asked.pop("budgets"), **asked)


def test_every_network_has_a_name():
    assert set(NETWORKS) == {"four layers", "eight layers", "ReLU", "digits"}
