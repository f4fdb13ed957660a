import base64
import io
import math

import numpy as np
import pytest
import torch
from PIL import Image

from lwlr_teach.runs.ensemble import train_ensemble
from lwlr_teach.schedules import Constant, Cosine, Drawn, Plateau
from lwlr_teach.views import FAMILIES, Family, ScheduleView
from lwlr_teach.views.prediction.view import COLUMNS
from lwlr_teach.views.schedules.families import SIX_FAMILIES
from lwlr_teach.views.schedules.view import _Runs

STEPS, SEEDS, LR = 45, 3, [0.02, 0.1, 0.5]
DOWN = np.linspace(1, 0.1, COLUMNS).tolist()


def make(families=("constant", "cosine", "WSD"), **options):
    return ScheduleView(families, **{"lr": LR, "seeds": SEEDS, "steps": STEPS, "progress": False} | options)


@pytest.fixture(scope="module")
def trained():
    return make()


@pytest.fixture
def view(trained):
    """The view as it was made."""
    trained.drawn = []
    trained.lr_index, trained.own_best, trained.shown = 1, False, trained.names
    trained.positions = trained.plan["start"]["positions"]
    return trained


def trained_alone(schedule):
    """The same network trained under one schedule."""
    return train_ensemble(
        ["Momentum"], lr=LR, seeds=SEEDS, steps=STEPS, batch_size=16, schedule=schedule, progress=False
    )


def alone(schedule):
    """What it reaches: losses and accuracies, the lowest, the median and the highest of the seeds."""
    found = trained_alone(schedule)
    return [values[0].sort(-1).values.numpy() for values in (found.train_loss, found.test_accuracy)]


def sent(view, name, *shape):
    kind = "<u2" if name == "factors" else "<f4"
    return np.frombuffer(getattr(view, name), kind).reshape(11, len(LR), *shape)


def test_what_is_sent_is_what_each_schedule_reaches_alone(view):
    assert [f["first"] for f in view.plan["families"][:3]] == [0, 1, 6]
    for run, schedule in {0: Constant(), 1: Cosine(STEPS, 0), 5: Cosine(STEPS, 0.6)}.items():
        losses, accuracies = alone(schedule)
        np.testing.assert_allclose(sent(view, "final_losses", 3)[run], losses, rtol=1e-4)
        np.testing.assert_allclose(sent(view, "accuracies", 3)[run], accuracies, atol=1e-3)
        factors = sent(view, "factors", STEPS)[run] / 65535
        wanted = [schedule(step) for step in range(STEPS)]
        np.testing.assert_allclose(factors, [wanted] * len(LR), atol=1e-5)


def test_the_curves_end_near_the_final_losses(view):
    curves = sent(view, "curves", 6)
    assert view.plan["at_steps"] == [0, 10, 20, 30, 40, 45]
    np.testing.assert_allclose(curves[:, :, 0], curves[0, 0, 0])  # all start from the same weights
    ends = sent(view, "final_losses", 3)[..., 1]
    learned = ends < 1.5
    assert learned.sum() > 20
    np.testing.assert_allclose(curves[..., -1][learned], ends[learned], rtol=0.2)  # a part of the images


def test_a_plateau_s_factors_are_those_that_it_was_driven_with():
    schedule = Plateau(0.3, 1, min_factor=0.027, every=2)
    view = make(["constant", Family("plateau", lambda _, steps: schedule)])
    losses, _ = alone(schedule)
    np.testing.assert_allclose(np.frombuffer(view.final_losses, "<f4").reshape(2, 3, 3)[1], losses, rtol=1e-4)
    batches = trained_alone(schedule).batch_losses[0, :, 0].T
    wanted = torch.stack([schedule(step, batches) for step in range(STEPS)], -1)
    assert len({tuple(row) for row in wanted.tolist()}) == 3  # it looks at the losses, and these differ
    factors = np.frombuffer(view.factors, "<u2").reshape(2, 3, STEPS) / 65535
    np.testing.assert_allclose(factors[1], wanted, atol=1e-5)


