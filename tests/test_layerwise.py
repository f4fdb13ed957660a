"""Layers, their rates and factors: the numbers of the papers, and groups that every optimizer takes."""

import copy
import math
import re
import warnings
from itertools import pairwise

import pytest
import torch
from torch import nn

import lwlr_teach.optim as ours
from lwlr_teach.layerwise import (
    by_trust_ratio,
    freeze,
    gains_and_biases,
    groups_by_depth,
    groups_by_name,
    ladder,
    layer_schedule,
    mup_groups,
    named_layers,
    opposite_norms,
    split_decay,
    split_for_muon,
    train_top,
    trust_ratio,
    unfreeze,
)
from lwlr_teach.optim import LAMB, LARS, METHODS, SGD, Adam, AdamW, Lookahead, Method, Muon, Partition


def mlp(*sizes, dtype=torch.float64):
    """Linear layers, named 0, 1, 2, …"""
    torch.manual_seed(0)
    return nn.Sequential(*(nn.Linear(a, b, dtype=dtype) for a, b in pairwise(sizes)))


def draw(*shape, seed=0):
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


class Tied(nn.Module):
    """A language model in small: the embedding is the last layer's weight; and a parameter of its own."""

    def __init__(self):
        super().__init__()
        self.token = nn.Parameter(torch.zeros(3))
        self.embedding = nn.Embedding(7, 4)
        self.body = nn.ModuleDict({"mix": nn.Linear(4, 4), "norm": nn.LayerNorm(4)})
        self.head = nn.Linear(4, 7)
        self.head.weight = self.embedding.weight
        self.register_buffer("count", torch.zeros(1))


def transformer():
    return nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16), 2, enable_nested_tensor=False)


def weight_normed(*sizes):
    return nn.utils.parametrizations.weight_norm(nn.Linear(*sizes))


MODELS = {
    "mlp": lambda: mlp(3, 5, 4, 2),
    "bare": lambda: nn.Linear(3, 2),
    "tied": Tied,
    "transformer": transformer,
    "batch norm": lambda: nn.Sequential(nn.Conv1d(2, 3, 2), nn.BatchNorm1d(3), nn.ReLU(), nn.Linear(4, 1)),
    "parametrised": lambda: nn.Sequential(weight_normed(3, 2), nn.Linear(2, 1)),
}
every_model = pytest.mark.parametrize("model", [make() for make in MODELS.values()], ids=MODELS)


# --- layers ----------------------------------------------------------------------------------------------


def layout(model, *args):
    names = {id(p): n for n, p in model.named_parameters()}
    return {layer: [names[id(p)] for p in params] for layer, params in named_layers(model, *args).items()}


@every_model
def test_every_parameter_is_in_one_layer_in_the_models_order(model):
    found = [p for params in named_layers(model).values() for p in params]
    assert sorted(map(id, found)) == sorted(map(id, model.parameters()))
    assert all(named_layers(model).values())


def test_layers_of_nested_modules():
    inner = nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.LayerNorm(2))
    model = nn.ModuleDict(
        {"body": nn.ModuleList([inner, nn.Linear(2, 2, bias=False)]), "head": nn.Linear(2, 1)}
    )
    assert layout(model) == {
        "body.0.0": ["body.0.0.weight", "body.0.0.bias"],
        "body.0.2": ["body.0.2.weight", "body.0.2.bias"],
        "body.1": ["body.1.weight"],
        "head": ["head.weight", "head.bias"],
    }


def test_a_bare_layer_goes_by_its_class():
    assert layout(nn.Linear(3, 2)) == {"Linear": ["weight", "bias"]}


def test_a_shared_weight_belongs_to_the_first_and_buffers_to_nobody():
    assert layout(Tied()) == {
        "Tied": ["token"],
        "embedding": ["embedding.weight"],
        "body.mix": ["body.mix.weight", "body.mix.bias"],
        "body.norm": ["body.norm.weight", "body.norm.bias"],
        "head": ["head.bias"],
    }


def test_a_child_named_like_the_model_loses_nothing():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.gain = nn.Parameter(torch.ones(1))
            self.Net = nn.Linear(2, 1)

    assert layout(Net()) == {"Net": ["gain", "Net.weight", "Net.bias"]}


def test_layers_of_a_transformer_and_its_blocks():
    model = transformer()
    parts = ["self_attn", "self_attn.out_proj", "linear1", "linear2", "norm1", "norm2"]
    assert list(named_layers(model)) == [f"layers.{i}.{part}" for i in range(2) for part in parts]
    assert layout(model)["layers.0.self_attn"] == [
        "layers.0.self_attn.in_proj_weight",
        "layers.0.self_attn.in_proj_bias",
    ]
    blocks = named_layers(model, ["layers.0", "layers.1"])
    assert {name: len(params) for name, params in blocks.items()} == {"layers.0": 12, "layers.1": 12}
    mixed = list(named_layers(model, ["layers.1"]))
    assert mixed == [*(f"layers.0.{part}" for part in parts), "layers.1"]


@pytest.mark.parametrize("wrap", [lambda m: m, lambda m: nn.Sequential(m)], ids=["bare", "nested"])
def test_a_parametrised_weight_belongs_to_its_module(wrap):
    linear = weight_normed(3, 2)
    (params,) = named_layers(wrap(linear)).values()
    assert len(params) == 3


def around(model):
    """What one puts around a model, or around a part of it, that is no part of it."""
    averaged = torch.optim.swa_utils.AveragedModel(model).module  # a copy
    inside = copy.deepcopy(model)
    for name, child in inside.named_children():
        setattr(inside, name, torch.compile(child, backend="eager"))
    return {
        "compiled": torch.compile(model, backend="eager"),
        "parallel": nn.DataParallel(model),
        "averaged": torch.optim.swa_utils.AveragedModel(averaged),
        "compiled and parallel": torch.compile(nn.DataParallel(model), backend="eager"),
        "compiled in parts": inside,
    }


@pytest.mark.parametrize("kind", ["mlp", "bare", "transformer", "batch norm", "parametrised"])
def test_names_are_the_models_own_whatever_is_around_it(kind):
    model = MODELS[kind]()
    for how, wrapped in around(model).items():
        assert list(named_layers(wrapped)) == list(named_layers(model)), how
        for name, layer in named_layers(wrapped).items():
            assert [p.shape for p in layer] == [p.shape for p in named_layers(model)[name]], how
        for make in (
            lambda m: groups_by_depth(m, 0.1, 0.5),
            lambda m: groups_by_name(m, 0.1, {next(iter(named_layers(model))): 0.2}),
            lambda m: mup_groups(m, model, 0.1),
        ):
            assert [(g["name"], g["lr"]) for g in make(wrapped)] == [
                (g["name"], g["lr"]) for g in make(model)
            ], how


