"""Layers of a model, and a rate for each of them.

The *effective rate* of a layer is rate · scale. The scale is one of two things:

- **a number that stands still**: factors by depth, rates by name, muP. These functions return parameter
  groups with an ``lr`` of their own, for any optimizer and any scheduler of torch.
- **a number found anew in each step**: the trust ratio. Give it to our optimizers as ``scale``.

A *layer* is a module that owns parameters itself, or a block of modules that you name; layers are counted in
the order in which the model defines them, first to last. A parameter that two layers share belongs to the
first.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from itertools import accumulate, groupby
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrize import ParametrizationList
from torch.optim.lr_scheduler import LambdaLR

from lwlr_teach.core.arithmetic import norm, norm_dtype
from lwlr_teach.core.checks import Number, check_choice, check_count, check_number
from lwlr_teach.core.text import label, table
from lwlr_teach.schedules import check_drivable

Scale = Callable[[Tensor, Tensor], Tensor]
Groups = list[dict[str, Any]]
Named = list[tuple[str, nn.Parameter]]


def by_trust_ratio(coefficient: Number = 1.0, eps: Number = 0, exclude_1d: bool = False) -> Scale:
    """A scale that makes each layer's step as long as ``coefficient`` times its weights.

    ``Adam(…, scale=by_trust_ratio())`` is LAMB without its decay. ``exclude_1d`` leaves tensors of at most
    one axis alone. These are biases and most gains of norm layers, but a scale sees tensors and no model: the
    gains of ``LayerNorm([2, 4])`` and of weight norm have two axes and are taken for weights. Give those,
    :func:`gains_and_biases`, to an optimizer without a scale.
    """
    check_number("coefficient", coefficient, low=0)
    check_number("eps", eps, low=0)
    return partial(trust_ratio, coefficient=coefficient, eps=eps, exclude_1d=exclude_1d)


def trust_ratio(
    param: Tensor,
    direction: Tensor,
    *,
    coefficient: Number = 1.0,
    eps: Number = 0,
    exclude_1d: bool = False,
) -> Tensor:
    """``coefficient · ‖param‖ / (‖direction‖ + eps)``, and 1 where either norm is 0; a scalar.

    ``exclude_1d`` gives 1 to tensors of at most one axis, see :func:`by_trust_ratio`.
    """
    if exclude_1d and param.ndim <= 1:
        return torch.ones((), dtype=norm_dtype(param), device=param.device)
    w, d = norm(param), norm(direction)
    return torch.where((w > 0) & (d > 0), coefficient * w / (d + eps), 1.0)


def named_layers(model: nn.Module, blocks: Sequence[str] = ()) -> dict[str, list[nn.Parameter]]:
    """Each layer's own parameters, by the name of the layer, first to last.

    A module named in ``blocks`` is one layer with all that is in it. Instead of a list, ``blocks`` may be
    the name of the module whose children are the blocks, as ``"encoder.layers"``. What the model itself owns
    stands under the name of its class. Names are the model's own, also where ``torch.compile``, DDP or an
    average of the weights is around it or around a part of it.
    """
    blocks = _block_names(model, blocks)
    layers: dict[str, list[nn.Parameter]] = {}
    for name, param in named_parameters(model).items():
        owner = _owner(name)
        layer = next((block for block in blocks if _holds(block, owner)), owner)
        layers.setdefault(layer or type(_itself(model)).__name__, []).append(param)
    if not layers:
        raise ValueError(f"{type(model).__name__} has no parameters")
    return layers


def _block_names(model: nn.Module, blocks: Sequence[str]) -> list[str]:
    """The names of the blocks, each checked."""
    modules = dict.fromkeys(filter(None, _own_names(model).values()))
    if not isinstance(blocks, str):
        return [check_choice("block", block, {name: name for name in modules}) for block in blocks]
    check_choice("blocks", blocks, modules)
    children = [name for name in modules if name.rpartition(".")[0] == blocks]
    if not children:
        raise ValueError(
            f"blocks must hold modules if it is a name, got {blocks!r}; for one block, [{blocks!r}]"
        )
    return children


def named_parameters(model: nn.Module, remove_duplicate: bool = True) -> dict[str, nn.Parameter]:
    """The parameters by the model's own names, see :func:`named_layers`; arguments as in torch."""
    names = _own_names(model)
    own = {}
    for path, param in model.named_parameters(remove_duplicate=remove_duplicate):
        module, _, name = path.rpartition(".")
        own[_joined(names[module], name)] = param
    return own


