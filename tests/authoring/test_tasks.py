"""Each task that a lesson sets beside a picture can be done with the picture's own controls, and who does it
sees what the text says then. Networks that take seconds to train are left to the lessons' claims."""

from __future__ import annotations

import re
from typing import Any

import pytest

from authoring import build, cells
from lwlr_teach.views import SurfaceView
from lwlr_teach.views.kit.base import View

pytestmark = pytest.mark.slow  # the cells make their experiments again


def shown(lesson: str, *parts: str) -> Any:
    """The view of the last of the cells in which these texts stand; the others are run before it."""
    source = next(path for path in build.sources() if path.stem == lesson)
    codes = [cell.source for _, cell in cells.code_cells(build.read(source, teacher=True))]
    names: dict[str, Any] = {}
    exec(re.sub(r"^begin\(.*\)$", "", codes[0], flags=re.MULTILINE), names)
    wanted = [next(code for code in codes if part in code) for part in parts]
    for code in wanted[:-1]:
        exec(code, names)
    *before, last = cells.tree(wanted[-1]).body
    exec("\n".join(map(cells.ast.unparse, before)), names)
    view = eval(cells.ast.unparse(last), names)
    assert isinstance(view, View)
    return view


def outcomes(view: Any, name: str, index: str, values: Any) -> list[tuple[float, str]]:
    """What the view says of a method at every position of a slider."""
    found = []
    for position, value in enumerate(values):
        setattr(view, index, position)
        said = re.search(rf"\b{re.escape(name)} (?:reaches )?([^;]*?)(?:; |\.$)", view.describe())
        assert said
        found.append((float(value), said[1]))
    return found


def lines(view: Any) -> Any:
    """The curves of a picture of curves, one a name."""
    return view.main.marks[0].y.values


def number(said: str) -> float:
    return float(said.split(" (")[0].replace("−", "-"))


def test_01_the_largest_rate_that_does_not_fly_away_and_the_one_that_comes_closest():
    view = shown("01-learning-rate", "rates = torch.linspace", "lr=rates, at_lr=0.05")
    found = outcomes(view, "SGD", "lr_index", view._rates)
    stays = {rate: number(said) for rate, said in found if "diverges" not in said}
    assert max(stays) == pytest.approx(0.2)
    assert min(stays, key=stays.get) == pytest.approx(0.18, abs=0.006)


def test_01_the_narrow_valley_loses_the_run_at_its_own_edge():
    view = shown("01-learning-rate", "two_valleys = ")
    ends = []
    for position, rate in enumerate(view._rates.tolist()):
        view.lr_index = position
        path, _, _ = view.run(0, view.start)
        ends.append((rate, path[-1, 0].item() < 0))
    first_out = next(rate for rate, narrow in ends if not narrow)
    assert first_out == pytest.approx(0.04, rel=0.03)


def test_01_six_methods_have_six_best_rates_and_none_together():
    view = shown("01-learning-rate", 'SurfaceView("quadratic", SIX')
    first = view.run(0, view.start)[1][0]
    together = []
    for position in range(0, len(view._rates), 5):
        view.lr_index = position
        together.append(all(view.run(i, view.start)[1].min() <= first / 1000 for i in range(6)))
    assert not any(together)


def test_01_nesterov_and_adagrad_exclude_each_other_and_rmsprop_comes_back():
    view = shown("01-learning-rate", 'SurfaceView("quadratic", SIX')
    first, arrives = view.run(0, view.start)[1][0], {}
    for position, rate in enumerate(view._rates.tolist()):
        view.lr_index = position
        for name in ("Nesterov", "Adagrad"):
            if view.run(view.names.index(name), view.start)[1].min() <= first / 1000:
                arrives.setdefault(name, []).append(rate)
    assert max(arrives["Nesterov"]) < min(arrives["Adagrad"])
    path, losses, _ = view.run(view.names.index("RMSprop"), view.start)  # at the right end of the slider
    bounds = view.surfaces["quadratic"].bounds
    assert any(not low <= x <= high for (low, high), x in zip(bounds, path[1].tolist(), strict=True))
    assert losses[15] < first / 1000


