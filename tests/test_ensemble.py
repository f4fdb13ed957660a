import pytest
import torch

from lwlr_teach.clipping import by_layer_norm
from lwlr_teach.data import digits
from lwlr_teach.ensemble import Fleet, cross_entropy, digits_task, rnn_task, train_ensemble
from lwlr_teach.models import mlp
from lwlr_teach.optim import METHODS, method
from lwlr_teach.schedules import Cosine, Warmup


@pytest.fixture(scope="module")
def small():
    return train_ensemble(["SGD", "Adam"], lr=[0.01, 0.3, 100.0], seeds=2, steps=40, progress=False)


def test_axes(small):
    assert small.names == ("SGD", "Adam")
    assert small.batch_losses.shape == (2, 3, 2, 40)
    assert small.train_loss.shape == small.test_accuracy.shape == (2, 3, 2)


def test_cross_entropy_is_torchs():
    logits, labels = torch.randn(3, 2, 8, 5), torch.randint(5, (2, 8))
    ours = cross_entropy(logits, labels)
    for run in range(3):
        for seed in range(2):
            theirs = torch.nn.functional.cross_entropy(logits[run, seed], labels[seed])
            torch.testing.assert_close(ours[run, seed], theirs)


@pytest.mark.parametrize("name", ["SGD", "Momentum", "Nesterov", "Adagrad", "RMSprop", "Adam", "AMSGrad"])
def test_a_run_of_the_ensemble_is_the_run_alone(name):
    """No network sees its neighbours: rate 0.03 alone gives what it gives among others."""
    together = train_ensemble([name], lr=[0.003, 0.03, 30.0], seeds=2, steps=25, progress=False)
    alone = train_ensemble([name], lr=[0.03], seeds=2, steps=25, progress=False)
    torch.testing.assert_close(together.batch_losses[0, 1], alone.batch_losses[0, 0], rtol=1e-3, atol=1e-5)


