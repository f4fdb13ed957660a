import base64
import io
import random

import numpy as np
import pytest
import torch
from PIL import Image

import lwlr_teach.views.race.view as module
from lwlr_teach.runs.races import Contestant, Race
from lwlr_teach.schedules import Cosine
from lwlr_teach.views import RaceView

NAMES = ["SGD", "Momentum", "Nesterov", "Adam"]


def made(names=NAMES, *, rates=5, seeds=3, checkpoints=(10, 20, 30, 40), contestants=None, **options):
    """A race with random results, in which medians are often equal, as they are with 500 test images. Two
    seeds choose, and so many judge."""
    generator = torch.Generator().manual_seed(0)
    shape = (len(names), rates, 2 + seeds, len(checkpoints))
    draw = lambda: torch.randint(90, 98, shape, generator=generator) / 100  # noqa: E731
    start = {
        "contestants": contestants or tuple(Contestant("SGD", name=name) for name in names),
        "lr": torch.logspace(-3, 1, rates).expand(len(names), rates),
        "checkpoints": torch.tensor(checkpoints),
        "valid_loss": draw(),
        "valid_accuracy": draw(),
        "test_accuracy": draw(),
        "operations_per_step": torch.linspace(50, 100, len(names), dtype=torch.float64),
        "choosers": 2,
        "planned": checkpoints[-1],
    }
    return Race(**start | options)


def at(test, *, names=NAMES, **options):
    """A race with one rate whose judging seeds reached this: (contestant, seed)."""
    accuracy = torch.tensor([[0.0, 1.0, *right] for right in test])[:, None, :, None]
    return made(
        names[: len(test)], rates=1, seeds=len(test[0]), checkpoints=(10,), test_accuracy=accuracy, **options
    )


def result(view):
    return view.describe().split(": ", 1)[1]


# --- what is sent


def test_what_is_sent_is_what_was_measured():
    race = made()
    view = RaceView(race)
    tests = np.frombuffer(view.tests, "<f4").reshape(4, 5, 4, 3)  # the seeds come last
    np.testing.assert_array_equal(tests, race.judged.movedim(2, -1).numpy())
    medians = np.frombuffer(view.medians, "<f4").reshape(4, 5, 4)
    np.testing.assert_array_equal(medians, np.median(tests, axis=-1))
    valid = np.frombuffer(view.valid, "<f4").reshape(4, 5, 4)
    np.testing.assert_array_equal(valid, race.valid_accuracy[:, :, :2].mean(2).numpy())
    assert view.plan["best"] == race.best.tolist()
    assert view.plan["good"] == race.good.tolist()
    assert view.plan["at_end"] == [[best in (0, 4) for best in row] for row in race.best.tolist()]
    assert view.plan["defaults"] == ((0.001, 0),) * 4
    assert view.plan["seeds"] == 3
    assert view.plan["budgets"]["steps"] == ["10 steps", "20 steps", "30 steps", "40 steps"]
    assert view.plan["last"]["steps"] == [[k] * 4 for k in range(4)]


def test_the_ranks_are_the_order_of_the_table():
    """The front end chooses the winner by them, at every budget and rate."""
    race = made()
    ranks = np.frombuffer(RaceView(race).ranks, "<f4").reshape(4, 5, 4)
    levels = 0
    for k, budget in enumerate([10, 20, 30, 40]):
        for rate in range(5):
            places = race.table(budget, lr=race.lr[0, rate].item()).places
            found = [ranks[NAMES.index(p.name), rate, k] for p in places]
            assert found == sorted(found, reverse=True)
            right = [race.judged[NAMES.index(p.name), rate, :, k].sort().values for p in places]
            results = {(r[1].item(), r.double().sum().item()) for r in right}
            assert len(set(found)) == len(results)  # equal only where median and mean are
            levels += len(results) > len({median for median, _ in results})
    assert levels  # some medians were equal and the means decided


def test_in_equal_work_each_is_judged_at_its_own_checkpoint():
    race = made(operations_per_step=torch.tensor([50.0, 50.0, 50.0, 100.0], dtype=torch.float64))
    view = RaceView(race, per="operations")
    assert view.plan["budgets"]["operations"] == [f"{n} operations" for n in (1000, 1500, 2000)]
    assert view.plan["last"]["operations"] == [[1, 1, 1, 0], [2, 2, 2, 0], [3, 3, 3, 1]]
    assert view.budget == 2000
    assert view.table == race.table(2000, per="operations")
    assert view.describe().startswith("Digits network, after 2000 operations, each at its own best rate: ")


