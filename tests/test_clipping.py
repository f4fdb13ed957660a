"""Clips against torch and against what their formulas say, for one model and for a batch."""

import copy
import math
import pickle
import re
from functools import partial

import pytest
import torch
from torch import nn
from torch.nn.utils import clip_grad_norm_, clip_grad_value_

from lwlr_teach.clipping import (
    adaptive,
    by_global_norm,
    by_layer_norm,
    by_value,
    centralize,
    clip_gradients_,
    in_turn,
)
from lwlr_teach.layerwise import by_trust_ratio
from lwlr_teach.optim import METHODS, SGD, Adam, AdamW, Method, Muon

NAN, INF = math.nan, math.inf

# Each clip, with a limit (a number or a tensor) that bites on about half of the gradients below.
CLIPS = {
    "by_value": lambda limit: by_value(limit),
    "by_global_norm": lambda limit: by_global_norm(3 * limit),
    "by_global_norm with eps": lambda limit: by_global_norm(3 * limit, eps=0.1 * limit),
    "by_layer_norm": lambda limit: by_layer_norm(2 * limit),
    "adaptive": lambda limit: adaptive(limit, eps=0.5),
    "adaptive with a batch of eps": lambda limit: adaptive(0.8, eps=limit),
    "adaptive for (in, out)": lambda limit: adaptive(limit, eps=0.5, units=-1),
    "centralize": lambda limit: centralize(),
    "in_turn": lambda limit: in_turn(centralize(), by_value(limit), in_turn(by_global_norm(limit))),
}
LIMITED = {name: clip for name, clip in CLIPS.items() if name != "centralize"}
every_clip = pytest.mark.parametrize("clip", CLIPS.values(), ids=CLIPS)
every_limit = pytest.mark.parametrize("clip", LIMITED.values(), ids=LIMITED)

LIMITS = torch.tensor([0.1, 0.5, 100.0], dtype=torch.float64)
SHAPES = [(3, 4), (4,), (), (2, 3, 2, 2), (0,), (0, 3), (3, 0), (1, 1)]


def draw(*shapes, seed=0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(s, generator=generator, dtype=torch.float64).to(dtype) for s in shapes]


def with_grads(params, grads):
    params = [p.clone().requires_grad_() for p in params]
    for p, g in zip(params, grads, strict=True):
        p.grad = g.clone()
    return params


def model(dtype=torch.float64):
    """Parameters of all shapes, and their gradients."""
    return with_grads(draw(*SHAPES, dtype=dtype), draw(*SHAPES, seed=1, dtype=dtype))


def grads_of(params):
    return [p.grad for p in params]


def assert_same(got, expected, tolerance=1e-14):
    for g, e in zip(got, expected, strict=True):
        assert g.dtype == e.dtype
        torch.testing.assert_close(g, e, rtol=tolerance, atol=tolerance, equal_nan=True)


def angle(a, b):
    """Between two tensors, in degrees."""
    return math.degrees(math.acos(torch.cosine_similarity(a, b, dim=0).item()))


# --- against torch ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("max_norm", [0.0, 0.5, 3.0, 100.0])
def test_by_global_norm_is_torchs_with_torchs_eps(max_norm):
    ours, theirs = model(), model()
    clip_gradients_(ours, by_global_norm(max_norm, eps=1e-6))
    clip_grad_norm_(theirs, max_norm)
    assert_same(grads_of(ours), grads_of(theirs))


@pytest.mark.parametrize("clip_value", [0.0, 0.3, 100.0])
def test_by_value_is_torchs(clip_value):
    ours, theirs = model(), model()
    clip_gradients_(ours, by_value(clip_value))
    clip_grad_value_(theirs, clip_value)
    assert_same(grads_of(ours), grads_of(theirs), 0)