# What is around a module keeps it under one of these names, or as ``module``, which a model may have, too.
_INSIDE = ("_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module")
_AROUND = (nn.DataParallel, nn.parallel.DistributedDataParallel, torch.optim.swa_utils.AveragedModel)


def _is_around(module: nn.Module, child: str) -> bool:
    """Whether the module is only something around this child."""
    return child in _INSIDE or (child == "module" and isinstance(module, _AROUND))


def _own_names(model: nn.Module) -> dict[str, str]:
    """The name of each module in the model itself, by its path in what is around it."""
    modules = dict(model.named_modules())
    names = {"": ""}
    for path in modules:
        if path:
            parent, _, child = path.rpartition(".")
            names[path] = _joined(names[parent], "" if _is_around(modules[parent], child) else child)
    return names


def _joined(path: str, name: str) -> str:
    return f"{path}.{name}" if path and name else path or name


def _itself(model: nn.Module) -> nn.Module:
    """The model without what is around it."""
    inner = (module for child, module in model.named_children() if _is_around(model, child))
    return next(map(_itself, inner), model)


def _owner(name: str) -> str:
    """The module that owns the parameter of this name; a parametrised weight is the module's own."""
    path = name.split(".")
    return ".".join(path[: path.index("parametrizations")] if "parametrizations" in path else path[:-1])


def groups_by_depth(model: nn.Module, lr: float, factor: float, blocks: Sequence[str] = ()) -> Groups:
    """A parameter group for each layer: the last at ``lr``, each one before it at ``factor`` times the next.

    ``factor`` = 1/2.6 is ULMFiT's (Howard & Ruder 2018); above 1, the first layers are the fast ones. For
    transformers 0.65 to 0.9 is usual from block to block: name those in ``blocks``, as in
    :func:`named_layers`. :func:`ladder` shows the rates, and :func:`split_decay` spares biases and norms::

        groups = groups_by_depth(model, lr=1e-3, factor=0.8, blocks="encoder.layers")
        print(ladder(groups))
        optimizer = torch.optim.AdamW(split_decay(groups, 0.05, model))

    A step of the stairs is a block, or a layer with a weight. A layer of :func:`gains_and_biases` alone, as a
    norm is, has the rate of the one before it. A step on which nothing is trained, as in a frozen copy, does
    not count for those on which something is. It has the rate that it would have if all were trained, for
    when it is unfrozen.

    Without ``blocks``, a warning says where the first and the last rate are more than a factor of 200 apart.
    """
    check_number("lr", lr, low=0)
    check_number("factor", factor, above=0)
    layers = named_layers(model, blocks)
    named, spared = set(_block_names(model, blocks)), set(gains_and_biases(model))
    counts = [name in named or not spared.issuperset(params) for name, params in layers.items()]
    stairs = [max(step - 1, 0) for step in accumulate(counts)]  # what is before the first goes with it
    trained = {
        step
        for step, params in zip(stairs, layers.values(), strict=True)
        if any(p.requires_grad for p in params)
    }
    groups = []
    for step, (name, params) in zip(stairs, layers.items(), strict=True):
        above = sum(other > step for other in trained) if step in trained else stairs[-1] - step
        groups.append({"name": name, "params": params, "lr": lr * factor**above})
    if trained and not named:
        _warn_if_apart(groups, stairs.index(min(trained)), lr, factor, len(trained))
    return groups


_APART = 200  # ULMFiT's own six layers are 2.6⁵ = 119 apart