def test_a_name_of_the_models_own_stays():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.module = nn.Sequential(nn.Linear(2, 1))

    assert list(named_layers(Net())) == list(named_layers(nn.DataParallel(Net()))) == ["module.0"]
    wrapped = torch.compile(mlp(2, 3, 1), backend="eager")
    freeze(wrapped, "0")
    assert [p.requires_grad for p in wrapped.parameters()] == [False] * 2 + [True] * 2
    assert list(named_layers(wrapped, ["1"])) == ["0", "1"]
    with pytest.raises(ValueError, match=r"layer '_orig_mod\.0' is not known"):
        unfreeze(wrapped, "_orig_mod.0")


def test_a_model_without_parameters_is_refused():
    with pytest.raises(ValueError, match="ReLU has no parameters"):
        named_layers(nn.ReLU())


def test_an_unknown_block_lists_the_nearest():
    with pytest.raises(ValueError, match=re.escape("block 'layer.0' is not known; did you mean layers.0")):
        named_layers(transformer(), ["layer.0"])


# --- rates that stand still ------------------------------------------------------------------------------


def rates(groups):
    return {group["name"]: group["lr"] for group in groups}


def test_by_depth_gives_the_rates_of_ulmfit():
    """Howard & Ruder 2018."""
    found = rates(groups_by_depth(mlp(2, 3, 4, 5, 1), lr=0.01, factor=1 / 2.6))
    assert list(found) == ["0", "1", "2", "3"]
    assert list(found.values())[::-1] == pytest.approx([0.01, 0.003846, 0.001479, 0.000569], abs=5e-7)


@pytest.mark.parametrize(
    ("factor", "expected"), [(1, [0.1] * 3), (2, [0.4, 0.2, 0.1]), (0.1, [0.001, 0.01, 0.1])], ids=str
)
def test_by_depth_with_other_factors(factor, expected):
    found = rates(groups_by_depth(mlp(2, 3, 4, 1), 0.1, factor))
    assert list(found.values()) == pytest.approx(expected)


def test_by_depth_counts_blocks_as_one():
    model = nn.ModuleDict({"body": transformer(), "head": nn.Linear(8, 1)})
    found = rates(groups_by_depth(model, 1.0, 0.75, blocks=["body.layers.0", "body.layers.1"]))
    assert found == {"body.layers.0": 0.75**2, "body.layers.1": 0.75, "head": 1.0}


def test_by_depth_a_frozen_copy_is_no_depth():
    model = nn.ModuleDict({"blocks": mlp(2, 2, 2, 2), "head": nn.Linear(2, 1)})
    wanted = {f"blocks.{i}": 0.5 ** (3 - i) for i in range(3)} | {"head": 1.0}
    model.average = copy.deepcopy(model["blocks"]).requires_grad_(False)
    ordered = nn.ModuleDict({name: model[name] for name in ("blocks", "average", "head")})
    for own in (model, ordered):
        found = {group["name"]: group["lr"] for group in groups_by_depth(own, 1.0, 0.5)}
        assert {name: found[name] for name in wanted} == wanted
        assert len(found) == 7
    # What is frozen only until it is unfrozen finds the rates that it would have had.
    plain = mlp(2, 2, 2, 2)
    rates_before = [group["lr"] for group in groups_by_depth(plain, 1.0, 0.5)]
    train_top(plain, 1)
    assert [group["lr"] for group in groups_by_depth(plain, 1.0, 0.5)] == rates_before == [0.25, 0.5, 1.0]
    # A layer with one parameter that is trained counts.
    plain[1].bias.requires_grad_(True)
    plain[0].weight.requires_grad_(True)
    assert [group["lr"] for group in groups_by_depth(plain, 1.0, 0.5)] == rates_before


def resnet(stages=4):
    """A stem, blocks of two convolutions with their norms, and a head."""

    def block():
        return nn.Sequential(
            nn.Conv2d(4, 4, 3, bias=False),
            nn.BatchNorm2d(4),
            nn.Conv2d(4, 4, 3, bias=False),
            nn.BatchNorm2d(4),
        )

    parts = {"stem": nn.Conv2d(3, 4, 3), "norm": nn.BatchNorm2d(4)}
    parts |= {"stages": nn.ModuleList(block() for _ in range(stages)), "head": nn.Linear(4, 2)}
    return nn.ModuleDict(parts)


def test_by_depth_norms_are_no_steps_and_have_the_rate_of_their_layer():
    found = rates(groups_by_depth(resnet(1), 1.0, 0.5))
    assert found == {
        "stem": 0.125,
        "norm": 0.125,
        "stages.0.0": 0.25,
        "stages.0.1": 0.25,
        "stages.0.2": 0.5,
        "stages.0.3": 0.5,
        "head": 1.0,
    }
    # The stem of an 18-layer network was at 1e-6.
    assert rates(groups_by_depth(resnet(8), 1e-3, 0.8))["stem"] == pytest.approx(1e-3 * 0.8**17)


def test_by_depth_what_stands_before_the_first_weight_and_after_the_last():
    model = nn.Sequential(
        nn.LayerNorm([2, 3]), nn.Linear(3, 3), nn.LayerNorm(3), nn.Linear(3, 1), nn.PReLU(2)
    )
    assert list(rates(groups_by_depth(model, 1.0, 0.5)).values()) == [0.5, 0.5, 0.5, 1.0, 1.0]
    assert rates(groups_by_depth(nn.LayerNorm(3), 1.0, 0.5)) == {"LayerNorm": 1.0}


def test_by_depth_a_norm_that_alone_is_trained_keeps_its_layers_step():
    model = resnet(1)
    for layer in ("stem", "stages.0.0", "stages.0.2"):
        freeze(model, layer)
    found = rates(groups_by_depth(model, 1.0, 0.5))
    assert (found["norm"], found["stages.0.1"], found["stages.0.3"], found["head"]) == (0.125, 0.25, 0.5, 1.0)


