"""Everything a surface says about itself is true."""

import math
import re

import pytest
import torch

from lwlr_teach.problems.surfaces import (
    SURFACES,
    Surface,
    beale,
    cliff,
    find_surface,
    noisy,
    plateau,
    quadratic,
    ravine,
    rosenbrock,
    sharp_and_flat,
    styblinski_tang,
)

# Every surface of the catalogue, and every parameter away from its default.
ALL = [make() for make in SURFACES.values()] + [
    quadratic(1),
    quadratic(1000),
    ravine(5, -70),
    ravine(1000, 45),
    sharp_and_flat(50, 1),
    sharp_and_flat(2, 2),
    sharp_and_flat(1, 1),
    noisy("rosenbrock", 0.5),
]
SMOOTH = [s for s in ALL if s.name != "sharp-and-flat"]
# Of the cliff the lowest points are a curve.
WITH_MINIMA = [s for s in ALL if s.minima]
surface_with_minima = pytest.mark.parametrize(
    "surface", WITH_MINIMA, ids=[f"{i} {s.name}" for i, s in enumerate(WITH_MINIMA)]
)
every_surface = pytest.mark.parametrize("surface", ALL, ids=[f"{i} {s.name}" for i, s in enumerate(ALL)])


def points_on(surface, *shape, seed=0):
    """Points all over the map, and somewhat beyond it."""
    low, high = torch.tensor(surface.bounds, dtype=torch.float64).unbind(-1)
    u = torch.rand(*shape, 2, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return low + (high - low) * (1.4 * u - 0.2)


def minima_of(surface):
    return torch.tensor(surface.minima, dtype=torch.float64)


@pytest.mark.parametrize("name", SURFACES)
def test_each_surface_stands_under_its_own_name(name):
    assert find_surface(name).name == name


def test_a_surface_gives_itself():
    mine = quadratic(3)
    assert find_surface(mine) is mine


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("rosenbrok", "surface 'rosenbrok' is not known; did you mean rosenbrock?"),
        ("Styblinski", "surface 'Styblinski' is not known; did you mean styblinski-tang?"),
        ("zzz", "surface 'zzz' is not known; choose from " + ", ".join(SURFACES)),
    ],
)
def test_an_unknown_surface_lists_the_nearest(name, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        find_surface(name)
    with pytest.raises(ValueError, match=re.escape(message)):
        noisy(name)


# --- derivatives -----------------------------------------------------------------------------------------


@every_surface
def test_gradient_agrees_with_autograd(surface):
    points = points_on(surface, 200).requires_grad_()
    (expected,) = torch.autograd.grad(surface.loss(points).sum(), points)
    torch.testing.assert_close(surface.grad(points.detach()), expected, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("surface", SMOOTH, ids=[f"{i} {s.name}" for i, s in enumerate(SMOOTH)])
def test_hessian_agrees_with_autograd(surface):
    points = points_on(surface, 20)
    expected = torch.stack([torch.autograd.functional.hessian(surface.loss, p) for p in points])
    torch.testing.assert_close(surface.hessian(points), expected, rtol=1e-9, atol=1e-9)


@every_surface
def test_hessian_agrees_with_differences_of_the_gradient(surface):
    """Also of sharp-and-flat, where torch's second derivative of logaddexp is nan far from the crest."""
    points = points_on(surface, 500)
    steps = 1e-6 * torch.eye(2, dtype=torch.float64)
    columns = [(surface.grad(points + e) - surface.grad(points - e)) / 2e-6 for e in steps]
    expected = torch.stack(columns, dim=-1)
    tolerance = 1e-7 * (1 + expected.abs().max().item())
    torch.testing.assert_close(surface.hessian(points), expected, rtol=1e-6, atol=tolerance)


@every_surface
def test_sharpness_is_the_largest_eigenvalue_of_the_hessian(surface):
    points = points_on(surface, 20)
    expected = torch.linalg.eigvals(surface.hessian(points)).real.amax(-1)
    torch.testing.assert_close(surface.sharpness(points), expected, rtol=1e-9, atol=1e-9)


def test_derivatives_can_be_taken_where_gradients_are_off():
    with torch.no_grad():
        assert quadratic(7).sharpness(torch.zeros(2)).item() == pytest.approx(7)


# --- minima ----------------------------------------------------------------------------------------------


@surface_with_minima
def test_the_minima_are_stationary_with_positive_curvature(surface):
    minima = minima_of(surface)
    sharpness = surface.sharpness(minima)
    assert (surface.grad(minima).norm(dim=-1) <= 1e-11 * (1 + sharpness)).all()
    assert (torch.linalg.eigvalsh(surface.hessian(minima)) > 0).all()


@pytest.mark.slow
@every_surface
def test_the_minima_are_sorted_and_the_first_is_the_lowest_on_the_map(surface):
    if surface.minima:
        losses = surface.loss(minima_of(surface))
        assert (losses.diff() >= -1e-12).all()
        assert surface.lowest == losses[0]
    (x0, x1), (y0, y1) = surface.bounds
    x, y = (torch.linspace(a, b, 801, dtype=torch.float64) for a, b in [(x0, x1), (y0, y1)])
    assert (surface.loss(torch.cartesian_prod(x, y)) >= surface.lowest - 1e-12).all()


@pytest.mark.slow
@surface_with_minima
def test_the_minima_are_all_there_are_on_the_map(surface):
    """Newton's method from everywhere ends at every stationary point; those that curve upwards are listed."""
    points = points_on(surface, 3000)
    for _ in range(60):
        step = torch.linalg.lstsq(surface.hessian(points), surface.grad(points).unsqueeze(-1)).solution
        points = torch.where(points.isfinite(), points - step.squeeze(-1), points)
    low, high = torch.tensor(surface.bounds, dtype=torch.float64).unbind(-1)
    points = points[((points >= low) & (points <= high)).all(-1)]
    points = points[surface.grad(points).norm(dim=-1) < 1e-9]
    found = points[torch.linalg.eigvalsh(surface.hessian(points))[..., 0] > 1e-6]
    distance = torch.cdist(found, minima_of(surface))
    assert (distance.amin(0) < 1e-6).all(), "a listed minimum was not found"
    assert (distance.amin(1) < 1e-6).all(), "a minimum was found that is not listed"


@every_surface
def test_start_and_minima_are_on_the_map_and_the_start_is_no_minimum(surface):
    for x, y in [surface.start, *surface.minima]:
        (x0, x1), (y0, y1) = surface.bounds
        assert x0 < x < x1
        assert y0 < y < y1
    start = torch.tensor([surface.start], dtype=torch.float64)
    assert not surface.minima or torch.cdist(start, minima_of(surface)).min() > 0.01


# --- batches, precisions, devices ------------------------------------------------------------------------


@every_surface
def test_a_batch_gives_what_its_points_give_one_by_one(surface):
    points = points_on(surface, 2, 3)
    for function, tail in [
        (surface.loss, ()),
        (surface.grad, (2,)),
        (surface.hessian, (2, 2)),
        (surface.sharpness, ()),
    ]:
        together = function(points)
        assert together.shape == (2, 3, *tail)
        torch.testing.assert_close(together[1, 2], function(points[1, 2]), rtol=1e-12, atol=1e-12)


@every_surface
def test_it_works_in_the_precision_of_the_points(surface):
    points = points_on(surface, 20)
    for function in [surface.loss, surface.grad, surface.hessian, surface.sharpness]:
        exact = function(points)
        assert exact.dtype == torch.float64
        got = function(points.float())
        assert got.dtype == torch.float32
        torch.testing.assert_close(got.double(), exact, rtol=1e-3, atol=1e-4 * exact.abs().max().item())
    assert surface.sample_grad(points.float(), torch.Generator()).dtype == torch.float32


def on_device(surface, device):
    points = points_on(surface, 5)
    for function in [
        surface.loss,
        surface.grad,
        surface.hessian,
        lambda p: surface.sample_grad(p, torch.Generator()),
    ]:
        result = function(points.to(device))
        assert result.device.type == device
        yield result, function(points)


@pytest.mark.slow
@every_surface
def test_it_works_on_the_device_of_the_points(surface):
    for result, expected in on_device(surface, "meta"):
        assert result.shape == expected.shape


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_gpu_gives_the_same_numbers():
    for surface in ALL:
        for result, expected in on_device(surface, "cuda"):
            torch.testing.assert_close(result.cpu(), expected, rtol=1e-10, atol=1e-10)


# --- known values ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("surface", "minimum", "loss", "curvatures"),
    [
        (rosenbrock(), (1, 1), 0, (0.3994, 1001.6)),
        (beale(), (3, 0.5), 0, (0.3015, 48.98)),
        (styblinski_tang(), (-2.903534, -2.903534), -78.33233, (34.583, 34.583)),
        (quadratic(25), (0, 0), 0, (1, 25)),
        (ravine(25, 20), (0, 0), 0, (1, 25)),
        (plateau(), (0, 0), 0, (2, 8)),
        (sharp_and_flat(40, 4), (-1.5, 0), 0, (40, 40)),
    ],
    ids=lambda v: getattr(v, "name", None),
)
def test_known_minimum_and_curvature(surface, minimum, loss, curvatures):
    assert surface.minima[0] == pytest.approx(minimum, abs=1e-6)
    assert surface.lowest == pytest.approx(loss, abs=1e-5)
    at_minimum = torch.linalg.eigvalsh(surface.hessian(minima_of(surface)[0]))
    assert at_minimum.tolist() == pytest.approx(curvatures, rel=2e-4)


@pytest.mark.parametrize(
    ("surface", "limit"), [(rosenbrock(), 0.001997), (beale(), 0.0408), (styblinski_tang(), 0.05783)]
)
def test_known_stability_limit(surface, limit):
    assert 2 / surface.sharpness(minima_of(surface)[0]).item() == pytest.approx(limit, rel=1e-3)


def test_known_losses():
    def loss(surface, x, y):
        return surface.loss(torch.tensor([x, y], dtype=torch.float64)).item()

    assert loss(rosenbrock(), -1.5, 2) == pytest.approx(6.25 + 100 * 0.0625)
    assert loss(beale(), 0, 0) == pytest.approx(1.5**2 + 2.25**2 + 2.625**2)
    assert loss(find_surface("himmelblau"), 0, 0) == pytest.approx(11**2 + 7**2)
    assert loss(styblinski_tang(), 1, 1) == pytest.approx(-10)
    assert loss(find_surface("saddle"), 0, 1) == pytest.approx(-0.25)
    assert loss(quadratic(10), 2, 1) == pytest.approx(7)
    assert loss(plateau(), 1, 0) == pytest.approx(0.5)


def test_the_ravine_is_the_bowl_turned():
    angle = math.radians(30)
    valley = torch.tensor([math.cos(angle), math.sin(angle)], dtype=torch.float64)
    torch.testing.assert_close(ravine(50, 30).grad(valley), valley)
    across = torch.stack([-valley[1], valley[0]])
    torch.testing.assert_close(ravine(50, 30).grad(across), 50 * across)


def test_sharp_and_flat_has_two_minima_of_equal_depth_and_the_curvatures_it_is_given():
    surface = sharp_and_flat(30, 3)
    assert surface.loss(minima_of(surface)).tolist() == pytest.approx([0, 0], abs=1e-12)
    assert surface.sharpness(minima_of(surface)).tolist() == pytest.approx([30, 3])


# --- the cliff -------------------------------------------------------------------------------------------


def test_the_cliff_is_the_unit_of_pascanu_read_after_fifty_steps():
    w, b, x = 4.3, -2.0, 0.5
    for _ in range(50):
        x = w / (1 + math.exp(-x)) + b
    assert cliff().loss(torch.tensor([w, b], dtype=torch.float64)).item() == pytest.approx((x - 0.7) ** 2)


def test_the_cliffs_wall_is_as_high_as_was_found_before():
    """Row 18 of the known results: median and largest gradient, and a step from the steepest point."""
    surface = cliff()
    assert surface.bounds == ((4, 7), (-4, -1))

    def grid(n):
        axes = [torch.linspace(*ends, n, dtype=torch.float64) for ends in surface.bounds]
        return torch.cartesian_prod(*axes)

    assert surface.grad(grid(31)).norm(dim=-1).median().item() == pytest.approx(9.7, abs=0.05)
    norms = surface.grad(grid(61)).norm(dim=-1)
    brink = grid(61)[norms.argmax()]
    assert norms.max().item() == pytest.approx(864, abs=0.5)
    assert brink.tolist() == pytest.approx([4.9, -2.55])
    assert surface.loss(brink).item() == pytest.approx(0.0079, abs=5e-5)

    grad = surface.grad(brink)
    thrown, clipped = brink - 0.01 * grad, brink - 0.01 * grad / grad.norm()
    assert thrown[1].item() == pytest.approx(-9.9, abs=0.05)
    assert surface.loss(thrown).item() == pytest.approx(112, abs=0.5)
    assert surface.loss(clipped).item() == pytest.approx(7.0, abs=0.05)


def test_the_floor_of_the_cliff_is_a_curve():
    """Along b = 0.7 − w σ(0.7) the unit rests at 0.7 while w < 4.5: flat one way, curved the other."""
    surface = cliff()
    w = torch.linspace(2, 4.1, 15, dtype=torch.float64)
    rest = 0.7 - w * torch.sigmoid(torch.tensor(0.7, dtype=torch.float64))
    floor = torch.stack([w, rest], -1)
    assert surface.minima == ()
    assert surface.lowest == surface.floor == 0
    assert surface.loss(floor).max() < 1e-5
    curvatures = torch.linalg.eigvalsh(surface.hessian(floor[:8]))
    assert (curvatures[:, 0].abs() < 1e-2 * curvatures[:, 1]).all()
    # Inside the map some of it lies in the wall, where the unit cannot rest.
    assert surface.loss(torch.tensor([4.9, 0.7 - 4.9 * rest_of(0.7)], dtype=torch.float64)) > 1


def rest_of(x):
    return 1 / (1 + math.exp(-x))


def test_a_surface_needs_minima_or_a_floor():
    with pytest.raises(
        ValueError, match=r"^minima must be at least one point, or floor a number, got neither"
    ):
        Surface("mine", "x", lambda x, y: x, lambda x, y: (x, y), ((-1, 1),) * 2, (0, 0), ())


# --- noise -----------------------------------------------------------------------------------------------


def draws(surface, *shape, seed=0):
    points = points_on(surface, *shape)
    return surface.sample_grad(points, torch.Generator().manual_seed(seed)) - surface.grad(points)


@pytest.mark.parametrize("size", [0.5, 3.0])
def test_noise_has_mean_zero_and_the_size_it_is_given(size):
    noise = draws(noisy("quadratic", size), 100_000)
    assert noise.mean(0).abs().max() < 5 * size / math.sqrt(100_000)
    assert noise.std(0).tolist() == pytest.approx([size, size], rel=0.012)
    assert abs(torch.corrcoef(noise.T)[0, 1].item()) < 0.02


def test_noise_is_shared_along_the_leading_axes_and_differs_between_points():
    noise = draws(noisy("quadratic"), 4, 3, 6)
    torch.testing.assert_close(noise, noise[:1, :1].expand_as(noise))
    assert len(noise[0, 0].flatten().unique()) == 12


def test_noise_is_reproducible_and_each_step_has_its_own():
    surface, points = noisy("quadratic"), torch.zeros(5, 2)
    assert torch.equal(draws(surface, 5, seed=3), draws(surface, 5, seed=3))
    assert not torch.equal(draws(surface, 5, seed=3), draws(surface, 5, seed=4))
    generator = torch.Generator().manual_seed(3)
    assert not torch.equal(surface.sample_grad(points, generator), surface.sample_grad(points, generator))


def test_noise_is_the_same_luck_in_either_precision():
    surface = noisy("quadratic")
    single, double = (
        surface.sample_grad(torch.zeros(50, 2, dtype=dtype), torch.Generator().manual_seed(0))
        for dtype in (torch.float32, torch.float64)
    )
    assert torch.equal(single, double.float())


def test_noise_changes_nothing_but_the_sampled_gradient():
    base, surface = quadratic(), noisy("quadratic", 2)
    points = points_on(base, 10)
    assert surface.noise == 2
    assert (surface.minima, surface.bounds, surface.start) == (base.minima, base.bounds, base.start)
    assert torch.equal(surface.loss(points), base.loss(points))
    assert torch.equal(surface.grad(points), base.grad(points))


@pytest.mark.parametrize("surface", [quadratic(), noisy("quadratic", 0)])
def test_without_noise_the_gradient_is_exact_and_the_generator_untouched(surface):
    generator = torch.Generator().manual_seed(0)
    before, points = generator.get_state(), points_on(surface, 10)
    assert torch.equal(surface.sample_grad(points, generator), surface.grad(points))
    assert torch.equal(generator.get_state(), before)


def test_noise_can_be_laid_over_noise():
    surface = noisy("noisy quadratic", 3)
    assert (surface.name, surface.noise) == ("noisy quadratic", 3)


# --- bad input -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: quadratic(0.5), "condition must be a finite number ≥ 1, got 0.5"),
        (lambda: quadratic(math.nan), "condition must be a finite number ≥ 1, got nan"),
        (lambda: ravine(0), "condition must be a finite number ≥ 1, got 0"),
        (lambda: ravine(10, math.inf), "degrees must be a finite number, got inf"),
        (lambda: sharp_and_flat(0.5), "sharp must be a finite number ≥ 1, got 0.5"),
        (lambda: sharp_and_flat(2, 5), "flat must be a finite number ≥ 1 and ≤ 2, got 5"),
        (lambda: sharp_and_flat(50, 0.5), "flat must be a finite number ≥ 1 and ≤ 50, got 0.5"),
        (lambda: noisy("quadratic", -1), "noise must be a finite number ≥ 0, got -1"),
        (lambda: noisy("quadratic", math.inf), "noise must be a finite number ≥ 0, got inf"),
    ],
)
def test_a_bad_parameter_is_refused_by_name_value_and_range(make, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        make()


def test_a_learner_can_make_a_surface():
    mine = Surface(
        "mine",
        "x² + y²",
        lambda x, y: x**2 + y**2,
        lambda x, y: (2 * x, 2 * y),
        ((-1, 1),) * 2,
        (1, 1),
        ((0, 0),),
    )
    assert mine.sharpness(torch.zeros(3, 2)).tolist() == [2, 2, 2]
