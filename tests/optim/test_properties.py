"""What holds for every method, whatever the shapes, the hyperparameters and the gradients."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lwlr_teach import clipping
from lwlr_teach.core.arithmetic import norm_dtype
from lwlr_teach.layerwise import by_trust_ratio
from lwlr_teach.optim import SGDHD, Adafactor, AdamMini, Ranger, update
from tests.optim.runs import MUONS, RUNS, SHARED, gradient, layer, make, train

# Their sizes of blocks and rows are in the precision of norms, also where a block is one entry.
KEEP_SIZES = (AdamMini, Adafactor)
every_run = pytest.mark.parametrize("run", RUNS + MUONS, ids=lambda m: m.name)
many = settings(max_examples=15, deadline=None, derandomize=True)

CLIPS = {
    "none": None,
    "value": clipping.by_value(0.1),
    "global norm": clipping.by_global_norm(0.5),
    "layer norm": clipping.by_layer_norm(0.5),
    "adaptive": clipping.adaptive(),
    "centralize": clipping.centralize(),
    "in turn": clipping.in_turn(clipping.centralize(), clipping.by_value(0.1), clipping.by_global_norm(0.5)),
}
SCALES = {"none": None, "trust": by_trust_ratio(), "trust, not 1-D": by_trust_ratio(exclude_1d=True)}

# Of a tensor: its shape, and how it lies in memory.
tensors = st.tuples(
    st.lists(st.integers(0, 4), max_size=4),
    st.sampled_from(["contiguous", "transposed", "strided", "channels last"]),
)
models = st.lists(tensors, min_size=1, max_size=3)
seeds = st.integers(0, 10**6)
floats = st.sampled_from([torch.float64, torch.float32, torch.bfloat16])
hyperparameters = st.fixed_dictionaries(
    {"lr": st.floats(0, 1), "weight_decay": st.sampled_from([0, 0.1]), "momentum": st.floats(0.01, 0.99)}
)
options = st.fixed_dictionaries(
    {
        "clip": st.sampled_from(list(CLIPS.values())),
        "scale": st.sampled_from(list(SCALES.values())),
        "maximize": st.booleans(),
    }
)


def laid_out(tensor, layout):
    """The same numbers, lying differently in memory."""
    if layout == "transposed" and tensor.ndim > 1:
        return tensor.transpose(0, -1).contiguous().transpose(0, -1)
    if layout == "strided":
        return torch.stack([tensor, tensor], dim=-1)[..., 0]
    if layout == "channels last" and tensor.ndim == 4:
        return tensor.contiguous(memory_format=torch.channels_last)
    return tensor.clone()


def build(run, model, seed, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    draws = [torch.randn(layer(run, *shape), generator=generator).to(dtype) for shape, _ in model]
    return [laid_out(draw, layout) for draw, (_, layout) in zip(draws, model, strict=True)]


def own(run, options):
    """The run's own clip and scale stay where it has any."""
    return {name: value for name, value in options.items() if name not in run.settings}


@pytest.mark.slow
@every_run
@many
@given(
    models,
    seeds,
    floats,
    hyperparameters,
    options,
    st.lists(
        st.sampled_from(["some", "zero", "tiny", "large", "nan", "inf", "none"]), min_size=1, max_size=8
    ),
)
def test_whatever_the_gradient_shapes_and_types_stay(run, model, seed, dtype, chosen, options, kinds):
    params = build(run, model, seed, dtype)
    before = [(p.shape, p.stride(), p.dtype) for p in params]
    optimizer = make(run, params, **chosen, **own(run, options))
    factors = {"some": 1, "zero": 0, "tiny": 1e-30, "large": 1e10, "nan": float("nan"), "inf": float("inf")}
    for step, kind in enumerate(kinds):
        for p in params:
            p.grad = None if kind == "none" else gradient(p, step) * factors[kind]
        optimizer.step()
    assert [(p.shape, p.stride(), p.dtype) for p in params] == before
    for p in params:
        for name, value in optimizer.state[p].items():
            if isinstance(value, torch.Tensor):
                # One number for each entry, for a part of the tensor, or for all of it.
                assert value.ndim in (0, p.ndim), name
                assert all(n in (1, m) for n, m in zip(value.shape, p.shape, strict=False)), name
                assert value.dtype in (p.dtype, norm_dtype(p)), name
                of_entries = value.ndim > 0 and value.shape == p.shape
                assert value.dtype == p.dtype or not of_entries or run.optimizer in KEEP_SIZES, name

        assert torch.isfinite(p).all() or {"nan", "inf", "large"} & set(kinds)


