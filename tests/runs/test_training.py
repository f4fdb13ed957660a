import signal

import pytest
import torch
from torch import nn
from torch.optim.lr_scheduler import LambdaLR, ReduceLROnPlateau
from torch.utils.data import DataLoader, TensorDataset

from lwlr_teach.optim import SGD, Adam, Lookahead
from lwlr_teach.problems.data import digits
from lwlr_teach.problems.models import digits_cnn
from lwlr_teach.runs.recorder import Recorder
from lwlr_teach.runs.training import Minibatches, fit
from lwlr_teach.schedules import Cosine


def net():
    torch.manual_seed(0)
    return nn.Linear(4, 3)


def pairs(count=7):
    generator = torch.Generator().manual_seed(1)
    return [(torch.randn(5, 4, generator=generator), torch.arange(5) % 3) for _ in range(count)]


def by_hand(model, optimizer, batches, before=lambda step: None):
    losses = []
    for step, (x, y) in enumerate(batches):
        before(step)
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def test_it_is_the_loop_that_everybody_writes():
    model, same = net(), net()
    done = fit(model, Adam(model.parameters(), lr=0.1), pairs(), steps=17, every=4, progress=False)
    losses = by_hand(same, Adam(same.parameters(), lr=0.1), (pairs() * 3)[:17])
    assert done.losses.tolist() == pytest.approx(losses, abs=0)
    assert torch.equal(model.weight, same.weight)
    assert not done.stopped
    assert done.recording.steps.tolist() == [0, 4, 8, 12, 16]


def test_epochs_are_passes_over_the_batches():
    model = net()
    x, y = (torch.cat(parts) for parts in zip(*pairs(), strict=True))
    loader = DataLoader(TensorDataset(x, y), batch_size=10)  # the last batch is smaller
    done = fit(model, SGD(model.parameters(), lr=0.1), loader, epochs=3, progress=False)
    assert len(done.losses) == 12
    assert fit(model, SGD(model.parameters(), lr=0.1), iter(pairs(4)), epochs=1).losses.shape == (4,)


@pytest.mark.parametrize("torchs", [False, True])
def test_a_schedule_drives_the_rate(torchs):
    model, same = net(), net()
    optimizer, single = SGD(model.parameters(), lr=0.5), SGD(same.parameters(), lr=0.5)
    schedule = Cosine(10)
    given = LambdaLR(optimizer, schedule) if torchs else schedule
    done = fit(model, optimizer, pairs(), steps=9, schedule=given, every=1, progress=False)

    def before(step):
        single.param_groups[0]["lr"] = 0.5 * schedule(step)

    by_hand(same, single, (pairs() * 2)[:9], before)
    torch.testing.assert_close(model.weight, same.weight)
    wanted = torch.tensor([0.5 * schedule(step) for step in range(9)])
    torch.testing.assert_close(done.recording["rate"][0], wanted)


def test_an_interruption_keeps_what_was_done(capsys):
    def broken():
        for i, pair in enumerate(pairs()):
            if i == 5:
                raise KeyboardInterrupt
            yield pair

    model, same = net(), net()
    optimizer = SGD(model.parameters(), lr=0.1)
    done = fit(model, optimizer, broken(), steps=100, every=2, progress=False)
    assert done.stopped
    assert capsys.readouterr().out == "Interrupted after 5 of 100 steps. What is done is kept.\n"
    assert done.losses.tolist() == pytest.approx(
        by_hand(same, SGD(same.parameters(), lr=0.1), pairs(5)), abs=0
    )
    assert done.recording.steps.tolist() == [0, 2, 4]
    assert torch.equal(model.weight, same.weight)
    assert not optimizer._optimizer_step_pre_hooks  # the recorder is gone