def test_02_two_sliders_reach_what_the_formula_says():
    view = shown("02-momentum", "def arrival", "at_momentum=0.5")
    view.lr_index = min(range(len(view._rates)), key=lambda i: abs(view._rates[i] - 0.033))
    view.momentum_index = 67
    path, _, _ = view.run(1, view.start)
    near = (path.norm(dim=-1) < path[0].norm() / 1000).nonzero()[0].item()
    assert view.momentum == pytest.approx(0.67)
    assert near < 68  # a fifth of SGD's steps


def test_02_from_10_to_1000_the_fastest_setting_needs_about_ten_times_as_many_steps():
    view = shown("02-momentum", "all_runs = ", "at_condition=10")
    steps = []
    for k in range(3):
        view.condition_index = k
        fastest = view.runs.factors[0, k].argmin().item()
        view.momentum_index, view.lr_index = divmod(fastest, len(view.runs.lr))
        said = re.search(r"ten times closer every ([\d.]+) steps", view.describe())
        assert said
        steps.append(float(said[1]))
    assert 8 < steps[2] / steps[0] < 15


def test_03_at_one_rate_the_mean_stays_and_the_lowest_mean_is_at_a_small_rate():
    view = shown("03-schedules", "walkers=32, seed=2)")
    later = []
    for step in (100, 300):
        view.step = step
        later.append(view.mean_loss(0, view.start)[step].item())
    assert 0.8 < later[1] / later[0] < 1.25
    means = {}
    for position, rate in enumerate(view._rates.tolist()):
        view.lr_index = position
        means[rate] = view.mean_loss(0, view.start)[300].item()
    best = min(means, key=means.get)
    assert 0.008 < best < 0.02
    assert means[min(means)] > 5 * means[best]  # it hardly trembles, and has not arrived


def test_03_after_the_drop_the_mean_falls_most_of_the_way_at_once_and_then_creeps():
    view = shown("03-schedules", "windy = ", "floor_rates = ", "drop = ")
    mean = view.mean_loss(0, view.start)
    there, soon, end = (mean[step - 5 : step + 6].mean().item() for step in (145, 170, 295))
    assert there - soon > (there - end) / 2
    assert soon > 1.5 * end


def test_03_after_step_10_ours_stays_and_torchs_climbs():
    by_hand, ours, theirs = lines(shown("03-schedules", "ours, theirs = SGD", "three = dict("))
    assert (by_hand[10:] == 0).all()
    assert (ours[10:] == 0).all()
    assert (theirs[10:].diff() > 0).all()


def test_03_the_first_rate_to_be_cut_is_the_largest_and_the_smallest_is_not():
    view = shown("03-schedules", "windy = ", "floor_rates = ", "usual = {")
    rates = dict(zip(view.names, view.main.marks[0].y.values, strict=True))
    cut = {name: (curve < curve[0]).nonzero().flatten()[:1].tolist() for name, curve in rates.items()}
    assert cut["from 0.1"] < cut["from 0.02"]
    assert cut["from 0.01"] == cut["from 0.005"] == []
    assert rates["from 0.1"][-1] < 1e-3 * rates["from 0.1"][0]  # cut again and again


def test_06_a_short_memory_trembles_a_long_one_lags_and_the_best_follows_the_speed():
    view = shown("06-rmsprop-adadelta", "MemoryView(")
    best = {}
    for change in ("slow drift", "fast drift"):
        view.change = change
        found = {}
        for position, memory in enumerate(view._memories.tolist()):
            view.memory_index = position
            said = re.search(r"RMSprop is typically (\d+)% off", view.describe())
            assert said
            found[memory] = int(said[1])
        assert found[min(found)] > 2 * min(found.values())
        best[change] = [memory for memory, off in found.items() if off == min(found.values())]
    assert found[max(found)] > 2 * min(found.values())
    assert min(best["slow drift"]) > 2 * max(best["fast drift"])