@pytest.mark.parametrize("bad", [NAN, INF, -INF])
@pytest.mark.parametrize("place", range(3))
def test_nan_and_inf_go_where_they_go_in_torch(bad, place):
    """One bad entry: by value it stays alone, by the global norm it spoils or stops everything."""
    for ours, theirs in [
        (by_value(0.3), partial(clip_grad_value_, clip_value=0.3)),
        (by_global_norm(1.0, eps=1e-6), partial(clip_grad_norm_, max_norm=1.0)),
    ]:
        left, right = model(), model()
        for params in (left, right):
            params[place].grad.view(-1)[0] = bad
        clip_gradients_(left, ours)
        theirs(right)
        assert_same(grads_of(left), grads_of(right))


def agc_by_hand(params, clip_factor, eps):
    """timm's adaptive_clip_grad, unit by unit: rows of a matrix, filters of a convolution, a whole vector."""
    for p in params:
        units = [(p, p.grad)] if p.ndim <= 1 else zip(p, p.grad, strict=True)
        for weights, grad in units:
            max_norm = max(weights.detach().norm().item(), eps) * clip_factor
            size = max(grad.norm().item(), 1e-6)
            if size > max_norm:
                grad.mul_(max_norm / size)


@pytest.mark.parametrize("clip_factor", [0.01, 0.8, 3.0])
@pytest.mark.parametrize("eps", [1e-3, 2.0])
def test_adaptive_is_timms(clip_factor, eps):
    ours, theirs = model(), model()
    clip_gradients_(ours, adaptive(clip_factor, eps))
    agc_by_hand(theirs, clip_factor, eps)
    assert_same(grads_of(ours), grads_of(theirs))


def test_adaptive_has_the_papers_defaults():
    assert adaptive().keywords == dict(clipping=0.01, eps=1e-3, units=0)


# --- what each formula says ------------------------------------------------------------------------------


def test_by_value_turns_the_gradient_and_the_norms_do_not():
    """[10, 0.1] clipped to 1: by value it turns by 5.1 degrees, and lies 5.7 from the first axis."""
    grads, params = [torch.tensor([10, 0.1], dtype=torch.float64)], [torch.ones(2, dtype=torch.float64)]
    (clipped,) = by_value(1.0)(grads, params)
    assert clipped.tolist() == [1, 0.1]
    assert angle(clipped, grads[0]) == pytest.approx(5.1, abs=0.05)
    for clip in (by_global_norm(1.0), by_layer_norm(1.0), adaptive(0.01)):
        (clipped,) = clip(grads, params)
        assert clipped.norm() < 1.001
        assert angle(clipped, grads[0]) < 1e-4


def test_the_global_norm_keeps_the_direction_of_all_and_the_layer_norm_that_of_each():
    params, grads = draw((3, 4), (5,)), draw((3, 4), (5,), seed=1)
    grads[0] *= 10
    whole = torch.cat([g.flatten() for g in grads])
    together = torch.cat([g.flatten() for g in by_global_norm(2.0)(grads, params)])
    torch.testing.assert_close(together, whole * (2 / whole.norm()))
    for clipped, grad in zip(by_layer_norm(2.0)(grads, params), grads, strict=True):
        assert clipped.norm().item() == pytest.approx(min(2.0, grad.norm().item()))
        assert angle(clipped.flatten(), grad.flatten()) < 1e-4


@pytest.mark.parametrize("clip", [by_global_norm(5.0), by_layer_norm(5.0)], ids=["global", "layer"])
@pytest.mark.parametrize(("size", "left"), [(4.9, 4.9), (5.0, 5.0), (5.1, 5.0), (500.0, 5.0)])
def test_a_norm_below_or_at_the_limit_stays_and_one_above_becomes_the_limit_exactly(clip, size, left):
    grads = [size / 5 * torch.tensor([3.0, 4.0], dtype=torch.float64)]
    (clipped,) = clip(grads, [torch.ones(2)])
    assert clipped.norm().item() == pytest.approx(left, rel=1e-15)
    if size <= 5:
        assert torch.equal(clipped, grads[0])