def test_by_depth_a_frozen_copy_with_norms_is_no_depth():
    model = resnet(2)
    wanted = rates(groups_by_depth(model, 1.0, 0.5))
    for place in ("head", "norm"):  # the copy comes after these in the model's order
        parts = {}
        for name, part in model.items():
            parts[name] = part
            if name == place:
                parts["average"] = copy.deepcopy(model).requires_grad_(False)
        found = rates(groups_by_depth(nn.ModuleDict(parts), 1.0, 0.5))
        assert {name: found[name] for name in wanted} == wanted
        assert len(found) == 2 * len(wanted)


def test_a_name_for_blocks_is_the_module_that_holds_them():
    model = nn.ModuleDict({"body": transformer(), "head": nn.Linear(8, 1)})
    listed = groups_by_depth(model, 1.0, 0.75, blocks=["body.layers.0", "body.layers.1"])
    assert rates(groups_by_depth(model, 1.0, 0.75, blocks="body.layers")) == rates(listed)
    assert list(named_layers(torch.optim.swa_utils.AveragedModel(model), "body.layers")) == [
        "body.layers.0",
        "body.layers.1",
        "head",
    ]
    train_top(model, 2, blocks="body.layers")
    assert not any(p.requires_grad for p in model["body"].layers[0].parameters())
    assert all(p.requires_grad for p in model["body"].layers[1].parameters())
    with pytest.raises(
        ValueError, match=r"blocks must hold modules if it is a name, got 'head'; for one block, \['head'\]"
    ):
        named_layers(model, "head")
    with pytest.raises(ValueError, match=r"blocks .body.layer. is not known; did you mean body.layers"):
        named_layers(model, "body.layer")


def test_by_depth_rates_far_apart_are_told_and_a_block_of_norms_counts():
    deep = resnet(13)  # 28 steps
    with pytest.warns(
        UserWarning, match=r"factor 0\.8 over 28 layers gives the first, stem, the rate 2\.42e-06, "
    ):
        groups_by_depth(deep, 1e-3, 0.8)
    with pytest.warns(UserWarning, match=r"and the last 0\.001\. .*blocks="):
        groups_by_depth(deep, 1e-3, 1 / 0.8)
    freeze(deep, *(f"stages.{i}" for i in range(6)))  # 16 are left, and warnings are errors
    groups_by_depth(deep, 1e-3, 0.8)
    unfreeze(deep)
    found = rates(groups_by_depth(deep, 1.0, 0.1, blocks=["norm", *(f"stages.{i}" for i in range(13))]))
    assert found["stem"] == pytest.approx(1e-15)
    assert found["norm"] == pytest.approx(1e-14)
    groups_by_depth(mlp(2, 2, 2, 2, 2, 2, 1), 0.01, 1 / 2.6)  # ULMFiT's


def test_the_ladder_has_a_line_for_each_rate():
    groups = groups_by_depth(resnet(1), 0.1, 0.5)
    wanted = """\
rate    share  numbers  layers
0.0125  0.125  120      stem, norm
0.025   0.25   152      stages.0.0, stages.0.1
0.05    0.5    152      stages.0.2, stages.0.3
0.1     1      10       head"""
    assert ladder(groups) == wanted
    split = ladder(split_decay(groups, 0.1))
    assert split == wanted
    optimizer = SGD(
        [{"params": torch.ones(3), "lr": 0.0}, {"params": [torch.ones(2)], "lr": torch.tensor(0.0)}]
    )
    assert ladder(optimizer.param_groups).splitlines()[1].split(maxsplit=3) == [
        "0",
        "0",
        "5",
        "group 0, group 1",
    ]
    assert ladder([]) == "rate  share  numbers  layers"


def test_by_name_takes_the_longest_name_that_fits():
    model = nn.ModuleDict({"body": mlp(2, 3, 4, 1), "body2": nn.Linear(1, 1), "head": nn.Linear(1, 1)})
    groups = groups_by_name(model, 0.1, {"body.1": 0.3, "body": 0.2, "head": 0.0})
    assert rates(groups) == {"body.0": 0.2, "body.1": 0.3, "body.2": 0.2, "body2": 0.1, "head": 0.0}


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("bdy", "layer 'bdy' is not known; did you mean body.1 or body.0?"),
        ("bod", "layer 'bod' is not known; did you mean"),
        ("body.", "layer 'body.' is not known; did you mean"),
        ("qq", "layer 'qq' is not known; choose from body.0, body.1, head"),
        ("", "layer '' is not known"),
    ],
)
def test_an_unknown_name_lists_the_nearest(name, message):
    model = nn.ModuleDict({"body": mlp(2, 3, 4), "head": nn.Linear(4, 1)})
    for function in (lambda: groups_by_name(model, 0.1, {name: 0.1}), lambda: freeze(model, name)):
        with pytest.raises(ValueError, match=re.escape(message)):
            function()


def test_split_decay_spares_biases_and_gains():
    model = nn.Sequential(nn.Linear(2, 3), nn.LayerNorm(3), nn.Linear(3, 1, bias=False))
    groups = split_decay(groups_by_depth(model, 0.1, 0.5), 0.2)
    described = [
        (g["name"], g["lr"], g["weight_decay"], [tuple(p.shape) for p in g["params"]]) for g in groups
    ]
    assert described == [
        ("0", 0.05, 0.2, [(3, 2)]),
        ("0", 0.05, 0.0, [(3,)]),
        ("1", 0.05, 0.0, [(3,), (3,)]),
        ("2", 0.1, 0.2, [(1, 3)]),
    ]


