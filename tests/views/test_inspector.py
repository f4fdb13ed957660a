import math
import re
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn

from lwlr_teach.layerwise import freeze
from lwlr_teach.optim import LARS, SGD
from lwlr_teach.runs.recorder import QUANTITIES, Recorder, Recording
from lwlr_teach.runs.training import fit
from lwlr_teach.views import InspectorView
from lwlr_teach.views.inspector.view import TITLES, depth_styles, standing
from tests.views.paper import contrast


def recording(layers=("in", "mid", "out"), steps=6, every=10, **rows):
    """One in which every quantity is 1 but those given, each as (layer, step) or what broadcasts to it."""
    values = torch.ones(len(QUANTITIES), len(layers), steps)
    for name, given in rows.items():
        values[list(QUANTITIES).index(name)] = torch.as_tensor(given, dtype=torch.float32)
    return Recording(tuple(layers), torch.arange(steps) * every, values)


def moving(**rows):
    """A recording in which nothing explodes."""
    speeds = [[0.1], [0.001], [0.04]]
    return recording(**({"relative_update": speeds, "update_norm": speeds} | rows))


class Copier(nn.Module):
    """torch's own transformer, which is to say a sequence backwards."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        layer = nn.TransformerEncoderLayer(16, 2, 32, dropout=0.0, batch_first=True)
        self.tokens = nn.Embedding(8, 16)
        self.places = nn.Parameter(torch.randn(6, 16))
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.head = nn.Linear(16, 8)

    def forward(self, x):
        return self.head(self.encoder(self.tokens(x) + self.places)).transpose(1, 2)


def train_copier(make, steps=31):
    model = Copier()
    freeze(model, "tokens")
    generator = torch.Generator().manual_seed(0)
    x = torch.randint(8, (steps, 16, 6), generator=generator)
    return fit(
        model, make(model), list(zip(x, x.flip(-1), strict=True)), steps=steps, every=2, progress=False
    )


@pytest.fixture(scope="module")
def transformer():
    return [
        train_copier(lambda m: torch.optim.SGD(m.parameters(), lr=0.1)).recording,
        train_copier(lambda m: LARS(m.parameters(), lr=1.0)).recording,
    ]


def test_a_model_that_is_not_ours(transformer):
    """``torch.nn.TransformerEncoder`` with torch's SGD and with LARS."""
    view = InspectorView(transformer, names=["SGD", "LARS"], title="A transformer")
    assert len(view.layers) == 15
    assert view.layers[1:4] == ("tokens", "encoder.layers.0.self_attn", "encoder.layers.0.self_attn.out_proj")
    assert view.layers[-1] == "head"
    speeds = transformer[0]["relative_update"][:, -1]
    fastest = view.layers[int(speeds.argmax())]
    sgd, lars = view.describe().split(" LARS: ")
    assert sgd.startswith(
        f"A transformer, relative update ‖Δp‖ / ‖p‖, step 30. SGD: fastest is {fastest} at "
    )
    assert sgd.endswith("standing still: tokens.")
    assert lars.endswith("standing still: tokens.")
    assert "exploding" not in sgd + lars
    # LARS makes the layers about equally fast, which is what it is for.
    ratios = [float(re.search(r"([\d.]+) times", part)[1]) for part in (sgd, lars)]
    assert ratios[1] < ratios[0] / 2


def test_what_is_sent_is_what_was_recorded(transformer):
    view = InspectorView(transformer)
    sent = np.frombuffer(view.values, "<f4").reshape(2, len(TITLES), 15, 16)
    assert set(TITLES) == set(QUANTITIES)
    assert view.steps.tolist() == view.plan["steps"] == list(range(0, 31, 2))
    for run in range(2):
        for i, name in enumerate(TITLES):
            np.testing.assert_array_equal(sent[run, i], transformer[run][name].numpy())
    assert [q["name"] for q in view.plan["quantities"]] == list(TITLES)