def test_a_run_is_plain_pytorch(monkeypatch):
    """One network, trained by hand with torch.optim on the same batches, has the same losses."""
    import lwlr_teach.ensemble as module

    seen = {}
    make_batches, make_weights = module.order_batches, module.init_mlp
    monkeypatch.setattr(module, "order_batches", lambda *a: seen.setdefault("batches", make_batches(*a)))
    monkeypatch.setattr(module, "init_mlp", lambda *a: seen.setdefault("weights", make_weights(*a)))
    ours = train_ensemble(["Adam"], lr=[0.01], seeds=1, steps=30, progress=False)

    d = digits()
    params = [p.clone().requires_grad_() for p in seen["weights"]]
    optimizer = torch.optim.Adam(params, lr=0.01)
    losses = []
    for batch in seen["batches"]:
        loss = torch.nn.functional.cross_entropy(mlp(params, d.x_train[batch]), d.y_train[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    torch.testing.assert_close(ours.batch_losses[0, 0, 0], torch.tensor(losses), rtol=1e-3, atol=1e-5)
    with torch.no_grad():
        accuracy = (mlp(params, d.x_test).argmax(-1) == d.y_test).float().mean()
    assert abs(ours.test_accuracy[0, 0, 0] - accuracy) < 0.01


def test_every_image_is_used_once_an_epoch():
    from lwlr_teach.ensemble import order_batches

    batches = order_batches(20, 6, 7, torch.Generator().manual_seed(0))
    assert batches.shape == (7, 6)
    for epoch in (batches[:3], batches[3:6]):
        assert len(epoch.flatten().unique()) == 18
    assert not torch.equal(batches[:3], batches[3:6])


def test_seeds_differ_and_repeat(small):
    again = train_ensemble(["SGD", "Adam"], lr=[0.01, 0.3, 100.0], seeds=2, steps=40, progress=False)
    assert torch.equal(again.batch_losses, small.batch_losses)
    assert not torch.equal(small.batch_losses[..., 0, :], small.batch_losses[..., 1, :])


# --- limits, and a network that reads ----------------------------------------------------------------------


def test_a_run_at_a_limit_is_the_run_with_that_clip():
    limits = [0.01, 0.1, 1e9]
    contestants = ["Momentum", METHODS["Momentum"].clipped(by_layer_norm)]
    settings = dict(lr=[0.05], seeds=2, steps=15, progress=False)
    swept = train_ensemble(contestants, limit=limits, **settings)
    assert swept.limit.tolist() == pytest.approx(limits)
    assert swept.lr.tolist() == pytest.approx([0.05])
    assert swept.batch_losses.shape == (2, 3, 2, 15)
    for i, limit in enumerate(limits):
        alone = train_ensemble(METHODS["Momentum"].clipped(by_layer_norm, limit), **settings)
        torch.testing.assert_close(swept.batch_losses[1, i], alone.batch_losses[0, 0], rtol=1e-3, atol=1e-5)
    free = train_ensemble(["Momentum"], **settings)
    assert free.limit is None
    for i in range(3):  # no clip, no difference
        torch.testing.assert_close(swept.batch_losses[0, i], free.batch_losses[0, 0], rtol=1e-3, atol=1e-5)
    assert (swept.batch_losses[1, 0] - swept.batch_losses[1, 2]).abs().max() > 0.1


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


def test_a_limit_goes_with_a_single_rate_and_with_a_clip():
    clipped = METHODS["SGD"].clipped(by_layer_norm)
    with pytest.raises(ValueError, match="lr must be a single rate where limit is swept, got 2 rates"):
        train_ensemble(clipped, lr=[0.1, 0.2], limit=[1.0], progress=False)
    with pytest.raises(ValueError, match="limit is a hyperparameter of none of SGD"):
        train_ensemble("SGD", lr=[0.1], limit=[1.0], progress=False)


def test_learning_and_divergence_are_both_results(small):
    assert small.test_accuracy[0, 1].min() > 0.6
    assert small.test_accuracy[0, 2].max() < 0.3


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (dict(lr=[-0.1]), "lr .* got -0.1"),
        (dict(lr=[]), "lr"),
        (dict(steps=0), "steps must be at least 1, got 0"),
        (dict(seeds=0), "seeds must be at least 1, got 0"),
        (dict(batch_size=5000), "batch_size must be from 1 to 1297, got 5000"),
        (dict(optimizers=["Adm"]), "'Adm' is not known; did you mean Adam"),
        (dict(optimizers=[]), "optimizers must name at least one"),
        (dict(device="cuda:99"), "device 'cuda:99' is not available"),
    ],
)
def test_bad_input(wrong, message):
    with pytest.raises(ValueError, match=message):
        train_ensemble(**{"lr": [0.1], "progress": False} | wrong)


# --- a fleet ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def task():
    return digits_task(seeds=2, steps=20, hidden=(8, 6), valid=50)


def _train(task, name="Momentum", lr=(0.03, 0.3), **choices):
    fleet = Fleet(method(name), torch.tensor(lr), task, **choices)
    fleet.train(task.batches.shape[0])
    return fleet


