"""The four fields: one shape for all, copies that do not hear of one another, and what REINFORCE lowers."""

import pytest
import torch

from lwlr_teach.problems.fields import FIELDS, control, drive, language, luck, vision
from lwlr_teach.problems.models import mlp
from lwlr_teach.problems.texts import letters


def spread(field, runs=2):
    """First parameters, each moved a little: a last layer of zeros would hide everything."""
    moved = [p + 0.05 * torch.arange(p[0].numel()).sin().view_as(p[0]) for p in field.first]
    return [p.expand(runs, *p.shape).clone().requires_grad_() for p in moved]


@pytest.mark.parametrize("name", FIELDS)
def test_a_field_has_a_loss_and_two_scores_for_each_run_and_seed(name):
    field = FIELDS[name](seeds=2, steps=3)
    params = spread(field)
    assert field.name == name
    assert field.loss(params, 0).shape == (2, 2)
    valid, test = field.valid(params), field.test(params)
    assert valid.shape == test.shape == (2, 2)
    assert not torch.equal(valid, test)


@pytest.mark.parametrize("name", FIELDS)
def test_a_copy_hears_nothing_of_the_others(name):
    field = FIELDS[name](seeds=2, steps=3)
    params = spread(field)
    (gradient, *_) = torch.autograd.grad(field.loss(params, 1)[1, 0], params)
    assert gradient[1, 0].abs().max() > 0
    assert gradient[0].abs().max() == gradient[1, 1].abs().max() == 0


@pytest.mark.parametrize("name", FIELDS)
def test_a_seed_is_the_same_whoever_is_beside_it(name):
    two, one = (FIELDS[name](seeds=seeds, steps=3) for seeds in (2, 1))
    torch.testing.assert_close(two.loss(spread(two), 2)[:, :1], one.loss(spread(one), 2))


@pytest.mark.parametrize("name", FIELDS)
def test_steps_and_seeds_differ(name):
    field = FIELDS[name](seeds=2, steps=3)
    params = spread(field)
    first, second = (field.loss(params, step)[0] for step in (0, 1))
    assert not torch.equal(first, second)
    assert first[0] != first[1]


@pytest.mark.slow
@pytest.mark.parametrize("name", FIELDS)
def test_adam_makes_it_better(name):
    field = FIELDS[name](seeds=1)
    params = spread(field, 1)
    optimizer = torch.optim.Adam(params, lr=0.02)
    before = field.valid(params).item()
    for step in range(field.steps // 2):
        optimizer.zero_grad()
        field.loss(params, step).sum().backward()
        optimizer.step()
    after = field.valid(params).item()
    assert after > 1.5 * before if field.higher else after < 0.85 * before


def test_a_policy_that_pushes_under_the_pole_keeps_it_up():
    """The sign of angle + turning is a policy that balances; its log-odds are large either way."""
    weight = torch.tensor([0.0, 0.0, 300.0, 300.0]).reshape(1, 1, 4, 1)
    params = [weight, torch.zeros(1, 1, 1, 1)]
    _, right, alive = drive(params, torch.full((1, 3, 4), 0.02), torch.full((1, 50, 3), 0.5), 50)
    assert right.any()
    assert not right.all()
    assert alive.all()
    wrong = [-weight, params[1]]
    assert not drive(wrong, torch.full((1, 3, 4), 0.02), torch.full((1, 50, 3), 0.5), 50)[2][0, 0, -1].any()


def test_reinforce_raises_the_odds_of_what_was_followed_by_much():
    """Its gradient by hand: log-probabilities times what came after, its mean taken off, over its spread."""
    field = control(seeds=1, carts=3, longest=40, hidden=4)
    params = spread(field, 1)
    states, right, alive = drive(params, *luck(1, 1, 3, 40), 40)
    pushes = [(t, cart) for cart in range(3) for t in range(40) if alive[0, 0, t, cart]]
    after = torch.tensor([float(alive[0, 0, t:, cart].sum()) for t, cart in pushes])
    worth = (after - after.mean()) / (after.std(correction=0) + 1e-3)
    total = torch.zeros(())
    for (t, cart), value in zip(pushes, worth, strict=True):
        p = mlp([w[0, 0] for w in params], states[0, 0, t, cart]).sigmoid().squeeze()
        total = total - value * (p if right[0, 0, t, cart] else 1 - p).log()
    torch.testing.assert_close(field.loss(params, 0)[0, 0], total / len(pushes))


def test_the_letters_are_those_of_the_sentences():
    text = letters(valid=5, test=7)
    said = "".join(text.alphabet[i] for i in text.test)
    assert set(said) <= set(text.alphabet)
    assert len(said) > 7 * 20
    assert not torch.equal(text.valid, text.test)
    assert len(text.train) > 50_000
    assert said.count(" ") > 30


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda: vision(seeds=0), "seeds must be at least 1, got 0"),
        (lambda: vision(seeds=1, steps=0), "steps must be at least 1, got 0"),
        (lambda: vision(seeds=1, batch_size=5000), "batch_size must be from 1 to 997, got 5000"),
        (lambda: language(seeds=1, context=0), "context must be at least 1, got 0"),
        (lambda: control(seeds=1, carts=1), "carts must be at least 2, got 1"),
        (lambda: control(seeds=1, longest=0), "longest must be at least 1, got 0"),
        (lambda: letters(valid=0), "valid must be at least 1, got 0"),
    ],
)
def test_bad_input(wrong, message):
    with pytest.raises(ValueError, match=message):
        wrong()
