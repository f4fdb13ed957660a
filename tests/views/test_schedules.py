import base64
import io
import math
import pickle
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from lwlr_teach.schedules import Drawn
from lwlr_teach.studies import FAMILIES, FamilyRuns, train_schedules
from lwlr_teach.views import ScheduleView
from lwlr_teach.views.prediction.view import COLUMNS
from tests.views.saved import assert_same_view

STEPS, SEEDS, LR = 45, 3, [0.02, 0.1, 0.5]
DOWN = np.linspace(1, 0.1, COLUMNS).tolist()


def train(families=("constant", "cosine", "WSD"), **options):
    return train_schedules(
        families, **{"lr": LR, "seeds": SEEDS, "steps": STEPS, "progress": False} | options
    )


@pytest.fixture(scope="module")
def runs():
    return train()


@pytest.fixture(scope="module")
def trained(runs):
    return ScheduleView(runs)


@pytest.fixture
def view(trained):
    """The view as it was made."""
    trained.drawn = []
    trained.lr_index, trained.own_best, trained.shown = 1, False, trained.names
    trained.positions = trained.plan["start"]["positions"]
    return trained


def sent(view, name, *shape):
    kind = "<u2" if name == "factors" else "<f4"
    return np.frombuffer(getattr(view, name), kind).reshape(11, len(LR), *shape)


def ordered(values):
    """The lowest, the median and the highest of the seeds."""
    return values.sort(-1).values.numpy()


def test_what_was_trained_is_sent(runs, view):
    assert [f["first"] for f in view.plan["families"][:3]] == [0, 1, 6]
    assert view.plan["at_steps"] == [0, 10, 20, 30, 40, 45]
    for first, name in ((0, "constant"), (1, "cosine"), (6, "WSD")):
        own = runs.families[name]
        rows = slice(first, first + len(own.values))
        np.testing.assert_array_equal(sent(view, "final_losses", 3)[rows], ordered(own.train_loss))
        np.testing.assert_array_equal(sent(view, "accuracies", 3)[rows], ordered(own.test_accuracy))
        np.testing.assert_array_equal(sent(view, "curves", 6)[rows], ordered(own.sample_losses)[..., 1])
        np.testing.assert_allclose(sent(view, "factors", STEPS)[rows] / 65535, own.factors, atol=1e-5)


def test_a_drawn_schedule_is_trained(runs, view):
    assert view.drawn_schedule is None
    view.drawn = [1.0] * COLUMNS  # the same as the constant
    for lr in LR:
        assert view.outcome("yours", lr=lr) == pytest.approx(view.outcome("constant", lr=lr), rel=1e-4)
    view.drawn = DOWN
    assert view.raced == DOWN
    assert view.drawn_schedule == Drawn(DOWN, STEPS)
    own = runs.train(Drawn(DOWN, STEPS))
    race = np.frombuffer(view.race, "<f4")
    assert len(race) == len(LR) * (3 + 3 + 6)
    np.testing.assert_allclose(race[:9].reshape(3, 3), ordered(own.train_loss)[0], rtol=1e-4)
    np.testing.assert_allclose(race[9:18].reshape(3, 3), ordered(own.test_accuracy)[0], atol=1e-3)
    assert race[18:].reshape(3, 6)[:, 0] == pytest.approx(sent(view, "curves", 6)[0, 0, 0])
    assert "yours" in view.describe()
    view.drawn = []
    assert (view.race, view.raced) == (b"", [])
    assert "yours" not in view.describe()


def test_a_view_can_be_made_from_saved_runs(runs, view):
    saved = pickle.dumps(runs)
    assert len(saved) < 1_200_000  # all the digits, and no tensor takes a larger one with it
    copy = ScheduleView(pickle.loads(saved), at_lr=view.lr, own_best=True)
    view.own_best = True
    start = view.plan["start"]
    assert copy.plan == {**view.plan, "start": {**start, "own_best": True}}
    assert_same_view(copy, ScheduleView(runs, at_lr=view.lr, own_best=True))
    copy.drawn = view.drawn = DOWN
    assert copy.describe() == view.describe()