def test_an_interruption_in_the_middle_of_a_step_waits_for_its_end():
    """A real signal, while the first of the parameters has moved and the others have not."""

    class Interrupted(torch.optim.SGD):
        def step(self, closure=None):
            super().step(closure)
            signal.raise_signal(signal.SIGINT)
            moved.append(True)

    moved = []
    model, same = net(), net()
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background ignores it
    try:
        done = fit(model, Interrupted(model.parameters(), lr=0.1), pairs(), steps=5, progress=False)
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)
    assert done.stopped
    assert moved == [True]
    assert done.losses.tolist() == by_hand(same, SGD(same.parameters(), lr=0.1), pairs(1))
    assert torch.equal(model.weight, same.weight)


def test_a_failure_leaves_no_recorder_behind():
    model = net()
    optimizer = SGD(model.parameters(), lr=0.1)
    with pytest.raises(IndexError):
        fit(model, optimizer, [(torch.zeros(1, 4), torch.tensor([7]))], steps=1, progress=False)
    assert not optimizer._optimizer_step_pre_hooks


def test_a_recorder_of_ones_own_goes_on():
    model = net()
    optimizer = SGD(model.parameters(), lr=0.1)
    with Recorder(model, optimizer, every=3) as recorder:
        fit(model, optimizer, pairs(), steps=4, recorder=recorder, progress=False)
        done = fit(model, optimizer, pairs(), steps=4, recorder=recorder, progress=False)
    assert done.recording.steps.tolist() == [0, 3, 6]


def test_another_loss_and_a_model_that_was_evaluated():
    model = nn.Sequential(nn.Linear(4, 5), nn.Dropout(0.5)).eval()
    done = fit(
        model,
        SGD(model.parameters(), lr=0.1),
        [(x, x.sum(-1, keepdim=True).expand(5, 5)) for x, _ in pairs()],
        steps=3,
        loss=nn.functional.mse_loss,
        progress=False,
    )
    assert model.training
    assert done.losses.shape == (3,)


def test_minibatches_visit_every_row_once_in_an_order_of_their_own():
    x = torch.arange(10)
    batches = Minibatches(x, 2 * x, size=3, seed=4)
    assert len(batches) == 3
    passes = [list(batches) for _ in range(2)]
    for one in passes:
        rows = torch.cat([a for a, _ in one])
        assert len(rows) == len(rows.unique()) == 9
        assert all(torch.equal(b, 2 * a) for a, b in one)
    first, second = (torch.cat([a for a, _ in one]).tolist() for one in passes)
    assert first != second
    torch.manual_seed(99)
    again = Minibatches(x, 2 * x, size=3, seed=4)
    assert torch.cat([a for a, _ in again]).tolist() == first
    assert torch.cat([a for a, _ in Minibatches(x, x, size=3, seed=5)]).tolist() != first


def test_what_is_frozen_may_be_of_any_type():
    model = net()
    model.codes = nn.Parameter(torch.arange(5, dtype=torch.int8), requires_grad=False)
    model.mask = nn.Parameter(torch.tensor([True, False]), requires_grad=False)
    model.small = nn.Parameter(torch.ones(3).to(torch.float8_e4m3fn), requires_grad=False)
    done = fit(model, SGD([model.weight, model.bias], lr=0.1), pairs(), steps=3, every=1, progress=False)
    assert done.recording.layers == ("Linear",)
    norms = torch.cat([model.weight.flatten(), model.bias]).norm()
    assert done.recording["weight_norm"][0, -1] == pytest.approx(norms.item(), rel=0.2)
    assert model.codes.tolist() == [0, 1, 2, 3, 4]


@pytest.mark.slow
def test_the_digits_are_learned():
    data = digits()
    model = digits_cnn()
    batches = Minibatches(data.x_train, data.y_train)
    done = fit(model, Adam(model.parameters(), lr=3e-3), batches, steps=60, progress=False)
    assert done.losses[-10:].mean() < 0.5 < done.losses[0]
    assert (model(data.x_test).argmax(-1) == data.y_test).float().mean() > 0.85
    assert done.recording.layers == ("conv1", "conv2", "hidden", "out")


