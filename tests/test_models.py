import torch

from lwlr_teach.models import init_mlp, mlp


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
