"""Lookahead around torch's optimizers and ours, and Ranger."""

import copy
import io
import math
import pickle
import re
from collections import defaultdict
from itertools import pairwise

import pytest
import torch

import lwlr_teach.optim as ours
from lwlr_teach.clipping import by_global_norm, centralize
from lwlr_teach.optim import Lookahead, RAdam, Ranger
from lwlr_teach.optim.lookahead import lookahead
from tests.optim.runs import assert_identical, fresh, train, values

pytestmark = pytest.mark.usefixtures("one_thread")

INNER = {
    "SGD": lambda p, **kw: ours.SGD(p, **dict(lr=0.1, momentum=0.9) | kw),
    "Adam": lambda p, **kw: ours.Adam(p, **dict(lr=0.1) | kw),
    "AdamW": lambda p, **kw: ours.AdamW(p, **dict(lr=0.1) | kw),
    "LARS": lambda p, **kw: ours.LARS(p, **dict(lr=1.0) | kw),
    "torch SGD": lambda p, **kw: torch.optim.SGD(p, **dict(lr=0.1, momentum=0.9) | kw),
    "torch plain SGD": lambda p, **kw: torch.optim.SGD(p, **dict(lr=0.1) | kw),
    "torch Adam": lambda p, **kw: torch.optim.Adam(p, **dict(lr=0.1) | kw),
    "torch AdamW": lambda p, **kw: torch.optim.AdamW(p, **dict(lr=0.1) | kw),
    "torch RMSprop": lambda p, **kw: torch.optim.RMSprop(p, **dict(lr=0.1) | kw),
    "torch Adagrad": lambda p, **kw: torch.optim.Adagrad(p, **dict(lr=0.1) | kw),
}
every_inner = pytest.mark.parametrize("inner", INNER.values(), ids=INNER)
# torch 2.9's Adagrad makes its state when it is made, and knows no parameter that comes later.
LATE = {name: inner for name, inner in INNER.items() if name != "torch Adagrad"}
every_late_inner = pytest.mark.parametrize("inner", LATE.values(), ids=LATE)


def one(value=1.0):
    return torch.tensor([value], dtype=torch.float64, requires_grad=True)


def descend(optimizer, p, steps):
    """On x²/2."""
    for _ in range(steps):
        p.grad = p.detach().clone()
        optimizer.step()
    return p.item()


# --- the rule --------------------------------------------------------------------------------------------


@every_inner
@pytest.mark.parametrize(("k", "alpha"), [(1, 0.5), (3, 0.8), (5, 0.0), (4, 1.0)])
def test_it_is_the_papers_algorithm(inner, k, alpha):
    """Zhang et al. 2019, algorithm 1, around an inner optimizer that never hears of it."""
    got, expected = fresh(), fresh()
    train(Lookahead(inner(got), k=k, alpha=alpha), 12)
    fast = inner(expected)
    slow = [p.detach().clone() for p in expected]
    for step in range(1, 13):
        train(fast, 1, first=step)
        if step % k == 0:
            slow = [s + alpha * (p.detach() - s) for s, p in zip(slow, expected, strict=True)]
            for p, s in zip(expected, slow, strict=True):
                p.data.copy_(s)
    assert_identical(got, expected)


def test_the_defaults_are_k_5_and_alpha_half():
    p = one()
    optimizer = Lookahead(ours.SGD([p], lr=0.1))
    assert (optimizer.k, optimizer.alpha) == (5, 0.5)
    assert descend(optimizer, p, 4) == pytest.approx(0.9**4)
    assert descend(optimizer, p, 1) == pytest.approx(1 + 0.5 * (0.9**5 - 1))


@every_inner
def test_alpha_1_is_the_inner_optimizer_and_alpha_0_stays_at_the_start(inner):
    follows, alone, stays = fresh(), fresh(), fresh()
    train(Lookahead(inner(follows), k=3, alpha=1.0), 9)
    train(inner(alone), 9)
    for got, expected in zip(follows, alone, strict=True):
        torch.testing.assert_close(got, expected, rtol=1e-12, atol=1e-12)
    train(Lookahead(inner(stays), k=3, alpha=0.0), 9)
    assert_identical(stays, fresh())