def test_the_sentence_follows_the_controls():
    view = InspectorView(
        moving(relative_update=[[0.1] * 6, [0.001] * 6, [0.04, 0.04, 0.04, 0.2, 0.04, 0.04]]),
        title="Net",
        at_step=29,
    )
    assert view.step == 30
    assert view.describe() == (
        "Net, relative update ‖Δp‖ / ‖p‖, step 30: fastest is out at 0.2, 200 times the slowest, mid, at "
        "0.001; the first layer, in, is at 0.1 and the last, out, at 0.2."
    )
    view.step_index = 2
    assert "step 20: fastest is in at 0.1, 100 times the slowest, mid, at 0.001" in view.describe()
    view.shown = ["mid", "out"]
    assert "step 20: fastest is out at 0.04, 40 times the slowest, mid, at 0.001; " in view.describe()
    assert "the first layer, mid, is at 0.001 and the last, out, at 0.04" in view.describe()
    view.shown = ["mid"]
    assert view.describe() == "Net, relative update ‖Δp‖ / ‖p‖, step 20: fastest is mid at 0.001."
    view.shown = []
    assert view.describe() == "Net, relative update ‖Δp‖ / ‖p‖, step 20: no layer is shown."
    view.shown = ["in", "mid", "out"]
    view.quantity = "rate"
    assert "rate of the whole model, step 20: all are at 1; the first" in view.describe()
    view.quantity = "cosine"
    view = InspectorView(moving(relative_update=[[0.01], [0.00999999], [0.01000001]]))
    assert "step 50: all that move are at 0.01; the first" in view.describe()
    view = InspectorView(moving(cosine=[[0.9], [-0.25], [math.nan]]), quantity="cosine")
    assert "highest is in at 0.9, lowest is mid at −0.25; the first layer, in, is at 0.9" in view.describe()
    assert view.describe().endswith("and the last, out, without a number.")


def test_who_stands_still_and_who_explodes():
    nan = math.nan
    speeds = [[0.1, 0.1, 0.1, 0, 1.5, nan], [0.001] * 6, [0, 0, 0.5, 0, 0, 0]]
    view = InspectorView(
        moving(relative_update=speeds, update_norm=speeds, grad_norm=[[1, 1, 1, 1, 1, nan], [1] * 6, [1] * 6])
    )

    def says(step):
        view.step_index = step
        return view.describe().split(": ", 1)[1]

    assert says(0).endswith("standing still: out.")
    assert says(0).startswith("fastest is in at 0.1, 100 times the slowest, mid, at 0.001; ")
    assert "standing" not in says(2)
    assert "exploding" not in says(2)
    assert says(3).startswith("fastest is mid at 0.001; ")
    assert says(3).endswith("standing still: in, out.")
    assert says(4).startswith("fastest is in at 1.5, 1500 times")
    assert says(4).endswith("standing still: out; exploding: in.")
    assert says(5).startswith("fastest is mid at 0.001; the first layer, in, is without a number ")
    assert says(5).endswith("standing still: out; exploding: in.")


def test_a_layer_without_a_gradient_stands_still_and_does_not_explode():
    speeds = {"relative_update": [[0.1], [0.0]], "update_norm": [[0.1], [0.0]]}
    frozen = recording(["in", "out"], grad_norm=[[2.0], [math.nan]], **speeds)
    view = InspectorView(frozen, quantity="grad_norm")
    assert view.describe().endswith("and the last, out, without a number; standing still: out.")
    assert (view._codes(0)[1] == 255).all()  # hatched, and not grey


def test_nothing_moves_and_nothing_is_known():
    view = InspectorView(moving(relative_update=0.0, update_norm=0.0))
    assert view.describe().endswith(
        "step 50: the first layer, in, is at 0 and the last, out, at 0; every layer stands still."
    )
    view.figure()
    view = InspectorView(moving(cosine=math.nan), quantity="cosine")
    assert (
        "step 50: no layer that moves has a number here; the first layer, in, is without a" in view.describe()
    )
    view.figure()


