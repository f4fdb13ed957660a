"""The networks of the four fields against torch's own, a copy at a time."""

import pytest
import torch
from torch.distributions import Normal, kl_divergence
from torch.nn import functional as F

from lwlr_teach.problems.field_models import (
    attention,
    cnn,
    divergence,
    init_cnn,
    init_transformer,
    init_vae,
    transformer,
    vae_loss,
)
from lwlr_teach.problems.models import mlp

GENERATOR = torch.Generator()


@pytest.fixture(autouse=True)
def seeded():
    GENERATOR.manual_seed(0)


def copies(init):
    """Parameters of 2 × 3 copies, all of them random: (run, seed, …)."""
    made = [[torch.randn(p.shape, generator=GENERATOR).double() / 3 for p in init()] for _ in range(6)]
    return [torch.stack(same).unflatten(0, (2, 3)) for same in zip(*made, strict=True)]


def one(params, run, seed):
    return [p[run, seed] for p in params]


def test_the_convolutional_network_is_torchs():
    params = copies(lambda: init_cnn((3, 5), 10, GENERATOR))
    x = torch.rand(3, 7, 64, generator=GENERATOR).double()  # each seed has a batch of its own
    logits = cnn(params, x)
    assert logits.shape == (2, 3, 7, 10)
    for run in range(2):
        for seed in range(3):
            w1, b1, w2, b2, w3, b3 = one(params, run, seed)
            h = x[seed].view(7, 1, 8, 8)
            for w, b in ((w1, b1), (w2, b2)):
                kernel = w.T.reshape(w.shape[1], -1, 3, 3)
                h = F.relu(F.conv2d(h, kernel, b[0], stride=2, padding=1))
            torch.testing.assert_close(logits[run, seed], F.linear(h.flatten(1), w3.T, b3[0]))


def test_a_network_alone_gives_what_it_gives_among_others():
    params = copies(lambda: init_cnn((3, 5), 10, GENERATOR))
    x = torch.rand(7, 64, generator=GENERATOR).double()
    torch.testing.assert_close(cnn(one(params, 1, 2), x), cnn(params, x[None])[1, 2])


def test_attention_is_torchs():
    query, key, value = torch.randn(3, 2, 3, 4, 2, 6, 5, generator=GENERATOR).double()
    expected = F.scaled_dot_product_attention(query, key, value, is_causal=True)
    torch.testing.assert_close(attention(query, key, value), expected)


def test_the_transformer_is_that_of_torchs_parts():
    params = copies(lambda: init_transformer(11, 6, 8, GENERATOR))
    codes = torch.randint(11, (3, 4, 6), generator=GENERATOR)
    logits = transformer(params, codes)
    assert logits.shape == (2, 3, 4, 6, 11)
    letters, places, mixing, out, up, up_bias, down, down_bias, last, last_bias = one(params, 1, 2)
    x = F.embedding(codes[2], letters) + places
    parts = F.layer_norm(x, (8,)) @ mixing
    q, k, v = (part.view(4, 6, 2, 4).transpose(1, 2) for part in parts.split(8, -1))
    heard = F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).reshape(4, 6, 8)
    x = x + heard @ out
    x = x + F.relu(F.layer_norm(x, (8,)) @ up + up_bias) @ down + down_bias
    torch.testing.assert_close(logits[1, 2], F.layer_norm(x, (8,)) @ last + last_bias)


def test_the_transformer_does_not_look_ahead():
    params = copies(lambda: init_transformer(11, 6, 8, GENERATOR))
    codes = torch.randint(11, (3, 4, 6), generator=GENERATOR)
    other = codes.clone()
    other[..., -1] = (other[..., -1] + 1) % 11
    before, after = transformer(params, codes), transformer(params, other)
    torch.testing.assert_close(before[..., :-1, :], after[..., :-1, :])
    assert not torch.allclose(before[..., -1, :], after[..., -1, :])


def test_it_begins_by_guessing():
    first = init_transformer(11, 6, 8, GENERATOR)
    assert transformer(first, torch.zeros(1, 6, dtype=torch.int64)).abs().max() == 0


def test_the_divergence_is_torchs():
    mean, log_variance = torch.randn(2, 5, 3, generator=GENERATOR).double()
    expected = kl_divergence(Normal(mean, (log_variance / 2).exp()), Normal(0.0, 1.0)).sum(-1)
    torch.testing.assert_close(divergence(mean, log_variance), expected.double())


def test_the_bound_is_reconstruction_and_divergence():
    params = copies(lambda: init_vae(64, 9, 2, GENERATOR))
    x = torch.rand(3, 5, 64, generator=GENERATOR).double()
    noise = torch.randn(3, 5, 2, generator=GENERATOR).double()
    bound = vae_loss(params, x, noise)
    assert bound.shape == (2, 3, 5)
    own = one(params, 0, 1)
    mean, log_variance = mlp(own[:4], x[1]).split(2, -1)
    posterior = Normal(mean, (log_variance / 2).exp())
    logits = mlp(own[4:], mean + posterior.stddev * noise[1])
    ink = F.binary_cross_entropy_with_logits(logits, x[1], reduction="none").sum(-1)
    torch.testing.assert_close(bound[0, 1], ink + kl_divergence(posterior, Normal(0.0, 1.0)).sum(-1))