@pytest.mark.parametrize("parts", [2, 3, 5, 9])
def test_parts_of_a_batch_add_up_to_its_step(parts):
    """Five rows in parts that are not equal, and in more parts than there are rows."""
    model, same = net().double(), net().double()
    batches = [(x.double(), y) for x, y in pairs()]
    seen, rates = [], []
    model.register_forward_pre_hook(lambda module, given: seen.append(len(given[0])))
    optimizer, single = Adam(model.parameters(), lr=0.1), Adam(same.parameters(), lr=0.1)
    optimizer.register_step_pre_hook(lambda *_: rates.append(optimizer.param_groups[0]["lr"]))
    schedule = LambdaLR(optimizer, Cosine(10))
    done = fit(
        model, optimizer, batches, steps=9, schedule=schedule, accumulate=parts, every=1, progress=False
    )
    alone = fit(same, single, batches, steps=9, schedule=Cosine(10), every=1, progress=False)
    assert seen == 9 * {2: [3, 2], 3: [2, 2, 1], 5: [1] * 5, 9: [1] * 5}[parts]
    torch.testing.assert_close(model.weight, same.weight, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(done.losses, alone.losses)
    torch.testing.assert_close(done.recording.values, alone.recording.values, equal_nan=True)
    assert rates == pytest.approx([0.1 * Cosine(10)(step) for step in range(9)])  # one change a step


def test_a_loss_that_wants_the_schedule_gets_that_of_the_whole_batch():
    told = []

    class Told(ReduceLROnPlateau):
        def step(self, metrics, epoch=None):
            told.append(metrics)
            super().step(metrics)

    model = net()
    optimizer = SGD(model.parameters(), lr=0.1)
    done = fit(model, optimizer, pairs(), steps=4, schedule=Told(optimizer), accumulate=2, progress=False)
    assert told == done.losses.tolist()


def test_bad_arguments():
    model = net()
    optimizer = SGD(model.parameters(), lr=0.1)
    with pytest.raises(ValueError, match="give either steps or epochs, got steps=None and epochs=None"):
        fit(model, optimizer, pairs())
    with pytest.raises(ValueError, match="got steps=2 and epochs=1"):
        fit(model, optimizer, pairs(), steps=2, epochs=1)
    with pytest.raises(ValueError, match="steps must be at least 1, got 0"):
        fit(model, optimizer, pairs(), steps=0)
    with pytest.raises(ValueError, match="accumulate must be at least 1, got 0"):
        fit(model, optimizer, pairs(), steps=2, accumulate=0)
    with pytest.raises(TypeError, match=r"epochs must be a whole number, got 1\.5"):
        fit(model, optimizer, pairs(), epochs=1.5)
    with pytest.raises(TypeError, match=r"loss must be a function, for example .*, got 'mse'"):
        fit(model, optimizer, pairs(), steps=1, loss="mse")
    with pytest.raises(TypeError, match=r"schedule must be a function, for example .*, got 0\.5"):
        fit(model, optimizer, pairs(), steps=1, schedule=0.5)
    before = model.weight.detach().clone()
    lbfgs = torch.optim.LBFGS(model.parameters())
    for wanting in (lbfgs, Lookahead(lbfgs)):
        with pytest.raises(ValueError, match="and LBFGS asks for a closure that computes it again"):
            fit(model, wanting, pairs(), steps=1)
    assert torch.equal(model.weight, before)
    with pytest.raises(ValueError, match="batches ran out after 4 steps"):
        fit(model, optimizer, iter(pairs(4)), steps=5, progress=False)
    with pytest.raises(ValueError, match="y must have one row for each row of x, 4, got 3"):
        Minibatches(torch.zeros(4), torch.zeros(3))
    with pytest.raises(ValueError, match="size must be from 1 to 4, got 64"):
        Minibatches(torch.zeros(4), torch.zeros(4))
    assert not optimizer._optimizer_step_pre_hooks