def test_eps_makes_the_norm_a_little_shorter_and_never_longer():
    grads = [torch.tensor([3.0, 4.0], dtype=torch.float64)]
    (clipped,) = by_global_norm(5.0, eps=1e-6)(grads, grads)
    assert clipped.norm().item() == pytest.approx(5 * 5 / (5 + 1e-6), rel=1e-14)


def test_adaptive_limits_each_row_by_its_weights():
    param = torch.tensor([[3.0, 4.0], [0.0, 0.0], [30.0, 40.0]], dtype=torch.float64)
    grad = torch.tensor([[6.0, 8.0], [6.0, 8.0], [0.3, 0.4]], dtype=torch.float64)
    (clipped,) = adaptive(0.1, eps=1e-3)([grad], [param])
    assert clipped.norm(dim=1).tolist() == pytest.approx([0.5, 1e-4, 0.5])


@pytest.mark.parametrize("shape", [(3, 4), (1, 4), (4, 1), (3, 1), (1, 1), (4,), ()])
def test_adaptive_for_weights_in_out_is_that_for_weights_out_in_turned(shape):
    """A bias (1, out) of our networks is a vector, as the bias (out,) of torch's is."""
    (param,), (grad,) = draw(shape), draw(shape, seed=1)
    (clipped,) = adaptive(0.1, units=-1)([grad], [param])
    vector = len(shape) == 2 and shape[0] == 1
    turned = [x[0] if vector else x.T if x.ndim == 2 else x for x in (grad, param, clipped)]
    (expected,) = adaptive(0.1)(turned[:1], turned[1:2])
    assert not torch.equal(clipped, grad)
    torch.testing.assert_close(turned[2], expected)


def test_adaptive_limits_each_column_by_its_weights():
    param = torch.tensor([[3.0, 0.0, 30.0], [4.0, 0.0, 40.0]], dtype=torch.float64)
    grad = torch.tensor([[6.0, 6.0, 0.3], [8.0, 8.0, 0.4]], dtype=torch.float64)
    (clipped,) = adaptive(0.1, eps=1e-3, units=-1)([grad], [param])
    assert clipped.norm(dim=0).tolist() == pytest.approx([0.5, 1e-4, 0.5])


@pytest.mark.parametrize("units", [1, -2, 0.5, None])
def test_units_are_the_first_or_the_last_axis(units):
    with pytest.raises(ValueError, match=r"units must be 0 .* or -1 .*, got " + re.escape(repr(units))):
        adaptive(units=units)


def test_centralize_makes_each_units_gradient_add_up_to_zero():
    params, grads = draw((3, 4), (2, 3, 5), (4,), ()), draw((3, 4), (2, 3, 5), (4,), (), seed=1)
    matrix, kernel, vector, scalar = centralize()(grads, params)
    torch.testing.assert_close(matrix, grads[0] - grads[0].mean(1, keepdim=True))
    assert matrix.mean(1).abs().max() < 1e-15
    assert kernel.mean((1, 2)).abs().max() < 1e-15
    assert torch.equal(vector, grads[2])
    assert torch.equal(scalar, grads[3])


def test_in_turn_is_one_after_the_other():
    params, grads = draw((3, 4), (5,)), draw((3, 4), (5,), seed=1)
    first, second = by_value(0.3), by_global_norm(0.5)
    expected = second(first(grads, params), params)
    assert_same(in_turn(first, second)(grads, params), expected, 0)
    other = in_turn(second, first)(grads, params)
    assert not torch.allclose(other[0], expected[0])
    assert_same(in_turn()(grads, params), grads, 0)


def test_in_turn_takes_a_function_of_your_own():
    def double(grads, params):
        return [2 * g for g in grads]

    def power(grads, params, *, exponent):
        return [g**exponent for g in grads]

    params, grads = draw((3,)), draw((3,), seed=1)
    (clipped,) = in_turn(double, partial(power, exponent=2), centralize())(grads, params)
    torch.testing.assert_close(clipped, 4 * grads[0] ** 2)