class RMSNorm(nn.Module):
    """As in models from elsewhere: no class of torch's, and a gain of several axes."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(2, 3, 1))


SPARED = {  # what is spared of a module: in its own order, and from whatever the decay is split
    "a gain of two axes": (lambda: nn.LayerNorm([2, 4]), ["weight", "bias"]),
    "a gain of elsewhere": (RMSNorm, ["scale"]),
    "batch norm": (lambda: nn.BatchNorm2d(3), ["weight", "bias"]),
    "lengths": (lambda: weight_normed(2, 4), ["bias", "parametrizations.weight.original0"]),
    "spectral norm": (lambda: nn.utils.parametrizations.spectral_norm(nn.Linear(2, 4)), ["bias"]),
    "orthogonal": (lambda: nn.utils.parametrizations.orthogonal(nn.Linear(2, 4)), ["bias"]),
    "attention": (
        lambda: nn.MultiheadAttention(4, 2, add_bias_kv=True),
        ["in_proj_bias", "bias_k", "bias_v", "out_proj.bias"],
    ),
    "recurrent": (lambda: nn.GRU(2, 3), ["bias_ih_l0", "bias_hh_l0"]),
    "embedding": (lambda: nn.Embedding(3, 2), []),
}


@pytest.mark.parametrize("kind", SPARED)
def test_gains_and_biases_are_spared_by_their_role(kind):
    make, wanted = SPARED[kind]
    model = nn.ModuleDict({"it": make()})
    assert {id(p) for p in gains_and_biases(model)} == {id(model["it"].get_parameter(n)) for n in wanted}
    for groups in (groups_by_depth(model, 0.1, 0.5), [{"params": model.parameters()}]):
        split = {p: g["weight_decay"] for g in split_decay(groups, 0.2, model) for p in g["params"]}
        assert {name: split[p] for name, p in model["it"].named_parameters()} == {
            name: 0.0 if name in wanted else 0.2 for name, _ in model["it"].named_parameters()
        }


def test_without_a_model_the_axes_decide():
    model = nn.LayerNorm([2, 4])
    assert [g["weight_decay"] for g in split_decay(groups_by_depth(model, 0.1, 0.5), 0.2)] == [0.2]


def test_old_weight_norm_is_spared_too():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        model = nn.utils.weight_norm(nn.Linear(2, 4))
    assert {id(p) for p in gains_and_biases(model)} == {id(model.bias), id(model.weight_g)}


@pytest.mark.parametrize(
    ("layerwise", "plain"),
    [
        (ours.LARS, lambda p: SGD(p, lr=0.1, momentum=0.9, weight_decay=0.2)),
        (ours.LAMB, lambda p: ours.AdamW(p, lr=0.1, eps=1e-6, weight_decay=0.2)),
    ],
)
def test_what_is_spared_moves_as_with_the_method_that_the_docstring_names(layerwise, plain):
    """With ratio 1, as ``exclude_1d`` gives it to a vector."""
    one, other = (nn.Parameter(draw(5)) for _ in range(2))
    other.data = one.data.clone()
    for p, optimizer in [
        (one, layerwise([one], lr=0.1, weight_decay=0.2, exclude_1d=True)),
        (other, plain([other])),
    ]:
        for step in range(4):
            p.grad = torch.cos(p.detach() * step)
            optimizer.step()
    torch.testing.assert_close(one, other)


def test_split_decay_takes_groups_as_torch_takes_them():
    model = mlp(2, 3)
    for params in (model.parameters(), list(model.parameters())):
        groups = split_decay([{"params": params, "betas": (0.8, 0.9)}], 0.2)
        assert [(g["weight_decay"], len(g["params"]), g["betas"]) for g in groups] == [
            (0.2, 1, (0.8, 0.9)),
            (0.0, 1, (0.8, 0.9)),
        ]
    (group,) = split_decay([{"params": model[0].weight}], 0.2)
    assert group["params"] == [model[0].weight]


MAKERS = {
    "depth": lambda m: groups_by_depth(m, 0.01, 0.5),
    "name": lambda m: groups_by_name(m, 0.01, {next(iter(named_layers(m))): 0.02}),
    "split depth": lambda m: split_decay(groups_by_depth(m, 0.01, 0.5), 0.1),
    "mup": lambda m: mup_groups(m, copy.deepcopy(m), 0.01),
    "split mup": lambda m: split_decay(mup_groups(m, m, 0.01), 0.1),
}
OPTIMIZERS = [torch.optim.AdamW, torch.optim.SGD, ours.AdamW, ours.SGD, ours.LAMB]


@every_model
@pytest.mark.parametrize("maker", MAKERS.values(), ids=MAKERS)
@pytest.mark.parametrize("cls", OPTIMIZERS, ids=lambda c: f"{c.__module__.split('.')[0]}.{c.__name__}")
def test_groups_go_into_any_optimizer_and_under_any_scheduler(model, maker, cls):
    model = copy.deepcopy(model)
    groups = maker(model)
    found = [id(p) for g in groups for p in g["params"]]
    assert sorted(found) == sorted(map(id, model.parameters()))
    optimizer = cls(groups, lr=9.0)
    before = [g["lr"] for g in optimizer.param_groups]
    assert before == [g["lr"] for g in groups]
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=1, gamma=0.5)
    for p in model.parameters():
        p.grad = torch.ones_like(p)
    optimizer.step()
    scheduler.step()
    assert [g["lr"] for g in optimizer.param_groups] == pytest.approx([lr / 2 for lr in before])


def test_each_layer_moves_at_its_own_rate():
    model = mlp(2, 2, 2, 2)
    optimizer = SGD(groups_by_depth(model, 1.0, 0.5), lr=9.0)
    before = [p.detach().clone() for p in model.parameters()]
    for p in model.parameters():
        p.grad = torch.ones_like(p)
    optimizer.step()
    moved = [(b - p).mean().item() for p, b in zip(model.parameters(), before, strict=True)]
    assert moved == pytest.approx([0.25, 0.25, 0.5, 0.5, 1, 1])


# --- a part for Muon ---------------------------------------------------------------------------------------


def language_model():
    """As others write it: the embedding first, the head last."""
    parts = {"embed": nn.Embedding(7, 8), "place": nn.Embedding(5, 8), "body": transformer()}
    return nn.ModuleDict(parts | {"norm": nn.LayerNorm(8), "head": nn.Linear(8, 7, bias=False)})


def conv_net():
    return nn.Sequential(
        nn.Conv2d(1, 4, 3),
        nn.BatchNorm2d(4),
        nn.Conv2d(4, 4, 3),
        nn.Flatten(),
        nn.Linear(4, 8),
        nn.Linear(8, 3),
    )


MATRICES = ("self_attn.in_proj_weight", "self_attn.out_proj.weight", "linear1.weight", "linear2.weight")
BLOCKS = [f"layers.{i}.{name}" for i in range(2) for name in MATRICES]
HIDDEN = {
    "a plain network": (lambda: mlp(2, 3, 4, 5), None, ["1.weight"]),
    "only the last layer is outer": (lambda: mlp(2, 3, 4, 5), ["2"], ["0.weight", "1.weight"]),
    "no layer is outer": (lambda: mlp(2, 3), [], ["0.weight"]),
    "a language model": (language_model, None, [f"body.{name}" for name in BLOCKS]),
    "tied weights": (Tied, None, ["body.mix.weight"]),
    "tied weights, by name": (Tied, ["head"], ["body.mix.weight"]),
    "a body alone": (transformer, [], BLOCKS),
    "a part of a body": (transformer, ["layers.1"], BLOCKS[:4]),
    "filters have four axes": (conv_net, None, ["4.weight"]),
    "a gain of two axes": (
        lambda: nn.Sequential(*mlp(2, 3, 4), nn.LayerNorm([2, 4]), *mlp(4, 3)),
        None,
        ["1.weight"],
    ),
    "weight norm": (
        lambda: nn.Sequential(nn.Linear(2, 3), weight_normed(3, 4), nn.Linear(4, 1)),
        None,
        ["1.parametrizations.weight.original1"],
    ),
}


@pytest.mark.parametrize("kind", HIDDEN)
def test_muon_gets_the_matrices_of_hidden_layers_by_their_role(kind):
    make, outer, wanted = HIDDEN[kind]
    model = make()
    hidden, others = split_for_muon(model, outer)
    assert [name for name, _ in hidden] == wanted
    assert dict(hidden) | dict(others) == dict(model.named_parameters())
    assert len(hidden) + len(others) == len(list(model.parameters()))
    for muon, adamw in [(Muon, AdamW), (torch.optim.Muon, torch.optim.AdamW)]:
        optimizer = Partition(muon(hidden), *([adamw(others)] if others else []))
        assert optimizer.param_groups[0]["param_names"] == wanted


def test_around_a_model_the_split_is_the_same():
    model = mlp(2, 3, 4, 5)
    around = torch.compile(nn.DataParallel(model), backend="eager")
    assert split_for_muon(around) == split_for_muon(model)


def test_a_split_without_a_hidden_matrix_or_with_an_unknown_layer_is_refused():
    with pytest.raises(ValueError, match="model must have a matrix between its outer layers, got Sequential"):
        split_for_muon(mlp(2, 3, 4))
    with pytest.raises(ValueError, match="layer 'heda' is not known; did you mean head"):
        split_for_muon(language_model(), ["embed", "heda"])


# --- muP -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("optimizer", "expected"),
    [
        ("adam", [1, 1, 1 / 8, 1, 1 / 8, 1]),
        ("sgd", [8, 8, 1, 8, 1 / 8, 1]),
    ],
)
def test_mup_rates_are_those_of_the_table(optimizer, expected):
    """Yang et al. 2021, table 3, for weight and bias of the first, a hidden and the last layer; m = 8."""
    groups = mup_groups(mlp(5, 64, 64, 3), mlp(5, 8, 8, 3), 1.0, optimizer=optimizer)
    assert rates(groups) == {f"{i // 2}.{('weight', 'bias')[i % 2]}": x for i, x in enumerate(expected)}


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_mup_at_the_base_width_changes_nothing(optimizer):
    assert set(rates(mup_groups(Tied(), Tied(), 0.3, optimizer=optimizer)).values()) == {0.3}


def test_mup_knows_which_way_round_a_layer_is():
    def network(width):
        return nn.ModuleDict(
            {
                "embedding": nn.Embedding(11, width),
                "conv": nn.Conv1d(width, 2 * width, 3),
                "back": nn.ConvTranspose1d(2 * width, width, 3),
                "norm": nn.LayerNorm(width),
                "attention": nn.MultiheadAttention(width, 2),
                "up": nn.ConvTranspose1d(4, width, 3),
            }
        )

    wide, base = network(32), network(8)
    adam, sgd = (rates(mup_groups(wide, base, 1.0, optimizer=name)) for name in ("adam", "sgd"))
    for name in wide.state_dict():
        hidden = name in (
            "conv.weight",
            "back.weight",
            "attention.in_proj_weight",
            "attention.out_proj.weight",
        )
        assert (adam[name], sgd[name]) == ((1 / 4, 1) if hidden else (1, 4)), name


def hidden_change(width, groups_of, optimizer):
    """How far, typically, one step changes the inputs of the second layer's units and the outputs."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(20, width), nn.Linear(width, width), nn.Linear(width, 5))
    with torch.no_grad():
        for layer, variance in zip(model, [1 / 20, 1 / width, 64 / width**2], strict=True):
            layer.weight.normal_(std=variance**0.5)
            layer.bias.zero_()
    x, y = draw(32, 20).float(), torch.arange(32) % 5

    def values():
        hidden = model[1](torch.relu(model[0](x)))
        return hidden, model[2](torch.relu(hidden))

    steps = optimizer(groups_of(model), lr=0.003)
    hidden, logits = values()
    nn.functional.cross_entropy(logits, y).backward()
    steps.step()
    with torch.no_grad():
        changes = [new - old for new, old in zip(values(), (hidden, logits), strict=True)]
    return [change.square().mean().sqrt().item() for change in changes]