def test_a_drawn_schedule_is_trained(view):
    assert view.drawn_schedule is None
    view.drawn = [1.0] * COLUMNS  # the same as the constant
    for lr in LR:
        assert view.outcome("yours", lr=lr) == pytest.approx(view.outcome("constant", lr=lr), rel=1e-4)
    view.drawn = DOWN
    assert view.raced == DOWN
    assert view.drawn_schedule == Drawn(DOWN, STEPS)
    losses, accuracies = alone(Drawn(DOWN, STEPS))
    race = np.frombuffer(view.race, "<f4")
    assert len(race) == len(LR) * (3 + 3 + 6)
    np.testing.assert_allclose(race[:9].reshape(3, 3), losses, rtol=1e-4)
    np.testing.assert_allclose(race[9:18].reshape(3, 3), accuracies, atol=1e-3)
    assert race[18:].reshape(3, 6)[:, 0] == pytest.approx(sent(view, "curves", 6)[0, 0, 0])
    assert "yours" in view.describe()
    view.drawn = []
    assert (view.race, view.raced) == (b"", [])
    assert "yours" not in view.describe()


def test_the_factors_of_a_drawing_may_go_as_high_as_the_highest_schedule():
    view = make([lambda step: 2.0 if step < 10 else 0.5], lr=[0.1])
    assert view.names == ["function", "yours"]
    view.drawn = [2.0] * COLUMNS
    with pytest.raises(ValueError, match=r"drawn must be a finite number ≥ 0 and ≤ 2, got 2\.1"):
        view.drawn = [2.1] * COLUMNS


# --- the sentence -------------------------------------------------------------------------------------------


@pytest.fixture
def measured(monkeypatch):
    """A view of schedules that reached these final losses: a row [lowest, median, highest] a rate."""

    def view(results, **options):
        losses = torch.tensor(list(results.values()))
        runs = _Runs(
            torch.ones(*losses.shape[:2], STEPS),
            torch.ones(*losses.shape[:2], 6),
            losses,
            losses.clamp(max=9) / 10,
        )
        monkeypatch.setattr(ScheduleView, "_train", lambda *_: runs)
        families = [Family(name, lambda _, steps: Constant()) for name in results]
        return make(families, lr=LR[: losses.shape[1]], at_lr=LR[0], pad=False, **options)

    return view


HEAD = "Digits network, Momentum, all at peak rate 0.02, final training loss after 45 steps: "


@pytest.mark.parametrize(
    ("results", "said"),
    [
        ({"a": [[1, 2, 3]], "b": [[0.1, 0.2, 0.3]]}, "lowest b 0.2; then a 2."),
        ({"a": [[0.3, 2, 3]], "b": [[0.1, 0.2, 0.3]]}, "b 0.2, a 2 are about equal (their seeds overlap)."),
        (
            {"a": [[4, 5, 6]], "b": [[1, 2, 3]], "c": [[1.5, 1.9, 2]]},
            "c 1.9, b 2 are about equal (their seeds overlap); then a 5.",
        ),
        ({"a": [[math.inf] * 3], "b": [[1, 2, math.inf]]}, "b 2, a ∞ are about equal (their seeds overlap)."),
        ({"a": [[math.inf] * 3], "b": [[1, 2, 3]]}, "lowest b 2; then a ∞."),
        ({"a": [[math.inf] * 3], "b": [[1, math.inf, math.inf]]}, "every run is lost."),
    ],
)
def test_the_winner_is_named_honestly(measured, results, said):
    assert measured(results).describe() == HEAD + said


def test_each_at_its_own_best(measured):
    view = measured({"a": [[1, 2, 3], [0.5, 3, 3]], "b": [[7, 8, 9], [0.1, 0.2, 0.3]]})
    assert view.describe() == HEAD + "lowest a 2; then b 8."
    view.own_best = True
    assert view.describe() == HEAD.replace("all at peak rate 0.02", "each at its own best peak rate") + (
        "lowest b 0.2 at 0.1; then a 2 at 0.02."
    )
    assert view.ranking() == ["b", "a"]
    assert view.leaders() == ["b"]
    assert view.outcome("b", lr=0.02).loss == 8
    view.own_best = False
    assert view.outcome("b", lr="best") == pytest.approx((0.1, 0.2, 0.1, 0.3, 0.02))
    assert view.ranking() == ["a", "b"]