def test_the_definitions():
    values = torch.ones(len(TITLES), 5)
    names = list(TITLES)
    values[names.index("relative_update")] = torch.tensor([1.0, 1.0001, 0.5, 0.0, math.nan])
    values[names.index("update_norm")] = torch.tensor([1.0, 1.0, 1.0, 0.0, 0.0])
    values[names.index("weight_norm"), 4] = math.nan
    at = standing(values, "relative_update", range(5))
    assert at == (1, 2, [3], [1, 4])  # a step as long as the weights is not yet longer
    assert standing(values, "relative_update", [3]) == (None, None, [3], [])
    values[names.index("grad_norm"), 2] = math.nan
    assert standing(values, "relative_update", range(5)).exploding == [1, 2, 4]


def test_a_layer_that_stands_still_may_have_the_highest_number_and_is_never_the_slowest():
    speeds = {"relative_update": [[0.1], [0.0], [0.04]], "update_norm": [[0.1], [0.0], [0.04]]}
    view = InspectorView(moving(weight_norm=[[2.0], [9.0], [1.0]], **speeds))
    assert "fastest is in at 0.1, 2.5 times the slowest, out, at 0.04; " in view.describe()
    view.quantity = "weight_norm"
    assert "highest is mid at 9, 9 times the lowest, out, at 1; " in view.describe()
    assert view.describe().endswith("standing still: mid.")
    view = InspectorView(moving(grad_norm=[[2.0], [0.0], [1.0]], **speeds), quantity="grad_norm")
    assert "highest is in at 2, lowest is mid at 0; " in view.describe()
    view = InspectorView(moving(cosine=[[0.5], [math.nan], [0.5]], **speeds), quantity="cosine")
    assert "all with a number are at 0.5; " in view.describe()


def test_many_names_become_a_count():
    layers = [f"layer{i}" for i in range(9)]
    view = InspectorView(recording(layers, relative_update=0.0, update_norm=[[1.0]] + [[0.0]] * 8))
    assert view.describe().endswith("standing still: layer1, layer2, layer3 and 5 more.")
    view.shown = layers[:5]
    assert view.describe().endswith("standing still: layer1, layer2, layer3, layer4.")


@pytest.mark.slow
def test_two_runs_of_different_length_share_steps_and_colours():
    short = moving(steps=3)
    long = moving(steps=6, relative_update=[[10.0], [0.5], [0.5]])
    view = InspectorView([short, long], names=["short", "long"])
    assert view.steps.tolist() == [0, 10, 20, 30, 40, 50]
    assert view.plan["lengths"] == [3, 6]
    assert "short: the recording has ended. long: fastest is in at 10" in view.describe()
    view.step_index = 3
    assert "short: the recording has ended. long: fastest is in at 10" in view.describe()
    view.step_index = 2
    assert "short: fastest is in at 0.1" in view.describe()
    sent = np.frombuffer(view.values, "<f4").reshape(2, len(TITLES), 3, 6)
    assert np.isnan(sent[0, :, :, 3:]).all()
    assert np.isfinite(sent[0, :, :, :3]).all()
    relative = view.plan["quantities"][0]
    assert relative["range"] == pytest.approx([0.001, 10])
    view._repr_mimebundle_()


def test_runs_that_were_recorded_at_other_steps():
    """A run that was recorded more rarely shows what it recorded last."""
    rare = moving(steps=3, every=20, relative_update=[[0.1, 0.2, 0.3], [0.01] * 3, [0.01] * 3])
    view = InspectorView([moving(steps=5), rare])
    assert view.steps.tolist() == [0, 10, 20, 30, 40]
    sent = np.frombuffer(view.values, "<f4").reshape(2, len(TITLES), 3, 5)
    np.testing.assert_allclose(sent[1, 0, 0], [0.1, 0.1, 0.2, 0.2, 0.3])


