import pytest
import torch

from lwlr_teach.layerwise import opposite_norms
from lwlr_teach.optim import (
    SGD,
    AdamWScheduleFree,
    DoG,
    LDoG,
    Method,
    Partition,
    Prodigy,
    SGDScheduleFree,
    method,
)
from lwlr_teach.problems.models import mlp
from lwlr_teach.problems.tasks import digits_task
from lwlr_teach.runs.fleet import Fleet, cross_entropy
from lwlr_teach.schedules import Cosine, Plateau, Warmup


def test_cross_entropy_is_torchs():
    logits, labels = torch.randn(3, 2, 8, 5), torch.randint(5, (2, 8))
    ours = cross_entropy(logits, labels)
    for run in range(3):
        for seed in range(2):
            theirs = torch.nn.functional.cross_entropy(logits[run, seed], labels[seed])
            torch.testing.assert_close(ours[run, seed], theirs)


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


@pytest.mark.slow
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


def test_a_rule_finds_the_factors_from_the_norms(task):
    fleet = _train(task, lr=(0.03, 0.1), layers=opposite_norms)
    seed = 1
    for run, lr in enumerate((0.03, 0.1)):
        params = [p[seed].clone().requires_grad_() for p in task.first]
        optimizer = torch.optim.SGD([{"params": params[i : i + 2]} for i in (0, 2, 4)], lr=lr, momentum=0.9)
        for step, batch in enumerate(task.batches[:, seed]):
            norms = [torch.cat([p.flatten() for p in g["params"]]).norm() for g in optimizer.param_groups]
            for i, group in enumerate(optimizer.param_groups):
                others = sum(norms[:i] + norms[i + 1 :]) / 2
                group["lr"] = lr * (others / (sum(norms) / 3)).item()
            x, y = task.data.x_train[batch], task.data.y_train[batch]
            loss = torch.nn.functional.cross_entropy(mlp(params, x), y)
            torch.testing.assert_close(fleet.losses[step, run, seed], loss.detach(), rtol=1e-3, atol=1e-5)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()


@pytest.mark.slow
def test_a_layer_may_follow_the_losses(task):
    """A plateau's factor is another one for each run and seed."""
    plateau = Plateau(factor=0.5, patience=0, threshold=0.3, every=2)
    alone = _train(task, lr=(0.03, 0.3), schedules=plateau)
    layered = _train(task, lr=(0.03, 0.3), layers=(plateau,) * 3)
    assert torch.equal(layered.losses, alone.losses)
    assert not torch.equal(alone.losses, _train(task, lr=(0.03, 0.3)).losses)


def test_a_run_with_its_own_schedule_is_that_run_alone(task):
    together = _train(task, schedules=[Cosine(20), Warmup(10)])
    for run, schedule in enumerate([Cosine(20), Warmup(10)]):
        by_hand = _by_hand(task, "Momentum", together.lr[run].item(), [schedule] * 3, 1)
        torch.testing.assert_close(together.losses[:, run, 1], by_hand, rtol=1e-3, atol=1e-5)


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


# --- rates that find themselves


@pytest.fixture(scope="module")
def double(task):
    """The task in double precision, so that runs can be compared closely."""
    data = task.data._replace(x_train=task.data.x_train.double(), x_test=task.data.x_test.double())
    x, y = task.valid
    return task._replace(data=data, first=[p.double() for p in task.first], valid=(x.double(), y))


FINDING = [
    (DoG, {"reps_rel": 0.01}),
    (LDoG, {"reps_rel": 0.01}),
    (SGDScheduleFree, {"warmup_steps": 5}),
    (AdamWScheduleFree, {"warmup_steps": 5}),
    (Prodigy, {"d0": 1e-3}),
]


@pytest.mark.parametrize(("cls", "settings"), FINDING, ids=lambda v: getattr(v, "__name__", ""))
def test_each_network_of_a_fleet_finds_what_it_finds_alone(double, cls, settings):
    """And is judged where Schedule-Free's average is."""
    rates = (0.02, 0.1) if issubclass(cls, SGDScheduleFree | AdamWScheduleFree) else (0.5, 1.0)
    lr = torch.tensor(rates, dtype=torch.float64)
    fleet = Fleet(Method("own", cls, settings), lr, double)
    fleet.train(20)
    judged, right = fleet.score(*double.valid)
    for run, rate in enumerate(rates):
        for seed in range(2):
            params = [p[seed].clone().requires_grad_() for p in double.first]
            optimizer = cls(params, lr=rate, **settings)
            for batch in double.batches[:, seed]:
                optimizer.zero_grad()
                x, y = double.data.x_train[batch], double.data.y_train[batch]
                torch.nn.functional.cross_entropy(mlp(params, x), y).backward()
                optimizer.step()
            if hasattr(optimizer, "eval"):
                optimizer.eval()
            x, y = double.valid
            with torch.no_grad():
                logits = mlp(params, x)
            loss = torch.nn.functional.cross_entropy(logits, y).item()
            assert judged[run, seed].item() == pytest.approx(loss, rel=1e-9)
            assert right[run, seed].item() == pytest.approx((logits.argmax(-1) == y).float().mean().item())


@pytest.mark.parametrize(
    "create",
    [
        SGDScheduleFree,
        lambda groups, lr, clip: Partition(
            SGDScheduleFree([{**groups[0], "params": groups[0]["params"][:1]}], lr=lr),
            SGD([{**groups[0], "params": groups[0]["params"][1:]}], lr=lr),
        ),
    ],
    ids=["alone", "as a part"],
)
def test_schedule_free_is_judged_at_its_average_and_trains_on_as_if_nobody_had(task, create):
    lr = torch.tensor([0.03, 0.3])
    watched, left_alone = (Fleet(Method("own", create), lr, task) for _ in range(2))
    left_alone.train(12)
    training = []
    for _ in range(12):
        watched.train(1)
        before = [p.clone() for p in watched.params]
        judged, _ = watched.score(*task.valid)
        assert all(torch.equal(p, q) for p, q in zip(watched.params, before, strict=True))
        with torch.no_grad():
            training.append(cross_entropy(task.forward(watched.params, task.valid[0]), task.valid[1]))
    assert torch.equal(watched.losses, left_alone.losses)
    assert not torch.allclose(judged, training[-1], rtol=1e-3)


def test_prodigy_takes_a_schedule_and_refuses_layers_at_different_rates(task):
    own = Method("Prodigy", Prodigy)
    fleet = Fleet(own, torch.tensor([0.5, 1.0]), task, schedules=Cosine(20), layers=(1.0, 1.0, 0.0))
    fleet.train(3)
    assert fleet.losses.isfinite().all()
    with pytest.raises(ValueError, match="lr must be the same in all groups, or 0"):
        Fleet(own, torch.tensor([0.5, 1.0]), task, layers=(1.0, 0.5, 1.0))
