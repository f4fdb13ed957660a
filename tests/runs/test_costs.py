"""Operations are counted, and times are compared round by round."""

import pytest
import torch

import lwlr_teach.runs.costs as module
from lwlr_teach.runs.costs import operations, time_ratios


def test_operations_are_counted():
    x = torch.ones(3)
    assert operations(lambda: None) == 0
    assert operations(lambda: x + 1) == 1
    assert operations(lambda: torch._foreach_add([x, x], 1)) == 1
    assert operations(lambda: [t + 1 for t in (x, x)]) == 2


def test_a_step_on_more_groups_starts_more_calls_with_foreach_only():
    def step_of(groups, foreach):
        params = [torch.ones(3, requires_grad=True) for _ in range(4)]
        for p in params:
            p.grad = torch.ones(3)
        split = [{"params": [p]} for p in params] if groups else params
        adam = torch.optim.Adam(split, foreach=foreach)
        adam.step()
        return adam.step

    one, four = (operations(step_of(groups, True)) for groups in (False, True))
    assert four > 2 * one
    one, four = (operations(step_of(groups, False)) for groups in (False, True))
    assert four == one


@pytest.fixture
def clock(monkeypatch):
    """A clock that moves only when somebody works."""
    now = [0.0]
    monkeypatch.setattr(module.time, "perf_counter", lambda: now[0])

    def work(seconds):
        now[0] += seconds

    return work


def test_ratios_are_those_of_the_rounds(clock):
    calls = []

    def one_of(name, seconds):
        def run():
            calls.append(name)
            clock(seconds)

        return run

    ratios = time_ratios(one_of("slow", 3.0), one_of("fast", 2.0), rounds=4, repeats=2)
    assert ratios.tolist() == [1.5] * 4
    first, *rounds = [calls[:2], *(calls[i : i + 4] for i in range(2, len(calls), 4))]
    assert sorted(first) == ["fast", "slow"]  # both are warm before the first round
    fast_first, slow_first = ["fast", "fast", "slow", "slow"], ["slow", "slow", "fast", "fast"]
    assert rounds == [fast_first, slow_first, fast_first, slow_first]


@pytest.mark.parametrize("name", ["rounds", "repeats"])
def test_bad_counts(name):
    with pytest.raises(ValueError, match=f"{name} must be at least 1, got 0"):
        time_ratios(lambda: None, lambda: None, **{name: 0})