def test_06_a_best_eps_in_the_bowl_with_a_jam_to_its_left_and_a_crash_to_its_right():
    view = shown("06-rmsprop-adadelta", "epsilons = ")
    ends = {}
    for position, eps in enumerate(view._more["eps"].tolist()):
        view.more = {"eps": position}
        ends[eps] = view.run(0, view.start)[1][-1].item()
    first = view.run(0, view.start)[1][0].item()
    best = min(ends, key=ends.get)
    assert 1e-5 < best < 1e-3
    assert ends[min(ends)] > 0.9 * first
    assert ends[max(ends)] > 10 * first


def test_07_only_gradients_that_agree_get_the_whole_rate():
    view, lengths = shown("07-adam", "at_step=30"), {}
    for view.gradients in ("constant", "noisy", "changing sign"):
        lengths[view.gradients] = abs(view.values["Adam"]["Δp"])
    assert lengths["constant"] == pytest.approx(0.1)
    assert 0.02 < lengths["noisy"] < 0.06
    assert lengths["changing sign"] < 0.01


def test_07_without_its_correction_adam_begins_with_its_longest_steps():
    view, lengths = shown("07-adam", "def uncorrected"), []
    for view.step_index in range(30):
        lengths.append([-values["Δp"] for values in view.values.values()])
    adam, uncorrected = zip(*lengths, strict=True)
    assert adam[0] == pytest.approx(0.1)
    assert uncorrected[0] == pytest.approx(0.316, abs=1e-3)
    assert uncorrected.index(max(uncorrected)) == 11


def test_07_an_epsilon_leads_from_adam_to_momentum():
    view = shown("07-adam", "def momentum")

    def apart(position):
        view.more = {"epsilon": position}
        adam, between, momentum = view.sweep.paths.flatten(0, -3)
        return [(between - other).abs().max().item() for other in (adam, momentum)]

    assert apart(0)[0] < 1e-5
    assert apart(0)[1] > 0.5
    assert apart(13)[0] > 0.5
    assert apart(13)[1] < 0.05
    low, high = view.surfaces["ravine"].bounds[1]
    assert ((view.sweep.paths[..., 1] > low) & (view.sweep.paths[..., 1] < high)).all()


def test_08_noise_of_the_pulls_own_size_leaves_l2_beside_decay():
    view = shown("08-adamw", "Pure noise")
    view.step_index = len(view._steps) - 1
    left = {
        name: number(re.search(rf"{re.escape(name)} ([\d.]+)[;.]", view.describe())[1]) for name in view.names
    }
    assert left["AdamW, any size"] == pytest.approx(0.22, abs=0.01)
    assert left["Adam + L2, size 1"] == pytest.approx(0.24, abs=0.02)
    assert left["Adam + L2, size 0.1"] < 0.05
    assert left["Adam + L2, size 10"] > 0.75


def test_08_only_the_rate_that_falls_alone_leaves_the_balance():
    view = shown("08-adamw", "A normalised layer")
    seen = {}
    for view.step_index in (400, 1950):
        found = re.findall(r"(rate [\w λ]+) ([\d.]+)[;.]", view.describe())
        seen[view.step_index] = {name: float(value) for name, value in found}
    assert set(seen[400]) == set(view.names)
    assert all(value == pytest.approx(1, abs=0.15) for value in seen[400].values())
    assert seen[1950]["rate falls"] > 2
    assert seen[1950]["rate and λ fall"] == seen[1950]["rate and λ stay"] == 1


def test_09_the_upper_case_is_wild_at_first_and_tame_at_50():
    view, upper = shown("09-after-adam", "1/√v̂"), {}
    for view.step_index in (0, 4, 49):
        upper[view._steps[view.step_index]] = number(
            re.search(r"95% are below ([\d.]+)\.$", view.describe())[1]
        )
    assert upper[1] > 15
    assert 2 < upper[5] < 2.3
    assert upper[50] < 1.3


def test_09_lookahead_is_sgd_at_a_small_rate_and_noisier_at_half():
    view, apart = shown("09-after-adam", "floors = "), {}
    for rate in (0.02, 0.5):
        view.step_index = min(range(len(view._steps)), key=lambda i: abs(view._steps[i] - rate))
        sgd, slow, same = (number(said) for said in re.findall(r" ([\d.]+)(?:;|\.$)", view.describe()))
        assert slow < sgd
        apart[rate] = slow / same
    assert apart[0.02] == pytest.approx(1, abs=0.05)
    assert apart[0.5] > 1.5