def test_twelve_contestants_are_no_more_than_a_view_may_send():
    race = made([f"m{i}" for i in range(12)], rates=41, seeds=5, checkpoints=tuple(range(10, 210, 10)))
    assert len({(m["style"]["colour"], m["style"]["marker"]) for m in RaceView(race).plan["methods"]}) == 12
    with pytest.raises(ValueError, match="at most 12 optimizers, got 13"):
        RaceView(made([f"m{i}" for i in range(13)]))


# --- the sentence


@pytest.mark.parametrize(
    ("test", "said"),
    [
        ([[0.5, 0.6, 0.7]], "SGD gets 60% of the test images right."),
        (
            [[0.9, 0.9], [0.8, 0.7]],
            "SGD leads with 90% of the test images right, and it beats all others from all 2 seeds; "
            "Momentum comes next, 10.0 to 20.0 points behind.",
        ),
        (
            [[0.9, 0.9], [0.8, 0.9]],
            "nobody wins: from 80% to 90% of the test images right, "
            "and the best, SGD, beats none of the others from all 2 seeds.",
        ),
        (
            [[0.8, 0.8], [0.9, 0.9], [0.95, 0.8], [0.9, 0.8]],
            "Momentum leads with 90% of the test images right, "
            "and it beats only SGD from all 2 seeds; "
            "Nesterov comes next, −5.0 to 10.0 points behind.",
        ),
        (
            [[0.9], [0.8]],
            "SGD leads with 90% of the test images right, and it beats all others from the only seed; "
            "Momentum comes next, 10.0 points behind.",
        ),
        (
            [[0.8, 0.8], [0.9, 0.9], [0.95, 0.8], [0.7, 0.7]],
            "Momentum leads with 90% of the test images right, "
            "and it beats all but Nesterov from all 2 seeds; "
            "Nesterov comes next, −5.0 to 10.0 points behind.",
        ),
        ([[0.845, 0.845]], "SGD gets 85% of the test images right."),
    ],
)
def test_the_sentence(test, said):
    assert result(RaceView(at(test))) == said


def test_many_unbeaten_are_counted():
    view = RaceView(at([[0.9, 0.9]] * 6 + [[0.1, 0.1]] * 5, names=list("ABCDEFGHIJK")))
    assert result(view) == (
        "A leads with 90% of the test images right, and it beats 5 of the 10 others from all 2 seeds; "
        "B comes next, 0.0 points behind."
    )


def test_a_single_rate_is_no_end_of_a_grid():
    view = RaceView(at([[0.9, 0.9], [0.8, 0.8]]))
    assert not any(place.at_end for place in view.table.places)
    assert view.plan["at_end"] == [[False], [False]]
    assert "end of the grid" not in view.describe()
    assert not [line for line in view.figure().axes[1].lines if line.get_marker() in "<>"]


def test_a_best_rate_at_the_end_of_the_grid_is_said():
    loss = torch.ones(4, 3, 5, 1)
    loss[:, 1] = 0.5
    loss[1, 2] = loss[3, 0] = 0.1
    view = RaceView(made(rates=3, checkpoints=(10,), valid_loss=loss))
    assert view.describe().endswith("; the best rate is at the end of the grid for Momentum and Adam.")
    view.shown = ["SGD", "Adam"]
    assert view.describe().endswith("; the best rate is at the end of the grid for Adam.")
    view.shown = ["SGD", "Nesterov"]
    assert "end of the grid" not in view.describe()
    view.shown, view.shared = NAMES, True
    assert "end of the grid" not in view.describe()


def test_a_race_that_was_stopped_says_so():
    assert "stopped" not in RaceView(made()).describe()
    view = RaceView(made(planned=300), at_budget=20)
    assert view.describe().endswith(" The race was stopped after 40 of 300 steps.")