def test_just_after_a_meeting_the_fast_weights_are_the_slow_ones():
    p = one()
    optimizer = Lookahead(ours.SGD([p], lr=0.1), k=2)
    for step in range(1, 7):
        descend(optimizer, p, 1)
        assert torch.equal(optimizer.state[p]["slow_param"], p) == (step % 2 == 0)


def test_the_rule_is_pure():
    slow, fast = torch.tensor([1.0, 2.0]), torch.tensor([3.0, 4.0])
    assert lookahead(slow, fast, alpha=0.25).tolist() == [1.5, 2.5]
    assert (slow.tolist(), fast.tolist()) == ([1, 2], [3, 4])


def test_a_batch_of_alphas_is_one_for_each_model():
    alphas = torch.tensor([0.0, 0.3, 1.0], dtype=torch.float64)
    together = fresh((3, 2, 2), (3,))
    apart = [[p[i].detach().clone() for p in together] for i in range(3)]
    train(Lookahead(ours.Adam(together, lr=0.1), k=2, alpha=alphas), 5)
    for i, alpha in enumerate(alphas.tolist()):
        train(Lookahead(ours.Adam(apart[i], lr=0.1), k=2, alpha=alpha), 5)
        for p, expected in zip(together, apart[i], strict=True):
            torch.testing.assert_close(p[i].detach(), expected, rtol=1e-12, atol=1e-12)


# --- as an optimizer -------------------------------------------------------------------------------------


@every_inner
@pytest.mark.parametrize("stop", [3, 4, 5], ids=["before a meeting", "at a meeting", "after a meeting"])
def test_saved_and_loaded_in_mid_cycle_it_continues_bit_for_bit(inner, stop):
    straight, first = Lookahead(inner(fresh()), k=4), Lookahead(inner(fresh()), k=4)
    train(straight, 11)
    train(first, stop)
    file = io.BytesIO()
    torch.save(first.state_dict(), file)
    file.seek(0)
    second = Lookahead(inner([p.requires_grad_() for p in values(first)], lr=0.9), k=4)
    second.load_state_dict(torch.load(file, weights_only=True))
    assert second.param_groups[0]["lr"] == first.param_groups[0]["lr"]
    train(second, 11 - stop, first=stop + 1)
    assert_identical(values(second), values(straight))


@every_late_inner
def test_the_groups_and_the_state_stay_shared_whoever_loads_or_sets_them(inner):
    saved, optimizer, by_itself = (Lookahead(inner(fresh()), k=3) for _ in range(3))
    for one in (saved, optimizer, by_itself):
        train(one, 2)
    saved.param_groups[0]["lr"] = 0.03
    optimizer.optimizer.load_state_dict(copy.deepcopy(saved.state_dict()))
    by_itself.load_state_dict(copy.deepcopy(saved.state_dict()))
    for one in (optimizer, by_itself):
        assert one.param_groups is one.optimizer.param_groups
        assert one.param_groups[0]["lr"] == 0.03
        assert one.state is one.optimizer.state
        train(one, 4, first=3)
    assert_identical(values(optimizer), values(by_itself))
    optimizer.state = defaultdict(dict)
    optimizer.param_groups = optimizer.param_groups[:1]
    assert not optimizer.optimizer.state
    assert optimizer.param_groups is optimizer.optimizer.param_groups
    train(optimizer, 1)


@every_inner
@pytest.mark.parametrize(
    "clone", [copy.deepcopy, lambda o: pickle.loads(pickle.dumps(o))], ids=["deepcopy", "pickle"]
)
@pytest.mark.parametrize("stop", [0, 3, 5])
def test_a_copy_continues_bit_for_bit_and_on_its_own(inner, clone, stop):
    original = Lookahead(inner(fresh()), k=4, alpha=0.3)
    train(original, stop)
    paused = values(original)
    copied = clone(original)
    assert copied.param_groups is copied.optimizer.param_groups
    assert copied.state is copied.optimizer.state
    train(copied, 7, first=stop + 1)
    assert_identical(values(original), paused)
    train(original, 7, first=stop + 1)
    assert_identical(values(copied), values(original))