@pytest.mark.parametrize(
    ("name", "optimizer"),
    [("adam", Adam), ("adam", torch.optim.Adam), ("sgd", SGD)],
    ids=["ours", "torchs", "SGD"],
)
def test_with_mup_a_step_changes_wide_networks_as_much_as_narrow_ones(name, optimizer):
    """Yang et al. 2021: what makes a rate found at one width right at another."""

    def mup(model):
        width = 64
        base = nn.Sequential(nn.Linear(20, width), nn.Linear(width, width), nn.Linear(width, 5))
        return mup_groups(model, base, 0.003 if name == "adam" else 0.1, optimizer=name)

    narrow, wide = hidden_change(128, mup, optimizer), hidden_change(1024, mup, optimizer)
    for n, w in zip(narrow, wide, strict=True):
        assert 0.6 < w / n < 1.6
    if name == "adam":  # one rate for all: eight times the width, about eight times the change
        narrow, wide = (hidden_change(w, lambda m: m.parameters(), optimizer) for w in (128, 1024))
        assert wide[0] / narrow[0] > 4
        assert wide[1] / narrow[1] > 4


class TiedHead(nn.Module):
    """An embedding whose weights are the last layer's, too, which divides what it is fed."""

    def __init__(self, width, base):
        super().__init__()
        self.embedding, self.divide = nn.Embedding(7, width), width / base
        self.hidden, self.head = nn.Linear(width, width), nn.Linear(width, 7, bias=False)
        self.head.weight = self.embedding.weight

    def forward(self, x):
        hidden = self.hidden(self.embedding(x))
        return hidden, self.head(torch.relu(hidden) / self.divide)