def test_09_only_lion_stops_falling():
    view, late = shown("09-after-adam", "def down", "A bowl without noise"), {}
    for view.step_index in (299, 399):
        late[view.step_index] = [float(line[view.step_index - 20 :].max()) for line in lines(view)]
    (sgd, adam, lion), (later_sgd, later_adam, later_lion) = late[299], late[399]
    assert later_sgd < sgd
    assert later_adam < adam / 10
    assert later_lion > lion / 2


def test_09_muon_learns_common_and_rare_together_and_slow_sgd_does_not():
    view = shown("09-after-adam", "makers = ")
    common, rare, sgd_common, sgd_rare = (int((line < 0.1).int().argmax()) for line in lines(view))
    assert abs(common - rare) < 5
    assert sgd_common > 0
    assert sgd_rare == 0  # never, in 60 steps


def test_09_muon_has_the_rarest_first_and_ends_lowest():
    view = shown("09-after-adam", "makers = ", "rarest = ")
    first, last = {}, {}
    for name, line in zip(view.names, lines(view), strict=True):
        first[name] = int((line < 0.1).int().argmax())
        last[name] = line[-1].item()
    assert first["Muon"] < first["Momentum"] < first["Adam"]
    assert min(last, key=last.get) == "Muon"
    assert max(last, key=last.get) == "SGD"


def test_09_adam_settles_where_lion_hops():
    view = SurfaceView("quadratic", ["Adam", "Lion"], at_lr=0.3)  # the lesson's, without the learner's Lion
    for position, rate in enumerate(view._rates.tolist()):
        if rate >= 0.1 and position % 5 == 0:
            view.lr_index = position
            adam, lion = (view.run(i, view.start)[1][-10:].max() for i in range(2))
            assert lion > 10 * adam


def test_10_one_rate_is_thrown_by_the_wall_and_its_neighbours_are_not():
    view = shown("10-exploding-gradients", "lrs = ")
    thrown = []
    for position in range(len(view._rates)):
        view.lr_index = position
        _, gap, _ = view.run(0, view.start)
        thrown.append(bool(gap.max() > gap[0]))
    assert any(thrown)
    assert any(
        here and not (before or after)
        for before, here, after in zip(thrown, thrown[1:], thrown[2:], strict=False)
    )


def read_off(view, positions):
    """What the view says of every curve at each of these positions of its slider."""
    seen = []
    for view.step_index in positions:
        found = re.findall(r"[:;] ([^:;]+?) ([\d.e]+?)(?=;|\.$)", view.describe())
        seen.append({name: float(value) for name, value in found})
    return seen


def test_13_four_times_the_batch_saves_much_at_first_and_nothing_in_the_end():
    view = shown("13-lamb-large-batch", "signals(train", "runs = measured()", 'title="To the target"')
    steps = [seen["Momentum"] for seen in read_off(view, range(6))]
    assert steps[0] > 2.5 * steps[1] > 2.5 * 2.5 * steps[2]
    assert steps[-1] == pytest.approx(steps[-2], rel=0.05)


def test_13_the_fastest_batch_grows_with_the_machines():
    view = shown(
        "13-lamb-large-batch", "signals(train", "runs = measured()", 'title="To the target"', "talk = 20"
    )
    seen = read_off(view, range(6))
    fastest = [min(range(6), key=lambda k: seen[k][name]) for name in view.names]
    assert fastest == [0, 2, 3]


def test_13_lars_and_lamb_fall_the_most_and_adam_is_lowest():
    view = shown("13-lamb-large-batch", "signals(train", "runs = measured()", "four = {run.method")
    first, last = read_off(view, (0, 5))
    falls = {name: first[name] / last[name] for name in view.names}
    assert min(falls["LARS"], falls["LAMB"]) > 1.4 * max(falls["Momentum"], falls["Adam"])
    assert last["Adam"] == min(last.values())
    assert first["Adam"] == min(first.values())