def test_none_shown(measured):
    view = measured({"a": [[1, 2, 3]]}, shown=[])
    assert view.describe() == HEAD + "no schedule is shown."
    view._repr_mimebundle_()


def test_the_sentence_follows_the_controls(view):
    low = view.outcome("cosine", value=0)
    assert view.outcome("cosine") == low
    view.positions = {"cosine": 4}
    assert view.positions == {"cosine": 4, "WSD": 2}  # the others stay
    assert view.outcome("cosine", value=0.7) == view.outcome("cosine") != low
    view.lr_index = 0
    assert view.lr == pytest.approx(0.02)
    assert view.outcome("cosine") == view.outcome("cosine", lr=0.02)
    view.shown = ["WSD"]
    assert "cosine" not in view.describe()
    assert view.ranking() == ["WSD"]


def test_a_shown_name_keeps_its_style_from_view_to_view(view):
    def styles(view):
        return {row["name"]: row["style"]["colour"] for row in view.plan["families"]}

    assert styles(make(["WSD", "plateau", "cosine"], lr=[0.1])).items() >= {
        (name, colour) for name, colour in styles(view).items() if name in ("WSD", "cosine", "yours")
    }
    assert styles(view)["yours"] == ""


# --- the families -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FAMILIES)
def test_a_family(name):
    family = FAMILIES[name]
    assert family.name == name
    assert len(family.values) in (1, 5)
    assert len(set(family.labels)) == len(family.values)
    if len(family.values) > 1:
        assert family.typical in family.values
    if name != "plateau":
        for steps in (100, 300):
            lines = [[family.make(v, steps)(t) for t in range(steps)] for v in family.values]
            assert len(set(map(tuple, lines))) == len(lines)  # no two positions are the same
            assert all(0 <= factor <= 1 for line in lines for factor in line)
            assert all(max(line) > 0.99 for line in lines)  # it gets to the peak rate


@pytest.mark.parametrize(
    ("name", "value", "step", "factor"),
    [
        ("step", 0.3, 100, 0.3),
        ("step", 0.3, 299, 0.09),
        ("exponential", 0.03, 300, 0.03),
        ("inverse time", 30, 90, 0.5),
        ("inverse square root", 10, 119, 0.5),
        ("polynomial", 1, 150, 0.5),
        ("cosine", 0.1, 300, 0.1),
        ("warm restarts", 3, 100, 1),
        ("warm restarts", 3, 50, 0.5),
        ("warm-up and cosine", 10, 0, 0.01),
        ("warm-up and cosine", 10, 30, 1),
        ("warm-up and cosine", 10, 165, 0.5),
        ("one-cycle", 30, 89, 1),
        ("WSD", 20, 239, 1),
        ("WSD", 20, 255, 0.5),
    ],
)
def test_a_parameter_means_what_its_label_says(name, value, step, factor):
    assert FAMILIES[name].make(value, 300)(step) == pytest.approx(factor, rel=1e-9)


def test_every_family_can_be_raced():
    for names in (list(FAMILIES)[:6], list(FAMILIES)[6:]):
        view = make(names, lr=[0.1], steps=20, seeds=2)
        assert all(math.isfinite(view.outcome(name).loss) for name in names)
        view._repr_mimebundle_()


# --- the picture --------------------------------------------------------------------------------------------


GREEN = (0x00, 0x9E, 0x73)


def drawn(view):
    """The pixels of the static picture."""
    png = base64.b64decode(view.twin("")[0]["image/png"])
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)


def count(pixels, colour):
    return (np.abs(pixels - colour).max(-1) < 12).sum()


def test_the_bundle_has_the_live_view_a_picture_and_words(view):
    view.drawn = DOWN
    data, metadata = view._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in data
    assert data["text/plain"] == metadata["image/png"]["alt"] == repr(view) == view.describe()
    pixels = drawn(view)
    assert pixels.shape == (560, 900, 3)
    assert count(pixels, GREEN) > 200
    view.shown = ["constant", "yours"]
    assert count(drawn(view), GREEN) == 0
    assert count(drawn(view), (0, 0, 0)) > 400