@pytest.mark.parametrize(("name", "optimizer", "lr"), [("adam", Adam, 0.003), ("sgd", SGD, 0.1)])
def test_a_tied_embedding_has_the_rate_of_a_first_layer(name, optimizer, lr):
    changes = []
    for width in (128, 1024):
        torch.manual_seed(0)
        model = TiedHead(width, 64)
        groups = mup_groups(model, TiedHead(64, 64), lr, optimizer=name)
        grown = width / 64
        assert rates(groups)["embedding.weight"] == (lr if name == "adam" else lr * grown)
        x = torch.arange(32) % 7
        before = model(x)
        nn.functional.cross_entropy(before[1], (x + 1) % 7).backward()
        optimizer(groups, lr=lr).step()
        changes.append([(a - b).square().mean().sqrt().item() for a, b in zip(model(x), before, strict=True)])
    for narrow, wide in zip(*changes, strict=True):
        assert 0.6 < wide / narrow < 1.6


def test_mup_refuses_another_network():
    message = "base must be the same network at another width; they differ in "
    for base, name in [(mlp(5, 8, 3), "2.weight"), (mlp(5, 8, 8, 8, 3), "3.weight")]:
        with pytest.raises(ValueError, match=re.escape(message + name)):
            mup_groups(mlp(5, 64, 64, 3), base, 0.1)
    with pytest.raises(ValueError, match=re.escape(message + "weight")):
        mup_groups(nn.Conv1d(2, 2, 3), nn.Linear(2, 2), 0.1)


# --- schedules -------------------------------------------------------------------------------------------


def grown(params):
    params = list(params)
    for p in params:
        p.grad = torch.ones_like(p)
    return params


@pytest.mark.parametrize(
    "make",
    [
        torch.optim.AdamW,
        torch.optim.SGD,
        ours.AdamW,
        ours.SGD,
        lambda groups, lr: Lookahead(SGD(groups, lr)),
        lambda groups, lr: Lookahead(torch.optim.Adam(groups, lr)),
    ],
    ids=["torch AdamW", "torch SGD", "AdamW", "SGD", "Lookahead(SGD)", "Lookahead(torch Adam)"],
)
def test_each_group_follows_its_own_function(make):
    model = mlp(2, 3, 4, 1)
    optimizer = make(split_decay(groups_by_depth(model, 1.0, 0.5), 0.1), lr=9.0)
    scheduler = layer_schedule(optimizer, {"0": lambda t: 1 / (1 + t), "2": lambda t: 0.0 if t < 2 else 1.0})
    seen = []
    for _ in range(3):
        seen.append({g["name"]: g["lr"] for g in optimizer.param_groups})
        grown(model.parameters())
        optimizer.step()
        scheduler.step()
    assert [s["0"] for s in seen] == pytest.approx([0.25, 0.125, 0.25 / 3])
    assert [s["1"] for s in seen] == [0.5] * 3
    assert [s["2"] for s in seen] == [0, 0, 1]


def test_a_schedule_for_an_unknown_group_lists_the_nearest():
    optimizer = SGD([*groups_by_depth(mlp(2, 3, 1), 1.0, 0.5), {"params": [torch.ones(1)]}], lr=0.1)
    with pytest.raises(ValueError, match=re.escape("group '3' is not known; choose from 0, 1")):
        layer_schedule(optimizer, {"3": lambda t: 1.0})
    with pytest.raises(ValueError, match=re.escape("group 'None' is not known")):
        layer_schedule(optimizer, {"None": lambda t: 1.0})


# --- frozen and unfrozen ---------------------------------------------------------------------------------


def trained(model):
    return [name for name, p in model.named_parameters() if p.requires_grad]


def test_freeze_and_unfreeze():
    model = nn.ModuleDict({"body": mlp(2, 3, 4, 1), "body2": nn.Linear(1, 1), "head": nn.Linear(1, 1)})
    for p in grown(model.parameters()):
        assert p.grad is not None
    freeze(model, "body.1", "head")
    assert trained(model) == [f"{n}.{p}" for n in ("body.0", "body.2", "body2") for p in ("weight", "bias")]
    assert [p.grad is None for p in model.parameters()] == [not p.requires_grad for p in model.parameters()]
    freeze(model, "body")
    assert trained(model) == ["body2.weight", "body2.bias"]
    unfreeze(model, "body.0")
    assert trained(model) == ["body.0.weight", "body.0.bias", "body2.weight", "body2.bias"]
    freeze(model)
    assert trained(model) == []
    unfreeze(model)
    assert len(trained(model)) == len(list(model.parameters()))


def test_what_cannot_be_trained_stays_as_it_is():
    model = mlp(2, 3, 1)
    model.codes = nn.Parameter(torch.arange(3, dtype=torch.int8), requires_grad=False)
    model[0].mask = nn.Parameter(torch.tensor([True, False]), requires_grad=False)
    model[1].phase = nn.Parameter(torch.ones(2, dtype=torch.complex64))
    for change, trained in [
        (freeze, False),
        (unfreeze, True),
        (lambda m: freeze(m, "0"), False),
        (lambda m: unfreeze(m, "0"), True),
        (lambda m: train_top(m, 0), False),
        (lambda m: train_top(m, 3), True),
    ]:
        change(model)
        assert model[0].weight.requires_grad is trained
        assert not model.codes.requires_grad
        assert not model[0].mask.requires_grad
    assert model[1].phase.requires_grad
    assert groups_by_depth(model, 1.0, 0.5)[-1]["lr"] == 1.0


def test_train_top_unfreezes_gradually_and_keeps_the_gradients_of_the_top():
    model = mlp(2, 3, 4, 1)
    grown(model.parameters())
    for count in range(4):
        if count == 2:
            grown(model.parameters())
        train_top(model, count)
        expected = [f"{i}.{p}" for i in range(3 - count, 3) for p in ("weight", "bias")]
        assert trained(model) == expected
    train_top(model, 2)
    assert [p.grad is not None for p in model.parameters()] == [False, False, True, True, True, True]