@every_clip
def test_a_clip_changes_nothing_in_place(clip):
    params, grads = draw(*SHAPES), draw(*SHAPES, seed=1)
    before = [t.clone() for t in params + grads]
    clipped = clip(0.5)(grads, params)
    assert [c.shape for c in clipped] == [g.shape for g in grads]
    assert all(torch.equal(t, b) for t, b in zip(params + grads, before, strict=True))


@every_clip
def test_zero_gradients_stay_zero(clip):
    params = draw(*SHAPES)
    for limit in (0.0, 0.5):
        for clipped in clip(limit)([torch.zeros_like(p) for p in params], params):
            assert torch.equal(clipped, torch.zeros_like(clipped))


@every_clip
def test_a_limit_of_zero_leaves_nothing_of_a_gradient(clip):
    if clip(0.0) is not centralize() and "eps" not in str(clip(0.0).keywords.get("clipping", "")):
        params, grads = [torch.zeros(3, 2)], draw((3, 2), seed=1, dtype=torch.float32)
        (clipped,) = clip(0.0)(grads, params)
        expected = grads[0] if clip is CLIPS["centralize"] else torch.zeros(3, 2)
        torch.testing.assert_close(clipped, expected)


@every_clip
def test_nothing_to_clip_is_nothing(clip):
    assert clip(0.5)([], []) == []
    clip_gradients_([], clip(0.5))
    clip_gradients_([torch.ones(2, requires_grad=True)], clip(0.5))


# --- precision and devices -------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@every_clip
def test_half_precision_gives_what_float_gives(clip, dtype):
    half = model(dtype)
    single = with_grads([p.detach().float() for p in half], [p.grad.float() for p in half])
    clip_gradients_(half, clip(0.5))
    clip_gradients_(single, clip(0.5))
    for h, s in zip(half, single, strict=True):
        assert h.grad.dtype == dtype
        torch.testing.assert_close(h.grad.float(), s.grad, rtol=2 * torch.finfo(dtype).eps, atol=1e-2)


@pytest.mark.parametrize("clip", [by_global_norm(1.0), by_layer_norm(1.0), adaptive(0.01)], ids=range(3))
def test_a_norm_that_half_precision_cannot_hold(clip):
    """The norm, 1.9e6, is inf in float16, and the factor has one digit there."""
    grads = [torch.full((1000,), 6e4, dtype=torch.float16)]
    params = [torch.full((1000,), 100 / 1000**0.5)]
    (clipped,) = clip(grads, params)
    assert clipped.dtype == torch.float16
    assert clipped.float().norm().item() == pytest.approx(1.0, rel=0.002)


@every_clip
def test_a_batch_in_half_precision_stays_in_it(clip):
    params = draw(*[(3, *s) for s in SHAPES], dtype=torch.bfloat16)
    for p, g in zip(params, draw(*[(3, *s) for s in SHAPES], seed=1), strict=True):
        p.grad = g.bfloat16()
    optimizer = Adam(params, lr=torch.full((3,), 0.1), clip=clip(LIMITS))
    optimizer.step()
    assert all(optimizer.state[p]["exp_avg"].dtype == torch.bfloat16 for p in params)


def test_several_precisions_are_one_norm():
    dtypes = [torch.float16, torch.float64, torch.bfloat16, torch.float32]
    grads = [torch.full((4,), 3.0, dtype=dtype) for dtype in dtypes]
    clipped = by_global_norm(6.0)(grads, grads)
    assert [c.dtype for c in clipped] == dtypes
    assert all(c.tolist() == [1.5] * 4 for c in clipped)


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32])
@every_clip
def test_a_limit_in_another_precision_leaves_the_gradients_theirs(clip, dtype):
    params, grads = draw(*SHAPES, dtype=dtype), draw(*SHAPES, seed=1, dtype=dtype)
    clipped = clip(torch.tensor(0.5, dtype=torch.float64))(grads, params)
    assert all(c.dtype == dtype for c in clipped)
    assert_same(clipped, clip(0.5)(grads, params), 1e-3)


