import math
import pickle

import numpy as np
import pytest
import torch

from lwlr_teach.problems.quadratics import best_settings, edge
from lwlr_teach.studies import sweep_momentum
from lwlr_teach.studies.momentum import MOMENTA, RATES
from lwlr_teach.views import MomentumView
from tests.views.saved import assert_same_view


@pytest.fixture(scope="module")
def runs():
    return sweep_momentum()


@pytest.fixture(scope="module")
def view(runs):
    return MomentumView(runs)


def put(view, lr, momentum, condition=1, nesterov=False):
    view.lr_index, view.momentum_index, view.condition_index, view.nesterov = (
        lr,
        momentum,
        condition,
        nesterov,
    )


def test_what_was_measured_is_sent(runs, view):
    np.testing.assert_array_equal(np.frombuffer(view.factors, "<f4"), runs.factors.flatten())
    fine = np.frombuffer(view.exact_factors, "<f4").reshape(2, 3, 40, 161)
    np.testing.assert_allclose(fine[..., ::4], runs.exact(), rtol=1e-6)
    assert view.plan["fine"] == 4
    sent = np.frombuffer(view.distances, "<u2").reshape(runs.distances.shape)
    shown = runs.distances.log10().numpy()
    inside = (shown > -8) & (shown < 2)
    assert inside.mean() > 0.3
    np.testing.assert_allclose(-8 + sent[inside] / 65535 * 10, shown[inside], atol=10 / 65535)
    assert (view.plan["shown"], view.plan["stride"]) == (200, 2)


def test_a_view_can_be_made_from_a_saved_sweep(runs, view):
    put(view, 9, 0)
    settings = {"at_lr": view.lr, "at_momentum": view.momentum, "at_condition": view.condition}
    assert_same_view(MomentumView(pickle.loads(pickle.dumps(runs)), **settings), view)


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


def test_the_sentence_follows_the_controls(runs, view):
    put(view, 9, 0)
    assert view.describe() == (
        "Heavy ball, condition number 100, rate 1, momentum 0: each step multiplies the distance by 0.9900 "
        "(exact: 0.9900), ten times closer every 230 steps."
    )
    put(view, 32, 27)
    found, exact = (values[0, 1, 27, 32].item() for values in (runs.factors, runs.exact()))
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


def test_the_sliders_begin_where_they_are_told(runs):
    view = MomentumView(runs, at_lr=3.31, at_momentum=0.67, at_condition=800, nesterov=True)
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


@pytest.mark.slow
@pytest.mark.parametrize(
    "position", [(0, 0, 2, False), (40, 39, 2, True), (32, 27, 1, False), (40, 0, 0, True)]
)
def test_every_corner_can_be_drawn(view, position):
    put(view, *position)
    data, metadata = view._repr_mimebundle_()
    assert data["image/png"]
    assert metadata["image/png"]["alt"] == data["text/plain"] == view.describe()


def test_the_figure_shows_the_factor_that_is_said(runs, view):
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
    assert dots[32] == pytest.approx([3.3, -1 / math.log10(runs.factors[0, 1, 27, 32])], rel=1e-5)
    assert exact[128] == pytest.approx([3.3, -1 / math.log10(runs.exact()[0, 1, 27, 32])], rel=1e-5)
    line = run.lines[0].get_ydata()
    assert line[10] / line[0] == pytest.approx(runs.exact()[0, 1, 27, 32].item() ** 20, rel=1e-5)
    assert run.lines[1].get_ydata()[0] == pytest.approx(1)


def test_bad_positions(view):
    with pytest.raises(ValueError, match="lr_index must be from 0 to 40, got 41"):
        view.lr_index = 41
    with pytest.raises(ValueError, match="momentum_index must be from 0 to 39, got -1"):
        view.momentum_index = -1
    with pytest.raises(ValueError, match="condition_index must be from 0 to 2, got 3"):
        view.condition_index = 3