def test_14_the_ends_win_the_first_step_and_the_middle_the_second():
    view = shown("14-first-two-steps", "budget =", "at_step=1, at_share=0.3")
    best = {}
    for index in (view.step_index, view.step_index + 1):
        view.step_index = index
        losses = {}
        for position in range(41):
            view.share_index = position
            said = re.search(r"(\d+)% of the budget in layer 1 gives the loss ([\d.]+)\.", view.describe())
            assert said
            losses[int(said[1])] = float(said[2])
            assert "est are" not in view.describe() or position in (0, 40)
        best[view.describe().split("after ")[1].split(":")[0]] = min(losses, key=losses.get)
    assert best["step 1"] in (0, 100)
    assert best["step 2"] == 50


def test_16_on_the_random_slice_the_paths_stand_still_and_on_the_principal_one_adam_leaves_the_others():
    view = shown("16-loss-landscapes", "ways = walks", "LandscapeView(slices")
    random, principal = view.slices.values()
    for path in random.paths.values():
        assert path.abs().max() < 0.1  # the slice goes from −1 to 1
    sgd, momentum, adam = (path[-1] for path in principal.paths.values())
    assert (sgd - momentum).norm() < (sgd - adam).norm() / 3
    # And it is told where one looks.
    view.slice, view.yaw_index, view.tilt_index = "principal directions", 0, len(view._tilts) - 1
    assert "seen from 90° above" in view.describe()


def test_16_plain_says_gorge_and_filter_says_the_same():
    view = shown("16-loss-landscapes", "ways = walks", "other = rescale", "valleys = {")
    plain, other, filtered, same = lines(view)
    place = view.names.index("as trained, plain")
    assert place == 0
    assert other[18] / other[20] > 10 * plain[18] / plain[20]
    assert (filtered - same).abs().max() < 1e-6


def test_17_momentums_arrows_lie_apart_and_one_rate_serves_adam_in_all_four_fields():
    view = shown("17-four-fields", "runs = raced", "FieldsView(runs")
    arrows = {
        name: [panel.marks[3].x.values[view.names.index(name)].item() for panel in view.main.panels]
        for name in view.shown
    }
    assert max(arrows["Momentum"]) > 100 * min(arrows["Momentum"])
    assert max(arrows["Adam"]) < 11 * min(arrows["Adam"])
    for name, wanted in (("Momentum", []), ("Adam", [pytest.approx(0.0316, rel=0.01)])):
        good = []
        for position, rate in enumerate(view._rates.tolist()):
            view.lr_index = position
            said = re.search(rf"{name} vision (.*?)(?:; |\.$)", view.describe())[1]
            parts = re.findall(r"(<0|\d+)%", said)
            assert len(parts) == 4
            if all(part != "<0" and int(part) >= 95 for part in parts):
                good.append(rate)
        assert good == wanted


def test_17_who_is_first_and_who_never_gets_there():
    view = shown(
        "17-four-fields", "runs = raced", "vision_runs = ", "steps = steps_to_targets", "shares = dict"
    )
    ends = {}
    for position, at in ((0, "first"), (20, "at two"), (len(view._steps) - 1, "last")):
        view.step_index = position
        view.shown = view.names
        ends[at] = dict(re.findall(r"(\w+) ([\d.]+)(?:;|\.$)", view.describe().partition(":")[2]))
    assert max(ends["first"], key=lambda name: float(ends["first"][name])) == "Lion"
    assert {name for name, share in ends["last"].items() if float(share) < 1} == {"SGD", "NovoGrad"}


def test_18_the_third_patient_says_which_layer_stands_still():
    view = shown("18-clinic", "left = run_patient")
    assert "standing still: second" in view.describe()
    view.quantity = "grad_norm"
    assert "second" in view.describe()


def test_18_each_patient_of_the_clinic_is_cured_by_its_name():
    view = shown("18-clinic", "ClinicView(")
    assert "healthy" not in view.describe()
    for i, patient in enumerate(view.patients):
        view.patient, view.named = i, [patient.illness.name]
        assert view.solved
        assert view.bill == 0