@every_limit
def test_a_complex_gradient_is_two_real_ones(clip):
    param, grad = torch.tensor([[1 + 2j, 3j]]), torch.tensor([[5 - 1j, 0.1 + 2j]])
    (params,) = [with_grads([param], [grad])]
    real = with_grads([torch.view_as_real(param)], [torch.view_as_real(grad)])
    clip_gradients_(params, clip(0.5))
    clip_gradients_(real, clip(0.5))
    assert torch.equal(torch.view_as_real(params[0].grad), real[0].grad)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@every_clip
def test_parameters_on_several_devices(clip):
    params, grads = draw((3, 4), (5,), dtype=torch.float32), draw((3, 4), (5,), seed=1, dtype=torch.float32)
    apart = [[p.cuda() if i else p for i, p in enumerate(ts)] for ts in (params, grads)]
    clipped = clip(0.5)(apart[1], apart[0])
    assert [c.device.type for c in clipped] == ["cpu", "cuda"]
    assert_same([c.cpu() for c in clipped], clip(0.5)(grads, params), 1e-6)


# --- a batch of models -----------------------------------------------------------------------------------


@every_limit
@pytest.mark.parametrize("cls", [SGD, Adam], ids=lambda c: c.__name__)
@pytest.mark.parametrize("batched_rate", [False, True], ids=["one rate", "a rate each"])
def test_a_batch_of_limits_is_one_limit_for_each_model(clip, cls, batched_rate):
    shapes = [(3, *s) for s in SHAPES]
    rates = torch.tensor([0.1, 0.2, 0.3] if batched_rate else [0.1] * 3, dtype=torch.float64)
    together = draw(*shapes)
    optimizer = cls(together, lr=rates if batched_rate else 0.1, clip=clip(LIMITS))
    apart = [[p[i].clone() for p in together] for i in range(3)]
    alone = [
        cls(params, lr=rate, clip=clip(limit))
        for params, rate, limit in zip(apart, rates.tolist(), LIMITS.tolist(), strict=True)
    ]
    for step in range(4):
        grads = draw(*shapes, seed=step + 1)
        for p, g in zip(together, grads, strict=True):
            p.grad = g
        optimizer.step()
        for i, (params, one) in enumerate(zip(apart, alone, strict=True)):
            for p, g in zip(params, grads, strict=True):
                p.grad = g[i].clone()
            one.step()
    for i, params in enumerate(apart):
        assert_same([p[i] for p in together], params, 1e-13)


@every_limit
def test_a_batch_of_limits_in_place_is_one_limit_for_each_model(clip):
    shapes = [(3, *s) for s in SHAPES]
    params, grads = draw(*shapes), draw(*shapes, seed=1)
    together = with_grads(params, grads)
    clip_gradients_(together, clip(LIMITS))
    for i, limit in enumerate(LIMITS.tolist()):
        alone = with_grads([p[i] for p in params], [g[i] for g in grads])
        clip_gradients_(alone, clip(limit))
        assert_same([p.grad[i] for p in together], grads_of(alone))


def test_a_grid_of_limits_has_two_axes():
    limits = torch.tensor([[0.1, 1.0], [10.0, 0.5]])
    (p,) = with_grads([torch.zeros(2, 2, 3)], [torch.ones(2, 2, 3)])
    SGD([p], lr=1.0, clip=by_global_norm(limits)).step()
    torch.testing.assert_close(-p.detach().norm(dim=-1), -limits.clamp(max=3**0.5))


def test_a_batch_without_gradients_is_left_alone():
    p = torch.ones(3, 2)
    SGD([p], lr=1.0, clip=by_global_norm(LIMITS)).step()
    clip_gradients_([p], by_global_norm(LIMITS))
    assert torch.equal(p, torch.ones(3, 2))