def _by_hand(task, name, lr, factors, seed):
    """The losses of one network, trained by torch.optim with a rate for each layer at each step."""
    names = list(dict.fromkeys(task.layers))
    params = [p[seed].clone().requires_grad_() for p in task.first]
    groups = [[p for p, owner in zip(params, task.layers, strict=True) if owner == n] for n in names]
    make = {"Momentum": lambda g: torch.optim.SGD(g, lr=lr, momentum=0.9), "Adam": torch.optim.Adam}[name]
    optimizer = make([{"params": group} for group in groups])
    losses = []
    for step, batch in enumerate(task.batches[:, seed]):
        for group, factor in zip(optimizer.param_groups, factors, strict=True):
            group["lr"] = lr * (factor(step) if callable(factor) else factor)
        x, y = task.data.x_train[batch], task.data.y_train[batch]
        loss = torch.nn.functional.cross_entropy(mlp(params, x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return torch.tensor(losses)


@pytest.mark.parametrize("name", ["Momentum", "Adam"])
@pytest.mark.parametrize("layers", [(0.0, 0.5, 2.0), (lambda step: float(step > 5), Cosine(20), 1.0)])
def test_each_layer_has_its_own_rate(task, name, layers):
    fleet = _train(task, name, lr=(0.003, 0.03), layers=layers)
    for run, seed in [(0, 1), (1, 0)]:
        by_hand = _by_hand(task, name, fleet.lr[run].item(), layers, seed)
        torch.testing.assert_close(fleet.losses[:, run, seed], by_hand, rtol=1e-3, atol=1e-5)


def test_a_tensor_gives_each_run_its_own_factors(task):
    factors = torch.tensor([[0.0, 1.0, 1.0], [2.0, 0.5, 1.0]])
    fleet = _train(task, lr=(0.1, 0.1), layers=factors)
    for run in range(2):
        by_hand = _by_hand(task, "Momentum", 0.1, factors[run].tolist(), 0)
        torch.testing.assert_close(fleet.losses[:, run, 0], by_hand, rtol=1e-3, atol=1e-5)


def test_a_run_with_its_own_schedule_is_that_run_alone(task):
    together = _train(task, schedules=[Cosine(20), Warmup(10)])
    for run, schedule in enumerate([Cosine(20), Warmup(10)]):
        by_hand = _by_hand(task, "Momentum", together.lr[run].item(), [schedule] * 3, 1)
        torch.testing.assert_close(together.losses[:, run, 1], by_hand, rtol=1e-3, atol=1e-5)


def test_images_that_are_held_back_are_not_trained_on(task):
    d = digits()
    x, y = task.valid
    assert torch.equal(x, d.x_train[-50:])
    assert torch.equal(y, d.y_train[-50:])
    assert torch.equal(task.data.x_train, d.x_train[:-50])
    assert task.batches.max() < len(d.x_train) - 50
    assert torch.equal(task.data.x_test, d.x_test)


def test_another_network_in_place_of_the_layers(task):
    """``forward`` is asked for everything: losses and scores."""
    linear = task._replace(forward=lambda params, x: 0.0 * mlp(params, x) + params[-1])
    fleet = _train(linear)
    assert torch.allclose(fleet.losses[0], torch.tensor(10.0).log())
    x, y = task.valid
    loss, right = fleet.score(x, y)
    same, same_right = fleet.score(torch.zeros_like(x), y)  # only biases learn, which see no image
    assert torch.equal(loss, same)
    assert torch.equal(right, same_right)


def test_a_training_in_two_parts_is_one(task):
    parts = Fleet(method("Adam"), torch.tensor([0.01]), task)
    parts.train(7)
    parts.train(13)
    assert torch.equal(parts.losses, _train(task, "Adam", lr=(0.01,)).losses)


@pytest.mark.parametrize(
    ("choices", "says"),
    [
        ({"layers": (1.0, 1.0)}, "layers must be one for each of hidden 1, hidden 2, output, got 2"),
        ({"layers": (1.0, -1.0, 1.0)}, "layers must be a finite number ≥ 0, got -1"),
        ({"layers": torch.ones(3)}, r"layers must have the shape \(2 runs, 3 layers\), got \(3,\)"),
        ({"schedules": [Cosine(5)]}, "schedules must be one for each of the 2 rates, got 1"),
        ({"schedules": 0.5}, "schedules must be a function, for example Cosine"),
    ],
)
def test_a_fleet_refuses(task, choices, says):
    with pytest.raises((ValueError, TypeError), match=says):
        _train(task, **choices)


def test_what_finds_its_rate_itself_takes_no_schedule(task):
    for choices in ({"schedules": Cosine(20)}, {"layers": (Cosine(20), 1.0, 1.0)}):
        with pytest.raises(ValueError, match="schedule cannot drive Hypergradient"):
            _train(task, "Hypergradient", **choices)


def test_images_to_hold_back_are_counted():
    with pytest.raises(ValueError, match="valid must be from 0 to 1296, got 1297"):
        digits_task(seeds=1, steps=1, valid=1297)
