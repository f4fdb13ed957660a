import re

import numpy as np
import pytest
import torch

from lwlr_teach.problems.linear_networks import loss_after
from lwlr_teach.studies.splits import LEARNED, SHARES, STEPS, Splits, split_losses
from lwlr_teach.views import SplitView


@pytest.fixture(scope="module")
def view():
    return SplitView()


def put(view, budget=9, step=1, share=12, **setting):
    with view.hold_trait_notifications():
        usual = {"layers": 2, "dynamics": "exact", "start": "orthogonal", "width": 1000}
        for name, value in (usual | setting).items():
            setattr(view, name, value)
    view.budget_index, view.step_index, view.share_index = budget, STEPS.index(step), share


def sent(view):
    shape = view.splits.losses.shape
    losses = np.frombuffer(view.losses, "<f4").reshape(shape)
    return losses, np.frombuffer(view.codes, np.uint8).reshape(shape)


def test_the_sentence_says_the_loss_the_best_split_and_what_the_equal_one_costs(view):
    put(view, step=1)
    begin = "Two layers, width 1000, exact dynamics, orthogonal start, budget 40,000, after step"
    assert view.describe() == (
        f"{begin} 1: 30% of the budget in layer 1 gives the loss 0.92393. Best are 0% and 100%, "
        "with 0.92252. The equal split costs 0.92422, 0.18% more."
    )
    put(view, step=2, share=21)
    assert view.describe() == (
        f"{begin} 2: 52.5% of the budget in layer 1 gives the loss 0.80813. The equal split is the best, "
        "with 0.80804."
    )
    put(view, step=8, share=0)
    assert view.describe().endswith(
        "Best are 25% and 75%, with 0.00024. The equal split costs 0.04485, 190 times as much."
    )
    put(view, step=64)
    assert view.describe() == (
        f"{begin} 64: 30% of the budget in layer 1 gives a loss below 10⁻¹². "
        "38 of 41 splits have learned the task. The equal split costs 0.0005."
    )


def test_the_best_split_is_held_back_until_it_is_found_or_asked_for():
    view = SplitView(at_step=1, at_share=0.3, revealed=False)

    def dots():
        return sum(line.get_marker() == "o" for ax in view.figure().axes for line in ax.lines)

    assert view.describe().endswith(": 30% of the budget in layer 1 gives the loss 0.92393.")
    held = dots()
    view.share_index = 40
    assert "Best are 0% and 100%" in view.describe()
    assert view.describe().startswith("Two layers")
    view.share_index = 20
    assert view.describe().endswith("50% of the budget in layer 1 gives the loss 0.92422.")
    view.revealed = True
    assert "Best are 0% and 100%" in view.describe()
    assert dots() > held


def test_the_numbers_are_those_of_the_networks(view):
    for layers, p, step, share in [(2, 27_000, 4, 9), (3, 60, 3, 30)]:
        budget = split_losses(layers, 1000).budgets.tolist().index(p)
        put(view, budget, step, share, layers=layers)
        part = SHARES[share].item()
        wanted = loss_after(step, p * part, p * (1 - part), width=1000, layers=layers).item()
        assert view.loss == pytest.approx(wanted, rel=1e-6)
        assert (view.budget, view.step, view.share) == (p, step, part)
        assert f"gives the loss {wanted:.5f}." in view.describe()


@pytest.mark.slow
def test_a_split_beyond_the_limit_is_said_to_find_no_rest(view):
    words = "Here η₁η₂ is so large that descent cannot come to rest."
    put(view, 14, 512, 20)
    assert f"in layer 1 overflows. {words} " in view.describe()
    assert view.describe().endswith("The equal split overflows.")
    put(view, 14, 512, 4)
    assert words not in view.describe()
    put(view, 14, 1, 20)
    assert words in view.describe()
    put(view, 14, 1, 20, dynamics="surrogate")
    assert words not in view.describe()
    put(view, 13, 1, 20)  # 31,500² is less than 1,000³
    assert words not in view.describe()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("setting", "title"),
    [
        ({"layers": 3}, "Three layers, width 1000, exact dynamics, orthogonal start, budget 60,"),
        (
            {"dynamics": "surrogate"},
            "Two layers, width 1000, surrogate dynamics, orthogonal start, budget",
        ),
        ({"width": 16}, "Two layers, width 16, exact dynamics, orthogonal start, budget 81,"),
        ({"start": "gaussian"}, "Two layers, width 32, exact dynamics, gaussian start, budget 229,"),
    ],
)
def test_a_choice_computes_anew(view, setting, title):
    put(view)
    before = view.losses
    put(view, **setting)
    wanted = split_losses(**({"layers": 2, "width": 1000} | setting))
    losses, codes = sent(view)
    np.testing.assert_array_equal(losses, wanted.losses.float().numpy())
    np.testing.assert_array_equal((codes == 64) | (codes == 65), wanted.is_best.numpy())
    assert view.losses != before
    assert view.describe().startswith(title)
    assert view.table["title"] == title.rpartition(", budget")[0]
    assert view.table["steps"] == len(wanted.steps)
    assert view.table["values"] == wanted.budgets.tolist()


