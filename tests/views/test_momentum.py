import math
import re

import numpy as np
import pytest
import torch

from lwlr_teach.optim import SGD
from lwlr_teach.problems.quadratics import best_settings, edge, factor
from lwlr_teach.views import MomentumView
from lwlr_teach.views.momentum.view import MOMENTA, RATES


@pytest.fixture(scope="module")
def view():
    return MomentumView()


def put(view, lr, momentum, condition=1, nesterov=False):
    view.lr_index, view.momentum_index, view.condition_index, view.nesterov = (
        lr,
        momentum,
        condition,
        nesterov,
    )


def test_a_run_is_our_optimizers_run(view):
    """One of the runs again, alone: the same distances, and the same factor."""
    for nesterov, k, m, r in [(False, 1, 20, 24), (True, 2, 30, 9), (False, 0, 10, 40), (True, 0, 25, 40)]:
        curvature = torch.tensor([1 / view.conditions[k], 1.0], dtype=torch.float64)
        x = torch.ones(2, dtype=torch.float64)
        optimizer = SGD([x], lr=RATES[r].item(), momentum=MOMENTA[m].item(), nesterov=nesterov)
        distances = [x.abs().max().item()]
        for _ in range(200):
            x.grad = curvature * x
            optimizer.step()
            distances.append(x.abs().max().item())
        sent = np.frombuffer(view.distances, "<u2").reshape(2, 3, 40, 41, 101)[int(nesterov), k, m, r]
        shown = np.log10(distances[::2])
        assert (shown > -7).sum() > 3
        inside = (shown > -8) & (shown < 2)
        np.testing.assert_allclose(-8 + sent[inside] / 65535 * 10, shown[inside], atol=10 / 65535)


def test_what_was_measured_is_what_theory_says(view):
    """Complex roots swing, so that a factor from a run of finite length is a little off."""
    apart = (view.measured - view.exact).abs()
    assert view.measured.shape == view.exact.shape == (2, 3, 40, 41)
    assert torch.isfinite(view.measured).all()
    assert apart.max() < 0.006
    assert (apart < 1e-3).float().mean() > 0.95
    assert view.measured.min() < 0.53


def test_the_exact_factors_are_of_these_rates_and_momenta(view):
    for nesterov in (False, True):
        for k, kappa in enumerate((10, 100, 1000)):
            slow, steep = (
                factor(RATES, MOMENTA[:, None], lam, nesterov=nesterov) for lam in (1 / kappa, 1.0)
            )
            wanted = torch.maximum(slow, steep).float()
            torch.testing.assert_close(view.exact[int(nesterov), k], wanted, rtol=1e-5, atol=1e-5)
    fine = np.frombuffer(view.exact_factors, "<f4").reshape(2, 3, 40, 161)
    np.testing.assert_array_equal(fine[..., ::4], view.exact.numpy())
    assert view.plan["fine"] == 4


def test_the_measured_map_ends_at_the_exact_edge(view):
    codes = np.frombuffer(view.codes, np.uint8).reshape(2, 3, 40, 41)
    for i in range(2):
        border = torch.tensor(view.plan["edges"][i], dtype=torch.float64)[:, None]
        torch.testing.assert_close(border[:, 0], edge(1.0, MOMENTA, nesterov=bool(i)))
        inside, outside = border > RATES + 0.05, border < RATES - 0.05
        for k in range(2):  # at a condition number of 1000 the smallest rates show no progress either
            assert (codes[i, k][inside & (RATES > 0.35)] < 64).all()
            assert (codes[i, k][outside] == 255).all()


def test_the_brightest_cell_lies_at_the_exact_best(view):
    codes = np.frombuffer(view.codes, np.uint8).reshape(2, 3, 40, 41).astype(float)
    codes[codes == 255] = -1
    for i in range(2):
        for k, kappa in enumerate((10, 100, 1000)):
            best = best_settings(1 / kappa, 1.0, nesterov=bool(i))
            assert view.plan["best"][i][k] == pytest.approx(best[:2])
            rows, columns = np.nonzero(codes[i, k] == codes[i, k].max())
            away = np.abs(RATES.numpy()[columns] - best.lr) / 0.1
            away = np.maximum(away, np.abs(MOMENTA.numpy()[rows] - best.momentum) / 0.025)
            assert away.min() <= 4.1


