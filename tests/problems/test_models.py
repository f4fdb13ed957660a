import pytest
import torch

from lwlr_teach.layerwise import named_layers
from lwlr_teach.problems.data import digits
from lwlr_teach.problems.models import (
    batch_norm_mlp,
    digits_cnn,
    init_batch_norm_mlp,
    init_mlp,
    init_rnn,
    mlp,
    rnn,
)


def test_the_network_is_torchs():
    params = [p.double() for p in init_mlp([5, 7, 3], torch.Generator().manual_seed(0))]
    params[1] += 0.1  # biases that matter
    params[3] -= 0.2
    layers = torch.nn.Sequential(torch.nn.Linear(5, 7), torch.nn.ReLU(), torch.nn.Linear(7, 3)).double()
    with torch.no_grad():
        for layer, (weight, bias) in zip([layers[0], layers[2]], [params[:2], params[2:]], strict=True):
            layer.weight.copy_(weight.T)
            layer.bias.copy_(bias[0])
    x = torch.randn(4, 5, dtype=torch.float64)
    torch.testing.assert_close(mlp(params, x), layers(x))


def test_copies_are_independent_networks():
    copies = [init_mlp([5, 7, 3], torch.Generator().manual_seed(s)) for s in range(4)]
    stacked = [torch.stack(same) for same in zip(*copies, strict=True)]
    x = torch.randn(6, 5)
    together = mlp(stacked, x)
    assert together.shape == (4, 6, 3)
    for copy, logits in zip(copies, together, strict=True):
        torch.testing.assert_close(mlp(copy, x), logits)


def test_weights_keep_the_size_of_the_signal():
    params = init_mlp([400, 400, 400, 10], torch.Generator().manual_seed(0))
    x = torch.randn(200, 400)
    hidden = torch.relu(torch.relu(x @ params[0]) @ params[2])
    assert 0.7 < hidden.square().mean() < 1.4
    assert all((bias == 0).all() for bias in params[1::2])


def test_the_normalised_network_is_torchs_in_training():
    generator = torch.Generator().manual_seed(0)
    params = [p.double() for p in init_batch_norm_mlp([5, 7, 6, 3], generator)]
    params = [p + 0.1 * torch.randn(p.shape, generator=generator).double() for p in params]
    layers, at = [], 0
    for fan_in, fan_out in [(5, 7), (7, 6)]:
        layers += [
            torch.nn.Linear(fan_in, fan_out, bias=False),
            torch.nn.BatchNorm1d(fan_out),
            torch.nn.ReLU(),
        ]
    model = torch.nn.Sequential(*layers, torch.nn.Linear(6, 3)).double()
    with torch.no_grad():
        for layer in model:
            for parameter in layer.parameters():
                value = params[at].T if parameter.ndim == 2 else params[at][0]
                assert parameter.shape == value.shape
                parameter.copy_(value)
                at += 1
    assert at == len(params)
    x = 3 + 2 * torch.randn(4, 5, dtype=torch.float64)
    torch.testing.assert_close(batch_norm_mlp(params, x), model.train()(x))


def test_copies_of_a_normalised_network_are_independent():
    copies = [init_batch_norm_mlp([5, 7, 3], torch.Generator().manual_seed(s)) for s in range(4)]
    stacked = [torch.stack(same) for same in zip(*copies, strict=True)]
    x = torch.randn(6, 5)
    together = batch_norm_mlp(stacked, x)
    assert together.shape == (4, 6, 3)
    for seed, copy in enumerate(copies):
        torch.testing.assert_close(together[seed], batch_norm_mlp(copy, x))
        assert torch.equal(copy[0], init_mlp([5, 7, 3], torch.Generator().manual_seed(seed))[0])


def test_the_convolutional_network_takes_digits_as_they_are():
    model = digits_cnn()
    x = digits().x_train[:5]
    assert model(x).shape == (5, 10)
    assert list(named_layers(model)) == ["conv1", "conv2", "hidden", "out"]
    assert sum(p.numel() for p in model.parameters()) == 38_282
    # A pixel reaches the first layer where it stands in the image.
    image = torch.zeros(1, 64)
    image[0, 8 * 2 + 5] = 1
    seen = model.conv1(model.image(image)) - model.conv1(model.image(torch.zeros(1, 64)))
    rows, columns = seen.abs().amax((0, 1)).nonzero(as_tuple=True)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (1, 3, 4, 6)


def test_its_seed_fixes_the_weights_and_nothing_else():
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    one, same, other = digits_cnn(1), digits_cnn(1), digits_cnn(2)
    assert torch.equal(torch.rand(3), expected)
    assert all(torch.equal(p, q) for p, q in zip(one.parameters(), same.parameters(), strict=True))
    assert not torch.equal(one.conv1.weight, other.conv1.weight)


def test_the_recurrent_network_is_torchs():
    params = [p.double() for p in init_rnn(3, 7, 4, torch.Generator().manual_seed(0), gain=1.5)]
    params[2] += 0.1  # biases that matter
    params[4] -= 0.2
    recurrent = torch.nn.RNN(3, 7, batch_first=True).double()
    last = torch.nn.Linear(7, 4).double()
    pairs = zip(
        [recurrent.weight_ih_l0, recurrent.weight_hh_l0, recurrent.bias_ih_l0, last.weight, last.bias],
        params,
        strict=True,
    )
    with torch.no_grad():
        recurrent.bias_hh_l0.zero_()
        for theirs, ours in pairs:
            theirs.copy_(ours.T if theirs.ndim == 2 else ours[0])
    x = torch.randn(5, 6, 3, dtype=torch.float64)
    torch.testing.assert_close(rnn(params, x), last(recurrent(x)[0][:, -1]))


def test_copies_of_a_recurrent_network_are_independent():
    copies = [init_rnn(2, 5, 3, torch.Generator().manual_seed(s)) for s in range(4)]
    stacked = [torch.stack(same) for same in zip(*copies, strict=True)]
    x = torch.randn(6, 9, 2)  # the same sequences for all
    own = torch.randn(4, 6, 9, 2)  # other sequences for each
    for seed, copy in enumerate(copies):
        torch.testing.assert_close(rnn(stacked, x)[seed], rnn(copy, x))
        torch.testing.assert_close(rnn(stacked, own)[seed], rnn(copy, own[seed]))
    assert rnn(stacked, x[:, :1]).shape == (4, 6, 3)


@pytest.mark.parametrize("gain", [0.5, 2.0])
def test_the_gain_is_the_size_of_the_largest_eigenvalue(gain):
    weights = init_rnn(2, 400, 3, torch.Generator().manual_seed(0), gain)[1]
    assert torch.linalg.eigvals(weights).abs().max().item() == pytest.approx(gain, rel=0.1)