def test_a_limit_of_shape_1_is_a_number_also_for_parameters_without_axes():
    for clip in LIMITED.values():
        one, number = model(), model()
        clip_gradients_(one, clip(torch.tensor([0.5], dtype=torch.float64)))
        clip_gradients_(number, clip(torch.tensor(0.5, dtype=torch.float64)))
        assert_same(grads_of(one), grads_of(number), 0)
        params, grads = draw(*SHAPES), draw(*SHAPES, seed=1)
        limits = [torch.tensor(value, dtype=torch.float64) for value in ([0.5], 0.5)]
        assert_same(*(clip(limit)(grads, params) for limit in limits), 0)


# --- in an optimizer -------------------------------------------------------------------------------------


@every_clip
@pytest.mark.parametrize(
    ("ours", "theirs", "settings"),
    [
        (SGD, torch.optim.SGD, dict(lr=0.1, momentum=0.9, weight_decay=0.1)),
        (Adam, torch.optim.Adam, dict(lr=0.1)),
        (AdamW, torch.optim.AdamW, dict(lr=0.1, weight_decay=0.1)),
    ],
    ids=["SGD", "Adam", "AdamW"],
)
def test_before_torchs_step_or_within_ours_is_the_same(clip, ours, theirs, settings):
    left, right = model(), model()
    inside, outside = ours(left, clip=clip(0.5), **settings), theirs(right, **settings)
    for step in range(5):
        for params in (left, right):
            for p, g in zip(params, draw(*SHAPES, seed=step), strict=True):
                p.grad = g.clone()
        inside.step()
        clip_gradients_(right, clip(0.5))
        outside.step()
    assert_same([p.detach() for p in left], [p.detach() for p in right], 1e-12)


def test_all_groups_count_for_the_global_norm():
    first, second = with_grads([torch.zeros(1), torch.zeros(1)], [torch.tensor([3.0]), torch.tensor([4.0])])
    SGD([{"params": [first]}, {"params": [second], "lr": 0.1}], lr=1.0, clip=by_global_norm(1.0)).step()
    assert (first.item(), second.item()) == pytest.approx((-0.6, -0.08))


def test_a_parameter_without_a_gradient_does_not_count():
    first, second = with_grads([torch.zeros(1), torch.ones(1)], [torch.tensor([3.0]), torch.tensor([4.0])])
    second.grad = None
    clip_gradients_([first, second], by_global_norm(1.0))
    assert (first.grad.item(), second.grad) == (1.0, None)
    SGD([first, second], lr=1.0, clip=by_global_norm(0.5)).step()
    assert (first.item(), second.item()) == (-0.5, 1.0)


def test_first_the_clip_then_the_direction_then_the_scale_then_the_rate():
    """Two steps of momentum by hand; each other order gives other numbers."""
    grads = [torch.tensor([3.0, 4.0]), torch.tensor([0.0, 10.0])]
    rates = [0.5, 0.25]
    p = torch.tensor([2.0, 1.0], requires_grad=True)
    clip, scale = by_global_norm(1.0), by_trust_ratio(0.1, exclude_1d=False)
    optimizer = SGD([p], lr=0.0, momentum=0.9, clip=clip, scale=scale)
    expected, buffer = p.detach().clone(), torch.zeros(2)
    for grad, rate in zip(grads, rates, strict=True):
        optimizer.param_groups[0]["lr"] = rate
        p.grad = grad.clone()
        optimizer.step()
        clipped = grad / grad.norm()
        buffer = 0.9 * buffer + clipped
        expected -= rate * (0.1 * expected.norm() / buffer.norm()) * buffer
    torch.testing.assert_close(p.detach(), expected)


def test_decay_is_added_to_the_clipped_gradient():
    """As in torch, where the gradients are clipped before the optimizer sees them."""
    (p,) = with_grads([torch.tensor([2.0])], [torch.tensor([100.0])])
    SGD([p], lr=1.0, weight_decay=0.5, clip=by_value(1.0)).step()
    assert p.item() == 2 - (1 + 0.5 * 2)