def _warn_if_apart(groups: Groups, first: int, lr: float, factor: float, steps: int) -> None:
    if not 1 / _APART <= factor ** (steps - 1) <= _APART:
        warnings.warn(
            f"factor {factor:g} over {steps} layers gives the first, {groups[first]['name']}, the rate "
            f"{label(groups[first]['lr'])}, and the last {label(lr)}. If this is not what you want, count "
            'blocks of layers, as with blocks="encoder.layers", or take a factor nearer to 1',
            stacklevel=3,
        )


def ladder(groups: Iterable[Mapping[str, Any]]) -> str:
    """The rates of parameter groups as text, a line for each: rate, share of the highest, numbers, names.

    Takes what the functions here return, and ``optimizer.param_groups``. Groups that stand next to each other
    and have the same rate are on one line; one without a name is called by its place.
    """
    named = [(group.get("name", f"group {i}"), group) for i, group in enumerate(groups)]
    rates = [float(group["lr"]) for _, group in named]
    highest = max(rates, default=0.0) or 1.0
    rows = [["rate", "share", "numbers", "layers"]]
    for rate, same in groupby(zip(rates, named, strict=True), key=lambda pair: pair[0]):
        members = [member for _, member in same]
        numbers = sum(p.numel() for _, group in members for p in _tensors(group["params"]))
        names = ", ".join(dict.fromkeys(name for name, _ in members))
        rows.append([label(rate), label(rate / highest), f"{numbers:,}", names])
    return table(rows)


def groups_by_name(model: nn.Module, lr: float, rates: Mapping[str, float]) -> Groups:
    """A parameter group for each layer, at the rate that ``rates`` gives for it, else at ``lr``.

    A name in ``rates`` is that of a layer, or of a module that holds layers, for example
    ``{"encoder": 1e-4, "head": 1e-2}``. The longest name that fits a layer counts.
    """
    check_number("lr", lr, low=0)
    for name, rate in rates.items():
        check_number(f"rates[{name!r}]", rate, low=0)
    layers = named_layers(model)
    for name in rates:
        _check_layer(name, layers)
    fitting = {layer: [n for n in rates if _holds(n, layer)] for layer in layers}
    return [
        {"name": layer, "params": params, "lr": rates[max(fitting[layer], key=len)] if fitting[layer] else lr}
        for layer, params in layers.items()
    ]


def split_decay(groups: Groups, weight_decay: float, model: nn.Module | None = None) -> Groups:
    """Each group in two: weights with ``weight_decay``; and biases and gains of norm layers, without any.

    These are the :func:`gains_and_biases` of the ``model``. Without a model, they are taken to be the tensors
    of at most one axis, and the gains of ``LayerNorm([2, 4])`` and of weight norm, which have two, decay.
    """
    check_number("weight_decay", weight_decay, low=0)
    spared = set() if model is None else set(gains_and_biases(model))
    split = []
    for group in groups:
        members = _tensors(group["params"])
        rest = [p for p in members if p.ndim <= 1 or p in spared]
        weights = [p for p in members if not (p.ndim <= 1 or p in spared)]
        for decay, params in [(weight_decay, weights), (0.0, rest)]:
            if params:
                split.append(group | {"params": params, "weight_decay": decay})
    return split


def _tensors(params: Tensor | Iterable[Tensor]) -> list[Tensor]:
    return [params] if isinstance(params, Tensor) else list(params)


def gains_and_biases(model: nn.Module) -> list[nn.Parameter]:
    """What is usually neither decayed nor adapted to its norm, whatever its shape.

    These are parameters called ``bias``; all of a norm layer, a module whose class is called …Norm as torch's
    are (``LayerNorm``, ``BatchNorm2d``); the lengths of weight norm; and all others of at most one axis.
    """
    found: dict[nn.Parameter, None] = {}
    for module in model.modules():
        is_norm = re.search(r"Norm(\dd)?$", type(module).__name__)
        is_length = isinstance(module, ParametrizationList) and type(module[0]).__name__ == "_WeightNorm"
        lengths = ("original0",) if is_length else ("weight_g",)
        for name, param in module.named_parameters(recurse=False):
            if param.ndim <= 1 or is_norm or name in lengths or "bias" in name.split("_"):
                found[param] = None
    return list(found)