@pytest.mark.slow
@pytest.mark.parametrize(
    "recorded",
    [
        [[0, 10, 25]],
        [[0, 10, 20, 25]],
        [[0, 1]],
        [[3, 4, 6, 10, 18, 34]],
        [range(0, 201, 10), range(0, 201, 7)],
        [range(0, 71, 10), range(0, 100, 7)],
        [range(1, 5000, 3), range(0, 4999, 10)],
        [[5], [0, 40]],
        [[0, 10], [0, 7]],
    ],
    ids=str,
)
def test_the_slider_goes_from_the_first_recorded_step_to_the_last(recorded):
    runs = []
    for steps in recorded:
        run = moving(steps=len(steps), relative_update=torch.tensor(steps).expand(3, -1) / 1e5)
        runs.append(Recording(run.layers, torch.tensor(steps), run.values))
    view = InspectorView(runs)
    every = sorted(set().union(*recorded))
    assert (view.steps[0], view.steps[-1]) == (every[0], every[-1])
    assert set(view.steps.tolist()) <= set(every)
    assert len(view.steps) <= 302
    for run, steps in enumerate(recorded):
        view.step_index = view.steps.tolist().index(max(steps))
        assert view._of("relative_update")[run, 0, view.step_index] == runs[run]["relative_update"][0, -1]
    if len(every) <= 4:
        assert view.steps.tolist() == every
    view.step_index = len(view.steps) - 1
    assert f"step {every[-1]}" in view.describe()
    edges = view._edges()
    assert all(low < step < high for low, step, high in zip(edges, view.steps, edges[1:], strict=False))
    view._repr_mimebundle_()


def test_long_recordings_are_thinned_and_keep_both_ends():
    count = 1999
    long = recording(steps=count, relative_update=torch.arange(count).expand(3, -1) + 1)
    view = InspectorView(long)
    assert len(view.steps) == 300
    assert (view.steps[0], view.steps[-1]) == (0, 10 * (count - 1))
    gaps = view.steps.diff()
    assert gaps.max() - gaps.min() <= 10
    sent = np.frombuffer(view.values, "<f4").reshape(len(TITLES), 3, 300)
    np.testing.assert_array_equal(sent[0, 0], view.steps.numpy() / 10 + 1)  # none is invented


def test_what_is_sent_stays_small():
    layers = [f"layer{i}" for i in range(48)]
    pair = [recording(layers, steps=400)] * 2
    view = InspectorView(pair)
    assert len(view.steps) == 300
    assert len(view.values) == 2 * 10 * 48 * 300 * 4 < 2_500_000
    many = [f"layer{i}" for i in range(500)]
    view = InspectorView([recording(many, steps=400)] * 2)
    assert len(view.values) < 2_500_000
    assert 50 < len(view.steps) < 70


def test_one_step_is_enough():
    view = InspectorView(moving(steps=1, relative_update=0.5, update_norm=0.5))
    assert view.step == 0
    assert "step 0: all that move are at 0.5" in view.describe()
    view._repr_mimebundle_()


def test_a_spike_does_not_hide_the_rest():
    relative = torch.full((3, 6), 0.01)
    relative[1, 3] = 1e20
    view = InspectorView(moving(relative_update=relative))
    assert view.plan["quantities"][0]["range"] == pytest.approx([0.01, 1000])
    assert InspectorView(moving()).plan["quantities"][-1]["range"] == [-1, 1]  # cosine


@pytest.mark.slow
@pytest.mark.parametrize("value", [math.inf, 3e38, 1e-45])
def test_numbers_at_the_end_of_single_precision_can_be_drawn(value):
    view = InspectorView(moving(weight_norm=[[value], [1.0], [2.0]]), quantity="weight_norm")
    data, _ = view._repr_mimebundle_()
    assert data["image/png"]
    assert ("exploding: in" in view.describe()) == math.isinf(value)
    every = InspectorView(moving(weight_norm=value), quantity="weight_norm")
    every.figure()
    assert "all are at" in every.describe()