@pytest.mark.slow
@every_run
@many
@given(models, seeds, floats, options, st.integers(1, 8))
def test_a_gradient_of_zero_without_decay_moves_nothing(run, model, seed, dtype, options, steps):
    params = build(run, model, seed, dtype)
    before = [p.clone() for p in params]
    optimizer = make(run, params, weight_decay=0, **own(run, options))
    for _ in range(steps):
        for p in params:
            p.grad = torch.zeros_like(p)
        optimizer.step()
    assert all(torch.equal(p, kept) for p, kept in zip(params, before, strict=True))


@pytest.mark.slow
@pytest.mark.parametrize(
    "run",
    [r for r in RUNS + MUONS if r.optimizer not in SHARED and "clip" not in r.settings],
    ids=lambda m: m.name,
)
@many
@given(model=st.tuples(tensors, tensors), seed=seeds, options=options, poison=st.sampled_from(["nan", "inf"]))
def test_nan_in_one_tensor_stays_there(run, model, seed, options, poison):
    """Not with a global norm, and not where tensors share a rate that is found from all."""
    if options["clip"] in (CLIPS["global norm"], CLIPS["in turn"]):
        options = options | {"clip": None}
    sick, well, alone = build(run, [*model, model[1]], seed)
    alone.copy_(well)
    together = make(run, [sick, well], **own(run, options))
    single = make(run, [alone], **own(run, options))
    for step in range(7):
        sick.grad, well.grad, alone.grad = (gradient(p, step) for p in (sick, well, alone))
        if step == 2:
            sick.grad.mul_(float(poison))
        together.step()
        single.step()
    assert torch.equal(well, alone)


WHOLE = [run for run in RUNS if getattr(run.optimizer, "elementwise", False) and "scale" not in run.settings]


@pytest.mark.slow
@pytest.mark.parametrize("run", [*WHOLE, *(r for r in RUNS if r.optimizer is Ranger)], ids=lambda m: m.name)
@many
@given(models, seeds, hyperparameters, options, st.integers(1, 9))
def test_a_tensor_that_is_cut_into_pieces_moves_as_if_it_were_whole(run, model, seed, chosen, options, piece):
    cut, whole = (build(run, model, seed) for _ in range(2))
    chosen |= {"maximize": options["maximize"]} | own(run, {"clip": options["clip"]})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(update, "PIECE", piece)
        train(make(run, cut, **chosen), 8)
    train(make(run, whole, **chosen), 8)
    for got, expected in zip(cut, whole, strict=True):
        torch.testing.assert_close(got, expected, rtol=1e-13, atol=1e-13)


def test_large_tensors_are_cut_at_all(monkeypatch):
    seen = []
    rule = staticmethod(lambda grad, state, step: (seen.append(grad.numel()), (grad, {}))[1])
    monkeypatch.setattr(update, "PIECE", 4)
    monkeypatch.setattr(SGDHD, "rule", rule)
    train(make(next(r for r in RUNS if r.optimizer is SGDHD), [torch.ones(2, 5)]), 1)
    assert max(seen) <= 4
    assert sum(seen) == 10


@pytest.mark.parametrize("run", WHOLE, ids=lambda m: m.name)
@many
@given(models, seeds, hyperparameters)
def test_entries_that_change_places_take_their_steps_with_them(run, model, seed, chosen):
    params = build(run, model, seed)
    orders = [torch.randperm(p.numel(), generator=torch.Generator().manual_seed(seed)) for p in params]
    shuffled = [p.flatten()[order] for p, order in zip(params, orders, strict=True)]
    train(make(run, params, **chosen), 5)
    train(make(run, shuffled, **chosen), 5)
    for p, order, s in zip(params, orders, shuffled, strict=True):
        torch.testing.assert_close(p.flatten()[order], s, rtol=1e-12, atol=1e-12)