def test_the_sentence_agrees_with_the_table_everywhere():
    race = made()
    view = RaceView(race)
    chosen = random.Random(0)
    for _ in range(60):
        view.per = chosen.choice(["steps", "operations"])
        view.budget_index = chosen.randrange(3 if view.per == "steps" else 2)
        view.shared, view.lr_index = chosen.random() < 0.5, chosen.randrange(5)
        table = race.table(view.budget, per=view.per, lr=view.lr if view.shared else None)
        assert view.table == table
        winner, *others = table.places
        unbeaten = {p.name for p in others if p.leads}
        if len(unbeaten) == len(others):
            percents = [f"{100 * p.accuracy:.0f}%" for p in (others[-1], winner)]
            assert "nobody wins: from {} to {} of".format(*percents) in view.describe()
            continue
        assert f"{winner.name} leads with {100 * winner.accuracy:.0f}%" in view.describe()
        if unbeaten:
            below = {p.name for p in others} - unbeaten
            word, named = ("only ", below) if len(below) < len(unbeaten) else ("all but ", unbeaten)
            said = view.describe().split(f"beats {word}")[1].split(" from")[0]
            assert set(said.split(" and ")) == named
        else:
            assert "beats all others" in view.describe()
        least, most = (f"{100 * end:.1f}".replace("-", "−") for end in others[0].behind)
        ends = least if least == most else f"{least} to {most}"
        assert f"; {others[0].name} comes next, {ends} points behind" in view.describe()


def test_those_who_are_not_shown_are_out_of_the_race():
    race = at([[0.9, 0.9], [0.8, 0.8], [0.7, 0.7]])
    view = RaceView(race, shown=["Nesterov", "Momentum"])
    assert view.shown == ["Momentum", "Nesterov"]
    assert "Momentum leads with 80%" in view.describe()
    assert view.table.leaders == ("SGD",)
    view.shown = []
    assert result(view) == "no contestant is shown."
    view._repr_mimebundle_()


@pytest.mark.slow
def test_in_steps_nothing_depends_on_the_cost():
    slow = made(operations_per_step=torch.tensor([9.0, 8.0, 7.0, 9.0], dtype=torch.float64))
    assert repr(RaceView(slow)) == repr(RaceView(made()))
    first, second = (RaceView(race)._repr_mimebundle_()[0]["image/png"] for race in (slow, made()))
    assert first == second


# --- where the controls stand


def test_where_it_begins():
    race = made()
    view = RaceView(race)
    assert (view.budget, view.per, view.shared, view.shown) == (40, "steps", False, NAMES)
    assert view.lr == pytest.approx(0.1)
    view = RaceView(race, title="T", at_budget=21, shared_lr=0.5)
    assert (view.budget, view.shared) == (20, True)
    assert view.lr == pytest.approx(1.0)  # nearer in proportion
    assert view.describe().startswith("T, after 20 steps, all at rate 1: ")
    assert RaceView(race, per="operations", at_budget=1501).budget == 1500


def test_the_unit_can_be_changed_at_any_position():
    view = RaceView(made())
    assert view.budget_index == 3
    view.per = "operations"
    assert view.budget_index == 2
    assert view.budget == 2000
    view.per = "steps"
    assert view.budget == 30


def test_a_schedule_leaves_one_budget_in_steps():
    contestants = (Contestant("SGD", schedule=Cosine(40)), Contestant("Adam"))
    race = made(["SGD + Cosine", "Adam"], contestants=contestants)
    view = RaceView(race)
    assert view.plan["budgets"] == {"steps": ["40 steps"]}
    assert view.plan["last"] == {"steps": [[3, 3]]}
    assert view.describe().startswith("Digits network, after 40 steps, ")
    view._repr_mimebundle_()
    with pytest.raises(ValueError, match="per must be 'steps': the schedule of SGD"):
        RaceView(race, per="operations")
    with pytest.raises(ValueError, match="per must be 'steps': the schedule of SGD"):
        view.per = "operations"
    assert view.per == "steps"


def test_own_rates_leave_no_rate_for_all():
    lr = torch.logspace(-3, 1, 5).repeat(4, 1)
    lr[2] *= 2
    race = made(lr=lr)
    view = RaceView(race)
    assert view.plan["same_grid"] is False
    assert view.plan["values"][2][0] == pytest.approx(0.002)
    with pytest.raises(ValueError, match="lr cannot be the same for all"):
        RaceView(race, shared_lr=0.1)
    with pytest.raises(ValueError, match="shared must be False: some contestants have rates of their own"):
        view.shared = True
    assert not view.shared
    view._repr_mimebundle_()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (dict(shown=["Sgd"]), "shown 'Sgd' is not known; did you mean SGD"),
        (dict(per="operation"), "per 'operation' is not known; did you mean operations"),
        (dict(shared_lr=99.0), "lr must be a finite number ≥ 0.001 and ≤ 10, got 99"),
        (dict(shared_lr=0), "lr must be a finite number ≥ 0.001 and ≤ 10, got 0"),
        (dict(at_budget=float("nan")), "at_budget must be a finite number, got nan"),
    ],
)
def test_bad_input(wrong, message):
    with pytest.raises(ValueError, match=message):
        RaceView(made(), **wrong)


