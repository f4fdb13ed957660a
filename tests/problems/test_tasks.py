import pytest
import torch

from lwlr_teach.problems.data import digits
from lwlr_teach.problems.tasks import digits_task, order_batches, rnn_task
from lwlr_teach.runs.ensemble import train_ensemble


def test_every_image_is_used_once_an_epoch():
    batches = order_batches(20, 6, 7, torch.Generator().manual_seed(0))
    assert batches.shape == (7, 6)
    for epoch in (batches[:3], batches[3:6]):
        assert len(epoch.flatten().unique()) == 18
    assert not torch.equal(batches[:3], batches[3:6])


def test_an_image_is_read_in_order_from_the_top_left():
    task = rnn_task(seeds=2, steps=3, pixels=4, hidden=5, valid=100)
    data = digits()
    assert task.data.x_train.shape == (1197, 16, 4)
    assert torch.equal(task.data.x_train[7].flatten(), data.x_train[7])
    assert torch.equal(task.valid[0].flatten(1), data.x_train[1197:])
    assert [tuple(p.shape) for p in task.first] == [(2, 4, 5), (2, 5, 5), (2, 1, 5), (2, 5, 10), (2, 1, 10)]
    assert task.layers == ("input", "recurrent", "recurrent", "output", "output")
    assert task.batches.shape == (3, 2, 32)


def test_a_recurrent_network_learns():
    trained = train_ensemble(["Adam"], lr=[0.01], task=rnn_task(seeds=1, steps=80), progress=False)
    assert trained.test_accuracy.item() > 0.5
    assert trained.batch_losses.shape == (1, 1, 1, 80)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (dict(pixels=5), "pixels must divide the 64 pixels of an image, got 5"),
        (dict(pixels=0), "pixels must be from 1 to 64, got 0"),
        (dict(hidden=0), "hidden must be at least 1, got 0"),
        (dict(gain=-1.0), "gain must be a finite number ≥ 0, got -1"),
        (dict(steps=0), "steps must be at least 1, got 0"),
    ],
)
def test_bad_input_of_the_recurrent_task(wrong, message):
    with pytest.raises(ValueError, match=message):
        rnn_task(**{"seeds": 1, "steps": 2} | wrong)


def test_images_that_are_held_back_are_not_trained_on():
    task = digits_task(seeds=2, steps=20, hidden=(8, 6), valid=50)
    d = digits()
    x, y = task.valid
    assert torch.equal(x, d.x_train[-50:])
    assert torch.equal(y, d.y_train[-50:])
    assert torch.equal(task.data.x_train, d.x_train[:-50])
    assert task.batches.max() < len(d.x_train) - 50
    assert torch.equal(task.data.x_test, d.x_test)


def test_a_normalised_task_begins_with_the_same_weights_and_batches():
    plain, normalised = (digits_task(seeds=2, steps=3, hidden=(8, 6), batch_norm=on) for on in (False, True))
    assert normalised.layers == (*["hidden 1"] * 3, *["hidden 2"] * 3, "output", "output")
    assert [tuple(p.shape[1:]) for p in normalised.first[:3]] == [(64, 8), (1, 8), (1, 8)]
    assert torch.equal(plain.batches, normalised.batches)
    for i, j in [(0, 0), (2, 3), (4, 6)]:
        assert torch.equal(plain.first[i], normalised.first[j])
    trained = train_ensemble(["Adam"], lr=[0.01], task=digits_task(seeds=1, steps=80, batch_norm=True))
    assert trained.test_accuracy.item() > 0.8


def test_images_to_hold_back_are_counted():
    with pytest.raises(ValueError, match="valid must be from 0 to 1296, got 1297"):
        digits_task(seeds=1, steps=1, valid=1297)