def split_for_muon(model: nn.Module, outer: Sequence[str] | None = None) -> tuple[Named, Named]:
    """The parameters in two, by their role: the matrices of hidden layers, and all others.

    Muon is made for the first; Jordan et al. 2024 give the others to AdamW. These are embeddings,
    :func:`gains_and_biases`, all that has not two axes, and the outer layers: the first and the last one that
    has a weight. Where the model defines them in another order, or where it begins or ends inside a larger
    one, name its outer layers in ``outer``, or modules that hold them; ``[]`` says that there are none.

    Both are lists of (name, parameter), which every optimizer takes, so that you can read what is whose::

        hidden, others = split_for_muon(model)
        optimizer = Partition(Muon(hidden, lr=0.02), AdamW(others, lr=3e-4))

    Raises ValueError for a model without such a matrix, and for a name in ``outer`` that it does not have.
    """
    spared = set(gains_and_biases(model))
    layers: dict[str, list[nn.Parameter]] = {}
    for name, param in named_parameters(model, remove_duplicate=False).items():  # the head's, if it is tied
        if param not in spared:
            layers.setdefault(_owner(name) or type(_itself(model)).__name__, []).append(param)
    for name in [*list(layers)[:1], *list(layers)[-1:]] if outer is None else outer:
        _check_layer(name, layers)
        spared.update(p for layer, weights in layers.items() if _holds(name, layer) for p in weights)
    for module in model.modules():
        if isinstance(module, nn.Embedding | nn.EmbeddingBag):
            spared.update(module.parameters())
    hidden: Named = []
    others: Named = []
    for name, param in named_parameters(model).items():
        (hidden if param.ndim == 2 and param not in spared else others).append((name, param))
    if not hidden:
        raise ValueError(
            f"model must have a matrix between its outer layers, got {type(model).__name__} without"
        )
    return hidden, others


def opposite_norms(norms: Tensor) -> Tensor:
    """A factor for each layer from the norms of all of them, (layer, …): large where the others' are large.

    The mean norm of the others over the mean of all, so that the factors are 1 on average, and all 1 where
    the norms are 0. For two layers 2 ‖W_j‖ / (‖W₁‖ + ‖W₂‖) with j the other one: the norm-driven schedule of
    Pang et al. 2026. It gives the small layer the larger rate; LARS leans the other way.
    """
    others = (norms.sum(0) - norms) / (len(norms) - 1)
    mean = norms.mean(0)
    return torch.where(mean > 0, others / mean, 1.0)


def mup_groups(model: nn.Module, base: nn.Module, lr: float, *, optimizer: str = "adam") -> Groups:
    """Rates in maximal update parametrisation (Yang et al. 2021): tuned at one width, right at any.

    ``base`` is the same network at the width for which ``lr`` was tuned. An axis that differs between the two
    is one that grows with the width; m is how many times it grew. Rates become

    ====================================  ==========  ==========
    parameter                             Adam        SGD
    ====================================  ==========  ==========
    first layer, biases, gains            lr          lr · m
    hidden weights                        lr / m      lr
    last layer                            lr / m      lr / m
    ====================================  ==========  ==========

    An embedding is a first layer; a bias that does not grow, as the last layer's, keeps lr. The first
    weights of the last layer must have a variance of 1 / m² (and not 1 / m) times the base's, or start at
    zero; those of the other layers are as usual. Attention divides its logits by the size of a head, not by
    the root of it. An embedding whose weights are the last layer's, too, is and starts as a first layer;
    the last one must then divide what it is fed by m.
    """
    check_number("lr", lr, low=0)
    rate = check_choice("optimizer", optimizer, {"adam": _mup_adam, "sgd": _mup_sgd})
    sizes = {name: p.shape for name, p in named_parameters(base).items()}
    named = named_parameters(model)
    for name in named | sizes:
        if name not in sizes or name not in named or len(sizes[name]) != named[name].ndim:
            raise ValueError(f"base must be the same network at another width; they differ in {name}")
    inputs_first = {
        p for m in model.modules() if isinstance(m, _INPUTS_FIRST) for p in m.parameters(recurse=False)
    }
    groups = []
    for name, param in named.items():
        growth = [n / b for n, b in zip(param.shape, sizes[name], strict=True)]
        fan_out, fan_in = [*growth, 1.0, 1.0][:2]  # a bias is fed by a single input, 1
        if param in inputs_first and param.ndim > 1:
            fan_out, fan_in = fan_in, fan_out
        groups.append({"name": name, "params": [param], "lr": lr * rate(fan_in, fan_out)})
    return groups