def test_positions_that_the_sliders_do_not_have():
    view = RaceView(made())
    with pytest.raises(ValueError, match="budget_index must be from 0 to 3, got 4"):
        view.budget_index = 4
    with pytest.raises(ValueError, match="lr_index must be from 0 to 4, got 5"):
        view.lr_index = 5
    with pytest.raises(ValueError, match="per 'minutes' is not known"):
        view.per = "minutes"


# --- the drawing


def test_the_drawing_has_the_shown_in_their_order():
    view = RaceView(made(), shown=["SGD", "Adam"])
    results, _ = view.figure().axes
    assert [t.get_text() for t in results.get_yticklabels()] == ["SGD", "Adam"]
    assert results.get_title(loc="left") == "test accuracy after 40 steps, each at its own best rate"
    view.shared = True
    assert view.figure().axes[0].get_title(loc="left") == "test accuracy after 40 steps, all at rate 0.1"


def test_the_drawing_has_a_dot_a_seed_and_the_median():
    race = at([[0.5, 0.9, 0.7], [0.6, 0.6, 0.6]])
    results, _ = RaceView(race).figure().axes
    dots, line, middle = (results.lines[i].get_xdata() for i in range(3))
    np.testing.assert_allclose(dots, [0.5, 0.1, 0.3], rtol=1e-5)
    np.testing.assert_allclose([*line, *middle], [0.3] * 3, rtol=1e-5)


def test_the_shaded_band_and_the_arrow_are_where_the_race_says():
    race = made(rates=5)
    view = RaceView(race)
    for k in range(4):
        view.budget_index = k
        rates = view.figure().axes[1]
        bands = [c.get_paths()[0].get_extents() for c in rates.collections]
        half = 10**0.5  # half-way to the next of five rates from 0.001 to 10
        for i, band in enumerate(bands):
            low, high = race.good[i, k].tolist()
            assert band.x0 == pytest.approx(race.lr[i, low].item() / half, rel=1e-4)
            assert band.x1 == pytest.approx(race.lr[i, high].item() * half, rel=1e-4)
        arrows = [line for line in rates.lines if line.get_marker() in "<>"]
        ends = [i for i in range(4) if int(race.best[i, k]) in (0, 4)]
        assert [a.get_marker() for a in arrows] == ["<>"[int(race.best[i, k]) == 4] for i in ends]


def test_the_tick_is_at_the_default_rate():
    race = made(lr=torch.tensor([[0.0005, 0.001], [0.0005, 0.001], [0.002, 0.004], [0.1, 0.2]]), rates=2)
    rates = RaceView(race).figure().axes[1]
    ticks = [line for line in rates.lines if line.get_marker() == "|"]
    assert [tick.get_xdata().item() for tick in ticks] == pytest.approx([0.001, 0.001])
    heights = [row + 0.4 - 0.8 * race.valid[row, 1, -1].item() for row in (0, 1)]
    assert [tick.get_ydata().item() for tick in ticks] == pytest.approx(heights)


def test_everything_right_is_drawn():
    """The axis of what is wrong is logarithmic: nothing wrong stands at its end."""
    view = RaceView(at([[1.0, 1.0], [0.0, 0.0]]))
    assert view.plan["fewest_wrong"] == module._FEWEST_WRONG
    results = view.figure().axes[0]
    (hollow,) = (line for line in results.lines if line.get_markerfacecolor() == "none")
    assert hollow.get_xdata().tolist() == pytest.approx([module._FEWEST_WRONG] * 2)
    view._repr_mimebundle_()


def test_runs_that_overflowed_are_drawn():
    race = made(valid_loss=torch.full((4, 5, 5, 4), torch.nan))
    view = RaceView(race)
    assert view.describe().endswith("; the best rate is at the end of the grid for 4 of the 4.")
    view._repr_mimebundle_()


def test_one_rate_one_seed_one_checkpoint():
    view = RaceView(made(["SGD"], rates=1, seeds=1, checkpoints=(10,)))
    data, metadata = view._repr_mimebundle_()
    assert Image.open(io.BytesIO(base64.b64decode(data["image/png"]))).width == 900
    assert data["text/plain"] == metadata["image/png"]["alt"] == view.describe()
