import pytest
import torch

from lwlr_teach.clipping import by_layer_norm
from lwlr_teach.optim import METHODS
from lwlr_teach.problems.data import digits
from lwlr_teach.problems.models import mlp
from lwlr_teach.runs.ensemble import train_ensemble
from lwlr_teach.runs.fleet import Fleet


@pytest.fixture(scope="module")
def small():
    return train_ensemble(["SGD", "Adam"], lr=[0.01, 0.3, 100.0], seeds=2, steps=40, progress=False)


def test_axes(small):
    assert small.names == ("SGD", "Adam")
    assert small.batch_losses.shape == (2, 3, 2, 40)
    assert small.train_loss.shape == small.test_accuracy.shape == (2, 3, 2)


@pytest.mark.parametrize("name", ["SGD", "Momentum", "Nesterov", "Adagrad", "RMSprop", "Adam", "AMSGrad"])
def test_a_run_of_the_ensemble_is_the_run_alone(name):
    """No network sees its neighbours: rate 0.03 alone gives what it gives among others."""
    together = train_ensemble([name], lr=[0.003, 0.03, 30.0], seeds=2, steps=25, progress=False)
    alone = train_ensemble([name], lr=[0.03], seeds=2, steps=25, progress=False)
    torch.testing.assert_close(together.batch_losses[0, 1], alone.batch_losses[0, 0], rtol=1e-3, atol=1e-5)


def test_a_run_is_plain_pytorch(monkeypatch):
    """One network, trained by hand with torch.optim on the same batches, has the same losses."""
    import lwlr_teach.problems.tasks as module

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


def test_seeds_differ_and_repeat(small):
    again = train_ensemble(["SGD", "Adam"], lr=[0.01, 0.3, 100.0], seeds=2, steps=40, progress=False)
    assert torch.equal(again.batch_losses, small.batch_losses)
    assert not torch.equal(small.batch_losses[..., 0, :], small.batch_losses[..., 1, :])


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


def test_a_limit_goes_with_a_single_rate_and_with_a_clip():
    clipped = METHODS["SGD"].clipped(by_layer_norm)
    with pytest.raises(ValueError, match="lr must be a single rate where limit is swept, got 2 rates"):
        train_ensemble(clipped, lr=[0.1, 0.2], limit=[1.0], progress=False)
    with pytest.raises(ValueError, match="limit is a hyperparameter of none of SGD"):
        train_ensemble("SGD", lr=[0.1], limit=[1.0], progress=False)


def _interrupted(monkeypatch, after):
    """A fleet that is interrupted after so many steps of them all."""
    train, taken = Fleet.train, []

    def stopping(fleet, steps, bar=None):
        for _ in range(steps):
            if len(taken) == after:
                raise KeyboardInterrupt
            taken.append(fleet)
            train(fleet, 1, bar)

    monkeypatch.setattr(Fleet, "train", stopping)


def test_an_interrupted_training_keeps_what_is_done(small, monkeypatch, capsys):
    settings = dict(lr=[0.01, 0.3, 100.0], seeds=2, steps=40, progress=False)
    _interrupted(monkeypatch, 52)
    part = train_ensemble(["SGD", "Adam", "Momentum"], **settings)
    assert capsys.readouterr().out == "Interrupted: Adam took 12 of 40 steps. What is done is kept.\n"
    assert part.names == ("SGD", "Adam")
    assert torch.equal(part.batch_losses[0], small.batch_losses[0])
    assert torch.equal(part.test_accuracy[0], small.test_accuracy[0])
    assert torch.equal(part.batch_losses[1, ..., :12], small.batch_losses[1, ..., :12])
    assert part.batch_losses[1, ..., 12:].isnan().all()
    monkeypatch.undo()
    short = train_ensemble(["Adam"], **settings, schedule=lambda step: float(step < 12))
    torch.testing.assert_close(part.train_loss[1], short.train_loss[0])

    _interrupted(monkeypatch, 40)  # just between two methods
    assert train_ensemble(["SGD", "Adam"], **settings).names == ("SGD",)
    _interrupted(monkeypatch, 0)
    with pytest.raises(KeyboardInterrupt):  # nothing to keep
        train_ensemble(["SGD", "Adam"], **settings)


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