# Modules whose weights have the inputs on the first axis and the outputs on the second.
_INPUTS_FIRST = (
    nn.Embedding,
    nn.EmbeddingBag,
    nn.ConvTranspose1d,
    nn.ConvTranspose2d,
    nn.ConvTranspose3d,
)


def _mup_adam(fan_in: float, fan_out: float) -> float:
    return 1 / fan_in


def _mup_sgd(fan_in: float, fan_out: float) -> float:
    return fan_out / fan_in


def layer_schedule(
    optimizer: torch.optim.Optimizer, factors: Mapping[str, Callable[[int], float]]
) -> LambdaLR:
    """A torch scheduler that multiplies each group's rate by its own function of the step.

    ``factors`` maps the names of groups to functions; the other groups keep their rates.
    """
    check_drivable(type(optimizer).__name__, optimizer)
    names = [group.get("name") for group in optimizer.param_groups]
    for name in factors:
        check_choice("group", name, {n: n for n in names if n is not None})
    return LambdaLR(optimizer, [_constant if n is None else factors.get(n, _constant) for n in names])


def _constant(step: int) -> float:
    return 1.0


def freeze(model: nn.Module, *names: str) -> None:
    """Stop training these layers (all, if none is named), or all layers inside these modules.

    They get no gradient, so that any optimizer leaves them and its memory of them as they are. Buffers, such
    as the averages of batch norm, follow ``model.eval()`` and not this.
    """
    _set_trained(model, names, trained=False)


def unfreeze(model: nn.Module, *names: str) -> None:
    """Train these layers again (all, if none is named).

    What cannot be trained, as weights in whole numbers, is left as it is.
    """
    _set_trained(model, names, trained=True)


def train_top(model: nn.Module, count: int, blocks: Sequence[str] = ()) -> None:
    """Train the last ``count`` layers and freeze the others; ``blocks`` as in :func:`named_layers`.

    With ``count`` = 1, 2, 3, … epoch by epoch this is gradual unfreezing (Howard & Ruder 2018).
    """
    layers = list(named_layers(model, blocks).values())
    check_count("count", count, low=0, high=len(layers))
    for height, params in zip(range(len(layers), 0, -1), layers, strict=True):
        _train(params, height <= count)


def _set_trained(model: nn.Module, names: Iterable[str], *, trained: bool) -> None:
    layers = named_layers(model)
    for name in names:
        _check_layer(name, layers)
    for layer, params in layers.items():
        if not names or any(_holds(name, layer) for name in names):
            _train(params, trained)


def _train(params: Iterable[nn.Parameter], trained: bool) -> None:
    for param in filter(can_be_trained, params):
        param.requires_grad_(trained)
        if not trained:
            param.grad = None


def can_be_trained(param: Tensor) -> bool:
    """Whether there is arithmetic for the numbers: not for whole ones, and for no others in one byte."""
    return (param.is_floating_point() or param.is_complex()) and param.dtype.itemsize > 1


def _holds(name: str, layer: str) -> bool:
    """Whether ``name`` is the layer, or a module around it."""
    return layer == name or layer.startswith(name + ".")


def _check_layer(name: str, layers: Mapping[str, Any]) -> None:
    if not any(_holds(name, layer) for layer in layers):
        check_choice("layer", name, dict.fromkeys(layers))