def test_the_factors_of_a_drawing_may_go_as_high_as_the_highest_schedule():
    view = ScheduleView(train([lambda step: 2.0 if step < 10 else 0.5], lr=[0.1]))
    assert view.names == ["function", "yours"]
    view.drawn = [2.0] * COLUMNS
    with pytest.raises(ValueError, match=r"drawn must be a finite number ≥ 0 and ≤ 2, got 2\.1"):
        view.drawn = [2.1] * COLUMNS


# --- the sentence -------------------------------------------------------------------------------------------


@pytest.fixture
def measured(runs):
    """A view of schedules that reached these final losses: a row of three seeds for each rate."""

    def view(results, *, values=(0,), steps=STEPS, **options):
        rates = len(next(iter(results.values())))
        lr = (LR * 3)[:rates]
        grid = (len(values), rates)
        families = {
            name: FamilyRuns(
                parameter="",
                values=tuple(values),
                labels=tuple(map(str, values)),
                typical=values[0],
                lr=torch.tensor(lr),
                factors=torch.ones(*grid, steps),
                sample_losses=torch.ones(*grid, steps // 10 + 1, SEEDS),
                train_loss=torch.tensor(rows).expand(*grid, SEEDS).float(),
                test_accuracy=torch.tensor(rows).expand(*grid, SEEDS).clamp(max=9) / 10,
            )
            for name, rows in results.items()
        }
        changed = replace(
            runs,
            lr=torch.tensor(lr),
            task=runs.task._replace(batches=runs.task.batches[:1].expand(steps, -1, -1)),
            at_steps=tuple(range(0, steps + 1, 10)),
            families=families,
        )
        return ScheduleView(changed, **{"at_lr": LR[0], "pad": False} | options)

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


@pytest.mark.slow
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

    other = ScheduleView(train(["WSD", "plateau", "cosine"], lr=[0.1]))
    assert styles(other).items() >= {
        (name, colour) for name, colour in styles(view).items() if name in ("WSD", "cosine", "yours")
    }
    assert styles(view)["yours"] == ""


# --- the picture --------------------------------------------------------------------------------------------


GREEN = (0x00, 0x9E, 0x73)


def drawn(view):
    """The pixels of the static picture."""
    png = base64.b64decode(view.twin("")[0]["image/png"])
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)


def count(pixels, colour):
    return (np.abs(pixels - colour).max(-1) < 12).sum()


@pytest.mark.slow
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


@pytest.mark.slow
def test_lost_runs_are_drawn(measured):
    view = measured({"a": [[math.inf] * 3], "b": [[math.inf] * 3]})
    view._repr_mimebundle_()


@pytest.mark.slow
def test_every_family_is_drawn():
    runs = train(list(FAMILIES)[5:], lr=[0.1], steps=20, seeds=2)
    ScheduleView(runs)._repr_mimebundle_()


def test_a_full_view_is_small(measured):
    results = {name: [[1, 2, 3]] * 9 for name in "abcdefg"}
    view = measured(results, values=range(5), steps=300)
    bytes_sent = sum(len(getattr(view, name)) for name in ("factors", "curves", "final_losses", "accuracies"))
    assert 200_000 < bytes_sent < 300_000


# --- bad input ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"at": {"cosin": 1}}, "at 'cosin' is not known; did you mean cosine"),
        ({"at": {"constant": 1}}, "at 'constant' is not known"),
        ({"at": {"cosine": math.nan}}, r"at\['cosine'\] must be a finite number, got nan"),
        ({"shown": ["Cosine"]}, "shown 'Cosine' is not known; did you mean cosine"),
    ],
)
def test_bad_input(runs, options, message):
    with pytest.raises(ValueError, match=message):
        ScheduleView(runs, **options)


def test_more_families_than_colours(measured):
    with pytest.raises(ValueError, match="families of runs must be from 1 to 7, got 8"):
        measured({name: [[1, 2, 3]] for name in "abcdefgh"})


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
        ScheduleView(view.runs, pad=False).drawn = DOWN
    assert view.drawn == []