def test_train_top_counts_blocks_as_one():
    model = nn.ModuleDict({"body": transformer(), "head": nn.Linear(8, 1)})
    train_top(model, 2, blocks=["body.layers.0", "body.layers.1"])
    assert {name.split(".")[2] if "layers" in name else name for name in trained(model)} == {
        "1",
        "head.weight",
        "head.bias",
    }


def loss_of(model, step):
    return model(draw(8, 2, seed=step)).square().mean()


@pytest.mark.parametrize(
    "make",
    [
        lambda p: SGD(p, lr=0.1, momentum=0.9, weight_decay=0.1),
        lambda p: Adam(p, lr=0.1, weight_decay=0.1),
        lambda p: ours.AdamW(p, lr=0.1),
        lambda p: Lookahead(SGD(p, lr=0.1, momentum=0.9), k=2),
        lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, weight_decay=0.1),
        lambda p: torch.optim.AdamW(p, lr=0.1),
    ],
    ids=["SGD", "Adam", "AdamW", "Lookahead", "torch SGD", "torch AdamW"],
)
def test_frozen_layers_stay_bit_for_bit_and_so_does_what_is_remembered_of_them(make):
    model = mlp(2, 3, 4, 1)
    optimizer = make(model.parameters())

    def train(first, last):
        for step in range(first, last):
            optimizer.zero_grad()
            loss_of(model, step).backward()
            optimizer.step()

    def snapshot(layer):
        state = [v for p in layer.parameters() for _, v in sorted(optimizer.state[p].items())]
        return [torch.as_tensor(v).clone() for v in [*layer.parameters(), *state]]

    train(0, 3)
    freeze(model, "0", "1")
    before, top = snapshot(model[0]) + snapshot(model[1]), snapshot(model[2])
    train(3, 7)
    assert all(map(torch.equal, snapshot(model[0]) + snapshot(model[1]), before))
    assert not torch.equal(snapshot(model[2])[0], top[0])
    unfreeze(model, "1")
    train(7, 8)
    assert not torch.equal(snapshot(model[1])[0], before[len(before) // 2])
    assert all(map(torch.equal, snapshot(model[0]), before))


def test_gradual_unfreezing():
    """One layer more each epoch; a layer takes its first step in its own epoch."""
    model = mlp(2, 3, 4, 1)
    optimizer = SGD(groups_by_depth(model, 0.1, 1 / 2.6), lr=0.1, momentum=0.9)
    starts = [layer.weight.detach().clone() for layer in model]
    for epoch in range(1, 4):
        train_top(model, epoch)
        optimizer.zero_grad()
        loss_of(model, epoch).backward()
        optimizer.step()
        moved = [not torch.equal(layer.weight, start) for layer, start in zip(model, starts, strict=True)]
        assert moved == [False] * (3 - epoch) + [True] * epoch


@pytest.mark.parametrize("count", [-1, 4])
def test_train_top_cannot_train_more_layers_than_there_are(count):
    with pytest.raises(ValueError, match=f"count must be from 0 to 3, got {count}"):
        train_top(mlp(2, 3, 4, 1), count)


# --- the trust ratio -------------------------------------------------------------------------------------

SHAPES = [(3, 4), (4,), (), (2, 3, 2), (0, 2)]


def train(optimizer, steps=6, seed=1):
    for step in range(steps):
        for group in optimizer.param_groups:
            for i, p in enumerate(group["params"]):
                p.grad = draw(*p.shape, seed=seed + 100 * step + i).to(p.dtype)
        optimizer.step()
    return [p for group in optimizer.param_groups for p in group["params"]]


def params(*shapes):
    return [draw(*shape, seed=50 + i) for i, shape in enumerate(shapes or SHAPES)]


def assert_same(got, expected, tolerance=1e-12):
    for g, e in zip(got, expected, strict=True):
        torch.testing.assert_close(g, e, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("exclude_1d", [False, True])
def test_adam_with_trust_ratio_is_lamb(exclude_1d):
    scaled = Adam(params(), lr=0.1, eps=1e-6, scale=by_trust_ratio(exclude_1d=exclude_1d))
    assert_same(train(scaled), train(LAMB(params(), lr=0.1, exclude_1d=exclude_1d)))


@pytest.mark.parametrize("exclude_1d", [False, True])
def test_sgd_with_trust_ratio_is_lars_without_momentum(exclude_1d):
    scaled = SGD(params(), lr=2.0, scale=by_trust_ratio(0.001, exclude_1d=exclude_1d))
    lars = LARS(params(), lr=2.0, momentum=0, trust_coefficient=0.001, exclude_1d=exclude_1d)
    assert_same(train(scaled), train(lars))


def test_with_momentum_lars_scales_what_goes_into_the_buffer_and_the_scale_what_comes_out():
    """So the first step is the same, and the second is not."""

    def both(steps):
        scaled = SGD(params(), lr=2.0, momentum=0.9, scale=by_trust_ratio(0.001, exclude_1d=False))
        return train(scaled, steps)[0], train(LARS(params(), lr=2.0), steps)[0]

    torch.testing.assert_close(*both(1), rtol=1e-12, atol=0)
    first, second = both(2)
    assert not torch.allclose(first, second, rtol=1e-6)


@pytest.mark.parametrize(
    ("make", "times"),
    [
        (lambda p: LARS(p, lr=1e-4, trust_coefficient=1.0, momentum=0), 1),
        (lambda p: LARS(p, lr=1e-4, trust_coefficient=1.0), 10),
        (lambda p: SGD(p, lr=1e-4, momentum=0.9, scale=by_trust_ratio()), 1),
    ],
    ids=["no momentum", "LARS", "scale"],
)
def test_how_long_a_step_of_lars_is_with_a_coefficient_of_1(make, times):
    """As its docstring says: with momentum, steps that point the same way add up to ten."""
    (param,) = params((4, 3))
    optimizer = make([param])
    for _ in range(200):
        before = param.detach().clone()
        param.grad = torch.ones_like(param)
        optimizer.step()
    share = (param.detach() - before).norm() / before.norm()
    assert share == pytest.approx(1e-4 * times, rel=0.02)


def test_the_ratio():
    param, direction = torch.tensor([[3.0, 4.0]]), torch.tensor([[0.6, 0.8]])
    assert trust_ratio(param, direction).item() == pytest.approx(5)
    assert trust_ratio(param, direction, coefficient=0.1, eps=1.0).item() == pytest.approx(0.25)
    assert trust_ratio(param[0], direction[0], exclude_1d=True).item() == 1
    assert trust_ratio(param, direction, exclude_1d=True).item() == pytest.approx(5)


@pytest.mark.parametrize(("param", "direction"), [(0.0, 1.0), (1.0, 0.0), (0.0, 0.0)])
def test_a_norm_of_zero_gives_a_ratio_of_one(param, direction):
    ratio = trust_ratio(torch.full((2, 2), param), torch.full((2, 2), direction), coefficient=0.01)
    assert ratio.item() == 1
    p = torch.full((2, 2), param)
    p.grad = torch.full((2, 2), direction)
    SGD([p], lr=0.5, scale=by_trust_ratio(0.01)).step()
    assert torch.equal(p, torch.full((2, 2), param - 0.5 * direction))


RULES = [m for m in METHODS.values() if m.name not in ("Ranger",)] + [Method("Muon", Muon)]


@pytest.mark.parametrize("run", RULES, ids=lambda m: m.name)
def test_with_any_method_the_relative_update_is_rate_times_coefficient(run):
    """And its own decay and steps do not matter, unless the decay does not pass through the direction."""
    matrices = params((3, 4), (5, 2))
    settings = run.hyperparameters(lr=0.25) | {"scale": by_trust_ratio(0.04), "weight_decay": 0.0}
    if "hypergrad_lr" in settings:
        settings["hypergrad_lr"] = 0.0
    optimizer = run.optimizer(matrices, **settings)
    for step in range(5):
        before = [p.clone() for p in matrices]
        train(optimizer, 1, seed=step)
        for p, b in zip(matrices, before, strict=True):
            assert ((p - b).norm() / b.norm()).item() == pytest.approx(0.01, rel=1e-9)
    assert all("scale" in optimizer.state[p] for p in matrices)


def test_the_state_shows_the_factor():
    (p,) = params((3, 4))
    optimizer = SGD([p], lr=0.1, scale=by_trust_ratio(0.5))
    before = p.clone()
    train(optimizer, 1)
    torch.testing.assert_close(optimizer.state[p]["scale"], 0.5 * before.norm() / p.grad.norm())


@pytest.mark.parametrize("exclude_1d", [False, True])
@pytest.mark.parametrize("cls", [SGD, Adam, LARS], ids=lambda c: c.__name__)
def test_a_batch_of_coefficients_is_one_for_each_model(cls, exclude_1d):
    coefficients = torch.tensor([0.001, 0.1, 2.0], dtype=torch.float64)
    together = params(*[(3, *shape) for shape in SHAPES])
    apart = [[p[i].clone() for p in together] for i in range(3)]
    alone = [
        cls(ps, lr=0.1, scale=by_trust_ratio(c, exclude_1d=exclude_1d))
        for ps, c in zip(apart, coefficients.tolist(), strict=True)
    ]
    optimizer = cls(together, lr=0.1, scale=by_trust_ratio(coefficients, exclude_1d=exclude_1d))
    for step in range(4):
        for j, p in enumerate(together):
            p.grad = draw(*p.shape, seed=10 * step + j)
        optimizer.step()
        for i, one in enumerate(alone):
            for a, p in zip(apart[i], together, strict=True):
                a.grad = p.grad[i].clone()
            one.step()
    for i in range(3):
        assert_same([p[i] for p in together], apart[i])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_a_norm_that_half_precision_cannot_hold(dtype):
    p = torch.full((1000, 10), 3.0, dtype=dtype)
    p.grad = torch.full_like(p, 2000.0)
    SGD([p], lr=0.5, scale=by_trust_ratio(0.1)).step()
    torch.testing.assert_close(p, torch.full_like(p, 3 - 0.15), rtol=0.01, atol=0)


def test_a_ratio_that_half_precision_cannot_hold():
    """1e5, where float16 ends at 65504."""
    p = torch.ones(10, 10, dtype=torch.float16)
    p.grad = torch.full_like(p, 1e-5)
    SGD([p], lr=0.5, scale=by_trust_ratio(1.0)).step()
    torch.testing.assert_close(p, torch.full_like(p, 0.5), rtol=0.01, atol=0)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: by_trust_ratio(-1), "coefficient must be a finite number ≥ 0, got -1"),
        (lambda: by_trust_ratio(1, math.inf), "eps must be a finite number ≥ 0, got inf"),
        (lambda: groups_by_depth(mlp(2, 1), -0.1, 1), "lr must be a finite number ≥ 0, got -0.1"),
        (lambda: groups_by_depth(mlp(2, 1), 0.1, -1), "factor must be a finite number > 0, got -1"),
        (lambda: groups_by_depth(mlp(2, 1), 0.1, 0), "factor must be a finite number > 0, got 0"),
        (lambda: groups_by_name(mlp(2, 1), -0.1, {}), "lr must be a finite number ≥ 0, got -0.1"),
        (lambda: groups_by_name(mlp(2, 1), 0.1, {"0": -2}), "rates['0'] must be a finite number ≥ 0, got -2"),
        (lambda: split_decay([], -1), "weight_decay must be a finite number ≥ 0, got -1"),
        (lambda: mup_groups(mlp(2, 1), mlp(2, 1), math.nan), "lr must be a finite number ≥ 0, got nan"),
        (
            lambda: mup_groups(mlp(2, 1), mlp(2, 1), 0.1, optimizer="Adm"),
            "optimizer 'Adm' is not known; did you mean adam?",
        ),
    ],
    ids=range(10),
)
def test_a_bad_value_is_refused_by_name_value_and_range(call, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        call()


def test_a_scale_that_is_no_function_is_refused():
    with pytest.raises(TypeError, match="scale must be a function, for example"):
        SGD(params(), lr=0.1, scale=0.001)
    with pytest.raises(TypeError, match=r"^scale must be .* call it, as in by_trust_ratio\(…\)"):
        SGD(params(), lr=0.1, scale=by_trust_ratio)


# --- from the norms of all layers -------------------------------------------------------------------------


def test_opposite_norms_of_two_layers_are_the_papers():
    norms = torch.tensor([[3.0, 1.0, 0.0], [1.0, 1.0, 0.0]])
    assert opposite_norms(norms).tolist() == [[0.5, 1.0, 1.0], [1.5, 1.0, 1.0]]


def test_opposite_norms_are_one_on_average():
    factors = opposite_norms(torch.rand(5, 7))
    torch.testing.assert_close(factors.mean(0), torch.ones(7))