def test_lost_runs_are_drawn(measured):
    view = measured({"a": [[math.inf] * 3], "b": [[math.inf] * 3]})
    view._repr_mimebundle_()


def test_a_full_view_is_small(monkeypatch):
    def runs(self, schedules, *_):
        grid = (len(schedules), len(self.peaks))
        return _Runs(
            torch.ones(*grid, 300), torch.ones(*grid, 31), torch.ones(*grid, 3), torch.ones(*grid, 3)
        )

    monkeypatch.setattr(ScheduleView, "_train", runs)
    view = ScheduleView(list(FAMILIES)[1:8])
    bytes_sent = sum(len(getattr(view, name)) for name in ("factors", "curves", "final_losses", "accuracies"))
    assert 200_000 < bytes_sent < 300_000
    assert ScheduleView().names == [*SIX_FAMILIES, "yours"]


# --- bad input ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("families", "options", "message"),
    [
        (["cosin"], {}, "families 'cosin' is not known; did you mean cosine"),
        ([], {}, "families must be from 1 to 7, got 0"),
        (list(FAMILIES)[:8], {}, "families must be from 1 to 7, got 8"),
        (["cosine", "cosine"], {}, "families must have different names, and 'cosine' is taken"),
        ([Family("yours", lambda _, steps: Constant())], {}, "different names, and 'yours' is taken"),
        ([lambda step: -1.0], {}, "the factor of function at step 0 must be a finite number ≥ 0, got -1"),
        ([lambda step: 0 / step if step < 1 else 1.0], {}, "zero"),
        ("cosine", {"at": {"cosin": 1}}, "at 'cosin' is not known; did you mean cosine"),
        ("constant", {"at": {"constant": 1}}, "at 'constant' is not known"),
        ("cosine", {"shown": ["Cosine"]}, "shown 'Cosine' is not known; did you mean cosine"),
        ("cosine", {"steps": 19}, "steps must be at least 20, got 19"),
        ("cosine", {"seeds": 1}, "seeds must be at least 2, got 1"),
        ("cosine", {"lr": [-1.0]}, "lr"),
        ("cosine", {"method": "Momentun"}, "did you mean Momentum"),
    ],
)
def test_bad_input(families, options, message):
    with pytest.raises((ValueError, ZeroDivisionError), match=message):
        make(families, **options)


def test_bad_kinds():
    with pytest.raises(
        TypeError, match=r"families must be a function, for example 'cosine' or Cosine\(300\), got 3"
    ):
        make([3])
    with pytest.raises(TypeError, match="make of odd must be a function"):
        make([Family("odd", lambda _, steps: 3)])
    with pytest.raises(TypeError, match="make of odd must be a function"):
        Family("odd", 3)
    with pytest.raises(ValueError, match="values of odd must hold at least one number, got none"):
        Family("odd", lambda _, steps: Constant(), values=())


def test_bad_positions(view):
    with pytest.raises(ValueError, match="lr_index must be from 0 to 2, got 3"):
        view.lr_index = 3
    with pytest.raises(ValueError, match=r"positions\['cosine'\] must be from 0 to 4, got 5"):
        view.positions = {"cosine": 5}
    with pytest.raises(ValueError, match="positions 'constant' is not known"):
        view.positions = {"constant": 0}
    with pytest.raises(ValueError, match="drawn must hold 60 factors, or none, got 2"):
        view.drawn = [0.5, 0.5]
    with pytest.raises(ValueError, match=r"drawn must be a finite number ≥ 0 and ≤ 1, got -0\.1"):
        view.drawn = [-0.1] * COLUMNS
    with pytest.raises(ValueError, match="name 'yours' is not known"):
        view.outcome("yours")
    with pytest.raises(ValueError, match="drawn must be empty in a view without a pad"):
        make(["constant"], lr=[0.1], pad=False).drawn = DOWN
    assert view.drawn == []