def test_the_sentence_follows_the_controls(view):
    put(view, 9, 0)
    assert view.describe() == (
        "Heavy ball, condition number 100, rate 1, momentum 0: each step multiplies the distance by 0.9900 "
        "(exact: 0.9900), ten times closer every 230 steps."
    )
    put(view, 32, 27)
    found, exact = (values[0, 1, 27, 32].item() for values in (view.measured, view.exact))
    assert f"by {found:.4f} (exact: {exact:.4f}), ten times closer every 12 steps" in view.describe()
    assert f"{found:.4f}" != f"{exact:.4f}"
    put(view, 24, 0)
    assert view.describe().endswith(
        "rate 2.5, momentum 0: each step multiplies the distance by 1.5000 (exact: 1.5000), so it diverges."
    )
    put(view, 19, 0, 2)
    assert "number 1000, rate 2," in view.describe()
    assert view.describe().endswith("by 1.0000 (exact: 1.0000), which is no nearer and no further.")
    put(view, 19, 36, 0, nesterov=True)
    assert view.describe().startswith("Nesterov, condition number 10, rate 2, momentum 0.9: ")
    assert view.describe().endswith("so it diverges.")
    put(view, 19, 36, 0)
    assert not view.describe().endswith("so it diverges.")
    assert (view.lr, view.momentum, view.condition) == (2.0, 0.9, 10.0)


def test_the_sliders_begin_where_they_are_told():
    view = MomentumView(at_lr=3.31, at_momentum=0.67, at_condition=800, nesterov=True)
    assert (view.lr, view.momentum, view.condition, view.nesterov) == (3.3, 0.675, 1000.0, True)
    assert view.plan["start"] == {
        "lr_index": 32,
        "momentum_index": 27,
        "condition_index": 2,
        "nesterov": True,
    }
    words = "Nesterov, condition number 1000, rate 3.3, momentum 0.675"
    assert view.describe().startswith(words)


def test_it_is_small_enough_for_binder(view):
    assert sum(len(b) for b in (view.factors, view.exact_factors, view.codes, view.distances)) < 2_500_000


@pytest.mark.parametrize(
    "position", [(0, 0, 2, False), (40, 39, 2, True), (32, 27, 1, False), (40, 0, 0, True)]
)
def test_every_corner_can_be_drawn(view, position):
    put(view, *position)
    data, metadata = view._repr_mimebundle_()
    assert data["image/png"]
    assert metadata["image/png"]["alt"] == data["text/plain"] == view.describe()


def test_the_figure_shows_the_factor_that_is_said(view):
    """The marker on the map, the position's line and dot of the steps, and the run with its exact slope."""
    put(view, 32, 27)
    on_map, _, cut, run = view.figure().axes
    assert [line.get_xydata()[0].tolist() for line in on_map.lines][-1] == [3.3, 0.675]
    cells, sent = on_map.images[0].get_array(), np.frombuffer(view.codes, np.uint8).reshape(2, 3, 40, 41)
    np.testing.assert_array_equal(np.isnan(cells.filled(np.nan)), sent[0, 1] == 255)
    np.testing.assert_array_equal(cells.filled(255), sent[0, 1])
    star = on_map.lines[-2].get_xydata()[0]
    assert star == pytest.approx([3.305785, 0.669421], abs=1e-6)
    exact, dots = cut.lines[0].get_xydata(), cut.lines[1].get_xydata()
    assert dots[32] == pytest.approx([3.3, -1 / math.log10(view.measured[0, 1, 27, 32])], rel=1e-5)
    assert exact[128] == pytest.approx([3.3, -1 / math.log10(view.exact[0, 1, 27, 32])], rel=1e-5)
    line = run.lines[0].get_ydata()
    assert line[10] / line[0] == pytest.approx(view.exact[0, 1, 27, 32].item() ** 20, rel=1e-5)
    assert run.lines[1].get_ydata()[0] == pytest.approx(1)


def test_bad_input():
    with pytest.raises(ValueError, match=re.escape("conditions must be a finite number ≥ 5, got 2")):
        MomentumView(conditions=[10, 2])
    view = MomentumView()
    with pytest.raises(ValueError, match="lr_index must be from 0 to 40, got 41"):
        view.lr_index = 41
    with pytest.raises(ValueError, match="momentum_index must be from 0 to 39, got -1"):
        view.momentum_index = -1
    with pytest.raises(ValueError, match="condition_index must be from 0 to 2, got 3"):
        view.condition_index = 3