@pytest.mark.parametrize("after", [[[2.0], [0.0]], [[1.0], [0.0]]], ids=["not clipped", "clipped"])
def test_a_run_that_was_not_clipped_has_one_gradient_in_its_list(after):
    """The second layer has no gradient: it has no number before the clip, and 0 after it."""
    one = recording(["in", "out"], grad_norm=[[2.0], [math.nan]], clipped_norm=after)
    listed = {q["name"]: q["title"] for q in InspectorView(one).plan["quantities"] if q["listed"]}
    clipped = after[0] != [2.0]
    assert listed["grad_norm"] == "gradient ‖g‖" + " before clipping" * clipped
    assert ("clipped_norm" in listed) is clipped
    view = InspectorView(one, quantity="clipped_norm")
    assert all(q["listed"] for q in view.plan["quantities"])


@pytest.mark.slow
def test_every_quantity_can_be_drawn(transformer):
    view = InspectorView(transformer, at_step=10)
    for quantity in QUANTITIES:
        view.quantity = quantity
        data, metadata = view._repr_mimebundle_()
        assert data["image/png"]
        assert metadata["image/png"]["alt"] == data["text/plain"] == view.describe()
    view.shown = []
    view.figure()
    view.shown = ["head"]
    view.figure()


def test_the_figure_shows_the_numbers():
    speeds = [[0.1, 0.1, 0.1, 0, 0.1, math.nan], [0.001] * 6, [0, 0.01, 0.01, 0.01, 0.01, 0.01]]
    view = InspectorView(moving(relative_update=speeds), at_step=20)
    on_map, _, lines = view.figure().axes
    codes = on_map.collections[0].get_array()
    assert codes.shape == (3, 6)
    assert codes[0].tolist() == [63, 63, 63, 64, 63, None]  # the first layer on top; grey for 0; hatched
    assert codes[1].tolist() == [0] * 6
    assert codes[2, 0] == 64
    assert codes[2, 1] in (31, 32)  # the middle of two decades
    low, high = on_map.get_ylim()
    assert low > high
    assert [text.get_text() for text in on_map.get_yticklabels()] == ["in", "mid", "out"]
    assert lines.lines[0].get_xydata()[2].tolist() == pytest.approx([20, 0.1])
    assert math.isnan(lines.lines[0].get_ydata()[5])
    bottom, _ = lines.get_ylim()
    assert lines.lines[2].get_ydata()[0] == pytest.approx(bottom)
    assert bottom < 0.001
    assert on_map.lines[0].get_xdata()[0] == 20


def test_the_colours_run_from_the_first_layer_to_the_last():
    styles = depth_styles(48)
    assert (styles[0]["colour"], styles[-1]["colour"]) == ("#0072b2", "#d55e00")
    assert len({(s["colour"], s["marker"], str(s["dash"])) for s in styles}) == 48
    assert depth_styles(1)[0]["colour"] == "#0072b2"
    for near, far in pairwise(styles):  # a second cue beside the colour
        assert near["dash"] != far["dash"]
        assert near["marker"] != far["marker"]


def test_it_starts_where_it_is_told(transformer):
    view = InspectorView(transformer[0], quantity="grad_norm", at_step=11.2, shown=["head", "tokens"])
    assert (view.step, view.quantity, view.shown) == (12, "grad_norm", ["tokens", "head"])
    assert view.plan["start"] == {"step_index": 6, "quantity": "grad_norm", "shown": ["tokens", "head"]}


def test_layers_are_chosen_by_kind(transformer):
    norms = [name for name in transformer[0].layers if "norm" in name]
    view = InspectorView(transformer[0])
    assert list(view.plan["kinds"]) == ["weights", "norms"]
    assert view.plan["kinds"]["norms"] == norms
    assert len(norms) == 4
    assert view.plan["kinds"]["weights"] == [name for name in view.layers if name not in norms]
    assert InspectorView(transformer, shown="norms").shown == norms
    assert InspectorView(transformer[0], shown="weights").plan["start"]["shown"][-1] == "head"
    with pytest.raises(ValueError, match="shown 'norm' is not known; did you mean norms"):
        InspectorView(transformer, shown="norm")
    # Where there is one kind alone, or none is known, there is nothing to choose.
    assert InspectorView(moving()).plan["kinds"] == {}
    model = nn.Linear(2, 2)
    with Recorder(model, SGD(model.parameters()), every=1) as recorder:
        recorder._optimizer.step()
    assert InspectorView(recorder.recording).plan["kinds"] == {}
    # Of two recordings one may be of an earlier version.
    old = Recording(transformer[0].layers, transformer[0].steps, transformer[0].values)
    assert InspectorView([old, transformer[1]]).plan["kinds"]["norms"] == norms


