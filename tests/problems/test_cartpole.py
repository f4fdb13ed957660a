import gymnasium
import pytest
import torch

from lwlr_teach.problems.cartpole import fallen, first_states, push


def test_episodes_are_gymnasiums():
    """Twenty episodes with random pushes: the states, and when each is over."""
    env = gymnasium.make("CartPole-v1").unwrapped
    generator = torch.Generator().manual_seed(0)
    for seed in range(20):
        start, _ = env.reset(seed=seed)
        env.state = start.astype("float64")
        state = torch.tensor(env.state, dtype=torch.float64)
        for _ in range(200):
            right = torch.rand((), generator=generator) < 0.5
            _, _, terminated, _, _ = env.step(int(right))
            state = push(state, right)
            assert state.tolist() == pytest.approx(list(env.state), abs=1e-12)
            assert fallen(state).item() == terminated
            if terminated:
                break
        else:
            pytest.fail("a pole pushed at random should have fallen")


def test_it_is_over_at_either_edge_and_on_either_side():
    states = torch.tensor([[0, 9, 0, 9], [2.5, 0, 0, 0], [-2.5, 0, 0, 0], [0, 0, 0.22, 0], [0, 0, -0.22, 0]])
    assert fallen(states).tolist() == [False, True, True, True, True]


def test_episodes_begin_near_the_middle():
    states = first_states(1000, generator=torch.Generator().manual_seed(0))
    assert states.shape == (1000, 4)
    assert 0.049 < states.abs().max() <= 0.05
