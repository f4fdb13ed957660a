"""A batch of models: the numbers of each model alone, whatever the number of axes."""

from functools import partial

import pytest
import torch
from torch import nn

from lwlr_teach.core.batching import over_batch
from lwlr_teach.optim import LARS


def scaled(x, state, *, factor, pair, kept):
    """A function of one model that reads tensors, a tuple of them, and what is no tensor."""
    assert kept is None
    norm = torch.linalg.vector_norm(x)
    return x * norm * factor + pair[0], {"norm": norm, "old": pair[1] * state["old"]}


@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize("layer", [(), (5,), (2, 3)])
def test_each_model_has_its_numbers_alone(axes, layer):
    batch = (3, 2, 4)[:axes]
    generator = torch.Generator().manual_seed(0)
    x, old = (torch.randn(*batch, *layer, generator=generator, dtype=torch.float64) for _ in range(2))
    factor = torch.randn(batch[:1] + (1,) * (axes - 1), generator=generator, dtype=torch.float64)
    second = torch.randn(batch, generator=generator, dtype=torch.float64)
    # A settings' own keyword, one of a partial, and a view whose axes do not lie one after another.
    function = partial(scaled, factor=factor)
    old = old.transpose(0, -1).contiguous().transpose(0, -1)
    made, state = over_batch(function, axes, x, {"old": old}, pair=(0.5, second), kept=None)
    for at in torch.cartesian_prod(*map(torch.arange, batch)).reshape(-1, axes).tolist():
        at = tuple(at)
        alone, own = scaled(
            x[at], {"old": old[at]}, factor=factor[at[0]].squeeze(), pair=(0.5, second[at]), kept=None
        )
        torch.testing.assert_close(made[at], alone)
        torch.testing.assert_close(state["norm"][at], own["norm"])
        torch.testing.assert_close(state["old"][at], own["old"])


def test_all_axes_are_one_for_vmap(monkeypatch):
    """Each axis would cost as much as the rule does."""
    vmap, calls = torch.vmap, []
    monkeypatch.setattr(torch, "vmap", lambda function: calls.append(function) or vmap(function))
    weights = nn.Parameter(torch.ones(3, 2, 4, 5))
    weights.grad = torch.ones(3, 2, 4, 5)
    optimizer = LARS([weights], lr=torch.rand(3, 1, 1))
    optimizer.step()
    calls.clear()
    optimizer.step()
    assert len(calls) == 1
    assert optimizer.state[weights]["scale"].shape == (3, 2, 4)