def test_a_gaussian_start_has_fewer_steps_and_shares(view):
    put(view, step=64, share=13)
    view.start = "gaussian"
    assert (view.step, view.share) == (16, 0.3)
    view.step_index, view.share_index = 40, 7
    assert (view.step, view.share) == (16, 0.15)
    put(view, 3, 4, 14, start="gaussian")
    assert view.loss == pytest.approx(view.splits.losses[3, 3, 7].item())
    # Told at once to begin elsewhere and to stand where only that has a place.
    view.set_state({"start": "orthogonal", "step_index": 45, "share_index": 13})
    assert (view.start, view.step, view.share) == ("orthogonal", 512, 0.325)


def test_the_colours_go_from_the_worst_to_the_best_of_each_step(view):
    put(view)
    losses, codes = sent(view)
    done = view.splits.losses.numpy() < LEARNED
    assert ((codes == 65) == done).all()
    assert ((codes == 255) == np.isinf(losses)).all()
    # After step 1 with 40,000: the ends are the best, the middle is the worst, and the root is between.
    column = codes[9, 0]
    assert column[[0, 20, 40]].tolist() == [64, 0, 64]
    share = (losses[9, 0, 10] - losses[9, 0, 0]) / (losses[9, 0, 20] - losses[9, 0, 0])
    assert column[10] == round(63 * (1 - share**0.5))


def test_the_sliders_begin_where_they_are_told():
    view = SplitView(3, width=64, dynamics="surrogate", at_budget=8, at_step=3, at_share=0.71)
    assert (view.budget, view.step, view.share) == (7.59, 3, 0.7)
    assert view.plan["start"] == {
        "layers": 3,
        "dynamics": "surrogate",
        "start": "orthogonal",
        "width": 64,
        "budget_index": 6,
        "step_index": 2,
        "share_index": 28,
        "revealed": True,
    }
    assert SplitView(at_step=66).step == 64
    assert SplitView(start="gaussian", at_share=0.3).share_index == 12


def test_it_is_small_enough_for_binder(view):
    put(view)
    assert len(view.losses) + len(view.codes) < 150_000


@pytest.mark.slow
@pytest.mark.parametrize(
    "position",
    [
        {"step": 1},
        {"step": 512, "budget": 14, "share": 20},
        {"step": 16, "budget": 14, "start": "gaussian", "layers": 3},
        {"step": 512, "budget": 14, "dynamics": "surrogate"},
    ],
)
def test_every_corner_can_be_drawn(view, position):
    put(view, **position)
    data, metadata = view._repr_mimebundle_()
    assert data["image/png"]
    assert metadata["image/png"]["alt"] == data["text/plain"] == view.describe()


def test_the_figure_shows_what_is_said(view):
    put(view, step=8, share=12)
    on_map, curve, _ = view.figure().axes
    assert on_map.lines[-1].get_xydata().tolist() == [[8, pytest.approx(0.3)]]
    dots = on_map.lines[-2].get_xydata()
    assert dots[dots[:, 0] == 8, 1].tolist() == [0.25, 0.75]
    assert dots[dots[:, 0] == 1, 1].tolist() == [0, 1]
    assert dots[:, 0].max() == 8  # what comes later is not told
    assert curve.get_yscale() == "log"
    np.testing.assert_allclose(curve.lines[0].get_ydata(), view.splits.losses[9, 7], rtol=1e-6)
    assert curve.lines[-1].get_xydata()[0] == pytest.approx([0.3, view.loss])
    put(view, step=1)
    curve = view.figure().axes[1]
    assert curve.get_yscale() == "linear"
    low, high = curve.get_ylim()
    assert 0.9222 < low < 0.92253
    assert 0.92422 < high < 0.9245