@every_inner
def test_a_parameter_without_a_gradient_stays(inner):
    seen, never, late = fresh((2,), (2,), (2,))
    optimizer = Lookahead(inner([seen, never, late]), k=3)
    start = late.detach().clone()
    for step in range(1, 8):
        seen.grad = torch.cos(seen.detach() + step)
        late.grad = torch.ones_like(late) if step == 5 else None
        optimizer.step()
        if step < 5:
            assert torch.equal(late, start)
        elif step == 5:
            moved = late.detach().clone()
            assert not torch.equal(moved, start)
        else:  # it waits for the meeting of step 6 as it waits for its next gradient
            assert torch.equal(late, moved)
    assert torch.equal(never, fresh((2,), (2,))[1])
    assert "slow_param" not in optimizer.state[never]
    assert torch.equal(optimizer.state[late]["slow_param"], start)


def test_no_gradients_at_all_move_nothing():
    optimizer = Lookahead(ours.SGD(fresh(), lr=0.1), k=1)
    optimizer.step()
    assert_identical(values(optimizer), fresh())


@every_late_inner
def test_a_group_added_later_begins_its_own_cycle(inner):
    early, late = fresh((2,), (3,))
    optimizer = Lookahead(inner([early]), k=3)
    train(optimizer, 2)
    optimizer.add_param_group({"params": [late], "lr": 0.03})
    assert optimizer.optimizer.param_groups[1]["params"][0] is late
    alone = Lookahead(inner([late.detach().clone().requires_grad_()], lr=0.03), k=3)
    train(optimizer, 4)
    train(alone, 4)
    assert_identical([late.detach()], values(alone))