def test_who_holds_a_recording_can_stand_for_it():
    model = nn.Linear(2, 2)
    x = torch.ones(3, 2)
    trained = fit(
        model, SGD(model.parameters(), lr=0.1), [(x, x)], loss=nn.MSELoss(), steps=3, progress=False
    )
    with Recorder(model, SGD(model.parameters(), lr=0.1), every=1) as recorder:
        nn.functional.mse_loss(model(x), x).backward()
        recorder._optimizer.step()
    assert InspectorView(recorder).recordings[0].layers == ("Linear",)
    view = InspectorView([trained, recorder])
    assert view.recordings[0] is trained.recording
    assert len(repr(trained)) < 300


def test_a_still_picture_names_every_row_of_many_layers():
    layers = [f"layer{i}" for i in range(31)]
    on_map = InspectorView(recording(layers)).figure().axes[0]
    assert [text.get_text() for text in on_map.get_yticklabels()] == layers
    positions = [on_map.transData.transform((0, i))[1] for i in range(2)]
    assert abs(positions[1] - positions[0]) > 9  # pixels, for letters of 7 points at 100 dots an inch


def test_on_dark_paper_every_line_can_be_seen():
    for count in (1, 2, 5, 31):
        for style in depth_styles(count):
            assert contrast(style["colour"], "#ffffff") > 3
            assert contrast(style["dark"], "#111111") > 5  # some were at 3.3


def test_bad_input(transformer):
    one = moving()
    with pytest.raises(TypeError, match="recordings must be a Recording or two of them, got 3"):
        InspectorView([3])
    with pytest.raises(TypeError, match="recordings must be a Recording or two of them, got None"):
        InspectorView(None)
    with pytest.raises(ValueError, match="recordings must be one or two, got 3"):
        InspectorView([one, one, one])
    with pytest.raises(ValueError, match="recordings must be one or two, got 0"):
        InspectorView([])
    with pytest.raises(ValueError, match="recordings must have the same layers; they differ in last, out"):
        InspectorView([one, recording(("in", "mid", "last"))])
    with pytest.raises(ValueError, match="they differ in their order"):
        InspectorView([one, recording(("mid", "in", "out"))])
    model = nn.Linear(2, 2)
    with pytest.raises(ValueError, match="recordings must hold at least one step"):
        InspectorView(Recorder(model, SGD(model.parameters())).recording)
    with pytest.raises(ValueError, match="recordings must hold at least one layer"):
        InspectorView(recording(layers=()))
    with pytest.raises(ValueError, match="quantity 'update' is not known; did you mean"):
        InspectorView(one, quantity="update")
    with pytest.raises(ValueError, match=r"names must be 2 different names, got \['SGD', 'SGD'\]"):
        InspectorView([one, one], names=["SGD", "SGD"])
    with pytest.raises(ValueError, match="names must be 2 different names, got 'ab'"):
        InspectorView([one, one], names="ab")
    with pytest.raises(ValueError, match="shown 'inn' is not known; did you mean in"):
        InspectorView(one, shown=["inn"])
    with pytest.raises(ValueError, match="at_step must be a finite number ≥ 0, got -1"):
        InspectorView(one, at_step=-1)
    view = InspectorView(one)
    with pytest.raises(ValueError, match="step_index must be from 0 to 5, got 6"):
        view.step_index = 6
    with pytest.raises(ValueError, match="quantity 'speed' is not known"):
        view.quantity = "speed"