@pytest.mark.slow
@pytest.mark.parametrize(
    "position",
    [
        {"layers": 3, "budget": 14, "step": 512, "width": 16},  # all have learned
        {"budget": 14, "step": 512, "width": 64},  # those that have not, overflow
        {"layers": 3, "budget": 4, "step": 512, "dynamics": "surrogate", "width": 16},  # two ends are left
        {"budget": 1, "step": 1, "dynamics": "surrogate", "width": 16},  # a flat curve
        {"budget": 0, "step": 1},
    ],
)
def test_the_axis_fits_a_curve_that_has_no_height(view, position):
    put(view, **position)
    curve = view.figure().axes[1]
    low, high = curve.get_ylim()
    drawn = torch.tensor(curve.lines[0].get_ydata())
    drawn = drawn[drawn.isfinite()]
    assert len(drawn)
    assert low < drawn.min() <= drawn.max() < high
    if curve.get_yscale() == "log":
        assert high > 100 * low
    else:  # the labels of the browser's ticks have six digits
        assert len({f"{low + (high - low) * k / 6:.6g}" for k in range(7)}) == 7


def given(networks=3):
    losses = torch.rand(2, 4, 5, networks, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    shares = torch.linspace(0, 1, 5, dtype=torch.float64)
    return Splits(
        8,
        torch.tensor([0.5, 1.0]),
        shares,
        (1, 2, 3, 4),
        losses.mean(-1),
        2.0,
        None,
        equal=1 / 3,
        each=shares[losses.argmin(2)],
    )


def test_given_splits_have_sliders_only():
    splits = given()
    view = SplitView(splits, title="Digits", at_budget=1.0, at_step=2, at_share=0.7)
    assert view.splits is splits
    assert not view.plan["choices"]
    assert (view.budget, view.step, view.share) == (1.0, 2, 0.75)
    assert view.loss == pytest.approx(splits.losses[1, 1, 3].item())
    low, high = splits.each[1, 1].min().item(), splits.each[1, 1].max().item()
    assert low < high
    assert view.describe().startswith("Digits, budget 1, after step 2: 75% of the budget in layer 1 gives")
    assert "The split next to equal rates, 25%, costs" in view.describe()
    assert view.describe().endswith(f"Alone, the 3 networks are best from {100 * low:g}% to {100 * high:g}%.")
    columns = np.frombuffer(view.each, np.uint8).reshape(2, 4, 3)
    np.testing.assert_allclose(columns / 4, splits.each.numpy())
    dots = view.figure().axes[0].lines[2:-1]
    np.testing.assert_allclose([line.get_ydata()[1] for line in dots], splits.each[1, 1].numpy())
    with pytest.raises(ValueError, match="layers cannot be chosen in a view of given splits, got 3"):
        view.layers = 3
    with pytest.raises(ValueError, match="step_index must be from 0 to 3, got 4"):
        view.step_index = 4


def test_equal_rates_may_be_one_of_two_best_splits():
    losses = torch.tensor([[[0.9, 0.4, 0.5, 0.4, 0.9]]], dtype=torch.float64)
    shares = torch.linspace(0, 1, 5, dtype=torch.float64)
    view = SplitView(Splits(8, torch.ones(1), shares, (1,), losses, 1.0, None, equal=0.25))
    assert view.describe() == (
        "Trained network, budget 1, after step 1: 25% of the budget in layer 1 gives the loss 0.40000. "
        "Best are 25% and 75%, with 0.40000."
    )
    assert view._repr_mimebundle_()[0]["image/png"]


@pytest.mark.parametrize(
    ("asked", "error"),
    [
        ({"layers": 4}, "layers '4' is not known; choose from 2, 3"),
        ({"width": 100}, "width '100' is not known; did you mean 1000"),
        ({"dynamics": "exakt"}, "dynamics 'exakt' is not known; did you mean exact?"),
        ({"start": "gauss"}, "start 'gauss' is not known; did you mean gaussian?"),
        ({"at_budget": -1.0}, "at_budget must be a finite number ≥ 0, got -1"),
        ({"at_step": 0}, "at_step must be from 1 to 512, got 0"),
        ({"at_step": 17, "start": "gaussian"}, "at_step must be from 1 to 16, got 17"),
        ({"at_share": 1.5}, "at_share must be a finite number ≥ 0 and ≤ 1, got 1.5"),
    ],
)
def test_bad_input(asked, error):
    with pytest.raises(ValueError, match=re.escape(error)):
        SplitView(**asked)


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [
        ("layers", 4, "layers '4' is not known"),
        ("width", 32, "width '32' is not known"),
        ("start", "haar", "start 'haar' is not known"),
        ("budget_index", 15, "budget_index must be from 0 to 14, got 15"),
        ("step_index", 46, "step_index must be from 0 to 45, got 46"),
        ("share_index", -1, "share_index must be from 0 to 40, got -1"),
    ],
)
def test_a_value_that_a_control_does_not_have(name, value, error):
    view = SplitView()
    before = view.describe()
    with pytest.raises(ValueError, match=re.escape(error)):
        setattr(view, name, value)
    assert view.describe() == before