def test_maximize_clips_what_it_climbs():
    (p,) = with_grads([torch.tensor([2.0])], [torch.tensor([100.0])])
    SGD([p], lr=1.0, maximize=True, clip=by_value(1.0)).step()
    assert p.item() == 3


RUNS = [*METHODS.values(), Method("Muon", Muon)]


@every_clip
@pytest.mark.parametrize("run", RUNS, ids=lambda m: m.name)
def test_every_method_takes_every_clip(run, clip):
    """It steps as if the gradients had come clipped."""
    shapes = [(3, 4), (4, 2)] if run.name == "Muon" else SHAPES
    inside, outside = draw(*shapes), draw(*shapes)
    chosen = run.hyperparameters(lr=0.1)
    if "hypergrad_lr" in chosen:  # it learns its rate from the gradient as it came
        chosen["hypergrad_lr"] = 0.0
    with_clip = run.optimizer(inside, **chosen | {"clip": clip(0.2)})
    centres = run.name == "Ranger"  # which it does before the clip
    without = run.optimizer(outside, **chosen | ({"use_gc": False} if centres else {}))
    for step in range(1, 4):
        for params in (inside, outside):
            for p, g in zip(params, draw(*shapes, seed=step), strict=True):
                p.grad = g
        with_clip.step()
        clip_gradients_(outside, in_turn(centralize(), clip(0.2)) if centres else clip(0.2))
        without.step()
    assert_same(inside, outside, 1e-12)


@every_clip
@pytest.mark.parametrize(
    "clone", [copy.deepcopy, lambda c: pickle.loads(pickle.dumps(c))], ids=["deepcopy", "pickle"]
)
def test_a_copy_clips_alike(clip, clone):
    params, grads = draw(*SHAPES), draw(*SHAPES, seed=1)
    assert_same(clone(clip(0.5))(grads, params), clip(0.5)(grads, params), 0)


@every_clip
def test_the_norm_before_the_clip_is_given_back_as_by_torch(clip):
    ours, theirs = model(), model()
    expected = clip_grad_norm_(theirs, 1.0)
    found = clip_gradients_(ours, clip(0.5))
    assert found.shape == ()
    assert found.item() == pytest.approx(expected.item(), rel=1e-14)


@every_limit
def test_the_norm_of_each_model_of_a_batch_is_given_back(clip):
    params, grads = draw(*[(3, *s) for s in SHAPES]), draw(*[(3, *s) for s in SHAPES], seed=1)
    found = clip_gradients_(with_grads(params, grads), clip(LIMITS))
    expected = [torch.cat([g[i].flatten() for g in grads]).norm().item() for i in range(3)]
    assert found.tolist() == pytest.approx(expected, rel=1e-14)


def test_the_norm_that_is_given_back_is_told_as_it_is():
    """0 of nothing, nan of nan, and no overflow in half precision."""
    assert clip_gradients_([torch.ones(2, requires_grad=True)], by_value(1.0)).item() == 0
    (p,) = with_grads([torch.ones(2)], [torch.tensor([1.0, NAN])])
    assert math.isnan(clip_gradients_([p], by_value(1.0)).item())
    half = torch.full((1000,), 6e4, dtype=torch.float16)
    assert clip_gradients_(with_grads([half], [half]), by_value(1.0)).item() == pytest.approx(1.9e6, rel=0.01)
    pair = torch.tensor([3 + 4j])
    assert clip_gradients_(with_grads([pair], [pair]), by_value(1.0)).item() == pytest.approx(5)


# --- in place --------------------------------------------------------------------------------------------


def test_in_place_means_the_same_tensor():
    """Another view of the gradient, such as DDP's bucket, sees the clipped values."""
    params = model()
    kept = grads_of(params)
    clip_gradients_(params, by_global_norm(0.5))
    assert all(p.grad is k for p, k in zip(params, kept, strict=True))
    assert torch.cat([k.flatten() for k in kept]).norm().item() == pytest.approx(0.5)


