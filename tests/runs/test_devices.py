"""Runs on a GPU give the numbers of the CPU, as long as rounding has not grown."""

import pytest
import torch
from torch import nn

from lwlr_teach.optim import LARS, Adam
from lwlr_teach.problems.data import digits
from lwlr_teach.problems.models import digits_cnn
from lwlr_teach.runs import fit, race, range_test, train_ensemble

STEPS = 8


@pytest.fixture(params=["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
def device(request):
    """The CPU too: so that what is written here runs where there is no GPU."""
    if request.param == "cuda" and not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    return request.param


def same(there, here):
    """The first differences between processors are of one unit in the last place, and grow."""
    torch.testing.assert_close(there.cpu(), here, rtol=2e-3, atol=2e-4, equal_nan=True)


def network(device):
    torch.manual_seed(0)
    data = digits(test=1700)
    batches = [(data.x_train.to(device), data.y_train.to(device))]
    return digits_cnn().to(device), batches


def test_an_ensemble(device):
    there, here = (
        train_ensemble(["SGD", "Adam", "LAMB"], lr=[1e-3, 1e-2], seeds=2, steps=STEPS, device=d)
        for d in (device, "cpu")
    )
    assert there.train_loss.device.type == "cpu", "what comes back can be drawn"
    same(there.batch_losses, here.batch_losses)
    same(there.train_loss, here.train_loss)


def test_a_race(device):
    there, here = (
        race(
            ["SGD", "Adam"], lr=[1e-3, 1e-2], seeds=1, choosers=1, steps=STEPS, checkpoints=2, device=d
        ).valid_loss
        for d in (device, "cpu")
    )
    same(there, here)


@pytest.mark.parametrize("cls", [Adam, LARS])
def test_training_with_a_recorder(cls, device):
    recordings = []
    for d in (device, "cpu"):
        model, batches = network(d)
        done = fit(model, cls(model.parameters(), lr=0.01), batches, steps=STEPS, every=1)
        assert next(model.parameters()).device.type == d
        recordings.append(done)
    there, here = recordings
    same(torch.as_tensor(there.losses), torch.as_tensor(here.losses))
    assert there.recording.layers == here.recording.layers
    same(there.recording["grad_norm"], here.recording["grad_norm"])
    assert there.losses.device.type == there.recording.values.device.type == "cpu", "it can be drawn"


def test_a_range_test(device):
    there, here = (
        range_test(model, nn.functional.cross_entropy, batches, Adam, low=1e-4, high=0.1, steps=STEPS)
        for model, batches in map(network, (device, "cpu"))
    )
    same(there.losses, here.losses)
    same(there.smoothed, here.smoothed)


def test_a_compiled_step(device):
    there, here = network(device)[0], network("cpu")[0]
    for model, compiled in ((there, device != "cpu"), (here, False)):
        optimizer = Adam(model.parameters(), lr=0.01, compile=compiled)
        for step in range(STEPS):
            for i, p in enumerate(model.parameters()):
                p.grad = torch.full_like(p, (-1) ** step / (i + 1))
            optimizer.step()
    for p, q in zip(there.parameters(), here.parameters(), strict=True):
        same(p.detach(), q.detach())