@every_inner
def test_a_torch_scheduler_sets_the_inner_rate(inner):
    scheduled, by_hand = Lookahead(inner(fresh(), lr=0.4), k=3), Lookahead(inner(fresh(), lr=0.4), k=3)
    schedule = torch.optim.lr_scheduler.StepLR(scheduled, step_size=2, gamma=0.5)
    for step in range(8):
        by_hand.param_groups[0]["lr"] = 0.4 * 0.5 ** (step // 2)
        assert scheduled.optimizer.param_groups[0]["lr"] == by_hand.param_groups[0]["lr"]
        train(scheduled, 1, first=step)
        train(by_hand, 1, first=step)
        schedule.step()
    assert_identical(values(scheduled), values(by_hand))


@every_inner
def test_a_closure_is_called_once_and_its_loss_returned(inner):
    with_closure, without = fresh((3,)), fresh((3,))
    first, second, calls = Lookahead(inner(with_closure), k=2), Lookahead(inner(without), k=2), []

    def closure():
        calls.append(torch.is_grad_enabled())
        first.zero_grad()
        loss = with_closure[0].square().sum()
        loss.backward()
        return loss

    for _ in range(4):
        expected = with_closure[0].detach().square().sum().item()
        assert first.step(closure).item() == expected
        without[0].grad = 2 * without[0].detach()
        second.step()
    assert calls == [True] * 4
    assert_identical(with_closure, without)


def test_zero_grad_reaches_the_parameters():
    (p,) = fresh((3,))
    optimizer = Lookahead(ours.SGD([p], lr=0.1))
    p.grad = torch.ones_like(p)
    optimizer.zero_grad()
    assert p.grad is None


def test_a_skipped_step_does_not_count():
    p = one()
    optimizer = Lookahead(ours.SGD([p], lr=0.1, nonfinite="skip"), k=2)
    descend(optimizer, p, 1)
    p.grad = torch.tensor([math.nan], dtype=torch.float64)
    optimizer.step()
    assert p.item() == pytest.approx(0.9)
    assert descend(optimizer, p, 1) == pytest.approx(1 + 0.5 * (0.81 - 1))


@pytest.mark.parametrize("cls", [Ranger, lambda p: Lookahead(ours.SGD(p))], ids=["Ranger", "Lookahead"])
def test_an_optimizer_that_looks_ahead_itself_is_refused(cls):
    with pytest.raises(TypeError, match="optimizer must not look ahead itself, got "):
        Lookahead(cls(fresh()))


@pytest.mark.parametrize(
    ("kwargs", "error", "message"),
    [
        (dict(k=0), ValueError, "k must be at least 1, got 0"),
        (dict(k=1.5), TypeError, "k must be a whole number, got 1.5"),
        (dict(alpha=-0.1), ValueError, "alpha must be a finite number ≥ 0 and ≤ 1, got -0.1"),
        (dict(alpha=1.1), ValueError, "alpha must be a finite number ≥ 0 and ≤ 1, got 1.1"),
        (
            dict(alpha=torch.tensor([0.5, math.nan])),
            ValueError,
            "alpha must be a finite number ≥ 0 and ≤ 1, got nan",
        ),
        (dict(alpha="half"), TypeError, "alpha must be a number or a tensor of numbers, got 'half'"),
    ],
    ids=range(6),
)
def test_a_bad_value_is_refused_by_name_value_and_range(kwargs, error, message):
    with pytest.raises(error, match=re.escape(message)):
        Lookahead(ours.SGD(fresh(), lr=0.1), **kwargs)
    with pytest.raises(error, match=re.escape(message)):
        Ranger(fresh(), **kwargs)


def test_parameters_in_place_of_an_optimizer_are_refused():
    with pytest.raises(TypeError, match=re.escape("optimizer must be a torch.optim.Optimizer, got [")):
        Lookahead(fresh())


# --- Ranger ----------------------------------------------------------------------------------------------

SHAPES = [(4, 3), (3,), (), (2, 3, 2)]


def test_ranger_is_lookahead_around_radam_on_centred_gradients():
    by_name, by_parts = fresh(*SHAPES), fresh(*SHAPES)
    train(Ranger(by_name, lr=0.1, weight_decay=0.1), 20)
    radam = RAdam(
        by_parts,
        lr=0.1,
        betas=(0.95, 0.999),
        eps=1e-5,
        weight_decay=0.1,
        decoupled_weight_decay=True,
        clip=centralize(),
    )
    train(Lookahead(radam, k=6, alpha=0.5), 20)
    assert_identical(by_name, by_parts)


@pytest.mark.parametrize("use_gc", [True, False])
@pytest.mark.parametrize("weight_decay", [0, 0.1])
def test_ranger_is_what_the_papers_say(use_gc, weight_decay):
    """Liu et al. 2020, Zhang et al. 2019, Yong et al. 2020, and Wright's constants, written out."""
    lr, beta1, beta2, eps, k, alpha = 0.1, 0.95, 0.999, 1e-5, 6, 0.5
    got, expected = fresh(*SHAPES), fresh(*SHAPES)
    optimizer = Ranger(got, lr=lr, weight_decay=weight_decay, use_gc=use_gc)
    for p in expected:
        p.requires_grad_(False)
    memory = [(torch.zeros_like(p), torch.zeros_like(p), p.clone()) for p in expected]
    rho_inf = 2 / (1 - beta2) - 1
    for t in range(1, 21):
        train(optimizer, 1, first=t)
        rho = rho_inf - 2 * t * beta2**t / (1 - beta2**t)
        for p, (m, v, slow) in zip(expected, memory, strict=True):
            g = torch.cos(3 * p + 2 * t)
            if use_gc and g.ndim > 1:
                for row in g:
                    row -= row.mean()
            m.mul_(beta1).add_((1 - beta1) * g)
            v.mul_(beta2).add_((1 - beta2) * g * g)
            p.mul_(1 - lr * weight_decay)
            if rho > 5:
                r = math.sqrt((rho - 4) * (rho - 2) * rho_inf / ((rho_inf - 4) * (rho_inf - 2) * rho))
                factor = r * math.sqrt(1 - beta2**t) / (1 - beta1**t)
                p.sub_(lr * factor * m / (v.sqrt() + eps))
            else:
                p.sub_(lr / (1 - beta1**t) * m)
            if t % k == 0:
                slow.add_(alpha * (p - slow))
                p.copy_(slow)
    for g, e in zip(got, expected, strict=True):
        torch.testing.assert_close(g.detach(), e, rtol=1e-12, atol=1e-12)


def test_ranger_centres_first_and_clips_then():
    (p,) = fresh((1, 2))
    p.grad = torch.tensor([[102.0, 98.0]], dtype=torch.float64)
    start = p.detach().clone()
    Ranger([p], lr=1.0, clip=by_global_norm(1.0)).step()
    expected = torch.tensor([[1, -1]], dtype=torch.float64) / 2**0.5
    torch.testing.assert_close(start - p.detach(), expected)


def test_ranger_goes_down_from_the_first_step():
    """Another library's climbs for five."""
    p = one()
    optimizer = Ranger([p], lr=0.01)
    ends = [1.0, *(descend(optimizer, p, 1) for _ in range(5))]
    assert all(after < before for before, after in pairwise(ends))