def test_a_single_tensor_and_a_generator_are_parameters_too():
    network = nn.Linear(3, 2)
    for p in network.parameters():
        p.grad = torch.full_like(p, 100.0)
    clip_gradients_(network.weight, by_value(1.0))
    assert network.weight.grad.max() == 1
    assert network.bias.grad.max() == 100
    clip_gradients_(network.parameters(), by_value(0.5))
    assert network.bias.grad.max() == network.weight.grad.max() == 0.5


def test_a_sparse_gradient_is_refused_before_anything_is_clipped():
    dense, sparse = torch.ones(2, requires_grad=True), torch.ones(4, 2, requires_grad=True)
    dense.grad = torch.full((2,), 100.0)
    sparse.grad = torch.sparse_coo_tensor([[1]], [[1.0, 2.0]], (4, 2), check_invariants=True)
    message = "does not support sparse gradients, and a parameter of shape (4, 2) has one"
    with pytest.raises(RuntimeError, match=re.escape(message)):
        clip_gradients_([dense, sparse], by_value(1.0))
    assert dense.grad.max() == 100


# --- bad input -------------------------------------------------------------------------------------------

BAD = [
    (by_value, (-1,), "clip_value must be a finite number ≥ 0, got -1"),
    (by_value, (NAN,), "clip_value must be a finite number ≥ 0, got nan"),
    (by_value, (torch.tensor([1.0, -2.0]),), "clip_value must be a finite number ≥ 0, got -2"),
    (by_global_norm, (-0.5,), "max_norm must be a finite number ≥ 0, got -0.5"),
    (by_global_norm, (INF,), "max_norm must be a finite number ≥ 0, got inf"),
    (by_global_norm, (1.0, -1e-6), "eps must be a finite number ≥ 0, got -1e-06"),
    (by_layer_norm, (-1,), "max_norm must be a finite number ≥ 0, got -1"),
    (adaptive, (-0.01,), "clipping must be a finite number ≥ 0, got -0.01"),
    (adaptive, (0.01, -1), "eps must be a finite number ≥ 0, got -1"),
]


@pytest.mark.parametrize(("make", "args", "message"), BAD, ids=range(len(BAD)))
def test_a_bad_limit_is_refused_by_name_value_and_range(make, args, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        make(*args)


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (by_value, "clip_value"),
        (by_global_norm, "max_norm"),
        (by_layer_norm, "max_norm"),
        (adaptive, "clipping"),
    ],
    ids=lambda v: getattr(v, "__name__", None),
)
@pytest.mark.parametrize("value", ["1", None, True, [1.0]], ids=repr)
def test_a_limit_that_is_no_number_is_a_type_error(make, name, value):
    with pytest.raises(
        TypeError, match=re.escape(f"{name} must be a number or a tensor of numbers, got {value!r}")
    ):
        make(value)


def test_a_limit_in_place_of_a_clip_is_refused():
    hint = "must be a function, for example by_global_norm(1.0), got 1.0"
    with pytest.raises(TypeError, match=re.escape(f"clip {hint}")):
        clip_gradients_(model(), 1.0)
    with pytest.raises(TypeError, match=re.escape(f"clips[1] {hint}")):
        in_turn(centralize(), 1.0)
    with pytest.raises(TypeError, match=re.escape("clip must be a function")):
        SGD(model(), lr=0.1, clip=1.0)


@pytest.mark.parametrize("maker", [by_value, by_global_norm, by_layer_norm, adaptive, centralize])
def test_what_makes_a_clip_in_place_of_the_clip_is_refused(maker):
    said = re.escape(f"got {maker.__name__}, which only makes one: call it, as in {maker.__name__}(…)")
    with pytest.raises(TypeError, match=f"^clip must be a function, .* {said}"):
        SGD(model(), lr=0.1, clip=maker)
    with pytest.raises(TypeError, match=f"^clip must be a function, .* {said}"):
        clip_gradients_(model(), maker)
    with pytest.raises(TypeError, match=rf"^clips\[1\] must be a function, .* {said}"):
        in_turn(by_value(1.0), maker)
